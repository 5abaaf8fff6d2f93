//! Whether a client has the answer already: the tag of a page is made of its bytes, so it changes with whatever is in
//! it, a revision above all.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Bytes of the hash that a tag has.
const TAG_BYTES: usize = 12;

/// Gives the answer to a GET a tag, if it is in memory as a whole, and leaves it out if the client has it. What is
/// streamed has none: it is on its way before its end is known.
///
/// # Errors
/// Those of the request.
pub async fn validate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_get = request.method() == Method::GET;
    let known = request.headers().get(IF_NONE_MATCH).cloned();
    let answer = next.call(request).await?.map_into_boxed_body();
    if !is_get || answer.status() != StatusCode::OK || answer.headers().contains_key(CACHE_CONTROL) {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let (mut answer, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(bytes) => {
            let tag = tag_of(&bytes);
            add(answer.headers_mut(), &tag);
            if known.is_some_and(|known| names(&known, &tag)) {
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

fn tag_of(bytes: &Bytes) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..TAG_BYTES]))
}

/// The tag is a weak one, for the bytes may still be compressed on their way. Nobody but the client keeps them, and it
/// asks each time whether they are still the same.
fn add(head: &mut HeaderMap, tag: &str) {
    let tag = HeaderValue::try_from(format!("W/{tag}")).expect("it is ASCII");
    head.insert(ETAG, tag);
    head.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// Whether the header `If-None-Match` names the tag, weak or not.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let mut known = known.to_str().unwrap_or_default().split(',').map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_alone_among_others_or_by_a_star() {
        let names = |known| names(&HeaderValue::from_static(known), "\"1\"");
        assert!(names("\"1\"") && names("W/\"1\"") && names("\"0\", W/\"1\"") && names("*"));
        assert!(!names("\"2\"") && !names("1") && !names(""));
    }
}
