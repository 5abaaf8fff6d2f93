//! What the head of every answer says besides: to browsers what they may do with it, and to clients how often they may
//! ask.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};

use crate::auth::Quota;

/// Data are no page: nothing in them is to be run, shown or framed.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Swagger UI: scripts from here only; its pictures are within its styles, and it styles as it runs.
const DOCUMENTATION: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                             img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                             frame-ancestors 'none'";

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How we are reached.
#[derive(Debug, Clone, Copy)]
pub struct Protection {
    /// By TLS: browsers are told never to come otherwise.
    pub is_encrypted: bool,
}

/// Adds to the answer's head what is not there already.
///
/// # Errors
/// Those of the request.
pub async fn protect(
    protection: web::Data<Protection>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_documentation = request.path().starts_with("/docs/");
    let mut answer = next.call(request).await?;
    let quota = answer.request().extensions().get::<Quota>().copied();
    let head = answer.headers_mut();
    add(head, X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(head, X_FRAME_OPTIONS, "DENY");
    add(head, REFERRER_POLICY, "no-referrer");
    if is_documentation {
        add(head, CONTENT_SECURITY_POLICY, DOCUMENTATION);
    } else {
        add(head, CONTENT_SECURITY_POLICY, NOTHING);
        add(head, CACHE_CONTROL, "no-store");
    }
    if protection.is_encrypted {
        add(head, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if let Some(quota) = quota {
        tell(head, quota);
    }
    Ok(answer)
}

fn add(head: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !head.contains_key(&name) {
        head.insert(name, HeaderValue::from_static(value));
    }
}

/// As draft-ietf-httpapi-ratelimit-headers has it: so many in a second, so many left, and all of them a second later.
fn tell(head: &mut HeaderMap, quota: Quota) {
    let policy = format!("\"key\";q={};w=1", quota.limit_per_second);
    let left = format!("\"key\";r={};t=1", quota.remaining);
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
        head.insert(name, HeaderValue::try_from(value).expect("it is ASCII"));
    }
}
