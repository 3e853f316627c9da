//! The service as a whole: every request gets an id for the log, and is counted and timed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use lastmile_web::{RequestBody, Service};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::operation::Operation;

/// Tells whoever asked under which id the request stands in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A service whose requests are counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    operation: Arc<Operation>,
}

impl<S> Counted<S> {
    pub const fn new(inner: S, operation: Arc<Operation>) -> Self {
        Self { inner, operation }
    }
}

/// The index of an endpoint in the metrics' list.
fn path_of(path: &str) -> usize {
    match path {
        "/v1/sync" => 0,
        "/v1/enrol" => 1,
        "/v1/live" => 2,
        "/v1/office" => 3,
        "/healthz" | "/readyz" | "/metrics" => 4,
        "/v1/files" => 5,
        _ => 6,
    }
}

fn outcome_of(status: StatusCode) -> usize {
    if status.is_server_error() {
        2
    } else if status.is_client_error() {
        1
    } else {
        0
    }
}

impl<S: Service + Sync> Service for Counted<S> {
    type Reply = S::Reply;

    async fn answer(&mut self, request: Request<RequestBody>) -> Response<S::Reply> {
        let path = path_of(request.uri().path());
        let began = Instant::now();
        let id = format!("{:016x}", self.operation.next_request.fetch_add(1, Ordering::Relaxed));
        let named = crate::metrics::PATHS.get(path).copied().unwrap_or_default();
        let span = tracing::info_span!("request", id, path = named);
        let answering = async {
            let response = self.inner.answer(request).await;
            let (status, took) = (response.status(), began.elapsed());
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            if status.is_server_error() {
                tracing::warn!(status = status.as_u16(), ms, "a request failed");
            } else {
                tracing::debug!(status = status.as_u16(), ms, "a request was answered");
            }
            self.operation.requests.note(path, outcome_of(status), took);
            response
        };
        let mut response = answering.instrument(span).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
}
