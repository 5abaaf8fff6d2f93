//! The database: the only place that knows SQL. Whatever goes wrong, the connection is dropped and made anew at the
//! next call, so that no half-open transaction is ever met.
//!
//! **Invariant.** The rows and `kafka_offsets` are never apart: at any instant the rows are those of the records below
//! `next_offset`, each once.

mod commit;
mod days;
mod error;
mod quarantine;
mod refusals;
mod revise;
mod roll_up;
mod route;
mod sql;
mod table;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::TimeDelta;
use platform::Topics;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

pub use commit::Committed;
pub use days::{Days, RemovedDay};
pub use error::StoreError;
pub use quarantine::{Letter, LetterFilter, LetterState, Quarantine, RecordPlace, WholeLetter};
pub use refusals::Refusal;
pub use revise::{Revised, RevisionLimits};
pub use sql::Target;

use crate::batch::{DailyTable, Day, Sealed};
use crate::lane::Lane;
use crate::retention::KeptDays;
use crate::telemetry;
use crate::time::day_of_date;
use commit::Plan;
use error::{Complaint, failed};
use route::{Router, Way};

/// After this a silent database counts as away.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);

/// The same while rows that are refused are looked for: each costs several statements.
const ISOLATION_LIMIT: Duration = Duration::from_secs(3_600);

/// After this PostgreSQL gives a statement up by itself.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

/// See [`Store::with_patience`].
const PATIENCE: Duration = Duration::from_secs(10);

/// A single statement that takes this long is told.
const SLOW: Duration = Duration::from_secs(10);

/// Days whose partitions are made in one transaction: each costs locks, of which a server has only so many.
const DAYS_AT_ONCE: usize = 32;

