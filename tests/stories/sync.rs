//! Devices record offline and everything reaches everybody.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Clock, Replica, ReplicaOptions, SyncPhase, SystemClock};
use lastmile_model::roles::Role;
use lastmile_relay::{OfficeAnswer, OfficeCommand};

use crate::field::{Field, add_activity, digest, set, settle};

#[tokio::test]
async fn what_is_recorded_offline_reaches_the_relay_and_a_colleague() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    field.off().await;
    let id = add_activity(&one, "清洁日", 20);
    add_activity(&two, "义诊", 30);
    assert!(one.sync().await.is_err(), "nobody answers");
    assert_eq!(one.status().unwrap().phase, SyncPhase::Offline);
    assert_eq!(one.status().unwrap().unsent_commits, 1);
    field.on().await;
    let report = settle(&one).await;
    assert!(report.receipts > 0, "{report:?}");
    assert_eq!(one.status().unwrap().unsent_commits, 0);
    settle(&two).await;
    settle(&one).await;
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(digest(&one), field.digest().await);
    set(&two, id, "note", "来了很多人");
    settle(&two).await;
    settle(&one).await;
    assert_eq!(one.record("activity", id).unwrap().values["note"], "来了很多人".into());
    let idle = one.sync().await.unwrap();
    assert_eq!((idle.equal, idle.rounds), (true, 1));
    assert!(idle.sent_bytes + idle.received_bytes <= 400, "{idle:?}");
}

/// A clock that is wrong by so many milliseconds.
#[derive(Debug)]
struct Wrong(Arc<AtomicI64>);

impl Clock for Wrong {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_wrong_clock_is_reported_on_the_device_and_at_the_office_and_decides_nothing() {
    const DAY_MS: i64 = 86_400_000;
    let field = Field::new().await;
    let right = field.enrol("right").await;
    let id = add_activity(&right, "清洁日", 20);
    settle(&right).await;
    for (name, off_ms) in [("ahead", 3 * DAY_MS), ("behind", -2 * DAY_MS)] {
        let author = field.enrol(name).await.author().to_string();
        let off = Arc::new(AtomicI64::new(off_ms));
        let options = ReplicaOptions { clock: Arc::new(Wrong(Arc::clone(&off))), ..ReplicaOptions::default() };
        let wrong = Replica::open(&field.path(name), options).unwrap();
        assert_eq!(wrong.status().unwrap().clock_off_ms, None, "nobody has said so yet");
        settle(&wrong).await;
        set(&wrong, id, "venue", name);
        settle(&wrong).await;
        let found = wrong.status().unwrap().clock_off_ms.unwrap();
        assert!((found - off_ms).abs() < 60_000, "{found}");
        settle(&right).await;
        // Who saw it writes over it, whatever the clocks say.
        assert_eq!(right.record("activity", id).unwrap().values["venue"], name.into());
        set(&right, id, "venue", "广场");
        settle(&right).await;
        settle(&wrong).await;
        assert_eq!(wrong.record("activity", id).unwrap().values["venue"], "广场".into());
        let list = OfficeCommand::Devices { within: None };
        let OfficeAnswer::Devices { devices } = field.relay().office().run(list).await.unwrap() else { panic!() };
        let told = devices.iter().find(|device| device.author == author).unwrap().clock_ahead_ms;
        assert_eq!(told.is_some_and(|ahead_ms| (ahead_ms - off_ms).abs() < 60_000), off_ms > 0, "{told:?}");
        off.store(0, Ordering::Relaxed);
        settle(&wrong).await;
        assert_eq!(wrong.status().unwrap().clock_off_ms, None, "it was set right");
    }
    assert_eq!(right.status().unwrap().clock_off_ms, None);
}

#[tokio::test]
async fn an_exchange_tells_how_it_gets_on() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    for number in 0..600 {
        add_activity(&one, &format!("活动{number}"), number);
    }
    for device in [&one, &two] {
        let mut heard = device.progress();
        let watched = tokio::spawn(async move {
            let mut all = Vec::new();
            while tokio::time::timeout(Duration::from_secs(2), heard.changed()).await.is_ok_and(|heard| heard.is_ok()) {
                all.push(*heard.borrow_and_update());
            }
            all
        });
        let report = device.sync().await.unwrap();
        let told = watched.await.unwrap();
        assert!(told.len() > 2, "{told:?}");
        assert!(told.is_sorted_by_key(|now| (now.sent, now.received)), "{told:?}");
        assert!(told.iter().all(|now| now.sent <= now.to_send), "{told:?}");
        let last = told.last().unwrap();
        assert_eq!((last.requests, last.to_send, last.sent), (report.rounds, report.sent_bytes, report.sent_bytes));
        assert_eq!(last.received, report.received_bytes);
    }
}

