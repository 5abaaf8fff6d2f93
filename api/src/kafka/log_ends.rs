//! Where the logs end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks Kafka where its logs end, without joining any group. Cloning shares the connection.
#[derive(Clone)]
pub struct LogEnds(Arc<BaseConsumer>);

impl LogEnds {
    /// Prepares the connection.
    ///
    /// # Errors
    /// When librdkafka does not take the settings.
    pub fn new(kafka: &KafkaArgs) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = kafka
            .client_config("windfarm-api-log-ends")
            .set("group.id", "windfarm-api-never-joins")
            .set("enable.auto.commit", "false")
            .create()
            .context("kafka client for the ends of logs")?;
        Ok(Self(Arc::new(consumer)))
    }

    /// The end of each partition of these topics: the offset that its next record will have.
    ///
    /// # Errors
    /// When Kafka does not answer within ten seconds.
    pub async fn of(&self, topics: Vec<String>) -> anyhow::Result<BTreeMap<(String, i32), i64>> {
        let consumer = Arc::clone(&self.0);
        let ends = tokio::task::spawn_blocking(move || log_ends(&consumer, &topics)).await?;
        ends.context("ends of the logs")
    }
}

fn log_ends(consumer: &BaseConsumer, topics: &[String]) -> Result<BTreeMap<(String, i32), i64>, KafkaError> {
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let mut wanted = TopicPartitionList::new();
    for topic in metadata
        .topics()
        .iter()
        .filter(|topic| topics.iter().any(|name| name == topic.name()))
    {
        for partition in topic.partitions() {
            // asked for "the latest" in place of a time, Kafka tells all ends in one request a broker
            wanted.add_partition_offset(topic.name(), partition.id(), Offset::End)?;
        }
    }
    let found = consumer.offsets_for_times(wanted, PATIENCE)?;
    let ends = found.elements().into_iter().filter_map(|element| {
        let Offset::Offset(end) = element.offset() else {
            return None;
        };
        Some(((element.topic().to_owned(), element.partition()), end))
    });
    Ok(ends.collect())
}
