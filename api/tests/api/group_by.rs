//! Windows of any length as a naive group-by of the stored readings, in SQL that shares nothing with the API: what
//! windows must be, and a way to fill their tables.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::fixtures::run;

pub(crate) const SCALARS: [&str; 6] = [
    "wind_speed_mps",
    "active_power_kw",
    "theoretical_power_kw",
    "rotor_speed_rpm",
    "blade_pitch_deg",
    "ambient_temperature_celsius",
];
pub(crate) const DIRECTIONS: [&str; 2] = ["wind_direction_deg", "nacelle_direction_deg"];

/// Three days round the change of clocks in Madrid, three turbines of `north`, a reading each 100 s or so, a third of
/// the values missing, and few different ones, so that extremes have to be told by time and turbine. T3 comes a day
/// later; the farm is silent for five hours of the second day.
pub(crate) async fn readings(database: &PgPool) {
    let values: Vec<String> = SCALARS
        .iter()
        .map(|_| "CASE WHEN random() < 0.7 THEN floor(random() * 9) + 1 END".to_owned())
        .chain(DIRECTIONS.map(|_| "CASE WHEN random() < 0.7 THEN floor(random() * 24) * 15 END".to_owned()))
        .collect();
    let columns: Vec<_> = SCALARS.iter().chain(&DIRECTIONS).copied().collect();
    run(
        database,
        &format!(
            "SELECT setseed(0.42);
             SELECT ensure_days('readings', ARRAY['2026-03-28', '2026-03-29', '2026-03-30']::date[]);
             INSERT INTO readings (farm_id, turbine_id, event_time, kafka_partition, kafka_offset, appended_at, {})
                SELECT 'north', 'T' || turbine,
                    timestamptz '2026-03-28 00:00:30Z' + n * interval '100 s' + floor(random() * 40) * interval '1 s',
                    0, n, now(), {}
                FROM generate_series(0, 2590) AS n, generate_series(1, 3) AS turbine
                WHERE (turbine < 3 OR n > 860) AND n NOT BETWEEN 1100 AND 1280;
             INSERT INTO turbines SELECT farm_id, turbine_id, min(event_time), max(event_time)
                FROM readings GROUP BY 1, 2;
             INSERT INTO farms SELECT farm_id, min(event_time), max(event_time) FROM readings GROUP BY 1;",
            columns.join(", "),
            values.join(", "),
        ),
    )
    .await;
}

/// Fills the four tables of minutes and marks all hours, as the sink does.
pub(crate) async fn minutes(database: &PgPool) {
    let days = "ARRAY['2026-03-28', '2026-03-29', '2026-03-30']::date[]";
    for (table, of_turbines) in [("farm_windows", false), ("turbine_windows", true)] {
        let bucket = "date_trunc('minute', event_time, 'UTC')";
        run(database, &format!("SELECT ensure_days('{table}', {days})")).await;
        let more =
            "window_start + interval '1 min' AS window_end, 'STREAM_TIME'::close_reason AS close_reason";
        fill(
            database,
            table,
            of_turbines,
            bucket,
            more,
            &["window_end", "close_reason"],
        )
        .await;
    }
    run(
        database,
        "INSERT INTO roll_up_marks (farm_id, hour) \
         SELECT DISTINCT farm_id, date_trunc('hour', window_start, 'UTC') FROM farm_windows",
    )
    .await;
}

/// Puts all of it together to ten minutes and hours.
pub(crate) async fn put_together(database: &PgPool) {
    for (length, bucket) in [
        ("ten_minute", "date_bin('10 min', event_time, '2026-01-01Z')"),
        ("hourly", "date_bin('1 hour', event_time, '2026-01-01Z')"),
    ] {
        for (of, of_turbines) in [("farm", false), ("turbine", true)] {
            let table = format!("{length}_{of}_windows");
            let months = "ARRAY['2026-03-01', '2026-04-01']::date[]";
            run(database, &format!("SELECT ensure_months('{table}', {months})")).await;
            fill(
                database,
                &table,
                of_turbines,
                bucket,
                "turbine_seconds",
                &["turbine_seconds"],
            )
            .await;
        }
    }
}

