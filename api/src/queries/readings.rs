//! Readings.

use domain::{FarmId, Metric, Metrics, Timestamp, TurbineId};
use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgPool, QueryBuilder, Row};

use super::windows::WindowsOf;
use super::{Stamp, days, from_db, push_time_page, to_db};
use crate::model::Reading;
use crate::params::{TimePage, TimeRange};

/// What a reading is made of, besides its farm and turbine.
pub const COLUMNS: &str = "event_time, sequence, wind_speed_mps, wind_direction_deg, active_power_kw, \
     theoretical_power_kw, rotor_speed_rpm, blade_pitch_deg, nacelle_direction_deg, ambient_temperature_celsius, \
     operating_status::text AS operating_status";

impl FromRow<'_, PgRow> for Reading {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            farm_id: row.try_get("farm_id")?,
            turbine_id: row.try_get("turbine_id")?,
            event_time: from_db(row.try_get("event_time")?),
            sequence: row.try_get("sequence")?,
            wind_speed_mps: row.try_get("wind_speed_mps")?,
            wind_direction_deg: row.try_get("wind_direction_deg")?,
            active_power_kw: row.try_get("active_power_kw")?,
            theoretical_power_kw: row.try_get("theoretical_power_kw")?,
            rotor_speed_rpm: row.try_get("rotor_speed_rpm")?,
            blade_pitch_deg: row.try_get("blade_pitch_deg")?,
            nacelle_direction_deg: row.try_get("nacelle_direction_deg")?,
            ambient_temperature_celsius: row.try_get("ambient_temperature_celsius")?,
            operating_status: row.try_get("operating_status")?,
        })
    }
}

/// A page of the turbine's readings by time and one more.
pub async fn list(
    database: &PgPool,
    farm: &FarmId,
    turbine: &TurbineId,
    page: &TimePage,
) -> Result<Vec<Reading>, sqlx::Error> {
    days::list(page, async |page| {
        let mut sql = QueryBuilder::new(format!(
            "SELECT farm_id, turbine_id, {COLUMNS} FROM readings WHERE farm_id = "
        ));
        sql.push_bind(farm.as_str());
        sql.push(" AND turbine_id = ").push_bind(turbine.as_str());
        push_time_page(&mut sql, "event_time", page);
        sql.build_query_as().fetch_all(database).await
    })
    .await
}

/// Hands over each reading of a range, in any order, one by one as they come.
pub async fn each(
    database: &mut PgConnection,
    of: &WindowsOf,
    range: TimeRange,
    mut take: impl FnMut(&str, Timestamp, &Metrics),
) -> Result<(), sqlx::Error> {
    if range.from >= range.to {
        return Ok(());
    }
    let names = Metric::ALL.map(Metric::name).join(", ");
    let mut sql = QueryBuilder::new(format!(
        "SELECT turbine_id, event_time, {names} FROM readings WHERE "
    ));
    of.push_theirs(&mut sql);
    sql.push(" AND event_time >= ").push_bind(to_db(range.from));
    sql.push(" AND event_time < ").push_bind(to_db(range.to));
    let mut rows = sql.build().fetch(database);
    while let Some(row) = rows.try_next().await? {
        let mut metrics = Metrics::default();
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            metrics.set(metric, row.try_get(place + 2)?);
        }
        take(row.try_get(0)?, from_db(row.try_get(1)?), &metrics);
    }
    Ok(())
}

/// What changes with the readings of a range.
pub async fn stamp(database: &PgPool, of: &WindowsOf, range: TimeRange) -> Result<Stamp, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "SELECT count(*) AS rows, 0::bigint AS revisions, min(event_time) AS first FROM readings WHERE ",
    );
    of.push_theirs(&mut sql);
    sql.push(" AND event_time >= ").push_bind(to_db(range.from));
    sql.push(" AND event_time < ").push_bind(to_db(range.to));
    sql.build_query_as().fetch_one(database).await
}
