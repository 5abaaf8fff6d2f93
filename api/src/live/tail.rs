//! The one consumer that follows the logs while somebody listens.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use platform::KafkaArgs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use super::translate::{Translated, Translator};
use super::{Feed, Position, Source};

/// How far back the ring is filled at the start, so that those who come back after a restart of this process need
/// not read the log one by one.
const HEAD_START: Duration = Duration::from_secs(120);

/// What comes within this time of each other is told at once: a listener is woken 20 times a second at most.
const TOGETHER: Duration = Duration::from_millis(50);

/// Records that are told at once at most.
const MOST_RECORDS: usize = 1_000;

const POLL: Duration = Duration::from_millis(100);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);

/// Follows until nobody wants it any more; begins anew, where it was, after any trouble.
pub(super) fn run(feed: &Feed, run: u64) {
    let mut translator = feed.translator();
    let mut next = None;
    while feed.is_wanted(run) {
        if let Err(error) = follow(feed, run, &mut translator, &mut next) {
            tracing::warn!(
                error = format!("{error:#}"),
                "the live stream does not follow Kafka"
            );
            std::thread::sleep(AGAIN);
        }
    }
}

fn follow(
    feed: &Feed,
    run: u64,
    translator: &mut Translator,
    next: &mut Option<Position>,
) -> anyhow::Result<()> {
    let shared = feed.shared();
    let consumer = consumer(&shared.settings.kafka, "windfarm-api-live")?;
    let next = match next {
        Some(next) => next,
        None => {
            let (begin, head) = beginning(feed, &consumer)?;
            feed.begin(begin.clone(), head);
            next.insert(begin)
        }
    };
    consumer
        .assign(&assignment(feed, next)?)
        .context("taking up the logs")?;
    while feed.is_wanted(run) {
        let (mut events, mut late) = (Vec::new(), Vec::new());
        let mut wait = POLL;
        let mut deadline = None;
        for _ in 0..MOST_RECORDS {
            let Some(message) = poll(&consumer, wait)? else {
                break;
            };
            if let Some(place) = translator.place(&message) {
                match translator.translate(place, &message) {
                    Translated::Event(event) => events.push(event),
                    Translated::Late(one) => late.push(one),
                    Translated::Nothing => {}
                }
                next.advance(place.source, place.partition, place.offset + 1);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + TOGETHER);
            wait = deadline.saturating_duration_since(Instant::now());
        }
        feed.publish(events, late);
    }
    Ok(())
}

/// The next record, if one comes in time.
pub(super) fn poll(consumer: &BaseConsumer, wait: Duration) -> anyhow::Result<Option<BorrowedMessage<'_>>> {
    match consumer.poll(wait) {
        None => Ok(None),
        Some(Ok(message)) => Ok(Some(message)),
        // most trouble passes, and librdkafka goes on by itself
        Some(Err(error)) => {
            ensure!(
                !matches!(error, rdkafka::error::KafkaError::MessageConsumptionFatal(_)),
                "kafka: {error}"
            );
            tracing::debug!(%error, "kafka has trouble");
            Ok(None)
        }
    }
}

/// A consumer that belongs to no group and sees what is committed.
pub(super) fn consumer(kafka: &KafkaArgs, client_id: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = kafka.client_config(client_id);
    for (key, value) in [
        ("group.id", "windfarm-api-never-joins"),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
        // a log that was made anew is read from its begin
        ("auto.offset.reset", "earliest"),
        ("fetch.wait.max.ms", "100"),
        ("fetch.queue.backoff.ms", "20"),
        ("queued.max.messages.kbytes", "16384"),
    ] {
        config.set(key, value);
    }
    config.create().context("kafka consumer of the live stream")
}

/// From where the ring is filled, and where now is.
fn beginning(feed: &Feed, consumer: &BaseConsumer) -> anyhow::Result<(Position, Position)> {
    let topics = &feed.shared().topics;
    let metadata = consumer
        .fetch_metadata(None, ANSWER_LIMIT)
        .context("topic list")?;
    let mut partitions = Vec::new();
    for source in Source::ALL {
        let name = source.topic(topics);
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let count = topic.map_or(0, |topic| topic.partitions().len());
        ensure!(count > 0, "topic {name} is not there yet");
        partitions.extend((0..count as i32).map(|partition| (source, partition)));
    }
    let since = jiff::Timestamp::now() - HEAD_START;
    let offsets = |at: Offset| offsets(feed, consumer, &partitions, at);
    let head = offsets(Offset::End)?;
    let mut begin = offsets(Offset::Offset(since.as_millisecond()))?;
    for (source, partition, end) in head.iter() {
        // nothing is that new
        if begin.get(source, partition).is_none() {
            begin.set(source, partition, end);
        }
    }
    Ok((begin, head))
}

fn offsets(
    feed: &Feed,
    consumer: &BaseConsumer,
    partitions: &[(Source, i32)],
    at: Offset,
) -> anyhow::Result<Position> {
    let topics = &feed.shared().topics;
    let mut wanted = TopicPartitionList::new();
    for (source, partition) in partitions {
        wanted.add_partition_offset(source.topic(topics), *partition, at)?;
    }
    let found = consumer
        .offsets_for_times(wanted, ANSWER_LIMIT)
        .context("offsets of the logs")?;
    let mut position = Position::default();
    for element in found.elements() {
        element
            .error()
            .with_context(|| format!("offset of {}[{}]", element.topic(), element.partition()))?;
        let source = Source::of_topic(element.topic(), topics);
        if let (Some(source), Offset::Offset(offset)) = (source, element.offset()) {
            position.set(source, element.partition(), offset);
        }
    }
    Ok(position)
}

/// The partitions of a position, from there on.
pub(super) fn assignment(feed: &Feed, next: &Position) -> anyhow::Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (source, partition, next) in next.iter() {
        let topic = source.topic(&feed.shared().topics);
        list.add_partition_offset(topic, partition, Offset::Offset(next))?;
    }
    Ok(list)
}
