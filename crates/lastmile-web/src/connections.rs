//! Who is connected: admission, counts, and the word that it is time to stop.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Limits;

/// How far a shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    /// Requests in flight finish, nothing new begins.
    Draining,
    /// Every stream fails.
    Cut,
}

/// The connections of one server: shared by its accept loop, its handlers and whoever asks for its health.
#[derive(Debug, Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    open: Mutex<Open>,
    /// Requests under way of each address behind a proxy; std's keyed hasher again.
    passing: Mutex<HashMap<IpAddr, usize>>,
    open_count: watch::Sender<usize>,
    stage: watch::Sender<Stage>,
    accepted: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    failed_handshakes: AtomicU64,
    cut: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    // Outsiders choose the keys: std's keyed hasher, and nothing iterates over it.
    by_address: HashMap<IpAddr, usize>,
}

/// How much is going on, for `GET /healthz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Connections open now, upgraded ones included.
    pub open: usize,
    /// The most that may be open.
    pub limit: usize,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections refused since the start, because of a limit.
    pub refused: u64,
    /// Connections that a time limit ended since the start; ends of idle ones do not count.
    pub timed_out: u64,
    /// Handshakes that failed since the start, the late ones not counted.
    pub failed_handshakes: u64,
    /// Connections that were cut at the end of a shutdown's grace.
    pub cut: usize,
    /// Whether a shutdown has begun.
    pub stopping: bool,
}

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many connections are open as the server allows.
    #[error("too many connections are open")]
    Full,
    /// This address has as many connections open as one may have.
    #[error("too many connections are open from this address")]
    Address,
    /// The address is neither this computer's nor a named proxy's, and the server speaks to no others.
    #[error("the server speaks to its proxies alone")]
    Stranger,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

/// The right to one connection; given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    peer: SocketAddr,
    counted: IpAddr,
}

impl Connections {
    /// Starts with no connection open.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let shared = Shared {
            limits,
            open: Mutex::default(),
            passing: Mutex::default(),
            open_count: watch::Sender::new(0),
            stage: watch::Sender::new(Stage::Serving),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            failed_handshakes: AtomicU64::new(0),
            cut: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Admits a connection from `peer`, or says why not.
    ///
    /// # Errors
    /// Fails if a limit is reached or a shutdown has begun.
    pub fn admit(&self, peer: SocketAddr) -> Result<Slot, Refused> {
        let outcome = self.try_admit(peer);
        let counter = if outcome.is_ok() { &self.shared.accepted } else { &self.shared.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    fn try_admit(&self, peer: SocketAddr) -> Result<Slot, Refused> {
        if self.shared.stage() != Stage::Serving {
            return Err(Refused::Stopping);
        }
        let limits = &self.shared.limits;
        let address = peer.ip().to_canonical();
        if limits.proxies_only && !address.is_loopback() && !limits.proxies.contains(&address) {
            return Err(Refused::Stranger);
        }
        let counted = network_of(address);
        let mut open = self.shared.lock();
        if open.total >= limits.connections {
            return Err(Refused::Full);
        }
        let of_address = open.by_address.get(&counted).copied().unwrap_or(0);
        if of_address >= limits.connections_per_address && !limits.proxies.contains(&address) {
            return Err(Refused::Address);
        }
        open.by_address.insert(counted, of_address + 1);
        open.total += 1;
        self.shared.open_count.send_replace(open.total);
        drop(open);
        Ok(Slot { shared: Arc::clone(&self.shared), peer, counted })
    }

    /// Returns how much is going on.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            open: *self.shared.open_count.borrow(),
            limit: self.shared.limits.connections,
            accepted: self.shared.accepted.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            timed_out: self.shared.timed_out.load(Ordering::Relaxed),
            failed_handshakes: self.shared.failed_handshakes.load(Ordering::Relaxed),
            cut: self.shared.cut.load(Ordering::Relaxed),
            stopping: self.shared.stage() != Stage::Serving,
        }
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Waits until a shutdown begins: a handler that holds a connection for long (a live push) says goodbye then.
    pub async fn stopping(&self) {
        reached(&self.shared, Stage::Draining).await;
    }

    /// Begins a shutdown: nothing new is admitted, idle connections close, requests in flight finish.
    pub fn stop(&self) {
        self.shared.advance(Stage::Draining);
    }

    /// Ends every connection that is still open, wherever it stands.
    pub fn cut(&self) {
        self.shared.cut.store(*self.shared.open_count.borrow(), Ordering::Relaxed);
        self.shared.advance(Stage::Cut);
    }

    /// Waits until no connection is open.
    pub async fn closed(&self) {
        let mut count = self.shared.open_count.subscribe();
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

impl Shared {
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub(crate) fn count_failed_handshake(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_time_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let forward = *stage < to;
            if forward {
                *stage = to;
            }
            forward
        });
    }

    fn lock_passing(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // The counts stay right whatever panicked while they were held: no step between two of them can panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a shutdown has come as far as `stage`; holds on to nothing but its own receiver.
pub(crate) fn reached(shared: &Shared, stage: Stage) -> impl Future<Output = ()> + Send + use<> {
    let mut receiver = shared.stage.subscribe();
    async move {
        // A closed channel means that nobody is left to stop anything. The guard that is returned must not live on.
        let _ = receiver.wait_for(|now| *now >= stage).await;
    }
}

impl Slot {
    /// Returns the address at the other end.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.shared.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.counted) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.counted);
            }
        }
        self.shared.open_count.send_replace(open.total);
    }
}

