//! What runs in the child processes.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, ClientError, Replica, ReplicaOptions};
use lastmile_model::input::Entry;
use lastmile_model::{RecordId, Value};
use lastmile_relay::{Encryption, Relay, RelayFolder, RelayOptions, Serving};
use lastmile_web::Limits;
use rand::{Rng as _, SeedableRng as _};

/// What the process is to be.
pub const ROLE: &str = "LASTMILE_CHILD";
pub const FOLDER: &str = "LASTMILE_CHILD_FOLDER";
pub const SEED: &str = "LASTMILE_CHILD_SEED";
/// The address a relay serves on.
pub const ADDRESS: &str = "LASTMILE_CHILD_ADDRESS";
/// The invite that a device enrols with.
pub const INVITE: &str = "LASTMILE_CHILD_INVITE";
/// After how many saves a device makes no more; without end if there is none.
pub const SAVES: &str = "LASTMILE_CHILD_SAVES";
/// The longest pause between two saves, in milliseconds.
pub const PAUSE: &str = "LASTMILE_CHILD_PAUSE";
/// In how many of a hundred saves a device changes an old record.
pub const EDITS: &str = "LASTMILE_CHILD_EDITS";
/// How long a request may stand still, in milliseconds.
pub const TIMEOUT: &str = "LASTMILE_CHILD_TIMEOUT";
/// How often a request may fail before a device that tries by hand gives up.
pub const TRIES: &str = "LASTMILE_CHILD_TRIES";

/// Becomes the child that the environment names; nothing where it names none.
#[test]
#[ignore = "the other tests start it as their child process"]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    say(&format!("pid {}", std::process::id()));
    end_with_the_parent();
    match role.as_str() {
        "device" => device(),
        "relay" => relay(),
        "script" => script(),
        "enrol" => enrol(),
        "full-disk" => crate::full_disk::in_a_small_file_system(&folder()),
        other => panic!("no child is called {other}"),
    }
}

/// Ends this process when whoever started it is gone, so that none is left behind when the tests are stopped.
fn end_with_the_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::exit(1);
    });
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).unwrap())
}

/// Prints a line in one piece, past the capture of the test runner.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Who reads no longer does not want to know.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

fn options() -> ReplicaOptions {
    ReplicaOptions { timeout: Duration::from_millis(crate::number(TIMEOUT, 5_000)), ..ReplicaOptions::default() }
}

/// Serves until it is killed.
fn relay() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder =
            RelayFolder::open_or_create(folder(), &RelayOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let address: std::net::SocketAddr = std::env::var(ADDRESS).unwrap().parse().unwrap();
        let mut serving = Serving::new(address, Limits::default());
        if !address.ip().is_loopback() {
            serving.encryption = Encryption::Private { names: Vec::new() };
        }
        let mut relay = Relay::serve(folder, serving).await.unwrap();
        say("serving");
        relay.broken().await.unwrap();
    });
}

/// Enrols with an invite, on one thread.
fn enrol() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let invite = lastmile_log::Invite::from_text(&std::env::var(INVITE).unwrap()).unwrap();
    let replica = runtime.block_on(Replica::enrol(&folder(), &invite, "device", options())).unwrap();
    say(&format!("enrolled {}", replica.author()));
}

/// Saves, and syncs by itself, until it is killed.
fn device() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let replica = Arc::new(Replica::open(&folder(), options()).unwrap());
    let head = own_head(&replica);
    say(&format!("opened {} {head}", replica.author()));
    let pace = Pace {
        poll: Duration::from_secs(1),
        first_retry: Duration::from_millis(20),
        longest_retry: Duration::from_millis(200),
    };
    let auto = {
        let _inside = runtime.enter();
        AutoSync::start(Arc::clone(&replica), pace)
    };
    let saved = Arc::new(AtomicU64::new(head));
    let told = std::thread::spawn({
        let (replica, saved) = (Arc::clone(&replica), Arc::clone(&saved));
        move || tell_uploads(&replica, &saved)
    });
    save_on(&replica, &saved, |_, error| panic!("{error}"));
    told.join().unwrap();
    drop(auto);
}

