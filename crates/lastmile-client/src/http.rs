//! The one-shot HTTP carrier: one request body, one response body; over TLS beyond the own computer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lastmile_model::planted;
use lastmile_protocol::Code;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::status::SyncProgress;
use crate::tls::{client_config, is_own_computer, unused_config};
use crate::transport::{Answer, Transport};
use crate::{ClientError, Distrust};

/// The media type of request and response bodies.
pub const MEDIA_TYPE: &str = "application/vnd.lastmile.v1";
/// The largest response body taken.
const MAX_RESPONSE: usize = 32 << 20;
/// A request body is handed over in pieces of this size.
const PIECE: usize = 16 << 10;
/// How much of a request may lie in buffers on this side, out of sight: what is there counts as moved. Both hyper and the system hold
/// so much, and the system doubles it: 96 KiB, which a path of 40 kbit/s carries in 20 s.
const BUFFERED: usize = 32 << 10;

/// A connection to a relay, kept open between requests.
#[derive(Debug, Clone)]
pub struct Carrier {
    client: Client<HttpsConnector<HttpConnector>, Upload>,
    relay: String,
    patience: Duration,
}

/// How far a request has got, and when it last moved.
#[derive(Debug)]
struct Progress {
    sent: AtomicU64,
    moved: Mutex<Instant>,
    told: watch::Sender<SyncProgress>,
}

impl Progress {
    fn begin(told: &watch::Sender<SyncProgress>) -> Self {
        Self { sent: AtomicU64::new(0), moved: Mutex::new(Instant::now()), told: told.clone() }
    }

    fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns when nothing has moved for so long.
    async fn stalled(&self, patience: Duration) {
        loop {
            let last = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until(last + patience).await;
        }
    }
}

/// A request body that notes how it gets on.
#[derive(Debug)]
struct Upload {
    rest: Bytes,
    progress: Arc<Progress>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.progress.sent.fetch_add(length as u64, Ordering::Relaxed);
        self.progress.told.send_modify(|told| told.sent = told.sent.saturating_add(length as u64));
        self.progress.moved();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Carrier {
    /// Names the relay, e.g. `https://relay.example:8440`, and the key of its own authority where its invite did; nothing is connected
    /// yet. A request is given up when nothing of it or of its answer has moved for as long as `patience`.
    ///
    /// # Errors
    /// [`ClientError::BadAddress`] when it is no such address, [`ClientError::ClearText`] when it is one of plain HTTP and of another
    /// computer, [`ClientError::NoTrustStore`] when there is no telling whom to believe.
    pub fn new(relay: &str, pin: Option<[u8; 32]>, patience: Duration) -> Result<Self, ClientError> {
        let relay = relay.trim_end_matches('/').to_owned();
        let encrypted = is_encrypted(&relay)?;
        let config = if encrypted { client_config(pin) } else { unused_config() };
        let config =
            config.map_err(|error| ClientError::NoTrustStore { relay: relay.clone(), reason: error.to_string() })?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        connector.set_nodelay(true);
        connector.set_send_buffer_size(Some(BUFFERED));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .http1_max_buf_size(BUFFERED)
            .build(connector);
        Ok(Self { client, relay, patience })
    }

    async fn request(
        &self,
        path: &str,
        body: Vec<u8>,
        told: &watch::Sender<SyncProgress>,
    ) -> Result<Bytes, ClientError> {
        told.send_modify(|told| {
            told.requests = told.requests.saturating_add(1);
            told.to_send = told.to_send.saturating_add(body.len() as u64);
        });
        let progress = Arc::new(Progress::begin(told));
        let unreachable = |reason: String| {
            let sent = progress.sent.load(Ordering::Relaxed);
            ClientError::Unreachable { relay: self.relay.clone(), reason, sent }
        };
        let request = http::Request::post(format!("{}{path}", self.relay))
            .header(http::header::CONTENT_TYPE, MEDIA_TYPE)
            .body(Upload { rest: Bytes::from(body), progress: Arc::clone(&progress) })
            .map_err(|_| ClientError::BadAddress(self.relay.clone()))?;
        let mut received = Vec::new();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| match Distrust::of(&error) {
                Some(why) => ClientError::Untrusted { relay: self.relay.clone(), why },
                None => unreachable(root_cause(&error)),
            })?;
            progress.moved();
            let status = response.status();
            let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if kind != Some(MEDIA_TYPE)
                && let Some(retry_after_ms) = asked_to_wait(status, response.headers())
            {
                // The relay's own door, or a proxy before it, in words of HTTP.
                return Err(ClientError::Refused { code: Code::Busy, retry_after_ms });
            }
            if kind != Some(MEDIA_TYPE) {
                let found = format!("HTTP {}, {}", status.as_u16(), kind.unwrap_or("no media type"));
                return Err(ClientError::NotARelay { relay: self.relay.clone(), found });
            }
            let mut body = Limited::new(response.into_body(), MAX_RESPONSE);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| unreachable(error.to_string()))?;
                progress.moved();
                if let Some(data) = frame.data_ref() {
                    told.send_modify(|told| told.received = told.received.saturating_add(data.len() as u64));
                    received.extend_from_slice(data);
                }
            }
            Ok(())
        };
        let ended = tokio::select! {
            ended = exchange => ended,
            () = progress.stalled(self.patience) => {
                Err(unreachable(format!("nothing moved for {} s", self.patience.as_secs())))
            }
        };
        match ended {
            Err(ClientError::Unreachable { reason, .. }) if !received.is_empty() => {
                tracing::info!(%reason, bytes = received.len(), "an answer broke off");
            }
            other => other?,
        }
        Ok(received.into())
    }
}

