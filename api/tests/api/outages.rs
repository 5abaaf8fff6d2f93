//! What is away makes the requests that need it fail, with the time to try again; all else goes on.

use std::time::Instant;

use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaRespErr;
use serde_json::{Value, json};
use testkit::eventually;

use crate::app::{PATIENCE, TestApi, problem};

/// Nobody listens on port 1.
const NOWHERE: &str = "127.0.0.1:1";

const REFUSED: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;

const READING: &str =
    r#"{"farm_id":"north","turbine_id":"T1","event_time":"2026-11-23T10:00:00Z","wind_speed_mps":8}"#;
const MEASUREMENT: &str = r#"{"generator_id":"g","wind_speed":8,"wind_direction":1,"rotor_speed":1,"temperature":1,
    "timestamp":"2026-11-23T10:00:00Z"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_every_answer_is_a_503() {
    let api = TestApi::start_with(|args| {
        args.database.database_url = format!("postgres://windfarm_api@{NOWHERE}/windfarm");
    })
    .await;
    let response = api.get("/v1/farms").await;
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, problem) = problem(response).await;
    assert_eq!(status, 503);
    assert_eq!(
        problem["detail"],
        "the database is not available, please try again"
    );

    let response = api.get("/generadores").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({"detail": "Service Unavailable"})
    );
    eventually("the health says so", PATIENCE, || async {
        let not_ready = api.health.not_ready();
        not_ready
            .get("database")
            .filter(|why| *why != "starting")
            .map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_nothing_is_taken_in_and_all_else_goes_on() {
    let api = TestApi::start_with(|args| args.kafka.bootstrap_servers = NOWHERE.to_owned()).await;
    let began = Instant::now();
    let (response, measured) = tokio::join!(
        api.post("/v1/readings", READING),
        api.post("/medidas", MEASUREMENT)
    );
    assert!(
        began.elapsed() < PATIENCE / 2,
        "the wait is bounded: {:?}",
        began.elapsed()
    );
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, problem) = problem(response).await;
    assert_eq!(
        (status, &problem["detail"]),
        (503, &json!("Kafka is not available, please try again"))
    );
    assert_eq!(measured.status(), 503);

    assert_eq!(api.get("/v1/farms").await.status(), 200);
    let audit = api.json("/v1/audit").await;
    assert_eq!(
        audit,
        json!({"balanced": true, "items": []}),
        "what is not known is not guessed"
    );
    assert!(api.health.not_ready().contains_key("kafka"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_taken_is_said_and_a_repeat_by_name_doubles_no_dead_letter() {
    let cluster = MockCluster::new(1).unwrap();
    let api = TestApi::start_with(|args| {
        let topics = args.kafka.topics();
        for topic in [&topics.readings, &topics.dead_letters] {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        cluster.topic_error(&topics.readings, REFUSED).unwrap();
        args.kafka.bootstrap_servers = cluster.bootstrap_servers();
        args.kafka.config = "topic.metadata.refresh.interval.ms=200".parse().unwrap();
    })
    .await;
    let topics = api.stack.kafka().topics();
    let bad = READING.replace(":8}", ":80}");
    let body = format!("[{READING},{bad}]");
    let post = async || {
        let request = api
            .request(reqwest::Method::POST, "/v1/readings")
            .header("x-api-key", &api.key)
            .header("idempotency-key", "one");
        request.body(body.clone()).send().await.unwrap()
    };
    let response = post().await;
    assert_eq!(response.headers()["retry-after"], "5");
    let (status, told) = problem(response).await;
    assert_eq!((status, &told["title"]), (503, &json!("Not all taken")));
    assert_eq!(
        told["detail"],
        "Kafka has acknowledged 1 of 2 records and is not available for the others, which may be there or not; \
         please send all again, a reading that comes twice counts once"
    );

    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    cluster.topic_error(&topics.readings, fine).unwrap();
    let answer = eventually("the repeat is taken", PATIENCE, || async {
        let response = post().await;
        (response.status() == 202).then_some(response)
    })
    .await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"][0]["index"]),
        (&json!(1), &json!(1))
    );
    let mut kafka = api.stack.kafka();
    kafka.bootstrap_servers = cluster.bootstrap_servers();
    for topic in [&topics.readings, &topics.dead_letters] {
        assert_eq!(testkit::records(&kafka, topic).len(), 1, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_registry_readings_wait_no_longer_than_for_kafka() {
    let api = TestApi::start_with(|args| args.registry.url = format!("http://{NOWHERE}")).await;
    let (status, problem) = problem(api.post("/v1/readings", READING).await).await;
    assert_eq!(
        (status, &problem["detail"]),
        (
            503,
            &json!("the schema registry is not available, please try again")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_under_way_is_answered_before_the_end() {
    let api = TestApi::start_with(|args| args.kafka.bootstrap_servers = NOWHERE.to_owned()).await;
    // it waits for Kafka, which will never come, while the API is told to stop
    let request = api
        .request(reqwest::Method::POST, "/v1/readings")
        .header("x-api-key", &api.key);
    let under_way = tokio::spawn(request.body(READING).send());
    eventually("the request has passed the door", PATIENCE, || async {
        let used = sqlx::query_scalar("SELECT bool_or(last_used_at IS NOT NULL) FROM api_keys");
        let is_used: bool = used.fetch_one(&api.database).await.unwrap();
        is_used.then_some(())
    })
    .await;
    api.stop().await.unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().status(), 503);
}
