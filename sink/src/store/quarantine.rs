//! Dead letters for people: listed, shown, and noted when they are sent again.
//!
//! **Invariant.** A letter is sent by whoever has noted first that it is about to be: so it is sent once, and one whose
//! sending was never confirmed is known by its note.

use std::fmt;

use domain::{FarmId, Timestamp};
use platform::DeadLetterId;
use serde::Serialize;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, FromRow, PgConnection, Postgres, QueryBuilder, Row};
use time::OffsetDateTime;

use super::error::failed;
use super::{StoreError, days};
use crate::retention::Kept;
use crate::time::{from_sql, to_sql};

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only these.
    pub ids: Vec<DeadLetterId>,
    /// Only of this farm.
    pub farm: Option<FarmId>,
    /// Only by this rule.
    pub rule: Option<String>,
    /// Only those appended then or later.
    pub from: Option<Timestamp>,
    /// Only those appended before.
    pub to: Option<Timestamp>,
    /// Only those that are so far.
    pub state: Option<LetterState>,
    /// Only those below these offsets, by partition.
    pub below: Option<Vec<(i32, i64)>>,
}

/// How far a dead letter's second journey is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// It was not sent again.
    Open,
    /// It was about to be sent again, and nobody knows whether it was.
    Unconfirmed,
    /// It was sent again.
    Replayed,
}

/// Where a record is, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] at {}", self.topic, self.partition, self.offset)
    }
}

/// A dead letter, but for the record itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its name.
    pub id: DeadLetterId,
    /// When it became one.
    pub appended_at: Timestamp,
    /// The farm, if the record's key is one.
    pub farm_id: Option<String>,
    /// The rule that it broke.
    pub rule: Option<String>,
    /// The field at fault.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// What it should have been.
    pub bound: Option<String>,
    /// One sentence.
    pub reason: Option<String>,
    /// Which program refused it.
    pub component: Option<String>,
    /// Where it lay; none if it never was on Kafka.
    pub source: Option<RecordPlace>,
    /// When it was about to be sent again.
    pub replay_begun_at: Option<Timestamp>,
    /// When it had been sent again.
    pub replayed_at: Option<Timestamp>,
    /// Where it went.
    pub replayed_to: Option<RecordPlace>,
}

/// A dead letter with all of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeLetter {
    /// What it says.
    pub letter: Letter,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's bytes.
    pub payload: Option<Vec<u8>>,
    /// All headers.
    pub headers: serde_json::Value,
}

/// The dead letters in the database.
#[derive(Debug)]
pub struct Quarantine {
    connection: PgConnection,
}

const COLUMNS: &str = "kafka_partition, kafka_offset, appended_at, farm_id, rule, field, value, bound, reason, \
    component, source_topic, source_partition, source_offset, replay_begun_at, replayed_at, replayed_topic, \
    replayed_partition, replayed_offset";

/// Held by whoever replays, until its connection ends.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('windfarm.replay', 0))";

impl Quarantine {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn open(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let connection = options.connect().await.map_err(failed("connecting"))?;
        Ok(Self { connection })
    }

