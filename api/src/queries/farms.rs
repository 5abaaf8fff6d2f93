//! Farms.

use domain::{FarmId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, QueryBuilder, Row};
use time::OffsetDateTime;

use super::{count, from_db, push_page, range_of};
use crate::model::Farm;
use crate::params::{KeyPage, TimeRange};

impl FromRow<'_, PgRow> for Farm {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            farm_id: row.try_get("farm_id")?,
            turbine_count: count(row.try_get("turbine_count")?),
            first_event_time: from_db(row.try_get("first_event_time")?),
            last_event_time: from_db(row.try_get("last_event_time")?),
        })
    }
}

/// A page of farms by id and one more; only those among `open`, if it names any.
pub async fn list(
    database: &PgPool,
    open: Option<Vec<String>>,
    page: &KeyPage<FarmId>,
) -> Result<Vec<Farm>, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "SELECT farm_id, first_event_time, last_event_time, \
         (SELECT count(*) FROM turbines WHERE turbines.farm_id = farms.farm_id) AS turbine_count \
         FROM farms WHERE true",
    );
    if let Some(open) = open {
        sql.push(" AND farm_id = ANY (").push_bind(open).push(")");
    }
    push_page(&mut sql, "farm_id", page);
    sql.build_query_as().fetch_all(database).await
}

/// Between which times the farm's readings lie; none if there is no such farm.
pub async fn range(database: &PgPool, farm: &FarmId) -> Result<Option<TimeRange>, sqlx::Error> {
    let ends: Option<(OffsetDateTime, OffsetDateTime)> =
        sqlx::query_as("SELECT first_event_time, last_event_time FROM farms WHERE farm_id = $1")
            .bind(farm.as_str())
            .fetch_optional(database)
            .await?;
    Ok(ends.map(range_of))
}

/// The same, and when each turbine of the farm was first heard of.
pub async fn range_and_turbines(
    database: &PgPool,
    farm: &FarmId,
) -> Result<Option<(TimeRange, Vec<Timestamp>)>, sqlx::Error> {
    let found: Option<(OffsetDateTime, OffsetDateTime, Vec<OffsetDateTime>)> = sqlx::query_as(
        "SELECT first_event_time, last_event_time, \
         ARRAY(SELECT first_event_time FROM turbines WHERE turbines.farm_id = farms.farm_id) \
         FROM farms WHERE farm_id = $1",
    )
    .bind(farm.as_str())
    .fetch_optional(database)
    .await?;
    Ok(found.map(|(first, last, turbines)| {
        let turbines = turbines.into_iter().map(from_db).collect();
        (range_of((first, last)), turbines)
    }))
}
