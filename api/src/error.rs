//! What a request can fail by, told the same way everywhere: `application/problem+json` (RFC 9457).

use std::num::NonZeroU32;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::export::EncodeError;

/// How long a client should wait before it asks again when something that we need is away.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// What a request failed by.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No key came with it.
    #[error("a key is wanted in the header X-API-Key or Authorization: Bearer")]
    KeyMissing,
    /// A key came, but it opens nothing.
    #[error("the key is unknown, expired or revoked")]
    KeyUnknown,
    /// The key is good, but not for this.
    #[error("the key lacks the scope '{0}'")]
    ScopeMissing(Scope),
    /// The key is good, but not for this farm, or not for all farms.
    #[error("{0}")]
    FarmForbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// There is something, but this cannot be done to it.
    #[error("{detail}")]
    MethodNotAllowed {
        /// In words.
        detail: String,
        /// What can be done instead.
        allowed: String,
    },
    /// Parameters make no sense, each with its reason.
    #[error("{}", summary(.0))]
    Parameters(Vec<ParameterError>),
    /// The body is missing or is not what it should be.
    #[error("{0}")]
    Body(String),
    /// The body, or a part of it, is too large.
    #[error("{what} is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// More readings came than one request may have.
    #[error("the request has more than {limit} readings, the limit of one; please send them in several")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The body is packed in a way that we do not unpack.
    #[error("a body with content-encoding '{0}' is not understood, wanted is gzip or identity")]
    Encoding(String),
    /// The body took too long to come.
    #[error("the body did not come within {limit_seconds} s")]
    TooSlow {
        /// The limit.
        limit_seconds: u64,
    },
    /// Requests come faster than the key allows.
    #[error("this key is good for {limit_per_second} requests a second")]
    RateLimited {
        /// The limit.
        limit_per_second: NonZeroU32,
    },
    /// It cannot be done to what is there as it is.
    #[error("{0}")]
    Conflict(String),
    /// An idempotency key came again, with another request.
    #[error("this Idempotency-Key belongs to another request; a key is for one request and its repeats")]
    KeyReused,
    /// Kafka went away in the middle of a request.
    #[error(
        "Kafka has acknowledged {acknowledged} of {records} records and is not available for the others, which may be \
         there or not; please send all again, a reading that comes twice counts once"
    )]
    HalfTaken {
        /// How many records are there for certain.
        acknowledged: usize,
        /// How many there are.
        records: usize,
        /// What became of the first of the others; for the log only.
        cause: String,
    },
    /// Something that we need is away; the same request may succeed later.
    #[error("{what} is not available: {cause}")]
    Unavailable {
        /// What is away.
        what: &'static str,
        /// Why; for the log only.
        cause: String,
    },
    /// Our own fault; the reason is for the log only.
    #[error("{0:#}")]
    Internal(anyhow::Error),
}

/// A parameter at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParameterError {
    /// Its name.
    pub parameter: String,
    /// What came.
    pub value: String,
    /// What should have come.
    pub bound: String,
    /// One sentence.
    pub message: String,
}

impl ParameterError {
    /// `parameter` has a value that is not within `bound`.
    pub fn new(parameter: &str, value: &str, bound: impl Into<String>) -> Self {
        let (value, bound) = (shortened(value), bound.into());
        Self {
            message: format!("{parameter} is '{value}', wanted is {bound}"),
            parameter: shortened(parameter),
            value,
            bound,
        }
    }
}

/// The body of every answer that tells of a failure (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of failure.
    #[schema(value_type = String, example = "urn:veleta:problem:parameters")]
    r#type: &'static str,
    /// The kind of failure in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// This failure in words.
    detail: String,
    /// The parameters at fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: Vec<ParameterError>,
}

