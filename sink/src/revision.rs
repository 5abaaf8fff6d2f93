//! Windows made anew from stored readings, with the same statistics code as when they closed.

use domain::{FarmId, FarmWindow, Metrics, Timestamp, TurbineWindow, WindowSummary};

/// A window that is to be made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// Whose.
    pub farm_id: FarmId,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// A window on its way: it takes stored readings one by one, and keeps of each no more than its statistics need.
#[derive(Debug)]
pub struct Remaking<'a> {
    minute: &'a Minute,
    summary: WindowSummary,
}

impl<'a> Remaking<'a> {
    /// Without a reading yet.
    pub fn of(minute: &'a Minute) -> Self {
        Self {
            minute,
            summary: WindowSummary::default(),
        }
    }

    /// Takes a reading of that minute.
    pub fn add(&mut self, turbine_id: &str, event_time: Timestamp, metrics: &Metrics) {
        self.summary.add(turbine_id, event_time, metrics);
    }

    /// How many readings it has taken.
    pub const fn readings(&self) -> u64 {
        self.summary.reading_count()
    }

    /// The windows of the farm and of its turbines; none if there was no reading.
    pub fn finish(self) -> Option<(FarmWindow, Vec<TurbineWindow>)> {
        let Minute { farm_id, start, end } = self.minute;
        (self.readings() > 0).then(|| self.summary.finish(farm_id, *start, *end))
    }
}
