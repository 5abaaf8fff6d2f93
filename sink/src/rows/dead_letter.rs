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

/// The `dlq.component` of our own dead letters.
pub const COMPONENT: &str = "sink";

/// The `dlq.rule` of what the database has refused.
pub const DATABASE_RULE: &str = "database";

/// What is indexed is cut to this many characters, the longest name of a topic: an index has no room for more, and
/// headers hold whatever somebody sent. All of it is in `headers`.
const INDEXED_CHARS: usize = 249;

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
    row.text(indexed(&letter.rejection.rule));
    row.optional(letter.rejection.field.as_deref(), RowWriter::text);
    row.optional(letter.rejection.value.as_deref(), RowWriter::text);
    row.optional(letter.rejection.bound.as_deref(), RowWriter::text);
    row.optional(source, |row, source| row.text(indexed(&source.topic)));
    row.optional(source, |row, source| row.integer(source.partition));
    row.optional(source, |row, source| row.bigint(source.offset));
    row.optional(source, |row, source| row.timestamptz(source.timestamp));
    row.text(indexed(&letter.component));
}

/// Whether a row is a dead letter of ours about what the database has refused.
pub fn is_our_own(rows: &CopyBuffer, row: usize) -> bool {
    let is = |column: &str, text: &str| {
        let place = COLUMNS.iter().position(|&name| name == column);
        let field = place.and_then(|place| rows.fields(row).nth(place).flatten());
        field == Some(text.as_bytes())
    };
    is("component", COMPONENT) && is("rule", DATABASE_RULE)
}

fn indexed(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(INDEXED_CHARS)
        .map_or(text.len(), |(end, _)| end);
    &text[..end]
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
