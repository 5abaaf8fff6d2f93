//! Statistics that merge exactly: the merge of any split of the values is the whole's, to rounding.
//!
//! Mean and variance: Welford's updating formula, and for merging Chan, Golub and LeVeque, "Updating Formulae and a
//! Pairwise Algorithm for Computing Sample Variances" (1979). Directions: Mardia and Jupp, "Directional Statistics"
//! (2000), §2.2–2.3.

use crate::{Metric, MetricKind, Timestamp};

/// Below this resultant length the directions cancel out, and no mean direction is told.
const LEAST_RESULTANT: f64 = 1e-9;

/// A greatest or least value, with the turbine and the time behind it. `T` is the turbine's id, or `()` while only
/// one turbine is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extreme<T> {
    /// The value, in the metric's unit.
    pub value: f64,
    /// When it was measured.
    pub event_time: Timestamp,
    /// Which turbine measured it.
    pub turbine_id: T,
}

impl<T: Ord> Extreme<T> {
    /// Among equal values the earliest event time wins, then the smallest turbine id.
    fn is_before(&self, other: &Self) -> bool {
        (self.event_time, &self.turbine_id) < (other.event_time, &other.turbine_id)
    }

    // one comparison for the usual value, which is neither
    fn take_if_less(&mut self, other: Self) {
        if other.value <= self.value && (other.value < self.value || other.is_before(self)) {
            *self = other;
        }
    }

    fn take_if_greater(&mut self, other: Self) {
        if other.value >= self.value && (other.value > self.value || other.is_before(self)) {
            *self = other;
        }
    }
}

/// Statistics of plain numbers; of at least one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalarStats<T> {
    /// How many values.
    pub count: u64,
    /// Their arithmetic mean.
    pub mean: f64,
    /// The sum of the squared differences from the mean.
    pub m2: f64,
    /// The least value.
    pub min: Extreme<T>,
    /// The greatest value.
    pub max: Extreme<T>,
}

impl<T: Ord + Clone> ScalarStats<T> {
    /// Of one value.
    pub fn of(first: Extreme<T>) -> Self {
        Self {
            count: 1,
            mean: first.value,
            m2: 0.0,
            min: first.clone(),
            max: first,
        }
    }

    /// Takes one more value.
    pub fn push(&mut self, next: Extreme<T>) {
        self.count += 1;
        update_moments(self.count as f64, &mut self.mean, &mut self.m2, next.value);
        self.min.take_if_less(next.clone());
        self.max.take_if_greater(next);
    }

    /// Takes all the values that `other` has seen.
    pub fn merge(&mut self, other: Self) {
        let (n, m) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        self.count += other.count;
        self.mean += delta * m / (n + m);
        self.m2 += other.m2 + delta * delta * n * m / (n + m);
        self.min.take_if_less(other.min);
        self.max.take_if_greater(other.max);
    }

    /// Population standard deviation: the window is all there is, not a sample of it.
    pub fn stddev(&self) -> f64 {
        (self.m2.max(0.0) / self.count as f64).sqrt()
    }
}

/// Statistics of directions; of at least one value. `min` and `max` are the plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirectionStats<T> {
    /// How many values.
    pub count: u64,
    /// The sum of their sines.
    pub sum_sin: f64,
    /// The sum of their cosines.
    pub sum_cos: f64,
    /// The least number of degrees.
    pub min: Extreme<T>,
    /// The greatest number of degrees.
    pub max: Extreme<T>,
}

impl<T: Ord + Clone> DirectionStats<T> {
    /// Of one direction, in degrees.
    pub fn of(first: Extreme<T>) -> Self {
        let (sum_sin, sum_cos) = sin_cos_of_degrees(first.value);
        Self {
            count: 1,
            sum_sin,
            sum_cos,
            min: first.clone(),
            max: first,
        }
    }

    /// Takes one more direction, in degrees.
    pub fn push(&mut self, next: Extreme<T>) {
        let (sin, cos) = sin_cos_of_degrees(next.value);
        self.count += 1;
        self.sum_sin += sin;
        self.sum_cos += cos;
        self.min.take_if_less(next.clone());
        self.max.take_if_greater(next);
    }