/// One connection to the database, for one thread.
#[derive(Debug)]
pub struct Store {
    options: PgConnectOptions,
    /// How long others may stand in the way without doing anything.
    patience: Duration,
    /// Somebody did for longer.
    is_blocked: bool,
    topics: Topics,
    session: Option<Session>,
    has_connected: bool,
    /// Partitions that are known to be there, or gone.
    days: HashSet<(DailyTable, Day)>,
    /// Where it is told which days are gone.
    kept: Arc<KeptDays>,
    router: Router,
    /// The same of windows that were put together.
    months: roll_up::Months,
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
            patience: PATIENCE,
            is_blocked: false,
            topics,
            session: None,
            has_connected: false,
            days: HashSet::new(),
            kept: Arc::default(),
            router: Router::default(),
            months: roll_up::Months::new(),
        }
    }

    /// With another time that a transaction may wait for its client, and we for a lock. Who was stopped in the middle of
    /// a batch holds the lanes that it has claimed; after this time they are taken from it.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tells there which days are gone, as soon as it learns of it.
    #[must_use]
    pub fn with_kept(mut self, kept: Arc<KeptDays>) -> Self {
        self.kept = kept;
        self
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
        self.with_session("looking for the tables", work).await?;
        self.learn_kept().await
    }

    async fn learn_kept(&mut self) -> Result<(), StoreError> {
        let work = async |session: &mut Session| days::kept(&mut session.connection).await;
        let kept = self.with_session("asking which days are kept", work).await?;
        self.kept.learn(kept);
        Ok(())
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

    /// Stores the batch and moves its lanes, all or nothing. When a row is there already, or is refused, the whole is
    /// done again more carefully: by which way, `Way` says.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a lane is not where the batch begins, else what the database said.
    pub async fn commit(&mut self, batch: &Sealed) -> Result<Committed, StoreError> {
        let suspects = batch.rows.suspects.rows();
        let mut plan = Plan::new(self.router.way(suspects));
        let mut has_looked_for_days = false;
        self.ensure_days(batch.rows.days.iter().copied()).await?;
        loop {
            let topics = self.topics.clone();
            let attempt = async |session: &mut Session| commit::attempt(session, &topics, batch, plan).await;
            let limit = if plan.isolates() {
                ISOLATION_LIMIT
            } else {
                ANSWER_LIMIT
            };
            let error = match self.with_session_within(limit, "storing a batch", attempt).await {
                Ok(tally) => {
                    self.router
                        .learn(plan.of(Target::Readings), suspects, tally.found);
                    return Ok(tally.committed);
                }
                Err(error) => error,
            };
            let Some((target, complaint)) = error.complaint() else {
                return Err(error);
            };
            let way = plan.of(target);
            let next = match complaint {
                Complaint::Duplicate if target == Target::Readings => {
                    self.router.after_duplicate(way, suspects)
                }
                Complaint::Duplicate => way.max(Way::Careful),
                Complaint::MissingPartition if !has_looked_for_days => {
                    // somebody has dropped a day that we have seen
                    has_looked_for_days = true;
                    self.days.clear();
                    self.learn_kept().await?;
                    self.ensure_days(batch.rows.days.iter().copied()).await?;
                    continue;
                }
                Complaint::MissingPartition | Complaint::Refused => Way::Isolated,
            };
            if next <= way {
                return Err(error);
            }
            plan.set(target, next);
        }
    }

    /// Records of these lanes that the database has refused and whose dead letters are still to be sent: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn unsent_refusals(&mut self, lanes: &[Lane], limit: i64) -> Result<Vec<Refusal>, StoreError> {
        let topics = self.topics.clone();
        let work = async |session: &mut Session| {
            refusals::unsent(&mut session.connection, &topics, lanes, limit).await
        };
        self.with_session("looking for refused records", work).await
    }

    /// Their dead letters are on Kafka.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn letters_sent(&mut self, refusals: &[Refusal]) -> Result<(), StoreError> {
        let topics = self.topics.clone();
        let work =
            async |session: &mut Session| refusals::sent(&mut session.connection, &topics, refusals).await;
        self.with_session("removing refused records that are sent", work)
            .await
    }

    /// Makes the windows anew that late readings have changed, as far as those are stored and their days are not gone.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn revise(
        &mut self,
        window_size: TimeDelta,
        limits: RevisionLimits,
    ) -> Result<Revised, StoreError> {
        let what = "revising windows";
        let readings = self.topics.readings.clone();
        let look = async |session: &mut Session| revise::due_days(session, &readings, limits).await;
        let days = self.with_session(what, look).await?;
        if days.is_empty() {
            return Ok(Revised::default());
        }
        let tables = [
            DailyTable::FarmWindows,
            DailyTable::TurbineWindows,
            DailyTable::WindowRevisions,
        ];
        let needed = days
            .iter()
            .flat_map(|&date| tables.map(|table| (table, day_of_date(date))));
        self.ensure_days(needed).await?;
        let work = async |session: &mut Session| {
            revise::revise(session, &readings, window_size, &days, limits).await
        };
        let revised = self.with_session(what, work).await;
        if revised.as_ref().is_err_and(StoreError::is_missing_partition) {
            // somebody has dropped a day that we have seen
            self.days.clear();
        }
        revised
    }

    /// Puts together hours of one farm whose minutes have not changed for a while, and tells how many.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn roll_up(&mut self, settled_after: Duration) -> Result<usize, StoreError> {
        let mut months = std::mem::take(&mut self.months);
        let work = async |session: &mut Session| roll_up::roll_up(session, &mut months, settled_after).await;
        let rolled_up = self.with_session("putting hours together", work).await?;
        self.months = months;
        Ok(rolled_up)
    }

    /// Makes the partitions of days that are not known to be there, on their own: who made them in a transaction with
    /// rows would make others wait, and might wait for them in turn.
    async fn ensure_days(&mut self, days: impl Iterator<Item = (DailyTable, Day)>) -> Result<(), StoreError> {
        let mut missing: BTreeMap<DailyTable, Vec<Day>> = BTreeMap::new();
        for (table, day) in days.filter(|day| !self.days.contains(day)) {
            missing.entry(table).or_default().push(day);
        }
        for (table, missing) in missing {
            for some in missing.chunks(DAYS_AT_ONCE) {
                let work =
                    async |session: &mut Session| days::ensure(&mut session.connection, table, some).await;
                self.with_session("making partitions of days", work).await?;
                self.days.extend(some.iter().map(|&day| (table, day)));
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<Session, StoreError> {
        let mut session = Session::open(&self.options, self.patience).await?;
        if self.is_blocked {
            session.end_idlers(self.patience).await?;
        }
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
        self.with_session_within(ANSWER_LIMIT, what, work).await
    }

    async fn with_session_within<T, W>(
        &mut self,
        limit: Duration,
        what: &'static str,
        work: W,
    ) -> Result<T, StoreError>
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
        let ended = tokio::time::timeout(limit, limited)
            .await
            .unwrap_or(Err(StoreError::Timeout { what, limit }));
        self.is_blocked = matches!(&ended, Err(error) if error.is_lock_timeout());
        let (session, result) = ended?;
        self.session = Some(session);
        Ok(result)
    }
}

impl Session {
    async fn open(options: &PgConnectOptions, patience: Duration) -> Result<Self, StoreError> {
        let mut connection = options.connect().await.map_err(failed("connecting"))?;
        let begin = sql::begin_session(STATEMENT_LIMIT, patience);
        sqlx::raw_sql(AssertSqlSafe(begin))
            .execute(&mut connection)
            .await
            .map_err(failed("connecting"))?;
        Ok(Self {
            connection,
            has_incoming: false,
        })
    }

    /// Ends the transactions that hold lanes and do nothing but wait for their clients: PostgreSQL itself cannot, while a
    /// client stands still in the middle of a COPY.
    async fn end_idlers(&mut self, patience: Duration) -> Result<(), StoreError> {
        let ended: i64 = sqlx::query_scalar(sql::END_IDLERS)
            .bind(patience.as_secs_f64())
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("ending transactions that stand still"))?;
        if ended > 0 {
            tracing::warn!(
                ended,
                "ended transactions of others that held partitions and stood still"
            );
        }
        Ok(())
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
        for target in Target::ALL {
            sqlx::query(AssertSqlSafe(target.table().make_incoming.as_str()))
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
            Self::WindowRevisions => "window_revisions",
        }
    }
}
