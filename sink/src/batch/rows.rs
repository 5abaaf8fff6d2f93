//! The rows of a batch, and what they need to be there.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Closed, FarmId, Reading, TimeDelta, Timestamp, TurbineId};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use platform::LateReading;
use rdkafka::message::Headers;

use super::Taken;
use crate::copy::CopyBuffer;
use crate::rows::reading::Place;
use crate::rows::window::Origin;
use crate::rows::{dead_letter, reading, window};

const DAY: TimeDelta = TimeDelta::from_secs(86_400);

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

    pub(super) fn bytes(&self) -> usize {
        let buffers = [
            &self.readings,
            &self.farm_windows,
            &self.turbine_windows,
            &self.dead_letters,
        ];
        buffers.into_iter().map(CopyBuffer::len).sum()
    }

    pub(super) fn put<H: Headers>(&mut self, taken: Taken<'_, H>, place: Place) {
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

    pub(super) fn clear(&mut self) {
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
