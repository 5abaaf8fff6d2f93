//! `/v1/dead-letters`.

use std::sync::Arc;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get};
use sqlx::PgPool;

use super::stream::answer;
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{DeadLetter, DeadLetterDetail, Page};
use crate::openapi::Failures;
use crate::params::{
    Backwards, Between, DeadLetterPage, DeadLetterParams, FormatParam, LetterCursor, Listing, NoParams,
    Parameters,
};
use crate::queries;
use crate::queries::dead_letters::DeadLetterFilter;

/// What was refused and why, by time
#[utoipa::path(
    operation_id = "list_dead_letters",
    tag = "quality",
    params(DeadLetterParams, Backwards, Between, LetterCursor, FormatParam),
    responses(
        (status = 200, description = "A page of dead letters, or all of them", content(
            (Page<DeadLetter> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/dead-letters")]
pub async fn list(
    access: Access<Read>,
    Listing { asked, output }: Listing<DeadLetterPage>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let farms = match &asked.farm {
        Some(farm) => Some(vec![access.farm(farm.as_str())?.to_string()]),
        None => access.caller().farm_filter(),
    };
    let filter = DeadLetterFilter {
        farms,
        rule: asked.rule,
        range: asked.range,
    };
    let filter = Arc::new(filter);
    answer(output, asked.page, DeadLetter::key, move |page| {
        let (database, filter) = (database.clone(), Arc::clone(&filter));
        async move { queries::dead_letters::list(&database, &filter, &page).await }
    })
    .await
}

/// One refused record, with its bytes
#[utoipa::path(
    operation_id = "get_dead_letter",
    tag = "quality",
    responses((status = 200, description = "The dead letter", body = DeadLetterDetail), Failures),
)]
#[get("/dead-letters/{id}")]
pub async fn one(
    access: Access<Read>,
    id: Path<String>,
    _: Parameters<NoParams>,
    database: Data<PgPool>,
) -> Result<Json<DeadLetterDetail>, ApiError> {
    let not_found = || ApiError::not_found("dead letter", &id);
    let parsed = id.parse().map_err(|_| not_found())?;
    let found = queries::dead_letters::find(&database, parsed).await?;
    let found = found.filter(|found| access.opens_letter(found.letter.farm_id.as_deref()));
    found.map(Json).ok_or_else(not_found)
}
