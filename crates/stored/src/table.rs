//! The tables of windows.

use std::borrow::Cow;

use domain::{Metric, TimeDelta, Timestamp};

use crate::columns;

/// Whose windows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// Of whole farms.
    Farm,
    /// Of single turbines.
    Turbine,
}

/// How long the windows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// As the aggregator made them: a minute, unless set otherwise.
    Minute,
    /// Put together to ten minutes.
    TenMinutes,
    /// Put together to hours (UTC).
    Hour,
}

/// A table of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Whose.
    pub of: Of,
    /// How long.
    pub length: Length,
}

impl Length {
    /// As a distance. Of [`Self::Minute`] what is usual.
    pub const fn as_delta(self) -> TimeDelta {
        TimeDelta::from_secs(match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::Hour => 3_600,
        })
    }

    /// The start of the window of this length that `time` lies in.
    pub const fn start_of(self, time: Timestamp) -> Timestamp {
        time.floor_to(self.as_delta())
    }
}

impl Table {
    /// The tables of windows that were put together.
    pub const ROLLED_UP: [Self; 4] = [
        Self::new(Of::Farm, Length::TenMinutes),
        Self::new(Of::Farm, Length::Hour),
        Self::new(Of::Turbine, Length::TenMinutes),
        Self::new(Of::Turbine, Length::Hour),
    ];

    /// The table of these windows.
    pub const fn new(of: Of, length: Length) -> Self {
        Self { of, length }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match (self.of, self.length) {
            (Of::Farm, Length::Minute) => "farm_windows",
            (Of::Farm, Length::TenMinutes) => "ten_minute_farm_windows",
            (Of::Farm, Length::Hour) => "hourly_farm_windows",
            (Of::Turbine, Length::Minute) => "turbine_windows",
            (Of::Turbine, Length::TenMinutes) => "ten_minute_turbine_windows",
            (Of::Turbine, Length::Hour) => "hourly_turbine_windows",
        }
    }

    /// What is to be selected from it for [`crate::read`], without anything before.
    pub fn selection(self) -> &'static str {
        columns::selection(self)
    }

    /// The same for [`crate::read_metrics`] of these.
    pub fn selection_of(self, metrics: &[Metric]) -> Cow<'static, str> {
        if metrics == Metric::ALL {
            Cow::Borrowed(self.selection())
        } else {
            Cow::Owned(columns::selection_of(self, metrics))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_at_a_multiple_of_its_length() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let time = at("2026-11-23T10:59:59.999999Z");
        assert_eq!(Length::Minute.start_of(time), at("2026-11-23T10:59:00Z"));
        assert_eq!(Length::TenMinutes.start_of(time), at("2026-11-23T10:50:00Z"));
        assert_eq!(Length::Hour.start_of(time), at("2026-11-23T10:00:00Z"));
    }
}
