//! The first look through a file whose times are to be moved.

use std::collections::HashMap;

use domain::{TimeDelta, Timestamp};

use super::recording::Recording;

/// How many different distances are counted; a file with more has no usual one anyway.
const DISTANCES: usize = 10_000;

/// Which times a recording spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// The earliest event time.
    pub earliest: Timestamp,
    /// The latest event time.
    pub latest: Timestamp,
    /// The most frequent distance between one event time and the next later one.
    pub interval: TimeDelta,
}

impl Survey {
    /// Reads the recording through; none if it holds no reading.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(recording: &Recording) -> anyhow::Result<Option<Self>> {
        let mut lines = recording.open()?;
        let mut surveyor = Surveyor::default();
        while let Some(line) = lines.next_line()? {
            if let Ok(reading) = line {
                surveyor.see(reading.event_time);
            }
        }
        Ok(surveyor.finish())
    }

    /// From the first reading of one round to the first one of the next, when the recording is played in a loop.
    pub fn round(&self) -> TimeDelta {
        self.latest.since(self.earliest) + self.interval
    }
}

#[derive(Debug, Default)]
struct Surveyor {
    span: Option<(Timestamp, Timestamp)>,
    last: Option<Timestamp>,
    distances: HashMap<TimeDelta, u64>,
}

impl Surveyor {
    fn see(&mut self, time: Timestamp) {
        let (earliest, latest) = self.span.unwrap_or((time, time));
        self.span = Some((earliest.min(time), latest.max(time)));
        let distance = time.since(self.last.replace(time).unwrap_or(time));
        if distance > TimeDelta::ZERO
            && (self.distances.len() < DISTANCES || self.distances.contains_key(&distance))
        {
            *self.distances.entry(distance).or_default() += 1;
        }
    }

    fn finish(self) -> Option<Survey> {
        let (earliest, latest) = self.span?;
        let usual = self
            .distances
            .into_iter()
            .max_by_key(|&(distance, count)| (count, std::cmp::Reverse(distance)));
        Some(Survey {
            earliest,
            latest,
            interval: usual.map_or(TimeDelta::from_secs(1), |(distance, _)| distance),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_interval_is_the_most_frequent_step() {
        let mut surveyor = Surveyor::default();
        for seconds in [600, 600, 1_200, 1_800, 9_000, 9_600, 7_200] {
            surveyor.see(Timestamp::from_micros(seconds * 1_000_000));
        }
        let survey = surveyor.finish().unwrap();
        assert_eq!(survey.earliest, Timestamp::from_micros(600_000_000));
        assert_eq!(survey.latest, Timestamp::from_micros(9_600_000_000));
        assert_eq!(survey.interval, TimeDelta::from_secs(600));
        assert_eq!(survey.round(), TimeDelta::from_secs(9_600));
        assert_eq!(Surveyor::default().finish(), None);
    }
}
