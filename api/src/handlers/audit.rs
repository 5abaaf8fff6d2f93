//! `/v1/audit`.

use std::collections::BTreeMap;

use actix_web::get;
use actix_web::web::{Data, Json};
use platform::Topics;
use sqlx::PgPool;

use crate::auth::{Access, Read};
use crate::error::ApiError;
use crate::kafka::LogEnds;
use crate::model::Audit;
use crate::openapi::Failures;
use crate::params::{NoParams, Parameters};
use crate::queries;

/// Is everything accounted for? Per partition: the log's end, and what became of the records
#[utoipa::path(
    operation_id = "audit",
    tag = "quality",
    responses((status = 200, description = "The audit", body = Audit), Failures),
)]
#[get("/audit")]
pub async fn audit(
    access: Access<Read>,
    _: Parameters<NoParams>,
    database: Data<PgPool>,
    log_ends: Data<LogEnds>,
    topics: Data<Topics>,
) -> Result<Json<Audit>, ApiError> {
    access.all_farms()?;
    let stored_topics = [
        &topics.readings,
        &topics.farm_windows,
        &topics.turbine_windows,
        &topics.late_readings,
        &topics.dead_letters,
    ];
    let names: Vec<String> = stored_topics.into_iter().cloned().collect();
    // first what is stored, then the ends: the other way round a partition could seem to be stored beyond its end
    let stored = queries::offsets::list(&database, &names).await?;
    let ends = log_ends.of(names).await.unwrap_or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "kafka does not tell where its logs end"
        );
        BTreeMap::new()
    });
    Ok(Json(Audit::of(&topics.readings, stored, &ends)))
}
