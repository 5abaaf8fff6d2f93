//! The floor: consumers set up as the aggregator's, which only count, one record for each `poll`.

use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::worker;

/// How long a poll waits, as the aggregator's does.
const POLL: Duration = Duration::from_millis(50);

/// How long the broker may take to tell of its partitions.
const ANSWER: Duration = Duration::from_secs(10);

/// Partitions to be read to their ends as they are now.
struct Share {
    consumer: BaseConsumer,
    records: u64,
}

/// Reads the topic whole, and says when it has begun and when it is done. Partitions are shared out beforehand, so that
/// no rebalance is in it.
pub(crate) fn run(threads: u16) -> Result<()> {
    let args = stream_aggregator::Args::try_parse_from(["drain"])?;
    let shares: Vec<_> = (0..threads)
        .map(|thread| Share::of(&args, thread, threads))
        .collect::<Result<_>>()?;
    let records = shares.iter().map(|share| share.records).sum();
    let begun = Once::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .iter()
            .map(|share| scope.spawn(|| share.drain(&begun)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    worker::say_done(records);
    worker::wait_to_be_stopped()
}

impl Share {
    /// Every partition that is this thread's.
    fn of(args: &stream_aggregator::Args, thread: u16, threads: u16) -> Result<Self> {
        let consumer: BaseConsumer =
            stream_aggregator::consumer_config(args, &format!("drain-{thread}"), "drain", thread)
                .create()
                .context("kafka consumer")?;
        let topic = args.kafka.topics().readings;
        let metadata = consumer
            .fetch_metadata(Some(&topic), ANSWER)
            .context("asking for the partitions")?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        let (mut list, mut records) = (TopicPartitionList::new(), 0);
        for partition in (usize::from(thread)..partitions).step_by(usize::from(threads)) {
            let partition = i32::try_from(partition)?;
            let (low, high) = consumer.fetch_watermarks(&topic, partition, ANSWER)?;
            ensure!(low == 0, "{topic}-{partition} begins at {low}");
            records += u64::try_from(high)?;
            list.add_partition_offset(&topic, partition, Offset::Offset(0))?;
        }
        consumer.assign(&list)?;
        Ok(Self { consumer, records })
    }

    fn drain(&self, begun: &Once) -> Result<()> {
        let mut counted = 0;
        while counted < self.records {
            match self.consumer.poll(POLL) {
                Some(Ok(_)) => {
                    counted += 1;
                    if counted == 1 {
                        begun.call_once(|| worker::say_working(1));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) => return Err(error).context("reading"),
            }
        }
        Ok(())
    }
}
