//! `/v1/farms`.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use domain::FarmId;
use sqlx::PgPool;

use super::STORED;
use super::stream::answer;
use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::model::{Farm, Page};
use crate::openapi::Failures;
use crate::params::{FormatParam, KeyPage, Listing, NameCursor, Upwards};
use crate::queries;

/// The farms, by name
#[utoipa::path(
    operation_id = "list_farms",
    tag = "farms",
    params(Upwards, NameCursor, FormatParam),
    responses(
        (status = 200, description = "A page of farms, or all of them", content(
            (Page<Farm> = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        Failures
    ),
)]
#[get("/farms")]
pub async fn list(
    access: Access<Read>,
    Listing { asked, output }: Listing<KeyPage<FarmId>>,
    database: Data<PgPool>,
) -> Result<HttpResponse, ApiError> {
    let open = access.caller().farm_filter();
    let key = |farm: &Farm| farm.farm_id.parse().expect(STORED);
    answer(output, asked, key, move |page| {
        let (database, open) = (database.clone(), open.clone());
        async move { queries::farms::list(&database, open, &page).await }
    })
    .await
}
