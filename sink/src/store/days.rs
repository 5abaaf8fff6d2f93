//! The partitions of days as a whole: made ahead, kept, dropped.

use std::collections::BTreeMap;

use platform::Topics;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};
use stored::Table;
use time::Date;

use super::error::failed;
use super::{DAYS_AT_ONCE, SLOW, StoreError, sql};
use crate::batch::{DailyTable, Day};
use crate::lane::{Lane, Topic};
use crate::retention::Kept;
use crate::time::{date_of, day_of_date};

/// A connection for the upkeep of days, apart from those that store: to count the rows of a day may take minutes.
#[derive(Debug)]
pub struct Days {
    connection: PgConnection,
}

/// A day that is gone for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedDay {
    /// Its table.
    pub table: String,
    /// The day.
    pub day: Day,
    /// How many rows went with it.
    pub rows: u64,
}

impl Days {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn open(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let options = options
            .clone()
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Info, SLOW);
        let connection = options.connect().await.map_err(failed("connecting"))?;
        Ok(Self { connection })
    }

    /// Makes the partitions of these days, but for those that are gone.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn ensure(&mut self, table: DailyTable, days: &[Day]) -> Result<(), StoreError> {
        for days in days.chunks(DAYS_AT_ONCE) {
            ensure(&mut self.connection, table, days).await?;
        }
        Ok(())
    }

    /// The next offset of every lane that is known.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn offsets(&mut self, topics: &Topics) -> Result<BTreeMap<Lane, i64>, StoreError> {
        let rows = sqlx::query("SELECT topic, partition, next_offset FROM kafka_offsets")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed("reading the next offsets"))?;
        let offset = |row: &sqlx::postgres::PgRow| {
            let lane = Lane {
                topic: Topic::from_name(row.get("topic"), topics)?,
                partition: row.get("partition"),
            };
            Some((lane, row.get("next_offset")))
        };
        Ok(rows.iter().filter_map(offset).collect())
    }

    /// Takes the earliest day before `first` out of a table, which will never take it again; none if there is none.
    ///
    /// # Errors
    /// [`StoreError`]; transient too while somebody reads the table at length.
    pub async fn drop_before(&mut self, table: DailyTable, first: Day) -> Result<Option<Day>, StoreError> {
        let dropped: Option<Date> = sqlx::query_scalar("SELECT drop_day($1, $2)")
            .bind(table.name())
            .bind(date_of(first))
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("dropping a day"))?;
        Ok(dropped.map(day_of_date))
    }

    /// Drops the earliest month that ended before `first` out of a table of windows put together, and tells its first
    /// day; none if there is none, or its minutes are still there.
    ///
    /// # Errors
    /// [`StoreError`]; transient too while somebody reads the table at length.
    pub async fn drop_month_before(&mut self, table: Table, first: Day) -> Result<Option<Day>, StoreError> {
        let dropped: Option<Date> = sqlx::query_scalar("SELECT drop_month($1, $2)")
            .bind(table.name())
            .bind(date_of(first))
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("dropping a month"))?;
        Ok(dropped.map(day_of_date))
    }

    /// Counts and removes the rows of a day that was taken out; none if there is no such day. Takes its time.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn remove_dropped(&mut self) -> Result<Option<RemovedDay>, StoreError> {
        let row = sqlx::query("SELECT table_name, day, rows FROM remove_dropped_day()")
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed("removing the rows of a dropped day"))?;
        let Some(day) = row.get::<Option<Date>, _>("day") else {
            return Ok(None);
        };
        Ok(Some(RemovedDay {
            table: row.get("table_name"),
            day: day_of_date(day),
            rows: row.get::<i64, _>("rows").unsigned_abs(),
        }))
    }

    /// What is kept just now.
    ///
    /// # Errors
    /// [`StoreError`], transient if the database is away.
    pub async fn kept(&mut self) -> Result<Kept, StoreError> {
        kept(&mut self.connection).await
    }
}

/// Makes the partitions of days, but for those that are gone.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    table: DailyTable,
    days: &[Day],
) -> Result<(), StoreError> {
    let dates: Vec<_> = days.iter().copied().map(date_of).collect();
    sqlx::query(sql::ENSURE_DAYS)
        .bind(table.name())
        .bind(&dates)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("making partitions of days"))
}

/// What is kept, and will be until the transaction ends.
pub(super) async fn hold(transaction: &mut PgConnection) -> Result<Kept, StoreError> {
    sqlx::query(sql::HOLD)
        .execute(&mut *transaction)
        .await
        .map_err(failed("holding the days that are kept"))?;
    kept(transaction).await
}

/// What is kept just now.
pub(super) async fn kept(connection: &mut PgConnection) -> Result<Kept, StoreError> {
    let rows = sqlx::query(sql::KEPT)
        .fetch_all(connection)
        .await
        .map_err(failed("asking which days are kept"))?;
    let mut kept = Kept::ALL;
    for row in &rows {
        let day = day_of_date(row.get("kept_from"));
        let first = match row.get("table_name") {
            "readings" => &mut kept.readings,
            _ => &mut kept.windows,
        };
        *first = day.max(*first);
    }
    Ok(kept)
}
