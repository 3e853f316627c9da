//! Peers that mean harm: connections that begin a request and do not go on, and a stream of requests that are none.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::super::BenchError;
use super::super::crowd::Member;
use super::super::crowd::wire::{connect, post};
use super::fleet::Fleet;
use crate::actions::random;

/// Connections that are half open at a time, each from one of so many addresses.
pub(super) const HALF_OPEN: u32 = 2_000;
const ADDRESSES: usize = 16;

/// Hostile requests a second.
const HOSTILE: u32 = 200;

/// What an attack did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Did {
    /// The most connections that were half open at a time.
    pub half_open: usize,
    /// Hostile requests that were made.
    pub hostile: u64,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    hostile: AtomicU64,
}

/// An attack under way.
pub(super) struct Attack {
    running: JoinSet<()>,
    counts: Arc<Counts>,
}

fn address(number: usize) -> IpAddr {
    IpAddr::from([127, 0, 2, u8::try_from(1 + number % ADDRESSES).unwrap_or(254)])
}

impl Attack {
    /// Opens the connections and begins the stream.
    pub async fn begin(relay: SocketAddr, fleet: &Fleet, half_open: usize) -> Result<Self, BenchError> {
        let (mut running, counts) = (JoinSet::new(), Arc::new(Counts::default()));
        for number in 0..half_open {
            running.spawn(stay_half_open(relay, number, Arc::clone(&counts)));
        }
        running.spawn(bother(relay, fleet.some(8), Arc::clone(&counts)));
        for _ in 0..100 {
            if counts.open.load(Ordering::Relaxed) >= half_open {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { running, counts })
    }

    /// Ends it.
    pub async fn end(mut self) -> Did {
        self.running.shutdown().await;
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        Did { half_open: count(&self.counts.most), hostile: self.counts.hostile.load(Ordering::Relaxed) }
    }
}

/// Begins a request and does not go on; once the relay has had enough, does it again.
async fn stay_half_open(relay: SocketAddr, number: usize, counts: Arc<Counts>) {
    loop {
        if let Ok(mut tcp) = connect(Some(address(number)), relay).await
            && tcp.write_all(b"POST /v1/sync HTTP/1.1\r\nhost: rel").await.is_ok()
        {
            let open = counts.open.fetch_add(1, Ordering::Relaxed) + 1;
            counts.most.fetch_max(open, Ordering::Relaxed);
            // Until the relay closes it.
            let _ = tcp.read(&mut [0; 64]).await;
            counts.open.fetch_sub(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Makes one hostile request after the other.
async fn bother(relay: SocketAddr, spoken_for: Vec<Member>, counts: Arc<Counts>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / HOSTILE);
    let mut running = JoinSet::new();
    for number in 0.. {
        ticks.tick().await;
        let Ok(body) = hostile(number, &spoken_for) else { return };
        let counts = Arc::clone(&counts);
        running.spawn(async move {
            // What becomes of it is the relay's affair.
            let _ = post(Some(address(number)), relay, "/v1/sync", &body).await;
            counts.hostile.fetch_add(1, Ordering::Relaxed);
        });
        while running.try_join_next().is_some() {}
    }
}

/// A body that is no request: noise, a frame that never ends, a forged signature, a long one of nobody.
fn hostile(number: usize, spoken_for: &[Member]) -> Result<Vec<u8>, BenchError> {
    let noise = random::<512>()?;
    match number % 5 {
        0 => Ok(noise.to_vec()),
        1 => Ok([&[0xff, 0xff, 0x3f, 3, 0][..], &noise].concat()),
        2 => Ok(noise.repeat(400)),
        // Compressed payloads that claim to inflate to much.
        3 => Ok([&[0xbe, 0x01, 3, 1, 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0x7f][..], &noise].concat()),
        _ => spoken_for.get(number % spoken_for.len().max(1)).map_or_else(|| Ok(noise.to_vec()), Member::forged),
    }
}
