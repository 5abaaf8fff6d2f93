//! The body of `POST /medidas`, checked as pydantic checked it.

use domain::rules::check_event_time;
use domain::{Limits, Metric, RawReading, Timestamp, TurbineId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::json_fault::json_fault;
use super::{Detail, Moment};

/// A measurement as the first system's generators send it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Measurement {
    /// The generator; here a turbine.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "T01")]
    pub generator_id: String,
    /// Wind speed, m/s.
    #[schema(exclusive_minimum = 0.0, maximum = 75.0)]
    pub wind_speed: f64,
    /// Direction that the wind comes from, degrees.
    #[schema(minimum = 0.0, maximum = 360.0)]
    pub wind_direction: f64,
    /// Speed of the rotor, rpm.
    #[schema(exclusive_minimum = 0.0, maximum = 4000.0)]
    pub rotor_speed: f64,
    /// Outside temperature, °C.
    #[schema(minimum = -10.0, maximum = 40.0)]
    pub temperature: f64,
    /// When it was measured, ISO 8601; without an offset it is UTC.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Moment,
}

/// A limit of a number: pydantic's type and word for it, the limit, and whether a value is within.
type Bound = (&'static str, &'static str, f64, fn(f64, f64) -> bool);

const fn gt(limit: f64) -> Bound {
    ("greater_than", "gt", limit, |value, limit| value > limit)
}
const fn ge(limit: f64) -> Bound {
    ("greater_than_equal", "ge", limit, |value, limit| value >= limit)
}
const fn le(limit: f64) -> Bound {
    ("less_than_equal", "le", limit, |value, limit| value <= limit)
}

// Above, where the first system had no limit, stands that of our own rule: a value beyond it could not be stored.
const WIND_SPEED: [Bound; 2] = [gt(0.0), le(Metric::WindSpeed.bounds().1)];
const WIND_DIRECTION: [Bound; 2] = [le(360.0), ge(0.0)];
const ROTOR_SPEED: [Bound; 2] = [gt(0.0), le(Metric::RotorSpeed.bounds().1)];
const TEMPERATURE: [Bound; 2] = [le(40.0), ge(-10.0)];

/// Reads a measurement and applies every rule to it, the first system's and ours.
///
/// # Errors
/// One entry for each field that is wrong, in the order of the fields.
pub fn measurement_of(body: &[u8], now: Timestamp, limits: &Limits) -> Result<Measurement, Vec<Detail>> {
    let fields = fields_of(body).map_err(|detail| vec![detail])?;
    let mut reader = Reader {
        fields: &fields,
        faults: Vec::new(),
    };
    let generator_id = reader.field("generator_id", text);
    let wind_speed = reader.number("wind_speed", &WIND_SPEED);
    let wind_direction = reader.number("wind_direction", &WIND_DIRECTION);
    let rotor_speed = reader.number("rotor_speed", &ROTOR_SPEED);
    let temperature = reader.number("temperature", &TEMPERATURE);
    let timestamp = reader.field("timestamp", |loc, input| time(loc, input, now, limits));
    let measurement = (|| {
        Some(Measurement {
            generator_id: generator_id?,
            wind_speed: wind_speed?,
            wind_direction: wind_direction?,
            rotor_speed: rotor_speed?,
            temperature: temperature?,
            timestamp: timestamp?,
        })
    })();
    measurement.ok_or(reader.faults)
}

impl Measurement {
    /// As a reading of a turbine of `farm`.
    pub fn to_reading(&self, farm: &str) -> RawReading<'_> {
        let metrics = [
            (Metric::WindSpeed, self.wind_speed),
            (Metric::WindDirection, self.wind_direction),
            (Metric::RotorSpeed, self.rotor_speed),
            (Metric::AmbientTemperature, self.temperature),
        ];
        RawReading {
            farm_id: farm.to_owned().into(),
            turbine_id: self.generator_id.as_str().into(),
            event_time: self.timestamp.at().unwrap_or(Timestamp::MIN),
            metrics: metrics.into_iter().collect(),
            ..RawReading::default()
        }
    }
}

fn fields_of(body: &[u8]) -> Result<Map<String, Value>, Detail> {
    if body.is_empty() {
        return Err(Detail::missing(&["body"], Value::Null));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Detail::new(
            "model_attributes_type",
            &["body"],
            "Input should be a valid dictionary or object to extract fields from",
            other,
        )),
        Err(_) => Err(json_fault(&String::from_utf8_lossy(body))),
    }
}

/// Takes fields out of the body and gathers what is wrong with them.
struct Reader<'b> {
    fields: &'b Map<String, Value>,
    faults: Vec<Detail>,
}

