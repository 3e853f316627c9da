//! What the relay takes of whom, and for how long: the bounds that planted faults must turn red.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use lastmile_client::{ClientError, Replica, ReplicaOptions, SyncPhase};
use lastmile_model::input::Entry;
use lastmile_model::{AuthorId, Scope};
use lastmile_protocol::frame::Hello;
use lastmile_protocol::{Code, Frame, MAX_VERSION, MIN_VERSION};
use lastmile_relay::{
    Allowance, Bounds, InviteOrder, RateLimits, Relay, RelayFolder, RelayOptions, RunningRelay, Serving,
};
use lastmile_web::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::bare::{self, COMMUNITY, NOW, activity, apart, enrolled, fresh_id};
use crate::planted::tell;

/// How long an answer that must come may take here, and how long one is waited for that a fault holds back.
const SOON: Duration = Duration::from_secs(10);
const A_WHILE: Duration = Duration::from_secs(6);

/// A relay and the folders of devices.
struct Field {
    folder: tempfile::TempDir,
    relay: RunningRelay,
}

impl Field {
    async fn new(limits: Limits, bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = RelayFolder::open_or_create(folder.path().join("relay"), &RelayOptions::default()).unwrap();
        let serving = Serving { bounds, ..Serving::new("127.0.0.1:0".parse().unwrap(), limits) };
        let relay = Relay::serve(opened, serving).await.unwrap();
        Self { folder, relay }
    }

    async fn device(&self, name: &str) -> Replica {
        let scope = Scope::community("430103005010").unwrap();
        let invite = self.relay.invite(InviteOrder::new(vec![scope], self.relay.url())).await.unwrap();
        Replica::enrol(&self.folder.path().join(name), &invite, name, ReplicaOptions::default()).await.unwrap()
    }

    /// Connects from an address of the loopback network.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(self.relay.addr()).await.unwrap()
    }
}

static NAMES: AtomicU32 = AtomicU32::new(0);

fn save(device: &Replica, count: usize) {
    let mut draft = device.draft(None);
    for _ in 0..count {
        // Names that do not compress well.
        let number = NAMES.fetch_add(20, Ordering::Relaxed);
        let title: String = (number..number + 20).map(character).collect();
        let fields =
            [("title", title.as_str()), ("category", "environment"), ("date", "2026-03-01"), ("kind", "service")];
        let values = fields.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
        draft.create("activity", Entry { values, ..Entry::default() }).unwrap();
    }
    draft.save().unwrap();
}

fn character(number: u32) -> char {
    char::from_u32(0x4e00 + (number.wrapping_mul(2_654_435_761) >> 8) % 20_000).unwrap()
}

/// What comes within a time; nothing if nothing does.
async fn answer(tcp: &mut TcpStream, time: Duration) -> Option<String> {
    let mut bytes = vec![0; 4096];
    let read = timeout(time, tcp.read(&mut bytes)).await.ok()?.unwrap_or_default();
    Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
}

/// A batch that makes validation panic is refused; nothing else ends.
async fn a_panic_ends_nothing() -> Result<(), String> {
    let field = Field::new(Limits::default(), Bounds::default()).await;
    let (guilty, other) = (field.device("guilty").await, field.device("other").await);
    save(&guilty, 1);
    let report = guilty.sync().await.map_err(|error| format!("the relay ended with the upload: {error}"))?;
    if report.refused.iter().any(|refused| refused.code == Code::BatchRefused) {
        other.sync().await.map_err(|error| format!("nobody is served any more: {error}"))?;
        let panics = field.relay.stats().panics();
        return Err(format!("what panics the gate was refused {panics} times, and the relay goes on"));
    }
    if report.is_whole() && guilty.status().unwrap().unsent_commits == 0 { Ok(()) } else { Err(format!("{report:?}")) }
}

