//! What a request of an old client can fail by, in FastAPI's words.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use super::Detail;
use crate::error::{ApiError, RETRY_AFTER_SECONDS};

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
            Self::Other(ApiError::TooLarge { .. }) => "Request Entity Too Large",
            Self::Other(ApiError::Unavailable { .. }) => "Service Unavailable",
            Self::Other(ApiError::NotFound(_)) => "Not Found",
            Self::Other(ApiError::Body(_) | ApiError::Parameters(_)) => "There was an error parsing the body",
            Self::Unprocessable(_) | Self::Other(ApiError::Internal(_)) => "Internal Server Error",
        }
    }
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
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unprocessable(details) => response.json(json!({ "detail": details })),
            Self::Other(ApiError::Unavailable { .. }) => response
                .insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS))
                .json(json!({ "detail": self.words() })),
            Self::Unauthorized | Self::Forbidden | Self::NoGenerator | Self::Other(_) => {
                response.json(json!({ "detail": self.words() }))
            }
        }
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
