//! The rows of a batch, and what they need to be there.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Closed, FarmId, FarmWindow, Reading, TimeDelta, Timestamp};
use platform::{LateReading, Rejection};
use rdkafka::message::Headers;
use stored::Length;

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
    /// By window start.
    WindowRevisions,
}

/// A day (UTC), counted from 1970-01-01.
pub type Day = i64;

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
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Of `readings`, those that look new.
    pub readings: CopyBuffer,
    /// Of `readings` too: those whose turbine and time may be there already, or among the ones before.
    pub suspects: CopyBuffer,
    /// Of `farm_windows`.
    pub farm_windows: CopyBuffer,
    /// Of `turbine_windows`.
    pub turbine_windows: CopyBuffer,
    /// Of `dead_letters`.
    pub dead_letters: CopyBuffer,
    /// Readings that come too late for their day, and what they are told.
    pub gone: Vec<(Place, Rejection)>,
    /// The windows that late readings have changed, with the greatest offset of such a reading.
    pub late: BTreeMap<LateMark, i64>,
    /// The partitions that the rows need.
    pub days: BTreeSet<(DailyTable, Day)>,
    /// The hours that windows lie in, which must be put together anew.
    pub hours: BTreeSet<(FarmId, Timestamp)>,
}

impl Rows {
    /// Rows of all tables, and marks.
    pub fn len(&self) -> u64 {
        let rows: u64 = self.buffers().into_iter().map(CopyBuffer::rows).sum();
        rows + (self.late.len() + self.gone.len()) as u64
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory they take, bytes.
    pub fn size(&self) -> usize {
        let rows: usize = self.buffers().into_iter().map(CopyBuffer::size).sum();
        let told: usize = self
            .gone
            .iter()
            .map(|(_, rejection)| size_of_rejection(rejection))
            .sum();
        rows + told + self.late.len() * size_of::<(LateMark, i64)>()
    }

    const fn buffers(&self) -> [&CopyBuffer; 5] {
        [
            &self.readings,
            &self.suspects,
            &self.farm_windows,
            &self.turbine_windows,
            &self.dead_letters,
        ]
    }

    pub(super) fn put<H: Headers>(&mut self, taken: Taken<'_, H>, place: Place, is_suspect: bool) {
        match taken {
            Taken::Reading(reading) => self.put_reading(reading, place, is_suspect),
            Taken::FarmWindow(Closed { window, close_reason }) => {
                let origin = Origin::closed(*close_reason, place);
                window::put_farm(&mut self.farm_windows, window, origin);
                self.need(DailyTable::FarmWindows, window.window_start);
                self.touch(window);
            }
            Taken::TurbineWindow(Closed { window, close_reason }) => {
                let origin = Origin::closed(*close_reason, place);
                window::put_turbine(&mut self.turbine_windows, window, origin);
                self.need(DailyTable::TurbineWindows, window.window.window_start);
                self.touch(&window.window);
            }
            Taken::Late(farm_id, late) => self.mark(farm_id, &late),
            Taken::DeadLetter(key, payload, headers) => {
                dead_letter::put(&mut self.dead_letters, key, payload, headers, place);
            }
            Taken::Gone(rejection) => self.gone.push((place, *rejection)),
            Taken::Refused => {}
        }
    }

    fn put_reading(&mut self, reading: &Reading<'_>, place: Place, is_suspect: bool) {
        let buffer = if is_suspect {
            &mut self.suspects
        } else {
            &mut self.readings
        };
        reading::put(buffer, reading, place);
        self.need(DailyTable::Readings, reading.event_time);
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

    fn touch(&mut self, window: &FarmWindow) {
        let hour = Length::Hour.start_of(window.window_start);
        self.hours.insert((window.farm_id.clone(), hour));
    }

    fn need(&mut self, table: DailyTable, time: Timestamp) {
        self.days.insert((table, day_of(time)));
    }

    pub(super) fn clear(&mut self) {
        self.readings.clear();
        self.suspects.clear();
        self.farm_windows.clear();
        self.turbine_windows.clear();
        self.dead_letters.clear();
        self.gone.clear();
        self.late.clear();
        self.days.clear();
        self.hours.clear();
    }
}

fn size_of_rejection(rejection: &Rejection) -> usize {
    size_of::<(Place, Rejection)>() + 2 * rejection.reason.len()
}

/// The day (UTC) of a time.
pub const fn day_of(time: Timestamp) -> Day {
    time.as_micros().div_euclid(DAY.as_micros())
}

/// The first instant of a day.
pub const fn start_of(day: Day) -> Timestamp {
    Timestamp::from_micros(day.saturating_mul(DAY.as_micros()))
}
