//! How long the output stands still, as a reader of committed records sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

/// Between two looks at whether to go on.
const POLL: Duration = Duration::from_millis(20);

/// A reader that notes when records come.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<BTreeMap<i32, Stop>>,
}

/// The longest time without a record of one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The last record before it.
    pub(super) since: Instant,
    pub(super) lasted: Duration,
}

/// The last record of a partition, and its longest stop so far.
struct Seen {
    last: Instant,
    longest: Stop,
}

impl Watch {
    /// Watches every partition of a topic, from its beginning.
    pub(super) fn begin(kafka: &KafkaArgs, topic: &str, partitions: i32) -> Result<Self> {
        let consumer: BaseConsumer = kafka
            .client_config("chaos-watch")
            .set("group.id", "chaos-watch-never-commits")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "20")
            // a broker that was restarted is found again at once
            .set("reconnect.backoff.max.ms", "100")
            .create()
            .context("kafka consumer")?;
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Ok(Self {
            stop,
            reader: std::thread::spawn(move || watch(&consumer, &stopped)),
        })
    }

    /// The longest stop of each partition that had any record, until now.
    pub(super) fn end(self) -> Result<BTreeMap<i32, Stop>> {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().map_err(|_| anyhow!("the watch panicked"))
    }
}

fn watch(consumer: &BaseConsumer, stop: &AtomicBool) -> BTreeMap<i32, Stop> {
    let mut seen = BTreeMap::<i32, Seen>::new();
    while !stop.load(Ordering::Relaxed) {
        // it goes on after every error; a partition that stays away shows as a stop
        if let Some(Ok(record)) = consumer.poll(POLL) {
            let now = Instant::now();
            let partition = seen.entry(record.partition()).or_insert_with(|| Seen::first(now));
            partition.again(now);
        }
    }
    let end = Instant::now();
    seen.into_iter()
        .map(|(partition, mut seen)| {
            seen.again(end);
            (partition, seen.longest)
        })
        .collect()
}

impl Seen {
    const fn first(at: Instant) -> Self {
        Self {
            last: at,
            longest: Stop {
                since: at,
                lasted: Duration::ZERO,
            },
        }
    }

    fn again(&mut self, at: Instant) {
        let stop = Stop {
            since: self.last,
            lasted: at - self.last,
        };
        if stop.lasted > self.longest.lasted {
            self.longest = stop;
        }
        self.last = at;
    }
}
