//! Windows put together (ten minutes, hours) against the minutes that are stored, in SQL that shares nothing with the
//! programs. Both are looked at in one statement, and so at one instant: a minute that is stored or changed marks its
//! hour in the same transaction, and of hours with a mark nothing is claimed. So nothing is waited for.

use anyhow::Context;
use domain::{Metric, MetricKind};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;

use crate::report::Check;

/// Differences that are fetched of each table: more say no more.
const MOST: i64 = 100;

/// A table of windows that were put together.
#[derive(Debug, Clone, Copy)]
struct RollUp {
    name: &'static str,
    minutes: &'static str,
    key: &'static str,
    length: &'static str,
}

const TABLES: [RollUp; 4] = [
    RollUp {
        name: "ten_minute_farm_windows",
        minutes: "farm_windows",
        key: "farm_id",
        length: "10 minutes",
    },
    RollUp {
        name: "hourly_farm_windows",
        minutes: "farm_windows",
        key: "farm_id",
        length: "1 hour",
    },
    RollUp {
        name: "ten_minute_turbine_windows",
        minutes: "turbine_windows",
        key: "farm_id, turbine_id",
        length: "10 minutes",
    },
    RollUp {
        name: "hourly_turbine_windows",
        minutes: "turbine_windows",
        key: "farm_id, turbine_id",
        length: "1 hour",
    },
];

/// Compares every hour without a mark whose minutes are kept.
pub(crate) async fn check(connection: &mut PgConnection) -> anyhow::Result<Check> {
    let mut examined = 0;
    let mut differences = Vec::new();
    for table in TABLES {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {}", table.name)))
            .fetch_one(&mut *connection)
            .await
            .with_context(|| format!("counting {}", table.name))?;
        examined += count;
        let rows = sqlx::query(AssertSqlSafe(table.comparison()))
            .bind(MOST)
            .fetch_all(&mut *connection)
            .await
            .with_context(|| format!("comparing {} with {}", table.name, table.minutes))?;
        let tell = |row: &sqlx::postgres::PgRow| {
            format!(
                "{} {} in {}: {}",
                row.get::<String, _>("key"),
                row.get::<OffsetDateTime, _>("window_start"),
                table.name,
                row.get::<String, _>("difference")
            )
        };
        differences.extend(rows.iter().map(tell));
    }
    Ok(Check {
        claim: "ten minutes and hours are their minutes put together",
        examined: format!("{examined} windows"),
        differences,
    })
}

impl RollUp {
    fn comparison(self) -> String {
        let metrics = |part: fn(Metric) -> String| Metric::ALL.map(part).join(",\n");
        include_str!("../sql/roll_ups.sql")
            .replace("{table}", self.name)
            .replace("{minutes}", self.minutes)
            .replace("{key}", self.key)
            .replace("{length}", self.length)
            .replace("{expected_metrics}", &metrics(expected))
            .replace("{different_metrics}", &metrics(different))
    }
}

/// What the minutes' values come to: mean and squares by their definition, the extremes in the order of the tie rule.
fn expected(metric: Metric) -> String {
    let sums = match metric.kind() {
        MetricKind::Scalar => {
            "sum({m}_count * {m}_mean) / nullif(sum({m}_count), 0) AS {m}_mean,
        sum({m}_m2 + {m}_count * {m}_mean * {m}_mean) AS {m}_squares,"
        }
        MetricKind::Direction => "sum({m}_sum_sin) AS {m}_sum_sin, sum({m}_sum_cos) AS {m}_sum_cos,",
    };
    format!(
        "        sum({{m}}_count)::bigint AS {{m}}_count, {sums}
        min(({{m}}_min, {{m}}_min_time, {{m}}_min_turbine_id)) FILTER (WHERE {{m}}_count > 0) AS {{m}}_least,
        min((-{{m}}_max, {{m}}_max_time, {{m}}_max_turbine_id)) FILTER (WHERE {{m}}_count > 0) AS {{m}}_most"
    )
    .replace("{m}", metric.name())
}

/// The metric's name if its values are not those.
fn different(metric: Metric) -> String {
    let sums = match metric.kind() {
        MetricKind::Scalar => {
            "abs(e.{m}_mean - f.{m}_mean) <= 1e-9 * (1 + abs(e.{m}_mean))
            AND abs(e.{m}_squares - e.{m}_count * e.{m}_mean * e.{m}_mean - f.{m}_m2) <= 1e-9 * (1 + e.{m}_squares)"
        }
        MetricKind::Direction => {
            "abs(e.{m}_sum_sin - f.{m}_sum_sin) <= 1e-9 * e.{m}_count
            AND abs(e.{m}_sum_cos - f.{m}_sum_cos) <= 1e-9 * e.{m}_count"
        }
    };
    format!(
        "        CASE WHEN e.{{m}}_count IS DISTINCT FROM f.{{m}}_count OR e.{{m}}_count > 0 AND (
            e.{{m}}_least = (f.{{m}}_min, f.{{m}}_min_time, f.{{m}}_min_turbine_id)
            AND e.{{m}}_most = (-f.{{m}}_max, f.{{m}}_max_time, f.{{m}}_max_turbine_id)
            AND {sums}) IS NOT true
        THEN '{{m}}' END"
    )
    .replace("{m}", metric.name())
}
