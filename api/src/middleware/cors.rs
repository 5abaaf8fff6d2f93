//! Which pages of elsewhere may ask (CORS): those of the origins that are set, and none by default.

use std::fmt;
use std::str::FromStr;

use actix_cors::Cors;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, Uri};

/// How long a browser may remember what it was allowed, seconds.
const REMEMBERED_SECONDS: usize = 3_600;

/// What pages may send besides what every page may.
const SENT: [HeaderName; 8] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::IF_NONE_MATCH,
    header::ACCEPT,
];

/// What pages may read besides what every page may.
const TOLD: [HeaderName; 7] = [
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-request-id"),
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// Where pages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Anywhere.
    Any,
    /// `scheme://host[:port]`.
    Named(String),
}

/// Answers browsers on behalf of pages of these origins. A key is no cookie: it is sent by a page that has it, so no
/// credentials are let through.
pub fn cors(origins: &[Origin]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers(SENT)
        .expose_headers(TOLD)
        .max_age(REMEMBERED_SECONDS);
    origins.iter().fold(cors, |cors, origin| match origin {
        Origin::Any => cors.allow_any_origin().send_wildcard(),
        Origin::Named(origin) => cors.allowed_origin(origin),
    })
}

/// What is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scheme://host[:port] without a path, or *, is wanted")]
pub struct NoOrigin;

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let uri: Uri = text.parse().map_err(|_| NoOrigin)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let origin = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().ok_or(NoOrigin)?
        );
        // the way browsers write it, and so without a path, not even `/`
        (is_web && origin == text)
            .then_some(Self::Named(origin))
            .ok_or(NoOrigin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Named(origin) => f.write_str(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        let named = |text: &str| Ok(Origin::Named(text.to_owned()));
        assert_eq!("*".parse(), Ok(Origin::Any));
        for good in ["https://wind.example", "http://localhost:5173", "http://[::1]:80"] {
            assert_eq!(good.parse(), named(good));
        }
        for bad in [
            "",
            "wind.example",
            "https://wind.example/",
            "https://",
            "ftp://wind.example",
            "https://a/b",
            "null",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(NoOrigin), "{bad}");
        }
    }
}
