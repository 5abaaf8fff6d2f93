//! Minutes that have not closed yet.

use serde_json::{Value, json};

use crate::app::{TestApi, problem};
use crate::fixtures;

fn starts(page: &Value) -> Vec<(&str, bool)> {
    let items = page["items"].as_array().unwrap().iter();
    let told = |item: &'_ Value| item["provisional"] == json!(true);
    items
        .map(|item| (&item["start"].as_str().unwrap()[11..16], told(item)))
        .collect()
}

/// Six windows have closed, the last one at 00:03; readings of T1 have come until 00:03:30.
#[tokio::test(flavor = "multi_thread")]
async fn the_minute_that_is_open_is_made_of_what_is_stored_of_it() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;

    let page = api.json("/v1/farms/north/windows?provisional=true&limit=2").await;
    assert_eq!(starts(&page), [("00:03", true), ("00:02", false)]);
    let open = &page["items"][0];
    assert_eq!(
        (&open["revision"], &open["close_reason"]),
        (&json!(0), &json!(null))
    );
    assert_eq!(
        (&open["reading_count"], &open["turbine_count"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(open["end"], "2026-11-23T00:04:00Z");
    let wind = &open["metrics"]["wind_speed_mps"];
    assert_eq!((&wind["count"], &wind["mean"]), (&json!(4), &json!(17.375)));
    assert_eq!(
        wind["max"],
        json!({"value": 17.75, "turbine_id": "T1", "event_time": "2026-11-23T00:03:30Z"})
    );
    let energy = open["energy_kwh"].as_f64().unwrap();
    assert!(
        (energy + 3.5 / 60.0).abs() < 1e-12,
        "as if it closed now: {energy}"
    );

    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("/v1/farms/north/windows?provisional=true&limit=2&cursor={cursor}");
    assert_eq!(
        starts(&api.json(&next).await),
        [("00:01", false), ("00:00", false)]
    );
    let upwards = api
        .json("/v1/farms/north/windows?provisional=true&order=asc")
        .await;
    assert_eq!(starts(&upwards).last(), Some(&("00:03", true)));
    assert_eq!(starts(&upwards).len(), 7);
    let first = api
        .json("/v1/farms/north/windows?provisional=true&order=asc&limit=2")
        .await;
    assert_eq!(starts(&first), [("23:57", false), ("23:58", false)]);
    let before = api
        .json("/v1/farms/north/windows?provisional=true&to=2026-11-23T00:03:00Z")
        .await;
    assert_eq!(starts(&before).len(), 6);

    let turbine = "/v1/farms/north/turbines/T1/windows?provisional=true&limit=1";
    let of_turbine = api.json(turbine).await;
    assert_eq!(starts(&of_turbine), [("00:03", true)]);
    assert_eq!(of_turbine["items"][0]["turbine_id"], "T1");
    assert_eq!(of_turbine["items"][0]["metrics"], open["metrics"]);
    let silent = api
        .json("/v1/farms/north/turbines/T2/windows?provisional=true")
        .await;
    assert_eq!(silent["items"], json!([]));

    for query in ["", "?provisional=false"] {
        let page = api.json(&format!("/v1/farms/north/windows{query}")).await;
        assert_eq!(starts(&page).len(), 6, "nobody asked for it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_closed_is_told_as_it_closed() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    fixtures::windows(&api.database, "north").await;
    fixtures::run(
        &api.database,
        "INSERT INTO farm_windows (farm_id, window_start, window_end, revision, close_reason, reading_count,
            duplicate_count, rejected_count, turbine_count, wind_speed_mps_count, wind_direction_deg_count)
         VALUES ('north', '2026-11-23 00:03Z', '2026-11-23 00:04Z', 0, 'IDLE', 4, 2, 1, 1, 0, 0)",
    )
    .await;
    let page = api.json("/v1/farms/north/windows?provisional=true&limit=1").await;
    assert_eq!(starts(&page), [("00:03", false)]);
    assert_eq!(page["items"][0]["duplicate_count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_minutes_in_json_can_be_provisional() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    for query in ["resolution=10m&provisional=true", "format=csv&provisional=true"] {
        let (status, told) = problem(api.get(&format!("/v1/farms/north/windows?{query}")).await).await;
        assert_eq!(status, 400);
        assert_eq!(
            told["detail"],
            "provisional is 'true', wanted is false, or resolution=1m and format=json"
        );
    }
    let (_, told) = problem(api.get("/v1/farms/north/windows?provisional=maybe").await).await;
    assert_eq!(told["detail"], "provisional is 'maybe', wanted is true or false");
}
