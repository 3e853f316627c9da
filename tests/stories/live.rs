//! Devices that stay connected: what one saves is on the others at once, and no cut loses anything.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, LivePace, Replica, SyncPhase};
use lastmile_model::RecordId;
use lastmile_protocol::{Code, Role};

use crate::field::{Field, add_activity, digest, set, settle};

/// A pace at which nothing comes by requests while a device is connected.
fn slow() -> Pace {
    Pace {
        poll: Duration::from_secs(600),
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(500),
    }
}

fn quick() -> LivePace {
    LivePace {
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(500),
        ..LivePace::default()
    }
}

/// A device that syncs by itself, in the foreground.
pub struct Live {
    pub replica: Arc<Replica>,
    auto: AutoSync,
}

impl Live {
    pub fn start(replica: Replica) -> Self {
        Self::paced(replica, quick())
    }

    fn paced(replica: Replica, live: LivePace) -> Self {
        let replica = Arc::new(replica);
        let auto = AutoSync::start_with(Arc::clone(&replica), slow(), live);
        auto.set_foreground(true);
        Self { replica, auto }
    }

    pub fn has(&self, id: RecordId) -> bool {
        self.replica.record("activity", id).is_ok()
    }
}

/// Waits for something that comes by itself.
pub async fn until(what: &str, mut true_now: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !true_now() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

async fn connected(field: &Field, count: usize) {
    until("the devices connect", || field.relay().connected() == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_live_devices_see_what_the_other_saves() {
    let field = Field::new().await;
    let (one, two) = (Live::start(field.enrol("one").await), Live::start(field.enrol("two").await));
    connected(&field, 2).await;
    let mut taken = Vec::new();
    for number in 0..20 {
        let (from, to) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let id = add_activity(&from.replica, &format!("活动{number}"), number);
        taken.push(until("the other sees it", || to.has(id)).await);
    }
    taken.sort();
    println!("seen by the other after {:?} in the middle, {:?} at most", taken[10], taken[19]);
    until("everything is uploaded", || one.replica.status().unwrap().unsent_commits == 0).await;
    until("both hear that all is said", || one.auto.status().borrow().phase == SyncPhase::UpToDate).await;
    assert!(one.auto.status().borrow().last_success_ms.is_some());
    assert_eq!(digest(&one.replica), digest(&two.replica));
    assert_eq!(digest(&one.replica), field.digest().await);
    assert_eq!(field.relay().connected(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_brings_is_pushed_too() {
    let field = Field::new().await;
    let (quiet, live) = (field.enrol("quiet").await, Live::start(field.enrol("live").await));
    connected(&field, 1).await;
    let id = add_activity(&quiet, "清洁日", 20);
    quiet.sync().await.unwrap();
    until("it is pushed", || live.has(id)).await;
    set(&live.replica, id, "venue", "广场");
    until("it is uploaded", || live.replica.status().unwrap().unsent_commits == 0).await;
    quiet.sync().await.unwrap();
    assert_eq!(quiet.record("activity", id).unwrap().values["venue"], "广场".into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_finds_its_devices_again_and_all_they_saved() {
    let mut field = Field::new().await;
    let (one, two) = (Live::start(field.enrol("one").await), Live::start(field.enrol("two").await));
    connected(&field, 2).await;
    let before = add_activity(&one.replica, "之前", 1);
    until("it is pushed", || two.has(before)).await;
    for round in 0..3 {
        field.off().await;
        let offline = add_activity(&one.replica, &format!("停机{round}"), round);
        until("the device notices", || one.auto.status().borrow().phase == SyncPhase::Offline).await;
        assert!(one.replica.status().unwrap().unsent_commits > 0);
        field.on().await;
        connected(&field, 2).await;
        until("what was saved meanwhile is pushed", || two.has(offline)).await;
    }
    until("everything is uploaded", || one.replica.status().unwrap().unsent_commits == 0).await;
    assert_eq!(digest(&one.replica), field.digest().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_killed_goes_on_where_it_was() {
    let field = Field::new().await;
    let other = Live::start(field.enrol("other").await);
    drop(Live::start(field.enrol("one").await));
    let mut saved = Vec::new();
    for round in 0..6u64 {
        let one = Live::start(reopened(&field).await);
        for number in 0..10 {
            saved.push(add_activity(&one.replica, &format!("活动{round}-{number}"), number));
        }
        tokio::time::sleep(Duration::from_millis(round * round * 4)).await;
        // Neither a farewell nor a clean close; the lock goes with the last handle.
        one.kill().await;
    }
    let one = Live::start(reopened(&field).await);
    for id in saved {
        until("the other sees it", || other.has(id)).await;
    }
    until("everything is uploaded", || one.replica.status().unwrap().unsent_commits == 0).await;
    assert_eq!(digest(&one.replica), field.digest().await);
    until("the dead connections are gone", || field.relay().connected() == 2).await;
}

impl Live {
    /// Ends the device wherever it stands.
    async fn kill(self) {
        let Self { replica, auto } = self;
        drop(auto);
        until("the task has ended", || Arc::strong_count(&replica) == 1).await;
    }
}

/// Opens the first device again, once nothing of it runs any more.
async fn reopened(field: &Field) -> Replica {
    let begun = Instant::now();
    loop {
        match Replica::open(&field.path("one"), lastmile_client::ReplicaOptions::default()) {
            Ok(replica) => return replica,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A path to the relay over which each connection carries so many bytes up and down, as last set.
struct Shears {
    address: SocketAddr,
    limits: [Arc<AtomicUsize>; 2],
}

impl Shears {
    fn new(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let limits = [0; 2].map(|_| Arc::new(AtomicUsize::new(usize::MAX)));
        let [up, down] = limits.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(relay)) else { continue };
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (up, down) = (up.load(Ordering::Relaxed), down.load(Ordering::Relaxed));
                std::thread::spawn(move || carry(near, far, up));
                std::thread::spawn(move || carry(far_too, near_too, down));
            }
        });
        Self { address, limits }
    }

    fn cut_after(&self, up: usize, down: usize) {
        self.limits[0].store(up, Ordering::Relaxed);
        self.limits[1].store(down, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut left: usize) {
    let mut piece = vec![0; 4_096];
    while left > 0 {
        let most = piece.len().min(left);
        match from.read(&mut piece[..most]) {
            Ok(read) if read > 0 && to.write_all(&piece[..read]).is_ok() => left -= read,
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_at_any_byte_loses_nothing() {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    let two = field.enrol("two").await;
    settle(&one).await;
    settle(&two).await;
    let shears = Shears::new(field.relay().addr());
    one.set_relay(&format!("http://{}", shears.address)).unwrap();
    let one = Arc::new(one);
    let mut saved = Vec::new();
    // From the upgrade to beyond the last receipt, each way; the other way is open.
    for at in (40..1_800).step_by(40) {
        for up in [true, false] {
            shears.cut_after(if up { at } else { usize::MAX }, if up { usize::MAX } else { at });
            saved.push(add_activity(&one, &format!("活动{at}{up}"), 1));
            add_activity(&two, &format!("别处{at}{up}"), 1);
            two.sync().await.unwrap();
            let auto = AutoSync::start_with(Arc::clone(&one), slow(), quick());
            auto.set_foreground(true);
            tokio::time::sleep(Duration::from_millis(25)).await;
            drop(auto);
            until("the task has ended", || Arc::strong_count(&one) == 1).await;
            // What counts as uploaded is there.
            let sent = saved.len() - usize::try_from(one.status().unwrap().unsent_commits).unwrap();
            field.relay().settle().await.unwrap();
            let mut relay = field.relay().reader().await.unwrap();
            assert!(saved[..sent].iter().all(|id| relay.record("activity", *id, None).is_ok()), "{sent} are uploaded");
        }
    }
    shears.cut_after(usize::MAX, usize::MAX);
    let auto = AutoSync::start_with(Arc::clone(&one), slow(), quick());
    auto.set_foreground(true);
    until("everything is uploaded", || one.status().unwrap().unsent_commits == 0).await;
    settle(&two).await;
    let relay = field.digest().await;
    assert_eq!(digest(&two), relay);
    until("everything has come down", || digest(&one) == relay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_connection_stays_it_goes_by_requests() {
    // Proxies that know nothing of WebSockets: one says so, one only hangs up.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"[..], b""] {
        by_requests(answer).await;
    }
}

async fn by_requests(answer: &'static [u8]) {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, relay) = (listener.local_addr().unwrap(), field.relay().addr());
    let upgrades = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&upgrades);
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let mut near = near.unwrap();
            let mut head = [0; 3];
            if near.peek(&mut head).is_ok() && &head == b"GET" {
                seen.fetch_add(1, Ordering::Relaxed);
                let _ = near.read(&mut [0; 4_096]);
                let _ = near.write_all(answer);
                continue;
            }
            let far = TcpStream::connect(relay).unwrap();
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || carry(near, far, usize::MAX));
            std::thread::spawn(move || carry(far_too, near_too, usize::MAX));
        }
    });
    one.set_relay(&format!("http://{address}")).unwrap();
    let live = LivePace { first_retry: Duration::from_millis(200), ..quick() };
    let one = Live::paced(one, live);
    for number in 0..5 {
        add_activity(&one.replica, &format!("活动{number}"), number);
        until("it is uploaded", || one.replica.status().unwrap().unsent_commits == 0).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tries = upgrades.load(Ordering::Relaxed);
    assert!((2..=12).contains(&tries), "{tries} tries to upgrade");
    assert_eq!(field.relay().connected(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_background_nothing_stays_connected() {
    let field = Field::new().await;
    let one = Live::start(field.enrol("one").await);
    connected(&field, 1).await;
    one.auto.set_foreground(false);
    connected(&field, 0).await;
    add_activity(&one.replica, "后台", 1);
    until("it goes by request", || one.replica.status().unwrap().unsent_commits == 0).await;
    one.auto.set_foreground(true);
    connected(&field, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_brought_goes_up_and_a_new_epoch_is_found() {
    let mut field = Field::new().await;
    let away = field.enrol("away").await;
    let live = LivePace { look: Duration::from_millis(100), ..quick() };
    let one = Live::paced(field.enrol("one").await, live);
    connected(&field, 1).await;
    let id = add_activity(&away, "同事的记录", 1);
    let (mut here, mut there) = (one.replica.meet(Role::Initiator).unwrap(), away.meet(Role::Responder).unwrap());
    let mut to_there = here.receive(&[]).unwrap();
    let mut to_here = there.receive(&[]).unwrap();
    while !(to_there.is_empty() && to_here.is_empty()) {
        let answer = there.receive(&std::mem::take(&mut to_there)).unwrap();
        to_here.extend(answer);
        to_there = here.receive(&std::mem::take(&mut to_here)).unwrap();
    }
    here.end().unwrap();
    there.end().unwrap();
    assert!(one.has(id));
    let held = async {
        loop {
            field.relay().settle().await.unwrap();
            if field.relay().reader().await.unwrap().record("activity", id, None).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), held).await.expect("it goes up on the live connection");

    // The relay comes back under another key: the device is told, checks it, and is connected again.
    let mut epochs = std::fs::read_dir(field.path("relay")).unwrap();
    assert!(epochs.any(|file| file.unwrap().file_name() == "office.key"));
    field.off().await;
    field.new_epoch();
    field.on().await;
    connected(&field, 1).await;
    let late = add_activity(&one.replica, "新纪元", 1);
    until("it is receipted by the new epoch", || one.replica.status().unwrap().unsent_commits == 0).await;
    assert!(one.has(late));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_put_out_by_the_office_comes_back_only_as_far_as_it_is_let() {
    let field = Field::new().await;
    let one = Live::start(field.enrol("one").await);
    connected(&field, 1).await;
    assert_eq!(field.relay().disconnect(one.replica.author(), Code::Revoked), 1);
    // Nothing keeps it out yet but the word itself: it comes back, and each frame is judged anew.
    connected(&field, 1).await;
    add_activity(&one.replica, "回来", 1);
    until("it is uploaded", || one.replica.status().unwrap().unsent_commits == 0).await;
}
