//! `…/windows`.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::{FarmId, TimeDelta, Timestamp};
use sqlx::PgPool;

use super::stream::{answer, tagged};
use super::{no_farm, no_turbine, turbine_id};
use crate::auth::{Access, Read};
use crate::calendar::{Division, Expected};
use crate::clock::now;
use crate::error::ApiError;
use crate::model::{Page, Window};
use crate::openapi::Failures;
use crate::params::{
    Backwards, Between, FormatParam, Listing, NumberCursor, Output, TimePage, WindowPage, WindowParams,
    ZoneParam,
};
use crate::queries;
use crate::queries::windows::WindowsOf;
use crate::rolling::View;

/// How long after its end a minute is expected to be stored: its grace, and some time on the way.
const STORED_AFTER: TimeDelta = TimeDelta::from_secs(20);

/// The windows of a farm, by their start
#[utoipa::path(
    operation_id = "list_farm_windows",
    tag = "farms",
    params(WindowParams, ZoneParam, Backwards, Between, NumberCursor, FormatParam),
    responses(
        (status = 200, description = "A page of windows, or all of them", content(
            (Page<Window> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/farms/{farm}/windows")]
pub async fn of_farm(
    access: Access<Read>,
    request: HttpRequest,
    farm: Path<String>,
    Listing { asked, output }: Listing<WindowPage>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let farm = access.farm(&farm)?;
    let view = View {
        with_provisional: asked.with_provisional,
        ..farm_view(&database, farm, asked.division).await?
    };
    list(&request, database, view, asked.page, output).await
}

/// The windows of a turbine, by their start
#[utoipa::path(
    operation_id = "list_turbine_windows",
    tag = "farms",
    params(WindowParams, ZoneParam, Backwards, Between, NumberCursor, FormatParam),
    responses(
        (status = 200, description = "A page of windows, or all of them", content(
            (Page<Window> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/farms/{farm}/turbines/{turbine}/windows")]
pub async fn of_turbine(
    access: Access<Read>,
    request: HttpRequest,
    path: Path<(String, String)>,
    Listing { asked, output }: Listing<WindowPage>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let farm = access.farm(&path.0)?;
    let turbine = turbine_id(&path.1)?;
    let known = queries::turbines::range(&database, &farm, &turbine).await?;
    let known = known.ok_or_else(|| no_turbine(turbine.as_str()))?;
    let view = View {
        of: WindowsOf::Turbine(farm, turbine),
        division: asked.division,
        known,
        expected: Expected::new([known.from], expected_until()),
        with_provisional: asked.with_provisional,
    };
    list(&request, database, view, asked.page, output).await
}

/// The windows of a farm.
pub(super) async fn farm_view(database: &PgPool, farm: FarmId, division: Division) -> Result<View, ApiError> {
    let found = queries::farms::range_and_turbines(database, &farm).await?;
    let (known, began) = found.ok_or_else(|| no_farm(farm.as_str()))?;
    Ok(View {
        of: WindowsOf::Farm(farm),
        division,
        known,
        expected: Expected::new(began, expected_until()),
        with_provisional: false,
    })
}

async fn list(
    request: &HttpRequest,
    database: Data<PgPool>,
    view: View,
    page: TimePage,
    output: Output,
) -> Result<HttpResponse, ApiError> {
    // of windows that have ended nothing depends on the clock
    let minutes = view.minutes_of(page.range);
    let has_ended = minutes.to <= expected_until();
    let stamp = match output {
        Output::File { .. } if has_ended => {
            let stored = queries::windows::stamp(&database, &view.of, minutes).await?;
            Some((stored, view.expected.clone()))
        }
        Output::File { .. } | Output::Page => None,
    };
    let view = Arc::new(view);
    let key = |window: &Window| window.start;
    let answer = answer(output, page, key, move |page| {
        let (database, view) = (database.clone(), Arc::clone(&view));
        async move { view.list(&database, &page).await }
    });
    match stamp {
        Some((stored, expected)) => tagged(request, &(stored, expected.known()), answer).await,
        None => answer.await,
    }
}

fn expected_until() -> Timestamp {
    now() - STORED_AFTER
}
