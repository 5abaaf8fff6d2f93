//! Which event times of a turbine have been seen, as a few spans: whether a reading may be there already.

use domain::{TimeDelta, Timestamp};

/// Spans that are kept of a turbine.
const SPANS: usize = 4;

/// A time this near to a span belongs to it.
const NEAR: TimeDelta = TimeDelta::from_secs(600);

/// The first and the last event time of a turbine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The earliest.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

/// The times that have been seen lie in these spans. It is a hint: a time in a span may be new, and one outside may be
/// older than what this thread has seen. In order, or in a few strands each of which is in order, each new time is told
/// from a repeated one.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    spans: [Option<Span>; SPANS],
}

impl Seen {
    /// Takes note of a time; true if it may have been there before.
    pub fn observe(&mut self, time: Timestamp) -> bool {
        let mut nearest: Option<(i64, usize)> = None;
        let mut room = None;
        for (index, span) in self.spans.iter().enumerate() {
            let Some(span) = span else {
                room = Some(index);
                break;
            };
            let distance = span.distance_to(time);
            if distance == 0 {
                return true;
            }
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, index));
            }
        }
        match (nearest, room) {
            (Some((distance, index)), room) if distance <= NEAR.as_micros() || room.is_none() => {
                if let Some(span) = &mut self.spans[index] {
                    span.include(Span::of(time));
                }
            }
            (_, Some(index)) => self.spans[index] = Some(Span::of(time)),
            (_, None) => {}
        }
        false
    }
}

impl Span {
    /// Of one time.
    pub const fn of(time: Timestamp) -> Self {
        Self {
            first: time,
            last: time,
        }
    }

    /// Widens it.
    pub fn include(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Microseconds; 0 for a time within.
    const fn distance_to(&self, time: Timestamp) -> i64 {
        let (time, first, last) = (time.as_micros(), self.first.as_micros(), self.last.as_micros());
        if time > last {
            time.saturating_sub(last)
        } else if time < first {
            first.saturating_sub(time)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn suspects(seconds: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut seen = Seen::default();
        seconds
            .into_iter()
            .filter(|&second| seen.observe(at(second)))
            .collect()
    }

    #[test]
    fn in_order_only_what_comes_again_is_suspect() {
        assert_eq!(suspects([1, 2, 3, 2, 4, 4, 5]), [2, 4]);
    }

    #[test]
    fn strands_far_apart_do_not_disturb_each_other() {
        let strands = (0..100).flat_map(|n| [n, 1_000_000 + n, 50_000 + n, 500_000 + n]);
        assert_eq!(suspects(strands), Vec::<i64>::new());
    }

    #[test]
    fn more_strands_than_there_is_room_for_only_make_more_suspects() {
        let strands = (0..10).flat_map(|n| (0..6).map(move |strand| strand * 100_000 + n));
        assert!(suspects(strands).len() < 60);
    }

    proptest! {
        #[test]
        fn what_has_been_seen_is_suspect(seconds in prop::collection::vec(-5_000..5_000_i64, 1..80)) {
            let mut seen = Seen::default();
            let mut before = std::collections::BTreeSet::new();
            for second in seconds {
                let suspect = seen.observe(at(second));
                prop_assert!(suspect || before.insert(second));
            }
        }
    }
}
