//! A window as the API shows it.

use domain::{Closed, Extreme, FarmWindow, Metric, MetricStats, RollUp, Timestamp, TurbineId};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::calendar::Span;

/// How long the windows of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Resolution {
    /// A minute, as the aggregator made them.
    #[serde(rename = "1m")]
    Minute,
    /// Ten minutes.
    #[serde(rename = "10m")]
    TenMinutes,
    /// An hour by the clocks of a time zone.
    #[serde(rename = "1h")]
    Hour,
    /// A day by the calendar of a time zone.
    #[serde(rename = "1d")]
    Day,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// Its word in URLs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }
}

/// The readings of a farm, or of one turbine, over a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "farm_id": "farm-1", "turbine_id": "T01", "start": "2026-11-23T10:00:00Z", "end": "2026-11-23T10:10:00Z",
    "resolution": "10m", "revision": 0, "close_reason": null, "reading_count": 600, "duplicate_count": 0,
    "rejected_count": 2, "turbine_count": 1, "unresponsive_count": 0, "out_of_order_count": 1, "gap_count": 0,
    "off_curve_count": 3, "completeness": 1.0, "energy_kwh": 212.5, "turbulence_intensity": 0.09,
    "metrics": {
        "wind_speed_mps": {
            "count": 600, "mean": 8.4, "stddev": 0.756,
            "min": {"value": 6.1, "turbine_id": "T01", "event_time": "2026-11-23T10:04:17Z"},
            "max": {"value": 10.9, "turbine_id": "T01", "event_time": "2026-11-23T10:07:52Z"}
        },
        "wind_direction_deg": {
            "count": 600, "mean": 268.2, "resultant": 0.997, "stddev": 4.4,
            "min": {"value": 255.0, "turbine_id": "T01", "event_time": "2026-11-23T10:01:09Z"},
            "max": {"value": 281.3, "turbine_id": "T01", "event_time": "2026-11-23T10:08:30Z"}
        }
    }
}))]
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
    /// Only of a minute that has not closed yet, and then true: what is stored of it so far, as if it closed now. What
    /// was left out is counted when it closes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// 0 as it closed; one more each time that late readings changed it, or one of its minutes.
    pub revision: u64,
    /// Of a minute: STREAM_TIME or IDLE; null if only late readings made it, and for everything longer.
    pub close_reason: Option<String>,
    /// Readings that the figures are made of.
    pub reading_count: u64,
    /// Readings left out because their turbine and event time had been counted already.
    pub duplicate_count: u64,
    /// Readings left out because they broke a rule.
    pub rejected_count: u64,
    /// Different turbines that the figures are made of.
    pub turbine_count: u64,
    /// Readings with a metric that had not changed for many readings. This and the other oddities are counted when a
    /// minute closes, and nothing is changed or left out for them.
    pub unresponsive_count: u64,
    /// Readings that came after one of the same turbine with a later event time.
    pub out_of_order_count: u64,
    /// Stretches without a reading of a turbine, longer than 5 times its usual interval.
    pub gap_count: u64,
    /// Readings whose power was far from the reference curve at that wind.
    pub off_curve_count: u64,
    /// Of a minute that has closed: the turbines whose clocks ran ahead of the broker's by more than a second more than
    /// their fellows' did. In files they are one text, with a space between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspicious_clocks: Option<Vec<String>>,
    /// Turbine-minutes with data in turbine-minutes that there could be, from 0 to 1: of each turbine from its first
    /// reading on, and of a window that is going on up to now; null if nothing could be there. Events leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub completeness: Option<Option<f64>>,
    /// Σ over turbines and minutes of mean active power × length, kWh; null if no turbine told its power.
    pub energy_kwh: Option<f64>,
    /// Of a turbine, from ten minutes up: standard deviation of the wind speed in its mean (IEC 61400-12-1); null
    /// without wind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub turbulence_intensity: Option<Option<f64>>,
    /// The figures of each metric that somebody sent, in the unit of its name.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::BTreeMap<String, MetricFigures>)]
    pub metrics: Vec<(Metric, MetricFigures)>,
}

/// What a window is made of besides its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowHead {
    /// Its stretch of time.
    pub span: Span,
    /// Its length.
    pub resolution: Resolution,
    /// Of a minute: why it closed.
    pub close_reason: Option<String>,
    /// Of a minute: whose clocks ran ahead.
    pub suspicious_clocks: Option<Vec<String>>,
    /// Different turbines that reported.
    pub turbine_count: u64,
    /// What there is of what there could be, if anybody has looked.
    pub completeness: Option<Option<f64>>,
}

