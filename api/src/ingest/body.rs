//! One reading, an array of them, or one a line.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_READING_BYTES;
use crate::error::ApiError;

/// Splits a body into the readings that it holds, each as the bytes that came: one JSON object, an array of them, or
/// one after the other (NDJSON). With an NDJSON content type a line that is no JSON is a reading that is refused, so
/// that the others are taken.
/// Never holds more than `most` and one.
///
/// # Errors
/// [`ApiError::Body`] when there is nothing, or nothing that can be taken apart, [`ApiError::TooMany`] for more than
/// `most`, [`ApiError::TooLarge`] for a reading that cannot be one.
pub fn split<'a>(body: &'a [u8], content_type: &str, most: usize) -> Result<Vec<&'a [u8]>, ApiError> {
    let parts: Vec<&[u8]> = if content_type.contains("ndjson") || content_type.contains("jsonl") {
        lines(body).take(most.saturating_add(1)).collect()
    } else {
        values(body, most).map_err(|error| ApiError::Body(format!("the body is not JSON: {error}")))?
    };
    if parts.len() > most {
        return Err(ApiError::TooMany { limit: most });
    }
    if parts.is_empty() && body.trim_ascii().is_empty() {
        return Err(ApiError::Body(
            "the body is empty, wanted is a reading, an array of readings, or a reading a line".to_owned(),
        ));
    }
    if parts.iter().any(|part| part.len() > MAX_READING_BYTES) {
        return Err(ApiError::TooLarge {
            what: "a reading",
            limit_bytes: MAX_READING_BYTES,
        });
    }
    Ok(parts)
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

fn values(body: &[u8], most: usize) -> Result<Vec<&[u8]>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    if body.trim_ascii_start().starts_with(b"[") {
        let items = json.deserialize_seq(Items { most })?;
        return json.end().map(|()| items);
    }
    json.into_iter::<&RawValue>()
        .take(most.saturating_add(1))
        .map(|value| Ok(value?.get().as_bytes()))
        .collect()
}

/// The items of an array; those beyond `most` and one are only seen to be JSON.
struct Items {
    most: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= self.most {
            match array.next_element::<&'de RawValue>()? {
                Some(item) => items.push(item.get().as_bytes()),
                None => return Ok(items),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str, content_type: &str) -> Result<Vec<String>, String> {
        let parts = split(body.as_bytes(), content_type, 3).map_err(|error| error.to_string())?;
        Ok(parts
            .into_iter()
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect())
    }

    fn ok(parts: &[&str]) -> Result<Vec<String>, String> {
        Ok(parts.iter().map(|&part| part.to_owned()).collect())
    }

    #[test]
    fn one_many_or_one_a_line() {
        let json = "application/json";
        assert_eq!(parts(r#" {"a": 1} "#, json), ok(&[r#"{"a": 1}"#]));
        assert_eq!(parts("{\n  \"a\": 1\n}\n", json), ok(&["{\n  \"a\": 1\n}"]));
        assert_eq!(
            parts(r#"[{"a":1}, 2, null]"#, json),
            ok(&[r#"{"a":1}"#, "2", "null"])
        );
        assert_eq!(parts("[]", json), ok(&[]));
        assert_eq!(
            parts("{\"a\":1}\n\n{\"b\":2}\n", json),
            ok(&["{\"a\":1}", "{\"b\":2}"])
        );
    }

    #[test]
    fn a_bad_line_leaves_the_others_alone_and_bad_json_does_not() {
        assert_eq!(
            parts("{\"a\":1}\r\n{oops\n{\"b\":2}", "application/x-ndjson"),
            ok(&["{\"a\":1}", "{oops", "{\"b\":2}"])
        );
        for bad in ["{oops", "[{\"a\":1},", "{\"a\":1} oops", "\u{feff}{}"] {
            let refusal = parts(bad, "application/json").unwrap_err();
            assert!(refusal.starts_with("the body is not JSON: "), "{bad}: {refusal}");
        }
    }

    #[test]
    fn nothing_is_not_a_reading() {
        for content_type in ["application/json", "application/x-ndjson"] {
            assert!(
                parts(" \n", content_type)
                    .unwrap_err()
                    .starts_with("the body is empty")
            );
        }
    }

    #[test]
    fn one_too_many_is_told_however_they_come() {
        let json = "application/json";
        assert_eq!(parts("[1,2,3]", json), ok(&["1", "2", "3"]));
        assert_eq!(parts("1\n2\n\n3\n", json), ok(&["1", "2", "3"]));
        for (many, content_type) in [
            ("[1,2,3,4,5]", json),
            ("1\n2\n3\n4", json),
            ("1\n2\n3\n4", "application/x-ndjson"),
        ] {
            let refusal = parts(many, content_type).unwrap_err();
            assert!(
                refusal.starts_with("the request has more than 3 readings"),
                "{refusal}"
            );
        }
        assert!(parts("[1,2,3,4,oops]", json).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn what_is_too_large_for_a_reading_is_refused_at_once() {
        let large = format!("[\"{}\"]", "x".repeat(MAX_READING_BYTES));
        assert_eq!(
            parts(&large, "").unwrap_err(),
            "a reading is over the limit of 262144 bytes"
        );
    }
}
