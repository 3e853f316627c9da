//! The endpoints.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use lastmile_log::fingerprint;
use lastmile_protocol::Code;
use lastmile_web::Peer;
use lastmile_web::websocket::{self, Upgrade};
use serde::Serialize;
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::live;
use crate::office::command::OfficeCommand;
use crate::operation::{page, readiness};
use crate::server::Shared;
use crate::sync::{answer_enrol, answer_sync};
use crate::{OfficeAnswer, OfficeError};

/// Headers by which a proxy says that it passes a request on.
const FORWARDED: [&str; 2] = ["forwarded", "x-forwarded-for"];

/// Builds every endpoint of a relay.
pub(crate) fn routes(shared: Arc<Shared>) -> BoxedFilter<(Response<Bytes>,)> {
    let with = {
        let shared = Arc::clone(&shared);
        warp::any().map(move || Arc::clone(&shared))
    };
    let sync = warp::path!("v1" / "sync")
        .and(warp::post())
        .and(warp::body::bytes())
        .and(with.clone())
        .then(|body: Bytes, shared: Arc<Shared>| async move { binary(answer_sync(&shared, &body).await) });
    let enrol = warp::path!("v1" / "enrol")
        .and(warp::post())
        .and(warp::body::bytes())
        .and(with.clone())
        .then(|body: Bytes, shared: Arc<Shared>| async move { binary(answer_enrol(&shared, &body).await) });
    let office = warp::path!("v1" / "office")
        .and(warp::post())
        .and(lastmile_web::peer())
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes())
        .and(with.clone())
        .then(|peer: Option<Peer>, headers: HeaderMap, body: Bytes, shared: Arc<Shared>| async move {
            office_reply(&office(&shared, peer, &headers, &body).await)
        });
    let live = warp::path!("v1" / "live").and(warp::get()).and(websocket::upgrade(live::PROTOCOL)).and(with).map(
        |upgrade: Option<Upgrade>, shared: Arc<Shared>| match upgrade {
            Some(upgrade) => upgrade.begin(move |socket| live::serve(shared, socket)),
            None => Upgrade::required(live::PROTOCOL),
        },
    );
    sync.or(live).unify().or(enrol).unify().or(office).unify().or(health_routes(shared)).unify().boxed()
}

/// Whether the relay lives and takes uploads; details for this computer alone.
fn health_routes(shared: Arc<Shared>) -> BoxedFilter<(Response<Bytes>,)> {
    let with = warp::any().map(move || Arc::clone(&shared));
    let alive = warp::path!("healthz")
        .and(warp::get())
        .and(lastmile_web::peer())
        .and(warp::header::headers_cloned())
        .and(with.clone())
        .then(|peer: Option<Peer>, headers: HeaderMap, shared: Arc<Shared>| async move {
            health(&shared, is_near(&shared, peer, &headers)).await
        });
    let ready = warp::path!("readyz").and(warp::get()).and(with).then(|shared: Arc<Shared>| async move {
        match readiness(&shared).await {
            Ok(()) => json(StatusCode::OK, &json!({"status": "ready"})),
            Err(why) => json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not_ready", "reason": why.word()})),
        }
    });
    alive.or(ready).unify().boxed()
}

/// What the address for operators answers.
pub(crate) fn operator_routes(shared: Arc<Shared>) -> BoxedFilter<(Response<Bytes>,)> {
    let with = {
        let shared = Arc::clone(&shared);
        warp::any().map(move || Arc::clone(&shared))
    };
    let metrics = warp::path!("metrics").and(warp::get()).and(with).then(|shared: Arc<Shared>| async move {
        reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page(&shared).await.into_bytes())
    });
    metrics.or(health_routes(shared)).unify().boxed()
}

/// Whether a request comes from this computer itself, and for nobody else.
fn is_near(shared: &Shared, peer: Option<Peer>, headers: &HeaderMap) -> bool {
    let near = peer.is_some_and(|Peer(addr)| addr.ip().is_loopback() || addr.ip() == shared.addr.ip());
    near && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

fn binary((body, refused): (Vec<u8>, Option<Code>)) -> Response<Bytes> {
    let status = refused.and_then(|code| StatusCode::from_u16(code.http_status()).ok()).unwrap_or(StatusCode::OK);
    reply(status, "application/vnd.lastmile.v1", body)
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Bytes> {
    reply(status, "application/json", serde_json::to_vec(body).unwrap_or_default())
}

fn reply(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers a command that comes from this computer with the folder's secret.
async fn office(
    shared: &Shared,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<OfficeAnswer, OfficeError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // Keyed hashes are compared, so that the time taken says nothing about the secret.
    let hash = |text: &[u8]| fingerprint(&shared.admin_salt, text);
    if !is_near(shared, peer, headers) || given.map(hash) != Some(hash(shared.admin_token.as_bytes())) {
        return Err(OfficeError::NotPermitted);
    }
    let command: OfficeCommand =
        serde_json::from_slice(body).map_err(|error| OfficeError::BadRequest { text: error.to_string() })?;
    shared.command(command).await
}

fn office_reply(answer: &Result<OfficeAnswer, OfficeError>) -> Response<Bytes> {
    match answer {
        Ok(answer) => json(StatusCode::OK, answer),
        Err(error) => {
            let status = match error {
                OfficeError::NotPermitted => StatusCode::FORBIDDEN,
                OfficeError::BadRequest { .. } => StatusCode::BAD_REQUEST,
                OfficeError::NotFound { .. } => StatusCode::NOT_FOUND,
                OfficeError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                OfficeError::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::CONFLICT,
            };
            json(status, error)
        }
    }
}

/// Tells that the relay lives; how it is doing, to this computer alone.
async fn health(shared: &Arc<Shared>, near: bool) -> Response<Bytes> {
    let load = shared.connections.load();
    let status = if load.stopping { "stopping" } else { "ok" };
    if !near {
        return json(StatusCode::OK, &json!({"status": status}));
    }
    let stats = &shared.writer.stats;
    let counts = shared.counts().await.map(|counts| {
        json!({
            "applied": counts.applied, "waiting": counts.waiting, "quarantined": counts.quarantined,
            "opaque": counts.opaque, "erased": counts.erased, "pending": counts.pending,
            "views_behind": counts.unviewed, "held": counts.held(),
        })
    });
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": shared.epoch.to_string(),
        "connections": { "open": load.open, "limit": load.limit, "accepted": load.accepted, "refused": load.refused },
        "views_behind": stats.views_behind(),
        "uploads": stats.uploads(),
        "group_commits": stats.group_commits(),
        "refused_uploads": stats.refused(),
        "counts": counts,
    });
    json(StatusCode::OK, &body)
}
