//! The client's side of a WebSocket: reading never waits for writing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::ClientError;
use crate::connect::{Connected, Io};

/// The WebSocket subprotocol.
const PROTOCOL: &str = "lastmile.v1";

/// The longest message sent.
const PIECE: usize = 16 << 10;

/// The longest message and frame taken.
const MAX_MESSAGE: usize = 1 << 20;
const MAX_FRAME: usize = 256 << 10;

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    Bytes(Bytes),
    /// A ping or the answer to one.
    Sign,
    /// The relay's farewell, with its code.
    Farewell(Option<u16>),
    /// The connection ended without one.
    Cut(String),
}

pub(super) struct Socket {
    inner: WebSocketStream<Box<dyn Io>>,
    queue: VecDeque<Message>,
    flushed: bool,
}

impl Socket {
    /// Asks for the upgrade of a connection.
    pub async fn open(connected: Connected, relay: &Uri) -> Result<Self, ClientError> {
        let address = relay.to_string();
        let bad = || ClientError::BadAddress(address.clone());
        let url = address.replacen("http", "ws", 1);
        let mut request = format!("{}/v1/live", url.trim_end_matches('/')).into_client_request().map_err(|_| bad())?;
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * PIECE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_FRAME));
        let opened = client_async_with_config(request, connected.io, Some(config)).await;
        match opened {
            Ok((inner, _)) => Ok(Self { inner, queue: VecDeque::new(), flushed: true }),
            Err(Error::Io(error)) => {
                Err(ClientError::Unreachable { relay: address, reason: error.to_string(), sent: 0 })
            }
            Err(Error::Http(response)) => {
                Err(ClientError::NotARelay { relay: address, found: format!("HTTP {}", response.status().as_u16()) })
            }
            Err(error) => Err(ClientError::NotARelay { relay: address, found: error.to_string() }),
        }
    }

    /// Queues bytes to be sent while this side waits for the next message.
    pub fn send(&mut self, bytes: Vec<u8>) {
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.queue.push_back(Message::Binary(piece));
        }
    }

    /// Asks for a sign of life.
    pub fn ping(&mut self) {
        self.queue.push_back(Message::Ping(Bytes::new()));
    }

    /// Waits for the next message and writes what is queued meanwhile. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Came {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        if let Err(error) = self.write(cx) {
            // What came before the connection broke may still be read.
            if let Poll::Ready(Some(Ok(message))) = Pin::new(&mut self.inner).poll_next(cx)
                && let Some(came) = came(message)
            {
                return Poll::Ready(came);
            }
            return Poll::Ready(Came::Cut(error.to_string()));
        }
        Pin::new(&mut self.inner).poll_next(cx).map(|next| match next {
            Some(Ok(message)) => came(message).unwrap_or_else(|| Came::Cut("the relay sent text".to_owned())),
            Some(Err(error)) => Came::Cut(error.to_string()),
            None => Came::Cut("the connection ended".to_owned()),
        })
    }

    /// Writes what is queued, as far as the connection takes it now.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let mut inner = Pin::new(&mut self.inner);
        while !self.queue.is_empty() {
            match inner.as_mut().poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.queue.pop_front() {
                self.flushed = false;
                inner.as_mut().start_send(message)?;
            }
        }
        if !self.flushed
            && let Poll::Ready(flushed) = inner.as_mut().poll_flush(cx)
        {
            flushed?;
            self.flushed = true;
        }
        Ok(())
    }
}

fn came(message: Message) -> Option<Came> {
    match message {
        Message::Binary(bytes) => Some(Came::Bytes(bytes)),
        Message::Ping(_) | Message::Pong(_) => Some(Came::Sign),
        Message::Close(frame) => Some(Came::Farewell(frame.map(|frame| frame.code.into()))),
        Message::Text(_) | Message::Frame(_) => None,
    }
}
