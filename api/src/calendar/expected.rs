//! How much there could be of a window.

use domain::{RollUp, TimeDelta, Timestamp};
use stored::Length;

use super::Span;

/// The turbine time that there could be: of each turbine from the minute of its first reading on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// When each turbine began, in order.
    began: Vec<Timestamp>,
    /// The sum of the first `n` of them, µs.
    sums: Vec<i128>,
    /// From then on nothing is expected yet.
    until: Timestamp,
}

impl Expected {
    /// Of turbines with these first readings; minutes that end after `until` need not be there yet.
    pub fn new(first_event_times: impl IntoIterator<Item = Timestamp>, until: Timestamp) -> Self {
        let mut began: Vec<_> = first_event_times
            .into_iter()
            .map(|time| Length::Minute.start_of(time))
            .collect();
        began.sort_unstable();
        let mut sums = vec![0];
        sums.extend(began.iter().scan(0, |sum, time| {
            *sum += i128::from(time.as_micros());
            Some(*sum)
        }));
        Self {
            began,
            sums,
            until: Length::Minute.start_of(until),
        }
    }

    /// When each turbine began, in order.
    pub fn known(&self) -> &[Timestamp] {
        &self.began
    }

    /// What part of what there could be there is, from 0 to 1; none if nothing could be there.
    pub fn completeness(&self, span: Span, figures: &RollUp) -> Option<f64> {
        let expected = self.turbine_time(span);
        (expected > TimeDelta::ZERO).then(|| {
            let part = figures.turbine_time.as_micros() as f64 / expected.as_micros() as f64;
            part.min(1.0)
        })
    }

    fn turbine_time(&self, span: Span) -> TimeDelta {
        // of a window that is going on and has more than was expected by now, that is expected
        let end = span.end.min(self.until.max(span.start));
        let earlier = self.began.partition_point(|began| *began <= span.start);
        let known = self.began.partition_point(|began| *began < end);
        let late = known.saturating_sub(earlier);
        let micros = |time: Timestamp| i128::from(time.as_micros());
        let whole = earlier as i128 * (micros(end) - micros(span.start)).max(0);
        let rest = if late > 0 {
            late as i128 * micros(end) - (self.sums[known] - self.sums[earlier])
        } else {
            0
        };
        TimeDelta::from_micros(i64::try_from(whole + rest).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_micros(n * 60_000_000)
    }

    fn minutes(expected: &Expected, start: i64, end: i64) -> i64 {
        let span = Span {
            start: minute(start),
            end: minute(end),
        };
        expected.turbine_time(span).as_micros() / 60_000_000
    }

    #[test]
    fn a_turbine_is_expected_from_its_first_reading_on() {
        let second = TimeDelta::from_secs(30);
        let expected = Expected::new([minute(0), minute(5) + second, minute(20)], minute(100));
        assert_eq!(minutes(&expected, 0, 10), 10 + 5);
        assert_eq!(minutes(&expected, 10, 20), 10 + 10);
        assert_eq!(minutes(&expected, 15, 25), 10 + 10 + 5);
    }

    #[test]
    fn nothing_is_expected_of_the_time_to_come() {
        let expected = Expected::new([minute(0)], minute(14) + TimeDelta::from_secs(59));
        assert_eq!(minutes(&expected, 10, 20), 4);
        assert_eq!(minutes(&expected, 20, 30), 0);
        let figures = |turbine_minutes: i64| RollUp {
            turbine_time: TimeDelta::from_secs(60 * turbine_minutes),
            ..RollUp::default()
        };
        let span = Span {
            start: minute(10),
            end: minute(20),
        };
        assert_eq!(expected.completeness(span, &figures(2)), Some(0.5));
        assert_eq!(expected.completeness(span, &figures(5)), Some(1.0));
        let to_come = Span {
            start: minute(20),
            end: minute(30),
        };
        assert_eq!(expected.completeness(to_come, &figures(1)), None);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_over_turbines(
            began in prop::collection::vec(0..200_i64, 0..20), start in 0..200_i64, length in 1..100_i64, until in 0..300_i64,
        ) {
            let expected = Expected::new(began.iter().copied().map(minute), minute(until));
            let end = (start + length).min(until.max(start));
            let naive: i64 = began.iter().map(|began| (end - start.max(*began)).max(0)).sum();
            prop_assert_eq!(minutes(&expected, start, start + length), naive);
        }
    }
}