#[tokio::test]
async fn a_change_costs_either_device_one_request() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    for device in [&one, &two, &one, &two] {
        settle(device).await;
    }
    for round in 0..3 {
        set(&one, id, "note", format!("第{round}次").as_str());
        let sent = one.sync().await.unwrap();
        assert_eq!((sent.equal, sent.rounds, sent.sent_batches), (true, 1, 1), "{sent:?}");
        let taken = two.sync().await.unwrap();
        assert_eq!((taken.equal, taken.rounds, taken.received_batches), (true, 1, 1), "{taken:?}");
    }
    // News for both: what one brings and what it lacks cross in one request.
    set(&two, id, "venue", "广场");
    two.sync().await.unwrap();
    set(&one, id, "note", "又一次");
    let crossed = one.sync().await.unwrap();
    assert_eq!((crossed.equal, crossed.rounds), (true, 1), "{crossed:?}");
    assert_eq!((crossed.sent_batches, crossed.received_batches), (1, 1));
}

#[tokio::test]
async fn nobody_has_to_tell_a_device_that_the_relay_is_back() {
    let mut field = Field::new().await;
    let one = Arc::new(field.enrol("one").await);
    field.off().await;
    let pace = Pace {
        poll: Duration::from_secs(60),
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(200),
    };
    let auto = AutoSync::start(Arc::clone(&one), pace);
    for number in 0..20 {
        add_activity(&one, &format!("活动{number}"), number);
    }
    field.on().await;
    let mut status = auto.status();
    let sent = async {
        loop {
            status.changed().await.unwrap();
            let now = status.borrow_and_update().clone();
            if now.unsent_commits == 0 && now.phase == SyncPhase::UpToDate {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sent).await.expect("the outbox empties by itself");
    assert_eq!(digest(&one), field.digest().await);
    add_activity(&one, "上线后的活动", 1);
    let sent = async {
        while one.status().unwrap().unsent_commits > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sent).await.expect("a save wakes the sync");
}

#[tokio::test]
async fn a_copied_device_goes_on_and_nothing_is_refused_or_lost() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    one.close().unwrap();
    field.copy("one", "copy");
    field.copy("one", "third");
    let mut seen = Vec::new();
    for name in ["one", "copy", "third"] {
        let replica = field.open(name);
        add_activity(&replica, name, 1);
        seen.push(replica);
    }
    for replica in seen.iter().rev().chain(&seen).chain(&seen) {
        settle(replica).await;
    }
    let relay = field.digest().await;
    for replica in &seen {
        assert_eq!(digest(replica), relay);
        assert_eq!(replica.status().unwrap().unsent_commits, 0);
    }
}

#[tokio::test]
async fn a_file_carries_a_day_between_devices() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    settle(&one).await;
    settle(&two).await;
    add_activity(&one, "清洁日", 20);
    let file = field.path("day.lastmile");
    one.export_bundle(&file).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert!(report.appended > 0, "{report:?}");
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(two.import_bundle(&file).unwrap().appended, 0, "the same file again brings nothing");
    std::fs::write(&file, b"hello").unwrap();
    assert!(two.import_bundle(&file).is_err());
}

