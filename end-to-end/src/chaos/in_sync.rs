//! Until a cluster has got over the loss of a broker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Waits until each replica of every partition is in sync, for so long at most: a broker that has come back answers before it
/// has what it missed, and while it has not, no other one may be lost.
pub(super) fn until_in_sync(kafka: &KafkaArgs, limit: Duration) -> Result<()> {
    let observer: BaseConsumer = kafka.client_config("chaos-observer").create()?;
    let begun = Instant::now();
    loop {
        let behind = behind(&observer);
        if matches!(behind, Ok(0)) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < limit,
            "after {} s the replicas of {behind:?} partitions are not in sync",
            limit.as_secs()
        );
        std::thread::sleep(LOOK);
    }
}

/// How many partitions have a replica that is not in sync.
fn behind(observer: &BaseConsumer) -> Result<usize> {
    let metadata = observer
        .fetch_metadata(None, ANSWER)
        .context("asking for the partitions")?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions
        .filter(|partition| partition.isr().len() < partition.replicas().len())
        .count())
}
