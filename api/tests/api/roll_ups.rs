//! Windows of ten minutes, hours and days, by the clocks of any zone: what the API tells must be the group-by of the
//! readings, however much of it was put together before.

use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::app::{TestApi, problem};
use crate::fixtures::run;
use crate::group_by::{self, DIRECTIONS, SCALARS, number};

/// Resolution and time zone as asked for, and the group-by's expression.
const DIVISIONS: [(&str, &str); 9] = [
    ("resolution=1m", "date_trunc('minute', event_time, 'UTC')"),
    (
        "resolution=10m&time_zone=Asia/Kathmandu",
        "date_bin('10 min', event_time, '2026-01-01Z')",
    ),
    ("resolution=1h", "date_trunc('hour', event_time, 'UTC')"),
    (
        "resolution=1h&time_zone=Europe/Madrid",
        "date_trunc('hour', event_time, 'UTC')",
    ),
    (
        "resolution=1h&time_zone=Asia/Kolkata",
        "date_trunc('hour', event_time, 'Asia/Kolkata')",
    ),
    (
        "resolution=1h&time_zone=Asia/Kathmandu",
        "date_trunc('hour', event_time, 'Asia/Kathmandu')",
    ),
    ("resolution=1d", "date_trunc('day', event_time, 'UTC')"),
    (
        "resolution=1d&time_zone=Europe/Madrid",
        "date_trunc('day', event_time, 'Europe/Madrid')",
    ),
    (
        "resolution=1d&time_zone=Asia/Kolkata",
        "date_trunc('day', event_time, 'Asia/Kolkata')",
    ),
];

