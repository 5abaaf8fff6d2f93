//! The doors: [`authenticate`] lets nobody in without a key, [`Access`] in a handler's arguments says what the key
//! must be good for.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::FarmId;

use super::{Caller, Keys, Quota, Scope};
use crate::error::ApiError;

/// Middleware: verifies the request's key and leaves the [`Caller`] for [`Access`]. The answer is a 401 without a good
/// key, a 429 when it is used too often, and a 503 when keys cannot be verified.
///
/// # Errors
/// Those of the request.
pub async fn authenticate<B: MessageBody>(
    keys: web::Data<Keys>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let admitted = match key_of(request.headers()) {
        Some(key) => admit(&keys, request.request(), key).await,
        None => Err(ApiError::KeyMissing),
    };
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        // an answer like any other, not an error that passes by what is added to answers
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

/// Verifies the key that came with a request, counts the request, and leaves the [`Quota`] for the
/// answer's headers.
///
/// # Errors
/// Those of [`Keys::verify`], and [`ApiError::RateLimited`].
pub async fn admit(keys: &Keys, request: &HttpRequest, key: &str) -> Result<Caller, ApiError> {
    let caller = keys.verify(key).await?;
    let left = keys.quotas().count(&caller, Instant::now());
    if let Some(quota) = quota_of(&left) {
        request.extensions_mut().insert(quota);
    }
    left.map(|_| caller)
}

/// Also of a request that was one too many.
const fn quota_of(left: &Result<Option<Quota>, ApiError>) -> Option<Quota> {
    match left {
        Ok(quota) => *quota,
        Err(ApiError::RateLimited { limit_per_second }) => Some(Quota {
            limit_per_second: *limit_per_second,
            remaining: 0,
        }),
        Err(_) => None,
    }
}

/// The key that a request presents.
pub fn key_of(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok();
    }
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// The key that a request presents in any of the ways that InfluxDB's clients have: in a header of ours, as a token or
/// as a password, in a header or in the query.
pub fn any_key_of(request: &HttpRequest) -> Option<String> {
    if let Some(key) = key_of(request.headers()) {
        return Some(key.to_owned());
    }
    if let Some(authorization) = request.headers().get(header::AUTHORIZATION) {
        let (scheme, rest) = authorization.to_str().ok()?.split_once(' ')?;
        let rest = rest.trim();
        return match scheme.to_ascii_lowercase().as_str() {
            "token" => Some(rest.to_owned()),
            "basic" => {
                let pair = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
                pair.split_once(':').map(|(_, password)| password.to_owned())
            }
            _ => None,
        };
    }
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    let mut parameters = query.into_inner().into_iter();
    parameters.find_map(|(name, value)| (name == "p").then_some(value))
}

/// A scope as a type, to be named in a handler's arguments.
pub trait Door {
    /// The scope that it asks for.
    const SCOPE: Scope;
}

/// Looking at data.
pub enum Read {}
/// Sending readings.
pub enum Write {}
/// Everything, keys included.
pub enum Admin {}

impl Door for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Door for Write {
    const SCOPE: Scope = Scope::Write;
}
impl Door for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// Proof that the caller's key has the scope of `D`. Name it first among a handler's arguments, so that nothing is
/// told to those who may not ask.
pub struct Access<D> {
    caller: Caller,
    door: PhantomData<D>,
}

impl<D> Access<D> {
    /// The caller.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The farm of that name, if the key opens it.
    ///
    /// # Errors
    /// 404 for what is no id, and for a farm that the key does not open: it need not know that there is one.
    pub fn farm(&self, farm: &str) -> Result<FarmId, ApiError> {
        let not_found = || ApiError::not_found("farm", farm);
        let farm_id = FarmId::parse(farm).map_err(|_| not_found())?;
        if self.caller.opens(farm) {
            Ok(farm_id)
        } else {
            Err(not_found())
        }
    }

    /// Sees to it that the key opens every farm, for what cannot be told farm by farm.
    ///
    /// # Errors
    /// 403 for a key that is limited to some farms.
    pub fn all_farms(&self) -> Result<(), ApiError> {
        if self.caller.farms.is_none() {
            return Ok(());
        }
        Err(ApiError::FarmForbidden(
            "the key is limited to some farms, and this tells of all of them".to_owned(),
        ))
    }
}

impl Access<Read> {
    /// Whether the key opens a dead letter of that farm; one of no farm only to a key that opens all.
    pub fn opens_letter(&self, farm: Option<&str>) -> bool {
        match farm {
            Some(farm) => self.caller.opens(farm),
            None => self.caller.farms.is_none(),
        }
    }
}

impl Access<Write> {
    /// Sees to it that the key opens all these farms.
    ///
    /// # Errors
    /// 403 naming the first farm that it does not.
    pub fn may_write<'f>(&self, mut farms: impl Iterator<Item = &'f str>) -> Result<(), ApiError> {
        match farms.find(|farm| !self.caller.opens(farm)) {
            None => Ok(()),
            Some(farm) => Err(ApiError::farm_closed(farm)),
        }
    }
}

impl<D: Door + 'static> FromRequest for Access<D> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(match caller {
            None => Err(ApiError::KeyMissing),
            Some(caller) if !caller.may(D::SCOPE) => Err(ApiError::ScopeMissing(D::SCOPE)),
            Some(caller) => Ok(Self {
                caller,
                door: PhantomData,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_key_comes_in_either_header() {
        let key = |name: &'static str, value: &'static str| {
            let request = TestRequest::default()
                .insert_header((name, value))
                .to_http_request();
            key_of(request.headers()).map(str::to_owned)
        };
        assert_eq!(key("x-api-key", "vel_1").as_deref(), Some("vel_1"));
        assert_eq!(key("authorization", "Bearer vel_1").as_deref(), Some("vel_1"));
        assert_eq!(key("authorization", "bearer  vel_1").as_deref(), Some("vel_1"));
        assert_eq!(key("authorization", "Basic dXNlcg=="), None);
        assert_eq!(key("accept", "vel_1"), None);
    }

    #[test]
    fn influxdbs_clients_have_ways_of_their_own() {
        let key = |header: Option<(&'static str, &'static str)>, path: &str| {
            let mut request = TestRequest::with_uri(path);
            if let Some(header) = header {
                request = request.insert_header(header);
            }
            any_key_of(&request.to_http_request())
        };
        let by_header = |value| key(Some(("authorization", value)), "/write?p=other");
        assert_eq!(by_header("Token vel_1").as_deref(), Some("vel_1"));
        assert_eq!(by_header("Bearer vel_1").as_deref(), Some("vel_1"));
        assert_eq!(
            by_header("Basic dXNlcjp2ZWxfMQ==").as_deref(),
            Some("vel_1"),
            "user:vel_1"
        );
        assert_eq!(by_header("Basic ?"), None);
        assert_eq!(by_header("Digest x"), None);
        assert_eq!(
            key(Some(("x-api-key", "vel_1")), "/write?p=other").as_deref(),
            Some("vel_1")
        );
        assert_eq!(key(None, "/write?u=user&p=vel%5F1").as_deref(), Some("vel_1"));
        assert_eq!(key(None, "/write?u=user"), None);
    }
}
