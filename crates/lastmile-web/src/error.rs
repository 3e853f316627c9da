//! What can go wrong with a server as a whole; a single connection's trouble is only logged.

use std::io;
use std::net::SocketAddr;

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Another program listens on the address.
    #[error("cannot listen on {addr}: another program uses this address; stop it, or choose another port")]
    InUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The system does not let this user listen there, usually a port below 1024.
    #[error("cannot listen on {addr}: not permitted; choose a port from 1024 on, or grant the right to use this one")]
    NotPermitted {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// No network interface of this computer has the address.
    #[error("cannot listen on {addr}: this computer does not have that address; use one of its own, or 0.0.0.0")]
    NotOurs {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The listening socket broke while serving.
    #[error("cannot accept connections on {addr} any more: {source}")]
    Accept {
        /// The address served.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl WebError {
    /// Sorts what the system said when asked to listen on `addr`.
    pub(crate) fn listen(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { addr },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { addr },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { addr },
            _ => Self::Listen { addr, source },
        }
    }

    /// Returns the address concerned.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        match self {
            Self::InUse { addr }
            | Self::NotPermitted { addr }
            | Self::NotOurs { addr }
            | Self::Listen { addr, .. }
            | Self::Accept { addr, .. } => *addr,
        }
    }
}
