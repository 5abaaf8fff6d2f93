//! The live stream.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::Args;
use api::auth::Scope;
use avro::RecordType;
use domain::{CloseReason, Closed, FarmId, Metric, Metrics, Timestamp, WindowSummary};
use platform::{KafkaArgs, LateReading, Source};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::app::{PATIENCE, TestApi, problem};
use crate::fixtures;
use crate::listening::{Ears, HEARTBEAT, Heard};

/// An API that speaks every second.
async fn api() -> TestApi {
    api_with(|_| {}).await
}

async fn api_with(change: impl FnOnce(&mut Args)) -> TestApi {
    let api = TestApi::start_with(|args| {
        args.api.live.live_heartbeat = HEARTBEAT;
        change(args);
    })
    .await;
    api.ready().await;
    api
}

/// Another process of the same installation.
async fn another(api: &TestApi) -> TestApi {
    let (stack, database_url) = (api.stack.clone(), api.database_url.clone());
    api_with(|args| {
        args.kafka.topic_prefix.clone_from(&stack.topic_prefix);
        args.database.database_url = database_url;
    })
    .await
}

fn reading(farm: &str, turbine: &str, second: usize) -> Value {
    let time = Timestamp::from_micros(1_795_000_000_000_000 + second as i64 * 1_000_000);
    json!({"farm_id": farm, "turbine_id": turbine, "event_time": time.to_string(), "wind_speed_mps": 8.5})
}

async fn send(api: &TestApi, readings: impl IntoIterator<Item = Value>) {
    let readings: Vec<Value> = readings.into_iter().collect();
    let response = api.post("/v1/readings", json!(readings).to_string()).await;
    assert_eq!(response.status(), 202);
}