    /// Takes all the directions that `other` has seen.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum_sin += other.sum_sin;
        self.sum_cos += other.sum_cos;
        self.min.take_if_less(other.min);
        self.max.take_if_greater(other.max);
    }

    /// Length of the mean vector: 1 when all directions are the same, 0 when they cancel out.
    pub fn resultant(&self) -> f64 {
        (self.sum_sin.hypot(self.sum_cos) / self.count as f64).min(1.0)
    }

    /// Vector mean in degrees, [0, 360); none when the directions cancel out.
    pub fn mean_deg(&self) -> Option<f64> {
        let degrees = self.sum_sin.atan2(self.sum_cos).to_degrees().rem_euclid(360.0);
        // a tiny negative angle rounds to 360 itself
        (self.resultant() >= LEAST_RESULTANT).then_some(if degrees >= 360.0 { 0.0 } else { degrees })
    }

    /// Circular standard deviation √(−2 ln R) in degrees; none when the directions cancel out.
    pub fn stddev_deg(&self) -> Option<f64> {
        let resultant = self.resultant();
        (resultant >= LEAST_RESULTANT).then(|| (-2.0 * resultant.ln()).max(0.0).sqrt().to_degrees())
    }
}

/// Takes `value`, the `count`th, into mean and `m2`: Welford's formula.
#[inline]
pub(crate) fn update_moments(count: f64, mean: &mut f64, m2: &mut f64, value: f64) {
    let delta = value - *mean;
    *mean += delta / count;
    *m2 += delta * (value - *mean);
}

/// Sine and cosine of a direction in degrees, at least 0, to a unit in the last place and some; of the four winds exactly.
/// Takes a third of the instructions of the standard library's, which is prepared for any angle in radians.
pub(crate) fn sin_cos_of_degrees(degrees: f64) -> (f64, f64) {
    let quarter = (degrees / 90.0 + 0.5) as i64;
    // at most 45 degrees from there, for which these terms of the two series suffice
    let x = (degrees - quarter as f64 * 90.0).to_radians();
    let square = x * x;
    let sin = x * series(SINE, square);
    let cos = series(COSINE, square);
    match quarter & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Σ of the terms with the powers of `x`; in pairs (Estrin's scheme), since a sum term by term waits for each one before.
fn series(terms: [f64; 9], x: f64) -> f64 {
    let [a, b, c, d, e, f, g, h, i] = terms;
    let (x2, x4) = (x * x, x * x * (x * x));
    let low = (a + b * x) + (c + d * x) * x2;
    let high = (e + f * x) + (g + h * x) * x2;
    low + (high + i * x4) * x4
}

/// ±1/n! of the odd n, for the powers of x² of sin(x)/x.
const SINE: [f64; 9] = signed_inverse_factorials(1);

/// ±1/n! of the even n, for the powers of x² of cos(x).
const COSINE: [f64; 9] = signed_inverse_factorials(0);

const fn signed_inverse_factorials(first: u32) -> [f64; 9] {
    let mut terms = [1.0; 9];
    let mut n = first as f64;
    let mut place = 1;
    while place < terms.len() {
        terms[place] = -terms[place - 1] / ((n + 1.0) * (n + 2.0));
        n += 2.0;
        place += 1;
    }
    terms
}

/// Statistics of one metric; of at least one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricStats<T> {
    /// Of a plain number.
    Scalar(ScalarStats<T>),
    /// Of a direction.
    Direction(DirectionStats<T>),
}

impl<T> MetricStats<T> {
    /// Put together again from what is kept of them: `count` values of a metric of that kind, mean and `m2` of a number or the
    /// sums of sines and cosines of a direction, and the extremes.
    pub fn of_moments(
        kind: MetricKind,
        count: u64,
        moments: (f64, f64),
        min: Extreme<T>,
        max: Extreme<T>,
    ) -> Self {
        let (first, second) = moments;
        match kind {
            MetricKind::Scalar => Self::Scalar(ScalarStats {
                count,
                mean: first,
                m2: second,
                min,
                max,
            }),
            MetricKind::Direction => Self::Direction(DirectionStats {
                count,
                sum_sin: first,
                sum_cos: second,
                min,
                max,
            }),
        }
    }
}

impl<T: Ord + Clone> MetricStats<T> {
    fn of(kind: MetricKind, first: Extreme<T>) -> Self {
        match kind {
            MetricKind::Scalar => Self::Scalar(ScalarStats::of(first)),
            MetricKind::Direction => Self::Direction(DirectionStats::of(first)),
        }
    }

    fn push(&mut self, next: Extreme<T>) {
        match self {
            Self::Scalar(stats) => stats.push(next),
            Self::Direction(stats) => stats.push(next),
        }
    }

    /// Takes all the values that `other` has seen.
    ///
    /// # Panics
    /// When one is of a number and the other of a direction, which no metric is.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Scalar(stats), Self::Scalar(other)) => stats.merge(other),
            (Self::Direction(stats), Self::Direction(other)) => stats.merge(other),
            (Self::Scalar(_), Self::Direction(_)) | (Self::Direction(_), Self::Scalar(_)) => {
                unreachable!("a metric is either a number or a direction")
            }
        }
    }

    /// How many values.
    pub const fn count(&self) -> u64 {
        match self {
            Self::Scalar(stats) => stats.count,
            Self::Direction(stats) => stats.count,
        }
    }

    /// The least value.
    pub const fn min(&self) -> &Extreme<T> {
        match self {
            Self::Scalar(stats) => &stats.min,
            Self::Direction(stats) => &stats.min,
        }
    }

    /// The greatest value.
    pub const fn max(&self) -> &Extreme<T> {
        match self {
            Self::Scalar(stats) => &stats.max,
            Self::Direction(stats) => &stats.max,
        }
    }
}

