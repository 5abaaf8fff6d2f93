//! Dead letters and late readings: the original key and bytes untouched, the reasons in headers that
//! `kafka-console-consumer --property print.headers=true` shows. Written and read here, so that both agree.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use domain::{Refusal, Timestamp};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use serde::{Serialize, Serializer};

/// The longest piece of what somebody sent that a header shows, in characters.
const SHOWN_CHARS: usize = 80;

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The rule's id, or `undecodable`, `key_mismatch`, `database`, `medidas`.
    pub rule: Cow<'static, str>,
    /// One sentence.
    pub reason: String,
    /// The field at fault, if it is one.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// What it should have been.
    pub bound: Option<String>,
}

impl Rejection {
    /// By a rule that no field stands behind.
    pub fn new(rule: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            reason: reason.into(),
            field: None,
            value: None,
            bound: None,
        }
    }

    /// The bytes are no reading.
    pub fn undecodable(reason: impl Into<String>) -> Self {
        Self::new("undecodable", reason)
    }

    /// The record's key is not the farm's id.
    pub fn key_mismatch(key: Option<&[u8]>, farm_id: &str) -> Self {
        // both are whatever somebody sent, and headers have no room for a megabyte
        let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect::<String>();
        let key = key.map_or_else(|| "none".to_owned(), |key| shown(&String::from_utf8_lossy(key)));
        let farm_id = shown(farm_id);
        Self {
            field: Some("key".to_owned()),
            reason: format!("the record's key is {key}, its farm is {farm_id}"),
            value: Some(key),
            bound: Some(farm_id),
            rule: Cow::Borrowed("key_mismatch"),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self {
            rule: Cow::Borrowed(refusal.rule.id()),
            reason: refusal.to_string(),
            field: refusal.field.map(str::to_owned),
            value: refusal.value,
            bound: refusal.bound,
        }
    }
}

/// Where a record lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its append time.
    pub timestamp: Timestamp,
}

/// What the headers of a dead letter say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why it was not taken.
    pub rejection: Rejection,
    /// Where it lay; none if it never was on Kafka.
    pub source: Option<Source>,
    /// Which program refused it.
    pub component: Cow<'static, str>,
}

impl DeadLetter {
    /// As headers.
    pub fn to_headers(&self) -> OwnedHeaders {
        let Rejection {
            rule,
            reason,
            field,
            value,
            bound,
        } = &self.rejection;
        let mut headers = with(OwnedHeaders::new(), "dlq.reason", reason);
        headers = with(headers, "dlq.rule", rule);
        for (key, text) in [("dlq.field", field), ("dlq.value", value), ("dlq.bound", bound)] {
            if let Some(text) = text {
                headers = with(headers, key, text);
            }
        }
        if let Some(source) = &self.source {
            headers = source.write(headers, "dlq.source");
        }
        with(headers, "dlq.component", &self.component)
    }

    /// From headers; what is missing is empty, because a dead letter must never be lost for its looks.
    pub fn from_headers<H: Headers>(headers: Option<&H>) -> Self {
        let text = |key| text_of(headers, key);
        Self {
            rejection: Rejection {
                rule: Cow::Owned(text("dlq.rule").unwrap_or_default()),
                reason: text("dlq.reason").unwrap_or_default(),
                field: text("dlq.field"),
                value: text("dlq.value"),
                bound: text("dlq.bound"),
            },
            source: Source::read(headers, "dlq.source"),
            component: Cow::Owned(text("dlq.component").unwrap_or_default()),
        }
    }
}

/// Names a dead letter for ever: its place in the topic, `<partition>-<offset>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadLetterId {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

/// Text that does not name a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a dead letter is <partition>-<offset>, such as 3-42")]
pub struct DeadLetterIdError;

impl FromStr for DeadLetterId {
    type Err = DeadLetterIdError;

    fn from_str(text: &str) -> Result<Self, DeadLetterIdError> {
        let (partition, offset) = text.split_once('-').ok_or(DeadLetterIdError)?;
        let id = Self {
            partition: partition.parse().map_err(|_| DeadLetterIdError)?,
            offset: offset.parse().map_err(|_| DeadLetterIdError)?,
        };
        // one thing has one name: neither +1-007 nor 1--7
        if id.to_string() == text && id.offset >= 0 {
            Ok(id)
        } else {
            Err(DeadLetterIdError)
        }
    }
}

