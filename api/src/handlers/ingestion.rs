//! `POST /v1/readings`.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use domain::Limits;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::now;
use crate::auth::{Access, Write};
use crate::error::ApiError;
use crate::ingest::{NewReading, NewReadings, Rejected, sort, split};
use crate::kafka::Publisher;
use crate::openapi::Failures;
use crate::params::{NoParams, Parameters};

/// What became of the readings of a request. All of them are on Kafka, the refused ones as dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct Taken {
    /// How many were taken.
    accepted: usize,
    /// Those that were not, and why.
    rejected: Vec<Rejected>,
}

/// Send readings: one, an array of them, or one a line (NDJSON)
///
/// The answer comes when Kafka has acknowledged all of them. After a 503, or none, send the same again: a reading
/// that comes twice counts once.
#[utoipa::path(
    operation_id = "send_readings",
    tag = "ingestion",
    request_body(content(
        (NewReadings = "application/json"),
        (NewReading = "application/x-ndjson"),
    )),
    responses(
        (status = 202, description = "What became of the readings", body = Taken),
        (status = 413, description = "The body is too large", body = crate::error::Problem, content_type = "application/problem+json"),
        Failures
    ),
)]
#[post("/readings")]
pub async fn take(
    access: Access<Write>,
    request: HttpRequest,
    _: Parameters<NoParams>,
    Body(body): Body,
    publisher: Data<Publisher>,
    limits: Data<Limits>,
) -> Result<HttpResponse, ApiError> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let parts = split(&body, content_type.unwrap_or_default())?;
    let sorted = sort(&parts, now(), &limits);
    access.may_write(sorted.farms())?;
    let published = publisher.publish(&sorted.readings, sorted.refused).await?;
    let taken = Taken {
        accepted: published.readings,
        rejected: sorted.rejected,
    };
    Ok(HttpResponse::Accepted().json(taken))
}
