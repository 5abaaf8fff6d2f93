//! Readings as texts, so that a failing run can be read.

use std::borrow::Cow;

use avro::SchemaId;
use domain::{Limits, Metric, RawReading, Reading};
use platform::Rejection;
use platform::intake::{NotAdmitted, RejectedReading};
use stream_aggregator::machine::{Intake, Record};

use crate::time::at;

/// Reads `farm turbine event_seconds power_kw` and `schema <id>`; anything else is a dead letter, and so is a reading
/// that breaks a rule.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Ids that were looked up: their records turn out to be dead letters.
    pub settled_schemas: Vec<SchemaId>,
}

impl Intake for Texts {
    fn admit<'a>(&mut self, record: &Record<'a>) -> Result<Reading<'a>, NotAdmitted<'a>> {
        let text = std::str::from_utf8(record.payload.unwrap_or_default()).unwrap_or_default();
        let rejected = |counted| NotAdmitted::Rejected {
            rejection: Box::new(Rejection::undecodable(text)),
            counted,
        };
        if let Some(schema) = schema_of(text) {
            return Err(if self.settled_schemas.contains(&schema) {
                rejected(None)
            } else {
                NotAdmitted::UnknownSchema(schema)
            });
        }
        let raw = parse(text).ok_or_else(|| rejected(None))?;
        let counted = RejectedReading {
            farm_id: raw.farm_id.clone(),
            turbine_id: raw.turbine_id.clone(),
            event_time: raw.event_time,
        };
        domain::validate(raw, record.appended_at, &Limits::default()).map_err(|refusal| {
            let is_countable = !matches!(
                refusal.rule,
                domain::Rule::EventTimeAhead | domain::Rule::EventTimeRange
            );
            rejected(is_countable.then_some(counted))
        })
    }
}

/// The schema that such a text asks for.
pub fn schema_of(text: &str) -> Option<SchemaId> {
    text.strip_prefix("schema ")?.parse().ok()
}

/// The reading that a text tells of, valid or not.
pub fn parse(text: &str) -> Option<RawReading<'_>> {
    let mut words = text.split(' ');
    let (farm, turbine, seconds, power_kw) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let seconds: f64 = seconds.parse().ok()?;
    let mut reading = RawReading {
        farm_id: Cow::Borrowed(farm),
        turbine_id: Cow::Borrowed(turbine),
        event_time: at((seconds * 1_000.0).round() as i64),
        ..RawReading::default()
    };
    reading.metrics.set(Metric::ActivePower, power_kw.parse().ok());
    Some(reading)
}
