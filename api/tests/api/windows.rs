//! Windows of farms and turbines.

use expect_test::expect;
use serde_json::Value;

use crate::app::{TestApi, problem};
use crate::fixtures::{self, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_window_tells_who_made_its_extremes() {
    let api = TestApi::start().await;
    fixtures::windows(&api.database, "north").await;
    run(
        &api.database,
        "UPDATE farm_windows SET gap_count = 4, off_curve_count = 1, suspicious_clocks = '{T1,T2}'",
    )
    .await;
    let page = api
        .json("/v1/farms/north/windows?resolution=1m&limit=1&order=asc")
        .await;
    let mut window = page["items"][0].clone();
    let direction = &mut window["metrics"]["wind_direction_deg"];
    let mean = direction["mean"].as_f64().unwrap();
    assert!(
        mean.min(360.0 - mean) < 1e-9,
        "north lies between 350° and 10°, not at 180°: {mean}"
    );
    assert!((direction["resultant"].as_f64().unwrap() - 0.984_807_753).abs() < 1e-9);
    assert!((direction["stddev"].as_f64().unwrap() - 10.025_5).abs() < 1e-3);
    for figure in ["mean", "resultant", "stddev"] {
        direction[figure] = Value::from("checked");
    }
    expect![[r#"
        {
          "close_reason": "STREAM_TIME",
          "completeness": 1.0,
          "duplicate_count": 1,
          "end": "2026-11-22T23:58:00Z",
          "energy_kwh": null,
          "farm_id": "north",
          "gap_count": 4,
          "metrics": {
            "wind_direction_deg": {
              "count": 2,
              "max": {
                "event_time": "2026-11-22T23:57:00Z",
                "turbine_id": "T1",
                "value": 350.0
              },
              "mean": "checked",
              "min": {
                "event_time": "2026-11-22T23:57:30Z",
                "turbine_id": "T2",
                "value": 10.0
              },
              "resultant": "checked",
              "stddev": "checked"
            },
            "wind_speed_mps": {
              "count": 2,
              "max": {
                "event_time": "2026-11-22T23:57:30Z",
                "turbine_id": "T2",
                "value": 10.0
              },
              "mean": 9.0,
              "min": {
                "event_time": "2026-11-22T23:57:00Z",
                "turbine_id": "T1",
                "value": 8.0
              },
              "stddev": 1.0
            }
          },
          "off_curve_count": 1,
          "out_of_order_count": 0,
          "reading_count": 2,
          "rejected_count": 3,
          "resolution": "1m",
          "revision": 0,
          "start": "2026-11-22T23:57:00Z",
          "suspicious_clocks": [
            "T1",
            "T2"
          ],
          "turbine_count": 2,
          "unresponsive_count": 0
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&window).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_listed_by_their_start() {
    let api = TestApi::start().await;
    fixtures::windows(&api.database, "north").await;
    let starts = async |path: &str| -> Vec<String> {
        let page = api.json(path).await;
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["start"].as_str().unwrap()[11..16].to_owned())
            .collect()
    };
    assert_eq!(
        starts("/v1/farms/north/windows").await,
        ["00:02", "00:01", "00:00", "23:59", "23:58", "23:57"]
    );
    assert_eq!(
        starts("/v1/farms/north/windows?from=2026-11-22T23:58:00Z&to=2026-11-23T00:01:00Z&order=asc").await,
        ["23:58", "23:59", "00:00"]
    );
    assert_eq!(
        starts("/v1/farms/north/turbines/T1/windows?limit=2&resolution=1m").await,
        ["00:02", "00:01"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_a_turbine_names_it_and_one_that_late_readings_made_has_no_reason_to_close() {
    let api = TestApi::start().await;
    fixtures::windows(&api.database, "north").await;
    let turbine = api.json("/v1/farms/north/turbines/T1/windows?limit=1").await["items"][0].clone();
    assert_eq!(turbine["turbine_id"], "T1");
    assert_eq!(
        (&turbine["turbine_count"], &turbine["energy_kwh"]),
        (&1.into(), &0.5.into())
    );
    assert_eq!(turbine["metrics"]["wind_speed_mps"]["max"]["turbine_id"], "T1");
    assert_eq!(
        turbine["metrics"]["wind_direction_deg"],
        Value::Null,
        "nobody sent it"
    );

    let farm = api.json("/v1/farms/north/windows?order=asc").await;
    assert_eq!(farm["items"][2]["revision"], 1);
    assert_eq!(farm["items"][2]["close_reason"], Value::Null);
    assert_eq!(farm["items"][5]["close_reason"], "IDLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_that_is_not_offered_is_named_with_what_is() {
    let api = TestApi::start().await;
    fixtures::windows(&api.database, "north").await;
    for path in ["/v1/farms/north/windows", "/v1/farms/north/turbines/T1/windows"] {
        for resolution in ["5m", "1s", "1w", ""] {
            let (status, problem) = problem(api.get(&format!("{path}?resolution={resolution}")).await).await;
            let error = &problem["errors"][0];
            assert_eq!(status, 400);
            assert_eq!(
                (&error["parameter"], &error["value"]),
                (&"resolution".into(), &resolution.into())
            );
            assert_eq!(error["bound"], "one of the supported: 1m, 10m, 1h, 1d");
        }
    }
}
