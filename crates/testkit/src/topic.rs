//! Whole topics, read and written.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::Timestamp;
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const LIMIT: Duration = Duration::from_secs(60);

/// A record as Kafka keeps it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time stamp.
    pub timestamp: Timestamp,
    /// Its key, empty if it has none.
    pub key: Vec<u8>,
    /// Its value, empty if it has none.
    pub payload: Vec<u8>,
    /// Its headers as text.
    pub headers: BTreeMap<String, String>,
    /// The same as Kafka's type.
    pub raw_headers: Option<OwnedHeaders>,
}

/// Everything in a topic that is committed. Waits for open transactions to end, so that nothing is missed.
///
/// # Panics
/// When Kafka does not answer in time.
pub fn committed_records(kafka: &KafkaArgs, topic: &str) -> Vec<Record> {
    read(kafka, topic, "read_committed")
}

/// Everything in a topic, aborted records included.
///
/// # Panics
/// When Kafka does not answer in time.
pub fn records(kafka: &KafkaArgs, topic: &str) -> Vec<Record> {
    read(kafka, topic, "read_uncommitted")
}

/// Sends records and waits until all are acknowledged; `partition` none is the partitioner's choice.
///
/// # Panics
/// When one is not acknowledged in time.
pub fn produce<'a>(
    kafka: &KafkaArgs,
    topic: &str,
    partition: Option<i32>,
    records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) {
    let producer: BaseProducer = kafka
        .producer_config("testkit")
        .create()
        .expect("the settings are right");
    for (key, payload) in records {
        let mut record = BaseRecord::to(topic).key(key).payload(payload);
        record.partition = partition;
        while let Err((_, back)) = producer.send(record) {
            record = back;
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(LIMIT).expect("every record is acknowledged");
}

fn read(kafka: &KafkaArgs, topic: &str, isolation: &str) -> Vec<Record> {
    let mut config = kafka.client_config("testkit");
    config
        .set("group.id", "testkit-never-commits")
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "false")
        .set("fetch.wait.max.ms", "50");
    let consumer: BaseConsumer = config.create().expect("the settings are right");
    let ends = end_offsets(&consumer, topic);
    let mut assignment = TopicPartitionList::new();
    for &partition in ends.keys() {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("the offset is one");
    }
    consumer.assign(&assignment).expect("the partitions exist");

    let deadline = Instant::now() + LIMIT;
    let mut records = Vec::new();
    // control records have offsets, but are never seen: it is the position that tells when the end is reached
    while !reached(&consumer, topic, &ends) {
        assert!(
            Instant::now() < deadline,
            "{topic} was not read to its end within {LIMIT:?}"
        );
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => records.push(record(&message)),
            Some(Err(error)) => assert!(is_passing(&error), "reading {topic}: {error}"),
            None => {}
        }
    }
    records.sort_by_key(|record: &Record| (record.partition, record.offset));
    records
}

/// The metadata of a topic that was made a moment ago may not have reached everybody.
fn is_passing(error: &rdkafka::error::KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode::{
        LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            UnknownTopicOrPartition
                | UnknownTopic
                | UnknownPartition
                | LeaderNotAvailable
                | NotLeaderForPartition
        )
    )
}

/// Ends of the partitions that hold anything.
fn end_offsets(consumer: &BaseConsumer, topic: &str) -> BTreeMap<i32, i64> {
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .expect("the broker answers");
    let partitions = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| partition.id());
    partitions
        .filter_map(|partition| {
            let (low, high) = watermarks(consumer, topic, partition);
            (high > low).then_some((partition, high))
        })
        .collect()
}

fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let deadline = Instant::now() + LIMIT;
    loop {
        match consumer.fetch_watermarks(topic, partition, LIMIT) {
            Ok(watermarks) => return watermarks,
            Err(error) if is_passing(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("the ends of {topic}-{partition}: {error}"),
        }
    }
}

fn reached(consumer: &BaseConsumer, topic: &str, ends: &BTreeMap<i32, i64>) -> bool {
    let position = consumer.position().expect("an assigned consumer has a position");
    ends.iter().all(|(&partition, &end)| {
        matches!(position.find_partition(topic, partition).map(|p| p.offset()), Some(Offset::Offset(at)) if at >= end)
    })
}

fn record<M: Message<Headers = rdkafka::message::BorrowedHeaders>>(message: &M) -> Record {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers();
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default()),
        key: message.key().unwrap_or_default().to_vec(),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers
            .map(|headers| {
                headers
                    .iter()
                    .map(|header| (header.key.to_owned(), text(header.value)))
                    .collect()
            })
            .unwrap_or_default(),
        raw_headers: headers.map(|headers| headers.detach()),
    }
}