impl Reader<'_> {
    fn field<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&[&'static str], &Value) -> Result<T, Detail>,
    ) -> Option<T> {
        let loc = ["body", name];
        let read = match self.fields.get(name) {
            Some(input) => read(&loc, input),
            None => Err(Detail::missing(&loc, Value::Object(self.fields.clone()))),
        };
        read.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn number(&mut self, name: &'static str, bounds: &[Bound]) -> Option<f64> {
        self.field(name, |loc, input| number(loc, input, bounds))
    }
}

fn text(loc: &[&'static str], input: &Value) -> Result<String, Detail> {
    let Value::String(text) = input else {
        return Err(Detail::new(
            "string_type",
            loc,
            "Input should be a valid string",
            input.clone(),
        ));
    };
    match TurbineId::parse(text) {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(Detail::value_error(loc, &error.to_string(), input.clone())),
    }
}

fn number(loc: &[&'static str], input: &Value, bounds: &[Bound]) -> Result<f64, Detail> {
    let fault = |r#type, msg: &str| Detail::new(r#type, loc, msg, input.clone());
    let value = match input {
        Value::Number(number) => number.as_f64(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))), // as Python counts
        Value::String(text) => Some(number_in(text).ok_or_else(|| {
            fault(
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
            )
        })?),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let value = value.ok_or_else(|| fault("float_type", "Input should be a valid number"))?;
    if value.is_infinite() {
        return Err(fault("finite_number", "Input should be a finite number"));
    }
    for &(r#type, word, limit, is_within) in bounds {
        if !is_within(value, limit) {
            let wanted = r#type.replace('_', " ").replace("than equal", "than or equal to");
            return Err(fault(r#type, &format!("Input should be {wanted} {limit}")).with(word, limit));
        }
    }
    Ok(value)
}

/// A number as Python reads it: blanks around it, and underscores between digits.
fn number_in(text: &str) -> Option<f64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let is_between_digits = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    let mut underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    if !underscores.all(|(at, _)| is_between_digits(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A time that our own rules take too: the aggregator would refuse it later, when nobody is there to be told.
fn time(loc: &[&'static str], input: &Value, now: Timestamp, limits: &Limits) -> Result<Moment, Detail> {
    let moment = Moment::parse(loc, input)?;
    let event_time = moment.at().unwrap_or(Timestamp::MIN);
    match check_event_time(event_time, now, limits) {
        Ok(()) => Ok(moment),
        Err(refusal) => {
            let reason = refusal.to_string().replace("event_time", "timestamp");
            Err(Detail::value_error(loc, &reason, input.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use domain::validate;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_000); // 2026-11-23T10:00:00Z

    fn whole() -> Map<String, Value> {
        let body = json!({"generator_id": "T1", "wind_speed": 8.1, "wind_direction": 10, "rotor_speed": 12,
                          "temperature": 3, "timestamp": "2026-11-23T10:00:00"});
        body.as_object().unwrap().clone()
    }

    fn faults(body: &str) -> Value {
        let faults = measurement_of(body.as_bytes(), NOW, &Limits::default()).unwrap_err();
        serde_json::to_value(faults).unwrap()
    }

    /// The whole measurement with one field changed: what is said of that field.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(field: &'static str, json: &str, expected: Expect) {
        let mut body = whole();
        body.insert(field.to_owned(), serde_json::from_str(json).unwrap());
        let body = serde_json::to_string(&body).unwrap();
        let shown = match measurement_of(body.as_bytes(), NOW, &Limits::default()) {
            Ok(taken) => format!("taken: {}", serde_json::to_value(taken).unwrap()[field]),
            Err(faults) => {
                assert_eq!(faults.len(), 1);
                assert_eq!(faults[0].field(), Some(field));
                let fault = serde_json::to_value(&faults[0]).unwrap();
                assert_eq!(fault["input"], serde_json::from_str::<Value>(json).unwrap());
                format!(
                    "{}: {} {}",
                    fault["type"].as_str().unwrap(),
                    fault["msg"].as_str().unwrap(),
                    fault["ctx"]
                )
            }
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_measurement_comes_back_as_it_was_taken() {
        let taken = measurement_of(json!(whole()).to_string().as_bytes(), NOW, &Limits::default()).unwrap();
        expect![[r#"{"generator_id":"T1","wind_speed":8.1,"wind_direction":10.0,"rotor_speed":12.0,"temperature":3.0,"timestamp":"2026-11-23T10:00:00"}"#]]
            .assert_eq(&serde_json::to_string(&taken).unwrap());
        let reading = validate(taken.to_reading("windpark"), NOW, &Limits::default()).unwrap();
        assert_eq!((&*reading.turbine_id, reading.event_time), ("T1", NOW));
        assert_eq!(reading.metrics.get(Metric::AmbientTemperature), Some(3.0));
    }

    #[test]
    fn numbers_are_taken_as_pydantic_takes_them() {
        check(
            "wind_speed",
            "0",
            expect![[r#"greater_than: Input should be greater than 0 {"gt":0.0}"#]],
        );
        check(
            "wind_speed",
            "-0.5",
            expect![[r#"greater_than: Input should be greater than 0 {"gt":0.0}"#]],
        );
        check("wind_speed", r#"" 8.5 ""#, expect!["taken: 8.5"]);
        check("wind_speed", r#""1_0""#, expect!["taken: 10.0"]);
        check("wind_speed", "true", expect!["taken: 1.0"]);
        for text in [r#""x""#, r#""""#, r#""0x10""#, r#""1__0""#, r#""_1""#] {
            check(
                "wind_speed",
                text,
                expect![
                    "float_parsing: Input should be a valid number, unable to parse string as a number null"
                ],
            );
        }
        for other in ["null", "{}", "[]"] {
            check(
                "wind_speed",
                other,
                expect!["float_type: Input should be a valid number null"],
            );
        }
        check(
            "wind_speed",
            r#""nan""#,
            expect![[r#"greater_than: Input should be greater than 0 {"gt":0.0}"#]],
        );
        check(
            "wind_direction",
            r#""NaN""#,
            expect![[r#"less_than_equal: Input should be less than or equal to 360 {"le":360.0}"#]],
        );
        check("wind_direction", "360", expect!["taken: 360.0"]);
        check(
            "wind_direction",
            "360.5",
            expect![[r#"less_than_equal: Input should be less than or equal to 360 {"le":360.0}"#]],
        );
        check(
            "wind_direction",
            "-1",
            expect![[r#"greater_than_equal: Input should be greater than or equal to 0 {"ge":0.0}"#]],
        );
        check(
            "rotor_speed",
            "0",
            expect![[r#"greater_than: Input should be greater than 0 {"gt":0.0}"#]],
        );
        check(
            "temperature",
            "41",
            expect![[r#"less_than_equal: Input should be less than or equal to 40 {"le":40.0}"#]],
        );
        check(
            "temperature",
            "-11",
            expect![[r#"greater_than_equal: Input should be greater than or equal to -10 {"ge":-10.0}"#]],
        );
        check("temperature", "-10", expect!["taken: -10.0"]);
    }

    #[test]
    fn what_could_not_be_stored_is_refused_at_once() {
        check(
            "wind_speed",
            "75.5",
            expect![[r#"less_than_equal: Input should be less than or equal to 75 {"le":75.0}"#]],
        );
        check(
            "wind_speed",
            r#""inf""#,
            expect!["finite_number: Input should be a finite number null"],
        );
        check(
            "generator_id",
            r#""a b""#,
            expect![[
                r#"value_error: Value error, 'a b' is not an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : - are wanted {"error":"'a b' is not an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : - are wanted"}"#
            ]],
        );
        check(
            "timestamp",
            r#""2026-11-23T10:00:31""#,
            expect![[
                r#"value_error: Value error, timestamp is 2026-11-23T10:00:31Z, allowed is at most 2026-11-23T10:00:30Z (30000 ms ahead of the broker) {"error":"timestamp is 2026-11-23T10:00:31Z, allowed is at most 2026-11-23T10:00:30Z (30000 ms ahead of the broker)"}"#
            ]],
        );
        check(
            "timestamp",
            "0",
            expect![[
                r#"value_error: Value error, timestamp is 1970-01-01T00:00:00Z, allowed is at least 1990-01-01T00:00:00Z {"error":"timestamp is 1970-01-01T00:00:00Z, allowed is at least 1990-01-01T00:00:00Z"}"#
            ]],
        );
    }

    #[test]
    fn ids_are_text() {
        for other in ["5", "null", "true", "{}"] {
            check(
                "generator_id",
                other,
                expect!["string_type: Input should be a valid string null"],
            );
        }
    }

    #[test]
    fn what_is_missing_is_named_with_all_that_was_there() {
        let body = json!({"wind_speed": -1});
        let missing = |field| json!({"type": "missing", "loc": ["body", field], "msg": "Field required", "input": body});
        assert_eq!(
            faults(&body.to_string()),
            json!([
                missing("generator_id"),
                {"type": "greater_than", "loc": ["body", "wind_speed"], "msg": "Input should be greater than 0",
                 "input": -1, "ctx": {"gt": 0.0}},
                missing("wind_direction"),
                missing("rotor_speed"),
                missing("temperature"),
                missing("timestamp"),
            ])
        );
    }

    #[test]
    fn a_body_that_is_no_object_has_one_fault() {
        let not_object = |input: Value| {
            json!([{"type": "model_attributes_type", "loc": ["body"], "input": input,
                    "msg": "Input should be a valid dictionary or object to extract fields from"}])
        };
        assert_eq!(
            faults(""),
            json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
        );
        assert_eq!(faults("[]"), not_object(json!([])));
        assert_eq!(faults("null"), not_object(json!(null)));
        assert_eq!(faults("{")[0]["loc"], json!(["body", 1]));
    }
}
