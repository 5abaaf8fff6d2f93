//! What has been read and is not stored yet, and how far each partition is. Pure: it knows no clock, no SQL and no
//! Kafka client.
//!
//! **Invariant.** The rows of a batch are those of the records from `stored` to below `next` of each lane, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::{Closed, FarmId, FarmWindow, Reading, TimeDelta, Timestamp, TurbineId, TurbineWindow};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use platform::LateReading;
use rdkafka::message::Headers;

use crate::copy::CopyBuffer;
use crate::lane::Lane;
use crate::rows::reading::Place;
use crate::rows::window::Origin;
use crate::rows::{dead_letter, reading, window};

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

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

/// A table with a partition for each day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DailyTable {
    /// By event time.
    Readings,
    /// By window start.
    FarmWindows,
    /// By window start.
    TurbineWindows,
}

/// A day (UTC), counted from 1970-01-01.
pub type Day = i64;

/// The first and the last event time of a turbine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The earliest.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

/// A window that a late reading has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LateMark {
    /// Whose window.
    pub farm_id: FarmId,
    /// Its start.
    pub window_start: Timestamp,
    /// Where the reading lies in `readings`.
    pub partition: i32,
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

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Rows {
    /// Of `readings`.
    pub readings: CopyBuffer,
    /// Of `farm_windows`.
    pub farm_windows: CopyBuffer,
    /// Of `turbine_windows`.
    pub turbine_windows: CopyBuffer,
    /// Of `dead_letters`.
    pub dead_letters: CopyBuffer,
    /// The windows that late readings have changed, with the greatest offset of such a reading.
    pub late: BTreeMap<LateMark, i64>,
    /// The partitions that the rows need.
    pub days: BTreeSet<(DailyTable, Day)>,
    turbines: HashMap<FarmId, HashMap<TurbineId, Span>>,
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

impl Rows {
    /// Rows of all tables.
    pub fn len(&self) -> u64 {
        let buffers = [
            &self.readings,
            &self.farm_windows,
            &self.turbine_windows,
            &self.dead_letters,
        ];
        buffers.into_iter().map(CopyBuffer::rows).sum()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Turbines that have readings among the rows, with their first and last event time, in the order of ids: so two
    /// who store at once lock in the same order.
    pub fn turbines(&self) -> Vec<(&FarmId, &TurbineId, Span)> {
        let mut all: Vec<_> = self
            .turbines
            .iter()
            .flat_map(|(farm, turbines)| turbines.iter().map(move |(turbine, &span)| (farm, turbine, span)))
            .collect();
        all.sort_unstable_by_key(|&(farm, turbine, _)| (farm, turbine));
        all
    }

    fn bytes(&self) -> usize {
        let buffers = [
            &self.readings,
            &self.farm_windows,
            &self.turbine_windows,
            &self.dead_letters,
        ];
        buffers.into_iter().map(CopyBuffer::len).sum()
    }

    fn put<H: Headers>(&mut self, taken: Taken<'_, H>, place: Place) {
        match taken {
            Taken::Reading(reading) => self.put_reading(reading, place),
            Taken::FarmWindow(Closed { window, close_reason }) => {
                let origin = Origin::closed(*close_reason, place);
                window::put_farm(&mut self.farm_windows, window, origin);
                self.need(DailyTable::FarmWindows, window.window_start);
            }
            Taken::TurbineWindow(Closed { window, close_reason }) => {
                let origin = Origin::closed(*close_reason, place);
                window::put_turbine(&mut self.turbine_windows, window, origin);
                self.need(DailyTable::TurbineWindows, window.window.window_start);
            }
            Taken::Late(farm_id, late) => self.mark(farm_id, &late),
            Taken::DeadLetter(key, payload, headers) => {
                dead_letter::put(&mut self.dead_letters, key, payload, headers, place);
            }
            Taken::Refused => {}
        }
    }

    fn put_reading(&mut self, reading: &Reading<'_>, place: Place) {
        reading::put(&mut self.readings, reading, place);
        self.need(DailyTable::Readings, reading.event_time);
        let turbines = match self.turbines.entry_ref(reading.farm_id.as_ref()) {
            EntryRef::Occupied(entry) => entry.into_mut(),
            EntryRef::Vacant(entry) => entry.insert_with_key(reading.to_farm_id(), HashMap::new()),
        };
        let span = Span {
            first: reading.event_time,
            last: reading.event_time,
        };
        match turbines.entry_ref(reading.turbine_id.as_ref()) {
            EntryRef::Occupied(entry) => entry.into_mut().include(span),
            EntryRef::Vacant(entry) => {
                entry.insert_with_key(reading.to_turbine_id(), span);
            }
        }
    }

    fn mark(&mut self, farm_id: FarmId, late: &LateReading) {
        let mark = LateMark {
            farm_id,
            window_start: late.window_start,
            partition: late.source.partition,
        };
        // where a revision will write
        self.need(DailyTable::FarmWindows, late.window_start);
        self.need(DailyTable::TurbineWindows, late.window_start);
        let offset = self.late.entry(mark).or_insert(late.source.offset);
        *offset = late.source.offset.max(*offset);
    }

    fn need(&mut self, table: DailyTable, time: Timestamp) {
        self.days.insert((table, day_of(time)));
    }

    fn clear(&mut self) {
        self.readings.clear();
        self.farm_windows.clear();
        self.turbine_windows.clear();
        self.dead_letters.clear();
        self.late.clear();
        self.days.clear();
        self.turbines.clear();
    }
}

impl Span {
    fn include(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// The day (UTC) of a time.
pub const fn day_of(time: Timestamp) -> Day {
    time.as_micros().div_euclid(DAY.as_micros())
}
