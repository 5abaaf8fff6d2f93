//! A row of `dead_letters`: the record whole, and its headers read.

use domain::FarmId;
use platform::DeadLetter;
use rdkafka::message::Headers;
use serde_json::{Map, Value};

use super::reading::Place;
use crate::copy::{CopyBuffer, RowWriter};

/// The columns of a row, in order.
pub const COLUMNS: [&str; 17] = [
    "kafka_partition",
    "kafka_offset",
    "appended_at",
    "farm_id",
    "key",
    "payload",
    "headers",
    "reason",
    "rule",
    "field",
    "value",
    "bound",
    "source_topic",
    "source_partition",
    "source_offset",
    "source_timestamp",
    "component",
];

/// Adds a record of the dead letters, whatever it looks like.
pub fn put<H: Headers>(
    rows: &mut CopyBuffer,
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
    headers: Option<&H>,
    place: Place,
) {
    let letter = DeadLetter::from_headers(headers);
    let farm_id = key
        .and_then(|key| std::str::from_utf8(key).ok())
        .filter(|key| FarmId::parse(key).is_ok());
    let source = letter.source.as_ref();
    let mut row = rows.row(COLUMNS.len());
    row.integer(place.partition);
    row.bigint(place.offset);
    row.timestamptz(place.appended_at);
    row.optional(farm_id, RowWriter::plain);
    row.optional(key, RowWriter::bytea);
    row.optional(payload, RowWriter::bytea);
    row.jsonb(&json(headers));
    row.text(&letter.rejection.reason);
    row.text(&letter.rejection.rule);
    row.optional(letter.rejection.field.as_deref(), RowWriter::text);
    row.optional(letter.rejection.value.as_deref(), RowWriter::text);
    row.optional(letter.rejection.bound.as_deref(), RowWriter::text);
    row.optional(source, |row, source| row.text(&source.topic));
    row.optional(source, |row, source| row.integer(source.partition));
    row.optional(source, |row, source| row.bigint(source.offset));
    row.optional(source, |row, source| row.timestamptz(source.timestamp));
    row.text(&letter.component);
}

/// Name to text; of several headers of one name the first, as they are read everywhere else.
fn json<H: Headers>(headers: Option<&H>) -> Value {
    let mut object = Map::new();
    for header in headers.into_iter().flat_map(Headers::iter) {
        let text = |bytes| printable(&String::from_utf8_lossy(bytes));
        let value = header
            .value
            .map_or(Value::Null, |value| Value::String(text(value)));
        object.entry(printable(header.key)).or_insert(value);
    }
    Value::Object(object)
}

/// jsonb cannot hold NUL.
fn printable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
