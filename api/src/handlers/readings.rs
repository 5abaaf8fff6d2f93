//! `/v1/farms/{farm}/turbines/{turbine}/readings`.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use sqlx::PgPool;

use super::stream::{answer, tagged};
use super::{no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Page, Reading};
use crate::openapi::Failures;
use crate::params::{Backwards, Between, FormatParam, Listing, NumberCursor, Output, TimePage};
use crate::queries;
use crate::queries::windows::WindowsOf;

/// The readings of a turbine, by time
#[utoipa::path(
    operation_id = "list_readings",
    tag = "farms",
    params(Backwards, Between, NumberCursor, FormatParam),
    responses(
        (status = 200, description = "A page of readings, or all of them", content(
            (Page<Reading> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/farms/{farm}/turbines/{turbine}/readings")]
pub async fn list(
    access: Access<Read>,
    request: HttpRequest,
    path: Path<(String, String)>,
    Listing { mut asked, output }: Listing<TimePage>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let farm = access.farm(&path.0)?;
    let turbine = turbine_id(&path.1)?;
    let known = queries::turbines::range(&database, &farm, &turbine).await?;
    let known = known.ok_or_else(|| no_turbine(turbine.as_str()))?;
    // so that the database looks only at days on which there can be something
    asked.range = asked.range.and(known.from, known.to);
    let has_end = asked.range.to < known.to;
    let of = WindowsOf::Turbine(farm.clone(), turbine.clone());
    let stamp = match output {
        Output::File { .. } if has_end => Some(queries::readings::stamp(&database, &of, asked.range).await?),
        Output::File { .. } | Output::Page => None,
    };
    let key = |reading: &Reading| reading.event_time;
    let answer = answer(output, asked, key, move |page| {
        let (database, farm, turbine) = (database.clone(), farm.clone(), turbine.clone());
        async move { queries::readings::list(&database, &farm, &turbine, &page).await }
    });
    match stamp {
        Some(stamp) => tagged(&request, &stamp, answer).await,
        None => answer.await,
    }
}
