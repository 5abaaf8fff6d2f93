//! Windows that late readings changed, told when the sink has made them anew.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use domain::{FarmId, Timestamp};
use sqlx::PgPool;

use super::event::Place;
use super::translate::Late;
use super::{Event, Feed, Source};
use crate::queries::live::{Mark, settled};
use crate::queries::windows;

/// Between two looks at the database while something is pending.
const INTERVAL: Duration = Duration::from_millis(500);

/// Late readings that are looked at together at most.
const MOST_LATE: usize = 1_000;

/// More windows than that are not remembered.
const MOST_WINDOWS: usize = 10_000;

/// A window, and its revision that was told last.
pub(super) type Told = HashMap<(FarmId, Timestamp), u64>;

impl Mark for Late {
    fn place(&self) -> (i32, i64) {
        (self.partition, self.offset)
    }

    fn window(&self) -> (&str, Timestamp) {
        (self.farm.as_str(), self.window_start)
    }
}

/// Tells of windows made anew while the tail runs.
pub(super) async fn run(feed: Feed, run: u64) {
    let mut told = Told::new();
    while let Some(late) = feed.late(run, MOST_LATE) {
        if !late.is_empty()
            && let Err(error) = tell(&feed, &late, &mut told).await
        {
            tracing::warn!(%error, "windows made anew are told later");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn tell(feed: &Feed, late: &[Late], told: &mut Told) -> Result<(), sqlx::Error> {
    let shared = feed.shared();
    let database = &shared.settings.database;
    let ready = settled(database, &shared.topics.late_readings, late).await?;
    let events = windows_of(database, &late[..ready], told).await?;
    feed.settle_late(ready, events);
    Ok(())
}

/// The windows of these late readings as they are now, as far as they were made anew and that was not `told` yet.
/// Several late readings of one window are one event.
pub(super) async fn windows_of(
    database: &PgPool,
    late: &[Late],
    told: &mut Told,
) -> Result<Vec<Event>, sqlx::Error> {
    let mut events = Vec::new();
    let mut seen = BTreeSet::new();
    // the last one stands for its window: after it the window is as told
    for one in late.iter().rev() {
        if !seen.insert((one.farm.as_str(), one.window_start)) {
            continue;
        }
        let found = windows::find(database, &one.farm, one.window_start).await?;
        let Some(window) = found.filter(|window| window.revision > 0) else {
            continue; // the late reading was no news
        };
        if told.len() >= MOST_WINDOWS {
            told.clear();
        }
        let key = (one.farm.clone(), one.window_start);
        if told.insert(key, window.revision) == Some(window.revision) {
            continue;
        }
        let place = Place {
            source: Source::LateReadings,
            partition: one.partition,
            offset: one.offset,
        };
        events.push(Event::new(place, Some(one.farm.clone()), &window));
    }
    events.reverse();
    Ok(events)
}
