//! What a request of an old client can fail by, in FastAPI's words.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::json;

use super::Detail;
use crate::error::ApiError;
use crate::export::EncodeError;

/// What a request of an old client failed by.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// Parts of the request are wrong, each with its reason.
    #[error("{}", summary(.0))]
    Unprocessable(Vec<Detail>),
    /// The key opens nothing.
    #[error("the key is unknown, expired or revoked")]
    Unauthorized,
    /// The key does not open this.
    #[error("the key lacks the scope, or does not open the farm of the old clients")]
    Forbidden,
    /// There is no such generator.
    #[error("no such generator")]
    NoGenerator,
    /// All else.
    #[error(transparent)]
    Other(#[from] ApiError),
}

impl LegacyError {
    const fn words(&self) -> &'static str {
        match self {
            Self::Unauthorized | Self::Other(ApiError::KeyUnknown | ApiError::KeyMissing) => "Unauthorized",
            Self::Forbidden | Self::Other(ApiError::ScopeMissing(_) | ApiError::FarmForbidden(_)) => {
                "Forbidden"
            }
            Self::NoGenerator => "Generador no encontrado",
            Self::Other(ApiError::TooLarge { .. } | ApiError::TooMany { .. }) => "Request Entity Too Large",
            Self::Other(ApiError::Encoding(_)) => "Unsupported Media Type",
            Self::Other(ApiError::TooSlow { .. }) => "Request Timeout",
            Self::Other(ApiError::Unavailable { .. } | ApiError::HalfTaken { .. }) => "Service Unavailable",
            Self::Other(ApiError::RateLimited { .. }) => "Too Many Requests",
            Self::Other(ApiError::NotFound(_)) => "Not Found",
            Self::Other(ApiError::MethodNotAllowed { .. }) => "Method Not Allowed",
            Self::Other(ApiError::Body(_) | ApiError::Parameters(_)) => "There was an error parsing the body",
            Self::Unprocessable(_)
            | Self::Other(ApiError::Internal(_) | ApiError::KeyReused | ApiError::Conflict(_)) => {
                "Internal Server Error"
            }
        }
    }
}

/// Keeps the entries' order of names, which FastAPI has and a map has not.
#[derive(Serialize)]
struct Unprocessable<'d> {
    detail: &'d [Detail],
}

impl ResponseError for LegacyError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NoGenerator => StatusCode::NOT_FOUND,
            Self::Other(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Other(error) = self {
            error.log();
        }
        let mut response = HttpResponse::build(self.status_code());
        if let Self::Other(error) = self {
            error.add_headers(&mut response);
        }
        if let Self::Unprocessable(detail) = self {
            return response.json(Unprocessable { detail });
        }
        response.json(json!({ "detail": self.words() }))
    }
}

impl From<EncodeError> for LegacyError {
    fn from(error: EncodeError) -> Self {
        Self::Other(error.into())
    }
}

impl From<sqlx::Error> for LegacyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Other(error.into())
    }
}

fn summary(details: &[Detail]) -> String {
    details.iter().map(Detail::summary).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use expect_test::{Expect, expect};
    use futures_util::FutureExt;
    use serde_json::Value;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(error: LegacyError, expected: Expect) {
        let response = error.error_response();
        let status = response.status();
        let body = to_bytes(response.into_body()).now_or_never().unwrap().unwrap();
        expected.assert_eq(&format!(
            "{} {}",
            status.as_u16(),
            std::str::from_utf8(&body).unwrap()
        ));
    }

    #[test]
    fn failures_are_written_as_fastapi_writes_them() {
        let missing = Detail::missing(&["header", "x-api-key"], Value::Null);
        let bound = Detail::new(
            "greater_than",
            &["body", "wind_speed"],
            "Input should be greater than 0",
            json!(-1),
        )
        .with("gt", 0.0);
        check(
            LegacyError::Unprocessable(vec![missing, bound]),
            expect![[
                r#"422 {"detail":[{"type":"missing","loc":["header","x-api-key"],"msg":"Field required","input":null},{"type":"greater_than","loc":["body","wind_speed"],"msg":"Input should be greater than 0","input":-1,"ctx":{"gt":0.0}}]}"#
            ]],
        );
        check(
            LegacyError::Unauthorized,
            expect![[r#"401 {"detail":"Unauthorized"}"#]],
        );
        check(LegacyError::Forbidden, expect![[r#"403 {"detail":"Forbidden"}"#]]);
        check(
            LegacyError::NoGenerator,
            expect![[r#"404 {"detail":"Generador no encontrado"}"#]],
        );
        check(
            LegacyError::from(sqlx::Error::ColumnNotFound("secret".to_owned())),
            expect![[r#"500 {"detail":"Internal Server Error"}"#]],
        );
        check(
            LegacyError::from(sqlx::Error::PoolTimedOut),
            expect![[r#"503 {"detail":"Service Unavailable"}"#]],
        );
    }
}
