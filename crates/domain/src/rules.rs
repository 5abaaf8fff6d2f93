//! What is refused, and why. One pure function, applied alike by everybody who reads the log, so that all agree.

use std::fmt;

use crate::id::is_valid;
use crate::{Metric, RawReading, Reading, TimeDelta, Timestamp};

/// Before this no event is believed: 1990-01-01T00:00:00Z.
const EARLIEST_EVENT: Timestamp = Timestamp::from_micros(631_152_000_000_000);

/// The longest piece of a refused value that is shown, in characters.
const SHOWN_CHARS: usize = 80;

/// What may be set about the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far an event time may be ahead of the broker's append time.
    pub event_time_ahead: TimeDelta,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_time_ahead: TimeDelta::from_secs(30),
        }
    }
}

/// A rule that a reading can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The farm's id has 1–64 plain characters.
    FarmId,
    /// The turbine's id has 1–64 plain characters.
    TurbineId,
    /// The event time is not in the future, by the broker's clock.
    EventTimeAhead,
    /// The event time is not before 1990.
    EventTimeRange,
    /// Something was measured.
    NoMetric,
    /// Every value is a finite number.
    NotFinite,
    /// The value lies within [`Metric::bounds`].
    Range(Metric),
}

impl Rule {
    /// Every rule, in the order in which they are applied.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::FarmId,
            Self::TurbineId,
            Self::EventTimeAhead,
            Self::EventTimeRange,
            Self::NoMetric,
            Self::NotFinite,
        ]
        .into_iter()
        .chain(Metric::ALL.into_iter().map(Self::Range))
    }

    /// The rule's name in headers, columns and answers.
    pub const fn id(self) -> &'static str {
        match self {
            Self::FarmId => "farm_id",
            Self::TurbineId => "turbine_id",
            Self::EventTimeAhead => "event_time_ahead",
            Self::EventTimeRange => "event_time_range",
            Self::NoMetric => "no_metric",
            Self::NotFinite => "not_finite",
            Self::Range(metric) => metric.name(),
        }
    }
}

/// Why a reading was refused: the first rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The field at fault, if it is one.
    pub field: Option<&'static str>,
    /// Its value.
    pub value: Option<String>,
    /// What it should have been.
    pub bound: Option<String>,
}

impl Refusal {
    fn new(rule: Rule, field: &'static str, value: impl fmt::Display, bound: impl fmt::Display) -> Self {
        let value = value.to_string().chars().take(SHOWN_CHARS).collect();
        Self {
            rule,
            field: Some(field),
            value: Some(value),
            bound: Some(bound.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.field, &self.value, &self.bound) {
            (Some(field), Some(value), Some(bound)) => write!(f, "{field} is {value}, allowed is {bound}"),
            _ => f.write_str("the reading has no metric at all"),
        }
    }
}

/// Checks a reading against every rule and makes it canonical (a direction of 360° becomes 0°, −0 becomes 0).
///
/// `appended_at` is the broker's append time, so that a replay of the log decides the same.
///
/// # Errors
/// The first rule that is broken, with field, value and bound.
#[inline]
pub fn validate<'a>(
    mut raw: RawReading<'a>,
    appended_at: Timestamp,
    limits: &Limits,
) -> Result<Reading<'a>, Refusal> {
    check_ids(&raw)?;
    check_event_time(raw.event_time, appended_at, limits)?;
    if raw.metrics.is_empty() {
        return Err(Refusal {
            rule: Rule::NoMetric,
            field: None,
            value: None,
            bound: None,
        });
    }
    match raw.metrics.canonical() {
        Some(metrics) => raw.metrics = metrics,
        None => raw
            .metrics
            .iter()
            .try_for_each(|(metric, value)| check_value(metric, value))?,
    }
    Ok(Reading::trusted(raw))
}

fn check_ids(raw: &RawReading<'_>) -> Result<(), Refusal> {
    let bound = "1 to 64 characters out of A-Z a-z 0-9 . _ : -";
    if !is_valid(&raw.farm_id) {
        return Err(Refusal::new(Rule::FarmId, "farm_id", &raw.farm_id, bound));
    }
    if !is_valid(&raw.turbine_id) {
        return Err(Refusal::new(
            Rule::TurbineId,
            "turbine_id",
            &raw.turbine_id,
            bound,
        ));
    }
    Ok(())
}

/// Checks an event time alone, for who must name every fault of a reading and not only the first.
///
/// # Errors
/// [`Rule::EventTimeAhead`] or [`Rule::EventTimeRange`].
pub fn check_event_time(
    event_time: Timestamp,
    appended_at: Timestamp,
    limits: &Limits,
) -> Result<(), Refusal> {
    let latest = appended_at + limits.event_time_ahead;
    if event_time > latest {
        let bound = format!(
            "at most {latest} ({} ms ahead of the broker)",
            limits.event_time_ahead.as_millis()
        );
        return Err(Refusal::new(
            Rule::EventTimeAhead,
            "event_time",
            event_time,
            bound,
        ));
    }
    if event_time < EARLIEST_EVENT {
        let bound = format!("at least {EARLIEST_EVENT}");
        return Err(Refusal::new(
            Rule::EventTimeRange,
            "event_time",
            event_time,
            bound,
        ));
    }
    Ok(())
}

