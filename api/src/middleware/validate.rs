//! Whether a client has the answer already: the tag of a page is made of its bytes, so it changes with whatever is in
//! it, a revision above all.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use bytes::Bytes;

use crate::tag::Tag;

/// Gives the answer to a GET a tag, if it is in memory as a whole, and leaves it out if the client has it. What is
/// streamed has a tag of its own, or none: it is on its way before its end is known.
///
/// # Errors
/// Those of the request.
pub async fn validate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_get = request.method() == Method::GET;
    let answer = next.call(request).await?.map_into_boxed_body();
    if !is_get || answer.status() != StatusCode::OK || answer.headers().contains_key(CACHE_CONTROL) {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let (mut answer, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(bytes) => {
            let tag = Tag::of(&bytes);
            tag.put(answer.headers_mut());
            if tag.is_known(request.headers()) {
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                answer.headers_mut().remove(CONTENT_TYPE);
                BoxBody::new(Bytes::new())
            } else {
                BoxBody::new(bytes)
            }
        }
        Err(streamed) => streamed,
    };
    Ok(ServiceResponse::new(request, answer.set_body(body)))
}