fn own_head(replica: &Replica) -> u64 {
    let logs = replica.read(lastmile_store::Reader::logs).unwrap();
    logs.iter().filter(|log| log.author == replica.author() && !log.branch).map(|log| log.head).max().unwrap_or(0)
}

/// Tells what the status calls uploaded, again and again: all but so many of the last commits.
fn tell_uploads(replica: &Replica, saved: &AtomicU64) {
    let mut last = (0, false);
    loop {
        // What is saved after this look only makes the claim smaller than it could be.
        let head = saved.load(Ordering::SeqCst);
        let unsent = replica.status().unwrap().unsent_commits;
        let now = (head.saturating_sub(unsent), unsent == 0);
        if now != last {
            // With nothing unsent the logs of the device's former authors are uploaded as well.
            say(&format!("{} {} {}", if unsent == 0 { "rested" } else { "uploaded" }, replica.author(), now.0));
            last = now;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Saves again and again: one to three new activities, or another title for one of before.
fn save_on(replica: &Replica, saved: &AtomicU64, failed: impl Fn(u64, ClientError)) {
    let seed = crate::number(SEED, 0);
    let (most, pause) = (crate::number(SAVES, u64::MAX), crate::number(PAUSE, 10));
    let edits = crate::number(EDITS, 25);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut known: Vec<RecordId> = Vec::new();
    for number in 0..most {
        let mut draft = replica.draft(None);
        let mut made: Vec<(RecordId, String)> = Vec::new();
        if !known.is_empty() && rng.random_range(0..100) < edits {
            let (id, title) = (known[rng.random_range(0..known.len())], format!("{seed}.{number}"));
            let values = vec![("title".to_owned(), title.as_str().into())];
            draft.edit("activity", id, Entry { values, ..Entry::default() }).unwrap();
            made.push((id, title));
        } else {
            for part in 0..rng.random_range(1..=3) {
                let title = format!("{seed}.{number}.{part}");
                let id = draft.create("activity", Entry { values: activity(&title), ..Entry::default() }).unwrap();
                made.push((id, title));
            }
        }
        let list: Vec<String> = made.iter().map(|(id, title)| format!("{id}={title}")).collect();
        say(&format!("trying {number} {}", list.join(" ")));
        match draft.save() {
            Ok(commits) => {
                saved.store(commits[0].seq, Ordering::SeqCst);
                say(&format!("saved {number} {} {}", replica.author(), commits[0].seq));
                known.extend(made.into_iter().map(|(id, _)| id));
                known.sort_unstable();
                known.dedup();
            }
            Err(error) => failed(number, error),
        }
        if pause > 0 {
            std::thread::sleep(Duration::from_micros(rng.random_range(0..pause * 1_000)));
        }
    }
}

fn activity(title: &str) -> Vec<(String, Value)> {
    vec![
        ("title".to_owned(), title.into()),
        ("category".to_owned(), "environment".into()),
        ("kind".to_owned(), "service".into()),
        ("date".to_owned(), "2025-03-05".into()),
        ("beneficiaries".to_owned(), 12i64.into()),
    ]
}

/// Opens, saves a few times, syncs and closes on one thread, telling each failure and going on: the same calls in the same order in
/// each run.
fn script() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let replica = match Replica::open(&folder(), options()) {
        Ok(replica) => replica,
        Err(error) => return say(&format!("failed open {error}")),
    };
    let saved = AtomicU64::new(own_head(&replica));
    say(&format!("opened {} {}", replica.author(), saved.load(Ordering::SeqCst)));
    save_on(&replica, &saved, |number, error| say(&format!("failed {number} {error}")));
    for _ in 0..crate::number(TRIES, 3) {
        match runtime.block_on(replica.sync()) {
            Ok(report) if report.equal => break,
            Ok(_) => {}
            Err(error) => say(&format!("failed sync {error}")),
        }
    }
    match replica.status() {
        Ok(status) if status.unsent_commits == 0 => {
            say(&format!("rested {} {}", replica.author(), saved.load(Ordering::SeqCst)));
        }
        Ok(status) => say(&format!("unsent {}", status.unsent_commits)),
        Err(error) => say(&format!("failed status {error}")),
    }
    match replica.close() {
        Ok(()) => say("closed"),
        Err(error) => say(&format!("failed close {error}")),
    }
}
