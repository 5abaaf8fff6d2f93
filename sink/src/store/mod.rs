//! The database: the only place that knows SQL. Whatever goes wrong, the connection is dropped and made anew at the
//! next call, so that no half-open transaction is ever met.
//!
//! **Invariant.** The rows and `kafka_offsets` are never apart: at any instant the rows are those of the records below
//! `next_offset`, each once.

mod commit;
mod error;
mod revise;
mod sql;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use domain::TimeDelta;
use platform::Topics;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

pub use error::StoreError;
pub use revise::Revised;

use crate::batch::{DailyTable, Day, Sealed};
use crate::lane::Lane;
use crate::telemetry;
use crate::time::date_of;
use error::failed;

/// After this a silent database counts as away.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A single statement that takes this long is told.
const SLOW: Duration = Duration::from_secs(10);

/// Days whose partitions are made in one transaction: each costs locks, of which a server has only so many.
const DAYS_AT_ONCE: usize = 32;

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Records whose row was there already, by lane.
    pub duplicates: BTreeMap<Lane, i64>,
}

/// One connection to the database, for one thread.
#[derive(Debug)]
pub struct Store {
    options: PgConnectOptions,
    topics: Topics,
    session: Option<Session>,
    has_connected: bool,
    /// Partitions that are known to be there.
    days: HashSet<(DailyTable, Day)>,
}

#[derive(Debug)]
struct Session {
    connection: PgConnection,
    /// Whether it has its own tables for incoming rows already.
    has_incoming: bool,
}

impl Store {
    /// Connects when it is first asked for something.
    pub fn new(options: PgConnectOptions, topics: Topics) -> Self {
        Self {
            options: options
                .log_statements(tracing::log::LevelFilter::Trace)
                .log_slow_statements(tracing::log::LevelFilter::Warn, SLOW),
            topics,
            session: None,
            has_connected: false,
            days: HashSet::new(),
        }
    }

