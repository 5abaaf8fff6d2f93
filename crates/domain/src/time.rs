//! Points in time and the distances between them, in microseconds: Avro's `timestamp-micros` and PostgreSQL's
//! `timestamptz` have the same resolution, so that nothing is rounded on the way.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since the Unix epoch, UTC. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A signed distance between two [`Timestamp`]s in microseconds. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeDelta(i64);

/// Text that is not an RFC 3339 time with an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an RFC 3339 time such as 2026-11-23T10:00:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// Earlier than every time that can be told.
    pub const MIN: Self = Self(i64::MIN);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the Unix epoch, Kafka's resolution.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// How much later this is than `earlier`; negative if it is earlier.
    pub const fn since(self, earlier: Self) -> TimeDelta {
        TimeDelta(self.0.saturating_sub(earlier.0))
    }

    /// The latest multiple of `step` since the Unix epoch that is not after this time: a window's start.
    pub const fn floor_to(self, step: TimeDelta) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(step.0)))
    }
}

impl TimeDelta {
    /// No distance at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// In microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// In milliseconds, rounded towards zero.
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000
    }

    /// In hours.
    pub fn as_hours(self) -> f64 {
        self.0 as f64 / 3.6e9
    }
}

impl From<Duration> for TimeDelta {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Add<TimeDelta> for Timestamp {
    type Output = Self;
    fn add(self, delta: TimeDelta) -> Self {
        Self(self.0.saturating_add(delta.0))
    }
}

impl Sub<TimeDelta> for Timestamp {
    type Output = Self;
    fn sub(self, delta: TimeDelta) -> Self {
        Self(self.0.saturating_sub(delta.0))
    }
}

impl Add for TimeDelta {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with `Z` and only as many decimals as there are; what no calendar holds is shown in microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => fmt::Display::fmt(&time, f),
            Err(_) => write!(f, "{} µs since 1970-01-01T00:00:00Z", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| TimestampError(text.chars().take(64).collect()))?;
        Ok(Self(time.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_it_was_written() {
        for text in [
            "2026-11-23T10:00:00Z",
            "1990-01-01T00:00:00.000001Z",
            "2018-12-31T23:50:00.5Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!(
            "2014-03-30T03:00:00+02:00"
                .parse::<Timestamp>()
                .unwrap()
                .to_string(),
            "2014-03-30T01:00:00Z"
        );
        assert!(
            "2014-03-30T03:00:00".parse::<Timestamp>().is_err(),
            "a time without an offset is no point in time"
        );
    }

    #[test]
    fn windows_start_at_multiples_of_their_size_before_the_epoch_too() {
        let minute = TimeDelta::from_secs(60);
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(at(119).floor_to(minute), at(60));
        assert_eq!(at(120).floor_to(minute), at(120));
        assert_eq!(at(-1).floor_to(minute), at(-60));
    }

    #[test]
    fn the_ends_of_time_neither_overflow_nor_fail_to_print() {
        let end = Timestamp::from_micros(i64::MAX) + TimeDelta::from_secs(1);
        assert_eq!(end.as_micros(), i64::MAX);
        assert!(end.to_string().contains("µs since"));
    }
}