/// Which readings were heard, by turbine, in their order.
fn times(heard: &[Heard]) -> BTreeMap<String, Vec<String>> {
    let mut times: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Heard { data, .. } in heard {
        let turbine = format!(
            "{}/{}",
            data["farm_id"].as_str().unwrap(),
            data["turbine_id"].as_str().unwrap()
        );
        times
            .entry(turbine)
            .or_default()
            .push(data["event_time"].as_str().unwrap().to_owned());
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_windows_and_dead_letters_are_told_as_the_lists_have_them() {
    let api = api().await;
    let mut ears = Ears::open(&api, "", &api.key, None).await;
    let mut one = reading("north", "T1", 0);
    one["operating_status"] = json!("GENERATING");
    send(&api, [one]).await;
    let heard = ears.next().await.unwrap();
    assert_eq!(heard.event, "reading");
    assert_eq!(
        heard.data,
        json!({"farm_id": "north", "turbine_id": "T1", "event_time": "2026-11-18T11:06:40Z", "sequence": null,
               "wind_speed_mps": 8.5, "wind_direction_deg": null, "active_power_kw": null,
               "theoretical_power_kw": null, "rotor_speed_rpm": null, "blade_pitch_deg": null,
               "nacelle_direction_deg": null, "ambient_temperature_celsius": null, "operating_status": "GENERATING"})
    );

    let refused = json!({"farm_id": "north", "turbine_id": "T1", "event_time": "2026-11-18T11:06:41Z",
                         "wind_speed_mps": 99});
    send(&api, [refused]).await;
    let heard = ears.next().await.unwrap();
    assert_eq!(
        (heard.event.as_str(), &heard.data["rule"], &heard.data["value"]),
        ("dead_letter", &json!("wind_speed_mps"), &json!("99"))
    );
    let id = heard.data["id"].as_str().unwrap();
    assert!(id.ends_with("-0"), "its place in the log: {id}");

    close_window(&api, "north").await;
    let heard = ears.next().await.unwrap();
    assert_eq!(
        (
            heard.event.as_str(),
            &heard.data["start"],
            &heard.data["revision"]
        ),
        ("window", &json!("2026-11-18T11:06:00Z"), &json!(0))
    );
    assert_eq!(
        heard.data["metrics"]["wind_speed_mps"],
        json!({"count": 2, "mean": 9.0, "stddev": 1.0,
               "min": {"value": 8.0, "turbine_id": "T1", "event_time": "2026-11-18T11:06:00Z"},
               "max": {"value": 10.0, "turbine_id": "T2", "event_time": "2026-11-18T11:06:01Z"}})
    );
}

/// As the stream-aggregator would.
async fn close_window(api: &TestApi, farm: &str) {
    let (kafka, topics) = (api.stack.kafka(), api.stack.kafka().topics());
    let registry = api.stack.registry().registry().unwrap();
    let id = registry
        .register(&topics.farm_windows, RecordType::FarmWindow)
        .await
        .unwrap();
    let mut summary = WindowSummary::default();
    let start: Timestamp = "2026-11-18T11:06:00Z".parse().unwrap();
    for (turbine, speed, second) in [("T1", 8.0, 0), ("T2", 10.0, 1)] {
        let metrics: Metrics = [(Metric::WindSpeed, speed)].into_iter().collect();
        summary.add(turbine, start + domain::TimeDelta::from_secs(second), &metrics);
    }
    let end = start + domain::TimeDelta::from_secs(60);
    let (window, _) = summary.finish(&FarmId::parse(farm).unwrap(), start, end);
    let mut payload = Vec::new();
    avro::wire::frame(id, &mut payload);
    let close_reason = CloseReason::StreamTime;
    avro::encode_farm_window(&Closed { window, close_reason }, &mut payload);
    testkit::produce(
        &kafka,
        &topics.farm_windows,
        None,
        [(farm.as_bytes(), payload.as_slice())],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_what_it_asked_for_and_may_hear() {
    let api = api().await;
    let key = api.key(&[Scope::Read], Some(&["north", "west"])).await;
    let mut limited = Ears::open(&api, "", &key, None).await;
    let mut one_farm = Ears::open(&api, "?farm=west&types=reading", &api.key, None).await;
    let mut letters = Ears::open(&api, "?types=dead_letter,window", &api.key, None).await;
    let nonsense = api.post("/v1/readings", r#"[{"farm_id":"north"},7]"#).await;
    assert_eq!(nonsense.status(), 202, "one of no farm among them");
    for farm in ["south", "north", "west"] {
        send(&api, [reading(farm, "T1", 0)]).await;
    }
    for ears in [&mut limited, &mut one_farm, &mut letters] {
        ears.heartbeat().await;
    }
    send(&api, [reading("north", "T1", 9), reading("west", "T1", 9)]).await;
    let farms = |heard: &[Heard]| -> Vec<(String, Value)> {
        let farm = |heard: &Heard| (heard.event.clone(), heard.data["farm_id"].clone());
        heard.iter().map(farm).collect()
    };
    // what a heartbeat has passed over is not told any more
    let mut heard = farms(&limited.take(2).await);
    heard.sort_by_key(|(_, farm)| farm.to_string());
    assert_eq!(
        heard,
        [
            ("reading".to_owned(), json!("north")),
            ("reading".to_owned(), json!("west"))
        ]
    );
    let (status, _) = problem(api.get_with(&key, "/v1/events?farm=south").await).await;
    assert_eq!(status, 404, "it need not know that there is such a farm");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_with_what_is_wanted() {
    let api = api().await;
    let refusal = async |query: &str, id: Option<&str>| {
        let mut request = api.request(Method::GET, &format!("/v1/events{query}"));
        request = request.header("x-api-key", &api.key);
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        let (status, problem) = problem(request.send().await.unwrap()).await;
        (status, problem["errors"][0]["parameter"].clone())
    };
    assert_eq!(refusal("?types=reading,storm", None).await, (400, json!("types")));
    assert_eq!(refusal("?farm=a%20b", None).await, (400, json!("farm")));
    assert_eq!(refusal("?cursor=1", None).await, (400, json!("cursor")));
    for id in ["7", "r0:x", "r0:1;q1:2", "r0:999999999"] {
        assert_eq!(refusal("", Some(id)).await, (400, json!("Last-Event-ID")), "{id}");
    }
}

/// Both ways to come back: within the ring, and after another process began.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_without_a_gap_or_a_double() {
    let api = api().await;
    let farms = ["north", "south", "west", "east"];
    let batch = |from: usize| {
        let readings =
            (from..from + 25).flat_map(move |second| farms.map(|farm| reading(farm, "T1", second)));
        readings.collect::<Vec<_>>()
    };
    let mut ears = Ears::open(&api, "?types=reading", &api.key, None).await;
    send(&api, batch(0)).await;
    let mut heard = ears.take(37).await;
    drop(ears);

    send(&api, batch(25)).await;
    let mut ears = Ears::open(&api, "?types=reading", &api.key, Some(&heard[36].id)).await;
    heard.extend(ears.take(100).await);
    let last = heard.last().unwrap().id.clone();
    drop(ears);

    let other = another(&api).await;
    send(&api, batch(50)).await;
    let mut ears = Ears::open(&other, "?types=reading", &api.key, Some(&last)).await;
    heard.extend(ears.take(300 - 137).await);
    ears.heartbeat().await;
    let end = ears.id.clone();

    let expected: Vec<String> = (0..75)
        .map(|second| {
            reading("north", "T1", second)["event_time"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let by_turbine = times(&heard);
    assert_eq!(by_turbine.len(), 4);
    for (turbine, times) in by_turbine {
        assert_eq!(times, expected, "{turbine}");
    }

    // of one who has heard everything nothing is left to hear
    let mut ears = Ears::open(&other, "?types=reading", &api.key, Some(&end)).await;
    send(&api, [reading("north", "T9", 0)]).await;
    assert_eq!(ears.next().await.unwrap().data["turbine_id"], "T9");
}

/// The ring holds 1 MiB and so forgets most of it.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_long_reads_the_log_and_who_was_away_for_longer_the_database() {
    let api = api_with(|args| args.api.live.live_memory_mib = 1).await;
    let mut ears = Ears::open(&api, "?types=reading&farm=north", &api.key, None).await;
    send(&api, (0..10).map(|second| reading("north", "T1", second))).await;
    let heard = ears.take(10).await;
    let fourth = &heard[3].id;
    for from in [10, 1_010, 2_010, 3_010] {
        send(
            &api,
            (from..from + 1_000).map(|second| reading("north", "T1", second)),
        )
        .await;
    }
    ears.take(4_000).await;

    let mut again = Ears::open(&api, "?types=reading&farm=north", &api.key, Some(fourth)).await;
    let heard = again.take(4_006).await;
    let expected: Vec<String> = (4..4_010)
        .map(|second| {
            reading("north", "T1", second)["event_time"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(times(&heard)["north/T1"], expected);

    // the log forgets all but its end, of which the database has nothing yet
    store(&api, 4_000).await;
    forget(&api.stack.kafka(), 3_500).await;
    let mut again = Ears::open(&api, "?types=reading&farm=north", &api.key, Some(fourth)).await;
    assert_eq!(times(&again.take(4_006).await)["north/T1"], expected);
}

/// As the sink would: the first `count` readings of the log.
async fn store(api: &TestApi, count: usize) {
    let kafka = api.stack.kafka();
    let records = testkit::committed_records(&kafka, &kafka.topics().readings);
    fixtures::run(
        &api.database,
        "SELECT ensure_days('readings', ARRAY['2026-11-18']::date[])",
    )
    .await;
    let mut values = Vec::new();
    for record in records.iter().take(count) {
        let (_, body) = avro::wire::split(&record.payload).unwrap();
        let reading = avro::decode_reading(body).unwrap();
        values.push(format!(
            "('{}', '{}', '{}', 8.5, {}, {}, now())",
            reading.farm_id, reading.turbine_id, reading.event_time, record.partition, record.offset
        ));
    }
    fixtures::run(
        &api.database,
        &format!(
            "INSERT INTO readings (farm_id, turbine_id, event_time, wind_speed_mps, kafka_partition, kafka_offset,
                                   appended_at) VALUES {}",
            values.join(",")
        ),
    )
    .await;
}

/// As retention would: everything before that offset.
async fn forget(kafka: &KafkaArgs, before: i64) {
    let admin: AdminClient<DefaultClientContext> = kafka.client_config("test").create().unwrap();
    let mut offsets = TopicPartitionList::new();
    let topic = kafka.topics().readings;
    let partition = testkit::committed_records(kafka, &topic)[0].partition;
    offsets
        .add_partition_offset(&topic, partition, Offset::Offset(before))
        .unwrap();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    admin.delete_records(&offsets, &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_late_readings_changed_is_told_when_it_is_made_anew() {
    let api = api().await;
    fixtures::windows(&api.database, "north").await; // the third, at 23:59, is revision 1
    let mut ears = Ears::open(&api, "?types=window", &api.key, None).await;
    let begin = ears.id.clone();
    let topics = api.stack.kafka().topics();
    let partition = late(&api, &["23:58:00Z", "23:59:00Z", "23:59:00Z"]);
    ears.heartbeat().await;
    fixtures::run(
        &api.database,
        &format!(
            "INSERT INTO kafka_offsets (topic, partition, next_offset) VALUES ('{}', {partition}, 3);
             INSERT INTO late_marks VALUES ('north', '2026-11-22 23:59:00Z', {partition}, 7)",
            topics.late_readings
        ),
    )
    .await;
    ears.heartbeat().await;
    fixtures::run(&api.database, "DELETE FROM late_marks").await;
    let heard = ears.next().await.unwrap();
    assert_eq!(
        (&heard.data["start"], &heard.data["revision"]),
        (&json!("2026-11-22T23:59:00Z"), &json!(1))
    );

    // the same for one who was not there, and nothing for one who was
    let other = another(&api).await;
    let mut late_comer = Ears::open(&other, "?types=window", &api.key, Some(&begin)).await;
    assert_eq!(late_comer.next().await.unwrap().data, heard.data);
    let mut again = Ears::open(&other, "?types=window", &api.key, Some(&heard.id)).await;
    close_window(&api, "north").await;
    assert_eq!(again.next().await.unwrap().data["revision"], 0);
    assert_eq!(late_comer.next().await.unwrap().data["revision"], 0);
}

/// Late readings of `north` for windows of 22 November; returns their partition.
fn late(api: &TestApi, windows: &[&str]) -> i32 {
    let kafka = api.stack.kafka();
    let producer: BaseProducer = kafka.producer_config("test").create().unwrap();
    let topic = kafka.topics().late_readings;
    for start in windows {
        let late = LateReading {
            by_ms: 1,
            window_start: format!("2026-11-22T{start}").parse().unwrap(),
            source: Source {
                topic: kafka.topics().readings,
                partition: 0,
                offset: 7,
                timestamp: Timestamp::from_millis(0),
            },
        };
        let record = BaseRecord::to(&topic).key("north").payload("late");
        let record = record.headers(late.to_headers());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    testkit::committed_records(&kafka, &topic)[0].partition
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_is_told_so_and_let_go() {
    let api = api_with(|args| args.api.live.live_memory_mib = 1).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(api.address()).await.unwrap();
    slow.write_all(request(&api.key).as_bytes()).await.unwrap();
    let mut first = [0_u8; 64];
    slow.read_exact(&mut first).await.unwrap();
    // more than buffers take; one who reads hears all of it
    let mut quick = Ears::open(&api, "?types=reading", &api.key, None).await;
    for from in (0..20_000).step_by(2_000) {
        send(
            &api,
            (from..from + 2_000).map(|second| reading("north", "T1", second)),
        )
        .await;
        quick.take(2_000).await;
    }
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, slow.read_to_end(&mut rest))
        .await
        .expect("the stream ends")
        .unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains(r#"event: error"#) && rest.contains(r#""reason":"too_slow""#),
        "{}",
        &rest[rest.len().saturating_sub(300)..]
    );
    assert!(rest.matches("event: reading").count() < 20_000);
}

fn request(key: &str) -> String {
    format!("GET /v1/events HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_key_and_with_the_server() {
    let api = api().await;
    let key = api.key(&[Scope::Read], None).await;
    let mut revoked = Ears::open(&api, "", &key, None).await;
    let mut other = Ears::open(&api, "", &api.key, None).await;
    fixtures::run(
        &api.database,
        "UPDATE api_keys SET revoked_at = now() WHERE 'read' = ANY (scopes)",
    )
    .await;
    let began = Instant::now();
    let reason = async |ears: &mut Ears| {
        let heard = ears.next().await.expect("a reason");
        assert_eq!((heard.event.as_str(), ears.next().await), ("error", None));
        heard.data["reason"].clone()
    };
    assert_eq!(reason(&mut revoked).await, "key_revoked");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let (stopped, reason) = tokio::join!(api.stop(), reason(&mut other));
    stopped.unwrap();
    assert_eq!(reason, "stopping");
}

/// All on this machine: 4,000 open files in this process.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_listen_at_once_and_none_is_left_when_they_go() {
    const LISTENERS: usize = 2_000;
    api::background::open_all_files();
    let api = api().await;
    let mut streams = Vec::with_capacity(LISTENERS);
    for _ in 0..LISTENERS {
        let mut stream = TcpStream::connect(api.address()).await.unwrap();
        stream.write_all(request(&api.key).as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        read_until(stream, "retry: ").await;
    }
    assert_eq!(api.listeners(), LISTENERS);
    send(&api, [reading("north", "T1", 0)]).await;
    for stream in &mut streams {
        read_until(stream, "event: reading").await;
    }
    drop(streams);
    eventually("every listener is gone", PATIENCE, || async {
        (api.listeners() == 0).then_some(())
    })
    .await;
}

async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let more = tokio::time::timeout(PATIENCE, stream.read_buf(&mut read)).await;
        assert!(more.unwrap().unwrap() > 0, "the stream has ended");
    }
}
