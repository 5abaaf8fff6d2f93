//! A range of time in pieces that are read at once, each with a bounded number of stored windows.

use std::collections::BTreeSet;

use domain::{TimeDelta, Timestamp};
use stored::Length;

use super::Division;
use crate::model::Resolution;
use crate::params::{Order, TimeRange};

const HOUR: TimeDelta = Length::Hour.as_delta();
const INSTANT: TimeDelta = TimeDelta::from_micros(1);

/// A piece of the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// From when to when.
    pub range: TimeRange,
    /// The hours of it of which the minutes are wanted, and not what they were put together to.
    pub fine: BTreeSet<Timestamp>,
    /// Whether these are all hours of it.
    pub is_all_fine: bool,
}

/// Walks through a range that begins and ends where windows of a division do.
#[derive(Debug)]
pub struct Chunks<'d> {
    division: &'d Division,
    order: Order,
    /// What is still to be walked through.
    rest: TimeRange,
    /// Hours that have changed since they were put together.
    marked: BTreeSet<Timestamp>,
    length: Length,
    /// Whether days may begin within an hour.
    has_split_hours: bool,
}

impl<'d> Chunks<'d> {
    /// Through `range` in `order`; what the hours in `marked` were put together to is not right any more.
    pub fn new(division: &'d Division, order: Order, range: TimeRange, marked: BTreeSet<Timestamp>) -> Self {
        let of_hours = Division {
            resolution: Resolution::Hour,
            zone: division.zone.clone(),
        };
        let has_split_hours =
            division.resolution == Resolution::Day && of_hours.made_of(range) != Length::Hour;
        Self {
            division,
            order,
            rest: range,
            marked,
            length: division.made_of(range),
            has_split_hours,
        }
    }

    /// Which stored windows are wanted of the hours that are not fine.
    pub const fn length(&self) -> Length {
        self.length
    }

    /// The next piece, of about as many stored windows as `budget` if there is one for each stretch of time.
    pub fn next(&mut self, budget: u64) -> Option<Chunk> {
        if self.rest.from >= self.rest.to {
            return None;
        }
        let (mut from, mut to) = match self.order {
            Order::Asc => (self.rest.from, self.rest.from),
            Order::Desc => (self.rest.to, self.rest.to),
        };
        let (mut fine, mut hours, mut weight) = (BTreeSet::new(), 0, 0);
        while weight < budget && (from, to) != (self.rest.from, self.rest.to) {
            let hour = match self.order {
                Order::Asc => Length::Hour.start_of(to),
                Order::Desc => Length::Hour.start_of(from - INSTANT),
            };
            match self.order {
                Order::Asc => to = self.rest.to.min(hour + HOUR),
                Order::Desc => from = self.rest.from.max(hour),
            }
            hours += 1;
            if self.is_fine(hour) {
                fine.insert(hour);
                weight += 60;
            } else {
                weight += HOUR.as_micros().unsigned_abs() / self.length.as_delta().as_micros().unsigned_abs();
            }
        }
        match self.order {
            Order::Asc => self.rest.from = to,
            Order::Desc => self.rest.to = from,
        }
        Some(Chunk {
            range: TimeRange { from, to },
            is_all_fine: fine.len() == hours,
            fine,
        })
    }

    fn is_fine(&self, hour: Timestamp) -> bool {
        self.length == Length::Minute || self.marked.contains(&hour) || {
            let last = hour + HOUR - INSTANT;
            self.has_split_hours && self.division.span_of(last).start > hour
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn division(resolution: Resolution, zone: &str) -> Division {
        Division {
            resolution,
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    /// The chunks of two days from midnight, as hours since then.
    fn chunks(division: &Division, order: Order, marked: &[i64], budget: u64) -> Vec<(f64, f64, Vec<i64>)> {
        let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let hour = |n: i64| midnight + TimeDelta::from_secs(n * 3_600);
        let range = TimeRange {
            from: division.first_start(midnight),
            to: division.first_start(hour(48)),
        };
        let marked = marked.iter().copied().map(hour).collect();
        let mut chunks = Chunks::new(division, order, range, marked);
        std::iter::from_fn(|| chunks.next(budget))
            .map(|chunk| {
                let hours = |time: Timestamp| time.since(midnight).as_hours();
                let fine = chunk.fine.iter().map(|hour| hours(*hour) as i64).collect();
                (hours(chunk.range.from), hours(chunk.range.to), fine)
            })
            .collect()
    }

    #[test]
    fn fine_hours_weigh_more() {
        let utc = division(Resolution::Day, "UTC");
        assert_eq!(
            chunks(&utc, Order::Asc, &[2], 62),
            [(0.0, 3.0, vec![2]), (3.0, 48.0, vec![])]
        );
        assert_eq!(
            chunks(&utc, Order::Desc, &[2], 46),
            [(2.0, 48.0, vec![2]), (0.0, 2.0, vec![])]
        );
    }

    #[test]
    fn hours_in_which_a_day_begins_are_fine() {
        let kolkata = division(Resolution::Day, "Asia/Kolkata");
        assert_eq!(
            chunks(&kolkata, Order::Asc, &[], 1_000),
            [(18.5, 66.5, vec![18, 42, 66])]
        );
        let madrid = division(Resolution::Day, "Europe/Madrid");
        assert_eq!(chunks(&madrid, Order::Asc, &[], 1_000), [(23.0, 71.0, vec![])]);
    }

    #[test]
    fn hours_that_no_stored_hours_make_are_all_fine() {
        let kathmandu = division(Resolution::Hour, "Asia/Kathmandu");
        let chunks = chunks(&kathmandu, Order::Desc, &[], 120);
        assert_eq!(chunks[0], (47.0, 48.25, vec![47, 48]));
    }

    proptest! {
        #[test]
        fn the_chunks_are_the_range(
            from in 0..5_000_i64, hours in 0..200_i64, budget in 1..500_u64, is_asc in any::<bool>(),
            marked in prop::collection::btree_set(0..5_200_i64, 0..50),
            zone in prop::sample::select(vec!["UTC", "Asia/Kolkata", "Europe/Madrid", "Australia/Lord_Howe"]),
            resolution in prop::sample::select(Resolution::ALL.to_vec()),
        ) {
            let division = division(resolution, zone);
            let hour = |n: i64| Timestamp::from_micros(1_764_000_000_000_000) + TimeDelta::from_secs(n * 3_600);
            let range = TimeRange { from: division.first_start(hour(from)), to: division.first_start(hour(from + hours)) };
            let order = if is_asc { Order::Asc } else { Order::Desc };
            let mut chunks = Chunks::new(&division, order, range, marked.iter().copied().map(hour).collect());
            let mut walked: Vec<_> = std::iter::from_fn(|| chunks.next(budget)).map(|chunk| chunk.range).collect();
            if !is_asc {
                walked.reverse();
            }
            let ends = walked.first().zip(walked.last()).map(|(first, last)| (first.from, last.to));
            prop_assert_eq!(ends, (range.from < range.to).then_some((range.from, range.to)));
            prop_assert!(walked.windows(2).all(|pair| pair[0].to == pair[1].from));
        }
    }
}
