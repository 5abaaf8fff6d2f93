//! `POST /medidas`.

use actix_web::web::{Bytes, Data, Json};
use actix_web::{HttpRequest, post};
use platform::Rejection;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::legacy_access::{enter, key_missing};
use crate::args::LegacyArgs;
use crate::auth::{Keys, Scope};
use crate::clock;
use crate::error::ApiError;
use crate::ingest::{Ingest, MAX_READING_BYTES};
use crate::kafka::Refused;
use crate::legacy::{Detail, LegacyError, Measurement, measurement_of};
use crate::openapi::LegacyFailures;

/// A measurement was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success {
    status: &'static str,
    data: Measurement,
}

/// Send a measurement of a generator
///
/// The answer comes when Kafka has acknowledged it. What is refused is kept as a dead letter.
#[utoipa::path(
    operation_id = "send_measurement",
    tag = "first system",
    request_body = Measurement,
    responses((status = 200, description = "The measurement as it was taken", body = Success), LegacyFailures),
)]
#[post("/medidas")]
pub async fn take(
    request: HttpRequest,
    keys: Data<Keys>,
    legacy: Data<LegacyArgs>,
    body: Result<Body, ApiError>,
    ingest: Data<Ingest>,
) -> Result<Json<Success>, LegacyError> {
    let entered = enter(&request, &keys, &legacy, Scope::Write).await?;
    let Body(body) = body?;
    if body.len() > MAX_READING_BYTES {
        let limit_bytes = MAX_READING_BYTES;
        return Err(ApiError::TooLarge {
            what: "the body",
            limit_bytes,
        }
        .into());
    }
    let measured = measurement_of(&body, clock::now(), &ingest.limits);
    if entered.is_none() {
        return Err(LegacyError::Unprocessable(without_key(measured.err())));
    }
    let farm = legacy.legacy_farm_id.as_str();
    match measured {
        Ok(data) => {
            let published = ingest.publisher.publish(&[data.to_reading(farm)], &[]).await;
            published.map_err(ApiError::from)?;
            Ok(Json(Success {
                status: "success",
                data,
            }))
        }
        Err(faults) => {
            let published = ingest
                .publisher
                .publish(&[], &refused(farm, &body, &faults))
                .await;
            published.map_err(ApiError::from)?;
            Err(LegacyError::Unprocessable(faults))
        }
    }
}

/// FastAPI tells the missing key first and then what is wrong with the body, unless that is no JSON at all.
fn without_key(faults: Option<Vec<Detail>>) -> Vec<Detail> {
    let faults = faults.unwrap_or_default();
    if faults.iter().any(Detail::is_about_json) {
        return faults;
    }
    std::iter::once(key_missing()).chain(faults).collect()
}

/// The dead letter of a measurement; of nothing there is none.
fn refused(farm: &str, body: &Bytes, faults: &[Detail]) -> Vec<Refused> {
    let Some(first) = faults.first().filter(|_| !body.is_empty()) else {
        return Vec::new();
    };
    let messages: Vec<_> = faults.iter().map(Detail::summary).collect();
    let short = |text: String| text.chars().take(80).collect::<String>();
    let rejection = Rejection {
        field: first.field().map(str::to_owned),
        value: first.field().map(|_| short(first.input().to_string())),
        bound: first.field().map(|_| first.message().to_owned()),
        ..Rejection::new("medidas", messages.join("; "))
    };
    vec![Refused {
        key: Some(farm.to_owned()),
        payload: body.to_vec(),
        rejection,
    }]
}
