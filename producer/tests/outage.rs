//! A broker that goes away holds the sender back and costs nothing.
#![allow(clippy::unwrap_used, reason = "a test may end by a panic")]

use std::time::Duration;

use clap::Parser;
use domain::{Metric, RawReading, Timestamp};
use platform::{Health, KafkaArgs};
use producer::send::{Sender, Sent};
use rdkafka::mocking::MockCluster;
use tokio_util::sync::CancellationToken;

/// The queue of these tests, in records.
const ROOM: i64 = 100;

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    kafka: KafkaArgs,
}

fn kafka(cluster: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>) -> KafkaArgs {
    cluster.create_topic("windfarm.readings", 3, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    let config = format!("queue.buffering.max.messages={ROOM},linger.ms=0,reconnect.backoff.max.ms=100");
    Parsed::parse_from([
        "test",
        "--kafka-bootstrap-servers",
        &servers,
        "--kafka-config",
        &config,
    ])
    .kafka
}

fn reading(sequence: i64) -> RawReading<'static> {
    RawReading {
        farm_id: "north".into(),
        turbine_id: "T01".into(),
        event_time: Timestamp::from_millis(1_764_000_000_000 + sequence),
        sequence: Some(sequence),
        metrics: [(Metric::WindSpeed, 8.0)].into_iter().collect(),
        ..RawReading::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_readings_wait_and_then_all_arrive_in_order() {
    let cluster = MockCluster::new(1).unwrap();
    let kafka = kafka(&cluster);
    let (health, stop) = (Health::default(), CancellationToken::new());
    let mut sender = Sender::new(&kafka, 1, health.component("kafka")).unwrap();
    for sequence in 0..10 {
        assert_eq!(
            sender.send(&reading(sequence), &stop).await.unwrap(),
            Sent::Queued
        );
    }

    cluster.broker_down(1).unwrap();
    let sending = tokio::spawn({
        let stop = stop.clone();
        async move {
            for sequence in 10..10 + 5 * ROOM {
                assert_eq!(
                    sender.send(&reading(sequence), &stop).await.unwrap(),
                    Sent::Queued
                );
            }
            sender.finish(&stop).await
        }
    });
    testkit::eventually("the outage shows", Duration::from_secs(30), async || {
        (!health.not_ready().is_empty()).then_some(())
    })
    .await;
    assert!(!sending.is_finished(), "the queue has no room for all");
    cluster.broker_up(1).unwrap();
    sending.await.unwrap().unwrap();
    assert!(health.not_ready().is_empty(), "{:?}", health.not_ready());

    let sequences: Vec<_> = testkit::records(&kafka, "windfarm.readings")
        .iter()
        .map(|record| {
            let (_, body) = avro::wire::split(&record.payload).unwrap();
            avro::decode_reading(body).unwrap().sequence.unwrap()
        })
        .collect();
    assert_eq!(sequences, (0..10 + 5 * ROOM).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_refused_is_an_error_at_the_end() {
    let cluster = MockCluster::new(1).unwrap();
    let kafka = kafka(&cluster);
    let stop = CancellationToken::new();
    let mut sender = Sender::new(&kafka, 1, Health::default().component("kafka")).unwrap();
    let refused = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &[refused]);
    assert_eq!(sender.send(&reading(0), &stop).await.unwrap(), Sent::Queued);
    let error = sender.finish(&stop).await.unwrap_err().to_string();
    assert!(error.starts_with("1 readings were not delivered"), "{error}");
}