impl Serialize for DeadLetterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the headers of a late reading say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReading {
    /// How long after its window's closing it came, by stream time, in milliseconds.
    pub by_ms: i64,
    /// Start of the window that had closed.
    pub window_start: Timestamp,
    /// Where it lay.
    pub source: Source,
}

impl LateReading {
    /// As headers.
    pub fn to_headers(&self) -> OwnedHeaders {
        let headers = with(OwnedHeaders::new(), "late.by_ms", &self.by_ms.to_string());
        let headers = with(headers, "late.window_start", &self.window_start.to_string());
        self.source.write(headers, "late.source")
    }

    /// From headers; none if one of them is missing or senseless.
    pub fn from_headers<H: Headers>(headers: Option<&H>) -> Option<Self> {
        Some(Self {
            by_ms: text_of(headers, "late.by_ms")?.parse().ok()?,
            window_start: text_of(headers, "late.window_start")?.parse().ok()?,
            source: Source::read(headers, "late.source")?,
        })
    }
}

impl Source {
    fn write(&self, headers: OwnedHeaders, prefix: &str) -> OwnedHeaders {
        let headers = with(headers, &format!("{prefix}.topic"), &self.topic);
        let headers = with(
            headers,
            &format!("{prefix}.partition"),
            &self.partition.to_string(),
        );
        let headers = with(headers, &format!("{prefix}.offset"), &self.offset.to_string());
        with(
            headers,
            &format!("{prefix}.timestamp"),
            &self.timestamp.to_string(),
        )
    }

    fn read<H: Headers>(headers: Option<&H>, prefix: &str) -> Option<Self> {
        let text = |name: &str| text_of(headers, &format!("{prefix}.{name}"));
        Some(Self {
            topic: text("topic")?,
            partition: text("partition")?.parse().ok()?,
            offset: text("offset")?.parse().ok()?,
            timestamp: text("timestamp")?.parse().ok()?,
        })
    }
}

fn with(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header {
        key,
        value: Some(value),
    })
}

fn text_of<H: Headers>(headers: Option<&H>, key: &str) -> Option<String> {
    let value = headers?.iter().find(|header| header.key == key)?.value?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            topic: "windfarm.readings".into(),
            partition: 3,
            offset: 1_542,
            timestamp: Timestamp::from_millis(1_764_000_000_000),
        }
    }

    #[test]
    fn a_dead_letter_says_the_same_after_its_way_through_headers() {
        let refused = Rejection {
            rule: "wind_speed_mps".into(),
            reason: "wind_speed_mps is 80, allowed is [0, 75]".into(),
            field: Some("wind_speed_mps".into()),
            value: Some("80".into()),
            bound: Some("[0, 75]".into()),
        };
        for (rejection, source) in [
            (refused, Some(source())),
            (Rejection::undecodable("byte 3 is no length"), None),
            (Rejection::key_mismatch(Some(b"south"), "north"), Some(source())),
        ] {
            let letter = DeadLetter {
                rejection,
                source,
                component: "stream-aggregator".into(),
            };
            assert_eq!(DeadLetter::from_headers(Some(&letter.to_headers())), letter);
        }
    }

    #[test]
    fn an_id_has_one_form() {
        let id = DeadLetterId {
            partition: 3,
            offset: 42,
        };
        assert_eq!("3-42".parse(), Ok(id));
        assert_eq!(id.to_string(), "3-42");
        for bad in [
            "", "3", "3-", "-42", "3--42", "+3-42", "03-42", "3-042", "3-42 ", "x-1",
        ] {
            assert!(bad.parse::<DeadLetterId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_late_reading_says_the_same_after_its_way_through_headers() {
        let late = LateReading {
            by_ms: 1_500,
            window_start: Timestamp::from_millis(1_764_000_000_000),
            source: source(),
        };
        assert_eq!(LateReading::from_headers(Some(&late.to_headers())), Some(late));
        assert_eq!(LateReading::from_headers(Some(&OwnedHeaders::new())), None);
    }

    #[test]
    fn headers_stay_small_whatever_was_sent() {
        let long = "x".repeat(1_000_000);
        let rejection = Rejection::key_mismatch(Some(long.as_bytes()), &long);
        assert!(
            rejection.reason.len() < 300 && rejection.bound.is_some_and(|bound| bound.len() == SHOWN_CHARS)
        );
    }

    #[test]
    fn a_dead_letter_without_headers_is_still_one() {
        let letter = DeadLetter::from_headers(None::<&OwnedHeaders>);
        assert_eq!((letter.rejection.rule.as_ref(), letter.source), ("", None));
    }
}
