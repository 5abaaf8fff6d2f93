//! The head of `/openapi.json`; its body is gathered from the routes.

use actix_web::App;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};
use utoipa_actix_web::AppExt;

use crate::error::Problem;
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Veleta",
        description = "Readings and windows of wind farms. Times are RFC 3339 in UTC, numbers in the unit of their \
                       name, lists come in pages: give `next_cursor` as `cursor` to go on."
    ),
    components(schemas(Problem, LegacyFailure, LegacyFaults)),
    modifiers(&Keys),
    security(("key" = []), ("bearer" = [])),
    tags(
        (name = "farms", description = "Farms, turbines, their readings and windows"),
        (name = "live", description = "What happens, as it happens"),
        (name = "ingestion", description = "Sending readings"),
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
        components.add_security_scheme("key", key);
        components.add_security_scheme("bearer", bearer);
    }
}

/// Title, security and tags.
pub fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The whole document, without serving it.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = App::new()
        .into_utoipa_app()
        .openapi(head())
        .configure(routes::configure)
        .split_for_parts();
    document
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
    /// The database or Kafka is away; `Retry-After` says when to ask again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
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
