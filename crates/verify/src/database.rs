//! PostgreSQL's side. Everything that must fit together is read in one snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;

/// What the sink says of a partition, and what its tables hold of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LaneState {
    /// Where the log began when the sink first saw it.
    pub(crate) first_offset: i64,
    /// The next record to be stored.
    pub(crate) next_offset: i64,
    /// By the sink's own count.
    pub(crate) stored: i64,
    /// By the sink's own count.
    pub(crate) duplicates: i64,
    /// By the sink's own count.
    pub(crate) refused: i64,
    /// Rows of the table.
    pub(crate) rows: i64,
    /// In the table `duplicates`; of readings only.
    pub(crate) counted_duplicates: i64,
}

/// By topic and partition.
pub(crate) type Lanes = BTreeMap<(String, i32), LaneState>;

/// Dead letters of a partition of the readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Records that have one.
    pub(crate) records: i64,
    /// All of them.
    pub(crate) rows: i64,
}

/// A difference between a table of windows and the readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowDifference {
    /// Farm, and turbine if it is one's.
    pub(crate) key: String,
    /// The farm.
    pub(crate) farm_id: String,
    /// The window.
    pub(crate) window_start: OffsetDateTime,
    /// In words.
    pub(crate) text: String,
}

/// When windows begin, end, and close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowRule {
    /// Length.
    pub(crate) size: Duration,
    /// How long after its end one still waits for readings.
    pub(crate) grace: Duration,
}

/// Which windows are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Only these farms; none for all.
    pub(crate) farms: Option<Vec<String>>,
    /// Only windows from then on.
    pub(crate) from: Option<OffsetDateTime>,
}

/// A table of windows, and what identifies one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowTable {
    Farm,
    Turbine,
}

/// A comparison of a table of windows with the readings.
#[derive(Debug)]
pub(crate) struct Comparison {
    sql: String,
    /// Of counts, which tells of missing windows too; else of metrics.
    pub(crate) is_of_counts: bool,
}

/// What the two comparisons are made of.
const COUNTS: &str = include_str!("../sql/counts.sql");
const METRICS: &str = include_str!("../sql/metrics.sql");

impl WindowTable {
    /// The comparison of its counts, and that of its metrics.
    pub(crate) fn comparisons(self) -> [Comparison; 2] {
        let (key, prefixed_key, same_key) = match self {
            Self::Farm => (
                "farm_id",
                "w.farm_id",
                "w.farm_id = coalesce(e.farm_id, f.farm_id)",
            ),
            Self::Turbine => (
                "farm_id, turbine_id",
                "w.farm_id, w.turbine_id",
                "w.farm_id = coalesce(e.farm_id, f.farm_id) AND w.turbine_id = coalesce(e.turbine_id, f.turbine_id)",
            ),
        };
        [(COUNTS, true), (METRICS, false)].map(|(sql, is_of_counts)| Comparison {
            sql: sql
                .replace("{table}", self.name())
                .replace("{key}", key)
                .replace("{prefixed_key}", prefixed_key)
                .replace("{same_key}", same_key),
            is_of_counts,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Farm => "farm_windows",
            Self::Turbine => "turbine_windows",
        }
    }

    /// All its rows.
    pub(crate) const fn rows(self) -> &'static str {
        match self {
            Self::Farm => include_str!("../sql/farm_windows.sql"),
            Self::Turbine => include_str!("../sql/turbine_windows.sql"),
        }
    }
}

/// How far the sink is with a topic, by partition.
pub(crate) async fn next_offsets(
    connection: &mut PgConnection,
    topic: &str,
) -> anyhow::Result<BTreeMap<i32, i64>> {
    let rows = sqlx::query(include_str!("../sql/next_offsets.sql"))
        .bind(topic)
        .fetch_all(connection)
        .await
        .context("asking how far the sink is")?;
    Ok(rows
        .iter()
        .map(|row| (row.get("partition"), row.get("next_offset")))
        .collect())
}

/// The state of each partition of these topics: readings, windows of farms, windows of turbines, dead letters.
pub(crate) async fn lanes(connection: &mut PgConnection, topics: [&str; 4]) -> anyhow::Result<Lanes> {
    let mut query = sqlx::query(include_str!("../sql/lanes.sql"));
    for topic in topics {
        query = query.bind(topic);
    }
    let rows = query
        .fetch_all(connection)
        .await
        .context("counting rows by partition")?;
    let lane = |row: &sqlx::postgres::PgRow| {
        let state = LaneState {
            first_offset: row.get("first_offset"),
            next_offset: row.get("next_offset"),
            stored: row.get("stored"),
            duplicates: row.get("duplicates"),
            refused: row.get("refused"),
            rows: row.get("rows"),
            counted_duplicates: row.get("counted_duplicates"),
        };
        ((row.get("topic"), row.get("partition")), state)
    };
    Ok(rows.iter().map(lane).collect())
}