fn check_value(metric: Metric, value: f64) -> Result<(), Refusal> {
    if !value.is_finite() {
        return Err(Refusal::new(
            Rule::NotFinite,
            metric.name(),
            value,
            "a finite number",
        ));
    }
    let (low, high) = metric.bounds();
    if value < low || value > high {
        return Err(Refusal::new(
            Rule::Range(metric),
            metric.name(),
            value,
            format!("[{low}, {high}]"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_764_000_000_000_000);

    fn reading() -> RawReading<'static> {
        RawReading {
            farm_id: "north".into(),
            turbine_id: "T01".into(),
            event_time: NOW,
            metrics: [(Metric::WindSpeed, 8.0)].into_iter().collect(),
            ..RawReading::default()
        }
    }

    fn with(metric: Metric, value: f64) -> RawReading<'static> {
        let mut raw = reading();
        raw.metrics.set(metric, Some(value));
        raw
    }

    fn refused_by(raw: RawReading<'_>) -> Option<&'static str> {
        validate(raw, NOW, &Limits::default())
            .err()
            .map(|refusal| refusal.rule.id())
    }

    #[test]
    fn each_metric_is_accepted_at_its_bounds_and_refused_beyond_them() {
        for metric in Metric::ALL {
            let (low, high) = metric.bounds();
            for good in [low, high, f64::midpoint(low, high)] {
                assert_eq!(refused_by(with(metric, good)), None, "{metric:?} {good}");
            }
            for bad in [low - 0.001, high + 0.001, -1e300, 1e300] {
                assert_eq!(
                    refused_by(with(metric, bad)),
                    Some(metric.name()),
                    "{metric:?} {bad}"
                );
            }
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(
                    refused_by(with(metric, odd)),
                    Some("not_finite"),
                    "{metric:?} {odd}"
                );
            }
        }
    }

    #[test]
    fn ids_and_times_are_checked() {
        let at = |event_time| RawReading {
            event_time,
            ..reading()
        };
        let cases: [(RawReading<'_>, Option<&str>); 9] = [
            (
                RawReading {
                    farm_id: "".into(),
                    ..reading()
                },
                Some("farm_id"),
            ),
            (
                RawReading {
                    farm_id: "a b".into(),
                    ..reading()
                },
                Some("farm_id"),
            ),
            (
                RawReading {
                    turbine_id: "x".repeat(65).into(),
                    ..reading()
                },
                Some("turbine_id"),
            ),
            (at(NOW + TimeDelta::from_secs(30)), None),
            (
                at(NOW + TimeDelta::from_micros(30_000_001)),
                Some("event_time_ahead"),
            ),
            (at(Timestamp::from_micros(i64::MAX)), Some("event_time_ahead")),
            (at(EARLIEST_EVENT), None),
            (
                at(EARLIEST_EVENT - TimeDelta::from_micros(1)),
                Some("event_time_range"),
            ),
            (at(Timestamp::MIN), Some("event_time_range")),
        ];
        for (raw, rule) in cases {
            assert_eq!(refused_by(raw.clone()), rule, "{raw:?}");
        }
    }

    #[test]
    fn a_reading_without_any_metric_is_refused() {
        assert_eq!(
            refused_by(RawReading {
                metrics: crate::Metrics::default(),
                ..reading()
            }),
            Some("no_metric")
        );
    }

    #[test]
    fn a_refusal_names_field_value_and_bound() {
        let refusal = validate(with(Metric::WindSpeed, 80.5), NOW, &Limits::default()).unwrap_err();
        assert_eq!(refusal.to_string(), "wind_speed_mps is 80.5, allowed is [0, 75]");
        assert_eq!(refusal.value.as_deref(), Some("80.5"));
    }

    #[test]
    fn north_is_0_and_there_is_one_zero() {
        let value_of = |metric, value| {
            validate(with(metric, value), NOW, &Limits::default())
                .unwrap()
                .metrics
                .get(metric)
        };
        assert_eq!(value_of(Metric::WindDirection, 360.0), Some(0.0));
        assert_eq!(value_of(Metric::BladePitch, 360.0), Some(360.0));
        assert!(value_of(Metric::ActivePower, -0.0).unwrap().is_sign_positive());
    }

    #[test]
    fn rule_ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = Rule::all().map(Rule::id).collect();
        assert_eq!(ids.len(), Rule::all().count());
    }
}
