//! How fast event time passes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::Timestamp;
use tokio_util::sync::CancellationToken;

/// How much faster than the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speedup {
    /// This many times as fast.
    Times(f64),
    /// As fast as Kafka takes it.
    Max,
}

/// Text that is no speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no speed, wanted is a number above 0 or 'max'")]
pub struct SpeedupError(String);

impl FromStr for Speedup {
    type Err = SpeedupError;

    fn from_str(text: &str) -> Result<Self, SpeedupError> {
        match text.parse::<f64>() {
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ if text == "max" => Ok(Self::Max),
            _ => Err(SpeedupError(text.to_owned())),
        }
    }
}

impl fmt::Display for Speedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl Speedup {
    /// Whether event time passes faster than the clock on the wall.
    pub fn is_faster(self) -> bool {
        match self {
            Self::Times(times) => times > 1.0,
            Self::Max => true,
        }
    }
}

/// Says when a reading is due.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    speedup: Speedup,
    first_event: Timestamp,
    started: Timestamp,
    /// Whether a reading waits until its event time has come.
    truthful: bool,
}

impl Pace {
    /// The reading of `first_event` is due at `started`. With `truthful` nothing is sent before it has happened: a
    /// run that has caught up with the clock on the wall goes on as fast as that.
    pub const fn new(speedup: Speedup, first_event: Timestamp, started: Timestamp, truthful: bool) -> Self {
        Self {
            speedup,
            first_event,
            started,
            truthful,
        }
    }

    /// How long to wait at `now` before a reading of that event time is due.
    pub fn wait(&self, event_time: Timestamp, now: Timestamp) -> Duration {
        let by_speed = match self.speedup {
            Speedup::Times(times) => {
                let passed = event_time.since(self.first_event).as_micros() as f64 / times;
                passed - now.since(self.started).as_micros() as f64
            }
            Speedup::Max => 0.0,
        };
        let until_it_happens = if self.truthful {
            event_time.since(now).as_micros() as f64
        } else {
            0.0
        };
        Duration::from_micros(by_speed.max(until_it_happens).max(0.0) as u64)
    }

    /// Whether a reading of that event time lies in the future at `now`.
    pub fn has_caught_up(&self, event_time: Timestamp, now: Timestamp) -> bool {
        self.truthful && event_time > now
    }

    /// Waits until a reading of that event time is due; false if `stop` was cancelled before. Cancel safe.
    pub async fn pass(&self, event_time: Timestamp, now: Timestamp, stop: &CancellationToken) -> bool {
        let wait = self.wait(event_time, now);
        if wait.is_zero() {
            return true;
        }
        tokio::time::timeout(wait, stop.cancelled()).await.is_err()
    }
}

/// The clock on the wall.
pub fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TimeDelta;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    #[test]
    fn a_run_passes_as_much_faster_as_was_asked() {
        let pace = Pace::new(Speedup::Times(60.0), at(0.0), at(1_000.0), true);
        assert_eq!(pace.wait(at(0.0), at(1_000.0)), Duration::ZERO);
        assert_eq!(pace.wait(at(300.0), at(1_001.0)), Duration::from_secs(4));
        assert_eq!(
            pace.wait(at(300.0), at(1_009.0)),
            Duration::ZERO,
            "what is overdue is due"
        );
    }

    #[test]
    fn nothing_is_sent_before_it_has_happened() {
        for speedup in [Speedup::Times(60.0), Speedup::Max] {
            let pace = Pace::new(speedup, at(1_000.0), at(1_000.0), true);
            assert_eq!(
                pace.wait(at(1_005.0), at(1_001.0)),
                Duration::from_secs(4),
                "{speedup}"
            );
            let careless = Pace::new(speedup, at(1_000.0), at(1_000.0), false);
            assert_eq!(
                careless.wait(at(1_005.0), at(1_001.0)),
                Duration::ZERO,
                "{speedup}"
            );
        }
    }

    #[test]
    fn speeds_are_numbers_above_nothing_or_max() {
        assert_eq!("max".parse(), Ok(Speedup::Max));
        assert_eq!("0.5".parse(), Ok(Speedup::Times(0.5)));
        for bad in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(bad.parse::<Speedup>().is_err(), "{bad}");
        }
        assert!(now().since(at(1.7e9)) > TimeDelta::ZERO);
    }
}
