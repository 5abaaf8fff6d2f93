//! How long days are kept, and which are gone.

use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{TimeDelta, Timestamp};
use platform::Rejection;

use crate::batch::{DailyTable, Day, day_of, start_of};

/// A century: nobody means more.
const MOST_DAYS: u32 = 36_500;

/// The clocks of two machines are no further apart, as far as we care.
const CLOCK_SKEW: TimeDelta = TimeDelta::from_secs(300);

/// The `dlq.rule` of readings that come when their day is gone.
pub const RETENTION_RULE: &str = "retention";

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For good.
    Always,
    /// For so many days at least.
    Days(u32),
}

/// How long the days of readings and of windows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Readings.
    pub raw: Keep,
    /// Windows, and what they said before they were revised.
    pub windows: Keep,
}

/// The first days that are still kept; those before are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Of readings.
    pub readings: Day,
    /// Of windows.
    pub windows: Day,
}

/// The same, as the last one who asked the database has found it, for all threads.
#[derive(Debug)]
pub struct KeptDays {
    readings: AtomicI64,
    windows: AtomicI64,
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("'keep' or a number of days from 1d to {MOST_DAYS}d is wanted");
        if text == "keep" {
            return Ok(Self::Always);
        }
        let days = text.strip_suffix('d').ok_or_else(wanted)?;
        let days = days.parse().map_err(|_| wanted())?;
        (1..=MOST_DAYS)
            .contains(&days)
            .then_some(Self::Days(days))
            .ok_or_else(wanted)
    }
}

impl Keep {
    /// The first day that is to be kept, if any are to go: see [`Retention::first_days`].
    pub fn first_kept_day(self, now: Timestamp, log_time: Option<Timestamp>) -> Option<Day> {
        self.first_day(decisive_time(now, log_time))
    }

    fn first_day(self, time: Timestamp) -> Option<Day> {
        match self {
            Self::Always => None,
            Self::Days(days) => Some(day_of(time) - Day::from(days)),
        }
    }
}

impl Retention {
    /// Whether anything is ever dropped.
    pub fn drops(self) -> bool {
        (self.raw, self.windows) != (Keep::Always, Keep::Always)
    }

    /// The first day of each table that is to be kept, for tables of which days are to go.
    ///
    /// `log_time` is a time at or before which nothing will be appended any more that is not stored yet; none when
    /// all is stored. So a day that is gone has been kept as long as it should after the last record that came in time
    /// for it was stored, whatever backlog there is; only what comes later finds it gone.
    pub fn first_days(self, now: Timestamp, log_time: Option<Timestamp>) -> Vec<(DailyTable, Day)> {
        let time = decisive_time(now, log_time);
        [
            (DailyTable::Readings, self.raw),
            (DailyTable::FarmWindows, self.windows),
            (DailyTable::TurbineWindows, self.windows),
            (DailyTable::WindowRevisions, self.windows),
        ]
        .into_iter()
        .filter_map(|(table, keep)| Some((table, keep.first_day(time)?)))
        .collect()
    }
}

/// The time that days are counted back from.
fn decisive_time(now: Timestamp, log_time: Option<Timestamp>) -> Timestamp {
    let time = now - CLOCK_SKEW;
    log_time.map_or(time, |log_time| log_time.min(time))
}

impl Kept {
    /// Everything.
    pub const ALL: Self = Self {
        readings: Day::MIN,
        windows: Day::MIN,
    };

    /// Whether a reading of this time can still be stored.
    ///
    /// # Errors
    /// Why it is a dead letter: its day is gone.
    pub fn check_reading(self, event_time: Timestamp) -> Result<(), Rejection> {
        if day_of(event_time) >= self.readings {
            return Ok(());
        }
        let first = start_of(self.readings);
        Err(Rejection {
            field: Some("event_time".to_owned()),
            value: Some(event_time.to_string()),
            bound: Some(format!("at least {first}")),
            ..Rejection::new(
                RETENTION_RULE,
                format!("event_time is {event_time}, and readings of days before {first} are no longer kept"),
            )
        })
    }

    /// Whether a window that begins then can still be stored.
    pub fn has_windows(self, start: Timestamp) -> bool {
        let is_kept = day_of(start) >= self.windows;
        if !is_kept {
            tracing::debug!(%start, "window left out, because its day is gone");
        }
        is_kept
    }

