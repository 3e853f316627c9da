//! One connection: HTTP/1.1 over any stream of bytes.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::Filter;

use crate::connections::{Passage, Shared, Slot, Stage, reached};
use crate::forwarded::{Origin, forwarded};
use crate::guarded::Guarded;
use crate::progress::{BadBody, Progress};
use crate::{ReplyBody, RequestBody, refusal};

/// The least that hyper accepts as the size of its buffers.
const LEAST_BUFFER: usize = 8 << 10;

/// The address at the other end of a request's connection, among the request's extensions.
///
/// Behind a reverse proxy this is the proxy's; [`Origin`] is the address that the proxy speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Extracts the address at the other end of the connection; `None` where a request did not come through this crate.
/// (warp's own `addr::remote` only knows connections of warp's own server.)
pub fn peer() -> impl Filter<Extract = (Option<Peer>,), Error = Infallible> + Copy {
    warp::ext::optional::<Peer>()
}

/// What answers requests: `warp::service(filter)` is one, and so is any tower service of this shape.
///
/// Implemented for every fitting type; the trait only keeps the bounds in one place.
pub trait Service: Clone + Send + 'static {
    /// The body of replies.
    type Reply: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static;

    /// Answers one request.
    fn answer(&mut self, request: Request<RequestBody>) -> impl Future<Output = Response<Self::Reply>> + Send;
}

impl<S, B> Service for S
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    type Reply = B;

    async fn answer(&mut self, request: Request<RequestBody>) -> Response<B> {
        let Ok(()) = poll_fn(|cx| self.poll_ready(cx)).await;
        let Ok(response) = self.call(request).await;
        response
    }
}

/// Serves HTTP/1.1 on one admitted stream until it closes.
///
/// The stream may be anything that reads and writes: TCP, TLS, or memory. If a request upgrades it (WebSocket), this
/// returns and the new protocol goes on in the handler's task; the slot stays taken until the stream is dropped.
pub async fn serve_connection<I, S>(slot: Slot, io: I, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service,
{
    let shared = Arc::clone(slot.shared());
    let peer = slot.peer();
    let progress = Arc::new(Progress::default());
    let io = TokioIo::new(Guarded::new(io, slot, Arc::clone(&progress)));
    let header_bytes = match shared.limits.header_bytes.max(LEAST_BUFFER) {
        _ if crate::is_planted("unbounded-header") => 64 << 20,
        bytes => bytes,
    };
    let stopping = reached(&shared, Stage::Draining);
    let handler =
        service_fn(move |request| answer(service.clone(), request, peer, Arc::clone(&shared), Arc::clone(&progress)));
    let connection = http1::Builder::new()
        .header_read_timeout(None) // Guarded keeps the time, apart for heads and idleness
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.saturating_mul(2))
        .serve_connection(io, handler)
        .with_upgrades();
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

async fn answer<S: Service>(
    mut service: S,
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    progress: Arc<Progress>,
) -> Result<Response<ReplyBody<S::Reply>>, Infallible> {
    progress.begin();
    let limit = shared.limits.body_bytes;
    let behind = forwarded(request.headers(), peer, &shared.limits);
    // Behind a proxy connections say nothing about who is how busy; requests under way do, and sockets. The place is given back at the
    // end of either.
    let passage = match behind.map(|address| Passage::take(&shared, address)) {
        Some(None) => return Ok(refusal::too_many(Arc::clone(&progress))),
        taken => taken.flatten(),
    };
    if request.body().size_hint().lower() > limit {
        progress.refuse_body(BadBody::TooLarge);
        return Ok(refusal::bad_body(BadBody::TooLarge, limit, Arc::clone(&progress)));
    }
    let mut request = request.map(|body| RequestBody::new(body, shared, Arc::clone(&progress)));
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(Origin(behind.unwrap_or_else(|| peer.ip().to_canonical())));
    let response = service.answer(request).await;
    if let Some(why) = progress.bad_body() {
        return Ok(refusal::bad_body(why, limit, Arc::clone(&progress)));
    }
    let busy = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        progress.upgrade(passage.filter(|_| !crate::is_planted("uncounted-sockets")));
        None
    } else {
        Some(Arc::clone(&progress))
    };
    Ok(response.map(|body| ReplyBody::service(body, busy)))
}
