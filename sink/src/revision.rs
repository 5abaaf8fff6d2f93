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

/// A reading as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReading {
    /// Which turbine.
    pub turbine_id: String,
    /// When.
    pub event_time: Timestamp,
    /// What.
    pub metrics: Metrics,
}

/// The windows of a minute's stored readings; none if there are none.
pub fn windows_of(
    minute: &Minute,
    readings: impl IntoIterator<Item = StoredReading>,
) -> Option<(FarmWindow, Vec<TurbineWindow>)> {
    let mut summary = WindowSummary::default();
    for reading in readings {
        summary.add(&reading.turbine_id, reading.event_time, &reading.metrics);
    }
    (summary.reading_count() > 0).then(|| summary.finish(&minute.farm_id, minute.start, minute.end))
}
