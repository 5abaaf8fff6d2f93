//! What is odd about readings that break no rule, by the names that OpenOA and FLASC gave it. Nothing is changed or left
//! out for it: windows count how much of it there was.
//!
//! All of it follows from the readings of one window in the order of the log, so that a restart finds the same counts,
//! and nothing of a turbine need be remembered beyond its window.

use crate::{Metric, Metrics, TimeDelta, Timestamp};

/// How much is odd about the readings of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    /// Readings with a metric that has not changed for so long that its sensor seems to be stuck: the wind speed for 10
    /// readings of its turbine, power for 20 and the rotor's speed for 30 unless they stand still. Directions, the pitch,
    /// the temperature and the power of a curve may well stay as they are for a whole window.
    pub unresponsive: u64,
    /// Readings that came after one of the same turbine with a later event time.
    pub out_of_order: u64,
    /// Stretches of the window without a reading of a turbine that are longer than 5 times its usual interval: the median
    /// of those between its readings in this window, or, of less than 4 readings, that of its fellows.
    pub gap: u64,
    /// Readings whose power is away from what the reference curve gives at this wind by more than a quarter of that,
    /// and more than 100 kW.
    pub off_curve: u64,
}

impl Quality {
    /// The names of the counts in schemas and metrics; with `_count` behind, those of columns and of the API's fields.
    pub const NAMES: [&'static str; 4] = ["unresponsive", "out_of_order", "gap", "off_curve"];

    /// The counts in the order of [`Self::NAMES`].
    pub const fn counts(&self) -> [u64; 4] {
        [self.unresponsive, self.out_of_order, self.gap, self.off_curve]
    }

    /// Of counts in the order of [`Self::NAMES`].
    pub const fn of_counts([unresponsive, out_of_order, gap, off_curve]: [u64; 4]) -> Self {
        Self {
            unresponsive,
            out_of_order,
            gap,
            off_curve,
        }
    }

    /// Adds what is odd about other readings.
    pub const fn merge(&mut self, other: Self) {
        self.unresponsive += other.unresponsive;
        self.out_of_order += other.out_of_order;
        self.gap += other.gap;
        self.off_curve += other.off_curve;
    }
}

/// The metrics that should not stand still, and for how many readings they may.
const RESPONSIVE: [(Metric, u8); 3] = [
    (Metric::WindSpeed, 10),
    (Metric::ActivePower, 20),
    (Metric::RotorSpeed, 30),
];

const OFF_CURVE_SHARE: f64 = 0.25;
const OFF_CURVE_KW: f64 = 100.0;

/// So many usual intervals without a reading are a gap.
const GAP: i64 = 5;

/// Of fewer intervals none is usual.
const FEWEST_INTERVALS: usize = 3;

/// Counts what is odd about one turbine's readings while they come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) quality: Quality,
    /// The last values of [`RESPONSIVE`], and for how many readings they have been there.
    last: [(f64, u8); RESPONSIVE.len()],
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            quality: Quality::default(),
            last: [(f64::NAN, 0); RESPONSIVE.len()],
        }
    }
}

impl Watch {
    /// Takes a turbine's next reading.
    pub(crate) fn take(&mut self, metrics: &Metrics, is_out_of_order: bool) {
        if is_out_of_order {
            self.quality.out_of_order += 1; // and no next value of anything
        } else {
            self.quality.unresponsive += u64::from(self.is_unresponsive(metrics));
        }
        self.quality.off_curve += u64::from(is_off_curve(metrics));
    }

    fn is_unresponsive(&mut self, metrics: &Metrics) -> bool {
        let mut is_stuck = false;
        for ((metric, most), (last, times)) in RESPONSIVE.into_iter().zip(&mut self.last) {
            let Some(value) = metrics.get(metric) else {
                continue;
            };
            if value.to_bits() == last.to_bits() {
                *times = times.saturating_add(1);
            } else {
                (*last, *times) = (value, 1);
            }
            let may_rest = metric != Metric::WindSpeed && value <= 0.0;
            is_stuck |= *times >= most && !may_rest;
        }
        is_stuck
    }
}

