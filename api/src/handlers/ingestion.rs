//! `POST /v1/readings`.

use actix_web::http::header::{CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, post};
use anyhow::Context;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::{PartialSchema, ToSchema};

use super::body::Body;
use crate::auth::{Access, Write};
use crate::clock;
use crate::error::{ApiError, Problem};
use crate::ingest::{
    Fingerprint, Found, Ingest, Memory, NewReadings, Rejected, RequestName, Sorted, sort, split,
};
use crate::kafka::Interrupted;
use crate::openapi::{BodyFailures, Failures};
use crate::params::{NoParams, Parameters};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What became of the readings of a request. All of them are on Kafka, the refused ones as dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"accepted": 2, "rejected": [{
    "index": 1, "rule": "wind_speed_mps", "field": "wind_speed_mps", "value": "80", "bound": "[0, 75]",
    "message": "wind_speed_mps is 80, allowed is [0, 75]"
}]}))]
pub struct Taken {
    /// How many were taken.
    accepted: usize,
    /// Those that were not, and why.
    rejected: Vec<Rejected>,
}

/// Readings, one a line. Only documents what is taken: anything that is not blank, and what is no reading is refused
/// line by line.
pub enum ReadingLines {}

impl PartialSchema for ReadingLines {
    fn schema() -> RefOr<Schema> {
        let lines = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        lines.pattern(Some(r"[^ \t\r\n\f]")).into()
    }
}

impl ToSchema for ReadingLines {}

/// Send readings: one, an array of them, or one a line (NDJSON)
///
/// The body may be gzip (`Content-Encoding`). The answer comes when Kafka has acknowledged all of them. After a 503,
/// or no answer, send the same again: a reading that comes twice counts once. With an `Idempotency-Key` the refused
/// ones do not become dead letters twice either, and the repeat has the first answer.
#[utoipa::path(
    operation_id = "send_readings",
    tag = "ingestion",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$",
        example = "gateway-7-000042",
        description = "The sender's own name for this request, 1 to 255 visible characters: a repeat under the same name \
                       is given the first answer, for a day and as far as this process remembers"
    )),
    request_body(content(
        (NewReadings = "application/json", example = json!([
            {"farm_id": "north", "turbine_id": "T01", "event_time": "2026-11-23T10:00:00Z", "wind_speed_mps": 8.4},
            {"farm_id": "north", "turbine_id": "T02", "event_time": "2026-11-23T10:00:00Z", "active_power_kw": 1250.0}
        ])),
        (ReadingLines = "application/x-ndjson", example = "{\"farm_id\":\"north\",\"turbine_id\":\"T01\",\
            \"event_time\":\"2026-11-23T10:00:00Z\",\"wind_speed_mps\":8.4}\n"),
    )),
    responses(
        (status = 202, description = "What became of the readings", body = Taken,
         headers(("Idempotency-Replayed" = bool, description = "true: this is the answer to an earlier request"))),
        (status = 422, description = "The idempotency key belongs to another request", body = Problem, content_type = "application/problem+json"),
        BodyFailures,
        Failures
    ),
)]
#[post("/readings")]
pub async fn take(
    access: Access<Write>,
    request: HttpRequest,
    _: Parameters<NoParams>,
    Body(body): Body,
    ingest: Data<Ingest>,
) -> Result<HttpResponse, ApiError> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let parts = split(&body, content_type, ingest.most_readings)?;
    let sorted_after = |known| {
        let sorted = sort(&parts, clock::now(), &ingest.limits, known);
        access.may_write(sorted.farms()).map(|()| sorted)
    };
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else {
        let sorted = sorted_after(Vec::new())?;
        let published = ingest.publisher.publish(&sorted.readings, &sorted.refused);
        published.await?;
        return Ok(HttpResponse::Accepted().json(Taken::of(sorted)));
    };

    let name = RequestName::new(access.caller().id.to_string(), key.as_bytes())?;
    let mut memory = ingest.repeats.enter(&name).await;
    let known = match memory.look(Fingerprint::of(content_type, &body))? {
        Found::Answer(answer) => return Ok(accepted(answer, true)),
        Found::Refused(known) => known,
    };
    let sorted = sorted_after(known)?;
    // to its end and into memory, though the client be gone meanwhile
    let task = tokio::spawn(async move { publish_and_remember(&ingest, &name, &mut memory, sorted).await });
    let answer = task
        .await
        .context("sending to Kafka")
        .map_err(ApiError::Internal)?;
    answer.map(|answer| accepted(answer, false))
}

async fn publish_and_remember(
    Ingest {
        publisher, repeats, ..
    }: &Ingest,
    name: &RequestName,
    memory: &mut Memory,
    sorted: Sorted,
) -> Result<Bytes, ApiError> {
    match publisher.publish(&sorted.readings, &sorted.refused).await {
        Ok(()) => {
            let answer = serde_json::to_vec(&Taken::of(sorted)).expect("an answer is text and numbers");
            let answer = Bytes::from(answer);
            repeats.note_answer(name, memory, answer.clone());
            Ok(answer)
        }
        Err(Interrupted { error, dead_letters }) => {
            let refused = sorted.into_dead_letters(|place| dead_letters.get(place) == Some(&true));
            repeats.note_refused(name, memory, refused);
            Err(error)
        }
    }
}

impl Taken {
    fn of(sorted: Sorted) -> Self {
        Self {
            accepted: sorted.readings.len(),
            rejected: sorted.into_rejected(),
        }
    }
}

fn accepted(answer: Bytes, is_replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    if is_replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    response.content_type("application/json").body(answer)
}
