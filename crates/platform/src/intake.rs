//! What is taken from `readings`, decided alike by all who read it.

use std::borrow::Cow;

use avro::{DecodeError, Decoder, SchemaId};
use domain::{Limits, Reading, Rule, Timestamp};

use crate::Rejection;

/// A record that is not a reading to work with.
#[derive(Debug)]
pub enum NotAdmitted<'a> {
    /// Its writer schema must be resolved first; then ask again.
    UnknownSchema(SchemaId),
    /// It is a dead letter.
    Rejected {
        /// Why.
        rejection: Box<Rejection>,
        /// Whose window counts it, if that much of it can be believed.
        counted: Option<RejectedReading<'a>>,
    },
}

/// The parts of a rejected reading that could be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedReading<'a> {
    /// The farm; also the record's key.
    pub farm_id: Cow<'a, str>,
    /// The turbine.
    pub turbine_id: Cow<'a, str>,
    /// When it was measured.
    pub event_time: Timestamp,
}

/// Decodes and validates one record of `readings`.
///
/// # Errors
/// [`NotAdmitted`] says whether the writer's schema is wanted first, or why the record is a dead letter.
#[inline]
pub fn admit<'a>(
    key: Option<&[u8]>,
    payload: Option<&'a [u8]>,
    appended_at: Timestamp,
    decoder: &mut Decoder,
    limits: &Limits,
) -> Result<Reading<'a>, NotAdmitted<'a>> {
    let rejected = |rejection: Rejection| NotAdmitted::Rejected {
        rejection: Box::new(rejection),
        counted: None,
    };
    let payload = payload.ok_or_else(|| rejected(Rejection::undecodable("the record has no value")))?;
    let raw = decoder.reading(payload).map_err(|error| match error {
        DecodeError::UnknownSchema(id) => NotAdmitted::UnknownSchema(id),
        error @ (DecodeError::TooShort { .. }
        | DecodeError::NotFramed { .. }
        | DecodeError::Malformed { .. }
        | DecodeError::Unresolvable { .. }) => rejected(Rejection::undecodable(error.to_string())),
    })?;
    if key != Some(raw.farm_id.as_bytes()) {
        return Err(rejected(Rejection::key_mismatch(key, &raw.farm_id)));
    }
    // borrowed ids are copied as pointers: this costs the usual reading nothing
    let parts = RejectedReading {
        farm_id: raw.farm_id.clone(),
        turbine_id: raw.turbine_id.clone(),
        event_time: raw.event_time,
    };
    domain::validate(raw, appended_at, limits).map_err(|refusal| NotAdmitted::Rejected {
        counted: is_countable(refusal.rule).then_some(parts),
        rejection: Box::new(refusal.into()),
    })
}

/// Whether farm, turbine and event time of a reading that broke this rule are in order.
const fn is_countable(rule: Rule) -> bool {
    match rule {
        Rule::FarmId | Rule::TurbineId | Rule::EventTimeAhead | Rule::EventTimeRange => false,
        Rule::NoMetric | Rule::NotFinite | Rule::Range(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use avro::{RecordType, Registry, RegistryConfig, WriterSchema};
    use domain::{Metric, RawReading};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    /// What comes of a reading of farm `north`, framed as schema 7, under that key.
    fn intake(key: Option<&[u8]>, wind_speed_mps: f64, event_time: Timestamp, id: u32) -> String {
        let registry = Registry::new(RegistryConfig {
            url: "http://127.0.0.1:1".into(),
            cache_file: None,
        })
        .unwrap();
        registry.assume(WriterSchema::parse(7, RecordType::Reading.schema_json()).unwrap());
        let raw = RawReading {
            farm_id: "north".into(),
            turbine_id: "T1".into(),
            event_time,
            metrics: [(Metric::WindSpeed, wind_speed_mps)].into_iter().collect(),
            ..RawReading::default()
        };
        let mut payload = Vec::new();
        avro::wire::frame(id, &mut payload);
        avro::encode_reading(&raw, &mut payload);
        match admit(
            key,
            Some(&payload),
            NOW,
            &mut Decoder::new(registry),
            &Limits::default(),
        ) {
            Ok(reading) => format!("taken {}", reading.turbine_id),
            Err(NotAdmitted::UnknownSchema(id)) => format!("schema {id} first"),
            Err(NotAdmitted::Rejected { rejection, counted }) => {
                format!(
                    "{}{}",
                    rejection.rule,
                    if counted.is_some() { ", counted" } else { "" }
                )
            }
        }
    }

    #[test]
    fn a_record_is_taken_or_rejected_or_waits_for_its_schema() {
        let north = Some(b"north".as_slice());
        assert_eq!(intake(north, 8.0, NOW, 7), "taken T1");
        assert_eq!(intake(north, 80.0, NOW, 7), "wind_speed_mps, counted");
        assert_eq!(
            intake(north, 8.0, NOW + domain::TimeDelta::from_secs(31), 7),
            "event_time_ahead"
        );
        assert_eq!(intake(Some(b"south"), 8.0, NOW, 7), "key_mismatch");
        assert_eq!(intake(None, 8.0, NOW, 7), "key_mismatch");
        assert_eq!(intake(north, 8.0, NOW, 8), "schema 8 first");
    }
}
