//! Live connections with a fault in the relay: what the planted faults are to be noticed by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Replica, ReplicaOptions};
use lastmile_model::input::Entry;
use lastmile_model::{RecordId, Scope, planted};
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_web::Limits;

/// 2026-03-05 in Shanghai.
const NOW: i64 = 1_772_676_000_000;

/// How long something that is pushed may take here, and how long something that must not come is waited for.
const SOON: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_millis(600);

#[derive(Debug)]
struct Clock(Arc<AtomicI64>);

impl lastmile_client::Clock for Clock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    relay: RunningRelay,
}

struct Device {
    replica: Arc<Replica>,
    _auto: AutoSync,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let told = Arc::clone(&clock);
        let options = RelayOptions { clock: Arc::new(move || told.load(Ordering::Relaxed)), ..RelayOptions::default() };
        let relay = RelayFolder::open_or_create(folder.path().join("relay"), &options).unwrap();
        let relay = Relay::start(relay, "127.0.0.1:0".parse().unwrap(), Limits::default()).await.unwrap();
        Self { folder, clock, relay }
    }

    /// A device in the foreground that asks for nothing by itself.
    async fn device(&self, name: &str, until_ms: Option<i64>) -> Device {
        let scope = Scope::community("430103005010").unwrap();
        let order = InviteOrder { until_ms, ..InviteOrder::new(vec![scope], self.relay.url()) };
        let invite = self.relay.invite(order).await.unwrap();
        let options = ReplicaOptions { clock: Arc::new(Clock(Arc::clone(&self.clock))), ..ReplicaOptions::default() };
        let replica = Replica::enrol(&self.folder.path().join(name), &invite, name, options).await.unwrap();
        let replica = Arc::new(replica);
        let before = self.relay.connected();
        let pace = Pace { poll: Duration::from_secs(600), ..Pace::default() };
        let auto = AutoSync::start(Arc::clone(&replica), pace);
        auto.set_foreground(true);
        assert!(within(SOON, || self.relay.connected() > before).await, "{name} connects");
        Device { replica, _auto: auto }
    }
}

impl Device {
    fn save(&self, title: &str) -> RecordId {
        let values = [("title", title), ("category", "environment"), ("kind", "service"), ("date", "2026-03-05")];
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let mut draft = self.replica.draft(None);
        let id = draft.create("activity", Entry { values, ..Entry::default() }).unwrap();
        draft.save().unwrap();
        id
    }

    fn has(&self, id: RecordId) -> bool {
        self.replica.record("activity", id).is_ok()
    }
}

async fn within(time: Duration, mut true_now: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if true_now() {
            return true;
        }
        if begun.elapsed() > time {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What one saves is pushed to the other.
async fn pushed() -> Result<(), String> {
    let world = World::new().await;
    let (one, two) = (world.device("one", None).await, world.device("two", None).await);
    let id = one.save("清洁日");
    let sent = within(SOON, || one.replica.status().unwrap().unsent_commits == 0).await;
    assert!(sent, "it is uploaded in any case");
    if within(SOON, || two.has(id)).await { Ok(()) } else { Err("P8: what became durable was not pushed".to_owned()) }
}

/// A device whose time ends while it is connected is sent nothing more.
async fn judged_each_time() -> Result<(), String> {
    let world = World::new().await;
    let ending = world.device("ending", Some(NOW + 60_000)).await;
    let other = world.device("other", None).await;
    let before = other.save("之前");
    assert!(within(SOON, || ending.has(before)).await, "it is pushed while the time runs");
    world.clock.store(NOW + 120_000, Ordering::Relaxed);
    let after = other.save("之后");
    assert!(within(SOON, || other.replica.status().unwrap().unsent_commits == 0).await);
    if within(A_WHILE, || ending.has(after)).await {
        return Err("P12: a device whose time was over was sent a record".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_pushed() {
    pushed().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_no_more_is_pushed_no_more() {
    judged_each_time().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the planted faults in a process of its own"]
async fn until_it_fails() {
    let pushed = pushed().await;
    let outcome = if pushed.is_ok() { judged_each_time().await } else { pushed };
    if let Err(what) = outcome {
        assert!(planted::times_met() > 0, "it never came to bear: {what}");
        println!("caught: {what}");
        return;
    }
    panic!("nothing noticed, though it came to bear {} times", planted::times_met());
}