/// The right to one request under way, or one socket, that came through a proxy; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Passage {
    shared: Arc<Shared>,
    counted: IpAddr,
}

impl Passage {
    /// Counts a request that a proxy passes on for this address; `None` when as many of it are under way as one address may have.
    pub(crate) fn take(shared: &Arc<Shared>, address: IpAddr) -> Option<Self> {
        let counted = network_of(address);
        let mut passing = shared.lock_passing();
        let count = passing.entry(counted).or_insert(0);
        if *count >= shared.limits.connections_per_address {
            return None;
        }
        *count += 1;
        drop(passing);
        Some(Self { shared: Arc::clone(shared), counted })
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut passing = self.shared.lock_passing();
        if let Some(count) = passing.get_mut(&self.counted) {
            *count -= 1;
            if *count == 0 {
                passing.remove(&self.counted);
            }
        }
    }
}

/// Returns what counts as one address: an IPv4 address, or an IPv6 /64, which one household or phone gets whole.
#[must_use]
pub const fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !(u64::MAX as u128))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Connections {
        Connections::new(Limits { connections: 3, connections_per_address: 2, ..Limits::default() })
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn counts_per_address_and_in_all() {
        let connections = small();
        let first = connections.admit(addr("10.0.0.1:1")).unwrap();
        let _second = connections.admit(addr("10.0.0.1:2")).unwrap();
        assert_eq!(connections.admit(addr("10.0.0.1:3")).unwrap_err(), Refused::Address);
        let _other = connections.admit(addr("10.0.0.2:1")).unwrap();
        assert_eq!(connections.admit(addr("10.0.0.3:1")).unwrap_err(), Refused::Full);
        drop(first);
        let _again = connections.admit(addr("10.0.0.1:4")).unwrap();
        let load = connections.load();
        assert_eq!((load.open, load.accepted, load.refused), (3, 4, 2));
    }

    #[test]
    fn takes_a_network_of_ipv6_for_one_address_and_mapped_ipv4_for_ipv4() {
        let connections = small();
        let _one = connections.admit(addr("[2001:db8::1]:1")).unwrap();
        let _two = connections.admit(addr("[2001:db8::ffff:2]:1")).unwrap();
        assert_eq!(connections.admit(addr("[2001:db8::3]:1")).unwrap_err(), Refused::Address);
        assert_eq!(network_of(addr("[::ffff:10.0.0.1]:1").ip().to_canonical()), addr("10.0.0.1:1").ip());
    }

    #[test]
    fn a_named_proxy_is_bound_by_the_total_alone() {
        let limits = Limits {
            connections: 3,
            connections_per_address: 1,
            proxies: vec![addr("10.0.0.1:0").ip()],
            ..Limits::default()
        };
        let connections = Connections::new(limits);
        let slots: Vec<_> = (1..=3).map(|port| connections.admit(addr(&format!("10.0.0.1:{port}"))).unwrap()).collect();
        assert_eq!(connections.admit(addr("10.0.0.1:9")).unwrap_err(), Refused::Full);
        drop(slots);
        assert_eq!(connections.load().open, 0);
    }

    #[test]
    fn a_server_behind_proxies_speaks_to_them_and_to_its_own_computer_alone() {
        let limits = Limits { proxies: vec![addr("10.0.0.1:0").ip()], proxies_only: true, ..Limits::default() };
        let connections = Connections::new(limits);
        let _proxy = connections.admit(addr("[::ffff:10.0.0.1]:1")).unwrap();
        let _near = connections.admit(addr("127.0.0.1:1")).unwrap();
        assert_eq!(connections.admit(addr("10.0.0.2:1")).unwrap_err(), Refused::Stranger);
        assert_eq!(connections.load().refused, 1);
    }

    #[test]
    fn admits_nobody_once_stopping_and_never_goes_back() {
        let connections = small();
        connections.cut();
        connections.stop();
        assert_eq!(connections.admit(addr("10.0.0.1:1")).unwrap_err(), Refused::Stopping);
        assert_eq!(connections.shared.stage(), Stage::Cut);
    }
}
