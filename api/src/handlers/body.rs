//! The bytes of a request.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};

use crate::error::ApiError;
use crate::routes::MAX_BODY_BYTES;

/// The whole body, unpacked if it was compressed; a larger one than the limit is a 413.
pub struct Body(pub Bytes);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move { bytes.await.map(Self).map_err(|error| told(&error)) })
    }
}

fn told(error: &actix_web::Error) -> ApiError {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ApiError::TooLarge {
            what: "the body",
            limit_bytes: MAX_BODY_BYTES,
        },
        _ => ApiError::Body(format!("the body was not read to its end: {error}")),
    }
}
