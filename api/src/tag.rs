//! What tells whether an answer is the one that a client has already (`ETag`, `If-None-Match`).

use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

/// Bytes of the hash that a tag has.
const TAG_BYTES: usize = 12;

/// The tag of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of an answer that changes when `content` does, and only then.
    pub fn of(content: &[u8]) -> Self {
        Self(format!(
            "\"{}\"",
            hex::encode(&Sha256::digest(content)[..TAG_BYTES])
        ))
    }

    /// Whether the header `If-None-Match` names it, weak or not.
    pub fn is_known(&self, request: &HeaderMap) -> bool {
        let mut known = request
            .get_all(IF_NONE_MATCH)
            .flat_map(|known| known.to_str().unwrap_or_default().split(','))
            .map(str::trim);
        known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == self.0)
    }

    /// Names it in the head of an answer: a weak one, for the bytes may still be compressed on their way. Nobody but the
    /// client keeps them, and it asks each time whether they are still the same.
    pub fn put(&self, answer: &mut HeaderMap) {
        let tag = HeaderValue::try_from(format!("W/{}", self.0)).expect("it is ASCII");
        answer.insert(ETAG, tag);
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_alone_among_others_or_by_a_star() {
        let tag = Tag("\"1\"".to_owned());
        let is_known = |known: &'static str| {
            let mut head = HeaderMap::new();
            head.insert(IF_NONE_MATCH, HeaderValue::from_static(known));
            tag.is_known(&head)
        };
        assert!(is_known("\"1\"") && is_known("W/\"1\"") && is_known("\"0\", W/\"1\"") && is_known("*"));
        assert!(!is_known("\"2\"") && !is_known("1") && !is_known(""));
        assert!(!tag.is_known(&HeaderMap::new()));
    }
}
