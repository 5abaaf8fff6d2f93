//! What has been read and is not stored yet, and how far each partition is. Pure: it knows no clock, no SQL and no
//! Kafka client.
//!
//! **Invariant.** The rows of a batch are those of the records from `stored` to below `next` of each lane, each once.

mod rows;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{Closed, FarmId, FarmWindow, Reading, TurbineWindow};
use platform::LateReading;
use rdkafka::message::Headers;

use crate::lane::Lane;
use crate::rows::reading::Place;

pub use rows::{DailyTable, Day, LateMark, Rows, Span, day_of};

/// When a batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows of all tables.
    pub rows: u64,
    /// Memory, bytes.
    pub bytes: usize,
    /// How long the first row may wait.
    pub age: Duration,
}

/// What becomes of one record.
#[derive(Debug)]
pub enum Taken<'a, H> {
    /// A row of `readings`.
    Reading(&'a Reading<'a>),
    /// A row of `farm_windows`.
    FarmWindow(&'a Closed<FarmWindow>),
    /// A row of `turbine_windows`.
    TurbineWindow(&'a Closed<TurbineWindow>),
    /// A mark on the window of this farm.
    Late(FarmId, LateReading),
    /// A row of `dead_letters`, from key, payload and headers.
    DeadLetter(Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a H>),
    /// Nothing: it broke a rule, and comes as a dead letter.
    Refused,
}

/// How far a lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next offset by the database.
    pub stored: i64,
    /// The next offset to be read.
    pub next: i64,
    /// Records between the two that became rows or marks.
    pub taken: u64,
    /// Records between the two that became nothing.
    pub refused: u64,
}

/// What has been read and is not stored yet.
#[derive(Debug)]
pub struct Batch {
    limits: BatchLimits,
    lanes: BTreeMap<Lane, Progress>,
    rows: Rows,
    since: Option<Instant>,
}

impl Batch {
    /// With no lane and no row.
    pub fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            lanes: BTreeMap::new(),
            rows: Rows::default(),
            since: None,
        }
    }

    /// Takes over a lane, or places it anew, at the database's next offset.
    pub fn own(&mut self, lane: Lane, stored: i64) {
        debug_assert!(
            self.lanes
                .get(&lane)
                .is_none_or(|progress| progress.next == progress.stored),
            "a lane is placed anew only without rows of it"
        );
        let progress = Progress {
            stored,
            next: stored,
            ..Progress::default()
        };
        self.lanes.insert(lane, progress);
    }

    /// Gives a lane up; its rows must have been stored or forgotten before.
    pub fn disown(&mut self, lane: Lane) {
        self.lanes.remove(&lane);
    }

    /// The lanes that are owned.
    pub fn lanes(&self) -> impl Iterator<Item = (Lane, Progress)> + '_ {
        self.lanes.iter().map(|(&lane, &progress)| (lane, progress))
    }

    /// Whether the record of this offset is still to be read. What comes twice, or of a lane that is not owned, is not.
    pub fn wants(&self, lane: Lane, offset: i64) -> bool {
        self.lanes
            .get(&lane)
            .is_some_and(|progress| offset >= progress.next)
    }

    /// Adds what a wanted record has become.
    pub fn push<H: Headers>(&mut self, lane: Lane, place: Place, taken: Taken<'_, H>, now: Instant) {
        let Some(progress) = self.lanes.get_mut(&lane) else {
            return;
        };
        progress.next = place.offset + 1;
        if matches!(taken, Taken::Refused) {
            progress.refused += 1;
        } else {
            progress.taken += 1;
            self.rows.put(taken, place);
        }
        self.since.get_or_insert(now);
    }

    /// Moves a lane over what nobody gets to see: marks of transactions, aborted records.
    pub fn skip_to(&mut self, lane: Lane, position: i64, now: Instant) {
        if let Some(progress) = self.lanes.get_mut(&lane)
            && progress.next < position
        {
            progress.next = position;
            self.since.get_or_insert(now);
        }
    }

    /// Whether there is nothing to be stored.
    pub const fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether it is full, or the first row has waited long enough.
    pub fn is_due(&self, now: Instant) -> bool {
        self.since.is_some()
            && (self.rows.len() >= self.limits.rows
                || self.rows.bytes() >= self.limits.bytes
                || self.due_in(now) == Some(Duration::ZERO))
    }

    /// How long the first row may still wait.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let age = now.saturating_duration_since(self.since?);
        Some(self.limits.age.saturating_sub(age))
    }

    /// What is to be stored.
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The lanes that the batch moves.
    pub fn moves(&self) -> impl Iterator<Item = (Lane, Progress)> + '_ {
        self.lanes()
            .filter(|(_, progress)| progress.next != progress.stored)
    }

    /// All of it is in the database.
    pub fn stored(&mut self) {
        for progress in self.lanes.values_mut() {
            *progress = Progress {
                stored: progress.next,
                next: progress.next,
                ..Progress::default()
            };
        }
        self.rows.clear();
        self.since = None;
    }

    /// Forgets the rows; every lane must be read again from what the database says.
    pub fn forget(&mut self) {
        for progress in self.lanes.values_mut() {
            *progress = Progress {
                stored: progress.stored,
                next: progress.stored,
                ..Progress::default()
            };
        }
        self.rows.clear();
        self.since = None;
    }
}

#[cfg(test)]
mod tests;
