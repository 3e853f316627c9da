//! The bounds a server keeps.

use std::net::IpAddr;
use std::time::Duration;

use crate::ForwardedBy;

/// The bounds of one server.
///
/// The defaults let a phone on a 2G network (4 kB/s) sync and hold off clients that open sockets and then say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a request's head may take, from its first byte; for a connection's first request, from the accept.
    /// A TLS handshake gets the same time once more.
    pub header_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// The largest request head in bytes, request line included; a larger one is answered with 431. Values below
    /// 8 KiB count as 8 KiB.
    pub header_bytes: usize,
    /// The largest request body in bytes; a larger one is answered with 413.
    pub body_bytes: u64,
    /// How long a request body may go without a byte while its handler waits for one; then 408.
    pub body_stall: Duration,
    /// The slowest rate of a request body in bytes a second, beyond one `body_stall` of grace; 0 for none. It ends
    /// bodies that drip.
    pub body_floor: u32,
    /// How long a client may go without taking a byte that waits to be written.
    pub write_stall: Duration,
    /// The slowest rate at which a client may take what waits to be written, in bytes a second, beyond one
    /// `write_stall` of grace; 0 for none. It ends readers that sip.
    pub write_floor: u32,
    /// The most open connections in all; beyond that 503.
    pub connections: usize,
    /// The most open connections of one address (IPv6: of one /64 network); beyond that 429. Offices and mobile
    /// networks put many devices behind one address.
    pub connections_per_address: usize,
    /// Addresses of reverse proxies, to which `connections_per_address` does not apply. It bounds instead the requests under way of
    /// each address that a proxy names, and its connections that another protocol has taken over.
    pub proxies: Vec<IpAddr>,
    /// Whether only the proxies and this computer itself may connect.
    pub proxies_only: bool,
    /// The header in which the proxies name whom they speak for. It is read from them alone.
    pub forwarded: ForwardedBy,
    /// How long requests in flight may go on once shutdown has begun.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            header_bytes: 64 << 10,
            body_bytes: 8 << 20,
            body_stall: Duration::from_secs(30),
            body_floor: 512,
            write_stall: Duration::from_secs(120),
            write_floor: 256,
            connections: 4096,
            connections_per_address: 256,
            proxies: Vec::new(),
            proxies_only: false,
            forwarded: ForwardedBy::default(),
            shutdown_grace: Duration::from_secs(20),
        }
    }
}
