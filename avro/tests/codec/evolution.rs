//! Written with other schemas than the ones that are compiled in.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use apache_avro::Schema;
use apache_avro::types::Value;
use avro::{
    DecodeError, Decoder, RecordType, Registry, RegistryConfig, SchemaId, WriterSchema, encode_farm_window,
    encode_reading, wire,
};
use domain::{Metric, Metrics, OperatingStatus, Quality, RawReading};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::straight::sample;
use crate::{oracle, values};

/// How a writer's schema has a metric. The value is one that every type holds exactly.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Absent,
    Plain(Number),
    NullFirst(Number, bool),
    NullLast(Number, bool),
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Int,
    Long,
    Float,
    Double,
}

/// A field of the writer's schema, its value, and what of it is left after reading.
type Written = (serde_json::Value, Value);

fn shape() -> impl Strategy<Value = Shape> {
    let number = || select([Number::Int, Number::Long, Number::Float, Number::Double].as_slice());
    prop_oneof![
        Just(Shape::Absent),
        number().prop_map(Shape::Plain),
        (number(), any::<bool>()).prop_map(|(number, there)| Shape::NullFirst(number, there)),
        (number(), any::<bool>()).prop_map(|(number, there)| Shape::NullLast(number, there)),
    ]
}

impl Number {
    fn write(self, value: i16) -> (&'static str, Value) {
        match self {
            Self::Int => ("int", Value::Int(value.into())),
            Self::Long => ("long", Value::Long(value.into())),
            Self::Float => ("float", Value::Float(f32::from(value) / 4.0)),
            Self::Double => ("double", Value::Double(f64::from(value) / 4.0)),
        }
    }

    fn read(self, value: i16) -> f64 {
        match self {
            Self::Int | Self::Long => f64::from(value),
            Self::Float | Self::Double => f64::from(value) / 4.0,
        }
    }
}

impl Shape {
    fn write(self, name: &str, value: i16) -> Option<Written> {
        let union = |branch, value| Value::Union(branch, Box::new(value));
        let (of, value) = match self {
            Self::Absent => return None,
            Self::Plain(number) => {
                let (of, value) = number.write(value);
                (json!(of), value)
            }
            Self::NullFirst(number, there) => {
                let (of, value) = number.write(value);
                (
                    json!(["null", of]),
                    if there {
                        union(1, value)
                    } else {
                        union(0, Value::Null)
                    },
                )
            }
            Self::NullLast(number, there) => {
                let (of, value) = number.write(value);
                (
                    json!([of, "null"]),
                    if there {
                        union(0, value)
                    } else {
                        union(1, Value::Null)
                    },
                )
            }
        };
        Some((json!({"name": name, "type": of}), value))
    }

    fn read(self, value: i16) -> Option<f64> {
        match self {
            Self::Absent | Self::NullFirst(_, false) | Self::NullLast(_, false) => None,
            Self::Plain(number) | Self::NullFirst(number, true) | Self::NullLast(number, true) => {
                Some(number.read(value))
            }
        }
    }
}

/// What every writer has to send, and fields of its own that we have no place for.
fn required(reading: &RawReading<'_>) -> Vec<Written> {
    let farm_id = Value::String(reading.farm_id.to_string());
    let turbine_id = Value::String(reading.turbine_id.to_string());
    let event_time = Value::TimestampMicros(reading.event_time.as_micros());
    let gearbox = Value::Record(vec![
        ("oil".to_owned(), Value::Float(61.5)),
        ("note".to_owned(), Value::String("ø".into())),
    ]);
    vec![
        (json!({"name": "farm_id", "type": "string"}), farm_id),
        (json!({"name": "turbine_id", "type": "string"}), turbine_id),
        (
            json!({"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}}),
            event_time,
        ),
        (
            json!({"name": "flags", "type": {"type": "array", "items": "boolean"}}),
            Value::Array(vec![Value::Boolean(true)]),
        ),
        (
            json!({"name": "gearbox", "type": {"type": "record", "name": "Gearbox", "fields": [
                {"name": "oil", "type": "float"}, {"name": "note", "type": "string"}]}}),
            gearbox,
        ),
    ]
}

/// A decoder that knows one schema more, and the frame of that schema's records.
struct Wire {
    id: SchemaId,
    decoder: Decoder,
}

impl Wire {
    fn of(schema: impl FnOnce(SchemaId) -> WriterSchema) -> Self {
        static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
            let url = "http://127.0.0.1:9".to_owned();
            Registry::new(RegistryConfig {
                url,
                cache_file: None,
            })
            .unwrap()
        });
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        REGISTRY.assume(schema(id));
        Self {
            id,
            decoder: Decoder::new(REGISTRY.clone()),
        }
    }

    /// Of a schema that is read by resolution.
    fn foreign(json: &str) -> Self {
        Self::of(|id| {
            let schema = WriterSchema::parse(id, json).unwrap();
            assert_eq!(schema.straight(), None);
            schema
        })
    }

    fn frame(&self, body: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        wire::frame(self.id, &mut payload);
        payload.extend_from_slice(body);
        payload
    }
}