/// A device, and an address, that ask too much are told to wait, and others are not.
async fn rates_hold() -> Result<(), String> {
    let device = Allowance { requests: 6, ..Allowance::UNLIMITED };
    let address = Allowance { requests: 40, ..Allowance::UNLIMITED };
    let bounds = Bounds { rates: RateLimits { device, address }, ..Bounds::default() };
    let field = Field::new(Limits::default(), bounds).await;
    let (greedy, modest) = (field.device("greedy").await, field.device("modest").await);
    let mut told = None;
    for _ in 0..12 {
        if let Err(ClientError::Refused { code: Code::Busy, retry_after_ms }) = greedy.sync().await {
            told = Some(retry_after_ms);
            break;
        }
    }
    let Some(wait) = told else { return Err("a device asked on and on".to_owned()) };
    assert!((1_000..=60_000).contains(&wait), "{wait}");
    let status = greedy.status().unwrap();
    assert_eq!((status.phase, status.last_error), (SyncPhase::Idle, None), "that is no fault");
    modest.sync().await.map_err(|error| format!("another device had to pay for it: {error}"))?;
    let request = b"POST /v1/sync HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let mut last = String::new();
    for _ in 0..60 {
        let mut tcp = field.connect_from(9).await;
        tcp.write_all(request).await.unwrap();
        last = answer(&mut tcp, SOON).await.unwrap_or_default();
        if last.starts_with("HTTP/1.1 429") {
            break;
        }
        assert!(last.starts_with("HTTP/1.1 401"), "{last}");
    }
    if !last.starts_with("HTTP/1.1 429") {
        return Err("an address asked on and on".to_owned());
    }
    assert!(last.to_lowercase().contains("\r\nretry-after: "), "{last}");
    let mut tcp = field.connect_from(10).await;
    tcp.write_all(request).await.unwrap();
    let other = answer(&mut tcp, SOON).await.unwrap_or_default();
    if other.starts_with("HTTP/1.1 401") { Ok(()) } else { Err(format!("another address had to pay for it: {other}")) }
}

/// Of a stranger no more is taken than says who it is; of a device all that it has.
async fn strangers_are_not_listened_to() -> Result<(), String> {
    let field = Field::new(Limits::default(), Bounds::default()).await;
    let device = field.device("device").await;
    for _ in 0..8 {
        save(&device, 240);
    }
    let report = device.sync().await.map_err(|error| format!("a device is not listened to: {error}"))?;
    assert!(report.sent_bytes > 80 << 10 && report.is_whole(), "{report:?}");
    let hello = Hello {
        min_version: MIN_VERSION,
        max_version: MAX_VERSION,
        deployment: field.relay.deployment().id,
        author: AuthorId([9; 16]),
        epoch: Some(field.relay.epoch()),
        challenge: None,
        late_scopes: false,
        app: "stranger".to_owned(),
        credit: 0,
        scopes: Vec::new(),
        extension: Vec::new(),
    };
    let mut body = Frame::Hello(hello).encode().unwrap();
    body.resize(128 << 10, 0);
    let mut tcp = field.connect_from(1).await;
    let head = format!("POST /v1/sync HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 6 << 20);
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp.write_all(&body).await.unwrap();
    match answer(&mut tcp, A_WHILE).await {
        Some(answer) if answer.starts_with("HTTP/1.1 401") => Ok(()),
        Some(answer) => Err(format!("a stranger was answered otherwise: {answer}")),
        None => Err("more than 64 KiB of a stranger were waited for".to_owned()),
    }
}

/// Whoever begins and does not go on is dropped.
async fn half_open_is_dropped() -> Result<(), String> {
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let field = Field::new(limits, Bounds::default()).await;
    for beginning in ["", "GET /healthz HTTP/1.1\r\nhost"] {
        let mut tcp = field.connect_from(1).await;
        tcp.write_all(beginning.as_bytes()).await.unwrap();
        match answer(&mut tcp, A_WHILE).await {
            Some(end) if end.is_empty() => {}
            Some(answer) => return Err(format!("half a request was answered: {answer}")),
            None => return Err("a half-open connection stays".to_owned()),
        }
    }
    Ok(())
}

/// A head has a length that it may not exceed.
async fn heads_are_bounded() -> Result<(), String> {
    let field = Field::new(Limits::default(), Bounds::default()).await;
    let mut tcp = field.connect_from(1).await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}\r\n\r\n", "a".repeat(80 << 10));
    // A server that has had enough may close before it is through.
    let _ = tcp.write_all(head.as_bytes()).await;
    match answer(&mut tcp, SOON).await {
        Some(answer) if answer.starts_with("HTTP/1.1 200") => Err("a head of 80 KiB was read".to_owned()),
        _ => Ok(()),
    }
}