impl ApiError {
    /// Nothing is called `id`.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::NotFound(format!("there is no {what} '{}'", shortened(id)))
    }

    /// The key does not open `farm`, which the caller has named.
    pub fn farm_closed(farm: &str) -> Self {
        Self::FarmForbidden(format!("the key does not open farm '{}'", shortened(farm)))
    }

    const fn kind(&self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::KeyMissing => (
                "urn:veleta:problem:key-missing",
                "Key missing",
                StatusCode::UNAUTHORIZED,
            ),
            Self::KeyUnknown => (
                "urn:veleta:problem:key-unknown",
                "Key not accepted",
                StatusCode::UNAUTHORIZED,
            ),
            Self::ScopeMissing(_) => ("urn:veleta:problem:scope", "Scope missing", StatusCode::FORBIDDEN),
            Self::FarmForbidden(_) => ("urn:veleta:problem:farm", "Farm not open", StatusCode::FORBIDDEN),
            Self::NotFound(_) => ("urn:veleta:problem:not-found", "Not found", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed { .. } => (
                "urn:veleta:problem:method",
                "Method not allowed",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::Parameters(_) => (
                "urn:veleta:problem:parameters",
                "Bad parameters",
                StatusCode::BAD_REQUEST,
            ),
            Self::Body(_) => ("urn:veleta:problem:body", "Bad body", StatusCode::BAD_REQUEST),
            Self::TooLarge { .. } => (
                "urn:veleta:problem:too-large",
                "Body too large",
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            Self::TooMany { .. } => (
                "urn:veleta:problem:too-many",
                "Too many readings",
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            Self::Encoding(_) => (
                "urn:veleta:problem:encoding",
                "Content encoding not understood",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::TooSlow { .. } => (
                "urn:veleta:problem:too-slow",
                "Body too slow",
                StatusCode::REQUEST_TIMEOUT,
            ),
            Self::RateLimited { .. } => (
                "urn:veleta:problem:rate-limited",
                "Too many requests",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            Self::Conflict(_) => ("urn:veleta:problem:conflict", "Conflict", StatusCode::CONFLICT),
            Self::KeyReused => (
                "urn:veleta:problem:idempotency-key-reused",
                "Idempotency key reused",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::HalfTaken { .. } => (
                "urn:veleta:problem:half-taken",
                "Not all taken",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Unavailable { .. } => (
                "urn:veleta:problem:unavailable",
                "Not available",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Internal(_) => (
                "urn:veleta:problem:internal",
                "Internal error",
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
        }
    }

    /// Logs what is our own trouble; what a client did wrong is its own to read.
    pub(crate) fn log(&self) {
        if let Self::Unavailable { what, cause } = self {
            tracing::warn!(what, cause, "request not answered");
        } else if let Self::HalfTaken { cause, .. } = self {
            tracing::warn!(what = "Kafka", cause, "request answered half");
        } else if let Self::Internal(error) = self {
            tracing::error!(error = format!("{error:#}"), "request not answered");
        }
    }

    /// What belongs to the failure whatever the words of its body are.
    pub(crate) fn add_headers(&self, response: &mut HttpResponseBuilder) {
        let status = self.kind().2;
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"veleta\""));
        }
        if let Self::MethodNotAllowed { allowed, .. } = self {
            response.insert_header((header::ALLOW, allowed.as_str()));
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            response.insert_header((header::ACCEPT_ENCODING, "gzip"));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // what is still to come of the body is not waited for
            response.force_close();
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            // by then there is room for as many as go at once
            response.insert_header((header::RETRY_AFTER, 1));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
    }

    /// What a client is told: nothing of our inside.
    pub(crate) fn detail(&self) -> String {
        if let Self::Unavailable { what, .. } = self {
            format!("{what} is not available, please try again")
        } else if let Self::Internal(_) = self {
            "something went wrong here; the log has the reason".to_owned()
        } else {
            self.to_string()
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().2
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let (r#type, title, status) = self.kind();
        let mut response = HttpResponse::build(status);
        self.add_headers(&mut response);
        let errors = if let Self::Parameters(errors) = self {
            errors.clone()
        } else {
            Vec::new()
        };
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .json(Problem {
                r#type,
                title,
                status: status.as_u16(),
                detail: self.detail(),
                errors,
            })
    }
}

impl From<EncodeError> for ApiError {
    fn from(error: EncodeError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if is_away(&error) {
            Self::Unavailable {
                what: "the database",
                cause: error.to_string(),
            }
        } else {
            Self::Internal(anyhow::Error::new(error).context("database"))
        }
    }
}

/// Whether the database could not be reached, as opposed to having refused what we asked.
fn is_away(error: &sqlx::Error) -> bool {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open")]
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // connection exceptions, too many connections, shutting down or starting up
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "53300" | "57P01" | "57P02" | "57P03")
        }),
        _ => false,
    }
}

fn summary(errors: &[ParameterError]) -> String {
    let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    messages.join("; ")
}

/// At most 80 characters of what somebody sent.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(error: &ApiError, expected: Expect) {
        let response = error.error_response();
        let mut shown = format!("{}\n", response.status());
        for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
            if let Some(value) = response.headers().get(&name) {
                shown += &format!("{name}: {}\n", value.to_str().unwrap());
            }
        }
        assert_eq!(
            response.headers().get(header::CONTENT_TYPE).unwrap(),
            "application/problem+json"
        );
        let body = to_bytes(response.into_body());
        let body = futures_util::FutureExt::now_or_never(body).unwrap().unwrap();
        shown += std::str::from_utf8(&body).unwrap();
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_failure_is_a_problem_document() {
        check(
            &ApiError::KeyMissing,
            expect![[r#"
                401 Unauthorized
                www-authenticate: Bearer realm="veleta"
                {"type":"urn:veleta:problem:key-missing","title":"Key missing","status":401,"detail":"a key is wanted in the header X-API-Key or Authorization: Bearer"}"#]],
        );
        check(
            &ApiError::Parameters(vec![ParameterError::new("limit", "0", "1 to 10000")]),
            expect![[r#"
                400 Bad Request
                {"type":"urn:veleta:problem:parameters","title":"Bad parameters","status":400,"detail":"limit is '0', wanted is 1 to 10000","errors":[{"parameter":"limit","value":"0","bound":"1 to 10000","message":"limit is '0', wanted is 1 to 10000"}]}"#]],
        );
    }

    #[test]
    fn our_inside_is_not_told() {
        check(
            &ApiError::from(sqlx::Error::PoolTimedOut),
            expect![[r#"
                503 Service Unavailable
                retry-after: 5
                {"type":"urn:veleta:problem:unavailable","title":"Not available","status":503,"detail":"the database is not available, please try again"}"#]],
        );
        check(
            &ApiError::from(sqlx::Error::ColumnNotFound("secret".into())),
            expect![[r#"
                500 Internal Server Error
                {"type":"urn:veleta:problem:internal","title":"Internal error","status":500,"detail":"something went wrong here; the log has the reason"}"#]],
        );
    }
}
