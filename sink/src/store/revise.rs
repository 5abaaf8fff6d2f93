//! Windows that late readings have changed, made anew in one transaction with the marks' removal.

use std::collections::BTreeMap;

use domain::{FarmId, Metric, Metrics, TimeDelta};
use platform::fail_point;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::commit::copy;
use super::error::failed;
use super::sql::{self, Table};
use super::{Session, StoreError};
use crate::copy::CopyBuffer;
use crate::revision::{Minute, StoredReading, windows_of};
use crate::rows::window::{self, Of, Origin};
use crate::time::{from_sql, to_sql};

/// What a round of revisions came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revised {
    /// Windows of farms that were looked at.
    pub minutes: usize,
    /// How many of them had changed.
    pub changed: u64,
}

/// A marked window, and the partition whose reading marked it.
type Marked = (Minute, i32);

/// Makes them anew.
pub(super) async fn revise(
    session: &mut Session,
    readings_topic: &str,
    window_size: TimeDelta,
    limit: usize,
) -> Result<Revised, StoreError> {
    session.ensure_incoming().await?;
    let mut transaction = session.begin().await?;
    let marked = ready(&mut transaction, readings_topic, window_size, limit).await?;
    let mut minutes: Vec<_> = marked.iter().map(|(minute, _)| minute.clone()).collect();
    minutes.dedup();
    if minutes.is_empty() {
        return Ok(Revised::default());
    }

    let mut readings = readings_of(&mut transaction, &minutes).await?;
    let (mut farms, mut turbines) = (CopyBuffer::default(), CopyBuffer::default());
    for (number, minute) in minutes.iter().enumerate() {
        let stored = readings.remove(&number).unwrap_or_default();
        let Some((farm, of_turbines)) = windows_of(minute, stored) else {
            continue;
        };
        window::put_farm(&mut farms, &farm, Origin::LATE);
        for turbine in &of_turbines {
            window::put_turbine(&mut turbines, turbine, Origin::LATE);
        }
    }
    let changed = replace(&mut transaction, &sql::FARM_WINDOWS, &farms, Of::Farm).await?;
    replace(&mut transaction, &sql::TURBINE_WINDOWS, &turbines, Of::Turbine).await?;
    unmark(&mut transaction, &marked).await?;
    fail_point::reach("before-revision-commit");
    transaction
        .commit()
        .await
        .map_err(failed("committing revised windows"))?;
    fail_point::reach("after-revision-commit");
    Ok(Revised {
        minutes: minutes.len(),
        changed,
    })
}

/// In the order of farms and starts; within a transaction they are locked.
async fn ready(
    connection: &mut PgConnection,
    readings_topic: &str,
    window_size: TimeDelta,
    limit: usize,
) -> Result<Vec<Marked>, StoreError> {
    let rows = sqlx::query(sql::READY_MARKS)
        .bind(readings_topic)
        .bind(window_size.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(failed("looking for windows to revise"))?;
    let marked = |row: &PgRow| {
        let minute = Minute {
            farm_id: FarmId::parse(row.get("farm_id")).expect("only valid farm ids are marked"),
            start: from_sql(row.get("window_start")),
            end: from_sql(row.get("window_end")),
        };
        (minute, row.get("kafka_partition"))
    };
    Ok(rows.iter().map(marked).collect())
}

/// The stored readings of each minute, by the minute's place in the list.
async fn readings_of(
    connection: &mut PgConnection,
    minutes: &[Minute],
) -> Result<BTreeMap<usize, Vec<StoredReading>>, StoreError> {
    let farms: Vec<_> = minutes.iter().map(|minute| minute.farm_id.as_str()).collect();
    let starts: Vec<_> = minutes.iter().map(|minute| to_sql(minute.start)).collect();
    let ends: Vec<_> = minutes.iter().map(|minute| to_sql(minute.end)).collect();
    let rows = sqlx::query(sql::READINGS_OF)
        .bind(farms)
        .bind(starts)
        .bind(ends)
        .fetch_all(connection)
        .await
        .map_err(failed("reading the readings of windows"))?;
    let mut readings: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for row in &rows {
        let number: i64 = row.get("number");
        let number = usize::try_from(number - 1).expect("ordinality counts from 1");
        readings.entry(number).or_default().push(stored_reading(row));
    }
    Ok(readings)
}

fn stored_reading(row: &PgRow) -> StoredReading {
    let mut metrics = Metrics::default();
    for metric in Metric::ALL {
        metrics.set(metric, row.get(metric.name()));
    }
    StoredReading {
        turbine_id: row.get("turbine_id"),
        event_time: from_sql(row.get("event_time")),
        metrics,
    }
}

async fn replace(
    connection: &mut PgConnection,
    table: &Table,
    rows: &CopyBuffer,
    of: Of,
) -> Result<u64, StoreError> {
    copy(connection, &table.copy_incoming, rows).await?;
    let replaced = sqlx::query(AssertSqlSafe(sql::revise_windows(of)))
        .execute(connection)
        .await
        .map_err(failed("storing revised windows"))?;
    Ok(replaced.rows_affected())
}

async fn unmark(connection: &mut PgConnection, marked: &[Marked]) -> Result<(), StoreError> {
    let farms: Vec<_> = marked.iter().map(|(minute, _)| minute.farm_id.as_str()).collect();
    let starts: Vec<_> = marked.iter().map(|(minute, _)| to_sql(minute.start)).collect();
    let partitions: Vec<_> = marked.iter().map(|&(_, partition)| partition).collect();
    sqlx::query(sql::UNMARK)
        .bind(farms)
        .bind(starts)
        .bind(partitions)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("removing marks"))
}
