//! What a write can fail by, in InfluxDB's words.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::json;

use super::Fault;
use crate::error::ApiError;

/// How many faults are told; the others are counted.
const TOLD: usize = 10;

/// Which of InfluxDB's APIs is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `/write`
    One,
    /// `/api/v2/write`
    Two,
}

/// What a write failed by.
#[derive(Debug, thiserror::Error)]
pub struct InfluxError {
    version: Version,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// These lines were not taken; the others were.
    Lines { faults: Vec<Fault>, is_partial: bool },
    /// The precision is none of the four.
    Precision,
    /// All else.
    Other(ApiError),
}

impl InfluxError {
    /// These lines were not taken; others were if it `is_partial`.
    pub const fn lines(version: Version, faults: Vec<Fault>, is_partial: bool) -> Self {
        Self {
            version,
            cause: Cause::Lines { faults, is_partial },
        }
    }

    /// The precision is none of the four.
    pub const fn precision(version: Version) -> Self {
        Self {
            version,
            cause: Cause::Precision,
        }
    }

    /// All else.
    pub fn other(version: Version, error: impl Into<ApiError>) -> Self {
        Self {
            version,
            cause: Cause::Other(error.into()),
        }
    }

    /// InfluxDB's word for the kind of failure.
    fn code(&self) -> &'static str {
        match self.status_code() {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND => "not found",
            StatusCode::PAYLOAD_TOO_LARGE => "request too large",
            StatusCode::TOO_MANY_REQUESTS => "too many requests",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::INTERNAL_SERVER_ERROR => "internal error",
            _ => "invalid",
        }
    }

    fn line(&self) -> Option<usize> {
        match &self.cause {
            Cause::Lines { faults, .. } => faults.first().map(|fault| fault.line),
            Cause::Precision | Cause::Other(_) => None,
        }
    }
}

impl fmt::Display for InfluxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Lines { faults, is_partial } => {
                f.write_str(if *is_partial {
                    "partial write: "
                } else {
                    "nothing written: "
                })?;
                for fault in faults.iter().take(TOLD) {
                    write!(f, "line {}: {}; ", fault.line, fault.reason)?;
                }
                if let Some(more) = faults.len().checked_sub(TOLD).filter(|more| *more > 0) {
                    write!(f, "and {more} more; ")?;
                }
                write!(f, "dropped={}", faults.len())
            }
            Cause::Precision => f.write_str("invalid precision; valid precision units are ns, us, ms, and s"),
            Cause::Other(ApiError::KeyMissing | ApiError::KeyUnknown) => f.write_str("unauthorized access"),
            Cause::Other(error) => f.write_str(&error.detail()),
        }
    }
}

/// The body of version 2.
#[derive(Serialize)]
struct Told {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl ResponseError for InfluxError {
    fn status_code(&self) -> StatusCode {
        match &self.cause {
            Cause::Lines { .. } | Cause::Precision => StatusCode::BAD_REQUEST,
            Cause::Other(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if let Cause::Other(error) = &self.cause {
            error.log();
            error.add_headers(&mut response);
        }
        let message = self.to_string();
        match self.version {
            Version::One => {
                // clients of version 1 show this header, and not the body, when the status has none
                if let Ok(value) = header::HeaderValue::from_str(&message) {
                    response.insert_header(("x-influxdb-error", value));
                }
                response.json(json!({ "error": message }))
            }
            Version::Two => response.json(Told {
                code: self.code(),
                message,
                line: self.line(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use expect_test::{Expect, expect};
    use futures_util::FutureExt;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(error: InfluxError, expected: Expect) {
        let response = error.error_response();
        let status = response.status();
        let retry_after = response.headers().contains_key(header::RETRY_AFTER);
        let body = to_bytes(response.into_body()).now_or_never().unwrap().unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let later = if retry_after { " (later)" } else { "" };
        expected.assert_eq(&format!("{}{later} {body}", status.as_u16()));
    }

    fn faults(count: usize) -> Vec<Fault> {
        let fault = |line| Fault {
            line,
            reason: "missing fields".to_owned(),
        };
        (2..2 + count).map(fault).collect()
    }

    #[test]
    fn failures_are_written_as_influxdb_writes_them() {
        check(
            InfluxError::lines(Version::Two, faults(1), true),
            expect![[
                r#"400 {"code":"invalid","message":"partial write: line 2: missing fields; dropped=1","line":2}"#
            ]],
        );
        check(
            InfluxError::lines(Version::One, faults(12), false),
            expect![[
                r#"400 {"error":"nothing written: line 2: missing fields; line 3: missing fields; line 4: missing fields; line 5: missing fields; line 6: missing fields; line 7: missing fields; line 8: missing fields; line 9: missing fields; line 10: missing fields; line 11: missing fields; and 2 more; dropped=12"}"#
            ]],
        );
        check(
            InfluxError::precision(Version::Two),
            expect![[
                r#"400 {"code":"invalid","message":"invalid precision; valid precision units are ns, us, ms, and s"}"#
            ]],
        );
        check(
            InfluxError::other(Version::Two, ApiError::KeyUnknown),
            expect![[r#"401 {"code":"unauthorized","message":"unauthorized access"}"#]],
        );
        let away = || ApiError::Unavailable {
            what: "Kafka",
            cause: "secret".to_owned(),
        };
        check(
            InfluxError::other(Version::Two, away()),
            expect![[
                r#"503 (later) {"code":"unavailable","message":"Kafka is not available, please try again"}"#
            ]],
        );
        check(
            InfluxError::other(Version::One, away()),
            expect![[r#"503 (later) {"error":"Kafka is not available, please try again"}"#]],
        );
        check(
            InfluxError::other(Version::Two, ApiError::TooMany { limit: 10 }),
            expect![[
                r#"413 {"code":"request too large","message":"the request has more than 10 readings, the limit of one; please send them in several"}"#
            ]],
        );
    }
}
