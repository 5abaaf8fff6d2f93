//! When the aggregator has nothing left to do: what its group has committed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use stream_aggregator::machine::Metadata;

/// Between two questions.
const LOOK: Duration = Duration::from_millis(200);

/// How long the broker may take to answer one.
const ANSWER: Duration = Duration::from_secs(5);

/// Waits until every record is processed and no window is open.
///
/// # Errors
/// When that takes longer than `limit`.
pub(super) fn until_settled(kafka: &KafkaArgs, partitions: i32, limit: Duration) -> Result<()> {
    // asks for the group's offsets without being a member
    let observer: BaseConsumer = kafka
        .client_config("chaos-observer")
        .set("group.id", format!("{}stream-aggregator", kafka.topic_prefix))
        .set("enable.auto.commit", "false")
        .create()
        .context("kafka consumer")?;
    let topic = kafka.topics().readings;
    let deadline = Instant::now() + limit;
    let mut open: Vec<i32> = (0..partitions).collect();
    while Instant::now() < deadline {
        open.retain(|&partition| !is_settled(&observer, &topic, partition).unwrap_or(false));
        if open.is_empty() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    bail!(
        "partitions {open:?} are not processed, or have open windows, after {} s",
        limit.as_secs()
    )
}

fn is_settled(observer: &BaseConsumer, topic: &str, partition: i32) -> Result<bool> {
    let (_, end) = observer.fetch_watermarks(topic, partition, ANSWER)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let answer = observer.committed_offsets(asked, ANSWER)?;
    let element = answer.find_partition(topic, partition).context("no answer")?;
    let Offset::Offset(offset) = element.offset() else {
        return Ok(end == 0);
    };
    let metadata: Metadata = element.metadata().parse()?;
    Ok(metadata.processed == end && offset == end)
}
