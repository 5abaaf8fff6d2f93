//! Records whose row the database has refused. That they are is decided in the transaction that moves the lane over them;
//! their dead letters are sent after it, as often as need be, and stored once, by their source.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use platform::{Rejection, Topics, fail_point};

use super::StoreError;
use super::error::failed;
use super::sql::{self, Target};
use crate::copy::{CopyBuffer, read_bigint, read_integer};
use crate::lane::{Lane, Topic};
use crate::retention::RETENTION_RULE;
use crate::rows::dead_letter;
use crate::rows::reading::Place;

/// What PostgreSQL says may hold a whole row; this much of it, in characters, is told.
const SHOWN_CHARS: usize = 500;

/// A record that became no row because the database would not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where the record lies.
    pub lane: Lane,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub rejection: Rejection,
    /// It is a dead letter that we wrote ourselves, about a refusal.
    pub is_about_our_own: bool,
}

impl Refusal {
    /// Of a reading whose day is gone.
    pub(super) fn gone((place, rejection): &(Place, Rejection)) -> Self {
        Self {
            lane: Lane {
                topic: Topic::Readings,
                partition: place.partition,
            },
            offset: place.offset,
            rejection: rejection.clone(),
            is_about_our_own: false,
        }
    }

    /// Of a row, for what the database has said.
    pub(super) fn new(target: Target, buffer: &CopyBuffer, row: usize, error: &StoreError) -> Self {
        let (partition, offset) = place_of(target, buffer, row);
        let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect::<String>();
        let rule = if error.is_missing_partition() {
            RETENTION_RULE
        } else {
            dead_letter::DATABASE_RULE
        };
        let said = error.said();
        let reason = said.map_or_else(|| error.to_string(), |said| said.message().to_owned());
        Self {
            lane: Lane {
                topic: target.topic(),
                partition,
            },
            offset,
            rejection: Rejection {
                field: said.and_then(|said| said.column()).map(shown),
                bound: said.and_then(|said| said.constraint()).map(shown),
                ..Rejection::new(rule, shown(&reason))
            },
            is_about_our_own: target == Target::DeadLetters && dead_letter::is_our_own(buffer, row),
        }
    }
}

/// Where the record of a row lies: partition and offset.
pub(super) fn place_of(target: Target, buffer: &CopyBuffer, row: usize) -> (i32, i64) {
    let [partition, offset] = target.table().place;
    let field = |column: usize| buffer.fields(row).nth(column).flatten();
    let place = field(partition)
        .and_then(read_integer)
        .zip(field(offset).and_then(read_bigint));
    place.expect("every row that is read from a log tells its place")
}

/// Enters refusals, in the transaction that moves the lanes over their records.
pub(super) async fn enter(
    connection: &mut PgConnection,
    topics: &Topics,
    refusals: &[Refusal],
) -> Result<(), StoreError> {
    if refusals.is_empty() {
        return Ok(());
    }
    fail_point::reach("before-refusal");
    let text = |part: fn(&Rejection) -> Option<&str>| -> Vec<Option<String>> {
        let texts = refusals.iter().map(|refusal| part(&refusal.rejection));
        texts.map(|text| text.map(str::to_owned)).collect()
    };
    sqlx::query(sql::REFUSE)
        .bind(topics_of(refusals, topics))
        .bind(partitions_of(refusals))
        .bind(offsets_of(refusals))
        .bind(text(|rejection| Some(&rejection.rule)))
        .bind(text(|rejection| Some(&rejection.reason)))
        .bind(text(|rejection| rejection.field.as_deref()))
        .bind(text(|rejection| rejection.value.as_deref()))
        .bind(text(|rejection| rejection.bound.as_deref()))
        .execute(connection)
        .await
        .map_err(failed("entering refused records"))?;
    fail_point::reach("after-refusal");
    Ok(())
}

/// Refusals of these lanes whose dead letters are still to be sent, the oldest first.
pub(super) async fn unsent(
    connection: &mut PgConnection,
    topics: &Topics,
    lanes: &[Lane],
    limit: i64,
) -> Result<Vec<Refusal>, StoreError> {
    let names: Vec<_> = lanes.iter().map(|lane| lane.topic.name(topics)).collect();
    let partitions: Vec<_> = lanes.iter().map(|lane| lane.partition).collect();
    let rows = sqlx::query(sql::UNSENT_REFUSALS)
        .bind(names)
        .bind(partitions)
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(failed("looking for refused records"))?;
    Ok(rows.iter().filter_map(|row| refusal_of(row, topics)).collect())
}

/// Their dead letters are on Kafka.
pub(super) async fn sent(
    connection: &mut PgConnection,
    topics: &Topics,
    refusals: &[Refusal],
) -> Result<(), StoreError> {
    fail_point::reach("before-letters-removed");
    sqlx::query(sql::SENT_REFUSALS)
        .bind(topics_of(refusals, topics))
        .bind(partitions_of(refusals))
        .bind(offsets_of(refusals))
        .execute(connection)
        .await
        .map_err(failed("removing refused records that are sent"))?;
    fail_point::reach("after-letters-removed");
    Ok(())
}

fn refusal_of(row: &PgRow, topics: &Topics) -> Option<Refusal> {
    Some(Refusal {
        lane: Lane {
            topic: Topic::from_name(row.get("topic"), topics)?,
            partition: row.get("partition"),
        },
        offset: row.get("kafka_offset"),
        rejection: Rejection {
            rule: row.get::<String, _>("rule").into(),
            reason: row.get("reason"),
            field: row.get("field"),
            value: row.get("value"),
            bound: row.get("bound"),
        },
        is_about_our_own: false,
    })
}

fn topics_of<'a>(refusals: &[Refusal], topics: &'a Topics) -> Vec<&'a str> {
    refusals
        .iter()
        .map(|refusal| refusal.lane.topic.name(topics))
        .collect()
}

fn partitions_of(refusals: &[Refusal]) -> Vec<i32> {
    refusals.iter().map(|refusal| refusal.lane.partition).collect()
}

fn offsets_of(refusals: &[Refusal]) -> Vec<i64> {
    refusals.iter().map(|refusal| refusal.offset).collect()
}
