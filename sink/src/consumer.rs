//! The Kafka side of one thread: the member of the group, its callbacks, and the loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use platform::{HealthHandle, Topics, group};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Statistics, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::lane::Topic;
use crate::telemetry;
use crate::worker::Worker;

/// How long partitions may take to be given up when the sink stops.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Records that are taken before anything else is looked after.
const RECORDS_AT_ONCE: usize = 500;

/// What can come from Kafka.
enum Input<'a> {
    Record(BorrowedMessage<'a>),
    Trouble(KafkaError),
    Nothing,
}

/// Reaches the thread's state from the callbacks, which run on the same thread within `poll`: so nobody may hold the
/// lock while polling.
pub(crate) struct Context {
    worker: Mutex<Worker>,
    kafka: HealthHandle,
    topics: Topics,
}

/// Settings of the group's member `name`.
pub(crate) fn config(args: &Args, name: &str) -> ClientConfig {
    let mut config = args.kafka.client_config(name);
    let session_timeout_ms = args.group.session_timeout.as_millis().to_string();
    for (key, value) in [
        ("group.id", args.group_id().as_str()),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("session.timeout.ms", &session_timeout_ms),
        ("heartbeat.interval.ms", "1000"),
        // a callback waits as long for a database that is away before the group goes on without us
        ("max.poll.interval.ms", "600000"),
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // an offset that the log does not have is an error to be told, not a reason to begin anywhere else
        ("auto.offset.reset", "error"),
        ("fetch.wait.max.ms", "50"),
        ("fetch.queue.backoff.ms", "20"),
        // small records take three times as much memory while they wait
        ("queued.max.messages.kbytes", "16384"),
        ("statistics.interval.ms", "5000"),
    ] {
        config.set(key, value);
    }
    config
}

/// Runs one member of the group, which reads `share`, until it is told to stop, or cannot go on.
///
/// # Errors
/// What waiting cannot mend, in the database or on Kafka.
pub(crate) fn run(
    mut config: ClientConfig,
    instance_id: Option<&str>,
    share: &[Topic],
    worker: Worker,
) -> anyhow::Result<()> {
    let (topics, stop) = (worker.parts.topics.clone(), worker.parts.stop.clone());
    if let Some(instance_id) = instance_id {
        config.set("group.instance.id", instance_id);
    }
    let context = Context {
        kafka: worker.parts.health.kafka.clone(),
        topics: topics.clone(),
        worker: Mutex::new(worker),
    };
    let consumer: BaseConsumer<Context> = config.create_with_context(context).context("kafka consumer")?;
    let names: Vec<_> = share.iter().map(|topic| topic.name(&topics)).collect();
    consumer.subscribe(&names).context("subscribing")?;
    let context = Arc::clone(consumer.context());

    let ended = work(&consumer, &context, &stop).and_then(|()| leave(&consumer, instance_id.is_some()));
    // While the consumer is dropped it goes on handing out records, to nobody: its position then lies beyond what is
    // stored, and must not be taken for it.
    context.lock().forget();
    group::close(consumer);
    ended
}

fn work(consumer: &BaseConsumer<Context>, context: &Context, stop: &CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let mut timeout = context.lock().poll_timeout();
        let mut now = None;
        for _ in 0..RECORDS_AT_ONCE {
            let input = next(consumer, timeout);
            let now = *now.get_or_insert_with(Instant::now);
            match input {
                Input::Record(message) if context.lock().record(&message, now) => timeout = Duration::ZERO,
                Input::Record(_) | Input::Nothing => break,
                Input::Trouble(error) => {
                    context.trouble(consumer, &error)?;
                    break;
                }
            }
        }
        context.lock().step(consumer)?;
    }
    Ok(())
}

fn next(consumer: &BaseConsumer<Context>, timeout: Duration) -> Input<'_> {
    match consumer.poll(timeout) {
        Some(Ok(message)) => Input::Record(message),
        Some(Err(error)) => Input::Trouble(error),
        None => Input::Nothing,
    }
}

/// Stores what there is and gives the partitions up, so that others go on at once; but a member with a name of its own
/// keeps them, as it is to be back within the session timeout.
fn leave(consumer: &BaseConsumer<Context>, is_static: bool) -> anyhow::Result<()> {
    let context = consumer.context();
    context.lock().finish(consumer);
    context.lock().forget();
    let is_done = if is_static {
        // unsubscribing would tell the group
        consumer.pause(&consumer.assignment()?)?;
        group::stay(consumer, STOP_LIMIT)
    } else {
        // a record that still comes is nobody's now: its lane reads on from the database's offset
        group::leave(consumer, STOP_LIMIT)?
    };
    if !is_done {
        tracing::warn!(
            limit_s = STOP_LIMIT.as_secs(),
            "the partitions could not be given back in time"
        );
    }
    Ok(())
}

impl Context {
    fn lock(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kafka has trouble: most of it passes, and librdkafka goes on by itself.
    fn trouble(&self, consumer: &BaseConsumer<Self>, error: &KafkaError) -> anyhow::Result<()> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            bail!("kafka: {code}");
        }
        if let KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) = error {
            bail!("{}", self.lock().out_of_range(consumer));
        }
        tracing::warn!(%error, "kafka has trouble");
        self.kafka.not_ready(error.to_string());
        Ok(())
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        if statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP" && broker.nodeid >= 0)
        {
            self.kafka.ready();
        }
        // told within a call that holds the lock, they can wait for the next time
        let worker = match self.worker.try_lock() {
            Ok(worker) => worker,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        for (lane, progress) in worker.parts.pipeline.lanes() {
            let topic = lane.topic.name(&self.topics);
            let partition = statistics
                .topics
                .get(topic)
                .and_then(|topic| topic.partitions.get(&lane.partition));
            if let Some(partition) = partition.filter(|partition| partition.ls_offset >= 0) {
                telemetry::lag(lane, topic, progress, partition.ls_offset);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let mut worker = self.lock();
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            worker.assigned(consumer, partitions);
            self.kafka.ready();
        } else {
            worker.revoked(consumer, partitions);
        }
    }
}