/// Sees to it that no day is dropped as long as this connection lives, or until [`release_days`].
pub(crate) async fn hold_days(connection: &mut PgConnection) -> anyhow::Result<()> {
    retention(
        connection,
        "SELECT pg_advisory_lock_shared(hashtextextended('windfarm.retention', 0))",
    )
    .await
}

/// Lets days be dropped again.
pub(crate) async fn release_days(connection: &mut PgConnection) -> anyhow::Result<()> {
    retention(
        connection,
        "SELECT pg_advisory_unlock_shared(hashtextextended('windfarm.retention', 0))",
    )
    .await
}

async fn retention(connection: &mut PgConnection, sql: &'static str) -> anyhow::Result<()> {
    sqlx::query(sql)
        .execute(connection)
        .await
        .map(drop)
        .context("holding the days that are kept")
}

/// Dropped days whose rows are still being counted.
pub(crate) async fn uncounted_days(connection: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    sqlx::query_scalar(include_str!("../sql/uncounted_days.sql"))
        .fetch_all(connection)
        .await
        .context("looking for dropped days")
}

/// From when on windows are kept.
pub(crate) async fn kept_from(
    connection: &mut PgConnection,
    table: WindowTable,
) -> anyhow::Result<OffsetDateTime> {
    let sql = include_str!("../sql/kept_from.sql").replace("{table}", table.name());
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .context("asking which windows are kept")
}

/// Dead letters of the readings' partitions, of the records that the sink has passed.
pub(crate) async fn dead_letters(
    connection: &mut PgConnection,
    readings: &str,
    passed: &BTreeMap<i32, LaneState>,
) -> anyhow::Result<BTreeMap<i32, Letters>> {
    let rows = sqlx::query(include_str!("../sql/dead_letters.sql"))
        .bind(readings)
        .bind(passed.keys().copied().collect::<Vec<_>>())
        .bind(passed.values().map(|lane| lane.first_offset).collect::<Vec<_>>())
        .bind(passed.values().map(|lane| lane.next_offset).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .context("counting dead letters")?;
    let letters = |row: &sqlx::postgres::PgRow| Letters {
        records: row.get("letters"),
        rows: row.get("rows"),
    };
    Ok(rows
        .iter()
        .map(|row| (row.get("partition"), letters(row)))
        .collect())
}

/// Windows that should have been made anew by now.
pub(crate) async fn ready_marks(
    connection: &mut PgConnection,
    readings: &str,
) -> anyhow::Result<Vec<String>> {
    let rows = sqlx::query(include_str!("../sql/marks.sql"))
        .bind(readings)
        .fetch_all(connection)
        .await
        .context("looking for marks")?;
    let mark = |row: &sqlx::postgres::PgRow| {
        format!(
            "{} {}: marked by the reading at offset {}",
            row.get::<String, _>("farm_id"),
            row.get::<OffsetDateTime, _>("window_start"),
            row.get::<i64, _>("kafka_offset")
        )
    };
    Ok(rows.iter().map(mark).collect())
}

/// The differences between a table of windows and the stored readings.
pub(crate) async fn window_differences(
    connection: &mut PgConnection,
    comparison: &Comparison,
    rule: WindowRule,
    scope: &Scope,
) -> anyhow::Result<Vec<WindowDifference>> {
    let mut query = sqlx::query(AssertSqlSafe(comparison.sql.as_str()))
        .bind(micros(rule.size))
        .bind(&scope.farms)
        .bind(scope.from);
    if comparison.is_of_counts {
        query = query.bind(micros(rule.grace));
    }
    let rows = query
        .fetch_all(connection)
        .await
        .context("comparing windows with readings")?;
    let difference = |row: &sqlx::postgres::PgRow| WindowDifference {
        key: row.get("key"),
        farm_id: row.get("farm_id"),
        window_start: row.get("window_start"),
        text: row.get("difference"),
    };
    Ok(rows.iter().map(difference).collect())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// How many rows a table has.
pub(crate) async fn count(connection: &mut PgConnection, table: WindowTable) -> anyhow::Result<i64> {
    let sql = match table {
        WindowTable::Farm => "SELECT count(*) FROM farm_windows",
        WindowTable::Turbine => "SELECT count(*) FROM turbine_windows",
    };
    sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .context("counting windows")
}