#[tokio::test]
async fn a_restart_sends_nothing_back_of_what_came_down() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    for number in 0..40 {
        add_activity(&one, &format!("活动{number}"), number);
    }
    settle(&one).await;
    settle(&two).await;
    settle(&one).await;
    for (name, replica) in [("two", two), ("one", one)] {
        replica.close().unwrap();
        let replica = field.open(name);
        assert!(
            replica.status().unwrap().last_success_ms.is_some(),
            "{name}: when the relay was last reached is known"
        );
        let idle = replica.sync().await.unwrap();
        assert_eq!((idle.equal, idle.rounds, idle.sent_batches, idle.received_batches), (true, 1, 0, 0), "{name}");
        assert!(idle.sent_bytes + idle.received_bytes <= 400, "{name}: {idle:?}");
        if name == "one" {
            // And one save is all that goes up.
            add_activity(&replica, name, 1);
            let sent = replica.sync().await.unwrap();
            assert_eq!(sent.sent_batches, 1, "{sent:?}");
            assert!(sent.sent_bytes <= 1_200, "{sent:?}");
        }
    }
}

#[tokio::test]
async fn an_event_without_a_part_that_it_needs_is_not_saved() {
    let field = Field::new().await;
    let one = field.enrol_as("one", &[Role::Secretary]).await;
    let id = add_activity(&one, "清洁日", 20);
    let event = |kind: &str, parts: &[(&str, &str)]| {
        let mut draft = one.draft(None);
        draft.event("activity", id, kind, parts).and_then(|()| draft.save())
    };
    event("submit", &[]).unwrap();
    for parts in [&[][..], &[("why", " ")], &[("why", "缺照片"), ("colour", "red")]] {
        assert!(matches!(event("return", parts), Err(lastmile_client::ClientError::Invalid(_))), "{parts:?}");
    }
    assert!(matches!(event("submit", &[("on", "2999-01-01")]), Err(lastmile_client::ClientError::Invalid(_))));
    event("return", &[("why", "缺照片")]).unwrap();
    assert_eq!(one.record("activity", id).unwrap().state.as_deref(), Some("returned"));
}

/// A path to the relay that breaks after so many bytes of each answer.
fn breaking(relay: SocketAddr, after: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let Ok(mut near) = near else { continue };
            let Ok(mut far) = TcpStream::connect(relay) else { return };
            std::thread::spawn(move || {
                let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut near_in, &mut far_out));
                let mut answer = vec![0; after];
                let mut passed = 0;
                while passed < after {
                    match far.read(&mut answer[passed..]) {
                        Ok(read) if read > 0 && near.write_all(&answer[passed..passed + read]).is_ok() => {
                            passed += read
                        }
                        _ => break,
                    }
                }
                let _ = near.shutdown(std::net::Shutdown::Both);
                let _ = far.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_breaks_again_and_again_still_brings_everything_down() {
    let field = Field::new().await;
    let (one, mut two) = (field.enrol("one").await, field.enrol("two").await);
    settle(&two).await;
    for number in 0..30 {
        add_activity(&one, &format!("活动{number}"), number);
        settle(&one).await;
    }
    two.set_relay(&format!("http://{}", breaking(field.relay().addr(), 3_000))).unwrap();
    let mut received = 0;
    let mut tries = 0;
    loop {
        tries += 1;
        match two.sync().await {
            Ok(report) if report.equal => break,
            Ok(report) => received += report.received_batches,
            Err(lastmile_client::ClientError::BrokenOff { batches, .. }) => {
                assert!(batches > 0, "each try brings something");
                received += batches;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(tries < 60, "{received} batches came");
    }
    assert!(tries > 3, "the path did break");
    assert!(received <= 40, "nothing came twice: {received}");
    assert_eq!(digest(&two), field.digest().await);
    assert_eq!(two.status().unwrap().last_error, None);
}
