//! What a listener has missed and the ring does not hold, piece by piece.

use std::time::Duration;

use anyhow::Context;
use domain::FarmId;

use super::event::Place;
use super::history::{self, Turn};
use super::revisions::{Told, windows_of};
use super::{Event, Feed, Filter, Position, Source};
use crate::queries::live::{self, OffsetRange, settled};
use crate::queries::windows;

/// Offsets that are looked up in the database at once.
const PAGE: i64 = 2_000;

/// Between two looks at how far the sink is.
const AGAIN: Duration = Duration::from_secs(1);

/// Events in their order; after them the reader is at `position`.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) events: Vec<Event>,
    pub(super) position: Position,
}

/// Reads on from `position` towards what the ring holds.
///
/// # Errors
/// When Kafka or the database does not answer.
pub(super) async fn read(feed: Feed, position: Position, filter: Filter) -> anyhow::Result<Chapter> {
    let begin = feed.with_ring(|ring| ring.begin().clone());
    let begin = begin.context("nobody follows the logs")?;
    let turn = {
        let _permit = feed.shared().readers.acquire().await?;
        let (feed, from, filter) = (feed.clone(), position.clone(), filter.clone());
        tokio::task::spawn_blocking(move || history::read(&feed, &from, &begin, &filter)).await??
    };
    match turn {
        Turn::Forgotten {
            source,
            partition,
            until,
        } => {
            let from = position.get(source, partition).unwrap_or_default();
            let range = OffsetRange {
                partition,
                from,
                until: until.min(from + PAGE),
            };
            let events = stored(&feed, source, range, &filter).await?;
            let mut position = position;
            position.advance(source, partition, range.until);
            Ok(Chapter { events, position })
        }
        Turn::Read {
            mut events,
            late,
            position,
        } => {
            let shared = feed.shared();
            let (database, topic) = (&shared.settings.database, &shared.topics.late_readings);
            while settled(database, topic, &late).await? < late.len() {
                tokio::time::sleep(AGAIN).await;
            }
            events.extend(windows_of(database, &late, &mut Told::new()).await?);
            Ok(Chapter { events, position })
        }
    }
}

/// What the database has of a stretch that the log has forgotten.
async fn stored(
    feed: &Feed,
    source: Source,
    range: OffsetRange,
    filter: &Filter,
) -> Result<Vec<Event>, sqlx::Error> {
    let database = &feed.shared().settings.database;
    let farms = filter.farms.names();
    let place = |offset| Place {
        source,
        partition: range.partition,
        offset,
    };
    let id = |farm: &str| FarmId::parse(farm).ok();
    Ok(match source {
        Source::Readings => live::readings(database, range, farms)
            .await?
            .iter()
            .map(|(offset, reading)| Event::new(place(*offset), id(&reading.farm_id), reading))
            .collect(),
        Source::DeadLetters => live::dead_letters(database, range, farms)
            .await?
            .iter()
            .map(|(offset, letter)| {
                Event::new(place(*offset), letter.farm_id.as_deref().and_then(id), letter)
            })
            .collect(),
        Source::Windows => {
            let mut events = Vec::new();
            for (offset, (farm, start)) in live::windows(database, range, farms).await? {
                let Some(farm) = id(&farm) else { continue };
                if let Some(window) = windows::find(database, &farm, start).await? {
                    events.push(Event::new(place(offset), Some(farm), &window));
                }
            }
            events
        }
        // their windows were made anew long ago, and are as they are now wherever they are asked for
        Source::LateReadings => Vec::new(),
    })
}
