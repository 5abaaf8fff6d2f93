//! `GET /agregados/minuto`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use sqlx::PgPool;

use super::legacy_access::enter_reading;
use super::stream::stream_rows;
use crate::args::LegacyArgs;
use crate::auth::Keys;
use crate::legacy::{LegacyError, Minute};
use crate::openapi::LegacyFailures;
use crate::params::LegacyParams;
use crate::queries;
use crate::queries::windows::WindowsOf;

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
    let of = WindowsOf::Farm(legacy.legacy_farm_id.clone());
    stream_rows("[".to_owned(), "]", query.limit, query.range, move |page| {
        let (database, of, legacy) = (database.clone(), of.clone(), legacy.clone());
        async move {
            let windows = queries::windows::list(&database, &of, &page).await?;
            let minutes = windows
                .iter()
                .map(|window| (window.start, Minute::of(window, &legacy.legacy_time_zone)));
            Ok(minutes.collect())
        }
    })
    .await
}
