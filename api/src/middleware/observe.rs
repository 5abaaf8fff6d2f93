//! What is noted of every request: it is counted, timed and logged, and its answer carries the request's id.

use std::time::Instant;

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue, USER_AGENT};
use actix_web::middleware::Next;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// What the log says of a request. Not the query: old clients of InfluxDB put their password into it.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let user_agent = request.headers().get(USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        tracing::info_span!(
            "HTTP request",
            http.method = %request.method(),
            http.target = request.path(),
            http.client_ip = request.connection_info().peer_addr(),
            http.user_agent = user_agent,
            http.status_code = Empty,
            exception.message = Empty,
            request_id = request.extensions().get::<RequestId>().map(display),
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        span.record("http.status_code", status(outcome));
        let error = match outcome {
            Ok(answer) => answer.response().error(),
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            span.record("exception.message", display(error));
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Counts and times the request and names it in the answer, so that a person can find it in the log.
///
/// # Errors
/// Those of the request.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let method = method_label(request.method());
    let id = request.extensions().get::<RequestId>().map(RequestId::to_string);
    let mut answer = next.call(request).await;
    let route = answer
        .as_ref()
        .ok()
        .and_then(|answer| answer.request().match_pattern());
    let labels = [
        ("method", method.to_owned()),
        ("route", route.unwrap_or_else(|| "none".to_owned())),
        ("status", status(&answer).to_string()),
    ];
    metrics::counter!("windfarm_api_requests_total", &labels).increment(1);
    metrics::histogram!("windfarm_api_request_duration_seconds", &labels).record(began.elapsed());
    if let (Ok(answer), Some(id)) = (&mut answer, id.and_then(|id| HeaderValue::try_from(id).ok())) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// The method, if it is one of HTTP's own: a series for every word that a client makes up would never end.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

fn status<B>(answer: &Result<ServiceResponse<B>, Error>) -> u16 {
    match answer {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    }
}
