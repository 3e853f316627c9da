//! Devices and a relay that stand still for a while (SIGSTOP), with requests under way.
//!
//! `LASTMILE_PAUSES=200` for more of them, `LASTMILE_SEED` for other moments.

use std::time::{Duration, Instant};

use lastmile_client::{ClientError, Replica, ReplicaOptions, SyncPhase};
use lastmile_model::input::Entry;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::child::{PAUSE, SAVES, TIMEOUT};
use crate::ground::{Ground, digest, relay_digest, settle, wait};
use crate::ledger::{Ledger, Said, checked, titles};
use crate::process::PATIENCE;

const DEVICES: usize = 2;

/// Saves one activity.
pub fn add(replica: &Replica, title: &str) {
    let values = [("title", title), ("category", "environment"), ("kind", "service"), ("date", "2025-03-05")];
    let values = values.map(|(key, value)| (key.to_owned(), value.into()));
    let mut draft = replica.draft(None);
    draft.create("activity", Entry { values: values.to_vec(), ..Entry::default() }).unwrap();
    draft.save().unwrap();
}

#[test]
fn a_relay_that_stands_still_is_named_and_loses_nothing() {
    let ground = Ground::new(1);
    let mut relay = ground.start_relay(&[], &[]);
    relay.wait_for("serving");
    // Little patience for the relay that stands still, the usual for one that has other work.
    let impatient = || ReplicaOptions { timeout: Duration::from_secs(1), ..ReplicaOptions::default() };
    wait(async { settle(&ground.open(0)).await });
    let replica = ground.open_with(0, impatient());
    wait(async {
        for number in 0..20 {
            add(&replica, &format!("before {number}"));
        }
        relay.signal(Signal::STOP);
        let began = Instant::now();
        let error = replica.sync().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { sent: 1.., .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("nothing moved for 1 s") && text.contains("what was saved is kept"), "{text}");
        assert!(began.elapsed() < PATIENCE, "it waited for {:?}", began.elapsed());
        let status = replica.status().unwrap();
        assert_eq!((status.phase, status.unsent_commits), (SyncPhase::Offline, 20));
        // What is saved meanwhile is as safe as ever.
        add(&replica, "meanwhile");
        relay.signal(Signal::CONT);
    });
    drop(replica);
    let replica = ground.open(0);
    wait(async { settle(&replica).await });
    relay.kill();
    drop(checked(&ground.relay_file()));
    wait(async {
        let relay = ground.serve().await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
        relay.stop().await.unwrap();
    });
}

#[test]
fn pauses_at_any_moment_lose_nothing_and_stall_nothing() {
    let pauses = crate::number("LASTMILE_PAUSES", 12);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(crate::number("LASTMILE_SEED", 1));
    let ground = Ground::new(DEVICES);
    let saves = pauses * 20;
    let of_device = [(SAVES, saves.to_string()), (PAUSE, "30".to_owned()), (TIMEOUT, "250".to_owned())];
    let of_device: Vec<(&str, &str)> = of_device.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut relay = ground.start_relay(&[], &[]);
    relay.wait_for("serving");
    let mut devices: Vec<_> =
        (0..DEVICES).map(|number| ground.start_device(number, number as u64, &of_device)).collect();
    let mut ledgers: Vec<Ledger> = (0..DEVICES).map(|_| Ledger::default()).collect();
    for (device, ledger) in devices.iter_mut().zip(&mut ledgers) {
        ledger.read_all(&device.wait_for("opened"));
    }
    for _ in 0..pauses {
        std::thread::sleep(Duration::from_millis(rng.random_range(0..150)));
        let who = rng.random_range(0..=DEVICES);
        let paused = devices.get(who).unwrap_or(&relay);
        paused.signal(Signal::STOP);
        // Shorter and longer than the devices wait for an answer.
        std::thread::sleep(Duration::from_millis(rng.random_range(1..500)));
        paused.signal(Signal::CONT);
    }
    // Nobody does anything, and all of it arrives.
    let mut done = Vec::new();
    for (number, (mut device, mut ledger)) in devices.into_iter().zip(ledgers).enumerate() {
        let until = Instant::now() + PATIENCE;
        while ledger.count(Said::Uploaded) < usize::try_from(saves).unwrap() {
            let Some(line) = device.line(until) else {
                panic!("{} of {saves} arrived, then it stalled; {}", ledger.count(Said::Uploaded), device.complaints());
            };
            ledger.read(&line);
        }
        ledger.read_all(&device.kill());
        let held = titles(&checked(&ground.device_file(number)).reader().unwrap());
        assert_eq!(ledger.contradictions(&held, Said::Saved), [""; 0]);
        done.push(ledger);
    }
    relay.kill();
    let held = titles(&checked(&ground.relay_file()).reader().unwrap());
    for ledger in done {
        assert_eq!(ledger.contradictions(&held, Said::Uploaded), [""; 0]);
    }
    wait(async {
        let relay = ground.serve().await;
        let replicas: Vec<Replica> = (0..DEVICES).map(|number| ground.open(number)).collect();
        for replica in replicas.iter().chain(&replicas) {
            settle(replica).await;
        }
        for replica in &replicas {
            assert_eq!(digest(replica), relay_digest(&relay).await);
        }
        relay.stop().await.unwrap();
    });
    crate::say(&format!("SIGSTOP: {pauses} pauses, {} saves of {DEVICES} devices, 0 lost, 0 stalls", saves * 2));
}
