//! `GET /agregados/minuto`: one minute of the farm in the words of the first system.

use domain::{Extreme, Metric, MetricStats, Timestamp, TurbineId};
use jiff::tz::TimeZone;
use serde::Serialize;
use stored::StoredWindow;
use utoipa::ToSchema;

/// One minute of all generators.
#[derive(Debug, Serialize, ToSchema)]
pub struct Minute {
    /// Its beginning, local time with its offset.
    #[schema(value_type = String, format = DateTime, example = "2026-11-23T11:05:00+01:00")]
    minute: String,
    wind_speed: Option<Aggregate>,
    /// `avg` is the vector mean.
    wind_direction: Option<Aggregate>,
    rotor_speed: Option<Aggregate>,
    temperature: Option<Aggregate>,
}

/// One metric over a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Aggregate {
    /// The mean; null for directions that cancel out.
    avg: Option<f64>,
    max: Attributed,
    min: Attributed,
}

/// A value and who measured it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attributed {
    value: f64,
    generator: String,
}

impl Minute {
    /// What is told of.
    pub const METRICS: [Metric; 4] = [
        Metric::WindSpeed,
        Metric::WindDirection,
        Metric::RotorSpeed,
        Metric::AmbientTemperature,
    ];

    /// Of `window`, by the clocks of `zone`.
    pub fn of(window: &StoredWindow, zone: &TimeZone) -> Self {
        let aggregate = |metric| window.figures.metrics.get(metric).map(Aggregate::of);
        Self {
            minute: local(window.start, zone),
            wind_speed: aggregate(Metric::WindSpeed),
            wind_direction: aggregate(Metric::WindDirection),
            rotor_speed: aggregate(Metric::RotorSpeed),
            temperature: aggregate(Metric::AmbientTemperature),
        }
    }
}

impl Aggregate {
    fn of(stats: &MetricStats<TurbineId>) -> Self {
        let attributed = |extreme: &Extreme<TurbineId>| Attributed {
            value: extreme.value,
            generator: extreme.turbine_id.to_string(),
        };
        Self {
            avg: match stats {
                MetricStats::Scalar(stats) => Some(stats.mean),
                MetricStats::Direction(stats) => stats.mean_deg(),
            },
            max: attributed(stats.max()),
            min: attributed(stats.min()),
        }
    }
}

fn local(time: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_microsecond(time.as_micros()) {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        Err(_) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_told_by_the_clocks_of_the_place() {
        let madrid = TimeZone::get("Europe/Madrid").unwrap();
        let local = |text: &str| local(text.parse().unwrap(), &madrid);
        assert_eq!(local("2026-11-23T10:05:00Z"), "2026-11-23T11:05:00+01:00");
        assert_eq!(local("2026-07-01T10:05:00Z"), "2026-07-01T12:05:00+02:00");
        assert_eq!(
            local("2026-10-25T00:30:00Z"),
            "2026-10-25T02:30:00+02:00",
            "the hour that comes twice"
        );
        assert_eq!(local("2026-10-25T01:30:00Z"), "2026-10-25T02:30:00+01:00");
    }
}