/// Connections that stay and came through a proxy count for the address that it speaks for.
async fn sockets_are_counted() -> Result<(), String> {
    let limits =
        Limits { proxies: vec!["127.0.0.1".parse().unwrap()], connections_per_address: 2, ..Limits::default() };
    let field = Field::new(limits, Bounds::default()).await;
    let upgrade = async |origin: &str| {
        let mut tcp = field.connect_from(1).await;
        let request = format!(
            "GET /v1/live HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: lastmile.v1\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await.unwrap();
        let said = answer(&mut tcp, SOON).await.unwrap_or_default();
        (tcp, said.get(9..12).unwrap_or_default().to_owned())
    };
    let (one, first) = upgrade("198.51.100.7").await;
    let (_two, second) = upgrade("198.51.100.7").await;
    assert_eq!((first.as_str(), second.as_str()), ("101", "101"));
    let (_three, third) = upgrade("198.51.100.7").await;
    if third != "429" {
        return Err(format!("a third connection of an address that may have two got {third}"));
    }
    let (_other, other) = upgrade("198.51.100.8").await;
    assert_eq!(other, "101", "others are not concerned");
    drop(one);
    for _ in 0..200 {
        if upgrade("198.51.100.7").await.1 == "101" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err("a place that was given back stays taken".to_owned())
}

/// Saves so many commits of a day, brings them in one request each, and tells how many are not taken.
async fn of_a_day(mut device: bare::Device, now_ms: i64, commits: u64) -> (bare::Device, u64) {
    device.now_ms = now_ms;
    apart(move || {
        for _ in 0..commits {
            device.save(vec![activity(fresh_id(), "清洁日", 1)]);
            let _ = device.sync();
        }
        let _ = device.sync();
        let left = device.unsent();
        (device, left)
    })
    .await
}

/// Once a device is older than a day it brings no more in a day than a day holds; the rest comes on the next, and others pay for nothing.
async fn days_have_their_measure() -> Result<(), String> {
    const DAY: i64 = 86_400_000;
    for (what, daily_commits, daily_bytes) in [("commits", 3, u64::MAX), ("bytes", u64::MAX, 700)] {
        let clock = Arc::new(AtomicI64::new(NOW));
        let told = Arc::clone(&clock);
        let folder = tempfile::tempdir().unwrap();
        let options = RelayOptions {
            clock: Arc::new(move || told.load(Ordering::SeqCst)),
            daily_commits,
            daily_bytes,
            ..RelayOptions::default()
        };
        let relay = bare::start_with(folder.path(), &options, Limits::default()).await;
        let (greedy, modest) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, COMMUNITY).await);
        let (greedy, left) = of_a_day(greedy, NOW, 8).await;
        assert_eq!(left, 0, "a first import has no measure");
        clock.store(NOW + 2 * DAY, Ordering::SeqCst);
        let (greedy, left) = of_a_day(greedy, NOW + 2 * DAY, 8).await;
        if left == 0 {
            return Err(format!("a day has no measure of {what}"));
        }
        assert!(what == "bytes" || left == 5, "{left} of 8 are left");
        let (_, of_heir) = of_a_day(greedy.heir(), NOW + 2 * DAY, 1).await;
        if of_heir == 0 {
            return Err(format!("under another author a device has another day of {what}"));
        }
        let (_, of_modest) = of_a_day(modest, NOW + 2 * DAY, 1).await;
        assert_eq!(of_modest, 0, "another device has a day of its own");
        clock.store(NOW + 3 * DAY, Ordering::SeqCst);
        let (_, later) = of_a_day(greedy, NOW + 3 * DAY, 0).await;
        assert!(later < left, "the next day takes what was left of {what}: {later} of {left}");
    }
    Ok(())
}

async fn checks() -> Result<(), String> {
    a_panic_ends_nothing().await?;
    rates_hold().await?;
    strangers_are_not_listened_to().await?;
    half_open_is_dropped().await?;
    heads_are_bounded().await?;
    sockets_are_counted().await?;
    days_have_their_measure().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_keeps_its_bounds() {
    checks().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_for_long_requests_short_ones_bring_everything() {
    // One address gets a quarter of it: 64 KiB beyond the first 64.
    let field = Field::new(Limits::default(), Bounds { bodies: 256 << 10, ..Bounds::default() }).await;
    let device = field.device("device").await;
    for _ in 0..12 {
        save(&device, 240);
    }
    let first = device.sync().await;
    assert!(matches!(first, Err(ClientError::Refused { code: Code::Busy, .. })), "{first:?}");
    for _ in 0..6 {
        if device.sync().await.is_ok_and(|report| report.is_whole()) {
            break;
        }
    }
    assert_eq!(device.status().unwrap().unsent_commits, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the planted faults in a process of its own"]
async fn a_fault_is_noticed() {
    tell(checks().await);
}
