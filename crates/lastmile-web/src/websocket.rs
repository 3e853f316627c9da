//! WebSockets: the upgrade of a request, and a socket whose idle cost is small.
//!
//! warp has an upgrade of its own, but gives each socket a read buffer of 128 KiB: 1.3 GB for ten thousand idle ones. Here a
//! socket costs a few kilobytes until something is said on it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use warp::Filter;

/// The longest message taken.
pub const MAX_MESSAGE: usize = 1 << 20;

/// The longest frame taken.
pub const MAX_FRAME: usize = 256 << 10;

/// The longest message sent; as much stays with an idle socket that once sent so much.
const PIECE: usize = 4 << 10;

/// What an idle socket holds ready to read into.
const READ_BUFFER: usize = 2 << 10;

/// A request that may become a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    accept: HeaderValue,
    protocol: &'static str,
    on_upgrade: OnUpgrade,
}

/// Extracts the upgrade of a request; `None` where it asks for none, or not for this subprotocol.
pub fn upgrade(
    protocol: &'static str,
) -> impl Filter<Extract = (Option<Upgrade>,), Error = std::convert::Infallible> + Clone {
    warp::header::headers_cloned()
        .and(warp::ext::optional::<OnUpgrade>())
        .map(move |headers: HeaderMap, on_upgrade| Upgrade::of(&headers, on_upgrade?, protocol))
}

/// Tells whether a header's comma-separated values hold this one, whatever its case.
fn lists(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

impl Upgrade {
    fn of(headers: &HeaderMap, on_upgrade: OnUpgrade, protocol: &'static str) -> Option<Self> {
        let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
        let asked = lists(headers, header::CONNECTION, "upgrade")
            && lists(headers, header::UPGRADE, "websocket")
            && lists(headers, header::SEC_WEBSOCKET_PROTOCOL, protocol)
            && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
        asked.then_some(Self { accept, protocol, on_upgrade })
    }

    /// Answers the request, and lets the handler have the socket in a task of its own.
    pub fn begin<H, F>(self, handler: H) -> Response<Bytes>
    where
        H: FnOnce(Socket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { accept, protocol, on_upgrade } = self;
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => Box::pin(handler(Socket::new(upgraded).await)).await,
                Err(error) => tracing::debug!(%error, "an upgrade came to nothing"),
            }
        });
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        response
    }

    /// Answers a request that had to ask for an upgrade and did not.
    #[must_use]
    pub fn required(protocol: &'static str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(b"This address speaks WebSocket.\n"));
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// What came on a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A binary message.
    Bytes(Bytes),
    /// A sign of life: a ping, which is answered, or the answer to one.
    Sign,
    /// The other side's farewell, or its end.
    Closed,
}

/// Why a socket is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The connection failed, or its peer took nothing for too long.
    #[error("the connection failed")]
    Broken(#[source] Box<Error>),
    /// The peer sent what this protocol has no place for: text, or frames that break the standard.
    #[error("the peer speaks something else")]
    Protocol,
    /// A message or a frame is longer than the limit.
    #[error("a message is over the limit")]
    TooLarge,
}

impl From<Error> for SocketError {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. } | CapacityError::TooManyHeaders) => Self::TooLarge,
            Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => Self::Broken(Box::new(error)),
            Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Broken(Box::new(error))
            }
            _ => Self::Protocol,
        }
    }
}

/// One side of a WebSocket.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<TokioIo<Upgraded>>,
    writing: bool,
}

impl Socket {
    async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * PIECE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_FRAME));
        let inner = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        Self { inner, writing: false }
    }

    /// Waits for what comes next. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`SocketError`]; only a farewell is of use then.
    pub async fn receive(&mut self) -> Result<Came, SocketError> {
        match self.inner.next().await {
            Some(Ok(Message::Binary(bytes))) => Ok(Came::Bytes(bytes)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Came::Sign),
            Some(Ok(Message::Close(_))) | None => Ok(Came::Closed),
            Some(Ok(Message::Text(_) | Message::Frame(_))) => Err(SocketError::Protocol),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Sends bytes in messages of at most 4 KiB, waiting for the peer to take them.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), SocketError> {
        self.writing = true;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.inner.feed(Message::Binary(piece)).await?;
            // Whatever is not written yet lies in the socket's own buffer, which is not to grow.
            self.inner.flush().await?;
        }
        self.writing = false;
        Ok(())
    }

    /// Sends a ping, unless the last bytes are not written yet: then the peer's reading is what is waited for.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn ping(&mut self) -> Result<(), SocketError> {
        let ready = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.inner).poll_ready(cx))).await;
        if let Poll::Ready(ready) = ready {
            ready?;
            self.inner.feed(Message::Ping(Bytes::new())).await?;
            let flushed = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.inner).poll_flush(cx))).await;
            if let Poll::Ready(flushed) = flushed {
                flushed?;
            }
        }
        Ok(())
    }

    /// Whether sending was given up in the midst: nothing else can be said any more.
    #[must_use]
    pub const fn is_mid_message(&self) -> bool {
        self.writing
    }

    /// Says farewell with a code and a word, and lets the peer answer it; the connection closes when the socket is dropped.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), SocketError> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.inner.close(Some(frame)).await?;
        while let Some(Ok(_)) = self.inner.next().await {}
        Ok(())
    }
}
