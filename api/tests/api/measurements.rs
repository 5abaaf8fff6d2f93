//! `POST /medidas` as the first system's generators use it.

use domain::Metric;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApi;

fn measurement() -> Value {
    json!({"generator_id": "gen-1", "wind_speed": 8.1, "wind_direction": 350, "rotor_speed": 12.5,
           "temperature": -3, "timestamp": "2026-11-23T11:00:00+01:00"})
}

async fn post(api: &TestApi, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let response = api.post("/medidas", body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_becomes_a_reading_of_the_old_clients_farm() {
    let api = TestApi::start_ready().await;
    let answer = post(&api, measurement().to_string()).await;
    let data = json!({"generator_id": "gen-1", "wind_speed": 8.1, "wind_direction": 350.0, "rotor_speed": 12.5,
                      "temperature": -3.0, "timestamp": "2026-11-23T11:00:00+01:00"});
    assert_eq!(answer, (200, json!({"status": "success", "data": data})));

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let records = testkit::committed_records(&kafka, &topics.readings);
    assert_eq!(
        (records.len(), records[0].key.as_slice()),
        (1, b"windpark".as_slice())
    );
    let (_, body) = avro::wire::split(&records[0].payload).unwrap();
    let reading = avro::decode_reading(body).unwrap();
    assert_eq!((&*reading.farm_id, &*reading.turbine_id), ("windpark", "gen-1"));
    assert_eq!(reading.event_time.to_string(), "2026-11-23T10:00:00Z");
    let metrics: Vec<_> = reading.metrics.iter().collect();
    assert_eq!(
        metrics,
        [
            (Metric::WindSpeed, 8.1),
            (Metric::WindDirection, 350.0),
            (Metric::RotorSpeed, 12.5),
            (Metric::AmbientTemperature, -3.0)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_measurement_is_a_422_and_a_dead_letter() {
    let api = TestApi::start_ready().await;
    let mut bad = measurement();
    bad["wind_speed"] = json!(-1);
    bad["temperature"] = json!("hot");
    let body = serde_json::to_string_pretty(&bad).unwrap();
    assert_eq!(
        post(&api, body.clone()).await,
        (
            422,
            json!({"detail": [
                {"type": "greater_than", "loc": ["body", "wind_speed"], "msg": "Input should be greater than 0",
                 "input": -1, "ctx": {"gt": 0.0}},
                {"type": "float_parsing", "loc": ["body", "temperature"], "input": "hot",
                 "msg": "Input should be a valid number, unable to parse string as a number"}
            ]})
        )
    );
    let (status, _) = post(&api, "{oops").await;
    assert_eq!(status, 422);
    let (status, _) = post(&api, "").await;
    assert_eq!(status, 422);

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert!(testkit::committed_records(&kafka, &topics.readings).is_empty());
    let letters = testkit::committed_records(&kafka, &topics.dead_letters);
    assert_eq!(letters.len(), 2, "of nothing there is no dead letter");
    let letter = letters
        .iter()
        .find(|letter| letter.payload == body.as_bytes())
        .unwrap();
    assert_eq!(letter.key, b"windpark");
    let header = |name: &str| letter.headers.get(name).map(String::as_str);
    assert_eq!(
        (header("dlq.rule"), header("dlq.component")),
        (Some("medidas"), Some("api"))
    );
    assert_eq!(
        (header("dlq.field"), header("dlq.value")),
        (Some("wind_speed"), Some("-1"))
    );
    assert_eq!(
        header("dlq.reason"),
        Some(
            "wind_speed: Input should be greater than 0; \
             temperature: Input should be a valid number, unable to parse string as a number"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_header_is_named_before_the_body() {
    let api = TestApi::start_ready().await;
    let post = async |body: &str, key: Option<&str>| -> (u16, Value) {
        let mut request = api.request(Method::POST, "/medidas").body(body.to_owned());
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    };
    let header =
        json!({"type": "missing", "loc": ["header", "x-api-key"], "msg": "Field required", "input": null});
    let whole = measurement().to_string();
    assert_eq!(post(&whole, None).await, (422, json!({"detail": [header]})));
    let (_, both) = post("{}", None).await;
    assert_eq!(
        (both["detail"].as_array().unwrap().len(), &both["detail"][0]),
        (7, &header)
    );
    let (_, no_json) = post("{", None).await;
    assert_eq!(
        no_json["detail"].as_array().unwrap().len(),
        1,
        "no JSON at all comes before everything"
    );
    assert_eq!(no_json["detail"][0]["loc"], json!(["body", 1]));
    assert_eq!(
        post(&whole, Some("wrong")).await,
        (401, json!({"detail": "Unauthorized"}))
    );
    assert_eq!(
        post("{}", Some("wrong")).await,
        (401, json!({"detail": "Unauthorized"}))
    );

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert!(
        testkit::committed_records(&kafka, &topics.dead_letters).is_empty(),
        "strangers write nothing, not even dead letters"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_farm_of_the_old_clients_is_a_setting() {
    let api = TestApi::start_with(|args| args.legacy.legacy_farm_id = "monte".parse().unwrap()).await;
    api.ready().await;
    assert_eq!(post(&api, measurement().to_string()).await.0, 200);
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert_eq!(
        testkit::committed_records(&kafka, &topics.readings)[0].key,
        b"monte"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_that_is_too_large_is_a_413() {
    let api = TestApi::start_ready().await;
    let (status, body) = post(&api, format!("\"{}\"", "x".repeat(300_000))).await;
    assert_eq!(
        (status, body),
        (413, json!({"detail": "Request Entity Too Large"}))
    );
}
