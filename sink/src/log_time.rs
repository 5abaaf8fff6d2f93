//! How far the log has come by what is stored of it: the append time of the first record that is not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use domain::Timestamp;
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::lane::{Lane, Topic};

/// How long Kafka may take to answer about a topic.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What windows and readings are stored from. What waits among the dead letters is of no day.
const TOPICS: [Topic; 4] = [
    Topic::Readings,
    Topic::FarmWindows,
    Topic::TurbineWindows,
    Topic::LateReadings,
];

/// The earliest append time of all records from these offsets on; none if there are no such records. A lane that is not
/// among them counts from its beginning. Blocks.
///
/// # Errors
/// When Kafka does not answer, or does not have an offset.
pub(crate) fn log_time(kafka: &KafkaArgs, next: &BTreeMap<Lane, i64>) -> anyhow::Result<Option<Timestamp>> {
    let mut config = kafka.client_config("windfarm-sink-log-time");
    for (key, value) in [
        ("group.id", "windfarm-sink-log-time-never-joins"),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("fetch.wait.max.ms", "50"),
        ("fetch.message.max.bytes", "65536"),
    ] {
        config.set(key, value);
    }
    let consumer: BaseConsumer = config.create().context("kafka consumer")?;
    let topics = kafka.topics();
    let mut earliest = None;
    for topic in TOPICS {
        let name = topic.name(&topics);
        let list = positions(&consumer, topic, name, next)?;
        let times = first_times(&consumer, &list).with_context(|| format!("how far {name} is stored"))?;
        earliest = times.into_iter().chain(earliest).min();
    }
    Ok(earliest)
}

fn positions(
    consumer: &BaseConsumer,
    topic: Topic,
    name: &str,
    next: &BTreeMap<Lane, i64>,
) -> anyhow::Result<TopicPartitionList> {
    let metadata = consumer
        .fetch_metadata(Some(name), ANSWER_LIMIT)
        .with_context(|| format!("asking for the partitions of {name}"))?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        let partition = partition.id();
        let lane = Lane { topic, partition };
        let offset = next
            .get(&lane)
            .map_or(Offset::Beginning, |&next| Offset::Offset(next));
        list.add_partition_offset(name, partition, offset)?;
    }
    Ok(list)
}

/// The time of the first record of each partition that has one.
fn first_times(consumer: &BaseConsumer, list: &TopicPartitionList) -> anyhow::Result<Vec<Timestamp>> {
    consumer.assign(list)?;
    let deadline = Instant::now() + ANSWER_LIMIT;
    // none for a partition that has been read to its end
    let mut found: BTreeMap<i32, Option<Timestamp>> = BTreeMap::new();
    while found.len() < list.count() {
        if Instant::now() >= deadline {
            bail!("no answer within {} s", ANSWER_LIMIT.as_secs());
        }
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let millis = message.timestamp().to_millis().unwrap_or_default();
                found
                    .entry(message.partition())
                    .or_insert(Some(Timestamp::from_millis(millis)));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                found.entry(partition).or_insert(None);
            }
            Some(Err(
                error @ (KafkaError::MessageConsumption(_) | KafkaError::MessageConsumptionFatal(_)),
            )) => {
                return Err(error.into());
            }
            Some(Err(error)) => tracing::debug!(%error, "asking how far the log is stored"),
            None => {}
        }
    }
    consumer.unassign()?;
    Ok(found.into_values().flatten().collect())
}
