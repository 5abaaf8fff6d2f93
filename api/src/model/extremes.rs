//! Extremes with the way to the readings behind them.

use domain::{Extreme, FarmId, Metric, TimeDelta, Timestamp, TurbineId};
use serde::Serialize;
use utoipa::ToSchema;

use super::window::{Window, by_name};

/// The greatest and the least values of a farm over a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z",
    "metrics": {"wind_speed_mps": {
        "min": {"value": 0.1, "turbine_id": "T07", "event_time": "2026-11-03T04:11:02Z",
                "readings_url": "/v1/farms/farm-1/turbines/T07/readings?from=2026-11-03T04:11:02Z&to=2026-11-03T04:11:02.000001Z"},
        "max": {"value": 31.4, "turbine_id": "T02", "event_time": "2026-11-19T22:40:51Z",
                "readings_url": "/v1/farms/farm-1/turbines/T02/readings?from=2026-11-19T22:40:51Z&to=2026-11-19T22:40:51.000001Z"}
    }}
}))]
pub struct Extremes {
    /// The first instant.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    /// The first instant after it.
    #[schema(value_type = String, format = DateTime)]
    pub end: Timestamp,
    /// Of each metric that was asked for and that somebody sent.
    #[serde(serialize_with = "by_name")]
    #[schema(value_type = std::collections::BTreeMap<String, MetricExtremes>)]
    pub metrics: Vec<(Metric, MetricExtremes)>,
}

/// The extremes of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetricExtremes {
    /// The least value.
    pub min: TracedExtreme,
    /// The greatest value.
    pub max: TracedExtreme,
}

/// A greatest or least value. Among equal ones the earliest is meant, then that of the smallest turbine id.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TracedExtreme {
    /// The value.
    pub value: f64,
    /// The turbine that measured it.
    pub turbine_id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: Timestamp,
    /// Where the reading itself is, as long as it is kept.
    #[schema(
        example = "/v1/farms/farm-1/turbines/T01/readings?from=2026-11-23T10:00:00Z&to=2026-11-23T10:00:00.000001Z"
    )]
    pub readings_url: String,
}

impl Extremes {
    /// Those of `metrics` in a window of the farm.
    pub fn of_window(farm: &FarmId, window: &Window, metrics: &[Metric]) -> Self {
        let traced = |extreme: &super::ExtremeValue| {
            TracedExtreme::new(farm, extreme.value, &extreme.turbine_id, extreme.event_time)
        };
        let figures = metrics
            .iter()
            .filter_map(|metric| Some((*metric, window.metric(*metric)?)));
        Self {
            start: window.start,
            end: window.end,
            metrics: figures
                .map(|(metric, figures)| {
                    let (min, max) = (traced(&figures.min), traced(&figures.max));
                    (metric, MetricExtremes { min, max })
                })
                .collect(),
        }
    }
}

impl MetricExtremes {
    /// Of a metric of the farm.
    pub fn new(farm: &FarmId, min: &Extreme<TurbineId>, max: &Extreme<TurbineId>) -> Self {
        let traced = |extreme: &Extreme<TurbineId>| {
            let turbine = extreme.turbine_id.as_str();
            TracedExtreme::new(farm, extreme.value, turbine, extreme.event_time)
        };
        Self {
            min: traced(min),
            max: traced(max),
        }
    }
}

impl TracedExtreme {
    fn new(farm: &FarmId, value: f64, turbine_id: &str, event_time: Timestamp) -> Self {
        // ids and times of ours need no escapes
        let beyond = event_time + TimeDelta::from_micros(1);
        let turbine = format!("/v1/farms/{farm}/turbines/{turbine_id}");
        Self {
            value,
            turbine_id: turbine_id.to_owned(),
            event_time,
            readings_url: format!("{turbine}/readings?from={event_time}&to={beyond}"),
        }
    }
}