    /// Sees that the tables are there and may be used.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn check(&mut self) -> Result<(), StoreError> {
        let work = async |session: &mut Session| {
            sqlx::query(sql::CHECK)
                .execute(&mut session.connection)
                .await
                .map(drop)
                .map_err(failed("looking for the tables"))
        };
        self.with_session("looking for the tables", work).await
    }

    /// The next offset of each of these lanes that the database knows.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn offsets(&mut self, lanes: &[Lane]) -> Result<BTreeMap<Lane, i64>, StoreError> {
        let topics = self.topics.clone();
        let names: Vec<_> = lanes.iter().map(|lane| lane.topic.name(&topics)).collect();
        let partitions: Vec<_> = lanes.iter().map(|lane| lane.partition).collect();
        let work = async |session: &mut Session| {
            let rows = sqlx::query(sql::OFFSETS)
                .bind(&names)
                .bind(&partitions)
                .fetch_all(&mut session.connection)
                .await
                .map_err(failed("reading the next offsets"))?;
            let found: BTreeMap<(String, i32), i64> = rows
                .iter()
                .map(|row| ((row.get("topic"), row.get("partition")), row.get("next_offset")))
                .collect();
            let offset_of = |lane: &Lane| {
                let key = (lane.topic.name(&topics).to_owned(), lane.partition);
                Some((*lane, *found.get(&key)?))
            };
            Ok(lanes.iter().filter_map(offset_of).collect())
        };
        self.with_session("reading the next offsets", work).await
    }

    /// Enters a lane that the database does not know, unless somebody else has done so.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn enter(&mut self, lane: Lane, first_offset: i64) -> Result<(), StoreError> {
        let topic = lane.topic.name(&self.topics).to_owned();
        let work = async |session: &mut Session| {
            sqlx::query(sql::FIRST_OFFSET)
                .bind(topic)
                .bind(lane.partition)
                .bind(first_offset)
                .execute(&mut session.connection)
                .await
                .map(drop)
                .map_err(failed("entering a partition"))
        };
        self.with_session("entering a partition", work).await
    }

    /// Stores the batch and moves its lanes, all or nothing. When a row is there already, the whole is done again more
    /// carefully: rows go by way of a table of the session, and those that are there are counted as duplicates.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a lane is not where the batch begins, else what the database said.
    pub async fn commit(&mut self, batch: &Sealed) -> Result<Committed, StoreError> {
        let what = "storing a batch";
        self.ensure_days(batch.rows.days.iter().copied()).await?;
        let topics = self.topics.clone();
        let quick = async |session: &mut Session| commit::quick(session, &topics, batch).await;
        match self.with_session(what, quick).await {
            Err(error) if error.is_duplicate() => {}
            Err(error) if error.is_missing_partition() => {
                // somebody has dropped a day that we have seen
                self.days.clear();
                self.ensure_days(batch.rows.days.iter().copied()).await?;
            }
            other => return other.map(|()| Committed::default()),
        }
        let careful = async |session: &mut Session| commit::careful(session, &topics, batch).await;
        self.with_session(what, careful).await
    }

    /// Makes the windows anew that late readings have changed, as far as those are stored: at most `limit` of them.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn revise(&mut self, window_size: TimeDelta, limit: usize) -> Result<Revised, StoreError> {
        let what = "revising windows";
        let readings = self.topics.readings.clone();
        let work = async |session: &mut Session| {
            if !revise::is_due(session, &readings).await? {
                return Ok(Revised::default());
            }
            revise::revise(session, &readings, window_size, limit).await
        };
        self.with_session(what, work).await
    }

    /// Makes the partitions of days that are not known to be there, on their own: who made them in a transaction with
    /// rows would make others wait, and might wait for them in turn.
    async fn ensure_days(&mut self, days: impl Iterator<Item = (DailyTable, Day)>) -> Result<(), StoreError> {
        let mut missing: BTreeMap<DailyTable, Vec<Day>> = BTreeMap::new();
        for (table, day) in days.filter(|day| !self.days.contains(day)) {
            missing.entry(table).or_default().push(day);
        }
        for (table, days) in missing {
            for days in days.chunks(DAYS_AT_ONCE) {
                let dates: Vec<_> = days.iter().copied().map(date_of).collect();
                let work = async |session: &mut Session| {
                    sqlx::query(sql::ENSURE_DAYS)
                        .bind(table.name())
                        .bind(&dates)
                        .execute(&mut session.connection)
                        .await
                        .map(drop)
                        .map_err(failed("making partitions of days"))
                };
                self.with_session("making partitions of days", work).await?;
                self.days.extend(days.iter().map(|&day| (table, day)));
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<Session, StoreError> {
        let session = Session::open(&self.options).await?;
        if std::mem::replace(&mut self.has_connected, true) {
            telemetry::reconnected();
        }
        Ok(session)
    }

    /// Runs `work` on the connection, which is made if there is none and dropped if anything fails.
    async fn with_session<T, W>(&mut self, what: &'static str, work: W) -> Result<T, StoreError>
    where
        W: AsyncFnOnce(&mut Session) -> Result<T, StoreError>,
    {
        let limited = async {
            let session = self.session.take();
            let mut session = match session {
                Some(session) => session,
                None => self.connect().await?,
            };
            let result = work(&mut session).await?;
            Ok::<_, StoreError>((session, result))
        };
        let limit = ANSWER_LIMIT;
        let (session, result) = tokio::time::timeout(limit, limited)
            .await
            .map_err(|_| StoreError::Timeout { what, limit })??;
        self.session = Some(session);
        Ok(result)
    }
}

impl Session {
    async fn open(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let connection = options.connect().await.map_err(failed("connecting"))?;
        Ok(Self {
            connection,
            has_incoming: false,
        })
    }

    async fn begin(&mut self) -> Result<sqlx::Transaction<'_, sqlx::Postgres>, StoreError> {
        self.connection
            .begin()
            .await
            .map_err(failed("beginning a transaction"))
    }

    /// Makes the session's own tables for incoming rows; they go with the session.
    async fn ensure_incoming(&mut self) -> Result<(), StoreError> {
        if self.has_incoming {
            return Ok(());
        }
        for table in [&*sql::READINGS, &*sql::FARM_WINDOWS, &*sql::TURBINE_WINDOWS] {
            sqlx::query(AssertSqlSafe(table.make_incoming.as_str()))
                .execute(&mut self.connection)
                .await
                .map_err(failed("making a table for incoming rows"))?;
        }
        self.has_incoming = true;
        Ok(())
    }
}

impl DailyTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::FarmWindows => "farm_windows",
            Self::TurbineWindows => "turbine_windows",
        }
    }
}