/// For how many milliseconds an answer that is no relay's asks to be left alone, where it is one that does.
fn asked_to_wait(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = headers.get(RETRY_AFTER).filter(|_| waits)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(seconds.saturating_mul(1000))
}

/// Whether an address is one of TLS; one of plain HTTP must not leave this computer.
pub(crate) fn is_encrypted(relay: &str) -> Result<bool, ClientError> {
    let bad = || ClientError::BadAddress(relay.to_owned());
    let uri: http::Uri = relay.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?;
    match uri.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if is_own_computer(host) || planted!("clear-text-anywhere") => Ok(false),
        Some("http") => Err(ClientError::ClearText(relay.to_owned())),
        _ => Err(bad()),
    }
}

/// The innermost reason of an error, which names what a person can mend.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Transport for Carrier {
    fn post<'a>(&'a self, path: &'a str, body: Vec<u8>, told: &'a watch::Sender<SyncProgress>) -> Answer<'a> {
        Box::pin(self.request(path, body, told))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    /// Takes one request, so many bytes each 10 ms up to a limit, then answers if it came so far; returns its address.
    fn slow_server(bytes: usize, limit: usize) -> SocketAddr {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // A short buffer, so that what is not read yet lies with the sender.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let (mut piece, mut taken) = (vec![0; bytes], 0);
            while taken < limit {
                let Ok(read @ 1..) = tcp.read(&mut piece) else { return };
                taken += read;
                std::thread::sleep(Duration::from_millis(10));
            }
            if limit < BODY {
                // Takes no more, and says nothing.
                std::thread::sleep(Duration::from_secs(5));
                return;
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: 2\r\n\r\nok");
            tcp.write_all(head.as_bytes()).unwrap();
            let _ = tcp.read(&mut piece);
        });
        address
    }

    const BODY: usize = 4 << 20;

    async fn post(address: SocketAddr) -> Result<Bytes, ClientError> {
        let carrier = Carrier::new(&format!("http://{address}"), None, Duration::from_millis(600)).unwrap();
        carrier.post("/v1/sync", vec![7; BODY], &watch::Sender::default()).await
    }

    #[tokio::test]
    async fn a_slow_upload_may_take_its_time() {
        let started = Instant::now();
        assert_eq!(post(slow_server(32 << 10, BODY)).await.unwrap(), "ok");
        assert!(started.elapsed() > Duration::from_millis(1_200), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn an_upload_that_stands_still_is_given_up() {
        let started = Instant::now();
        let error = post(slow_server(32 << 10, 1 << 20)).await.unwrap_err();
        let ClientError::Unreachable { sent, .. } = error else { panic!("{error}") };
        assert!(sent >= 1 << 20 && started.elapsed() < Duration::from_secs(4), "{sent}, {:?}", started.elapsed());
    }

    /// Answers one request with this head, and returns the address.
    fn answering(head: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let _ = tcp.read(&mut [0; 1024]);
            tcp.write_all(head.as_bytes()).unwrap();
        });
        address
    }

    async fn told(head: &'static str) -> ClientError {
        let carrier = Carrier::new(&format!("http://{}", answering(head)), None, Duration::from_secs(5)).unwrap();
        carrier.post("/v1/sync", Vec::new(), &watch::Sender::default()).await.unwrap_err()
    }

    #[tokio::test]
    async fn who_is_asked_to_wait_is_told_for_how_long() {
        let busy =
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(told(busy).await, ClientError::Refused { code: Code::Busy, retry_after_ms: 7_000 }));
        let login = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(told(login).await, ClientError::NotARelay { .. }));
    }

    #[tokio::test]
    async fn who_is_not_there_was_sent_nothing() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(post(address).await, Err(ClientError::Unreachable { sent: 0, .. })));
    }
}
