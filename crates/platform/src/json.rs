//! A reading as JSON: the names of `Reading`, numbers as numbers, the time as RFC 3339.

use domain::{Metric, OperatingStatus, RawReading};
use serde_json::{Map, Value};

use crate::Rejection;

/// A single reading larger than this is none, bytes. It keeps what is refused small enough for Kafka.
pub const MAX_READING_BYTES: usize = 256 * 1024;

/// Reads one reading. It is not validated yet.
///
/// # Errors
/// What cannot be understood, by field. A field that there is not is refused, because a value under a mistyped name
/// would be lost without a word.
pub fn reading_of(bytes: &[u8]) -> Result<RawReading<'static>, Rejection> {
    let object: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| Rejection::undecodable(format!("not a JSON object: {error}")))?;
    let mut reading = RawReading::default();
    for wanted in ["farm_id", "turbine_id", "event_time"] {
        if object.get(wanted).is_none_or(Value::is_null) {
            return Err(fault(wanted, "nothing", "to be given"));
        }
    }
    for (name, value) in object {
        if !value.is_null() {
            set(&mut reading, &name, &value)?;
        }
    }
    Ok(reading)
}

/// The farm that refused bytes claim to be from, if that much of them can be read.
pub fn farm_of(bytes: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(value.get("farm_id")?.as_str()?.to_owned())
}

fn set(reading: &mut RawReading<'static>, name: &str, value: &Value) -> Result<(), Rejection> {
    let refused = |wanted: &str| fault(name, &value.to_string(), wanted);
    match name {
        "farm_id" => reading.farm_id = text(value).ok_or_else(|| refused("text"))?.into(),
        "turbine_id" => reading.turbine_id = text(value).ok_or_else(|| refused("text"))?.into(),
        "event_time" => {
            let time = value.as_str().and_then(|text| text.parse().ok());
            reading.event_time =
                time.ok_or_else(|| refused("an RFC 3339 time such as \"2026-11-23T10:00:00Z\""))?;
        }
        "sequence" => {
            reading.sequence = Some(
                value
                    .as_i64()
                    .ok_or_else(|| refused("a whole number of 64 bits"))?,
            );
        }
        "operating_status" => {
            let status = value.as_str().and_then(|text| text.parse().ok());
            reading.operating_status = Some(status.ok_or_else(|| refused(&statuses()))?);
        }
        _ => {
            let metric = Metric::from_name(name).ok_or_else(|| refused("no field of that name"))?;
            let number = value.as_f64().ok_or_else(|| refused("a number"))?;
            reading.metrics.set(metric, Some(number));
        }
    }
    Ok(())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn statuses() -> String {
    format!(
        "one of {}",
        OperatingStatus::ALL.map(OperatingStatus::as_str).join(", ")
    )
}

fn fault(field: &str, value: &str, wanted: &str) -> Rejection {
    let short = |text: &str| text.chars().take(80).collect::<String>();
    let (field, value) = (short(field), short(value));
    Rejection {
        reason: format!("{field} is {value}, wanted is {wanted}"),
        field: Some(field),
        value: Some(value),
        bound: Some(wanted.to_owned()),
        ..Rejection::new("undecodable", "")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = r#"{"farm_id":"north","turbine_id":"T1","event_time":"2026-11-23T11:00:00.25+01:00","sequence":7,
        "wind_speed_mps":8.25,"active_power_kw":-3,"blade_pitch_deg":null,"operating_status":"IDLE"}"#;

    #[test]
    fn a_reading_is_read_by_the_names_of_its_schema() {
        let reading = reading_of(WHOLE.as_bytes()).unwrap();
        assert_eq!((&*reading.farm_id, &*reading.turbine_id), ("north", "T1"));
        assert_eq!(reading.event_time.to_string(), "2026-11-23T10:00:00.25Z");
        assert_eq!(
            (reading.sequence, reading.operating_status),
            (Some(7), Some(OperatingStatus::Idle))
        );
        let metrics: Vec<_> = reading.metrics.iter().collect();
        assert_eq!(metrics, [(Metric::WindSpeed, 8.25), (Metric::ActivePower, -3.0)]);
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(field: &str, value: &str, expected: Expect) {
        let mut object: Map<String, Value> = serde_json::from_str(WHOLE).unwrap();
        object.insert(field.to_owned(), serde_json::from_str(value).unwrap());
        let refusal = reading_of(&serde_json::to_vec(&object).unwrap()).unwrap_err();
        assert_eq!(
            (refusal.rule.as_ref(), refusal.field.as_deref()),
            ("undecodable", Some(field))
        );
        expected.assert_eq(&refusal.reason);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        check("farm_id", "7", expect!["farm_id is 7, wanted is text"]);
        check(
            "farm_id",
            "null",
            expect!["farm_id is nothing, wanted is to be given"],
        );
        check(
            "event_time",
            r#""2026-11-23T10:00:00""#,
            expect![[
                r#"event_time is "2026-11-23T10:00:00", wanted is an RFC 3339 time such as "2026-11-23T10:00:00Z""#
            ]],
        );
        check(
            "sequence",
            "1.5",
            expect!["sequence is 1.5, wanted is a whole number of 64 bits"],
        );
        check(
            "wind_speed_mps",
            r#""8.25""#,
            expect![[r#"wind_speed_mps is "8.25", wanted is a number"#]],
        );
        check(
            "wind_speed",
            "8.25",
            expect!["wind_speed is 8.25, wanted is no field of that name"],
        );
        check(
            "operating_status",
            r#""RUNNING""#,
            expect![[
                r#"operating_status is "RUNNING", wanted is one of UNKNOWN, GENERATING, DERATED, IDLE, STARTING, STOPPED, MAINTENANCE, FAULT"#
            ]],
        );
    }

    proptest! {
        #[test]
        fn a_number_is_stored_as_it_was_sent(value in any::<f64>().prop_filter("JSON has no other numbers", |v| v.is_finite())) {
            let text = format!(r#"{{"farm_id":"f","turbine_id":"t","event_time":"2026-11-23T10:00:00Z","wind_speed_mps":{value:?}}}"#);
            prop_assert_eq!(reading_of(text.as_bytes()).unwrap().metrics.get(Metric::WindSpeed), Some(value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = reading_of(&bytes);
        }
    }
}
