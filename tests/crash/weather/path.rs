//! A path between a device and a relay that is as slow and as unreliable as it is told to be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;

/// What one packet carries, and what its TCP and IP headers add.
const SEGMENT: usize = 1_400;
const HEADERS: usize = 40;

/// How fast a path is. Nothing is lost at the level of TCP; what is lost below it shows as jitter.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Bytes a second, each way.
    pub rate: f64,
    /// From one end to the other and back.
    pub round_trip: Duration,
    /// By how much more or less a round trip may take.
    pub jitter: Duration,
}

/// What happens on the path at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Bytes pass.
    Clear,
    /// Nothing passes and nothing is refused.
    Still,
    /// Bytes from the device are taken and lead nowhere; nothing answers.
    HalfOpen,
    /// Requests arrive, answers do not.
    NoAnswers,
    /// A login page answers everything.
    Portal,
}

/// A fault in each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    Never,
    /// It is reset after so many bytes from the device.
    Up(u64),
    /// It is reset after so many bytes to the device.
    Down(u64),
    /// The first is reset after so many bytes from the device, the second after twice as many, and so on.
    Later(u64),
    /// The device's address changes after so many bytes from it: this connection, the first, leads nowhere from then on.
    Moves(u64),
}

/// The bytes that passed.
#[derive(Debug, Default)]
pub struct Traffic {
    pub up: AtomicU64,
    pub down: AtomicU64,
    /// With the headers of TCP and IP, both ways, without bare acknowledgements.
    pub with_headers: AtomicU64,
    pub connections: AtomicU64,
}

/// One direction of the medium, which all connections share.
struct Lane {
    free: Mutex<Instant>,
    rng: Mutex<ChaCha8Rng>,
}

struct Shared {
    relay: SocketAddr,
    speed: Option<Speed>,
    broken: Break,
    weather: watch::Receiver<Weather>,
    traffic: Traffic,
    lanes: [Lane; 2],
}

/// A path that carries until it is dropped.
pub struct Path {
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Path {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const UP: usize = 0;
const DOWN: usize = 1;

impl Path {
    /// Opens a path; without a speed it is as fast as the machine.
    pub async fn open(relay: SocketAddr, speed: Option<Speed>, broken: Break, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel(Weather::Clear);
        let lane = |number| Lane {
            free: Mutex::new(Instant::now()),
            rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed.wrapping_mul(2) + number)),
        };
        let lanes = [lane(0), lane(1)];
        let shared = Arc::new(Shared { relay, speed, broken, weather: seen, traffic: Traffic::default(), lanes });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, weather, shared, task }
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    pub fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let number = shared.traffic.connections.fetch_add(1, Ordering::SeqCst);
        near.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        if *shared.weather.borrow() == Weather::Portal {
            connections.spawn(portal(near));
            continue;
        }
        connections.spawn(async move {
            // The relay may be down: then the device's connection ends.
            if let Ok(far) = TcpStream::connect(shared.relay).await {
                far.set_nodelay(true).unwrap();
                carry(near, far, &shared, number).await;
            }
        });
    }
}

/// Answers everything with a page, as a network does that wants a login first.
async fn portal(mut near: TcpStream) {
    let mut taken = vec![0; 4_096];
    let page = "<html><body>Please log in</body></html>";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: ";
    let _ = near.read(&mut taken).await;
    let _ = near.write_all(format!("{head}{}\r\n\r\n{page}", page.len()).as_bytes()).await;
    let _ = near.shutdown().await;
    // What is left to be read would turn the end into a reset that may overtake the page.
    while near.read(&mut taken).await.is_ok_and(|read| read > 0) {}
}

async fn carry(near: TcpStream, far: TcpStream, shared: &Shared, number: u64) {
    let resets = matches!(shared.broken, Break::Up(_) | Break::Down(_) | Break::Later(_));
    if resets {
        near.set_zero_linger().unwrap();
        far.set_zero_linger().unwrap();
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let up = lane(near_in, far_out, shared, UP, number);
    let down = lane(far_in, near_out, shared, DOWN, number);
    if resets {
        // The end of either direction by a cut is the end of both.
        tokio::pin!(up, down);
        tokio::select! {
            cut = &mut up => if !cut { down.await; },
            cut = &mut down => if !cut { up.await; },
        }
    } else {
        tokio::join!(up, down);
    }
}

/// Carries one direction of a connection; tells whether it was cut.
async fn lane(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, way: usize, number: u64) -> bool {
    let limit = match (shared.broken, way) {
        (Break::Up(limit), UP) | (Break::Down(limit), DOWN) => limit,
        (Break::Later(limit), UP) => limit * (number + 1),
        _ => u64::MAX,
    };
    let moves = match shared.broken {
        Break::Moves(after) if number == 0 => after,
        _ => u64::MAX,
    };
    let (queue, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let counter = if way == UP { &shared.traffic.up } else { &shared.traffic.down };
    let leaving = async move {
        let (mut weather, mut passed, mut last) = (shared.weather.clone(), 0u64, Instant::now());
        let mut piece = [0; SEGMENT];
        loop {
            let most = usize::try_from(limit - passed).unwrap_or(SEGMENT).min(SEGMENT);
            if most == 0 {
                return true;
            }
            let Ok(read @ 1..) = from.read(&mut piece[..most]).await else { return false };
            let _ = weather.wait_for(|weather| *weather != Weather::Still).await;
            let now = *weather.borrow();
            let starts = passed == 0;
            passed += read as u64;
            let gone = match now {
                Weather::HalfOpen => true,
                Weather::NoAnswers => way == DOWN,
                _ => false,
            };
            if gone || passed > moves {
                // From now on this connection leads nowhere, though nobody is told.
                std::future::pending::<()>().await;
            }
            counter.fetch_add(read as u64, Ordering::SeqCst);
            shared.traffic.with_headers.fetch_add((read + HEADERS) as u64, Ordering::SeqCst);
            let at = arrival(shared, way, read, starts, &mut last).await;
            if queue.send((at, piece[..read].to_vec())).await.is_err() {
                return false;
            }
        }
    };
    let landing = async {
        while let Some((at, bytes)) = arriving.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    if limit == u64::MAX {
        tokio::join!(leaving, landing).0
    } else {
        // What was taken before the cut still arrives; the reset follows when the halves are dropped.
        tokio::pin!(landing);
        let cut = tokio::select! { cut = leaving => cut, () = &mut landing => false };
        landing.await;
        cut
    }
}

/// Waits until the medium has taken so many bytes, and tells when they arrive.
async fn arrival(shared: &Shared, way: usize, bytes: usize, starts: bool, last: &mut Instant) -> Instant {
    let Some(speed) = shared.speed else { return Instant::now() };
    let lane = &shared.lanes[way];
    let taken = {
        let mut free = lane.free.lock().await;
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64((bytes + HEADERS) as f64 / speed.rate);
        *free
    };
    tokio::time::sleep_until(taken).await;
    let most = speed.jitter.as_secs_f64() / 2.0;
    let jitter = if most > 0.0 { lane.rng.lock().await.random_range(-most..most) } else { 0.0 };
    let mut late = (speed.round_trip.as_secs_f64() / 2.0 + jitter).max(0.0);
    if starts && way == UP {
        // Before its first byte a connection is made, which is a round trip of its own.
        late += speed.round_trip.as_secs_f64();
    }
    *last = (*last).max(taken + Duration::from_secs_f64(late));
    *last
}