fn writer(fields: &[Written]) -> (String, Vec<u8>) {
    let schemas: Vec<_> = fields.iter().map(|(field, _)| field).collect();
    let json =
        json!({"type": "record", "name": "Reading", "namespace": "windfarm", "fields": schemas}).to_string();
    let named = fields
        .iter()
        .map(|(field, value)| (field["name"].as_str().unwrap().to_owned(), value.clone()));
    let body = oracle::encode(&Schema::parse_str(&json).unwrap(), Value::Record(named.collect()));
    (json, body)
}

proptest! {
    #[test]
    fn fields_may_be_reordered_added_dropped_and_promoted(
        base in values::reading(),
        shapes in vec((shape(), any::<i16>()), Metric::COUNT),
        order in Just((0..5 + Metric::COUNT).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut fields: Vec<_> = required(&base).into_iter().map(Some).collect();
        let mut metrics = Metrics::default();
        for (metric, (shape, value)) in Metric::ALL.into_iter().zip(shapes) {
            fields.push(shape.write(metric.name(), value));
            metrics.set(metric, shape.read(value));
        }
        let fields: Vec<_> = order.into_iter().filter_map(|place| fields[place].clone()).collect();
        let (json, body) = writer(&fields);

        let mut wire = Wire::foreign(&json);
        let payload = wire.frame(&body);
        let expected = RawReading { metrics, sequence: None, operating_status: None, ..base };
        prop_assert_eq!(wire.decoder.reading(&payload).unwrap(), expected);
        for cut in 0..payload.len() {
            prop_assert!(wire.decoder.reading(&payload[..cut]).is_err(), "cut at {} of {}", cut, payload.len());
        }
        let longer = wire.frame(&[&body[..], &[0]].concat());
        prop_assert!(wire.decoder.reading(&longer).is_err());
    }

    #[test]
    fn both_ways_read_the_same(reading in values::reading()) {
        let mut body = Vec::new();
        encode_reading(&reading, &mut body);
        let straight = Wire::of(|id| WriterSchema::compiled_in(id, RecordType::Reading));
        for mut wire in [straight, Wire::foreign(&with_another_name())] {
            let payload = wire.frame(&body);
            prop_assert_eq!(&wire.decoder.reading(&payload).unwrap(), &reading);
        }
    }

    #[test]
    fn windows_are_resolved_too(closed in values::farm_window()) {
        let mut body = Vec::new();
        encode_farm_window(&closed, &mut body);
        // a later version of ours, with one field more at the end
        let mut later: serde_json::Value = serde_json::from_str(RecordType::FarmWindow.schema_json()).unwrap();
        later["fields"].as_array_mut().unwrap().push(json!({"name": "weather", "type": ["null", "string"]}));
        body.extend_from_slice(&[2, 8]);
        body.extend_from_slice(b"rain");
        let mut wire = Wire::foreign(&later.to_string());
        let payload = wire.frame(&body);
        prop_assert_eq!(wire.decoder.farm_window(&payload).unwrap(), closed);
    }

    #[test]
    fn windows_from_before_there_was_quality_have_nothing_odd(closed in values::farm_window()) {
        let mut closed = closed;
        closed.window.quality = Quality::default();
        closed.window.suspicious_clocks.clear();
        let mut body = Vec::new();
        encode_farm_window(&closed, &mut body);
        body.truncate(body.len() - Quality::NAMES.len() - 1); // each count and the empty list are a byte
        let mut former: serde_json::Value = serde_json::from_str(RecordType::FarmWindow.schema_json()).unwrap();
        let fields = former["fields"].as_array_mut().unwrap();
        fields.retain(|field| field["name"] != "quality" && field["name"] != "suspicious_clocks");
        let mut wire = Wire::foreign(&former.to_string());
        let payload = wire.frame(&body);
        prop_assert_eq!(wire.decoder.farm_window(&payload).unwrap(), closed);
    }

    #[test]
    fn random_bytes_never_panic(body in vec(any::<u8>(), 0..200)) {
        let mut wire = Wire::foreign(&with_another_name());
        let payload = wire.frame(&body);
        let _ = wire.decoder.reading(&payload);
        let _ = wire.decoder.turbine_window(&payload);
    }
}

/// Our own schema as somebody else's: read by resolution, though nothing differs.
fn with_another_name() -> String {
    RecordType::Reading
        .schema_json()
        .replace("\"OperatingStatus\"", "\"State\"")
}

#[test]
fn a_symbol_that_we_do_not_have_is_unknown() {
    let mut fields = required(&sample());
    let symbols = json!(["PAUSED_FOR_BATS", "FAULT"]);
    let status =
        json!({"name": "operating_status", "type": {"type": "enum", "name": "Bats", "symbols": symbols}});
    for (symbol, expected) in [
        ("PAUSED_FOR_BATS", OperatingStatus::Unknown),
        ("FAULT", OperatingStatus::Fault),
    ] {
        let place = u32::from(symbol == "FAULT");
        fields.push((status.clone(), Value::Enum(place, symbol.to_owned())));
        let (json, body) = writer(&fields);
        let mut wire = Wire::foreign(&json);
        let payload = wire.frame(&body);
        let reading = wire.decoder.reading(&payload).unwrap();
        assert_eq!(reading.operating_status, Some(expected));
        fields.pop();
    }
}

#[test]
fn what_the_bytes_do_not_depend_on_makes_no_other_schema() {
    let ours = RecordType::Reading.schema_json();
    let same = |json: &str| WriterSchema::parse(1, json).unwrap().straight();
    let mut bare: serde_json::Value = serde_json::from_str(ours).unwrap();
    bare.as_object_mut().unwrap().remove("doc");
    for field in bare["fields"].as_array_mut().unwrap() {
        field
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key == "name" || key == "type");
    }
    bare.as_object_mut().unwrap().remove("namespace");
    bare["name"] = json!("windfarm.Reading");
    assert_eq!(same(ours), Some(RecordType::Reading));
    assert_eq!(same(&bare.to_string()), Some(RecordType::Reading));
    assert_eq!(same(&ours.replace("timestamp-micros", "timestamp-millis")), None);
    assert_eq!(same(&ours.replace("\"IDLE\"", "\"LAZY\"")), None);
    for record in RecordType::ALL {
        assert_eq!(same(record.schema_json()), Some(record));
    }
}

#[test]
fn what_has_no_place_in_ours_is_an_error_that_names_the_schema() {
    let mut body = Vec::new();
    encode_reading(&sample(), &mut body);
    let millis = RecordType::Reading
        .schema_json()
        .replace("timestamp-micros", "timestamp-millis");
    let millis = Wire::foreign(&millis);
    let window = Wire::of(|id| WriterSchema::compiled_in(id, RecordType::FarmWindow));
    for (mut wire, cause) in [
        (millis, "Millis"),
        (window, "that is of FarmWindow, Reading is wanted"),
    ] {
        let payload = wire.frame(&body);
        let message = wire.decoder.reading(&payload).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("not readable with schema id {}: ", wire.id)),
            "{message}"
        );
        assert!(message.contains(cause), "{message}");
    }
}

#[test]
fn a_schema_that_is_new_is_to_be_looked_up() {
    let mut wire = Wire::of(|id| WriterSchema::compiled_in(id, RecordType::Reading));
    let payload = [0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(
        wire.decoder.reading(&payload),
        Err(DecodeError::UnknownSchema(SchemaId::MAX))
    );
}