    /// The newest that are meant, newest first, without their records.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn newest(&mut self, filter: &LetterFilter, limit: u32) -> Result<Vec<Letter>, StoreError> {
        let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS} FROM dead_letters WHERE true"));
        filter.push(&mut sql);
        sql.push(" ORDER BY appended_at DESC, kafka_partition DESC, kafka_offset DESC LIMIT ")
            .push_bind(i64::from(limit));
        self.fetch(sql).await
    }

    /// The first that are meant after this one, in the order of time, with their records.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn after(
        &mut self,
        filter: &LetterFilter,
        last: Option<&Letter>,
        limit: u32,
    ) -> Result<Vec<WholeLetter>, StoreError> {
        let mut sql = QueryBuilder::new(format!(
            "SELECT {COLUMNS}, key, payload, headers FROM dead_letters WHERE true"
        ));
        filter.push(&mut sql);
        if let Some(Letter { id, appended_at, .. }) = last {
            sql.push(" AND (appended_at, kafka_partition, kafka_offset) > (")
                .push_bind(to_sql(*appended_at));
            sql.push(", ").push_bind(id.partition);
            sql.push(", ").push_bind(id.offset).push(")");
        }
        sql.push(" ORDER BY appended_at, kafka_partition, kafka_offset LIMIT ")
            .push_bind(i64::from(limit));
        self.fetch(sql).await
    }

    /// Beyond the last one of each partition, just now.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn ends(&mut self) -> Result<Vec<(i32, i64)>, StoreError> {
        sqlx::query_as(
            "SELECT kafka_partition, max(kafka_offset) + 1 FROM dead_letters GROUP BY kafka_partition",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed("looking for the last dead letters"))
    }

    /// Which days are kept: what is sent back for others is refused again.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn kept(&mut self) -> Result<Kept, StoreError> {
        days::kept(&mut self.connection).await
    }

    /// Sees to it that nobody else replays as long as this connection lives; false if somebody does.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn lock(&mut self) -> Result<bool, StoreError> {
        sqlx::query_scalar(LOCK)
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("looking whether somebody else replays"))
    }

    /// Notes that these are about to be sent, as far as they are as they were seen; tells which.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn begin(&mut self, letters: &[&Letter]) -> Result<Vec<DeadLetterId>, StoreError> {
        let begun: Vec<_> = letters
            .iter()
            .map(|letter| letter.replay_begun_at.map(to_sql))
            .collect();
        let rows = sqlx::query(
            "UPDATE dead_letters AS d SET replay_begun_at = now()
            FROM unnest($1::integer[], $2::bigint[], $3::timestamptz[]) AS l (kafka_partition, kafka_offset, begun)
            WHERE d.kafka_partition = l.kafka_partition AND d.kafka_offset = l.kafka_offset
                AND d.replay_begun_at IS NOT DISTINCT FROM l.begun AND d.replayed_at IS NULL
            RETURNING d.kafka_partition, d.kafka_offset",
        )
        .bind(letters.iter().map(|letter| letter.id.partition).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.id.offset).collect::<Vec<_>>())
        .bind(begun)
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed("noting what is about to be sent"))?;
        rows.iter()
            .map(id)
            .collect::<Result<_, _>>()
            .map_err(failed("noting what is about to be sent"))
    }

    /// Notes that these have arrived, and where.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn confirm(&mut self, arrived: &[(DeadLetterId, RecordPlace)]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE dead_letters AS d
            SET replayed_at = now(), replayed_topic = l.topic, replayed_partition = l.partition,
                replayed_offset = l.place
            FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::integer[], $5::bigint[])
                AS l (kafka_partition, kafka_offset, topic, partition, place)
            WHERE d.kafka_partition = l.kafka_partition AND d.kafka_offset = l.kafka_offset",
        )
        .bind(arrived.iter().map(|(id, _)| id.partition).collect::<Vec<_>>())
        .bind(arrived.iter().map(|(id, _)| id.offset).collect::<Vec<_>>())
        .bind(
            arrived
                .iter()
                .map(|(_, to)| to.topic.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(arrived.iter().map(|(_, to)| to.partition).collect::<Vec<_>>())
        .bind(arrived.iter().map(|(_, to)| to.offset).collect::<Vec<_>>())
        .execute(&mut self.connection)
        .await
        .map(drop)
        .map_err(failed("noting what was sent"))
    }

    /// Takes the note back from those that were certainly not sent.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses.
    pub async fn withdraw(&mut self, ids: &[DeadLetterId]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE dead_letters SET replay_begun_at = NULL
            WHERE (kafka_partition, kafka_offset) IN (SELECT * FROM unnest($1::integer[], $2::bigint[]))
                AND replayed_at IS NULL",
        )
        .bind(ids.iter().map(|id| id.partition).collect::<Vec<_>>())
        .bind(ids.iter().map(|id| id.offset).collect::<Vec<_>>())
        .execute(&mut self.connection)
        .await
        .map(drop)
        .map_err(failed("noting what was not sent"))
    }

    async fn fetch<T>(&mut self, mut sql: QueryBuilder<Postgres>) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        sql.build_query_as()
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("reading dead letters"))
    }
}

