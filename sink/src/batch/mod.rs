//! What has been read and is not stored yet, and how far each partition is. Pure: it knows no clock, no SQL and no
//! Kafka client.
//!
//! One batch fills while the one before is stored: [`Pipeline`] keeps the two in order, [`Batch`] is the one that fills,
//! [`Sealed`] the one that is stored.
//!
//! **Invariant.** The rows of a batch are those of the records from `begin` to below `next` of each lane, each once.

mod pipeline;
mod rows;
mod sealed;
mod seen;
mod turbines;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{Closed, FarmId, FarmWindow, Reading, Timestamp, TurbineWindow};
use platform::{LateReading, Rejection};
use rdkafka::message::Headers;

use crate::copy::CopyBuffer;
use crate::lane::Lane;
use crate::rows::reading::Place;

pub use pipeline::Pipeline;
pub use rows::{DailyTable, Day, LateMark, Rows, day_of, start_of};
pub use sealed::{Move, Sealed};
pub use seen::{Seen, Span};
pub use turbines::TurbineSpan;

use turbines::Turbines;

/// When a batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows of all tables.
    pub rows: u64,
    /// Memory, bytes.
    pub bytes: usize,
    /// Partitions of days: each that a transaction writes into takes locks, of which a server has only so many.
    pub days: usize,
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
    /// A dead letter that we send: a reading whose day is gone.
    Gone(Box<Rejection>),
    /// Nothing: it broke a rule, and comes as a dead letter.
    Refused,
}

/// How far a lane is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next offset by the database.
    pub stored: i64,
    /// Where the batch begins: where the one before it ends.
    pub begin: i64,
    /// The next offset to be read.
    pub next: i64,
    /// Records of the batch that became rows or marks.
    pub taken: u64,
    /// Records of the batch that became nothing.
    pub refused: u64,
    /// When the broker appended the last record that was read.
    pub read_at: Option<Timestamp>,
    /// When the broker appended the last record that is stored.
    pub stored_at: Option<Timestamp>,
}

/// The batch that fills.
#[derive(Debug, Clone)]
pub struct Batch {
    limits: BatchLimits,
    lanes: BTreeMap<Lane, Progress>,
    rows: Rows,
    turbines: Turbines,
    since: Option<Instant>,
    /// The memory of a batch that is stored.
    spare: Option<Rows>,
    /// The memory of rows that have been sorted.
    unsorted: CopyBuffer,
}

impl Batch {
    /// With no lane and no row.
    pub fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            lanes: BTreeMap::new(),
            rows: Rows::default(),
            turbines: Turbines::default(),
            since: None,
            spare: None,
            unsorted: CopyBuffer::default(),
        }
    }

    /// Takes over a lane, or places it anew, at the database's next offset.
    pub fn own(&mut self, lane: Lane, stored: i64) {
        debug_assert!(
            self.lanes
                .get(&lane)
                .is_none_or(|progress| progress.next == progress.begin),
            "a lane is placed anew only without rows of it"
        );
        self.lanes.insert(lane, Progress::at(stored));
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
        progress.read_at = Some(place.appended_at);
        if matches!(taken, Taken::Refused) {
            progress.refused += 1;
        } else {
            progress.taken += 1;
            let is_suspect = matches!(&taken, Taken::Reading(reading) if self.turbines.observe(reading));
            self.rows.put(taken, place, is_suspect);
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

    /// Whether it should take no more.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.limits.rows
            || self.rows.size() >= self.limits.bytes
            || self.rows.days.len() >= self.limits.days
    }

    /// Whether it is full, or the first row has waited long enough.
    pub fn is_due(&self, now: Instant) -> bool {
        self.since.is_some() && (self.due_in(now) == Some(Duration::ZERO) || self.is_full())
    }

    /// How long the first row may still wait.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let age = now.saturating_duration_since(self.since?);
        Some(self.limits.age.saturating_sub(age))
    }

    /// What has been taken.
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Takes out what is to be stored, and begins the next batch where it ends. Its readings are put together by turbine,
    /// each turbine's in the order of the log: so the rows of one go into one place of the table's key, one after the
    /// other, which is what makes ten thousand turbines cost little more than ten.
    pub fn seal(&mut self) -> Sealed {
        let moved = self
            .lanes
            .iter_mut()
            .filter(|(_, progress)| progress.next != progress.begin);
        let moves = moved
            .map(|(&lane, progress)| {
                let sealed = Move {
                    lane,
                    expected: progress.begin,
                    next: progress.next,
                    taken: progress.taken,
                    refused: progress.refused,
                    appended_at: progress.read_at,
                };
                *progress = Progress {
                    begin: progress.next,
                    taken: 0,
                    refused: 0,
                    ..*progress
                };
                sealed
            })
            .collect();
        let empty = self.spare.take().unwrap_or_default();
        let mut rows = std::mem::replace(&mut self.rows, empty);
        let turbines = self.turbines.take_batch();
        rows.readings.sort(&turbines.ranks, &mut self.unsorted);
        self.since = None;
        Sealed {
            moves,
            rows,
            turbines: turbines.spans,
        }
    }

    /// A sealed batch is in the database; its memory is used again.
    pub fn stored(&mut self, sealed: Sealed) {
        for moved in &sealed.moves {
            if let Some(progress) = self.lanes.get_mut(&moved.lane) {
                progress.stored = moved.next;
                progress.stored_at = moved.appended_at;
            }
        }
        self.reuse(sealed.rows);
    }

    /// Forgets the rows; every lane must be read again from what the database says.
    pub fn forget(&mut self) {
        for progress in self.lanes.values_mut() {
            *progress = Progress::at(progress.stored);
        }
        self.rows.clear();
        self.turbines = Turbines::default();
        self.since = None;
    }

    fn reuse(&mut self, mut rows: Rows) {
        rows.clear();
        self.spare = Some(rows);
    }
}

impl Progress {
    /// With nothing read beyond what is stored.
    pub fn at(stored: i64) -> Self {
        Self {
            stored,
            begin: stored,
            next: stored,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
