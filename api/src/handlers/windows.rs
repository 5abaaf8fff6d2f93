//! `…/windows`.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use domain::{TimeDelta, Timestamp};
use sqlx::PgPool;

use super::{no_farm, no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Page, Window};
use crate::openapi::Failures;
use crate::params::{Parameters, WindowPage, WindowPageParams};
use crate::queries;
use crate::queries::windows::WindowsOf;

/// The windows of a farm, by their start
#[utoipa::path(
    operation_id = "list_farm_windows",
    tag = "farms",
    params(WindowPageParams),
    responses((status = 200, description = "A page of windows", body = Page<Window>), Failures),
)]
#[get("/farms/{farm}/windows")]
pub async fn of_farm(
    access: Access<Read>,
    farm: Path<String>,
    Parameters(page): Parameters<WindowPage>,
    database: Data<PgPool>,
) -> Result<Json<Page<Window>>, ApiError> {
    let farm = access.farm(&farm)?;
    let first = queries::farms::first_event_time(&database, &farm).await?;
    let first = first.ok_or_else(|| no_farm(farm.as_str()))?;
    list(&database, &WindowsOf::Farm(farm), first, page).await
}

/// The windows of a turbine, by their start
#[utoipa::path(
    operation_id = "list_turbine_windows",
    tag = "farms",
    params(WindowPageParams),
    responses((status = 200, description = "A page of windows", body = Page<Window>), Failures),
)]
#[get("/farms/{farm}/turbines/{turbine}/windows")]
pub async fn of_turbine(
    access: Access<Read>,
    path: Path<(String, String)>,
    Parameters(page): Parameters<WindowPage>,
    database: Data<PgPool>,
) -> Result<Json<Page<Window>>, ApiError> {
    let farm = access.farm(&path.0)?;
    let turbine = turbine_id(&path.1)?;
    let known = queries::turbines::range(&database, &farm, &turbine).await?;
    let known = known.ok_or_else(|| no_turbine(turbine.as_str()))?;
    list(&database, &WindowsOf::Turbine(farm, turbine), known.from, page).await
}

/// No window is longer than a day, so that none begins more than that before the `first` reading: the database need
/// not look at earlier days.
async fn list(
    database: &PgPool,
    of: &WindowsOf,
    first: Timestamp,
    page: WindowPage,
) -> Result<Json<Page<Window>>, ApiError> {
    const DAY: TimeDelta = TimeDelta::from_secs(86_400);
    let mut page = page.page;
    page.range = page.range.and(first - DAY, page.range.to);
    let windows = queries::windows::list(database, of, &page).await?;
    Ok(Json(Page::of(windows, page.limit, |window| {
        window.start.as_micros()
    })))
}
