//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::refusal::turn_away;
use crate::{Connections, Limits, Service, Slot, WebError, serve_connection};

/// How many refused connections are told why at the same time; the rest is dropped without a word.
const FAREWELLS: usize = 64;
/// How long to wait when the system has no more sockets or memory for a connection.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(200);
/// The least time between two log lines that say so.
const QUIET: Duration = Duration::from_secs(10);

/// What happens to an accepted TCP connection before HTTP: nothing ([`Plain`]), or a TLS handshake.
pub trait Handshake: Clone + Send + Sync + 'static {
    /// The stream that HTTP goes over.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Whether the client expects clear HTTP, so that a refusal can be told without a handshake.
    const CLEAR: bool;

    /// Makes the stream; the server bounds the time this takes.
    fn greet(&self, tcp: TcpStream) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// HTTP over bare TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Io = TcpStream;
    const CLEAR: bool = true;

    async fn greet(&self, tcp: TcpStream) -> io::Result<TcpStream> {
        Ok(tcp)
    }
}

/// A listening server; serving consumes it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    connections: Connections,
}

impl Server {
    /// Listens on `addr`; port 0 lets the system choose one, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    /// Fails if the address cannot be had; the error says which and what to do.
    pub async fn bind(addr: SocketAddr, limits: Limits) -> Result<Self, WebError> {
        let bound = async {
            let listener = TcpListener::bind(addr).await?;
            let addr = listener.local_addr()?;
            Ok((listener, addr))
        };
        let (listener, addr) = bound.await.map_err(|source| WebError::listen(addr, source))?;
        Ok(Self { listener, addr, connections: Connections::new(limits) })
    }

    /// Returns the address it listens on, with the port the system chose.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns a handle on its connections: for health, and for handlers that must know when to stop.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Serves clear HTTP/1.1 until `shutdown` completes, then lets requests in flight finish.
    ///
    /// # Errors
    /// Fails if the listening socket breaks. Connections that outlast the grace are cut, which is logged and no error.
    pub async fn serve<S: Service>(self, service: S, shutdown: impl Future<Output = ()>) -> Result<(), WebError> {
        self.serve_over(Plain, service, shutdown).await
    }

    /// Serves like [`serve`](Self::serve), each connection after a handshake.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_over<H: Handshake, S: Service>(
        self,
        handshake: H,
        service: S,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), WebError> {
        let Self { listener, addr, connections } = self;
        let mut tasks = JoinSet::new();
        let mut door = Door { handshake, service, connections: connections.clone(), farewells: farewells() };
        let mut trouble = Trouble::default();
        let mut shutdown = pin!(shutdown);
        let outcome = loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break Ok(()),
                Some(ended) = tasks.join_next() => note_end(ended),
                accepted = listener.accept() => match accepted {
                    Ok((tcp, peer)) => door.open(tcp, peer, &mut tasks),
                    Err(error) => match Trouble::of(&error) {
                        Severity::Passing => {}
                        Severity::Resources => {
                            trouble.log(&error);
                            sleep(OUT_OF_RESOURCES).await;
                        }
                        Severity::Fatal => break Err(WebError::Accept { addr, source: error }),
                    },
                },
            }
        };
        drop(listener); // from here on the system refuses new connections by itself
        finish(&connections, tasks).await;
        outcome
    }
}

fn farewells() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FAREWELLS))
}

/// What an accepted connection passes.
struct Door<H, S> {
    handshake: H,
    service: S,
    connections: Connections,
    farewells: Arc<Semaphore>,
}

impl<H: Handshake, S: Service> Door<H, S> {
    fn open(&mut self, tcp: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        match self.connections.admit(peer) {
            Ok(slot) => {
                tasks.spawn(greet_and_serve(slot, tcp, self.handshake.clone(), self.service.clone()));
            }
            Err(why) => {
                tracing::debug!(%peer, %why, "connection refused");
                if H::CLEAR
                    && let Ok(permit) = Arc::clone(&self.farewells).try_acquire_owned()
                {
                    tasks.spawn(async move {
                        turn_away(tcp, why).await;
                        drop(permit);
                    });
                }
            }
        }
    }
}

async fn greet_and_serve<H: Handshake, S: Service>(slot: Slot, tcp: TcpStream, handshake: H, service: S) {
    let peer = slot.peer();
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let time = slot.shared().limits.header_timeout;
    match timeout(time, handshake.greet(tcp)).await {
        Ok(Ok(io)) => serve_connection(slot, io, service).await,
        Ok(Err(error)) => {
            slot.shared().count_failed_handshake();
            tracing::debug!(%peer, %error, "handshake failed");
        }
        Err(_elapsed) => {
            slot.shared().count_time_out();
            tracing::debug!(%peer, "handshake took too long");
        }
    }
}

/// Lets requests in flight finish, and cuts what is left when the grace is over.
async fn finish(connections: &Connections, mut tasks: JoinSet<()>) {
    connections.stop();
    let all_closed = async {
        while let Some(ended) = tasks.join_next().await {
            note_end(ended);
        }
        connections.closed().await; // upgraded connections live on in tasks of their handlers
    };
    if timeout(connections.limits().shutdown_grace, all_closed).await.is_err() {
        tracing::warn!(connections = connections.load().open, "connections cut at the end of the shutdown's grace");
        connections.cut();
        tasks.shutdown().await;
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        // The panic's own message went to the panic hook; repeating it here could put a request's data in the log.
        tracing::error!("a request handler panicked; its connection was closed");
    }
}

/// How bad a failed accept is.
enum Severity {
    /// That one connection failed before it was accepted.
    Passing,
    /// The system is out of file descriptors or memory for now.
    Resources,
    /// The listening socket itself is broken.
    Fatal,
}

/// Failed accepts, logged now and then.
#[derive(Default)]
struct Trouble {
    logged: Option<Instant>,
}

impl Trouble {
    fn of(error: &io::Error) -> Severity {
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut => Severity::Passing,
            io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected | io::ErrorKind::Unsupported => Severity::Fatal,
            // Network errors that Linux reports through accept, and too many open files, pass with time.
            _ => Severity::Resources,
        }
    }

    fn log(&mut self, error: &io::Error) {
        if self.logged.is_none_or(|at| at.elapsed() >= QUIET) {
            self.logged = Some(Instant::now());
            tracing::warn!(%error, "cannot accept connections for the moment");
        }
    }
}