fn close(told: &Value, expected: Option<f64>, what: &str) {
    match expected {
        None => assert!(told.is_null(), "{what}: {told}"),
        Some(expected) => {
            let told = told.as_f64().unwrap_or_else(|| panic!("{what}: {told}"));
            assert!(
                (told - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{what}: {told}, {expected}"
            );
        }
    }
}

fn same_time(told: &Value, expected: time::OffsetDateTime, what: &str) {
    let told: domain::Timestamp = told.as_str().unwrap().parse().unwrap();
    assert_eq!(
        i128::from(told.as_micros()) * 1_000,
        expected.unix_timestamp_nanos(),
        "{what}"
    );
}

fn same_window(told: &Value, expected: &PgRow, what: &str) {
    same_time(&told["start"], expected.get("window_start"), what);
    for count in ["reading_count", "turbine_count"] {
        assert_eq!(told[count], expected.get::<i64, _>(count), "{what} {count}");
    }
    close(&told["energy_kwh"], number(expected, "energy_kwh"), what);
    for metric in SCALARS.iter().chain(&DIRECTIONS) {
        let (figures, what) = (&told["metrics"][metric], format!("{what} {metric}"));
        let count: i64 = expected.get(format!("{metric}_count").as_str());
        if count == 0 {
            assert!(figures.is_null(), "{what}");
            continue;
        }
        assert_eq!(figures["count"], count, "{what}");
        for extreme in ["min", "max"] {
            let column = |part: &str| format!("{metric}_{extreme}{part}");
            let (figures, what) = (&figures[extreme], format!("{what} {extreme}"));
            close(&figures["value"], number(expected, &column("")), &what);
            let turbine: String = expected.get(column("_turbine_id").as_str());
            assert_eq!(figures["turbine_id"], turbine, "{what}");
            same_time(
                &figures["event_time"],
                expected.get(column("_time").as_str()),
                &what,
            );
        }
    }
    for metric in SCALARS {
        let count: i64 = expected.get(format!("{metric}_count").as_str());
        let figures = &told["metrics"][metric];
        close(
            &figures["mean"],
            number(expected, &format!("{metric}_mean")),
            what,
        );
        let m2 = number(expected, &format!("{metric}_m2"));
        close(&figures["stddev"], m2.map(|m2| (m2 / count as f64).sqrt()), what);
    }
    for metric in DIRECTIONS {
        let column = |part: &str| number(expected, &format!("{metric}_{part}"));
        let Some((sin, cos)) = column("sum_sin").zip(column("sum_cos")) else {
            continue;
        };
        let count: i64 = expected.get(format!("{metric}_count").as_str());
        close(
            &told["metrics"][metric]["resultant"],
            Some(sin.hypot(cos) / count as f64),
            what,
        );
    }
}

async fn compare(api: &TestApi, state: &str) {
    for (query, bucket) in DIVISIONS {
        for turbine in [None, Some("T1"), Some("T3")] {
            let whose = turbine.map_or_else(String::new, |turbine| format!("/turbines/{turbine}"));
            let told = api
                .json(&format!(
                    "/v1/farms/north{whose}/windows?{query}&order=asc&limit=10000"
                ))
                .await;
            let told = told["items"].as_array().unwrap();
            let expected = group_by::windows(&api.database, turbine, bucket).await;
            assert_eq!(told.len(), expected.len(), "{state}: {query} {turbine:?}");
            for (told, expected) in told.iter().zip(&expected) {
                let what = format!("{state}: {query} {turbine:?} {}", told["start"]);
                same_window(told, expected, &what);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn longer_windows_are_the_group_by_of_the_readings() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    compare(&api, "nothing put together").await;

    group_by::put_together(&api.database).await;
    // of some hours the minutes count, whatever else there is
    let changed = "date_part('hour', {} AT TIME ZONE 'UTC') IN (0, 7, 18, 23)";
    let unmark = format!(
        "DELETE FROM roll_up_marks WHERE NOT {}",
        changed.replace("{}", "hour")
    );
    run(&api.database, &unmark).await;
    for table in [
        "ten_minute_farm_windows",
        "hourly_farm_windows",
        "hourly_turbine_windows",
    ] {
        let spoil = changed.replace("{}", "window_start");
        run(
            &api.database,
            &format!("UPDATE {table} SET reading_count = 999 WHERE {spoil}"),
        )
        .await;
    }
    compare(&api, "some hours changed").await;

    let forget = "TRUNCATE farm_windows; TRUNCATE turbine_windows; DELETE FROM roll_up_marks";
    run(&api.database, forget).await;
    let days = api.json("/v1/farms/north/windows?resolution=1d").await;
    let days = days["items"].as_array().unwrap().len();
    assert_eq!(days, 3, "minutes past their retention are not needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_the_hours_of_its_place() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    let path = "/v1/farms/north/windows?resolution=1d&time_zone=Europe/Madrid&from=2026-03-28T23:00:00Z&limit=1&order=asc";
    let day = api.json(path).await["items"][0].clone();
    assert_eq!(
        (&day["start"], &day["end"], &day["resolution"]),
        (
            &"2026-03-28T23:00:00Z".into(),
            &"2026-03-29T22:00:00Z".into(),
            &"1d".into()
        )
    );
    assert_eq!(day["close_reason"], Value::Null);
    let hours = api
        .json("/v1/farms/north/windows?resolution=1h&from=2026-03-29T22:00:00Z&to=2026-03-30T22:00:00Z")
        .await;
    assert_eq!(hours["items"].as_array().unwrap().len(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_tells_how_complete_it_is() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    let of = async |whose: &str| {
        let path = format!("/v1/farms/north{whose}/windows?resolution=1d&order=asc");
        let days = api.json(&path).await;
        let days = days["items"].as_array().unwrap().clone();
        days.iter()
            .map(|day| day["completeness"].as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let sql = |turbine: &str, day: &str| {
        format!(
            "SELECT (count(DISTINCT (turbine_id, date_trunc('minute', event_time)))
                / (SELECT sum(1440 - greatest(0, extract(epoch FROM
                       date_trunc('minute', first_event_time) - timestamptz '{day} 00:00Z') / 60))
                   FROM turbines WHERE turbine_id LIKE '{turbine}' AND first_event_time < timestamptz '{day} 00:00Z' + interval '1 day')
             )::float8
             FROM readings WHERE turbine_id LIKE '{turbine}'
                AND event_time >= '{day} 00:00Z' AND event_time < timestamptz '{day} 00:00Z' + interval '1 day'"
        )
    };
    for (whose, turbine) in [("", "%"), ("/turbines/T1", "T1")] {
        let told = of(whose).await;
        for (told, day) in told.iter().zip(["2026-03-28", "2026-03-29", "2026-03-30"]) {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql(turbine, day)));
            let expected: f64 = query.fetch_one(&api.database).await.unwrap();
            assert!(
                (told - expected).abs() < 1e-9,
                "{whose} {day}: {told}, {expected}"
            );
            assert!(*told > 0.3 && *told < 0.9, "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turbines_tell_their_turbulence_from_ten_minutes_up() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    for resolution in ["10m", "1h", "1d"] {
        let path = format!("/v1/farms/north/turbines/T1/windows?resolution={resolution}");
        for window in api.json(&path).await["items"].as_array().unwrap() {
            let speed = &window["metrics"]["wind_speed_mps"];
            let expected = speed["stddev"].as_f64().zip(speed["mean"].as_f64());
            close(
                &window["turbulence_intensity"],
                expected.map(|(stddev, mean)| stddev / mean),
                resolution,
            );
        }
    }
    for path in [
        "/v1/farms/north/turbines/T1/windows?resolution=1m&limit=1",
        "/v1/farms/north/windows?resolution=10m&limit=1",
    ] {
        let window = api.json(path).await["items"][0].clone();
        assert!(window.get("turbulence_intensity").is_none(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_is_none_is_named() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    for zone in ["Mars/Olympus", "../../etc/passwd", "", "a%00b", "%2e%2e"] {
        let response = api
            .get(&format!("/v1/farms/north/windows?time_zone={zone}"))
            .await;
        let (status, problem) = problem(response).await;
        assert_eq!(
            (status, &problem["errors"][0]["parameter"]),
            (400, &"time_zone".into()),
            "{zone}"
        );
    }
}
