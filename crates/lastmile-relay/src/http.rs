//! The endpoints.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use lastmile_log::fingerprint;
use lastmile_model::planted;
use lastmile_protocol::limits::MAX_FRAME_UNAUTHENTICATED;
use lastmile_web::websocket::{self, Upgrade};
use lastmile_web::{Origin, Peer};
use serde::Serialize;
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::files::answer_files;
use crate::meter::metered;
use crate::office::command::OfficeCommand;
use crate::operation::{page, readiness};
use crate::rates::{Cost, Payer};
use crate::server::Shared;
use crate::sync::{Refusal, Said, answer_enrol, answer_sync};
use crate::{OfficeAnswer, OfficeError, intake, live};

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
        .and(lastmile_web::origin())
        .and(warp::header::optional::<u64>("content-length"))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|origin, announced, body, shared: Arc<Shared>| async move {
            binary(sync(&shared, address(origin), announced, body).await)
        });
    let enrol = warp::path!("v1" / "enrol")
        .and(warp::post())
        .and(lastmile_web::origin())
        .and(warp::body::stream())
        .and(with.clone())
        .then(|origin, body, shared: Arc<Shared>| async move { binary(enrol(&shared, address(origin), body).await) });
    let files = warp::path!("v1" / "files")
        .and(warp::post())
        .and(lastmile_web::origin())
        .and(warp::header::optional::<u64>("content-length"))
        .and(warp::body::stream())
        .and(with.clone())
        .then(|origin, announced, body, shared: Arc<Shared>| async move {
            as_data(binary(files(&shared, address(origin), announced, body).await))
        });
    let office = warp::path!("v1" / "office")
        .and(warp::post())
        .and(lastmile_web::peer())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(with.clone())
        .then(|peer: Option<Peer>, headers: HeaderMap, body, shared: Arc<Shared>| async move {
            office_reply(&office(&shared, peer, &headers, body).await)
        });
    let live = warp::path!("v1" / "live")
        .and(warp::get())
        .and(lastmile_web::origin())
        .and(websocket::upgrade(live::PROTOCOL))
        .and(with)
        .map(|origin, upgrade: Option<Upgrade>, shared: Arc<Shared>| match upgrade {
            Some(upgrade) => match enter(&shared, address(origin)) {
                Ok(()) => upgrade.begin(move |socket| live::serve(shared, socket, address(origin))),
                Err(refusal) => binary(refusal.said("a live connection")),
            },
            None => Upgrade::required(live::PROTOCOL),
        });
    sync.or(live)
        .unify()
        .or(files)
        .unify()
        .or(enrol)
        .unify()
        .or(office)
        .unify()
        .or(health_routes(shared))
        .unify()
        .boxed()
}

fn address(origin: Option<Origin>) -> Option<IpAddr> {
    origin.map(|Origin(address)| address)
}

/// Takes a request of an address in, before anything of it is read.
fn enter(shared: &Shared, address: Option<IpAddr>) -> Result<(), Refusal> {
    shared.rates.take_of_address(address, Cost::REQUEST, shared.now_ms()).map_err(Refusal::slower)
}

/// Takes a body, and puts what that took on its address's account.
async fn take<T: AsRef<[u8]>>(
    shared: &Shared,
    address: Option<IpAddr>,
    taking: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    enter(shared, address)?;
    let (taken, cpu) = metered(taking).await;
    let bytes = taken.as_ref().map_or(MAX_FRAME_UNAUTHENTICATED, |body| body.as_ref().len()) as u64;
    shared.rates.charge(Payer { device: None, address }, Cost { requests: 0, bytes, cpu }, shared.now_ms());
    taken
}

async fn sync<B: Buf, E>(
    shared: &Shared,
    address: Option<IpAddr>,
    announced: Option<u64>,
    body: impl Stream<Item = Result<B, E>>,
) -> Said {
    match take(shared, address, intake::large(shared, address, announced, body)).await {
        Ok(body) => answer_sync(shared, address, body.as_ref()).await,
        Err(refusal) => refusal.said("a sync request"),
    }
}

async fn files<B: Buf, E>(
    shared: &Arc<Shared>,
    address: Option<IpAddr>,
    announced: Option<u64>,
    body: impl Stream<Item = Result<B, E>>,
) -> Said {
    match take(shared, address, intake::large(shared, address, announced, body)).await {
        Ok(body) => answer_files(shared, address, body.as_ref()).await,
        Err(refusal) => refusal.said("a request about files"),
    }
}

async fn enrol<B: Buf, E>(shared: &Shared, address: Option<IpAddr>, body: impl Stream<Item = Result<B, E>>) -> Said {
    match take(shared, address, intake::small(body)).await {
        Ok(body) => answer_enrol(shared, address, &body).await,
        Err(refusal) => refusal.said("an enrolment"),
    }
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
    near && (!FORWARDED.iter().any(|name| headers.contains_key(*name)) || planted!("forwarded-is-near"))
}

fn binary(said: Said) -> Response<Bytes> {
    let status = match said.refused {
        Some(_) if said.limited => StatusCode::TOO_MANY_REQUESTS,
        Some(code) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::BAD_REQUEST),
        None => StatusCode::OK,
    };
    let mut response = reply(status, "application/vnd.lastmile.v1", said.body);
    if said.retry_after_ms > 0 && matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(said.retry_after_ms.div_ceil(1000)));
    }
    response
}

/// Marks an answer as nothing that a browser should show, whatever its bytes look like.
fn as_data(mut response: Response<Bytes>) -> Response<Bytes> {
    if planted!("files-are-shown") {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
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
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<OfficeAnswer, OfficeError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // Keyed hashes are compared, so that the time taken says nothing about the secret.
    let hash = |text: &[u8]| fingerprint(&shared.admin_salt, text);
    let has_token = given.map(hash) == Some(hash(shared.admin_token.as_bytes())) || planted!("any-token");
    if !is_near(shared, peer, headers) || !has_token {
        return Err(OfficeError::NotPermitted);
    }
    let body = intake::trusted(body).await.map_err(|error| OfficeError::BadRequest { text: error.to_string() })?;
    let command: OfficeCommand =
        serde_json::from_slice(&body).map_err(|error| OfficeError::BadRequest { text: error.to_string() })?;
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
