//! `GET /agregados/minuto`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::TimeDelta;
use sqlx::PgPool;

use super::legacy_access::enter_reading;
use super::stream::stream_rows;
use crate::args::LegacyArgs;
use crate::auth::Keys;
use crate::export::{Format, JsonArray};
use crate::legacy::{LegacyError, Minute};
use crate::openapi::LegacyFailures;
use crate::params::{LegacyParams, TimePage, TimeRange};
use crate::queries;
use crate::queries::windows::WindowsOf;

/// No window is longer.
const LONGEST_WINDOW: TimeDelta = TimeDelta::from_secs(86_400);

const NOTHING: TimeRange = TimeRange {
    from: TimeRange::ALL.from,
    to: TimeRange::ALL.from,
};

/// Every minute of all generators, the newest first
#[utoipa::path(
    operation_id = "list_minutes",
    tag = "first system",
    params(LegacyParams),
    responses((status = 200, description = "The minutes", body = Vec<Minute>), LegacyFailures),
)]
#[get("/agregados/minuto")]
pub async fn list(
    request: HttpRequest,
    keys: Data<Keys>,
    legacy: Data<LegacyArgs>,
    database: Data<PgPool>,
) -> Result<HttpResponse, LegacyError> {
    let query = enter_reading(&request, &keys, &legacy).await?;
    let farm = legacy.legacy_farm_id.clone();
    let known = queries::farms::range(&database, &farm).await?;
    // no window begins before the minute of the first reading, or without one
    let range = known.map_or(NOTHING, |known| {
        query.range.and(known.from.floor_to(LONGEST_WINDOW), known.to)
    });
    let of = WindowsOf::Farm(farm);
    let array = JsonArray::new("[".to_owned(), "]");
    let page = TimePage::newest(range);
    stream_rows(array, Format::Json, query.limit, page, move |page| {
        let (database, of, legacy) = (database.clone(), of.clone(), legacy.clone());
        async move {
            let windows = queries::windows::minutes_of(&database, &of, &Minute::METRICS, &page).await?;
            let minutes = windows
                .iter()
                .map(|window| (window.start, Minute::of(window, &legacy.legacy_time_zone)));
            Ok(minutes.collect())
        }
    })
    .await
}
