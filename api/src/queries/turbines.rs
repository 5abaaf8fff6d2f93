//! Turbines.

use domain::{FarmId, Timestamp, TurbineId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, Row};
use time::OffsetDateTime;

use super::readings::COLUMNS;
use super::{from_db, push_page, range_of};
use crate::model::{Reading, Turbine};
use crate::params::{KeyPage, TimeRange};

impl FromRow<'_, PgRow> for Turbine {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let latest: Option<OffsetDateTime> = row.try_get("event_time")?;
        Ok(Self {
            turbine_id: row.try_get("turbine_id")?,
            first_event_time: from_db(row.try_get("first_event_time")?),
            last_event_time: from_db(row.try_get("last_event_time")?),
            latest: latest.map(|_| Reading::from_row(row)).transpose()?,
        })
    }
}

/// A page of the farm's turbines by id and one more.
pub async fn list(
    database: &PgPool,
    farm: &FarmId,
    page: &KeyPage<TurbineId>,
) -> Result<Vec<Turbine>, sqlx::Error> {
    let mut sql = select(farm);
    push_page(&mut sql, "turbine_id", page);
    sql.build_query_as().fetch_all(database).await
}

/// One turbine.
pub async fn find(
    database: &PgPool,
    farm: &FarmId,
    turbine: &TurbineId,
) -> Result<Option<Turbine>, sqlx::Error> {
    let mut sql = select(farm);
    sql.push(" AND turbine_id = ")
        .push_bind(turbine.as_str().to_owned());
    sql.build_query_as().fetch_optional(database).await
}

/// Turbines, each with the reading at its last event time: one look into one day's index.
fn select(farm: &FarmId) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(format!(
        "SELECT farm_id, turbine_id, first_event_time, last_event_time, latest.* FROM turbines \
         LEFT JOIN LATERAL (SELECT {COLUMNS} FROM readings \
             WHERE readings.farm_id = turbines.farm_id AND readings.turbine_id = turbines.turbine_id \
             AND event_time = last_event_time) AS latest ON true \
         WHERE farm_id = "
    ));
    sql.push_bind(farm.as_str().to_owned());
    sql
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

/// When each turbine of the farm was first heard of.
pub async fn first_event_times(database: &PgPool, farm: &FarmId) -> Result<Vec<Timestamp>, sqlx::Error> {
    let times: Vec<OffsetDateTime> =
        sqlx::query_scalar("SELECT first_event_time FROM turbines WHERE farm_id = $1")
            .bind(farm.as_str())
            .fetch_all(database)
            .await?;
    Ok(times.into_iter().map(from_db).collect())
}

/// The ids of all turbines of the farm.
pub async fn ids(database: &PgPool, farm: &FarmId) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT turbine_id FROM turbines WHERE farm_id = $1 ORDER BY turbine_id")
        .bind(farm.as_str())
        .fetch_all(database)
        .await
}
