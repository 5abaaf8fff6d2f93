//! The minutes of one farm or turbine while they are gathered, in any order.

use std::collections::BTreeMap;

use domain::{RollUp, Timestamp};
use stored::{Length, StoredWindow};

/// Minutes of one farm or turbine, merged into ten minutes.
#[derive(Debug, Default)]
pub struct Gathering(BTreeMap<Timestamp, RollUp>);

impl Gathering {
    /// Takes a minute.
    pub fn add(&mut self, minute: &StoredWindow) {
        let start = Length::TenMinutes.start_of(minute.start);
        self.0.entry(start).or_default().merge(&minute.figures);
    }

    /// What they come to, each length and start once.
    pub fn finish(self) -> Vec<(Length, Timestamp, RollUp)> {
        let mut hours: BTreeMap<Timestamp, RollUp> = BTreeMap::new();
        for (&start, ten_minutes) in &self.0 {
            let hour = hours.entry(Length::Hour.start_of(start)).or_default();
            hour.merge(ten_minutes);
        }
        let told = |length| move |(start, roll_up)| (length, start, roll_up);
        let ten_minutes = self.0.into_iter().map(told(Length::TenMinutes));
        ten_minutes
            .chain(hours.into_iter().map(told(Length::Hour)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_in_one_window_of_each_length() {
        let mut gathering = Gathering::default();
        for start in [
            "2026-11-23T10:59:00Z",
            "2026-11-23T10:00:00Z",
            "2026-11-23T10:09:00Z",
        ] {
            gathering.add(&StoredWindow {
                start: start.parse().unwrap(),
                end: None,
                close_reason: None,
                suspicious_clocks: None,
                turbine_count: 1,
                figures: RollUp {
                    reading_count: 1,
                    ..RollUp::default()
                },
            });
        }
        let windows: Vec<_> = gathering
            .finish()
            .into_iter()
            .map(|(length, start, figures)| (length, start.to_string(), figures.reading_count))
            .collect();
        assert_eq!(
            windows,
            [
                (Length::TenMinutes, "2026-11-23T10:00:00Z".to_owned(), 2),
                (Length::TenMinutes, "2026-11-23T10:50:00Z".to_owned(), 1),
                (Length::Hour, "2026-11-23T10:00:00Z".to_owned(), 3),
            ]
        );
    }
}