impl LetterFilter {
    /// Whether it leaves anything out.
    pub fn is_selective(&self) -> bool {
        !self.ids.is_empty()
            || self.farm.is_some()
            || self.rule.is_some()
            || self.from.is_some()
            || self.to.is_some()
    }

    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        if !self.ids.is_empty() {
            let partitions: Vec<_> = self.ids.iter().map(|id| id.partition).collect();
            let offsets: Vec<_> = self.ids.iter().map(|id| id.offset).collect();
            sql.push(" AND (kafka_partition, kafka_offset) IN (SELECT * FROM unnest(")
                .push_bind(partitions);
            sql.push("::integer[], ").push_bind(offsets).push("::bigint[]))");
        }
        if let Some(farm) = &self.farm {
            sql.push(" AND farm_id = ").push_bind(farm.to_string());
        }
        if let Some(rule) = &self.rule {
            sql.push(" AND rule = ").push_bind(rule.clone());
        }
        if let Some(from) = self.from {
            sql.push(" AND appended_at >= ").push_bind(to_sql(from));
        }
        if let Some(to) = self.to {
            sql.push(" AND appended_at < ").push_bind(to_sql(to));
        }
        if let Some(state) = self.state {
            sql.push(match state {
                LetterState::Open => " AND replay_begun_at IS NULL",
                LetterState::Unconfirmed => " AND replay_begun_at IS NOT NULL AND replayed_at IS NULL",
                LetterState::Replayed => " AND replayed_at IS NOT NULL",
            });
        }
        if let Some(below) = &self.below {
            let partitions: Vec<_> = below.iter().map(|(partition, _)| *partition).collect();
            let offsets: Vec<_> = below.iter().map(|(_, offset)| *offset).collect();
            sql.push(" AND EXISTS (SELECT FROM unnest(").push_bind(partitions);
            sql.push("::integer[], ").push_bind(offsets);
            sql.push("::bigint[]) AS b (p, o) WHERE b.p = kafka_partition AND kafka_offset < b.o)");
        }
    }
}

impl Letter {
    /// How far its second journey is.
    pub const fn state(&self) -> LetterState {
        match (self.replay_begun_at, self.replayed_at) {
            (_, Some(_)) => LetterState::Replayed,
            (Some(_), None) => LetterState::Unconfirmed,
            (None, None) => LetterState::Open,
        }
    }
}

impl FromRow<'_, PgRow> for Letter {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let time = |column| -> Result<_, sqlx::Error> {
            Ok(row.try_get::<Option<OffsetDateTime>, _>(column)?.map(from_sql))
        };
        Ok(Self {
            id: id(row)?,
            appended_at: from_sql(row.try_get("appended_at")?),
            farm_id: row.try_get("farm_id")?,
            rule: row.try_get("rule")?,
            field: row.try_get("field")?,
            value: row.try_get("value")?,
            bound: row.try_get("bound")?,
            reason: row.try_get("reason")?,
            component: row.try_get("component")?,
            source: place(row, ["source_topic", "source_partition", "source_offset"])?,
            replay_begun_at: time("replay_begun_at")?,
            replayed_at: time("replayed_at")?,
            replayed_to: place(row, ["replayed_topic", "replayed_partition", "replayed_offset"])?,
        })
    }
}

impl FromRow<'_, PgRow> for WholeLetter {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            letter: Letter::from_row(row)?,
            key: row.try_get("key")?,
            payload: row.try_get("payload")?,
            headers: row.try_get("headers")?,
        })
    }
}

fn id(row: &PgRow) -> Result<DeadLetterId, sqlx::Error> {
    Ok(DeadLetterId {
        partition: row.try_get("kafka_partition")?,
        offset: row.try_get("kafka_offset")?,
    })
}

fn place(row: &PgRow, [topic, partition, offset]: [&str; 3]) -> Result<Option<RecordPlace>, sqlx::Error> {
    let topic: Option<String> = row.try_get(topic)?;
    let partition: Option<i32> = row.try_get(partition)?;
    let offset: Option<i64> = row.try_get(offset)?;
    Ok(match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => Some(RecordPlace {
            topic,
            partition,
            offset,
        }),
        _ => None,
    })
}
