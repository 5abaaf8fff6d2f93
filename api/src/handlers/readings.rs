//! `/v1/farms/{farm}/turbines/{turbine}/readings`.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use sqlx::PgPool;

use super::{no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Page, Reading};
use crate::openapi::Failures;
use crate::params::{Parameters, TimePage, TimePageParams};
use crate::queries;

/// The readings of a turbine, by time
#[utoipa::path(
    operation_id = "list_readings",
    tag = "farms",
    params(TimePageParams),
    responses((status = 200, description = "A page of readings", body = Page<Reading>), Failures),
)]
#[get("/farms/{farm}/turbines/{turbine}/readings")]
pub async fn list(
    access: Access<Read>,
    path: Path<(String, String)>,
    Parameters(mut page): Parameters<TimePage>,
    database: Data<PgPool>,
) -> Result<Json<Page<Reading>>, ApiError> {
    let farm = access.farm(&path.0)?;
    let turbine = turbine_id(&path.1)?;
    let known = queries::turbines::range(&database, &farm, &turbine).await?;
    let known = known.ok_or_else(|| no_turbine(turbine.as_str()))?;
    // so that the database looks only at days on which there can be something
    page.range = page.range.and(known.from, known.to);
    let readings = queries::readings::list(&database, &farm, &turbine, &page).await?;
    Ok(Json(Page::of(readings, page.limit, |reading| {
        reading.event_time.as_micros()
    })))
}
