//! A window that is still open.

use domain::{CloseReason, FarmId, Timestamp, WindowSummary};

use crate::clock::EventTimes;
use crate::{ClosedWindow, Offset, WindowConfig};

/// What has been gathered of one window of one farm, with at least one reading.
#[derive(Debug)]
pub(crate) struct OpenWindow {
    pub(crate) start: Timestamp,
    /// First instant after it.
    pub(crate) end: Timestamp,
    /// Stream time at which it closes.
    pub(crate) closes_at: Timestamp,
    /// The first record that changed it, be it a rejected one: a restart reads on from there, so that the counts
    /// come out the same.
    pub(crate) first_offset: Offset,
    pub(crate) summary: WindowSummary,
    pub(crate) event_times: EventTimes,
}

impl OpenWindow {
    pub(crate) fn new(start: Timestamp, first_offset: Offset, config: &WindowConfig) -> Self {
        Self {
            start,
            end: config.window_end(start),
            closes_at: config.closes_at(start),
            first_offset,
            summary: WindowSummary::default(),
            event_times: EventTimes::default(),
        }
    }

    pub(crate) fn finish(self, farm_id: &FarmId, close_reason: CloseReason) -> ClosedWindow {
        let (farm, turbines) = self.summary.finish(farm_id, self.start, self.end);
        ClosedWindow {
            close_reason,
            farm,
            turbines,
        }
    }
}
