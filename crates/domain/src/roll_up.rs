//! Windows of one farm, or of one turbine, put together to longer ones.

use crate::stats::WindowMetrics;
use crate::{FarmWindow, Quality, TimeDelta, TurbineId};

/// What windows of one farm, or of one turbine, come to together: the same figures as of one window over all their
/// readings, but for the number of different turbines, which no sum can tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RollUp {
    /// How often late readings have changed one of the windows.
    pub revision: u64,
    /// Readings that the figures are made of.
    pub reading_count: u64,
    /// Readings left out because their turbine and event time had been counted already.
    pub duplicate_count: u64,
    /// Readings left out because they broke a rule.
    pub rejected_count: u64,
    /// Σ over the windows of turbines that reported × length: what there is, to be compared with what there could be.
    pub turbine_time: TimeDelta,
    /// Σ of the windows' energies, kWh; none if no turbine told its power. A minute without a reading adds nothing.
    pub energy_kwh: Option<f64>,
    /// The statistics of each metric.
    pub metrics: WindowMetrics<TurbineId>,
    /// How much was odd about the readings when their windows closed.
    pub quality: Quality,
}

impl RollUp {
    /// Takes the figures of another stretch of time of the same farm or turbine. The order does not matter, but for
    /// rounding.
    pub fn merge(&mut self, other: &Self) {
        self.revision += other.revision;
        self.reading_count += other.reading_count;
        self.duplicate_count += other.duplicate_count;
        self.rejected_count += other.rejected_count;
        self.quality.merge(other.quality);
        self.turbine_time = self.turbine_time + other.turbine_time;
        if let Some(energy_kwh) = other.energy_kwh {
            self.energy_kwh = Some(self.energy_kwh.unwrap_or(0.0) + energy_kwh);
        }
        for (metric, stats) in other.metrics.iter() {
            self.metrics.merge(metric, stats.clone());
        }
    }
}

impl From<&FarmWindow> for RollUp {
    /// Of one window that nothing has changed since it closed.
    fn from(window: &FarmWindow) -> Self {
        let length = window.window_end.since(window.window_start);
        let turbines = i64::try_from(window.turbine_count).unwrap_or(i64::MAX);
        Self {
            revision: 0,
            reading_count: window.reading_count,
            duplicate_count: window.duplicate_count,
            rejected_count: window.rejected_count,
            turbine_time: TimeDelta::from_micros(length.as_micros().saturating_mul(turbines)),
            energy_kwh: window.energy_kwh,
            metrics: window.metrics.clone(),
            quality: window.quality,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FarmId, Metric, MetricStats, Metrics, Timestamp, WindowSummary};

    const MINUTE: TimeDelta = TimeDelta::from_secs(60);

    /// Second, turbine, and a value for each of two metrics.
    type Told = (i64, u8, Option<f64>, Option<f64>);

    fn readings() -> impl Strategy<Value = Vec<Told>> {
        let power = proptest::option::of(prop_oneof![-50.0..3_000.0, (0..3_i32).prop_map(f64::from)]);
        let direction = proptest::option::of(0.0..360.0);
        prop::collection::vec((0..600_i64, 1..4_u8, power, direction), 1..120)
    }

    /// The window of these readings between two seconds, whatever its length.
    fn window(readings: &[Told], from: i64, to: i64) -> FarmWindow {
        let at = |second| Timestamp::default() + TimeDelta::from_secs(second);
        let mut summary = WindowSummary::default();
        for (second, turbine, power, direction) in readings {
            if (from..to).contains(second) {
                let mut metrics = Metrics::default();
                metrics.set(Metric::ActivePower, *power);
                metrics.set(Metric::WindDirection, *direction);
                summary.add(&format!("T{turbine}"), at(*second), &metrics);
            }
        }
        summary
            .finish(&FarmId::parse("north").unwrap(), at(from), at(to))
            .0
    }

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(1.0)
    }

    fn same_figures(a: Option<&MetricStats<TurbineId>>, b: Option<&MetricStats<TurbineId>>) -> bool {
        match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                let moments = match (a, b) {
                    (MetricStats::Scalar(a), MetricStats::Scalar(b)) => {
                        close(a.mean, b.mean, 3e3) && close(a.m2, b.m2, 1e9)
                    }
                    (MetricStats::Direction(a), MetricStats::Direction(b)) => {
                        close(a.sum_sin, b.sum_sin, 1e2) && close(a.sum_cos, b.sum_cos, 1e2)
                    }
                    _ => false,
                };
                moments && a.count() == b.count() && a.min() == b.min() && a.max() == b.max()
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_minutes_together_are_the_whole(readings in readings(), backwards in any::<bool>()) {
            let mut starts: Vec<_> = (0..10).map(|minute| minute * 60).collect();
            if backwards {
                starts.reverse();
            }
            let minutes: Vec<_> = starts.into_iter().map(|start| window(&readings, start, start + 60)).collect();
            let mut together = RollUp::default();
            for minute in &minutes {
                together.merge(&RollUp::from(minute));
            }
            let whole = RollUp::from(&window(&readings, 0, 600));
            prop_assert_eq!(together.reading_count, whole.reading_count);
            prop_assert_eq!(together.duplicate_count, whole.duplicate_count);
            for metric in Metric::ALL {
                prop_assert!(same_figures(together.metrics.get(metric), whole.metrics.get(metric)), "{:?}", metric);
            }
            let turbine_minutes: u64 = minutes.iter().map(|minute| minute.turbine_count).sum();
            prop_assert_eq!(together.turbine_time.as_micros(), MINUTE.as_micros() * turbine_minutes as i64);
            let energy = minutes.iter().filter_map(|minute| minute.energy_kwh).reduce(|a, b| a + b);
            prop_assert_eq!(together.energy_kwh, energy);
        }

        #[test]
        fn any_split_of_the_minutes_gives_the_same(readings in readings(), cut in 0..=10_usize) {
            let minutes: Vec<_> = (0..10).map(|minute| RollUp::from(&window(&readings, minute * 60, minute * 60 + 60))).collect();
            let merged = |minutes: &[RollUp]| {
                let mut all = RollUp::default();
                minutes.iter().for_each(|minute| all.merge(minute));
                all
            };
            let whole = merged(&minutes);
            let mut parts = merged(&minutes[..cut]);
            parts.merge(&merged(&minutes[cut..]));
            prop_assert_eq!(parts.reading_count, whole.reading_count);
            prop_assert_eq!(parts.turbine_time, whole.turbine_time);
            for metric in Metric::ALL {
                prop_assert!(same_figures(parts.metrics.get(metric), whole.metrics.get(metric)), "{:?}", metric);
            }
        }
    }
}
