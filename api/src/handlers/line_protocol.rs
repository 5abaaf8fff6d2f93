//! `POST /api/v2/write`, `POST /write`, `GET /ping`, `GET /health`: what InfluxDB's clients ask for.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, post, route};
use platform::Health;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Body;
use crate::auth::{Keys, Scope, admit, any_key_of};
use crate::clock;
use crate::error::ApiError;
use crate::ingest::Ingest;
use crate::line_protocol::{InfluxError, LineMap, Precision, Version, read};
use crate::openapi::{InfluxFailures, InfluxV1Failures};

/// What `X-Influxdb-Version` says: clients look for it, and whoever reads it knows whom he talks to.
const VERSION: &str = concat!("veleta-", env!("CARGO_PKG_VERSION"));

/// What a write may say about itself. Where readings go is said by the lines themselves.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents")]
pub struct WriteParams {
    /// Unit of the timestamps: ns, us, ms or s; ns by default.
    #[param(example = "ns", pattern = "^(n|ns|u|us|ms|s)?$")]
    precision: Option<String>,
    /// Accepted and not used.
    org: Option<String>,
    /// Accepted and not used.
    bucket: Option<String>,
}

/// What a write to version 1 may say about itself.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents")]
pub struct WriteV1Params {
    /// Unit of the timestamps: n, ns, u, us, ms or s; ns by default.
    #[param(example = "ns", pattern = "^(n|ns|u|us|ms|s)?$")]
    precision: Option<String>,
    /// Accepted and not used.
    db: Option<String>,
    /// Accepted and not used.
    u: Option<String>,
    /// The key, for clients that send it so. Better is a header, which no log shows.
    p: Option<String>,
}

/// Lines of InfluxDB's protocol, one point each.
#[derive(ToSchema)]
#[schema(value_type = String, format = "line-protocol")]
#[expect(dead_code, reason = "only documents")]
pub struct Lines(String);

/// Write lines as to InfluxDB 2
///
/// `Authorization: Token KEY`. Which measurement, tag and field is which farm, turbine and metric is a setting
/// (`--line-protocol-map`). The answer comes when Kafka has acknowledged all of it. What is good is written; lines that
/// are not are named in the 400, and are dead letters.
#[utoipa::path(
    operation_id = "write_lines",
    tag = "InfluxDB",
    security(("key" = ["write"]), ("bearer" = ["write"]), ("token" = ["write"])),
    params(WriteParams),
    request_body(content = Lines, content_type = "text/plain",
        example = "wind_turbine,location=site1 LV_ActivePower_kW=380.04,Wind_Speed_ms=5.31 1795428000000000000"),
    responses((status = 204, description = "All of it is written"), InfluxFailures),
)]
#[post("/api/v2/write")]
pub async fn write(
    request: HttpRequest,
    keys: Data<Keys>,
    body: Result<Body, ApiError>,
    ingest: Data<Ingest>,
    map: Data<LineMap>,
) -> Result<HttpResponse, InfluxError> {
    take(Version::Two, &request, &keys, body, &ingest, &map).await
}

/// Write lines as to InfluxDB 1
///
/// The key is the password: `Authorization: Basic`, or `p` in the query; `Token` and `Bearer` do as well.
#[utoipa::path(
    operation_id = "write_lines_v1",
    tag = "InfluxDB",
    security(("key" = ["write"]), ("bearer" = ["write"]), ("token" = ["write"]), ("basic" = ["write"])),
    params(WriteV1Params),
    request_body(content = Lines, content_type = "text/plain",
        example = "reading,farm_id=north,turbine_id=T01 wind_speed_mps=8.4 1795428000000000000"),
    responses((status = 204, description = "All of it is written"), InfluxV1Failures),
)]
#[post("/write")]
pub async fn write_v1(
    request: HttpRequest,
    keys: Data<Keys>,
    body: Result<Body, ApiError>,
    ingest: Data<Ingest>,
    map: Data<LineMap>,
) -> Result<HttpResponse, InfluxError> {
    take(Version::One, &request, &keys, body, &ingest, &map).await
}

async fn take(
    version: Version,
    request: &HttpRequest,
    keys: &Keys,
    body: Result<Body, ApiError>,
    ingest: &Ingest,
    map: &LineMap,
) -> Result<HttpResponse, InfluxError> {
    let told = |error: ApiError| InfluxError::other(version, error);
    let key = any_key_of(request).ok_or(ApiError::KeyMissing).map_err(told)?;
    let caller = admit(keys, request, &key).await.map_err(told)?;
    if !caller.may(Scope::Write) {
        return Err(told(ApiError::ScopeMissing(Scope::Write)));
    }
    let Body(body) = body.map_err(told)?;
    let precision = precision_of(request).ok_or_else(|| InfluxError::precision(version))?;
    let limits = &ingest.limits;
    let written = read(&body, map, precision, clock::now(), limits, ingest.most_readings).map_err(told)?;
    if let Some(farm) = written.farms().find(|farm| !caller.opens(farm)) {
        return Err(told(ApiError::farm_closed(farm)));
    }
    let published = ingest
        .publisher
        .publish(&written.readings, &written.refused)
        .await;
    published.map_err(|interrupted| told(interrupted.error))?;
    if written.faults.is_empty() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let is_partial = !written.readings.is_empty();
    Err(InfluxError::lines(version, written.faults, is_partial))
}

#[derive(Deserialize)]
struct PrecisionParam {
    precision: Option<String>,
}

/// Nanoseconds unless it says otherwise; none for a unit that there is not.
fn precision_of(request: &HttpRequest) -> Option<Precision> {
    let query = Query::<PrecisionParam>::from_query(request.query_string()).ok()?;
    match query.into_inner().precision.as_deref() {
        None | Some("") => Some(Precision::Nanoseconds),
        Some(word) => Precision::parse(word),
    }
}

/// Is anybody there?
#[utoipa::path(
    get,
    path = "/ping",
    operation_id = "ping",
    tag = "InfluxDB",
    security(()),
    responses((status = 204, description = "Yes", headers(("X-Influxdb-Version" = String, description = "Who")))),
)]
#[route("/ping", method = "GET", method = "HEAD")]
pub async fn ping() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(("x-influxdb-build", "Veleta"))
        .insert_header(("x-influxdb-version", VERSION))
        .finish()
}

/// Whether writes would be taken, as InfluxDB tells it.
#[derive(Debug, Serialize, ToSchema)]
pub struct InfluxHealth {
    /// Who is asked.
    name: &'static str,
    /// In words.
    message: String,
    /// `pass` or `fail`.
    #[schema(pattern = "^(pass|fail)$")]
    status: &'static str,
    /// Its version.
    version: &'static str,
}

/// Would a write be taken?
#[utoipa::path(
    operation_id = "health",
    tag = "InfluxDB",
    security(()),
    responses(
        (status = 200, description = "Yes", body = InfluxHealth),
        (status = 503, description = "Not now", body = InfluxHealth)
    ),
)]
#[get("/health")]
pub async fn health(health: Data<Health>) -> HttpResponse {
    let not_ready: Vec<_> = health.not_ready().into_keys().collect();
    let told = |status, message| InfluxHealth {
        name: "veleta",
        message,
        status,
        version: VERSION,
    };
    if not_ready.is_empty() {
        HttpResponse::Ok().json(told("pass", "ready for writes".to_owned()))
    } else {
        HttpResponse::ServiceUnavailable().json(told("fail", format!("not ready: {}", not_ready.join(", "))))
    }
}