fn is_off_curve(metrics: &Metrics) -> bool {
    let (power, curve) = (
        metrics.get(Metric::ActivePower),
        metrics.get(Metric::TheoreticalPower),
    );
    power
        .zip(curve)
        .is_some_and(|(power, curve)| (power - curve).abs() > OFF_CURVE_KW.max(OFF_CURVE_SHARE * curve))
}

/// The median of the intervals between these times, which are in order; none if there are few.
pub(crate) fn usual_interval(times: &[Timestamp], scratch: &mut Vec<TimeDelta>) -> Option<TimeDelta> {
    scratch.clear();
    scratch.extend(times.windows(2).map(|pair| pair[1].since(pair[0])));
    (scratch.len() >= FEWEST_INTERVALS).then(|| median(scratch))
}

/// The lower one of the two in the middle.
pub(crate) fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable(middle).1
}

/// How many stretches from `start` to `end` are without any of these times for much longer than is usual.
pub(crate) fn gaps(times: &[Timestamp], usual: TimeDelta, start: Timestamp, end: Timestamp) -> u64 {
    let longest = usual.as_micros().saturating_mul(GAP);
    let mut last = start;
    let mut gaps = 0;
    for &time in times.iter().chain([&end]) {
        gaps += u64::from(time.since(last).as_micros() > longest);
        last = time;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(readings: &[(Metric, f64)]) -> Quality {
        let mut watch = Watch::default();
        for &reading in readings {
            watch.take(&[reading].into_iter().collect(), false);
        }
        watch.quality
    }

    #[test]
    fn a_metric_that_stands_still_is_unresponsive_from_its_nth_reading_on() {
        assert_eq!(watched(&[(Metric::WindSpeed, 5.0); 12]).unresponsive, 3);
        assert_eq!(watched(&[(Metric::ActivePower, 5.0); 20]).unresponsive, 1);
        let mut moves = [(Metric::WindSpeed, 5.0); 12];
        moves[6].1 = 5.1;
        assert_eq!(watched(&moves).unresponsive, 0);
    }

    #[test]
    fn headings_and_what_is_at_rest_may_stand_still() {
        for still in [
            (Metric::WindDirection, 90.0),
            (Metric::NacelleDirection, 90.0),
            (Metric::BladePitch, 1.0),
            (Metric::ActivePower, -3.0),
            (Metric::RotorSpeed, 0.0),
        ] {
            assert_eq!(watched(&[still; 100]).unresponsive, 0, "{still:?}");
        }
        assert!(watched(&[(Metric::WindSpeed, 0.0); 100]).unresponsive > 0);
    }

    #[test]
    fn power_far_from_the_curve_is_off_it() {
        let is_off = |power, curve| {
            let metrics = [(Metric::ActivePower, power), (Metric::TheoreticalPower, curve)];
            is_off_curve(&metrics.into_iter().collect())
        };
        assert!(!is_off(1_000.0, 1_250.0) && is_off(900.0, 1_250.0) && is_off(1_600.0, 1_250.0));
        assert!(!is_off(0.0, 90.0) && is_off(200.0, 90.0));
        assert!(!is_off_curve(
            &[(Metric::ActivePower, 900.0)].into_iter().collect()
        ));
    }

    #[test]
    fn what_is_much_longer_than_usual_is_a_gap() {
        let at = |second| Timestamp::default() + TimeDelta::from_secs(second);
        let times: Vec<_> = [0, 1, 2, 3, 9, 10, 15, 16].map(at).into();
        let usual = usual_interval(&times, &mut Vec::new()).unwrap();
        assert_eq!(usual, TimeDelta::from_secs(1));
        assert_eq!(
            gaps(&times, usual, at(0), at(20)),
            1,
            "from 3 to 9; 5 s are none yet"
        );
        assert_eq!(gaps(&times, usual, at(-6), at(22)), 3, "at both ends too");
        assert_eq!(usual_interval(&times[..3], &mut Vec::new()), None);
    }
}
