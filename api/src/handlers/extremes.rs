//! `/v1/farms/{farm}/extremes`.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use domain::{FarmId, Metric};
use sqlx::PgPool;

use super::no_farm;
use super::windows::farm_view;
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Extremes, MetricExtremes, Page};
use crate::openapi::Failures;
use crate::params::{
    Backwards, Between, ExtremesPage, ExtremesParams, NumberCursor, Parameters, TimeRange, ZoneParam,
};
use crate::queries;
use crate::queries::extremes::Pieces;
use crate::rolling::SNAPSHOT;

/// The greatest and the least values of a farm, who measured them when, and where those readings are
///
/// Over the whole stretch of time from `from` to `to`, to the microsecond and up to the newest reading; with a
/// `resolution`, window by window.
#[utoipa::path(
    operation_id = "list_extremes",
    tag = "farms",
    params(ExtremesParams, ZoneParam, Backwards, Between, NumberCursor),
    responses((status = 200, description = "A page of extremes; one item if no resolution is given", body = Page<Extremes>), Failures),
)]
#[get("/farms/{farm}/extremes")]
pub async fn list(
    access: Access<Read>,
    farm: Path<String>,
    Parameters(asked): Parameters<ExtremesPage>,
    database: Data<PgPool>,
) -> Result<Json<Page<Extremes>>, ApiError> {
    let farm = access.farm(&farm)?;
    let Some(division) = asked.division else {
        let known = queries::farms::range(&database, &farm).await?;
        let known = known.ok_or_else(|| no_farm(farm.as_str()))?;
        let range = asked.page.range.and(known.from, known.to);
        let extremes = of_range(&database, &farm, &asked.metrics, known, range).await?;
        return Ok(Json(Page {
            items: extremes.into_iter().collect(),
            next_cursor: None,
        }));
    };
    let view = farm_view(&database, farm.clone(), division).await?;
    let windows = view.list(&database, &asked.page).await?;
    let page = Page::of(windows, asked.page.limit, |window| window.start.as_micros());
    let of_window = |window| Extremes::of_window(&farm, window, &asked.metrics);
    Ok(Json(Page {
        items: page.items.iter().map(of_window).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// None if there is nothing in the range.
async fn of_range(
    database: &PgPool,
    farm: &FarmId,
    metrics: &[Metric],
    known: TimeRange,
    range: TimeRange,
) -> Result<Option<Extremes>, ApiError> {
    let mut snapshot = database.begin_with(SNAPSHOT).await?;
    let marked = queries::windows::marked_hours(&mut *snapshot, farm, range).await?;
    let closed_until = queries::windows::closed_until(&mut snapshot, farm, known).await?;
    let pieces = Pieces::of(range, &marked, closed_until);
    let mut found = Vec::with_capacity(metrics.len());
    for &metric in metrics {
        if let Some((min, max)) = queries::extremes::of(&mut snapshot, farm, metric, &pieces).await? {
            found.push((metric, MetricExtremes::new(farm, &min, &max)));
        }
    }
    snapshot.commit().await?;
    Ok((!found.is_empty()).then_some(Extremes {
        start: range.from,
        end: range.to,
        metrics: found,
    }))
}
