//! TLS 1.3 before HTTP: the handshake, and where certificates come from.

mod authority;
mod der;
mod error;
mod identity;
pub mod pem;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use authority::Authority;
pub use error::TlsError;
pub use identity::Identity;

use crate::Handshake;
use crate::refusal::say_goodbye;

/// The first byte of a TLS record that begins a handshake.
const RECORD: u8 = 0x16;
/// What whoever speaks clear HTTP to a TLS port is told.
const CLEAR_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n\
    This port speaks TLS only. Write https:// before the address.\n";

/// The cryptography used: ring, nothing else.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The TLS handshake of a server: version 1.3 alone, with resumption and without early data. Its certificate can be replaced while it
/// serves.
#[derive(Debug, Clone)]
pub struct Tls {
    acceptor: Acceptor,
    held: Arc<Held>,
    handshakes: Arc<Semaphore>,
}

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// The identity shown at present.
#[derive(Debug)]
struct Held(RwLock<Identity>);

impl Held {
    fn now(&self) -> Identity {
        // What is held is replaced whole, so it is right whoever panicked.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().shown)
    }
}

impl Tls {
    /// Shows this identity to clients. At most so many handshakes are under way at the same time; those who come on top are dropped,
    /// so that peers who begin and then say nothing cannot take every connection.
    ///
    /// # Errors
    /// When the system gives no randomness for the keys of resumption.
    pub fn new(identity: Identity, handshakes: usize) -> Result<Self, TlsError> {
        let held = Arc::new(Held(RwLock::new(identity)));
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::making)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&held) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets under keys that change by themselves: nothing is kept per client.
        config.ticketer = ring::Ticketer::new().map_err(TlsError::making)?;
        config.send_tls13_tickets = 1;
        let acceptor = Acceptor(TlsAcceptor::from(Arc::new(config)));
        Ok(Self { acceptor, held, handshakes: Arc::new(Semaphore::new(handshakes.max(1))) })
    }

    /// Shows another identity to those who come from now on; connections that stand go on.
    pub fn replace(&self, identity: Identity) {
        *self.held.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// The identity shown at present.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.held.now()
    }
}

impl Handshake for Tls {
    type Io = TlsStream<TcpStream>;
    const CLEAR: bool = false;

    async fn greet(&self, tcp: TcpStream) -> io::Result<Self::Io> {
        let Ok(_under_way) = self.handshakes.try_acquire() else {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "too many handshakes are under way"));
        };
        let mut first = [0];
        if tcp.peek(&mut first).await? == 1 && first != [RECORD] {
            // Whoever mistyped the address learns so; nothing of what they sent is read.
            say_goodbye(tcp, CLEAR_HTTP).await;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "clear text on a TLS port"));
        }
        self.acceptor.0.accept(tcp).await
    }
}
