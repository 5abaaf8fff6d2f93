//! One stream thread: a member of the group, from joining to leaving.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use platform::{Health, group};
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::callbacks::{Callbacks, log_client_error};
use super::clocks::Clocks;
use super::fitted::{LARGEST_MESSAGE, Room};
use super::ledger::Ledger;
use super::outputs::{Outputs, SchemaIds};
use super::producer::TransactionalProducer;
use super::queues::{Queues, Told};
use super::schemas::Schemas;
use super::stream::{GroupConsumer, Input, Stream};
use crate::args::{Args, GroupArgs, GroupProtocol};
use crate::machine::{Machine, Settings, Trouble};

/// How long a poll waits for records: also the time between two ticks when there are none.
const POLL: Duration = Duration::from_millis(50);

/// The same while something should be committed soon.
const SHORT_POLL: Duration = Duration::from_millis(2);

/// So many records are dealt with at once.
const BATCH: usize = 256;

/// The client's default, bytes.
const MOST_PER_BATCH: usize = 1_000_000;

/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(15);

/// What a stream thread is made of.
#[derive(Clone)]
pub(super) struct Deps {
    pub(super) args: Args,
    /// This process among those of the group.
    pub(super) instance: String,
    pub(super) partitions: i32,
    /// How much the topics take.
    pub(super) room: Room,
    pub(super) ids: SchemaIds,
    pub(super) registry: avro::Registry,
    pub(super) health: Health,
    pub(super) runtime: Handle,
    pub(super) stop: CancellationToken,
}

/// Runs stream thread `thread` until it is told to stop.
pub(super) fn run(thread: u16, deps: &Deps) -> anyhow::Result<()> {
    let Some(consumer) = join(thread, deps)? else {
        return Ok(());
    };
    let outcome = work(&consumer, deps);
    group::close(consumer);
    outcome
}

fn work(consumer: &GroupConsumer, deps: &Deps) -> anyhow::Result<()> {
    consumer
        .context()
        .stream()
        .ledger
        .warm(deps.partitions, &deps.stop);
    let queues = Queues::of(
        consumer,
        &deps.args.kafka.topics().readings,
        &consumer.context().funnel,
    );
    while !deps.stop.is_cancelled() {
        turn(consumer, &queues);
        if let Some(why) = consumer.context().stream().failure.take() {
            bail!(why);
        }
    }
    leave(consumer)
}

/// A consumer that has subscribed; none if we are told to stop first.
fn join(thread: u16, deps: &Deps) -> anyhow::Result<Option<GroupConsumer>> {
    let args = &deps.args;
    let client_id = format!("{}-{}-{thread}", args.group_id(), deps.instance);
    let topics = args.kafka.topics();
    let mut producer = TransactionalProducer::new(
        producer_config(args, &client_id, deps.room),
        args.group.transaction_timeout,
    );
    if !connect(&mut producer, &deps.stop)? {
        return Ok(None);
    }
    let stream = Stream {
        thread,
        readings: topics.readings.clone(),
        machine: Machine::new(Settings {
            topic: topics.readings.clone(),
            windows: args.windows.config()?,
            commit_interval: args.group.commit_interval,
        }),
        producer,
        outputs: Outputs::new(topics.clone(), deps.ids, deps.room),
        clocks: Clocks::default(),
        ledger: Ledger::new(
            &args.kafka,
            &client_id,
            deps.registry.clone(),
            deps.runtime.clone(),
        )?,
        schemas: Schemas::new(deps.registry.clone(), args.windows.limits(), deps.runtime.clone()),
        health: deps.health.component(super::thread_name(thread)),
        stop: deps.stop.clone(),
        failure: None,
        hindrance: Some("starting".to_owned()), // as health has it until it is told otherwise
        commit_began: Instant::now(),
        in_rebalance: false,
    };
    let callbacks = Callbacks::new(stream, deps.health.component("kafka"), args.group.group_protocol);
    let consumer: GroupConsumer = consumer_config(args, &client_id, &deps.instance, thread)
        .create_with_context(callbacks)
        .context("kafka consumer")?;
    consumer.subscribe(&[&topics.readings]).context("subscribing")?;
    Ok(Some(consumer))
}

/// Aborts what a former owner of our id has left open; false if we are told to stop first.
fn connect(producer: &mut TransactionalProducer, stop: &CancellationToken) -> anyhow::Result<bool> {
    while !stop.is_cancelled() {
        match producer.connect() {
            Ok(()) => return Ok(true),
            Err(Trouble::Retry(why)) => tracing::warn!(why, "the transaction coordinator does not answer"),
            Err(Trouble::Abort(why) | Trouble::Fenced(why)) => {
                return Err(anyhow!(why).context("kafka producer"));
            }
        }
    }
    Ok(false)
}

