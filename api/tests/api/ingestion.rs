//! `POST /v1/readings`: what is accepted is on Kafka, what is refused is a dead letter there.

use api::auth::Scope;
use domain::{Metric, OperatingStatus};
use expect_test::expect;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{TestApi, problem};

fn reading(farm: &str, turbine: &str, speed: f64) -> Value {
    json!({"farm_id": farm, "turbine_id": turbine, "event_time": "2026-11-23T10:00:00.25Z", "sequence": 7,
           "wind_speed_mps": speed, "wind_direction_deg": 360, "operating_status": "IDLE"})
}

async fn taken(api: &TestApi, body: String) -> Value {
    let response = api.post("/v1/readings", body).await;
    assert_eq!(response.status(), 202);
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_can_be_read_from_kafka() {
    let api = TestApi::start_ready().await;
    let one = reading("north", "T1", 8.1);
    assert_eq!(
        taken(&api, one.to_string()).await,
        json!({"accepted": 1, "rejected": []})
    );
    let many = json!([reading("north", "T2", 0.1), reading("south", "S1", 74.9)]);
    assert_eq!(taken(&api, many.to_string()).await["accepted"], 2);
    let lines = format!(
        "{}\n\n{}\n",
        reading("north", "T3", 1.5),
        reading("north", "T4", 2.5)
    );
    assert_eq!(taken(&api, lines).await["accepted"], 2);

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let records = testkit::committed_records(&kafka, &topics.readings);
    let mut seen = Vec::new();
    for record in &records {
        let (_, body) = avro::wire::split(&record.payload).unwrap();
        let reading = avro::decode_reading(body).unwrap();
        assert_eq!(record.key, reading.farm_id.as_bytes(), "the key is the farm");
        assert_eq!(reading.event_time.to_string(), "2026-11-23T10:00:00.25Z");
        assert_eq!(
            (reading.sequence, reading.operating_status),
            (Some(7), Some(OperatingStatus::Idle))
        );
        assert_eq!(
            reading.metrics.get(Metric::WindDirection),
            Some(0.0),
            "360° is 0°"
        );
        seen.push((
            reading.turbine_id.into_owned(),
            reading.metrics.get(Metric::WindSpeed).unwrap(),
        ));
    }
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("S1", 74.9), ("T1", 8.1), ("T2", 0.1), ("T3", 1.5), ("T4", 2.5)];
    assert_eq!(seen, expected.map(|(turbine, speed)| (turbine.to_owned(), speed)));
    let mut north = records
        .iter()
        .filter(|record| record.key == b"north")
        .map(|record| record.partition);
    let first = north.next().unwrap();
    assert!(
        north.all(|partition| partition == first),
        "a farm has one partition"
    );
    assert!(testkit::committed_records(&kafka, &topics.dead_letters).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_by_index_and_kept_as_it_came() {
    let api = TestApi::start_ready().await;
    let bad = r#"{"farm_id": "north",  "turbine_id":"T2","event_time":"2026-11-23T10:00:00Z","wind_speed_mps":8e1}"#;
    let body = format!(
        r#"[{}, {bad}, 7, {}]"#,
        reading("north", "T1", 8.0),
        reading("north", "a b", 8.0)
    );
    let answer = taken(&api, body).await;
    expect![[r#"
        {
          "accepted": 1,
          "rejected": [
            {
              "bound": "[0, 75]",
              "field": "wind_speed_mps",
              "index": 1,
              "message": "wind_speed_mps is 80, allowed is [0, 75]",
              "rule": "wind_speed_mps",
              "value": "80"
            },
            {
              "bound": null,
              "field": null,
              "index": 2,
              "message": "not a JSON object: invalid type: integer `7`, expected a map at line 1 column 1",
              "rule": "undecodable",
              "value": null
            },
            {
              "bound": "1 to 64 characters out of A-Z a-z 0-9 . _ : -",
              "field": "turbine_id",
              "index": 3,
              "message": "turbine_id is a b, allowed is 1 to 64 characters out of A-Z a-z 0-9 . _ : -",
              "rule": "turbine_id",
              "value": "a b"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer).unwrap());

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert_eq!(testkit::committed_records(&kafka, &topics.readings).len(), 1);
    let letters = testkit::committed_records(&kafka, &topics.dead_letters);
    assert_eq!(letters.len(), 3);
    let letter = letters
        .iter()
        .find(|letter| letter.payload == bad.as_bytes())
        .unwrap();
    assert_eq!(letter.key, b"north");
    let header = |name: &str| letter.headers.get(name).map(String::as_str);
    assert_eq!(header("dlq.rule"), Some("wind_speed_mps"));
    assert_eq!(header("dlq.value"), Some("80"));
    assert_eq!(header("dlq.bound"), Some("[0, 75]"));
    assert_eq!(header("dlq.component"), Some("api"));
    assert_eq!(header("dlq.source.topic"), None, "it never was on Kafka");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_does_not_hold_up_the_others() {
    let api = TestApi::start_ready().await;
    let body = format!(
        "{}\n{{oops\n{}",
        reading("north", "T1", 8.0),
        reading("north", "T2", 8.0)
    );
    let request = api
        .request(Method::POST, "/v1/readings")
        .header("x-api-key", &api.key)
        .header("content-type", "application/x-ndjson");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["accepted"], 2);
    assert_eq!(
        (&answer["rejected"][0]["index"], &answer["rejected"][0]["rule"]),
        (&json!(1), &json!("undecodable"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_from_the_future_is_refused() {
    let api = TestApi::start_ready().await;
    let mut reading = reading("north", "T1", 8.0);
    reading["event_time"] = json!("2200-01-01T00:00:00Z");
    let answer = taken(&api, reading.to_string()).await;
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["rule"]),
        (&json!(0), &json!("event_time_ahead"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_taken_apart_is_a_400() {
    let api = TestApi::start_ready().await;
    for (body, detail) in [
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        ("{\"farm_id\":", "the body is not JSON: "),
        ("[{},", "the body is not JSON: "),
    ] {
        let (status, problem) = problem(api.post("/v1/readings", body).await).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            problem["detail"].as_str().unwrap().starts_with(detail),
            "{problem}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_a_413() {
    let api = TestApi::start_ready().await;
    let body = format!("[{}]", " ".repeat(8 * 1024 * 1024));
    let (status, problem) = problem(api.post("/v1/readings", body).await).await;
    assert_eq!(status, 413);
    assert_eq!(problem["detail"], "the body is over the limit of 8388608 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_some_farms_writes_those_or_nothing() {
    let api = TestApi::start_ready().await;
    let key = api.key(&[Scope::Write], Some(&["north"])).await;
    let post = async |body: Value| {
        let request = api
            .request(Method::POST, "/v1/readings")
            .header("x-api-key", &key);
        request.json(&body).send().await.unwrap()
    };
    let mixed = json!([reading("north", "T1", 8.0), reading("south", "S1", 8.0)]);
    let (status, problem) = problem(post(mixed).await).await;
    assert_eq!(
        (status, &problem["detail"]),
        (403, &json!("the key does not open farm 'south'"))
    );
    let refused = json!([reading("north", "T1", 8.0), reading("south", "S1", 800.0)]);
    assert_eq!(
        post(refused).await.status(),
        403,
        "not even a dead letter of another's farm"
    );
    assert_eq!(post(reading("north", "T2", 8.0)).await.status(), 202);

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert_eq!(testkit::committed_records(&kafka, &topics.readings).len(), 1);
    assert!(testkit::committed_records(&kafka, &topics.dead_letters).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readings_of_a_request_keep_their_order() {
    let api = TestApi::start_ready().await;
    let readings: Vec<Value> = (0..500)
        .map(|sequence| {
            let mut reading = reading("north", "T1", 8.0);
            reading["sequence"] = json!(sequence);
            reading
        })
        .collect();
    assert_eq!(taken(&api, json!(readings).to_string()).await["accepted"], 500);

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let records = testkit::committed_records(&kafka, &topics.readings);
    let sequences = records.iter().map(|record| {
        let (_, body) = avro::wire::split(&record.payload).unwrap();
        avro::decode_reading(body).unwrap().sequence.unwrap()
    });
    assert_eq!(sequences.collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
}
