//! The least of HTTP and WebSocket that a crowd needs: ten thousand connections in one process, without a buffer each.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::bench::BenchError;

const BINARY: u8 = 2;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The most that is waited for from a relay that should answer at once.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn broken(_: std::io::Error) -> BenchError {
    BenchError::Unexpected("a connection that broke")
}

fn head(path: &str, body: &[u8]) -> Vec<u8> {
    let text = format!("POST {path} HTTP/1.0\r\nhost: relay\r\ncontent-length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

fn body_of(mut answer: Vec<u8>) -> Result<Vec<u8>, BenchError> {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(answer.split_off(at.ok_or(BenchError::Unexpected("an answer that is none"))? + 4))
}

/// Connects from an address of this computer.
pub(in crate::bench) async fn connect(from: Option<IpAddr>, relay: SocketAddr) -> std::io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(relay).await };
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(relay).await
}

/// Posts a body and returns the answer's.
pub(in crate::bench) async fn post(
    from: Option<IpAddr>,
    relay: SocketAddr,
    path: &str,
    body: &[u8],
) -> Result<Vec<u8>, BenchError> {
    let exchange = async {
        let mut tcp = connect(from, relay).await?;
        tcp.set_nodelay(true)?;
        tcp.write_all(&head(path, body)).await?;
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    body_of(exchange.await.map_err(broken)?)
}

/// As [`post`], without a runtime.
pub(super) fn post_now(relay: SocketAddr, path: &str, body: &[u8]) -> Result<Vec<u8>, BenchError> {
    let exchange = || {
        let mut tcp = std::net::TcpStream::connect(relay)?;
        tcp.write_all(&head(path, body))?;
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    body_of(exchange().map_err(broken)?)
}

/// A WebSocket to the relay.
pub(in crate::bench) struct Line {
    tcp: TcpStream,
}

impl Line {
    /// Connects from this address and asks for the upgrade.
    pub async fn open(from: IpAddr, relay: SocketAddr) -> Result<Self, BenchError> {
        let opening = async {
            let mut tcp = connect(Some(from), relay).await?;
            tcp.set_nodelay(true)?;
            let request = b"GET /v1/live HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                sec-websocket-protocol: lastmile.v1\r\n\r\n";
            tcp.write_all(request).await?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(tcp.read_u8().await?);
            }
            Ok::<_, std::io::Error>((tcp, answer))
        };
        let (tcp, answer) = opening.await.map_err(broken)?;
        if answer.starts_with(b"HTTP/1.1 101") { Ok(Self { tcp }) } else { Err(BenchError::Unexpected("no upgrade")) }
    }

    /// Sends a binary message. Its mask is of zeros: it hides nothing here.
    pub async fn say(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        for piece in bytes.chunks(60_000) {
            self.frame(BINARY, piece).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), BenchError> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(payload.len()) {
            Ok(length @ ..=125) => frame.push(0x80 | length),
            _ => {
                let length = u16::try_from(payload.len()).map_err(|_| BenchError::Unexpected("a long message"))?;
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.tcp.write_all(&frame).await.map_err(broken)
    }

    /// The next binary message; pings on the way are answered.
    pub async fn next(&mut self) -> Result<Vec<u8>, BenchError> {
        let coming = async {
            loop {
                let (kind, payload) = self.incoming().await?;
                match kind {
                    BINARY => return Ok(payload),
                    PING => self.frame(PONG, &payload).await?,
                    PONG => {}
                    _ => return Err(BenchError::Unexpected("a connection that was closed")),
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, coming).await;
        waited.map_err(|_| BenchError::Unexpected("a relay that does not answer"))?
    }

    async fn incoming(&mut self) -> Result<(u8, Vec<u8>), BenchError> {
        let reading = async {
            let kind = self.tcp.read_u8().await? & 0x0f;
            let length = match self.tcp.read_u8().await? {
                126 => u64::from(self.tcp.read_u16().await?),
                127 => self.tcp.read_u64().await?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(1 << 20)];
            self.tcp.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>((kind, payload))
        };
        reading.await.map_err(broken)
    }

    /// Answers pings and takes what is pushed, until the connection ends.
    pub async fn idle(mut self) {
        while let Ok((kind, payload)) = self.incoming().await {
            if kind == PING && self.frame(PONG, &payload).await.is_err() {
                return;
            }
        }
    }
}