/// Deals with what has come, at most a batch for each partition; if that is nothing, waits for more.
fn turn(consumer: &GroupConsumer, queues: &Queues<'_>) {
    serve(consumer, queues);
    let mut seen = Seen::default();
    let mut next = 0;
    while let Some(partition) = partition_from(consumer, next) {
        let mut stream = consumer.context().stream();
        let count = queues.hand_over(partition, |fetched| match fetched {
            _ if stream.failure.is_some() => {} // this is the end
            Ok(record) => stream.handle(Input::Record(record), consumer),
            Err(told) if !stream.machine.owns(told.partition) => {} // it was ours
            Err(Told { error, reason, .. }) => {
                if matches!(error, KafkaError::PartitionEOF(_)) {
                    seen.an_end = true;
                } else {
                    log_client_error("consumer", &error, &reason); // no callback tells of it
                }
                failed(&mut stream, &error, consumer);
            }
        });
        seen.anything |= count > 0;
        seen.a_full_batch |= count >= BATCH;
        next = partition + 1;
    }
    if next == 0 {
        queues.drop_records(); // of partitions that were ours
    }
    let mut stream = consumer.context().stream();
    if seen.an_end || seen.a_full_batch {
        stream.machine.set_behind(!seen.an_end);
    }
    stream.handle(Input::Tick, consumer);
    let patience = if stream.wants_tick() { SHORT_POLL } else { POLL };
    drop(stream);
    if !seen.anything {
        queues.wait(patience);
    }
}

/// What a turn has come upon.
#[derive(Default)]
struct Seen {
    anything: bool,
    a_full_batch: bool,
    an_end: bool,
}

fn partition_from(consumer: &GroupConsumer, number: i32) -> Option<i32> {
    consumer.context().stream().machine.partition_from(number)
}

/// Rebalances, statistics and errors: what the consumer has to tell besides records.
fn serve(consumer: &GroupConsumer, queues: &Queues<'_>) {
    loop {
        let polled = consumer.poll(Duration::ZERO); // be it only to say that we live
        let mut stream = consumer.context().stream();
        match polled {
            None => {} // there was nothing, or it has been dealt with
            Some(Err(error)) => failed(&mut stream, &error, consumer),
            // it would be dealt with after later ones
            Some(Ok(_)) => stream.handle(Input::Fatal("a record came by another way".to_owned()), consumer),
        }
        if stream.failure.is_some() || !queues.have_events() {
            break;
        }
    }
}

fn failed(stream: &mut Stream, error: &KafkaError, consumer: &GroupConsumer) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the client goes on after every other error"
    )]
    match error {
        KafkaError::PartitionEOF(partition) => stream.handle(Input::EndOfPartition(*partition), consumer),
        KafkaError::MessageConsumptionFatal(_) => {
            stream.handle(Input::Fatal(format!("kafka consumer: {error}")), consumer);
        }
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
        ) => {
            stream.handle(Input::OffsetOutOfRange, consumer);
        }
        _ => tracing::debug!(%error, "reading goes on"), // it has been told
    }
}

/// Commits, gives the partitions back and waits until the group knows.
fn leave(consumer: &GroupConsumer) -> anyhow::Result<()> {
    consumer.context().stream().handle(Input::Stop, consumer);
    if !group::leave(consumer, LEAVE)? {
        bail!("the partitions could not be given back within {LEAVE:?}");
    }
    consumer
        .context()
        .stream()
        .failure
        .take()
        .map_or(Ok(()), |why| Err(anyhow!(why)))
}

/// The settings of the consumer of stream thread `thread`; of use too to whoever measures what reading alone costs.
pub fn consumer_config(args: &Args, client_id: &str, instance: &str, thread: u16) -> ClientConfig {
    let mut config = args.kafka.client_config(client_id);
    let group = &args.group;
    config
        .set("group.id", args.group_id())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set(
            "max.poll.interval.ms",
            longest_silence(group).as_millis().to_string(),
        )
        .set("fetch.wait.max.ms", "50")
        // what is fetched ahead: so little that it still lies in the processor's cache when its turn comes
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.message.max.bytes", "524288")
        // how soon a partition that had enough is fetched from again: by default after a second, in which a backlog stands
        // still most of the time
        .set("fetch.queue.backoff.ms", "5")
        .set("consume.callback.max.messages", BATCH.to_string())
        .set("statistics.interval.ms", "5000");
    match group.group_protocol {
        GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        GroupProtocol::Classic => config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set(
                "session.timeout.ms",
                group.session_timeout.as_millis().to_string(),
            )
            .set(
                "heartbeat.interval.ms",
                (group.session_timeout.as_millis() / 10)
                    .clamp(100, 500)
                    .to_string(),
            ),
    };
    if group.instance_id.is_some() {
        config.set("group.instance.id", format!("{instance}-{thread}"));
    }
    config
}

/// How long a member may be silent before its partitions go to others, and how long a rebalance waits for it: so long as ending
/// a transaction may take it, and no more. librdkafka has no limit for finding the group's coordinator when offsets are put into
/// a transaction (`rd_kafka_coord_req`), so that one whose broker is lost may hold a member as long as that.
fn longest_silence(group: &GroupArgs) -> Duration {
    (group.transaction_timeout * 3)
        .min(Duration::from_secs(60))
        .max(group.session_timeout)
}

fn producer_config(args: &Args, client_id: &str, room: Room) -> ClientConfig {
    let mut config = args.kafka.producer_config(client_id);
    config
        .set("transactional.id", client_id)
        .set(
            "transaction.timeout.ms",
            args.group.transaction_timeout.as_millis().to_string(),
        )
        // as much as the topics of checkpoints, late readings and dead letters take
        .set("message.max.bytes", LARGEST_MESSAGE.to_string())
        // several records go as one message, which no topic may find too large
        .set("batch.size", room.all.min(MOST_PER_BATCH).to_string())
        .set("linger.ms", "5");
    config
}
