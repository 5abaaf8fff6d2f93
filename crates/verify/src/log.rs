//! Kafka's side: ends of partitions, and whole topics read to a given place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use backon::{BlockingRetryable, ExponentialBuilder};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

/// How long Kafka may take to answer, or to hand over the next record.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Reads topics without a group, committed records only.
pub(crate) struct Log {
    consumer: BaseConsumer,
}

/// The first offset that a partition still has, and the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: i64,
    pub(crate) end: i64,
}

impl Log {
    pub(crate) fn new(kafka: &KafkaArgs) -> anyhow::Result<Self> {
        let mut config = kafka.client_config("verify");
        for (key, value) in [
            ("group.id", "verify-never-commits"),
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_committed"),
            ("fetch.wait.max.ms", "50"),
        ] {
            config.set(key, value);
        }
        let consumer = config.create().context("kafka consumer")?;
        Ok(Self { consumer })
    }

    /// The extent of each partition of a topic.
    pub(crate) fn extents(&self, topic: &str) -> anyhow::Result<BTreeMap<i32, Extent>> {
        let metadata = patiently(|| self.consumer.fetch_metadata(Some(topic), ANSWER_LIMIT))
            .with_context(|| format!("asking for the partitions of {topic}"))?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let extent = |partition: i32| {
            let (first, end) = patiently(|| self.consumer.fetch_watermarks(topic, partition, ANSWER_LIMIT))
                .with_context(|| format!("asking for the end of {topic}[{partition}]"))?;
            Ok((partition, Extent { first, end }))
        };
        partitions.map(|partition| extent(partition.id())).collect()
    }

    /// Hands every record of these partitions from `first` to below `end` to `each`.
    pub(crate) fn read(
        &self,
        topic: &str,
        extents: &BTreeMap<i32, Extent>,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for (&partition, extent) in extents.iter().filter(|(_, extent)| extent.end > extent.first) {
            list.add_partition_offset(topic, partition, Offset::Offset(extent.first))?;
        }
        self.consumer.assign(&list)?;
        let mut heard = Instant::now();
        while !self.has_read(topic, &list, extents)? {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if message.offset() < extents[&message.partition()].end {
                        each(&message)?;
                    }
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(error).with_context(|| format!("reading {topic}")),
                None if heard.elapsed() > ANSWER_LIMIT => {
                    bail!(
                        "reading {topic}: nothing more within {} s",
                        ANSWER_LIMIT.as_secs()
                    )
                }
                None => {}
            }
        }
        self.consumer.unassign()?;
        Ok(())
    }

    /// Marks of transactions have offsets, but are never handed over: the position tells when the end is reached.
    fn has_read(
        &self,
        topic: &str,
        list: &TopicPartitionList,
        extents: &BTreeMap<i32, Extent>,
    ) -> anyhow::Result<bool> {
        let position = self.consumer.position()?;
        Ok(list.elements().iter().all(|element| {
            let at = position
                .find_partition(topic, element.partition())
                .map(|found| found.offset());
            matches!(at, Some(Offset::Offset(at)) if at >= extents[&element.partition()].end)
        }))
    }
}

/// Asks again while a broker is electing leaders, starting, or not heard of yet.
fn patiently<T>(ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_total_delay(Some(ANSWER_LIMIT));
    ask.retry(waits).call()
}

/// Kafka goes on by itself after these.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::OperationTimedOut
        )
    )
}
