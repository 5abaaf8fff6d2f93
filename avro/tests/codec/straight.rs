//! Written and read with the schemas that are compiled in.

use avro::{
    RecordType, decode_checkpoint, decode_farm_window, decode_reading, decode_turbine_window,
    encode_checkpoint, encode_farm_window, encode_reading, encode_turbine_window,
};
use domain::{Metric, RawReading, Timestamp};
use proptest::prelude::*;

use crate::{oracle, values};

/// What we write the library reads, what it writes we read, and both write the same bytes.
macro_rules! agrees_with_the_library {
    ($name:ident, $record:ident, $encode:ident, $decode:ident) => {
        proptest! {
            #[test]
            fn $name(record in values::$name()) {
                let schema = oracle::schema(RecordType::$record);
                let expected = oracle::$name(&record);
                let mut ours = Vec::new();
                $encode(&record, &mut ours);
                prop_assert_eq!(oracle::decode(&schema, &ours).unwrap(), expected.clone());

                let theirs = oracle::encode(&schema, expected);
                prop_assert_eq!(&$decode(&theirs).unwrap(), &record);
                prop_assert_eq!(theirs, ours);
            }
        }
    };
}

agrees_with_the_library!(reading, Reading, encode_reading, decode_reading);
agrees_with_the_library!(farm_window, FarmWindow, encode_farm_window, decode_farm_window);
agrees_with_the_library!(
    turbine_window,
    TurbineWindow,
    encode_turbine_window,
    decode_turbine_window
);
agrees_with_the_library!(
    checkpoint,
    PartitionCheckpoint,
    encode_checkpoint,
    decode_checkpoint
);

#[test]
fn values_that_are_no_numbers_travel_too_for_the_rules_to_refuse() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let reading = RawReading {
            metrics: [(Metric::RotorSpeed, value)].into_iter().collect(),
            ..sample()
        };
        let mut body = Vec::new();
        encode_reading(&reading, &mut body);
        let read = decode_reading(&body)
            .unwrap()
            .metrics
            .get(Metric::RotorSpeed)
            .unwrap();
        assert_eq!(read.to_bits(), value.to_bits());
    }
}

#[test]
fn a_reading_borrows_its_names_from_the_payload() {
    let mut body = Vec::new();
    encode_reading(&sample(), &mut body);
    let reading = decode_reading(&body).unwrap();
    assert!(body.as_ptr_range().contains(&reading.farm_id.as_ptr()));
    assert!(body.as_ptr_range().contains(&reading.turbine_id.as_ptr()));
}

#[test]
fn an_array_in_blocks_is_one_array() {
    // two blocks of one farm each, the second with its size in bytes, as Avro allows: partition 3
    let body = [6, 2, 2, b'a', 2, 1, 6, 2, b'b', 4, 0];
    let farms = decode_checkpoint(&body).unwrap().farms;
    let told: Vec<_> = farms
        .iter()
        .map(|(farm, until)| (farm.as_str(), until.as_micros()))
        .collect();
    assert_eq!(told, [("a", 1), ("b", 2)]);
}

pub(crate) fn sample() -> RawReading<'static> {
    RawReading {
        farm_id: "north".into(),
        turbine_id: "T01".into(),
        event_time: Timestamp::from_micros(1_700_000_000_000_000),
        ..RawReading::default()
    }
}
