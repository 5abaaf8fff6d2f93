//! The statistics of one turbine while its readings come: those of [`crate::stats`], laid out so that the usual reading
//! touches little memory and does not ask whether a metric has been there before.

use crate::stats::{Extreme, MetricStats, sin_cos_of_degrees, update_moments};
use crate::{Metric, MetricKind, Metrics, Timestamp};

/// The statistics of each metric; without values those of a metric are as [`Running::NONE`].
#[derive(Debug, Clone)]
pub(crate) struct RunningMetrics {
    running: [Running; Metric::COUNT],
    /// When the least and the greatest value were measured: apart from these, since they seldom change.
    extreme_times: [(Timestamp, Timestamp); Metric::COUNT],
}

#[derive(Debug, Clone, Copy)]
struct Running {
    /// Of 32 bits, which are a floating-point number in one instruction.
    count: u32,
    /// Mean and `m2` of a number, the sums of sines and cosines of a direction.
    moments: (f64, f64),
    min: f64,
    max: f64,
}

impl Running {
    const NONE: Self = Self {
        count: 0,
        moments: (0.0, 0.0),
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn take(&mut self, kind: MetricKind, value: f64) {
        self.count = self.count.saturating_add(1);
        let (first, second) = &mut self.moments;
        match kind {
            MetricKind::Scalar => update_moments(f64::from(self.count), first, second, value),
            MetricKind::Direction => {
                let (sin, cos) = sin_cos_of_degrees(value);
                *first += sin;
                *second += cos;
            }
        }
    }
}

impl Default for RunningMetrics {
    fn default() -> Self {
        Self {
            running: [Running::NONE; Metric::COUNT],
            extreme_times: [Default::default(); Metric::COUNT],
        }
    }
}

impl RunningMetrics {
    /// Takes the values of one reading. Among equal values the earliest is the extreme one.
    pub(crate) fn take(&mut self, metrics: &Metrics, event_time: Timestamp) {
        for (metric, value) in metrics.iter() {
            let running = &mut self.running[metric as usize];
            running.take(metric.kind(), value);
            // one comparison for the usual value, which is neither
            let (min_time, max_time) = &mut self.extreme_times[metric as usize];
            if value <= running.min && (value < running.min || event_time < *min_time) {
                (running.min, *min_time) = (value, event_time);
            }
            if value >= running.max && (value > running.max || event_time < *max_time) {
                (running.max, *max_time) = (value, event_time);
            }
        }
    }

    /// The statistics of the metrics that have a value, of that turbine.
    pub(crate) fn of<T: Clone>(&self, turbine_id: &T) -> impl Iterator<Item = (Metric, MetricStats<T>)> {
        let extreme = |value, event_time| Extreme {
            value,
            event_time,
            turbine_id: turbine_id.clone(),
        };
        let stats = move |metric: Metric| {
            let Running {
                count,
                moments,
                min,
                max,
            } = self.running[metric as usize];
            let (min_time, max_time) = self.extreme_times[metric as usize];
            let (min, max) = (extreme(min, min_time), extreme(max, max_time));
            MetricStats::of_moments(metric.kind(), count.into(), moments, min, max)
        };
        let is_there = |metric: &Metric| self.running[*metric as usize].count > 0;
        Metric::ALL
            .into_iter()
            .filter(is_there)
            .map(move |metric| (metric, stats(metric)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::WindowMetrics;

    proptest! {
        /// However values come, repeat and are missing.
        #[test]
        fn they_are_those_of_values_taken_one_by_one(
            readings in prop::collection::vec(
                (prop::collection::vec(prop::option::of(0..4_i32), Metric::COUNT), 0..9_i64),
                0..40,
            ),
        ) {
            let mut running = RunningMetrics::default();
            let mut expected = WindowMetrics::default();
            for (values, second) in readings {
                let event_time = Timestamp::from_micros(second * 1_000_000);
                let values = Metric::ALL.into_iter().zip(values);
                let metrics: Metrics = values.filter_map(|(metric, value)| Some((metric, f64::from(value?)))).collect();
                running.take(&metrics, event_time);
                for (metric, value) in metrics.iter() {
                    expected.push(metric, Extreme { value, event_time, turbine_id: "T" });
                }
            }
            let mut found = WindowMetrics::default();
            running.of(&"T").for_each(|(metric, stats)| found.set(metric, Some(stats)));
            prop_assert_eq!(found, expected);
        }
    }
}
