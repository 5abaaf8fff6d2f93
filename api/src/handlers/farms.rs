//! `/v1/farms`.

use actix_web::get;
use actix_web::web::{Data, Json};
use sqlx::PgPool;

use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Farm, Page};
use crate::openapi::Failures;
use crate::params::{KeyPage, KeyPageParams, Parameters};
use crate::queries;

/// The farms, by name
#[utoipa::path(
    operation_id = "list_farms",
    tag = "farms",
    params(KeyPageParams),
    responses((status = 200, description = "A page of farms", body = Page<Farm>), Failures),
)]
#[get("/farms")]
pub async fn list(
    access: Access<Read>,
    Parameters(page): Parameters<KeyPage<String>>,
    database: Data<PgPool>,
) -> Result<Json<Page<Farm>>, ApiError> {
    let open = access.caller().farm_filter();
    let farms = queries::farms::list(&database, open, &page).await?;
    Ok(Json(Page::of(farms, page.limit, |farm| farm.farm_id.clone())))
}
