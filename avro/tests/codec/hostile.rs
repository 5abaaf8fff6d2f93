//! Bytes and schemas that are not what they should be.

use avro::{
    DecodeError, RecordType, WriterSchema, decode_checkpoint, decode_farm_window, decode_reading,
    decode_turbine_window, encode_checkpoint, encode_farm_window, encode_reading, encode_turbine_window,
};
use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::straight::sample;
use crate::{oracle, values};

macro_rules! is_read_whole_or_not_at_all {
    ($name:ident, $record:ident, $encode:ident, $decode:ident) => {
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(64))]

                #[test]
                fn every_cut_and_every_byte_more_is_an_error(record in values::$name(), more in vec(any::<u8>(), 1..4)) {
                    let mut body = Vec::new();
                    $encode(&record, &mut body);
                    for cut in 0..body.len() {
                        prop_assert!($decode(&body[..cut]).is_err(), "cut at {} of {}", cut, body.len());
                    }
                    body.extend(more);
                    prop_assert!($decode(&body).is_err());
                }

                #[test]
                fn damaged_bytes_are_an_error_or_what_the_library_reads(
                    record in values::$name(),
                    damage in vec((any::<Index>(), any::<u8>()), 1..4),
                ) {
                    let mut body = Vec::new();
                    $encode(&record, &mut body);
                    for (place, byte) in damage {
                        let place = place.index(body.len());
                        body[place] = byte;
                    }
                    if let Ok(read) = $decode(&body) {
                        let theirs = oracle::decode(&oracle::schema(RecordType::$record), &body).unwrap();
                        // as text, for NaN differs from itself
                        prop_assert_eq!(format!("{theirs:?}"), format!("{:?}", oracle::$name(&read)));
                    }
                }

                #[test]
                fn random_bytes_never_panic(body in vec(any::<u8>(), 0..200)) {
                    let _ = $decode(&body);
                }
            }
        }
    };
}

is_read_whole_or_not_at_all!(reading, Reading, encode_reading, decode_reading);
is_read_whole_or_not_at_all!(farm_window, FarmWindow, encode_farm_window, decode_farm_window);
is_read_whole_or_not_at_all!(
    turbine_window,
    TurbineWindow,
    encode_turbine_window,
    decode_turbine_window
);
is_read_whole_or_not_at_all!(
    checkpoint,
    PartitionCheckpoint,
    encode_checkpoint,
    decode_checkpoint
);

#[test]
fn an_error_names_the_field_what_was_found_and_where() {
    fn check(body: &[u8], expected: &Expect) {
        expected.assert_eq(&decode_reading(body).unwrap_err().to_string());
    }
    let mut whole = Vec::new();
    encode_reading(&sample(), &mut whole);

    check(
        &[],
        &expect!["farm_id: 1 bytes wanted, 0 left at byte 0 of the record"],
    );
    check(
        &[20, b'n'],
        &expect!["farm_id: length 10, but 1 bytes are left at byte 0 of the record"],
    );
    check(
        &[1],
        &expect!["farm_id: length -1, but 0 bytes are left at byte 0 of the record"],
    );
    check(
        &[2, 0xff],
        &expect!["farm_id: text that is not UTF-8 at byte 0 of the record"],
    );
    check(
        &[0xff; 11],
        &expect!["farm_id: number of more than 64 bits at byte 0 of the record"],
    );
    check(
        &[0, 0, 0, 4],
        &expect!["sequence: choice 2 out of 2, counted from 0, at byte 3 of the record"],
    );
    check(
        &[0, 0, 0, 0, 2, 1],
        &expect!["wind_speed_mps: 8 bytes wanted, 1 left at byte 5 of the record"],
    );
    let status = [&whole[..whole.len() - 1], &[2, 16]].concat();
    check(
        &status,
        &expect!["operating_status: choice 8 out of 8, counted from 0, at byte 28 of the record"],
    );
    whole.push(0);
    check(
        &whole,
        &expect!["Reading: 1 bytes left over at byte 28 of the record"],
    );
}

#[test]
fn counts_and_names_that_cannot_be_are_refused() {
    fn message<T>(result: Result<T, DecodeError>) -> Option<String> {
        result.err().map(|error| error.to_string())
    }
    let checkpoint = [0, 2, 2, b'/', 0, 0];
    expect!["farm_id: '/' is not an id: 1 to 64 characters out of A-Z a-z 0-9 . _ : - are wanted at byte 2 of the record"]
        .assert_eq(&message(decode_checkpoint(&checkpoint)).unwrap());
    expect!["farms: length 50, but 0 bytes are left at byte 1 of the record"]
        .assert_eq(&message(decode_checkpoint(&[0, 100])).unwrap());
    expect!["reading_count: number -1, at least 0 is wanted at byte 5 of the record"]
        .assert_eq(&message(decode_farm_window(&[2, b'a', 0, 0, 0, 1])).unwrap());
}

#[test]
fn a_schema_whose_records_have_no_bound_is_not_read_with() {
    fn check(json: &str, expected: &Expect) {
        expected.assert_eq(&WriterSchema::parse(1, json).unwrap_err());
    }
    check(
        r#"{"type":"record","name":"Reading","fields":[{"name":"next","type":["null","Reading"]}]}"#,
        &expect!["the schema is recursive or nests deeper than 32 types"],
    );
    check(
        r#"{"type":"fixed","name":"Huge","size":1000000000000}"#,
        &expect!["Huge has 1000000000000 bytes, at most 16777216 are read"],
    );
    check(&doubling(20), &expect!["the schema has more than 10000 types"]);
    assert!(WriterSchema::parse(1, "{").is_err());
    assert!(
        WriterSchema::parse(
            1,
            r#"{"type":"record","name":"A","fields":[{"name":"b","type":"B"}]}"#
        )
        .is_err()
    );
}

/// Each record holds the next one twice: short to write down, and 2^`levels` types.
fn doubling(levels: usize) -> String {
    let innermost = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    (1..=levels).fold(innermost, |inner, level| {
        let below = level - 1;
        format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"R{below}"}}]}}"#
        )
    })
}
