//! Farms, turbines and readings.

use expect_test::expect;
use serde_json::json;

use crate::app::{TestApi, problem};
use crate::fixtures;

#[tokio::test(flavor = "multi_thread")]
async fn farms_and_turbines_are_listed_with_what_they_last_said() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;

    assert_eq!(
        api.json("/v1/farms").await,
        json!({"items": [
            {"farm_id": "north", "turbine_count": 3,
             "first_event_time": "2026-11-20T00:00:00Z", "last_event_time": "2026-11-23T00:03:30Z"},
            {"farm_id": "south", "turbine_count": 1,
             "first_event_time": "2026-11-23T10:00:00Z", "last_event_time": "2026-11-23T10:00:00Z"},
        ], "next_cursor": null})
    );
    let turbines = api.json("/v1/farms/north/turbines").await;
    let latest = |index: usize| turbines["items"][index]["latest"].clone();
    assert_eq!(
        latest(0),
        json!({"farm_id": "north", "turbine_id": "T1", "event_time": "2026-11-23T00:03:30Z", "sequence": 39,
               "wind_speed_mps": 17.75, "wind_direction_deg": 350.0, "active_power_kw": -3.5,
               "theoretical_power_kw": 0.0, "rotor_speed_rpm": 12.0, "blade_pitch_deg": 90.0,
               "nacelle_direction_deg": 349.0, "ambient_temperature_celsius": 3.25, "operating_status": "GENERATING"})
    );
    assert_eq!(latest(1)["wind_speed_mps"], 7.5);
    assert_eq!(latest(1)["active_power_kw"], json!(null));
    assert_eq!(latest(2), json!(null), "its readings are past their retention");
    assert_eq!(turbines["items"].as_array().unwrap().len(), 3);
    assert_eq!(
        api.json("/v1/farms/north/turbines/T1").await,
        turbines["items"][0],
        "one turbine is told as in the list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_come_newest_first_between_the_times_that_are_wanted() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    let sequences = async |query: &str| -> Vec<i64> {
        let page = api
            .json(&format!("/v1/farms/north/turbines/T1/readings{query}"))
            .await;
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["sequence"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(sequences("").await, (0..40).rev().collect::<Vec<_>>());
    assert_eq!(sequences("?order=asc&limit=3").await, [0, 1, 2]);
    assert_eq!(
        sequences("?from=2026-11-22T23:59:50Z&to=2026-11-23T00:00:10Z").await,
        [18, 17],
        "from is included, to is not, and midnight is nothing special"
    );
    assert_eq!(
        sequences("?from=2026-11-23T01:00:00%2B01:00&limit=1&order=asc").await,
        [18]
    );
    assert!(sequences("?to=2020-01-01T00:00:00Z").await.is_empty());
    assert!(
        sequences("?from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z")
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_a_404_that_names_it() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    for (path, what) in [
        ("/v1/farms/west/turbines", "farm 'west'"),
        ("/v1/farms/west/windows", "farm 'west'"),
        ("/v1/farms/north/turbines/T9", "turbine 'T9'"),
        ("/v1/farms/north/turbines/S1/readings", "turbine 'S1'"),
        ("/v1/farms/north/turbines/T9/windows", "turbine 'T9'"),
        ("/v1/farms/no%00rth/turbines", "farm 'no\0rth'"),
        ("/v1/farms/north/turbines/a%20b", "turbine 'a b'"),
        ("/v1/farms/%FF/turbines", "farm '\u{fffd}'"),
        ("/v1/dead-letters/7-7", "dead letter '7-7'"),
        ("/v1/dead-letters/seven", "dead letter 'seven'"),
        ("/v1/windmills", "nothing to GET at /v1/windmills"),
    ] {
        let (status, problem) = problem(api.get(path).await).await;
        assert_eq!(status, 404, "{path}");
        assert!(problem["detail"].as_str().unwrap().ends_with(what), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_makes_no_sense_is_a_400_that_names_it() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    let (status, problem) = problem(
        api.get("/v1/farms/north/turbines/T1/readings?limit=10001&colour=red")
            .await,
    )
    .await;
    assert_eq!(status, 400);
    expect![[r#"
        [
          {
            "bound": "a number from 1 to 10000",
            "message": "limit is '10001', wanted is a number from 1 to 10000",
            "parameter": "limit",
            "value": "10001"
          },
          {
            "bound": "one of the parameters format, limit, order, from, to, cursor",
            "message": "there is no parameter 'colour' here, wanted is one of the parameters format, limit, order, from, to, cursor",
            "parameter": "colour",
            "value": "red"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&problem["errors"]).unwrap());
    for path in [
        "/v1/farms?from=2026-11-23T10:00:00Z",
        "/v1/audit?x=1",
        "/v1/farms/north/turbines/T1?limit=1",
    ] {
        assert_eq!(api.get(path).await.status(), 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_somebody_made_up_is_a_400_that_names_it() {
    let api = TestApi::start().await;
    fixtures::farms(&api.database).await;
    // hexadecimal JSON: text with a NUL, which no database takes, and texts that are no names
    for text in [r#""no\u0000rth""#, r#""""#, r#""a b""#, "7", "null", "[1,2,3]"] {
        let cursor = hex::encode(text);
        for path in ["/v1/farms", "/v1/farms/north/turbines"] {
            let (status, problem) = problem(api.get(&format!("{path}?cursor={cursor}")).await).await;
            let parameter = &problem["errors"][0]["parameter"];
            assert_eq!((status, parameter), (400, &json!("cursor")), "{path} {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_carries_the_requests_id() {
    let api = TestApi::start().await;
    for path in ["/v1/farms", "/v1/farms/west/windows"] {
        let response = api.get(path).await;
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(id.len(), 36, "{path}: {id}");
    }
}
