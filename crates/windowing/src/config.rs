//! How long windows are, and how long they wait.

use domain::{TimeDelta, Timestamp};

/// What may be set about windows. It must be the same for all who read the same log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    size: TimeDelta,
    grace: TimeDelta,
    idle_after: TimeDelta,
}

/// Settings with which windows make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowConfigError {
    /// A window of no length holds nothing.
    #[error("window size is {} ms, at least 1 ms is wanted", .0.as_millis())]
    Size(TimeDelta),
    /// A window cannot close before its end.
    #[error("grace is {} ms, at least 0 ms is wanted", .0.as_millis())]
    Grace(TimeDelta),
    /// Without a pause no farm is quiet.
    #[error("idle time is {} ms, at least 1 ms is wanted", .0.as_millis())]
    IdleAfter(TimeDelta),
}

impl WindowConfig {
    /// Windows of `size`, which close `grace` after their end; a farm is quiet after `idle_after` without a reading.
    ///
    /// # Errors
    /// [`WindowConfigError`] if `size` or `idle_after` is less than a millisecond, or `grace` is negative.
    pub fn new(size: TimeDelta, grace: TimeDelta, idle_after: TimeDelta) -> Result<Self, WindowConfigError> {
        let least = TimeDelta::from_millis(1);
        if size < least {
            return Err(WindowConfigError::Size(size));
        }
        if grace < TimeDelta::ZERO {
            return Err(WindowConfigError::Grace(grace));
        }
        if idle_after < least {
            return Err(WindowConfigError::IdleAfter(idle_after));
        }
        Ok(Self {
            size,
            grace,
            idle_after,
        })
    }

    /// Length of a window; its start is a multiple of it since the Unix epoch.
    pub const fn size(&self) -> TimeDelta {
        self.size
    }

    /// How far stream time must pass a window's end before it closes.
    pub const fn grace(&self) -> TimeDelta {
        self.grace
    }

    /// How much log time must pass without a reading of a farm before its stream time runs on with log time.
    pub const fn idle_after(&self) -> TimeDelta {
        self.idle_after
    }

    /// Start of the window that `event_time` lies in, unless some of it has been closed already.
    pub(crate) fn window_start(&self, event_time: Timestamp) -> Timestamp {
        event_time.floor_to(self.size)
    }

    /// End of the window that starts at `start`.
    pub(crate) fn window_end(&self, start: Timestamp) -> Timestamp {
        start.floor_to(self.size) + self.size
    }

    /// Stream time at which the window that starts at `start` closes.
    pub(crate) fn closes_at(&self, start: Timestamp) -> Timestamp {
        self.window_end(start) + self.grace
    }

    /// End of the newest window that is closed at `stream_time`.
    pub(crate) fn closed_until(&self, stream_time: Timestamp) -> Timestamp {
        (stream_time - self.grace).floor_to(self.size)
    }

    /// The log time that ends the note of a rejected reading: at least as long after it was appended as a quiet farm
    /// may take to close a window, at most twice that.
    pub(crate) fn note_ends_at(&self, appended_at: Timestamp) -> Timestamp {
        let stretch = self.size + self.grace + self.idle_after;
        appended_at.floor_to(stretch) + stretch + stretch
    }

    /// How far apart two windows may start of which a farm has notes.
    pub(crate) fn note_reach(&self) -> TimeDelta {
        self.size + self.grace
    }
}

impl Default for WindowConfig {
    /// 60 s, closed 10 s after their end; quiet after 5 s.
    fn default() -> Self {
        Self {
            size: TimeDelta::from_secs(60),
            grace: TimeDelta::from_secs(10),
            idle_after: TimeDelta::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_named_with_value_and_bound() {
        let new = |size, grace, idle_after| {
            let ms = TimeDelta::from_millis;
            WindowConfig::new(ms(size), ms(grace), ms(idle_after))
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(new(1, 0, 1), Ok(()));
        assert_eq!(
            new(0, 0, 1).unwrap_err(),
            "window size is 0 ms, at least 1 ms is wanted"
        );
        assert_eq!(
            new(1, -5, 1).unwrap_err(),
            "grace is -5 ms, at least 0 ms is wanted"
        );
        assert_eq!(
            new(1, 0, 0).unwrap_err(),
            "idle time is 0 ms, at least 1 ms is wanted"
        );
    }
}
