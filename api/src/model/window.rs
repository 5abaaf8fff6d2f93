//! A window as the API shows it.

use domain::{Closed, Extreme, FarmWindow, Metric, MetricStats, Timestamp, TurbineId};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// How long the windows of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Resolution {
    /// A minute, as the aggregator made them.
    #[serde(rename = "1m")]
    Minute,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Minute];

    /// Its word in URLs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
        }
    }
}

/// The readings of a farm, or of one turbine, over a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Window {
    /// The farm.
    pub farm_id: String,
    /// The turbine, where the window is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turbine_id: Option<String>,
    /// Its first instant.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    /// The first instant after it.
    #[schema(value_type = String, format = DateTime)]
    pub end: Timestamp,
    /// Its length.
    pub resolution: Resolution,
    /// 0 as it closed; one more each time that late readings changed it.
    pub revision: i32,
    /// STREAM_TIME or IDLE; null for a window that only late readings made.
    pub close_reason: Option<String>,
    /// Readings that the figures are made of.
    pub reading_count: u64,
    /// Readings left out because their turbine and event time had been counted already.
    pub duplicate_count: u64,
    /// Readings left out because they broke a rule.
    pub rejected_count: u64,
    /// Turbines that the figures are made of.
    pub turbine_count: u64,
    /// Σ over turbines of mean active power × length, kWh; null if no turbine told its power.
    pub energy_kwh: Option<f64>,
    /// The figures of each metric that somebody sent, in the unit of its name.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::BTreeMap<String, MetricFigures>)]
    pub metrics: Vec<(Metric, MetricFigures)>,
}

impl Window {
    /// The figures of `metric`, if somebody sent it.
    pub fn metric(&self, metric: Metric) -> Option<&MetricFigures> {
        let mut metrics = self.metrics.iter();
        metrics.find_map(|(name, figures)| (*name == metric).then_some(figures))
    }
}

/// The figures of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetricFigures {
    /// How many readings told it.
    pub count: u64,
    /// Their mean; of directions the vector mean, null when they cancel out.
    pub mean: Option<f64>,
    /// Of directions only: length of the mean vector, from 1 (all the same) to 0 (they cancel out).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resultant: Option<f64>,
    /// Population standard deviation; of directions the circular one (Mardia), degrees, null when they cancel out.
    pub stddev: Option<f64>,
    /// The least value, and who measured it when.
    pub min: ExtremeValue,
    /// The greatest value, and who measured it when.
    pub max: ExtremeValue,
}

/// A greatest or least value. Among equal ones the earliest is meant, then that of the smallest turbine id.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExtremeValue {
    /// The value.
    pub value: f64,
    /// The turbine that measured it.
    pub turbine_id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: Timestamp,
}

impl From<Closed<FarmWindow>> for Window {
    /// As it closed.
    fn from(closed: Closed<FarmWindow>) -> Self {
        let Closed { window, close_reason } = closed;
        Self {
            farm_id: window.farm_id.to_string(),
            turbine_id: None,
            start: window.window_start,
            end: window.window_end,
            resolution: Resolution::Minute,
            revision: 0,
            close_reason: Some(close_reason.as_str().to_owned()),
            reading_count: window.reading_count,
            duplicate_count: window.duplicate_count,
            rejected_count: window.rejected_count,
            turbine_count: window.turbine_count,
            energy_kwh: window.energy_kwh,
            metrics: window
                .metrics
                .iter()
                .map(|(metric, stats)| (metric, stats.into()))
                .collect(),
        }
    }
}

impl From<&MetricStats<TurbineId>> for MetricFigures {
    fn from(stats: &MetricStats<TurbineId>) -> Self {
        let (mean, resultant, stddev) = match stats {
            MetricStats::Scalar(stats) => (Some(stats.mean), None, Some(stats.stddev())),
            MetricStats::Direction(stats) => (stats.mean_deg(), Some(stats.resultant()), stats.stddev_deg()),
        };
        Self {
            count: stats.count(),
            mean,
            resultant,
            stddev,
            min: stats.min().into(),
            max: stats.max().into(),
        }
    }
}

impl From<&Extreme<TurbineId>> for ExtremeValue {
    fn from(extreme: &Extreme<TurbineId>) -> Self {
        Self {
            value: extreme.value,
            turbine_id: extreme.turbine_id.to_string(),
            event_time: extreme.event_time,
        }
    }
}

fn by_name<S: Serializer>(metrics: &[(Metric, MetricFigures)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(metric, figures)| (metric.name(), figures)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_window_looks_as_agreed() {
        let extreme = |value| ExtremeValue {
            value,
            turbine_id: "T2".to_owned(),
            event_time: Timestamp::from_millis(1_764_000_001_500),
        };
        let figures = |resultant| MetricFigures {
            count: 2,
            mean: Some(8.5),
            resultant,
            stddev: Some(0.5),
            min: extreme(8.0),
            max: extreme(9.0),
        };
        let window = Window {
            farm_id: "north".to_owned(),
            turbine_id: None,
            start: Timestamp::from_millis(1_764_000_000_000),
            end: Timestamp::from_millis(1_764_000_060_000),
            resolution: Resolution::Minute,
            revision: 0,
            close_reason: Some("STREAM_TIME".to_owned()),
            reading_count: 2,
            duplicate_count: 0,
            rejected_count: 1,
            turbine_count: 1,
            energy_kwh: None,
            metrics: vec![
                (Metric::WindSpeed, figures(None)),
                (Metric::WindDirection, figures(Some(0.9))),
            ],
        };
        expect![[r#"
            {
              "farm_id": "north",
              "start": "2025-11-24T16:00:00Z",
              "end": "2025-11-24T16:01:00Z",
              "resolution": "1m",
              "revision": 0,
              "close_reason": "STREAM_TIME",
              "reading_count": 2,
              "duplicate_count": 0,
              "rejected_count": 1,
              "turbine_count": 1,
              "energy_kwh": null,
              "metrics": {
                "wind_speed_mps": {
                  "count": 2,
                  "mean": 8.5,
                  "stddev": 0.5,
                  "min": {
                    "value": 8.0,
                    "turbine_id": "T2",
                    "event_time": "2025-11-24T16:00:01.5Z"
                  },
                  "max": {
                    "value": 9.0,
                    "turbine_id": "T2",
                    "event_time": "2025-11-24T16:00:01.5Z"
                  }
                },
                "wind_direction_deg": {
                  "count": 2,
                  "mean": 8.5,
                  "resultant": 0.9,
                  "stddev": 0.5,
                  "min": {
                    "value": 8.0,
                    "turbine_id": "T2",
                    "event_time": "2025-11-24T16:00:01.5Z"
                  },
                  "max": {
                    "value": 9.0,
                    "turbine_id": "T2",
                    "event_time": "2025-11-24T16:00:01.5Z"
                  }
                }
              }
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&window).unwrap());
    }
}
