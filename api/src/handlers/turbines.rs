//! `/v1/farms/{farm}/turbines`.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get};
use domain::TurbineId;
use sqlx::PgPool;

use super::stream::answer;
use super::{STORED, no_farm, no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Page, Turbine};
use crate::openapi::Failures;
use crate::params::{FormatParam, KeyPage, Listing, NameCursor, NoParams, Parameters, Upwards};
use crate::queries;

/// The turbines of a farm, by name, each with its last reading
#[utoipa::path(
    operation_id = "list_turbines",
    tag = "farms",
    params(Upwards, NameCursor, FormatParam),
    responses(
        (status = 200, description = "A page of turbines, or all of them", content(
            (Page<Turbine> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/farms/{farm}/turbines")]
pub async fn list(
    access: Access<Read>,
    farm: Path<String>,
    Listing { asked, output }: Listing<KeyPage<TurbineId>>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let farm = access.farm(&farm)?;
    let key = |turbine: &Turbine| turbine.turbine_id.parse().expect(STORED);
    answer(output, asked, key, move |page| {
        let (database, farm) = (database.clone(), farm.clone());
        async move {
            let turbines = queries::turbines::list(&database, &farm, &page).await?;
            if turbines.is_empty() && queries::farms::range(&database, &farm).await?.is_none() {
                return Err(no_farm(farm.as_str()));
            }
            Ok(turbines)
        }
    })
    .await
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
