//! Windows that late readings have changed, made anew in one transaction with the marks' removal. What they said before
//! is kept.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FarmId, Metric, Metrics, TimeDelta, Timestamp};
use futures_util::TryStreamExt;
use platform::fail_point;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use stored::Length;
use time::Date;

use super::error::failed;
use super::roll_up;
use super::sql::{self, Target};
use super::{Session, StoreError, days, table};
use crate::batch::day_of;
use crate::copy::CopyBuffer;
use crate::revision::{Minute, Remaking};
use crate::rows::window::{self, Of, Origin};
use crate::time::{from_sql, to_sql};

/// How much is made anew in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionLimits {
    /// Marks that are looked at.
    pub marks: usize,
    /// Readings after which no further window is begun: what memory and time depend on.
    pub readings: u64,
}

/// What a round of revisions came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revised {
    /// Windows of farms that were looked at.
    pub minutes: usize,
    /// How many of them had changed.
    pub changed: u64,
    /// Marked windows that stay as they are, because their day is gone.
    pub gone: usize,
    /// Whether there may be more to do.
    pub is_part: bool,
}

/// A marked window: farm, start, and the partition whose reading marked it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    start: Timestamp,
    farm_id: FarmId,
    partition: i32,
}

/// The windows made anew, and what they are made of.
#[derive(Debug, Default)]
struct Remade {
    farms: CopyBuffer,
    turbines: CopyBuffer,
    minutes: usize,
    readings: u64,
}

/// The days whose windows are to be made anew next; none if there is nothing to do.
pub(super) async fn due_days(
    session: &mut Session,
    readings_topic: &str,
    limits: RevisionLimits,
) -> Result<Vec<Date>, StoreError> {
    sqlx::query_scalar(sql::READY_DAYS)
        .bind(readings_topic)
        .bind(signed(limits.marks))
        .fetch_all(&mut session.connection)
        .await
        .map_err(failed("looking for windows to revise"))
}

/// Makes the windows of these days anew, whose partitions are there unless they are gone.
pub(super) async fn revise(
    session: &mut Session,
    readings_topic: &str,
    window_size: TimeDelta,
    due: &[Date],
    limits: RevisionLimits,
) -> Result<Revised, StoreError> {
    session.ensure_incoming().await?;
    let mut transaction = session.begin().await?;
    let kept = days::hold(&mut transaction).await?;
    let marks = ready(&mut transaction, readings_topic, due, limits).await?;
    let found = marks.len();
    let (mut gone, marks): (Vec<_>, Vec<_>) = marks
        .into_iter()
        .partition(|mark| kept.is_closed(day_of(mark.start)));
    let minutes = minutes(&mut transaction, &marks, window_size).await?;
    let mut remade = Remade::default();
    for minute in &minutes {
        if remade.readings >= limits.readings {
            break;
        }
        remade.take(&mut transaction, minute).await?;
    }
    let changed = replace(&mut transaction, Target::FarmWindows, &remade.farms, Of::Farm).await?;
    replace(
        &mut transaction,
        Target::TurbineWindows,
        &remade.turbines,
        Of::Turbine,
    )
    .await?;
    let told = distinct(&gone);
    let seen_to = seen_to(marks, &minutes[..remade.minutes]);
    let is_part = found == limits.marks || remade.minutes < minutes.len();
    gone.extend(seen_to);
    unmark(&mut transaction, &gone).await?;
    roll_up::mark(&mut transaction, hours_of(&minutes[..remade.minutes]).iter()).await?;
    fail_point::reach("before-revision-commit");
    transaction
        .commit()
        .await
        .map_err(failed("committing revised windows"))?;
    fail_point::reach("after-revision-commit");
    Ok(Revised {
        minutes: remade.minutes,
        changed,
        gone: told,
        is_part,
    })
}

/// In the order of starts and farms; locked.
async fn ready(
    connection: &mut PgConnection,
    readings_topic: &str,
    days: &[Date],
    limits: RevisionLimits,
) -> Result<Vec<Mark>, StoreError> {
    let rows = sqlx::query(sql::READY_MARKS)
        .bind(readings_topic)
        .bind(signed(limits.marks))
        .bind(days)
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

/// The hours that these windows lie in.
fn hours_of(minutes: &[Minute]) -> BTreeSet<(FarmId, Timestamp)> {
    let hour = |minute: &Minute| (minute.farm_id.clone(), Length::Hour.start_of(minute.start));
    minutes.iter().map(hour).collect()
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

impl Remade {
    /// Makes one window anew. Its readings are taken as they come over the wire, however many there are.
    async fn take(&mut self, connection: &mut PgConnection, minute: &Minute) -> Result<(), StoreError> {
        let mut remaking = Remaking::of(minute);
        let mut rows = sqlx::query(AssertSqlSafe(sql::READINGS_OF.as_str()))
            .bind(minute.farm_id.as_str())
            .bind(to_sql(minute.start))
            .bind(to_sql(minute.end))
            .fetch(connection);
        let mut next = async || {
            rows.try_next()
                .await
                .map_err(failed("reading the readings of a window"))
        };
        while let Some(row) = next().await? {
            let event_time = from_sql(row.get(sql::EVENT_TIME));
            remaking.add(row.get(sql::TURBINE_ID), event_time, &metrics(&row));
        }
        self.minutes += 1;
        self.readings += remaking.readings();
        if let Some((farm, turbines)) = remaking.finish() {
            window::put_farm(&mut self.farms, &farm, Origin::LATE);
            for turbine in &turbines {
                window::put_turbine(&mut self.turbines, turbine, Origin::LATE);
            }
        }
        Ok(())
    }
}

/// In the order in which [`sql::READINGS_OF`] tells them.
fn metrics(row: &PgRow) -> Metrics {
    let mut metrics = Metrics::default();
    for (column, metric) in (sql::FIRST_METRIC..).zip(Metric::ALL) {
        metrics.set(metric, row.get(column));
    }
    metrics
}

async fn replace(
    connection: &mut PgConnection,
    target: Target,
    rows: &CopyBuffer,
    of: Of,
) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    table::copy_incoming(connection, target, rows, rows.all()).await?;
    let replaced: i64 = sqlx::query_scalar(AssertSqlSafe(sql::revise_windows(of)))
        .fetch_one(connection)
        .await
        .map_err(failed("storing revised windows"))?;
    Ok(replaced.unsigned_abs())
}

/// Windows among the marks: several partitions may have marked one.
fn distinct(marks: &[Mark]) -> usize {
    let windows: BTreeSet<_> = marks.iter().map(|mark| (mark.start, &mark.farm_id)).collect();
    windows.len()
}

/// The marks of these windows.
fn seen_to(marks: Vec<Mark>, minutes: &[Minute]) -> impl Iterator<Item = Mark> {
    let last = minutes.last().map(|minute| (minute.start, &minute.farm_id));
    marks
        .into_iter()
        .take_while(move |mark| Some((mark.start, &mark.farm_id)) <= last)
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

fn signed(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