/// The statistics of each metric that has at least one value.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowMetrics<T>([Option<MetricStats<T>>; Metric::COUNT]);

impl<T> Default for WindowMetrics<T> {
    fn default() -> Self {
        Self([const { None }; Metric::COUNT])
    }
}

impl<T: Ord + Clone> WindowMetrics<T> {
    /// The statistics of `metric`, if it has a value.
    pub const fn get(&self, metric: Metric) -> Option<&MetricStats<T>> {
        self.0[metric as usize].as_ref()
    }

    /// Sets or removes the statistics of `metric`.
    pub fn set(&mut self, metric: Metric, stats: Option<MetricStats<T>>) {
        self.0[metric as usize] = stats;
    }

    /// What is there, in the order of [`Metric::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &MetricStats<T>)> {
        Metric::ALL
            .into_iter()
            .zip(&self.0)
            .filter_map(|(metric, stats)| Some((metric, stats.as_ref()?)))
    }

    /// Takes one value of `metric`.
    pub fn push(&mut self, metric: Metric, next: Extreme<T>) {
        match &mut self.0[metric as usize] {
            Some(stats) => stats.push(next),
            empty => *empty = Some(MetricStats::of(metric.kind(), next)),
        }
    }

    /// Takes all the values of `metric` that `other` has seen.
    pub fn merge(&mut self, metric: Metric, other: MetricStats<T>) {
        match &mut self.0[metric as usize] {
            Some(stats) => stats.merge(other),
            empty => *empty = Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TurbineId;

    fn extreme(value: f64, second: i64, turbine: &str) -> Extreme<TurbineId> {
        Extreme {
            value,
            event_time: Timestamp::from_micros(second * 1_000_000),
            turbine_id: TurbineId::parse(turbine).unwrap(),
        }
    }

    fn directions(degrees: &[f64]) -> DirectionStats<TurbineId> {
        let mut stats = DirectionStats::of(extreme(degrees[0], 0, "T"));
        for &value in &degrees[1..] {
            stats.push(extreme(value, 0, "T"));
        }
        stats
    }

    #[test]
    fn among_equal_values_the_earliest_wins_then_the_smallest_turbine() {
        let mut stats = ScalarStats::of(extreme(5.0, 9, "T2"));
        stats.push(extreme(5.0, 7, "T9"));
        stats.push(extreme(5.0, 7, "T3"));
        stats.push(extreme(5.0, 8, "T1"));
        assert_eq!(stats.max, extreme(5.0, 7, "T3"));
        assert_eq!(stats.min, extreme(5.0, 7, "T3"));
    }

    #[test]
    fn sine_and_cosine_are_those_of_the_standard_library() {
        for tenth in 0..=3_600 {
            let degrees = f64::from(tenth) / 10.0;
            let (sin, cos) = sin_cos_of_degrees(degrees);
            let (expected_sin, expected_cos) = degrees.to_radians().sin_cos();
            assert!((sin - expected_sin).abs() < 1e-15, "sin {degrees}: {sin}");
            assert!((cos - expected_cos).abs() < 1e-15, "cos {degrees}: {cos}");
        }
        assert_eq!(sin_cos_of_degrees(180.0), (0.0, -1.0));
    }

    #[test]
    fn north_lies_between_350_and_10_degrees() {
        let mean = directions(&[350.0, 10.0]).mean_deg().unwrap();
        assert!(mean.min(360.0 - mean) < 1e-9, "{mean}");
        assert!((0.0..360.0).contains(&mean), "{mean}");
    }

    #[test]
    fn opposite_directions_have_no_mean() {
        let stats = directions(&[0.0, 180.0]);
        assert_eq!((stats.mean_deg(), stats.stddev_deg()), (None, None));
        assert!(stats.resultant() < 1e-9);
    }

    #[test]
    fn the_circular_deviation_of_a_small_spread_is_the_plain_one() {
        let stats = directions(&[89.0, 91.0]);
        assert!((stats.mean_deg().unwrap() - 90.0).abs() < 1e-9);
        assert!((stats.stddev_deg().unwrap() - 1.0).abs() < 1e-3);
        assert!(directions(&[42.0]).stddev_deg().unwrap() < 1e-5);
    }

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(1.0)
    }

    fn values() -> impl Strategy<Value = Vec<Extreme<TurbineId>>> {
        let value = prop_oneof![(-1_000.0..30_000.0), (0..4_i32).prop_map(f64::from)];
        let one = (value, 0..60_i64, "T[0-9]")
            .prop_map(|(value, second, turbine)| extreme(value, second, &turbine));
        prop::collection::vec(one, 1..60)
    }

    fn whole<S>(
        values: &[Extreme<TurbineId>],
        of: fn(Extreme<TurbineId>) -> S,
        push: fn(&mut S, Extreme<TurbineId>),
    ) -> S {
        let mut stats = of(values[0].clone());
        for value in &values[1..] {
            push(&mut stats, value.clone());
        }
        stats
    }

    proptest! {
        #[test]
        fn the_merge_of_any_split_is_the_whole(values in values(), cut in 0.0..1.0_f64) {
            let cut = 1 + (cut * (values.len() - 1) as f64) as usize;
            let (left, right) = values.split_at(cut);
            let scale = values.iter().map(|v| v.value * v.value).sum::<f64>();

            let expected = whole(&values, ScalarStats::of, ScalarStats::push);
            let mut merged = whole(left, ScalarStats::of, ScalarStats::push);
            let mut circle = whole(left, DirectionStats::of, DirectionStats::push);
            let circular = whole(&values, DirectionStats::of, DirectionStats::push);
            if !right.is_empty() {
                merged.merge(whole(right, ScalarStats::of, ScalarStats::push));
                circle.merge(whole(right, DirectionStats::of, DirectionStats::push));
            }
            prop_assert_eq!(merged.count, expected.count);
            prop_assert_eq!((&merged.min, &merged.max), (&expected.min, &expected.max));
            prop_assert!(close(merged.mean, expected.mean, scale.sqrt()));
            prop_assert!(close(merged.m2, expected.m2, scale));
            prop_assert!(close(circle.sum_sin, circular.sum_sin, values.len() as f64));
            prop_assert!(close(circle.sum_cos, circular.sum_cos, values.len() as f64));
            prop_assert_eq!((&circle.min, &circle.max), (&circular.min, &circular.max));
        }

        #[test]
        fn mean_and_deviation_are_those_of_the_textbook(values in values()) {
            let stats = whole(&values, ScalarStats::of, ScalarStats::push);
            let n = values.len() as f64;
            let mean = values.iter().map(|v| v.value).sum::<f64>() / n;
            let variance = values.iter().map(|v| (v.value - mean).powi(2)).sum::<f64>() / n;
            prop_assert!(close(stats.mean, mean, mean.abs()));
            prop_assert!(close(stats.stddev().powi(2), variance, variance.max(mean * mean)));
            let least = values.iter().min_by(|a, b| {
                a.value.total_cmp(&b.value).then(a.event_time.cmp(&b.event_time)).then(a.turbine_id.cmp(&b.turbine_id))
            });
            prop_assert_eq!(Some(&stats.min), least);
        }
    }
}
