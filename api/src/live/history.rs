//! What has left the ring, read from the log again for one listener.

use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::tail::{assignment, consumer, poll};
use super::translate::{Late, Translated};
use super::{Event, Feed, Filter, Position, Source};

/// How much is read in one go, so that others get their turn.
const MOST_EVENTS: usize = 5_000;
const MOST_BYTES: usize = 4 << 20;
const LONGEST: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What one go has brought.
#[derive(Debug)]
pub(super) enum Turn {
    /// These, and then the listener is here.
    Read {
        events: Vec<Event>,
        late: Vec<Late>,
        position: Position,
    },
    /// The log has forgotten what lies before `until` in this partition.
    Forgotten {
        source: Source,
        partition: i32,
        until: i64,
    },
}

/// Reads from `from` towards `until` what `filter` wants. Blocks.
///
/// # Errors
/// When Kafka does not answer.
pub(super) fn read(feed: &Feed, from: &Position, until: &Position, filter: &Filter) -> anyhow::Result<Turn> {
    let consumer = consumer(&feed.shared().settings.kafka, "windfarm-api-history")?;
    let behind = behind(from, until);
    if let Some(forgotten) = forgotten(feed, &consumer, &behind)? {
        return Ok(forgotten);
    }
    consumer
        .assign(&assignment(feed, &behind)?)
        .context("taking up the logs")?;
    let mut translator = feed.translator();
    let (mut events, mut late, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut position = from.clone();
    let deadline = Instant::now() + LONGEST;
    let is_enough = |events: usize, bytes| events >= MOST_EVENTS || bytes >= MOST_BYTES;
    while !position.is_at_or_after(until) && !is_enough(events.len(), bytes) && is_in_time(feed, deadline) {
        let Some(message) = poll(&consumer, POLL)? else {
            skip_markers(feed, &consumer, &mut position)?;
            continue;
        };
        let Some(place) = translator.place(&message) else {
            continue;
        };
        let end = until.get(place.source, place.partition).unwrap_or_default();
        if place.offset >= end {
            position.advance(place.source, place.partition, end); // the ring has it
            continue;
        }
        match translator.translate(place, &message) {
            Translated::Event(event) if filter.wants(&event) => {
                bytes += event.bytes();
                events.push(event);
            }
            Translated::Late(one) if filter.farms.include(Some(&one.farm)) => late.push(one),
            Translated::Event(_) | Translated::Late(_) | Translated::Nothing => {}
        }
        position.advance(place.source, place.partition, place.offset + 1);
    }
    Ok(Turn::Read {
        events,
        late,
        position,
    })
}

/// The partitions in which there is anything to read.
fn behind(from: &Position, until: &Position) -> Position {
    let mut behind = Position::default();
    for (source, partition, next) in from.iter() {
        if until.get(source, partition).is_some_and(|end| next < end) {
            behind.set(source, partition, next);
        }
    }
    behind
}

fn forgotten(feed: &Feed, consumer: &BaseConsumer, behind: &Position) -> anyhow::Result<Option<Turn>> {
    for (source, partition, next) in behind.iter() {
        let topic = source.topic(&feed.shared().topics);
        let (first, _) = consumer
            .fetch_watermarks(topic, partition, ANSWER_LIMIT)
            .with_context(|| format!("the begin of {topic}[{partition}]"))?;
        if next < first {
            return Ok(Some(Turn::Forgotten {
                source,
                partition,
                until: first,
            }));
        }
    }
    Ok(None)
}

/// Moves on to where the consumer is: markers of transactions have offsets, and are never seen.
fn skip_markers(feed: &Feed, consumer: &BaseConsumer, position: &mut Position) -> anyhow::Result<()> {
    let reached = consumer.position().context("how far the logs were read")?;
    for element in reached.elements() {
        let source = Source::of_topic(element.topic(), &feed.shared().topics);
        if let (Some(source), Offset::Offset(at)) = (source, element.offset()) {
            position.advance(source, element.partition(), at);
        }
    }
    Ok(())
}

fn is_in_time(feed: &Feed, deadline: Instant) -> bool {
    Instant::now() < deadline && !feed.shared().stop.is_cancelled()
}
