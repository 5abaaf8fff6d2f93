//! The bytes of a request.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::ingest::Unpacker;

/// The whole body, unpacked if it was gzip. One over the limit is a 413, one that does not come in time a 408.
pub struct Body(pub Bytes);

/// How much may come, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest body, bytes, packed and unpacked.
    pub body_bytes: usize,
    /// The longest that a body may take to come.
    pub body_time: Duration,
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data::<Data<BodyLimits>>();
        let limits = limits.expect("the limits are among the application's data");
        let limits = *limits.get_ref();
        let header = |name| {
            let value = request.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap_or("?"))
        };
        let announced = header(header::CONTENT_LENGTH).parse::<u64>();
        let is_over = announced.is_ok_and(|bytes| bytes > limits.body_bytes as u64);
        let unpacker = Unpacker::new(header(header::CONTENT_ENCODING), limits.body_bytes);
        let payload = payload.take();
        Box::pin(async move {
            if is_over {
                return Err(ApiError::TooLarge {
                    what: "the body",
                    limit_bytes: limits.body_bytes,
                });
            }
            let body = tokio::time::timeout(limits.body_time, gather(unpacker?, payload)).await;
            body.unwrap_or(Err(ApiError::TooSlow {
                limit_seconds: limits.body_time.as_secs(),
            }))
        })
    }
}

async fn gather(mut unpacker: Unpacker, mut payload: Payload) -> Result<Body, ApiError> {
    while let Some(piece) = payload.next().await {
        let piece =
            piece.map_err(|error| ApiError::Body(format!("the body was not read to its end: {error}")))?;
        unpacker.push(&piece)?;
    }
    unpacker.finish().map(Body)
}
