//! The head of `/openapi.json`; its body is gathered from the routes.

use actix_web::App;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};
use utoipa_actix_web::AppExt;

use crate::auth::Scope;
use crate::error::Problem;
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Veleta",
        description = "Readings and windows of wind farms. Times are RFC 3339 in UTC, numbers in the unit of their \
                       name, lists come in pages: give `next_cursor` as `cursor` to go on. A key must have the scope \
                       that its operation names, or `admin`."
    ),
    components(schemas(Problem, LegacyFailure, LegacyFaults, InfluxFailure, InfluxV1Failure)),
    modifiers(&Keys),
    tags(
        (name = "farms", description = "Farms, turbines, their readings and windows"),
        (name = "live", description = "What happens, as it happens"),
        (name = "ingestion", description = "Sending readings"),
        (name = "keys", description = "Who may do what"),
        (name = "InfluxDB", description = "InfluxDB's way of sending readings, for its clients"),
        (name = "quality", description = "What was refused, and whether everything is accounted for"),
        (name = "first system", description = "The words of the first system, for its clients")
    )
)]
struct Head;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let basic = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build());
        let token = ApiKeyValue::with_description("Authorization", "`Token KEY`, as InfluxDB has it");
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Header(token)));
        components.add_security_scheme("basic", basic);
        components.add_security_scheme("key", key);
        components.add_security_scheme("bearer", bearer);
    }
}

/// Title, security and tags.
pub fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The same with all its operations, each with the scope that a key must have for it.
pub fn finish(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut document.paths.paths {
        // a write of nothing is a write
        if path.ends_with("/write")
            && let Some(RefOr::T(body)) = item.post.as_mut().and_then(|post| post.request_body.as_mut())
        {
            body.required = Some(Required::False);
        }
        for (operation, scope) in [(&mut item.get, Scope::Read), (&mut item.post, Scope::Write)] {
            if let Some(operation) = operation
                .as_mut()
                .filter(|operation| operation.security.is_none())
            {
                let wants = |name: &str| SecurityRequirement::new(name, [scope.as_str()]);
                operation.security = Some(vec![wants("key"), wants("bearer")]);
            }
        }
    }
    document
}

/// The whole document, without serving it.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = App::new()
        .into_utoipa_app()
        .openapi(head())
        .configure(routes::configure)
        .split_for_parts();
    finish(document)
}

/// The failures that any request may end in.
#[derive(IntoResponses)]
pub enum Failures {
    /// A parameter or the body makes no sense
    #[response(status = 400, content_type = "application/problem+json")]
    Bad(Problem),
    /// No key, or one that opens nothing
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The key is not good for this
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Requests come faster than the key allows; `Retry-After` says when to ask again
    #[response(status = 429, content_type = "application/problem+json")]
    TooOften(Problem),
    /// The database or Kafka is away; `Retry-After` says when to ask again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// The failures of requests with a body, besides.
#[derive(IntoResponses)]
pub enum BodyFailures {
    /// The body did not come in time
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The body is too large, or has too many readings
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is packed otherwise than by gzip
    #[response(status = 415, content_type = "application/problem+json")]
    Encoding(Problem),
}

/// The failures of the first system's requests.
#[derive(IntoResponses)]
pub enum LegacyFailures {
    /// The key opens nothing
    #[response(status = 401)]
    Unauthorized(LegacyFailure),
    /// The key is not good for this
    #[response(status = 403)]
    Forbidden(LegacyFailure),
    /// The key, a parameter or a field is missing or wrong
    #[response(status = 422)]
    Unprocessable(LegacyFaults),
    /// Requests come faster than the key allows
    #[response(status = 429)]
    TooOften(LegacyFailure),
    /// The database or Kafka is away; `Retry-After` says when to ask again
    #[response(status = 503)]
    Unavailable(LegacyFailure),
}

/// The failures of writes to InfluxDB's version 2.
#[derive(IntoResponses)]
pub enum InfluxFailures {
    /// Lines that are named were not written, the others were; or the request makes no sense
    #[response(status = 400)]
    Bad(InfluxFailure),
    /// No key, or one that opens nothing
    #[response(status = 401)]
    Unauthorized(InfluxFailure),
    /// The key is not good for this, or not for the farm that is named: nothing was written
    #[response(status = 403)]
    Forbidden(InfluxFailure),
    /// The body did not come in time
    #[response(status = 408)]
    TooSlow(InfluxFailure),
    /// The body is too large, or has too many lines
    #[response(status = 413)]
    TooLarge(InfluxFailure),
    /// The body is packed otherwise than by gzip
    #[response(status = 415)]
    Encoding(InfluxFailure),
    /// Requests come faster than the key allows
    #[response(status = 429)]
    TooOften(InfluxFailure),
    /// Kafka is away; `Retry-After` says when to send the same again
    #[response(status = 503)]
    Unavailable(InfluxFailure),
}

/// The failures of writes to InfluxDB's version 1.
#[derive(IntoResponses)]
pub enum InfluxV1Failures {
    /// Lines that are named were not written, the others were; or the request makes no sense
    #[response(status = 400)]
    Bad(InfluxV1Failure),
    /// No key, or one that opens nothing
    #[response(status = 401)]
    Unauthorized(InfluxV1Failure),
    /// The key is not good for this, or not for the farm that is named: nothing was written
    #[response(status = 403)]
    Forbidden(InfluxV1Failure),
    /// The body did not come in time
    #[response(status = 408)]
    TooSlow(InfluxV1Failure),
    /// The body is too large, or has too many lines
    #[response(status = 413)]
    TooLarge(InfluxV1Failure),
    /// The body is packed otherwise than by gzip
    #[response(status = 415)]
    Encoding(InfluxV1Failure),
    /// Requests come faster than the key allows
    #[response(status = 429)]
    TooOften(InfluxV1Failure),
    /// Kafka is away; `Retry-After` says when to send the same again
    #[response(status = 503)]
    Unavailable(InfluxV1Failure),
}

/// What went wrong, as InfluxDB 2 says it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents")]
pub struct InfluxFailure {
    /// The kind of failure.
    #[schema(example = "invalid")]
    code: String,
    /// In words.
    #[schema(example = "partial write: line 2: missing fields; dropped=1")]
    message: String,
    /// The first line at fault.
    line: Option<u64>,
}

/// What went wrong, as InfluxDB 1 says it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents")]
pub struct InfluxV1Failure {
    /// In words.
    #[schema(example = "partial write: line 2: missing fields; dropped=1")]
    error: String,
}

/// What went wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents")]
pub struct LegacyFailure {
    /// In a word.
    detail: String,
}

/// What is wrong, field by field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents")]
pub struct LegacyFaults {
    /// One entry for each fault: `type`, `loc`, `msg`, `input` and perhaps `ctx`.
    detail: Vec<serde_json::Value>,
}
