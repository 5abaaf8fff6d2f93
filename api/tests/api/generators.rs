//! `GET /generadores`, `GET /generadores/{id}` and `GET /agregados/minuto`.

use serde_json::{Value, json};

use crate::app::TestApi;
use crate::fixtures::{self, run};

/// 2 500 readings of gen-1, a second apart, from 2026-11-23T10:00:00Z, and one of gen-2 without a rotor.
async fn readings(api: &TestApi) {
    run(
        &api.database,
        "SELECT ensure_days('readings', ARRAY['2026-11-23']::date[]);
         INSERT INTO farms VALUES ('windpark', '2026-11-23 10:00Z', '2026-11-23 10:41:39Z');
         INSERT INTO turbines VALUES
            ('windpark', 'gen-1', '2026-11-23 10:00Z', '2026-11-23 10:41:39Z'),
            ('windpark', 'gen-2', '2026-11-23 10:00Z', '2026-11-23 10:00Z');
         INSERT INTO readings (farm_id, turbine_id, event_time, wind_speed_mps, wind_direction_deg, rotor_speed_rpm,
                ambient_temperature_celsius, kafka_partition, kafka_offset, appended_at)
            SELECT 'windpark', 'gen-1', timestamptz '2026-11-23 10:00Z' + n * interval '1 s', n / 100.0, 0, 12, 3, 4, n, now()
            FROM generate_series(0, 2499) AS n;
         INSERT INTO readings (farm_id, turbine_id, event_time, wind_speed_mps, kafka_partition, kafka_offset, appended_at)
            VALUES ('windpark', 'gen-2', '2026-11-23 10:00Z', 7, 4, 2500, now());",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generators_are_listed_with_their_readings() {
    let api = TestApi::start().await;
    assert_eq!(api.json("/generadores").await, json!({"generators": []}));
    readings(&api).await;
    assert_eq!(
        api.json("/generadores").await,
        json!({"generators": ["gen-1", "gen-2"]})
    );
    assert_eq!(
        api.json("/generadores/gen-2").await,
        json!({"generator_id": "gen-2", "data": [
            {"id": 25_000_004, "wind_speed": 7.0, "wind_direction": null, "rotor_speed": null, "temperature": null,
             "timestamp": "2026-11-23T10:00:00Z"}
        ]})
    );
    for unknown in ["gen-3", "a%20b"] {
        let response = api.get(&format!("/generadores/{unknown}")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({"detail": "Generador no encontrado"})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readings_come_unless_fewer_are_wanted() {
    let api = TestApi::start().await;
    readings(&api).await;
    let ids = async |query: &str| -> Vec<i64> {
        let answer = api.json(&format!("/generadores/gen-1{query}")).await;
        let data = answer["data"].as_array().unwrap();
        data.iter()
            .map(|reading| reading["id"].as_i64().unwrap())
            .collect()
    };
    let expected = |offsets: std::ops::Range<i64>| offsets.rev().map(|n| n * 10_000 + 4).collect::<Vec<_>>();
    assert_eq!(
        ids("").await,
        expected(0..2_500),
        "the newest first, over all pages of the database"
    );
    assert_eq!(ids("?limit=1").await, expected(2_499..2_500));
    assert_eq!(ids("?limit=1000").await, expected(1_500..2_500));
    assert_eq!(ids("?limit=1001").await, expected(1_499..2_500));
    assert_eq!(ids("?limit=9999").await, expected(0..2_500));
    assert_eq!(
        ids("?from=2026-11-23T10:00:10&to=2026-11-23T10:00:20Z").await,
        expected(10..20)
    );
    assert!(ids("?from=2027-01-01").await.is_empty());

    let response = api.get("/generadores/gen-1?limit=x&unknown=1").await;
    assert_eq!(response.status(), 422);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["detail"][0]["loc"], json!(["query", "limit"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_name_their_generators_in_local_time() {
    let api = TestApi::start().await;
    assert_eq!(api.json("/agregados/minuto").await, json!([]));
    fixtures::windows(&api.database, "windpark").await;
    let mut minutes = api.json("/agregados/minuto").await;
    assert_eq!(minutes.as_array().unwrap().len(), 6);
    let avg = minutes[0]["wind_direction"]["avg"].take().as_f64().unwrap();
    assert!(avg.min(360.0 - avg) < 1e-9, "the vector mean: {avg}");
    assert_eq!(
        minutes[0],
        json!({
            "minute": "2026-11-23T01:02:00+01:00",
            "wind_speed": {"avg": 9.0, "max": {"value": 10.0, "generator": "T2"}, "min": {"value": 8.0, "generator": "T1"}},
            "wind_direction": {"avg": null, "max": {"value": 350.0, "generator": "T1"},
                               "min": {"value": 10.0, "generator": "T2"}},
            "rotor_speed": null,
            "temperature": null,
        })
    );
    let limited = api
        .json("/agregados/minuto?limit=2&to=2026-11-23T01:02:00%2B01:00")
        .await;
    let starts: Vec<_> = limited
        .as_array()
        .unwrap()
        .iter()
        .map(|minute| minute["minute"].clone())
        .collect();
    assert_eq!(starts, ["2026-11-23T01:01:00+01:00", "2026-11-23T01:00:00+01:00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_zone_is_a_setting() {
    let api = TestApi::start_with(|args| {
        args.legacy.legacy_time_zone = jiff::tz::TimeZone::get("America/St_Johns").unwrap();
    })
    .await;
    fixtures::windows(&api.database, "windpark").await;
    assert_eq!(
        api.json("/agregados/minuto?limit=1").await[0]["minute"],
        "2026-11-22T20:32:00-03:30"
    );
}
