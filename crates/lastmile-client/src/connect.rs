//! How a stream of bytes to the relay is made.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::ClientError;
use crate::http::is_encrypted;
use crate::tls::Dialer;

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);

/// A two-way stream of bytes.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection to the relay.
pub struct Connected {
    /// The stream, encrypted where it is to be.
    pub io: Box<dyn Io>,
    /// What ties signatures to this very connection, e.g. a TLS exporter value that the relay sees as well; zeros where there is none.
    pub binding: [u8; 32],
}

impl Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected")
    }
}

/// A connection, when it comes.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Connected, ClientError>> + Send + 'a>>;

/// Connects to a relay, for streams that stay.
pub trait Connector: Debug + Send + Sync {
    /// Connects to the host of this address.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nobody answers, [`ClientError::BadAddress`] when it is no address for this connector.
    fn connect<'a>(&'a self, relay: &'a Uri) -> Connecting<'a>;
}

/// Straight to the relay: over TLS, or in clear text on this computer alone, as requests go.
#[derive(Debug)]
pub(crate) struct Direct {
    dialer: Option<Dialer>,
}

impl Direct {
    /// Names the relay, and the key of its own authority where its invite did; nothing is connected yet.
    ///
    /// # Errors
    /// As [`Carrier::new`](crate::http::Carrier::new).
    pub fn new(relay: &str, pin: Option<[u8; 32]>) -> Result<Self, ClientError> {
        let dialer = if is_encrypted(relay)? { Some(Dialer::new(relay, pin)?) } else { None };
        Ok(Self { dialer })
    }
}

impl Connector for Direct {
    fn connect<'a>(&'a self, relay: &'a Uri) -> Connecting<'a> {
        Box::pin(async move {
            let host = relay.host().ok_or_else(|| ClientError::BadAddress(relay.to_string()))?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let usual = if self.dialer.is_some() { 443 } else { 80 };
            let connecting = TcpStream::connect((host, relay.port_u16().unwrap_or(usual)));
            let unreachable = |reason: String| ClientError::Unreachable { relay: relay.to_string(), reason, sent: 0 };
            let tcp = tokio::time::timeout(CONNECTING, connecting)
                .await
                .map_err(|_| unreachable(format!("no connection within {} s", CONNECTING.as_secs())))?
                .map_err(|error| unreachable(error.to_string()))?;
            // Small messages wait for nothing; where that cannot be set they come a little later.
            let _ = tcp.set_nodelay(true);
            let io: Box<dyn Io> = match &self.dialer {
                Some(dialer) => Box::new(dialer.greet(relay, tcp).await?),
                None => Box::new(tcp),
            };
            Ok(Connected { io, binding: [0; 32] })
        })
    }
}
