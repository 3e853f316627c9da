//! The office's way to a relay that runs on this computer: `POST /v1/office` with the folder's secret.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::office::command::OfficeCommand;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// Holds the secret that the office's commands bring along.
pub(crate) const TOKEN_FILE: &str = "admin.token";
/// Holds the address that the relay listens on.
pub(crate) const ADDRESS_FILE: &str = "admin.address";

/// How long a command may take: scanning a whole city for duplicates takes the longest.
const PATIENCE: Duration = Duration::from_secs(600);
const CONNECTING: Duration = Duration::from_secs(5);
/// The longest answer.
const MOST: u64 = 256 << 20;

/// A relay on this computer.
#[derive(Debug)]
pub struct RemoteOffice {
    addr: SocketAddr,
    token: Secret,
}

/// A secret that debugs as dots.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl RemoteOffice {
    /// Finds the relay that has this folder open; `None` when none says so.
    ///
    /// # Errors
    /// When its secret cannot be read: only the relay's own user can.
    pub fn find(folder: &Path) -> Result<Option<Self>, RelayError> {
        let read = |name: &str| match fs::read_to_string(folder.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RelayError::file(folder.join(name), error)),
        };
        let (Some(token), Some(addr)) = (read(TOKEN_FILE)?, read(ADDRESS_FILE)?) else { return Ok(None) };
        let Ok(addr) = addr.trim().parse::<SocketAddr>() else { return Ok(None) };
        Ok(Some(Self { addr: near(addr), token: Secret(token.trim().to_owned()) }))
    }

    /// The address asked.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Runs a command on the running relay, waiting for its answer.
    ///
    /// # Errors
    /// Why nothing was done; [`OfficeError::Stopping`] when the relay does not answer.
    pub fn run(&self, command: &OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        let body = serde_json::to_vec(command).map_err(|error| OfficeError::BadRequest { text: error.to_string() })?;
        let answer = self.post(&body).map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut => {
                OfficeError::Stopping
            }
            _ => OfficeError::Failed { text: format!("the relay at {}: {error}", self.addr) },
        })?;
        let garbled = || OfficeError::Failed { text: format!("the relay at {} answers something else", self.addr) };
        let (head, body) = split(&answer).ok_or_else(garbled)?;
        if head.split(' ').nth(1) == Some("200") {
            return serde_json::from_slice(body).map_err(|_| garbled());
        }
        Err(serde_json::from_slice(body).unwrap_or_else(|_| garbled()))
    }

    fn post(&self, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.addr, CONNECTING)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(CONNECTING))?;
        let head = format!(
            "POST /v1/office HTTP/1.0\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.addr,
            self.token.0,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The address by which a listener is reached from its own computer.
fn near(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Splits a response into its first line and its body.
fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    Some((head.lines().next()?, answer.get(end.checked_add(4)?..)?))
}
