//! `GET /v1/events`.

use std::convert::Infallible;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderMap};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream;

use crate::auth::{Access, Keys, Read, key_of};
use crate::error::{ApiError, ParameterError};
use crate::live::{Farms, Feed, Filter, KeyCheck, Position};
use crate::openapi::Failures;
use crate::params::{EventParams, EventsQuery, Parameters};

/// Readings, closed minutes and refusals as they happen (Server-Sent Events)
///
/// Events `reading`, `window` (of farms; again, with a higher `revision`, when late readings have changed it) and
/// `dead_letter`, whose `data` is the same JSON as in the lists. A comment at least every 15 s says that the stream is
/// alive. A client that comes back with the last `id` as the header `Last-Event-ID`, as browsers do by themselves,
/// goes on exactly after that event, on any server of the installation. A reading that was sent twice is told twice.
///
/// An event `error` tells why the stream ends: `{"reason": "too_slow" | "key_revoked" | "stopping", "detail": "…"}`.
#[utoipa::path(
    operation_id = "listen",
    tag = "live",
    params(
        EventParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen; the stream goes on after it", example = "r0:1543;w0:12"),
    ),
    responses(
        (
            status = 200,
            description = "The stream; it does not end by itself",
            content_type = "text/event-stream",
            body = String,
            example = "retry: 2000\nid: r0:1542;w0:12;l0:2;d0:3\n\nid: r0:1543;w0:12;l0:2;d0:3\nevent: reading\ndata: {\"farm_id\":\"farm-1\",\"turbine_id\":\"T01\",\"event_time\":\"2026-11-23T10:00:00Z\",\"sequence\":7,\"wind_speed_mps\":8.4,\"wind_direction_deg\":null,\"active_power_kw\":null,\"theoretical_power_kw\":null,\"rotor_speed_rpm\":null,\"blade_pitch_deg\":null,\"nacelle_direction_deg\":null,\"ambient_temperature_celsius\":null,\"operating_status\":null}\n\n",
        ),
        Failures
    ),
)]
#[get("/events")]
pub async fn listen(
    access: Access<Read>,
    request: HttpRequest,
    Parameters(asked): Parameters<EventsQuery>,
    feed: Data<Feed>,
    keys: Data<Keys>,
) -> Result<HttpResponse, ApiError> {
    let farms = match &asked.farm {
        Some(farm) => Farms::Only(vec![access.farm(farm.as_str())?]),
        None => access.caller().farms.clone().map_or(Farms::All, Farms::Only),
    };
    let filter = Filter {
        kinds: asked.kinds,
        farms,
    };
    let from = last_event_id(request.headers())?;
    let check = KeyCheck {
        keys: Keys::clone(&keys),
        key: key_of(request.headers()).ok_or(ApiError::KeyMissing)?.to_owned(),
    };
    let listener = feed.listen(filter, from, check).await?;
    let events = stream::unfold(listener, |mut listener| async {
        let said = listener.next().await?;
        Some((Ok::<_, Infallible>(said), listener))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // neither our compression nor a proxy may hold events back
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

/// Where the client had been, if it comes back.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(id) = headers.get("last-event-id").filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(id.as_bytes());
    text.parse().map(Some).map_err(|error: crate::live::NoPosition| {
        ApiError::Parameters(vec![ParameterError::new(
            "Last-Event-ID",
            &text,
            error.to_string(),
        )])
    })
}
