//! Turbines.

use std::collections::BTreeMap;

use domain::{FarmId, TimeDelta, Timestamp, TurbineId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, QueryBuilder, Row};
use time::OffsetDateTime;

use super::readings::COLUMNS;
use super::{from_db, push_page, range_of, to_db};
use crate::model::{Reading, Turbine};
use crate::params::{KeyPage, TimeRange};

impl FromRow<'_, PgRow> for Turbine {
    /// Without its last reading.
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            turbine_id: row.try_get("turbine_id")?,
            first_event_time: from_db(row.try_get("first_event_time")?),
            last_event_time: from_db(row.try_get("last_event_time")?),
            latest: None,
        })
    }
}

const SELECT: &str = "SELECT turbine_id, first_event_time, last_event_time FROM turbines WHERE farm_id = ";

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

/// A page of the farm's turbines by id and one more.
pub async fn list(
    database: &PgPool,
    farm: &FarmId,
    page: &KeyPage<TurbineId>,
) -> Result<Vec<Turbine>, sqlx::Error> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push_bind(farm.as_str());
    push_page(&mut sql, "turbine_id", page);
    let mut connection = database.acquire().await?;
    let mut turbines: Vec<Turbine> = sql.build_query_as().fetch_all(&mut *connection).await?;
    add_latest(&mut connection, farm, &mut turbines).await?;
    Ok(turbines)
}

/// One turbine.
pub async fn find(
    database: &PgPool,
    farm: &FarmId,
    turbine: &TurbineId,
) -> Result<Option<Turbine>, sqlx::Error> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push_bind(farm.as_str());
    sql.push(" AND turbine_id = ").push_bind(turbine.as_str());
    let mut connection = database.acquire().await?;
    let mut found: Vec<Turbine> = sql.build_query_as().fetch_all(&mut *connection).await?;
    add_latest(&mut connection, farm, &mut found).await?;
    Ok(found.pop())
}

/// Adds to each turbine the reading at its last event time, if it is still kept. A statement tells its day, which is
/// the same one for most, so that it is not planned over all days that there are.
async fn add_latest(
    database: &mut PgConnection,
    farm: &FarmId,
    turbines: &mut [Turbine],
) -> Result<(), sqlx::Error> {
    let mut days: BTreeMap<Timestamp, Vec<&mut Turbine>> = BTreeMap::new();
    for turbine in turbines {
        let day = turbine.last_event_time.floor_to(DAY);
        days.entry(day).or_default().push(turbine);
    }
    for (day, turbines) in days {
        let ids: Vec<_> = turbines.iter().map(|one| one.turbine_id.clone()).collect();
        let times: Vec<_> = turbines.iter().map(|one| to_db(one.last_event_time)).collect();
        let latest: Vec<Reading> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT farm_id, turbine_id, {COLUMNS} FROM unnest($2::text[], $3::timestamptz[]) AS latest (turbine, at) \
             JOIN readings ON turbine_id = turbine AND event_time = at \
             WHERE farm_id = $1 AND event_time >= $4 AND event_time < $5"
        )))
        .bind(farm.as_str())
        .bind(ids)
        .bind(times)
        .bind(to_db(day))
        .bind(to_db(day + DAY))
        .fetch_all(&mut *database)
        .await?;
        let mut latest: BTreeMap<_, _> = latest
            .into_iter()
            .map(|reading| (reading.turbine_id.clone(), reading))
            .collect();
        for turbine in turbines {
            turbine.latest = latest.remove(&turbine.turbine_id);
        }
    }
    Ok(())
}

/// Between which times the turbine's readings lie; none if there is no such turbine.
pub async fn range(
    database: &PgPool,
    farm: &FarmId,
    turbine: &TurbineId,
) -> Result<Option<TimeRange>, sqlx::Error> {
    let ends: Option<(OffsetDateTime, OffsetDateTime)> = sqlx::query_as(
        "SELECT first_event_time, last_event_time FROM turbines WHERE farm_id = $1 AND turbine_id = $2",
    )
    .bind(farm.as_str())
    .bind(turbine.as_str())
    .fetch_optional(database)
    .await?;
    Ok(ends.map(range_of))
}

/// The ids of all turbines of the farm.
pub async fn ids(database: &PgPool, farm: &FarmId) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT turbine_id FROM turbines WHERE farm_id = $1 ORDER BY turbine_id")
        .bind(farm.as_str())
        .fetch_all(database)
        .await
}
