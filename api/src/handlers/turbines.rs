//! `/v1/farms/{farm}/turbines`.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use sqlx::PgPool;

use super::{no_farm, no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Page, Turbine};
use crate::openapi::Failures;
use crate::params::{KeyPage, KeyPageParams, NoParams, Parameters};
use crate::queries;

/// The turbines of a farm, by name, each with its last reading
#[utoipa::path(
    operation_id = "list_turbines",
    tag = "farms",
    params(KeyPageParams),
    responses((status = 200, description = "A page of turbines", body = Page<Turbine>), Failures),
)]
#[get("/farms/{farm}/turbines")]
pub async fn list(
    access: Access<Read>,
    farm: Path<String>,
    Parameters(page): Parameters<KeyPage<String>>,
    database: Data<PgPool>,
) -> Result<Json<Page<Turbine>>, ApiError> {
    let farm = access.farm(&farm)?;
    let turbines = queries::turbines::list(&database, &farm, &page).await?;
    if turbines.is_empty()
        && queries::farms::first_event_time(&database, &farm)
            .await?
            .is_none()
    {
        return Err(no_farm(farm.as_str()));
    }
    Ok(Json(Page::of(turbines, page.limit, |turbine| {
        turbine.turbine_id.clone()
    })))
}

/// One turbine with its last reading
#[utoipa::path(
    operation_id = "get_turbine",
    tag = "farms",
    responses((status = 200, description = "The turbine", body = Turbine), Failures),
)]
#[get("/farms/{farm}/turbines/{turbine}")]
pub async fn one(
    access: Access<Read>,
    path: Path<(String, String)>,
    _: Parameters<NoParams>,
    database: Data<PgPool>,
) -> Result<Json<Turbine>, ApiError> {
    let farm = access.farm(&path.0)?;
    let turbine = turbine_id(&path.1)?;
    let found = queries::turbines::find(&database, &farm, &turbine).await?;
    found.map(Json).ok_or_else(|| no_turbine(turbine.as_str()))
}
