//! Records that show when output goes on. Each is no reading, so that it becomes a dead letter, with the bytes that it
//! had: when it was sent. They go to every partition all the time, and come out of the partition of that number with the
//! transaction that they are in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::group::{Group, LIMIT};

/// Between two probes of a partition: how exact a stop is known.
const EVERY: Duration = Duration::from_millis(10);

/// No schema id: what begins with it is no reading.
const NO_READING: u8 = 1;

/// Sends probes and looks at what comes out, until it is dropped.
pub(crate) struct Probes {
    begin: Instant,
    seen: Arc<Mutex<Vec<Partition>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What has come out of one partition.
#[derive(Debug, Clone, Copy, Default)]
struct Partition {
    /// When the newest probe that has come out was sent, after the begin.
    sent: Duration,
    /// When something last came out.
    came: Option<Duration>,
    /// The longest time in which nothing came out, since that was last asked for.
    longest: Duration,
}

impl Probes {
    pub(crate) fn start(group: &Group) -> Result<Self> {
        let kafka = group.stack.kafka();
        let begin = Instant::now();
        let seen = Arc::new(Mutex::new(vec![
            Partition::default();
            usize::try_from(group.partitions)?
        ]));
        let stop = Arc::new(AtomicBool::new(false));

        let producer: BaseProducer = kafka.producer_config("probes").set("linger.ms", "1").create()?;
        let consumer: BaseConsumer = kafka
            .client_config("probes")
            .set("group.id", "probes") // wanted by the client; never joined
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10")
            .create()?;
        let topics = kafka.topics();
        let mut all = TopicPartitionList::new();
        for partition in 0..group.partitions {
            all.add_partition_offset(&topics.dead_letters, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;

        let (partitions, stopping) = (group.partitions, Arc::clone(&stop));
        let send = move || {
            while !stopping.load(Ordering::Relaxed) {
                let mut payload = vec![NO_READING];
                payload.extend((begin.elapsed().as_micros() as u64).to_be_bytes());
                for partition in 0..partitions {
                    let record = BaseRecord::<(), _>::to(&topics.readings)
                        .partition(partition)
                        .payload(&payload);
                    let _ = producer.send(record); // one that is missing makes no difference
                }
                producer.poll(Duration::ZERO);
                std::thread::sleep(EVERY);
            }
        };
        let (out, stopping) = (Arc::clone(&seen), Arc::clone(&stop));
        let look = move || {
            while !stopping.load(Ordering::Relaxed) {
                let Some(Ok(record)) = consumer.poll(EVERY) else {
                    continue;
                };
                let sent = record
                    .payload()
                    .and_then(|payload| payload.get(1..)?.try_into().ok());
                let Some(sent) = sent.map(u64::from_be_bytes).map(Duration::from_micros) else {
                    continue;
                };
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(partition) = usize::try_from(record.partition())
                    .ok()
                    .and_then(|partition| out.get_mut(partition))
                {
                    partition.came_out(sent, begin.elapsed());
                }
            }
        };
        Ok(Self {
            begin,
            seen,
            stop,
            threads: vec![std::thread::spawn(send), std::thread::spawn(look)],
        })
    }

    /// Waits until of every partition something has come out that was sent after `event`; how long after it that was.
    pub(crate) async fn until_all_since(&self, event: Instant) -> Result<Duration> {
        let since = event.duration_since(self.begin);
        while event.elapsed() < LIMIT {
            let all = self.with(|partitions| partitions.iter().all(|partition| partition.sent > since));
            if all {
                return Ok(event.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("nothing has come out of a partition for {LIMIT:?}")
    }

    /// The longest time in which nothing came out of a partition since this was last asked.
    pub(crate) fn longest_stop(&self) -> Duration {
        self.with(|partitions| {
            let longest = partitions.iter().map(|partition| partition.longest).max();
            partitions
                .iter_mut()
                .for_each(|partition| partition.longest = Duration::ZERO);
            longest.unwrap_or_default()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Partition>) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Partition {
    fn came_out(&mut self, sent: Duration, now: Duration) {
        if let Some(before) = self.came {
            self.longest = self.longest.max(now.saturating_sub(before));
        }
        self.came = Some(now);
        self.sent = self.sent.max(sent);
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // it has nothing to say
        }
    }
}
