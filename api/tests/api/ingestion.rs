//! `POST /v1/readings`: what is accepted is on Kafka, what is refused is a dead letter there.

use std::io::Write;
use std::time::{Duration, Instant};

use api::auth::Scope;
use domain::{Metric, OperatingStatus};
use expect_test::expect;
use reqwest::Method;
use serde_json::{Value, json};

use tokio::io::AsyncWriteExt;

use crate::app::{TestApi, problem, rest};

fn reading(farm: &str, turbine: &str, speed: f64) -> Value {
    json!({"farm_id": farm, "turbine_id": turbine, "event_time": "2026-11-23T10:00:00.25Z", "sequence": 7,
           "wind_speed_mps": speed, "wind_direction_deg": 360, "operating_status": "IDLE"})
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
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
async fn a_request_with_too_many_readings_is_a_413_and_none_is_taken() {
    let api = TestApi::start_with(|args| args.api.max_readings = 3).await;
    api.ready().await;
    let many = |n: i32| (0..n).map(|n| reading("north", &format!("T{n}"), 8.0)).collect();
    let array: Vec<Value> = many(4);
    let lines: Vec<String> = array.iter().map(Value::to_string).collect();
    for (body, content_type) in [
        (json!(array).to_string(), "application/json"),
        (lines.join("\n"), "application/json"),
        (lines.join("\n"), "application/x-ndjson"),
    ] {
        let request = api
            .request(Method::POST, "/v1/readings")
            .header("x-api-key", &api.key)
            .header("content-type", content_type);
        let (status, problem) = problem(request.body(body).send().await.unwrap()).await;
        assert_eq!((status, &problem["title"]), (413, &json!("Too many readings")));
    }
    let whole: Vec<Value> = many(3);
    assert_eq!(taken(&api, json!(whole).to_string()).await["accepted"], 3);
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    assert_eq!(testkit::committed_records(&kafka, &topics.readings).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_gzip_and_is_measured_unpacked() {
    let api = TestApi::start_ready().await;
    let post = async |body: Vec<u8>, encoding: &str| {
        let request = api
            .request(Method::POST, "/v1/readings")
            .header("x-api-key", &api.key)
            .header("content-encoding", encoding);
        request.body(body).send().await.unwrap()
    };
    let body = json!([reading("north", "T1", 8.0), reading("north", "T2", 80.0)]).to_string();
    let response = post(gzip(body.as_bytes()), "gzip").await;
    assert_eq!(response.status(), 202);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["index"]),
        (&json!(1), &json!(1))
    );

    let bomb = gzip(" ".repeat(64 * 1024 * 1024).as_bytes());
    let (status, told) = problem(post(bomb, "gzip").await).await;
    assert_eq!(
        (status, &told["detail"]),
        (413, &json!("the body is over the limit of 8388608 bytes"))
    );
    let (status, told) = problem(post(body.clone().into_bytes(), "gzip").await).await;
    assert!(
        status == 400
            && told["detail"]
                .as_str()
                .unwrap()
                .starts_with("the body is not gzip")
    );
    let response = post(body.into_bytes(), "br").await;
    assert_eq!(response.headers()["accept-encoding"], "gzip");
    assert_eq!(problem(response).await.0, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_may_come_in_pieces_of_no_known_length() {
    let api = TestApi::start_ready().await;
    let mut connection = api.connect().await;
    let head = format!(
        "POST /v1/readings HTTP/1.1\r\nhost: veleta\r\nx-api-key: {}\r\nconnection: close\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
        api.key
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let lines = format!(
        "{}\n{}\n",
        reading("north", "T1", 8.0),
        reading("north", "T2", 8.0)
    );
    for piece in lines.as_bytes().chunks(50) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        connection.write_all(&chunk).await.unwrap();
        connection.flush().await.unwrap();
    }
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = rest(connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 202") && answer.contains(r#"{"accepted":2,"rejected":[]}"#),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let api = TestApi::start_with(|args| args.api.max_body_time = Duration::from_secs(1)).await;
    let mut connection = api.connect().await;
    let head = format!(
        "POST /v1/readings HTTP/1.1\r\nhost: veleta\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n[",
        api.key
    );
    let began = Instant::now();
    connection.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("the body did not come within 1 s"),
        "{answer}"
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// Posts under an idempotency key; the status, the answer, and whether it was an earlier one's.
async fn post_as(api: &TestApi, key: &str, name: &str, body: &Value) -> (u16, Value, bool) {
    let request = api
        .request(Method::POST, "/v1/readings")
        .header("x-api-key", key)
        .header("idempotency-key", name);
    let response = request.json(body).send().await.unwrap();
    let is_replayed = response.headers().contains_key("idempotency-replayed");
    (
        response.status().as_u16(),
        response.json().await.unwrap(),
        is_replayed,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_the_same_name_has_the_first_answer_and_leaves_nothing_behind() {
    let api = TestApi::start_ready().await;
    let body = json!([reading("north", "T1", 8.0), reading("north", "T2", 80.0)]);
    let (first, second) = tokio::join!(
        post_as(&api, &api.key, "batch-1", &body),
        post_as(&api, &api.key, "batch-1", &body)
    );
    let third = post_as(&api, &api.key, "batch-1", &body).await;
    for (status, answer, _) in [&first, &second, &third] {
        assert_eq!((*status, answer), (202, &first.1));
    }
    assert_eq!(first.1["rejected"][0]["rule"], "wind_speed_mps");
    assert!(first.2 != second.2 && third.2, "one of the first two was first");

    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let lengths = || {
        (
            testkit::committed_records(&kafka, &topics.readings).len(),
            testkit::committed_records(&kafka, &topics.dead_letters).len(),
        )
    };
    assert_eq!(lengths(), (1, 1));

    let other = json!([reading("north", "T1", 8.5)]);
    let (status, problem, _) = post_as(&api, &api.key, "batch-1", &other).await;
    assert_eq!(
        (status, &problem["title"]),
        (422, &json!("Idempotency key reused"))
    );
    assert_eq!(lengths(), (1, 1));
    let somebody = api.key(&[Scope::Write], None).await;
    assert_eq!(
        post_as(&api, &somebody, "batch-1", &other).await.0,
        202,
        "names are each sender's own"
    );
    assert_eq!(lengths(), (2, 1));
    let (status, problem, _) = post_as(&api, &api.key, &"x".repeat(256), &other).await;
    assert_eq!(
        (status, &problem["errors"][0]["parameter"]),
        (400, &json!("Idempotency-Key"))
    );
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