    /// Whether the windows of this day can no longer be made anew: their readings, or they themselves, are gone.
    pub fn is_closed(self, day: Day) -> bool {
        day < self.readings.max(self.windows)
    }
}

impl Default for KeptDays {
    fn default() -> Self {
        Self {
            readings: AtomicI64::new(Kept::ALL.readings),
            windows: AtomicI64::new(Kept::ALL.windows),
        }
    }
}

impl KeptDays {
    /// What is kept, as far as is known.
    pub fn get(&self) -> Kept {
        Kept {
            readings: self.readings.load(Ordering::Relaxed),
            windows: self.windows.load(Ordering::Relaxed),
        }
    }

    /// Somebody has asked. What is gone never comes back.
    pub fn learn(&self, kept: Kept) {
        self.readings.fetch_max(kept.readings, Ordering::Relaxed);
        self.windows.fetch_max(kept.windows, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_told_as_days_or_not_at_all() {
        assert_eq!("keep".parse(), Ok(Keep::Always));
        assert_eq!("90d".parse(), Ok(Keep::Days(90)));
        for bad in ["", "90", "0d", "-1d", "36501d", "12h", "Keep", "1.5d"] {
            let error = bad.parse::<Keep>().unwrap_err();
            assert_eq!(
                error, "'keep' or a number of days from 1d to 36500d is wanted",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_day_goes_when_its_last_instant_has_been_kept_long_enough() {
        let retention = Retention {
            raw: Keep::Days(2),
            windows: Keep::Always,
        };
        let first = |now: &str, log_time: Option<&str>| {
            let days = retention.first_days(time(now), log_time.map(time));
            let [(DailyTable::Readings, day)] = days[..] else {
                panic!("{days:?}");
            };
            day
        };
        let day = |text: &str| day_of(time(text));
        // five minutes are left for clocks that differ
        let before = first("2025-11-23T00:04:59Z", None);
        assert_eq!(before, day("2025-11-20T00:00:00Z"));
        assert_eq!(first("2025-11-23T00:05:00Z", None), before + 1);
        // and what is still to be stored decides for itself
        let behind = first("2026-11-23T00:05:00Z", Some("2025-11-22T23:59:59.999Z"));
        assert_eq!(behind, before);
        let ahead = first("2025-11-23T00:05:00Z", Some("2026-11-23T00:00:00Z"));
        assert_eq!(ahead, before + 1, "a clock ahead drops nothing early");
    }

    #[test]
    fn nothing_is_dropped_unasked() {
        let keep = Retention {
            raw: Keep::Always,
            windows: Keep::Always,
        };
        assert!(!keep.drops());
        assert_eq!(keep.first_days(time("2025-11-23T00:00:00Z"), None), []);
    }

    #[test]
    fn a_reading_of_a_day_that_is_gone_is_told_the_first_that_is_kept() {
        let kept = Kept {
            readings: day_of(time("2025-11-23T00:00:00Z")),
            windows: Day::MAX,
        };
        assert!(kept.check_reading(time("2025-11-23T00:00:00Z")).is_ok());
        assert!(Kept::ALL.check_reading(Timestamp::MIN).is_ok());
        let rejection = kept
            .check_reading(time("2025-11-22T23:59:59.999999Z"))
            .unwrap_err();
        assert_eq!(rejection.rule, "retention");
        assert_eq!(rejection.bound.as_deref(), Some("at least 2025-11-23T00:00:00Z"));
        assert_eq!(
            rejection.reason,
            "event_time is 2025-11-22T23:59:59.999999Z, and readings of days before 2025-11-23T00:00:00Z are no \
             longer kept"
        );
    }

    #[test]
    fn what_is_gone_stays_gone() {
        let days = KeptDays::default();
        assert!(!days.get().is_closed(Day::MIN));
        let kept = |readings, windows| Kept { readings, windows };
        days.learn(kept(10, 5));
        days.learn(kept(8, 6));
        assert_eq!(days.get(), kept(10, 6));
        assert!(days.get().is_closed(9) && !days.get().is_closed(10));
    }
}
