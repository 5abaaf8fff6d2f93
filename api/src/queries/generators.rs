//! Readings as the first system told them.

use domain::{FarmId, TurbineId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, QueryBuilder, Row};

use super::{days, from_db, push_time_page};
use crate::legacy::GeneratorReading;
use crate::params::TimePage;

impl FromRow<'_, PgRow> for GeneratorReading {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: Self::id_of(row.try_get("kafka_partition")?, row.try_get("kafka_offset")?),
            wind_speed: row.try_get("wind_speed_mps")?,
            wind_direction: row.try_get("wind_direction_deg")?,
            rotor_speed: row.try_get("rotor_speed_rpm")?,
            temperature: row.try_get("ambient_temperature_celsius")?,
            timestamp: from_db(row.try_get("event_time")?),
        })
    }
}

/// A page of the turbine's readings by time and one more.
pub async fn list(
    database: &PgPool,
    farm: &FarmId,
    turbine: &TurbineId,
    page: &TimePage,
) -> Result<Vec<GeneratorReading>, sqlx::Error> {
    days::list(page, async |page| {
        let mut sql = QueryBuilder::new(
            "SELECT kafka_partition, kafka_offset, event_time, wind_speed_mps, wind_direction_deg, \
             rotor_speed_rpm, ambient_temperature_celsius FROM readings WHERE farm_id = ",
        );
        sql.push_bind(farm.as_str());
        sql.push(" AND turbine_id = ").push_bind(turbine.as_str());
        push_time_page(&mut sql, "event_time", page);
        sql.build_query_as().fetch_all(database).await
    })
    .await
}
