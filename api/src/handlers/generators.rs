//! `GET /generadores` and `GET /generadores/{id}`.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::TurbineId;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::legacy_access::enter_reading;
use super::stream::stream_rows;
use crate::args::LegacyArgs;
use crate::auth::Keys;
use crate::export::{Format, JsonArray};
use crate::legacy::{GeneratorReading, Generators, LegacyError};
use crate::openapi::{LegacyFailure, LegacyFailures};
use crate::params::{LegacyParams, TimePage};
use crate::queries;

/// The generators
#[utoipa::path(
    operation_id = "list_generators",
    tag = "first system",
    responses((status = 200, description = "The generators", body = Generators), LegacyFailures),
)]
#[get("/generadores")]
pub async fn list(
    request: HttpRequest,
    keys: Data<Keys>,
    legacy: Data<LegacyArgs>,
    database: Data<PgPool>,
) -> Result<Json<Generators>, LegacyError> {
    enter_reading(&request, &keys, &legacy).await?;
    let generators = queries::turbines::ids(&database, &legacy.legacy_farm_id).await?;
    Ok(Json(Generators { generators }))
}

/// A generator and its readings.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only documents what is streamed")]
pub struct Generator {
    generator_id: String,
    data: Vec<GeneratorReading>,
}

/// All readings of a generator, the newest first
#[utoipa::path(
    operation_id = "get_generator",
    tag = "first system",
    params(LegacyParams),
    responses((status = 200, description = "The generator and its readings", body = Generator), (status = 404, description = "There is no such generator", body = LegacyFailure), LegacyFailures),
)]
#[get("/generadores/{id}")]
pub async fn one(
    request: HttpRequest,
    keys: Data<Keys>,
    legacy: Data<LegacyArgs>,
    id: Path<String>,
    database: Data<PgPool>,
) -> Result<HttpResponse, LegacyError> {
    let query = enter_reading(&request, &keys, &legacy).await?;
    let farm = legacy.legacy_farm_id.clone();
    let turbine = TurbineId::parse(&id).map_err(|_| LegacyError::NoGenerator)?;
    let known = queries::turbines::range(&database, &farm, &turbine).await?;
    let known = known.ok_or(LegacyError::NoGenerator)?;
    let range = query.range.and(known.from, known.to);
    let prefix = format!(r#"{{"generator_id":"{turbine}","data":["#); // an id needs no escapes
    let array = JsonArray::new(prefix, "]}");
    let page = TimePage::newest(range);
    stream_rows(array, Format::Json, query.limit, page, move |page| {
        let (database, farm, turbine) = (database.clone(), farm.clone(), turbine.clone());
        async move {
            let readings = queries::generators::list(&database, &farm, &turbine, &page).await?;
            Ok(readings
                .into_iter()
                .map(|reading| (reading.timestamp, reading))
                .collect())
        }
    })
    .await
}
