//! The greatest and the least values over any stretch of time.

use serde_json::{Value, json};
use sqlx::Row;

use crate::app::{TestApi, problem};
use crate::fixtures::run;
use crate::group_by::{self, DIRECTIONS, SCALARS};

/// The extreme of the stored readings, in plain SQL.
async fn expected(api: &TestApi, metric: &str, order: &str, from: &str, to: &str) -> Value {
    let sql = format!(
        "SELECT {metric}, turbine_id, to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS time
         FROM readings WHERE event_time >= '{from}' AND event_time < '{to}' AND {metric} IS NOT NULL
         ORDER BY {metric} {order}, event_time, turbine_id LIMIT 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql));
    let row = row.fetch_one(&api.database).await.unwrap();
    json!([
        row.get::<f64, _>(0),
        row.get::<String, _>(1),
        row.get::<String, _>(2)
    ])
}

fn told(extreme: &Value) -> Value {
    json!([extreme["value"], extreme["turbine_id"], extreme["event_time"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn extremes_are_those_of_the_readings_over_any_span() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    group_by::put_together(&api.database).await;
    // some hours count by their minutes, and the last minutes have not closed yet
    for sql in [
        "DELETE FROM roll_up_marks WHERE hour NOT IN ('2026-03-28 05:00Z', '2026-03-28 06:00Z', '2026-03-30 20:00Z')",
        "UPDATE hourly_farm_windows SET wind_speed_mps_max = 99 WHERE window_start = '2026-03-28 05:00Z'",
        "DELETE FROM farm_windows WHERE window_start >= '2026-03-30 20:30Z'",
    ] {
        run(&api.database, sql).await;
    }
    for (from, to) in [
        ("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("2026-03-28T05:17:21Z", "2026-03-28T05:59:07Z"),
        ("2026-03-28T04:59:59Z", "2026-03-28T07:00:01Z"),
        ("2026-03-28T03:02:05Z", "2026-03-29T20:41:30Z"),
        ("2026-03-30T20:00:00Z", "2026-03-30T22:22:22Z"),
        ("2026-03-28T10:00:00Z", "2026-03-28T10:03:00Z"),
    ] {
        let page = api
            .json(&format!("/v1/farms/north/extremes?from={from}&to={to}"))
            .await;
        let item = &page["items"][0];
        for metric in SCALARS.iter().chain(&DIRECTIONS) {
            let extremes = &item["metrics"][metric];
            if extremes.is_null() {
                continue;
            }
            for (extreme, order) in [("min", "ASC"), ("max", "DESC")] {
                let expected = expected(&api, metric, order, from, to).await;
                assert_eq!(
                    told(&extremes[extreme]),
                    expected,
                    "{from} {to} {metric} {extreme}"
                );
            }
        }
        assert!(!item["metrics"]["wind_speed_mps"].is_null(), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_extreme_leads_to_its_reading() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    group_by::minutes(&api.database).await;
    for (query, windows) in [
        ("", 1),
        ("&resolution=1h&limit=3", 3),
        ("&resolution=1d&time_zone=Europe/Madrid", 4),
    ] {
        let path = format!("/v1/farms/north/extremes?metric=wind_speed_mps,active_power_kw{query}");
        let page = api.json(&path).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), windows, "{query}");
        for item in items {
            assert_eq!(item["metrics"].as_object().unwrap().len(), 2);
            for metric in ["wind_speed_mps", "active_power_kw"] {
                for extreme in ["min", "max"] {
                    let extreme = &item["metrics"][metric][extreme];
                    let readings = api.json(extreme["readings_url"].as_str().unwrap()).await;
                    assert_eq!(readings["items"].as_array().unwrap().len(), 1);
                    let reading = &readings["items"][0];
                    assert_eq!(reading[metric], extreme["value"]);
                    assert_eq!(reading["turbine_id"], extreme["turbine_id"]);
                    assert_eq!(reading["event_time"], extreme["event_time"]);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_there_are_no_extremes() {
    let api = TestApi::start().await;
    group_by::readings(&api.database).await;
    let nothing = json!({"items": [], "next_cursor": null});
    assert_eq!(
        api.json("/v1/farms/north/extremes?from=2027-01-01T00:00:00Z")
            .await,
        nothing
    );
    assert_eq!(api.get("/v1/farms/south/extremes").await.status(), 404);
    let response = api
        .get("/v1/farms/north/extremes?metric=wind_speed_mps,colour")
        .await;
    let (status, problem) = problem(response).await;
    let error = &problem["errors"][0];
    assert_eq!((status, &error["parameter"]), (400, &json!("metric")));
}
