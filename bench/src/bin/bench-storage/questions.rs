//! The API's questions, asked by its own code; of tables whose turbines are numbers, by what that code would become.

use std::fmt;
use std::time::Instant;

use anyhow::Result;
use api::model::Reading;
use api::params::{KeyPage, Order, TimePage, TimeRange};
use api::queries::{readings, turbines, windows};
use domain::{FarmId, TimeDelta, Timestamp, TurbineId};
use sqlx::AssertSqlSafe;
use time::OffsetDateTime;

use crate::arena::Arena;
use crate::scale::Scale;

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// The first page of a turbine's readings.
    NewestReadings,
    /// An hour of a turbine.
    HourOfTurbine,
    /// The longest page that there is, of one turbine.
    LongestPage,
    /// A turbine with its latest reading.
    LatestReading,
    /// A farm's turbines, each with its latest reading.
    LatestReadings,
    /// A minute of a farm, as the sink reads it to make it anew.
    MinuteOfFarm,
    /// A farm's windows of six hours.
    WindowsOfFarm,
    /// A turbine's windows of six hours.
    WindowsOfTurbine,
}

impl Question {
    /// Those of a table.
    pub(crate) const fn of(table: &str) -> &'static [Self] {
        match table.as_bytes() {
            b"readings" => &[
                Self::NewestReadings,
                Self::HourOfTurbine,
                Self::LongestPage,
                Self::LatestReading,
                Self::LatestReadings,
                Self::MinuteOfFarm,
            ],
            b"farm_windows" => &[Self::WindowsOfFarm],
            _ => &[Self::WindowsOfTurbine],
        }
    }

    /// Asks once, and tells how many rows came and after how many milliseconds.
    pub(crate) async fn ask(self, arena: &Arena, scale: &Scale, number: i64) -> Result<(usize, f64)> {
        let (farm, turbine) = scale.turbine(number);
        let begun = Instant::now();
        let rows = self.answer(arena, scale, &farm, &turbine).await?;
        Ok((rows, begun.elapsed().as_secs_f64() * 1e3))
    }

    async fn answer(self, arena: &Arena, scale: &Scale, farm: &FarmId, turbine: &TurbineId) -> Result<usize> {
        let pool = &arena.pool;
        let all = TimeRange {
            from: scale.first_time(),
            to: scale.end(),
        };
        let middle = scale.first_time() + TimeDelta::from_secs(scale.span_s / 2);
        let page = |range, limit| TimePage {
            limit,
            order: Order::Desc,
            range,
        };
        let of_turbine = async |page: TimePage| {
            if arena.candidate.has_number {
                numbered_readings(arena, farm, turbine, page).await
            } else {
                Ok(readings::list(pool, farm, turbine, &page).await?.len())
            }
        };
        match self {
            Self::NewestReadings => of_turbine(page(all, 100)).await,
            Self::HourOfTurbine => of_turbine(page(from(middle, 3_600), 10_000)).await,
            Self::LongestPage => of_turbine(page(all, 10_000)).await,
            Self::LatestReading if arena.candidate.has_number => {
                numbered_latest(arena, farm, Some(turbine)).await
            }
            Self::LatestReading => Ok(usize::from(turbines::find(pool, farm, turbine).await?.is_some())),
            Self::LatestReadings if arena.candidate.has_number => numbered_latest(arena, farm, None).await,
            Self::LatestReadings => {
                let page = KeyPage {
                    limit: 100,
                    order: Order::Asc,
                    after: None,
                };
                Ok(turbines::list(pool, farm, &page).await?.len())
            }
            Self::MinuteOfFarm => minute_of_farm(arena, farm, middle).await,
            Self::WindowsOfFarm => {
                let of = windows::WindowsOf::Farm(farm.clone());
                Ok(windows::minutes(pool, &of, &page(from(middle, 6 * 3_600), 360))
                    .await?
                    .len())
            }
            Self::WindowsOfTurbine => {
                let of = windows::WindowsOf::Turbine(farm.clone(), turbine.clone());
                Ok(windows::minutes(pool, &of, &page(from(middle, 6 * 3_600), 360))
                    .await?
                    .len())
            }
        }
    }
}

fn from(start: Timestamp, seconds: i64) -> TimeRange {
    TimeRange {
        from: start,
        to: start + TimeDelta::from_secs(seconds),
    }
}

/// As [`readings::list`], with the turbine's number looked up first.
async fn numbered_readings(
    arena: &Arena,
    farm: &FarmId,
    turbine: &TurbineId,
    page: TimePage,
) -> Result<usize> {
    let sql = format!(
        "SELECT $1 AS farm_id, $2 AS turbine_id, {} FROM readings \
         WHERE turbine_number = (SELECT turbine_number FROM turbines WHERE farm_id = $1 AND turbine_id = $2) \
         AND event_time >= $3 AND event_time < $4 ORDER BY event_time DESC LIMIT $5",
        readings::COLUMNS
    );
    let rows: Vec<Reading> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(farm.as_str())
        .bind(turbine.as_str())
        .bind(to_sql(page.range.from))
        .bind(to_sql(page.range.to))
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&arena.pool)
        .await?;
    Ok(rows.len())
}

/// As [`turbines::list`] and [`turbines::find`], by the turbine's number.
async fn numbered_latest(arena: &Arena, farm: &FarmId, turbine: Option<&TurbineId>) -> Result<usize> {
    let sql = format!(
        "SELECT farm_id, turbine_id, first_event_time, last_event_time, latest.* FROM turbines \
         LEFT JOIN LATERAL (SELECT {} FROM readings WHERE readings.turbine_number = turbines.turbine_number \
             AND event_time = last_event_time) AS latest ON true \
         WHERE farm_id = $1 AND ($2::text IS NULL OR turbine_id = $2) ORDER BY turbine_id LIMIT 101",
        readings::COLUMNS
    );
    let rows: Vec<api::model::Turbine> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(farm.as_str())
        .bind(turbine.map(TurbineId::as_str))
        .fetch_all(&arena.pool)
        .await?;
    Ok(rows.len())
}

/// As the sink reads the stored readings of a window.
async fn minute_of_farm(arena: &Arena, farm: &FarmId, start: Timestamp) -> Result<usize> {
    let same_turbine = if arena.candidate.has_number {
        "r.turbine_number = t.turbine_number"
    } else {
        "r.farm_id = t.farm_id AND r.turbine_id = t.turbine_id"
    };
    let sql = format!(
        "SELECT r.* FROM turbines t JOIN readings r ON {same_turbine} AND r.event_time >= $2 AND r.event_time < $3 \
         WHERE t.farm_id = $1 ORDER BY t.turbine_id, r.event_time"
    );
    let range = from(start, 60);
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(farm.as_str())
        .bind(to_sql(range.from))
        .bind(to_sql(range.to))
        .fetch_all(&arena.pool)
        .await?;
    Ok(rows.len())
}

fn to_sql(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.as_micros()) * 1_000)
        .expect("the day is one of the calendar")
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NewestReadings => "newest 100 of a turbine",
            Self::HourOfTurbine => "an hour of a turbine",
            Self::LongestPage => "newest 10,000 of a turbine",
            Self::LatestReading => "latest of a turbine",
            Self::LatestReadings => "latest of a farm's turbines",
            Self::MinuteOfFarm => "a minute of a farm (revision)",
            Self::WindowsOfFarm => "6 h of windows of a farm",
            Self::WindowsOfTurbine => "6 h of windows of a turbine",
        })
    }
}
