//! The one list of what the API answers.

use actix_web::dev::ResourceDef;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Redirect};
use actix_web::{HttpRequest, Responder};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

use crate::auth::authenticate;
use crate::error::ApiError;
use crate::handlers::{
    audit, dead_letters, events, extremes, farms, generators, ingestion, keys, line_protocol, measurements,
    minutes, readings, turbines, windows,
};
use crate::middleware::validate;
use crate::page;

/// Everything that wants a key.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(
            scope::scope("/v1")
                .wrap(from_fn(validate))
                .wrap(from_fn(authenticate))
                .service(farms::list)
                .service(turbines::list)
                .service(turbines::one)
                .service(readings::list)
                .service(windows::of_farm)
                .service(windows::of_turbine)
                .service(extremes::list)
                .service(dead_letters::list)
                .service(dead_letters::one)
                .service(audit::audit)
                .service(events::listen)
                .service(ingestion::take)
                .service(keys::create)
                .service(keys::list)
                .service(keys::one)
                .service(keys::revoke)
                .service(keys::rotate)
                .service(keys::log),
        )
        // the first system's requests have errors, and so doors, of their own
        .service(measurements::take)
        .service(minutes::list)
        .service(generators::list)
        .service(generators::one)
        // and so have InfluxDB's
        .service(line_protocol::write)
        .service(line_protocol::write_v1)
        .service(line_protocol::ping)
        .service(line_protocol::health);
}

/// What is open to everybody: the page at `/`, which asks for a key, and `/docs` and `/openapi.json`.
pub fn documentation(config: &mut web::ServiceConfig, document: OpenApi) {
    config
        .configure(page::configure)
        .service(Redirect::new("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document));
}

/// What may be done where.
#[derive(Debug)]
pub struct Methods(Vec<(ResourceDef, Vec<&'static str>)>);

impl Methods {
    /// As the document tells.
    pub fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        let methods = |item: &PathItem| {
            let told = [("GET", &item.get), ("POST", &item.post), ("DELETE", &item.delete)];
            let told = told.into_iter().filter(|(_, operation)| operation.is_some());
            told.map(|(method, _)| method).collect()
        };
        Self(
            paths
                .map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item)))
                .collect(),
        )
    }

    /// None if there is nothing at all at `path`.
    fn at(&self, path: &str) -> Option<&[&'static str]> {
        let mut all = self.0.iter();
        all.find_map(|(place, methods)| place.is_match(path).then_some(methods.as_slice()))
    }
}

/// What is asked for is none of the above.
///
/// # Errors
/// Always: [`ApiError::NotFound`], or [`ApiError::MethodNotAllowed`] where something else can be done.
pub async fn nowhere(request: HttpRequest, methods: web::Data<Methods>) -> Result<impl Responder, ApiError> {
    let asked: String = request.path().chars().take(80).collect();
    let method: String = request.method().as_str().chars().take(20).collect();
    let nothing = format!("there is nothing to {method} at {asked}");
    Err::<&str, _>(match methods.at(request.path()) {
        None => ApiError::NotFound(nothing),
        Some(allowed) => ApiError::MethodNotAllowed {
            detail: nothing,
            allowed: allowed.join(", "),
        },
    })
}
