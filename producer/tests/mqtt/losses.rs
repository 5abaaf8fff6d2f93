//! Whatever is killed between, nothing is lost.

use domain::Limits;
use platform::Health;
use producer::mqtt::{Forwarder, Ticket, judge};
use rdkafka::mocking::MockCluster;
use testkit::Stack;
use tokio_util::sync::CancellationToken;

use crate::mosquitto::Mosquitto;
use crate::rig::{LIMIT, arrive, forwarder, plain, publish, reading, subscribe_ahead, topics};

const READINGS: i64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_at_its_worst_moments_loses_nothing() {
    let (stack, broker) = (Stack::for_test(), Mosquitto::start());
    topics(&stack).await;
    subscribe_ahead(&broker).await;
    publish(&broker, (0..READINGS).map(reading)).await;

    // before anything of it is on Kafka, and after it is there but not acknowledged; and amid of it all
    for point in [
        "mqtt-before-kafka:5",
        "mqtt-before-acknowledgement:1",
        "mqtt-before-acknowledgement:40",
        "mqtt-before-kafka:90",
    ] {
        let mut program = forwarder(&stack, &plain(&broker), &[], &[("FAIL_POINT", point)]);
        let status = tokio::task::spawn_blocking(move || program.wait(LIMIT))
            .await
            .unwrap();
        assert!(!status.success(), "it dies at {point}");
    }
    let mut program = forwarder(&stack, &plain(&broker), &[], &[]);
    arrive(&stack, READINGS).await;
    program.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_waited_for() {
    let (stack, mut broker) = (Stack::for_test(), Mosquitto::start());
    topics(&stack).await;
    subscribe_ahead(&broker).await;
    publish(&broker, (0..100).map(reading)).await;
    let mut program = forwarder(&stack, &plain(&broker), &[], &[]);
    arrive(&stack, 100).await;

    broker.stop();
    broker.resume();
    publish(&broker, (100..200).map(reading)).await;
    arrive(&stack, 200).await;
    assert!(program.terminate(LIMIT).success());
}

/// What Kafka has not acknowledged is told as not delivered, and its ticket is not given back as delivered.
#[tokio::test(flavor = "multi_thread")]
async fn only_kafkas_acknowledgement_counts() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("windfarm.readings", 1, 1).unwrap();
    let kafka = kafka(&cluster.bootstrap_servers());
    let (stop, limits) = (CancellationToken::new(), Limits::default());
    let (mut forwarder, mut deliveries) =
        Forwarder::new(&kafka, 1, Health::default().component("kafka")).unwrap();
    let now = "2026-11-23T11:00:00Z".parse().unwrap();
    let mut send = async |ticket: Ticket| {
        let bytes = reading(ticket as i64);
        forwarder
            .send(&judge(&bytes, now, &limits), ticket, &stop)
            .await
            .unwrap();
    };
    send(0).await;
    let delivered = deliveries.recv().await.unwrap();
    assert_eq!((delivered.ticket, delivered.result), (0, Ok(())));

    cluster.broker_down(1).unwrap();
    send(1).await;
    assert!(deliveries.try_recv().is_err(), "nobody has acknowledged it");
    cluster.broker_up(1).unwrap();
    let delivered = tokio::time::timeout(LIMIT, deliveries.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((delivered.ticket, delivered.result), (1, Ok(())));

    let refused = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &[refused]);
    send(2).await;
    let refused = tokio::time::timeout(LIMIT, deliveries.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(refused.ticket == 2 && refused.result.is_err());
}

fn kafka(servers: &str) -> platform::KafkaArgs {
    use clap::Parser;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        kafka: platform::KafkaArgs,
    }
    Parsed::parse_from([
        "test",
        "--kafka-bootstrap-servers",
        servers,
        "--kafka-config=reconnect.backoff.max.ms=100",
    ])
    .kafka
}
