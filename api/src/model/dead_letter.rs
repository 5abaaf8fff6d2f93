//! Dead letters as the API shows them.

use domain::{FarmId, Timestamp};
use platform::DeadLetterId;
use serde::Serialize;
use utoipa::ToSchema;

/// A record that was refused, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "3-42", "appended_at": "2026-11-23T10:00:01Z", "farm_id": "farm-1", "rule": "wind_speed_mps",
    "reason": "wind_speed_mps is 80, allowed is [0, 75]", "field": "wind_speed_mps", "value": "80", "bound": "[0, 75]",
    "component": "stream-aggregator",
    "source": {"topic": "windfarm.readings", "partition": 3, "offset": 4711, "timestamp": "2026-11-23T10:00:00Z"}
}))]
pub struct DeadLetter {
    /// `<partition>-<offset>` in the topic of dead letters.
    #[schema(value_type = String, example = "3-42")]
    pub id: DeadLetterId,
    /// When it became a dead letter.
    #[schema(value_type = String, format = DateTime)]
    pub appended_at: Timestamp,
    /// The farm, if the record's key is one.
    pub farm_id: Option<String>,
    /// The rule that it broke, or `undecodable`, `key_mismatch`, `database`, `medidas`.
    pub rule: Option<String>,
    /// Why, in one sentence.
    pub reason: Option<String>,
    /// The field at fault.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// What it should have been.
    pub bound: Option<String>,
    /// The program that refused it.
    pub component: Option<String>,
    /// Where the record lay; null if it never was on Kafka.
    pub source: Option<DeadLetterSource>,
}

impl DeadLetter {
    /// As its record in the topic of dead letters has it; text as the database keeps it, which knows no NUL.
    pub fn new(
        id: DeadLetterId,
        appended_at: Timestamp,
        farm: Option<&FarmId>,
        letter: platform::DeadLetter,
    ) -> Self {
        let printable = |text: String| text.replace('\0', "\u{fffd}");
        let rejection = letter.rejection;
        Self {
            id,
            appended_at,
            farm_id: farm.map(FarmId::to_string),
            rule: Some(printable(rejection.rule.into_owned())),
            reason: Some(printable(rejection.reason)),
            field: rejection.field.map(printable),
            value: rejection.value.map(printable),
            bound: rejection.bound.map(printable),
            component: Some(printable(letter.component.into_owned())),
            source: letter.source.map(|source| DeadLetterSource {
                topic: printable(source.topic),
                partition: source.partition,
                offset: source.offset,
                timestamp: Some(source.timestamp),
            }),
        }
    }
}

/// Where a refused record lay.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterSource {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// When it was appended there.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub timestamp: Option<Timestamp>,
}

/// A record that was refused, and all of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterDetail {
    /// Why it was refused.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The record's key, if it is text.
    pub key: Option<String>,
    /// The record's bytes, in hexadecimal.
    pub payload_hex: Option<String>,
    /// The record's bytes, if they are text.
    pub payload_text: Option<String>,
    /// All headers of the dead letter.
    pub headers: serde_json::Value,
}

impl DeadLetterDetail {
    /// Adds the record itself.
    pub fn new(
        letter: DeadLetter,
        key: Option<Vec<u8>>,
        payload: Option<Vec<u8>>,
        headers: serde_json::Value,
    ) -> Self {
        Self {
            letter,
            key: key.and_then(|key| String::from_utf8(key).ok()),
            payload_hex: payload.as_deref().map(hex::encode),
            payload_text: payload.and_then(text),
            headers,
        }
    }
}

/// Bytes that a person can read; Avro is valid UTF-8 now and then, but starts with control characters.
fn text(payload: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(payload).ok()?;
    let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
    text.chars().all(is_plain).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_only_if_they_are() {
        assert_eq!(text(b"{\"a\":\n1}".to_vec()).as_deref(), Some("{\"a\":\n1}"));
        assert_eq!(text(vec![0, 0, 0, 0, 7, b'n']), None);
        assert_eq!(text(vec![0xff]), None);
    }
}
