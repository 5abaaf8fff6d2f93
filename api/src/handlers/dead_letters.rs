//! `/v1/dead-letters`.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use sqlx::PgPool;

use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{DeadLetter, DeadLetterDetail, Page};
use crate::openapi::Failures;
use crate::params::{DeadLetterPage, DeadLetterPageParams, NoParams, Parameters};
use crate::queries;
use crate::queries::dead_letters::DeadLetterFilter;

/// What was refused and why, by time
#[utoipa::path(
    operation_id = "list_dead_letters",
    tag = "quality",
    params(DeadLetterPageParams),
    responses((status = 200, description = "A page of dead letters", body = Page<DeadLetter>), Failures),
)]
#[get("/dead-letters")]
pub async fn list(
    access: Access<Read>,
    Parameters(asked): Parameters<DeadLetterPage>,
    database: Data<PgPool>,
) -> Result<Json<Page<DeadLetter>>, ApiError> {
    let farms = match &asked.farm {
        Some(farm) => Some(vec![access.farm(farm.as_str())?.to_string()]),
        None => access.caller().farm_filter(),
    };
    let filter = DeadLetterFilter {
        farms,
        rule: asked.rule,
        range: asked.range,
    };
    let letters = queries::dead_letters::list(&database, &filter, &asked.page).await?;
    Ok(Json(Page::of(letters, asked.page.limit, DeadLetter::key)))
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
