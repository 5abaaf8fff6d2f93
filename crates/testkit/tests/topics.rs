//! Topics on a real broker: made when missing, left alone when there.

use platform::topics;
use testkit::{Stack, committed_records, produce};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_with_the_same_number_of_partitions() {
    let stack = Stack::for_test();
    let stop = CancellationToken::new();
    let mut kafka = stack.kafka();
    kafka.topic_partitions = 3;
    assert_eq!(topics::ensure(&kafka, &stop).await.unwrap(), 3);
    kafka.topic_partitions = 6;
    assert_eq!(
        topics::ensure(&kafka, &stop).await.unwrap(),
        3,
        "what is there decides"
    );

    let readings = kafka.topics().readings;
    produce(
        &kafka,
        &readings,
        Some(2),
        [(b"farm".as_slice(), b"one".as_slice()), (b"farm", b"two")],
    );
    let records = committed_records(&kafka, &readings);
    let seen: Vec<_> = records
        .iter()
        .map(|r| (r.partition, r.offset, r.payload.as_slice()))
        .collect();
    assert_eq!(seen, [(2, 0, b"one".as_slice()), (2, 1, b"two")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_at_once_do_not_trip_over_each_other() {
    let stack = Stack::for_test();
    let stop = CancellationToken::new();
    let kafka = stack.kafka();
    let (one, two, three) = tokio::join!(
        topics::ensure(&kafka, &stop),
        topics::ensure(&kafka, &stop),
        topics::ensure(&kafka, &stop)
    );
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (6, 6, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_broker_that_is_away_can_be_stopped() {
    let mut kafka = Stack::for_test().kafka();
    kafka.bootstrap_servers = "127.0.0.1:1".to_owned();
    let stop = CancellationToken::new();
    stop.cancel();
    let error = topics::ensure(&kafka, &stop).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
}