impl Window {
    /// The window of a farm, or of one turbine of it, with these figures.
    pub fn new(farm_id: &str, turbine_id: Option<&str>, head: WindowHead, figures: &RollUp) -> Self {
        let is_long = head.resolution != Resolution::Minute;
        let turbulence = (turbine_id.is_some() && is_long).then(|| turbulence_intensity(figures));
        let metrics = figures.metrics.iter();
        Self {
            farm_id: farm_id.to_owned(),
            turbine_id: turbine_id.map(str::to_owned),
            start: head.span.start,
            end: head.span.end,
            resolution: head.resolution,
            provisional: false,
            revision: figures.revision,
            close_reason: head.close_reason,
            reading_count: figures.reading_count,
            duplicate_count: figures.duplicate_count,
            rejected_count: figures.rejected_count,
            turbine_count: head.turbine_count,
            unresponsive_count: figures.quality.unresponsive,
            out_of_order_count: figures.quality.out_of_order,
            gap_count: figures.quality.gap,
            off_curve_count: figures.quality.off_curve,
            suspicious_clocks: head.suspicious_clocks,
            completeness: head.completeness,
            energy_kwh: figures.energy_kwh,
            turbulence_intensity: turbulence,
            metrics: metrics.map(|(metric, stats)| (metric, stats.into())).collect(),
        }
    }

    /// The figures of `metric`, if somebody sent it.
    pub fn metric(&self, metric: Metric) -> Option<&MetricFigures> {
        let mut metrics = self.metrics.iter();
        metrics.find_map(|(name, figures)| (*name == metric).then_some(figures))
    }
}

fn turbulence_intensity(figures: &RollUp) -> Option<f64> {
    match figures.metrics.get(Metric::WindSpeed)? {
        MetricStats::Scalar(stats) => (stats.mean > 0.0).then(|| stats.stddev() / stats.mean),
        MetricStats::Direction(_) => None,
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
    /// As it closed; how complete it is, is for others to know.
    fn from(closed: Closed<FarmWindow>) -> Self {
        let Closed { window, close_reason } = closed;
        let head = WindowHead {
            span: Span {
                start: window.window_start,
                end: window.window_end,
            },
            resolution: Resolution::Minute,
            close_reason: Some(close_reason.as_str().to_owned()),
            suspicious_clocks: Some(window.suspicious_clocks.iter().map(ToString::to_string).collect()),
            turbine_count: window.turbine_count,
            completeness: None,
        };
        Self::new(window.farm_id.as_str(), None, head, &RollUp::from(&window))
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

/// Figures by the names of their metrics.
pub(super) fn by_name<T: Serialize, S: Serializer>(
    metrics: &[(Metric, T)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(metric, figures)| (metric.name(), figures)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_window_looks_as_agreed() {
        let mut figures = RollUp {
            reading_count: 2,
            rejected_count: 1,
            quality: domain::Quality::of_counts([1, 2, 3, 4]),
            ..RollUp::default()
        };
        for value in [8.0, 9.0] {
            for metric in [Metric::WindSpeed, Metric::WindDirection] {
                let extreme = Extreme {
                    value,
                    turbine_id: TurbineId::parse("T2").unwrap(),
                    event_time: Timestamp::from_millis(1_764_000_001_500),
                };
                figures.metrics.push(metric, extreme);
            }
        }
        let head = WindowHead {
            span: Span {
                start: Timestamp::from_millis(1_764_000_000_000),
                end: Timestamp::from_millis(1_764_000_600_000),
            },
            resolution: Resolution::TenMinutes,
            close_reason: None,
            suspicious_clocks: None,
            turbine_count: 1,
            completeness: Some(Some(0.25)),
        };
        let mut window = Window::new("north", Some("T2"), head, &figures);
        let direction = &mut window.metrics[1].1;
        (direction.mean, direction.resultant, direction.stddev) = (Some(8.5), Some(1.0), Some(0.5));
        expect![[r#"
            {
              "farm_id": "north",
              "turbine_id": "T2",
              "start": "2025-11-24T16:00:00Z",
              "end": "2025-11-24T16:10:00Z",
              "resolution": "10m",
              "revision": 0,
              "close_reason": null,
              "reading_count": 2,
              "duplicate_count": 0,
              "rejected_count": 1,
              "turbine_count": 1,
              "unresponsive_count": 1,
              "out_of_order_count": 2,
              "gap_count": 3,
              "off_curve_count": 4,
              "completeness": 0.25,
              "energy_kwh": null,
              "turbulence_intensity": 0.058823529411764705,
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
                  "resultant": 1.0,
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
