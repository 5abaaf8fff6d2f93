//! Windows that late readings have changed, made anew in one transaction with the marks' removal.

use std::collections::BTreeMap;

use domain::{FarmId, Metric, Metrics, TimeDelta, Timestamp};
use platform::fail_point;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::error::failed;
use super::sql::{self, Target};
use super::{Session, StoreError, table};
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

/// A marked window: farm, start, and the partition whose reading marked it.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    farm_id: FarmId,
    start: Timestamp,
    partition: i32,
}

/// Whether there is anything to do.
pub(super) async fn is_due(session: &mut Session, readings_topic: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar(sql::ANY_READY_MARK)
        .bind(readings_topic)
        .fetch_one(&mut session.connection)
        .await
        .map_err(failed("looking for windows to revise"))
}

/// Makes them anew.
pub(super) async fn revise(
    session: &mut Session,
    readings_topic: &str,
    window_size: TimeDelta,
    limit: usize,
) -> Result<Revised, StoreError> {
    session.ensure_incoming().await?;
    let mut transaction = session.begin().await?;
    let marks = ready(&mut transaction, readings_topic, limit).await?;
    let minutes = minutes(&mut transaction, &marks, window_size).await?;
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
    let changed = replace(&mut transaction, Target::FarmWindows, &farms, Of::Farm).await?;
    replace(&mut transaction, Target::TurbineWindows, &turbines, Of::Turbine).await?;
    unmark(&mut transaction, &marks).await?;
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

/// In the order of starts and farms; locked.
async fn ready(
    connection: &mut PgConnection,
    readings_topic: &str,
    limit: usize,
) -> Result<Vec<Mark>, StoreError> {
    let rows = sqlx::query(sql::READY_MARKS)
        .bind(readings_topic)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(failed("looking for windows to revise"))?;
    let mark = |row: &PgRow| Mark {
        farm_id: FarmId::parse(row.get("farm_id")).expect("only valid farm ids are marked"),
        start: from_sql(row.get("window_start")),
        partition: row.get("kafka_partition"),
    };
    Ok(rows.iter().map(mark).collect())
}

/// The marked windows, each once, with their ends: as stored, else by the size that windows have.
async fn minutes(
    connection: &mut PgConnection,
    marks: &[Mark],
    window_size: TimeDelta,
) -> Result<Vec<Minute>, StoreError> {
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(sql::WINDOW_ENDS)
        .bind(marks.iter().map(|mark| mark.farm_id.as_str()).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| to_sql(mark.start)).collect::<Vec<_>>())
        .bind(to_sql(first.start))
        .bind(to_sql(last.start))
        .fetch_all(connection)
        .await
        .map_err(failed("looking for the windows to revise"))?;
    let ends: BTreeMap<(String, Timestamp), Timestamp> = rows
        .iter()
        .map(|row| {
            let start = from_sql(row.get("window_start"));
            ((row.get("farm_id"), start), from_sql(row.get("window_end")))
        })
        .collect();
    let minute = |mark: &Mark| Minute {
        farm_id: mark.farm_id.clone(),
        start: mark.start,
        end: ends
            .get(&(mark.farm_id.to_string(), mark.start))
            .copied()
            .unwrap_or(mark.start + window_size),
    };
    let mut minutes: Vec<_> = marks.iter().map(minute).collect();
    minutes.dedup();
    Ok(minutes)
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
        .bind(&starts)
        .bind(&ends)
        .bind(starts.iter().min())
        .bind(ends.iter().max())
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
    target: Target,
    rows: &CopyBuffer,
    of: Of,
) -> Result<u64, StoreError> {
    table::copy_incoming(connection, target, rows, rows.all()).await?;
    let replaced = sqlx::query(AssertSqlSafe(sql::revise_windows(of)))
        .execute(connection)
        .await
        .map_err(failed("storing revised windows"))?;
    Ok(replaced.rows_affected())
}

async fn unmark(connection: &mut PgConnection, marks: &[Mark]) -> Result<(), StoreError> {
    sqlx::query(sql::UNMARK)
        .bind(marks.iter().map(|mark| mark.farm_id.as_str()).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| to_sql(mark.start)).collect::<Vec<_>>())
        .bind(marks.iter().map(|mark| mark.partition).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("removing marks"))
}