/// The windows of a farm or of a turbine of it, by start.
pub(crate) async fn windows(database: &PgPool, turbine: Option<&str>, bucket: &str) -> Vec<PgRow> {
    let wanted = match turbine {
        None => String::new(),
        Some(turbine) => format!(" WHERE turbine_id = '{turbine}'"),
    };
    let sql = format!(
        "SELECT * FROM ({}) AS w{wanted} ORDER BY window_start",
        group_by(turbine.is_some(), bucket)
    );
    sqlx::query(AssertSqlSafe(sql)).fetch_all(database).await.unwrap()
}

async fn fill(
    database: &PgPool,
    table: &str,
    of_turbines: bool,
    bucket: &str,
    more: &str,
    more_columns: &[&str],
) {
    let mut columns: Vec<String> = [
        "farm_id",
        "window_start",
        "revision",
        "reading_count",
        "duplicate_count",
    ]
    .iter()
    .chain(&["rejected_count", "energy_kwh"])
    .chain(more_columns)
    .map(|&column| column.to_owned())
    .collect();
    let extremes: &[_] = if of_turbines {
        columns.push("turbine_id".to_owned());
        &["min", "min_time", "max", "max_time"]
    } else {
        columns.push("turbine_count".to_owned());
        &[
            "min",
            "min_time",
            "min_turbine_id",
            "max",
            "max_time",
            "max_turbine_id",
        ]
    };
    for (metrics, state) in [
        (SCALARS.as_slice(), ["count", "mean", "m2"]),
        (DIRECTIONS.as_slice(), ["count", "sum_sin", "sum_cos"]),
    ] {
        for metric in metrics {
            columns.extend(
                state
                    .iter()
                    .chain(extremes)
                    .map(|part| format!("{metric}_{part}")),
            );
        }
    }
    let names = columns.join(", ");
    let group_by = group_by(of_turbines, bucket);
    let insert = format!(
        "INSERT INTO {table} ({names}) SELECT {names} FROM (SELECT *, {more} FROM ({group_by}) AS w) AS w"
    );
    // `turbine_seconds` is there already
    run(
        database,
        &insert.replace("SELECT *, turbine_seconds FROM", "SELECT * FROM"),
    )
    .await;
}

/// `bucket` is an expression of `event_time`.
fn group_by(of_turbines: bool, bucket: &str) -> String {
    let key = if of_turbines {
        "farm_id, turbine_id"
    } else {
        "farm_id"
    };
    let mut figures = String::new();
    for metric in SCALARS {
        figures += &format!(
            ", count({metric}) AS {metric}_count, avg({metric}) AS {metric}_mean, \
             var_pop({metric}) * count({metric}) AS {metric}_m2"
        );
    }
    for metric in DIRECTIONS {
        figures += &format!(
            ", count({metric}) AS {metric}_count, sum(sind({metric})) AS {metric}_sum_sin, \
             sum(cosd({metric})) AS {metric}_sum_cos"
        );
    }
    for metric in SCALARS.iter().chain(&DIRECTIONS) {
        for (extreme, order) in [("min", ""), ("max", " DESC")] {
            for (part, of) in [
                ("", *metric),
                ("_time", "event_time"),
                ("_turbine_id", "turbine_id"),
            ] {
                figures += &format!(
                    ", (array_agg({of} ORDER BY {metric}{order}, event_time, turbine_id) \
                     FILTER (WHERE {metric} IS NOT NULL))[1] AS {metric}_{extreme}{part}"
                );
            }
        }
    }
    format!(
        "SELECT {key}, window_start, 0 AS revision, count(*) AS reading_count, 0 AS duplicate_count,
            0 AS rejected_count, count(DISTINCT turbine_id) AS turbine_count, sum(energy_share) AS energy_kwh,
            60.0 * count(DISTINCT (turbine_id, minute)) AS turbine_seconds {figures}
        FROM (
            SELECT *, {bucket} AS window_start, date_trunc('minute', event_time, 'UTC') AS minute,
                CASE WHEN active_power_kw IS NOT NULL
                    THEN avg(active_power_kw) OVER same / 60 / count(active_power_kw) OVER same END AS energy_share
            FROM readings
            WINDOW same AS (PARTITION BY farm_id, turbine_id, date_trunc('minute', event_time, 'UTC'))
        ) AS r
        GROUP BY {key}, window_start"
    )
}

/// A column.
pub(crate) fn number(row: &PgRow, column: &str) -> Option<f64> {
    row.get(column)
}
