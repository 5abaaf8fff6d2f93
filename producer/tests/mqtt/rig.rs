//! Who publishes, who forwards, and what is on Kafka.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use testkit::{Program, Record, Stack, eventually};

use crate::mosquitto::Mosquitto;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const FILTER: &str = "windfarm/+/+/reading";

/// Starts the program; `settings` are further arguments, `environment` variables.
pub(crate) fn forwarder(
    stack: &Stack,
    broker: &str,
    settings: &[&str],
    environment: &[(&str, &str)],
) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command
        .args([
            "mqtt",
            "--broker",
            broker,
            "--topic",
            FILTER,
            "--client-id=bridge",
        ])
        .args(settings)
        .envs(stack.environment())
        .envs(environment.iter().copied());
    Program::start(&mut command)
}

pub(crate) fn plain(broker: &Mosquitto) -> String {
    format!("mqtt://127.0.0.1:{}", broker.port)
}

/// A session of the name under which the forwarder comes, so that the broker keeps what is published before it does.
pub(crate) async fn subscribe_ahead(broker: &Mosquitto) {
    let mut options = MqttOptions::new("bridge", "127.0.0.1", broker.port);
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe(FILTER, QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::SubAck(_))) {}
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
}

/// Publishes with QoS 1; all of it is with the broker afterwards.
pub(crate) async fn publish(broker: &Mosquitto, messages: impl IntoIterator<Item = Vec<u8>>) {
    let messages: Vec<_> = messages.into_iter().collect();
    let mut options = MqttOptions::new("turbines", "127.0.0.1", broker.port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, messages.len());
    let mut missing = messages.len();
    for message in messages {
        client
            .try_publish("windfarm/north/T1/reading", QoS::AtLeastOnce, false, message)
            .unwrap();
    }
    while missing > 0 {
        if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await.unwrap() {
            missing -= 1;
        }
    }
}

pub(crate) fn reading(sequence: i64) -> Vec<u8> {
    let time = format!("2026-11-23T10:{:02}:{:02}Z", sequence / 60 % 60, sequence % 60);
    let reading = serde_json::json!({
        "farm_id": if sequence % 2 == 0 { "north" } else { "south" },
        "turbine_id": "T1",
        "event_time": time,
        "sequence": sequence,
        "wind_speed_mps": 8.25,
    });
    reading.to_string().into_bytes()
}

/// How often each sequence is on Kafka.
pub(crate) fn arrived(stack: &Stack) -> BTreeMap<i64, u32> {
    let mut arrived = BTreeMap::new();
    for record in testkit::records(&stack.kafka(), &stack.kafka().topics().readings) {
        let (_, body) = avro::wire::split(&record.payload).unwrap();
        let reading = avro::decode_reading(body).unwrap();
        assert_eq!(record.key, reading.farm_id.as_bytes());
        *arrived.entry(reading.sequence.unwrap()).or_default() += 1;
    }
    arrived
}

pub(crate) fn dead_letters(stack: &Stack) -> Vec<Record> {
    testkit::records(&stack.kafka(), &stack.kafka().topics().dead_letters)
}

/// Waits until so many different readings are on Kafka, which are then all of them.
pub(crate) async fn arrive(stack: &Stack, count: i64) {
    eventually("all readings are on Kafka", LIMIT, async || {
        let arrived = arrived(stack);
        (arrived.len() as i64 >= count).then_some(())
    })
    .await;
    let sequences: Vec<_> = arrived(stack).into_keys().collect();
    assert_eq!(sequences, (0..count).collect::<Vec<_>>());
}

/// Makes the topics ahead, so that they can be read before the program has made them.
pub(crate) async fn topics(stack: &Stack) {
    let mut kafka = stack.kafka();
    kafka.topic_partitions = 2;
    platform::topics::ensure(&kafka, &tokio_util::sync::CancellationToken::new())
        .await
        .unwrap();
}
