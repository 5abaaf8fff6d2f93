//! A window that is still open.

use domain::{CloseReason, FarmId, Timestamp, WindowSummary};

use crate::clock::EventTimes;
use crate::{ClosedWindow, Offset, WindowConfig};

/// What has been gathered of one window of one farm, with at least one reading.
#[derive(Debug)]
pub(crate) struct OpenWindow {
    pub(crate) start: Timestamp,
    /// The first record that changed it, be it a rejected one: a restart reads on from there, so that the counts
    /// come out the same.
    pub(crate) first_offset: Offset,
    pub(crate) summary: WindowSummary,
    pub(crate) event_times: EventTimes,
}

impl OpenWindow {
    pub(crate) fn finish(
        self,
        farm_id: &FarmId,
        config: &WindowConfig,
        close_reason: CloseReason,
    ) -> ClosedWindow {
        let end = config.window_end(self.start);
        let (farm, turbines) = self.summary.finish(farm_id, self.start, end);
        ClosedWindow {
            close_reason,
            farm,
            turbines,
        }
    }
}
