//! The n-th flush or write of a process fails, or is its last: `strace -e inject=`.
//!
//! `LASTMILE_INJECT=100` for so many places of each kind; they are spread over all that a run has. SQLite flushes by `fsync`, not by
//! `fdatasync`, so what was hit is looked up in what strace noted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lastmile_client::{ClientError, ReplicaOptions};
use lastmile_protocol::Code;

use crate::child::{FOLDER, PAUSE, SAVES, SEED};
use crate::ground::{Ground, digest, relay_digest, scope, settle, wait};
use crate::ledger::{Ledger, Said, checked, reader, titles};
use crate::pauses::add;
use crate::process::{Process, command, output};

/// What is done to a call.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub call: &'static str,
    pub what: &'static str,
}

const FAILING: [Fault; 3] = [
    Fault { call: "fsync", what: "error=EIO" },
    Fault { call: "pwrite64", what: "error=ENOSPC" },
    Fault { call: "pwrite64", what: "error=EIO" },
];
pub const KILLING: [Fault; 2] =
    [Fault { call: "fsync", what: "signal=SIGKILL" }, Fault { call: "pwrite64", what: "signal=SIGKILL" }];

pub fn has_strace(test: &str) -> bool {
    let probe = output(Command::new("strace").args(["-qq", "-e", "trace=none", "true"]));
    let there = probe.as_ref().is_ok_and(|output| output.status.success());
    if !there {
        crate::skip(test, &format!("strace (Debian package strace) cannot be run here: {probe:?}"));
    }
    there
}

/// The wrapper that counts the calls of each kind, or lets one of them go wrong, and notes it in this file.
pub fn strace(noted: &Path, fault: Option<(Fault, usize)>) -> Vec<String> {
    let mut words: Vec<String> =
        ["strace", "-f", "-qq", "-o", noted.to_str().unwrap(), "-e", "trace=fsync,pwrite64"].map(str::to_owned).into();
    if let Some((Fault { call, what }, number)) = fault {
        words.extend(["-e".to_owned(), format!("inject={call}:{what}:when={number}")]);
    }
    words
}

/// How many calls of this kind the busiest thread made: strace counts per thread.
pub fn calls(noted: &Path, call: &str) -> usize {
    let text = std::fs::read_to_string(noted).unwrap();
    let mut of_thread = std::collections::BTreeMap::<&str, usize>::new();
    for line in text.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|word| word.starts_with(call))) {
        *of_thread.entry(line.split_whitespace().next().unwrap()).or_default() += 1;
    }
    of_thread.into_values().max().unwrap_or(0)
}

pub fn was_hit(noted: &Path, fault: Fault) -> bool {
    let text = std::fs::read_to_string(noted).unwrap();
    let of_call = |line: &&str| line.contains(&format!("{}(", fault.call));
    text.lines().filter(of_call).any(|line| line.contains("INJECTED"))
        || (fault.what.contains("SIGKILL") && text.contains("+++ killed by SIGKILL +++"))
}

/// Places spread over all, the first and the last among them.
pub fn places(all: usize) -> Vec<usize> {
    let wanted = usize::try_from(crate::number("LASTMILE_INJECT", 8)).unwrap().clamp(2, all);
    let mut places: Vec<usize> = (0..wanted).map(|number| 1 + number * (all - 1) / (wanted - 1)).collect();
    places.dedup();
    places
}

/// Runs the device's script of 6 saves and an exchange; returns whether the process ended by itself.
fn run_script(ground: &Ground, run: u64, ledger: &mut Ledger, wrapper: &[String]) -> bool {
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let mut command = command("script", &wrapper);
    command.env(FOLDER, ground.device(0)).env(SEED, run.to_string()).env(SAVES, "6").env(PAUSE, "0");
    ledger.new_life();
    let mut process = Process::start(command, "script", ground.folder.path());
    let (said, status) = process.end();
    ledger.read_all(&said);
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    assert!(status.success() || killed, "{status}: {said:?}\n{}", process.complaints());
    !killed
}

/// Whether a failure that a device told names what a person can look after.
fn names_the_disk(failure: &str) -> bool {
    ["there is no room to write, or the disk fails", "the disk is full", "cannot be written", "Input/output error"]
        .iter()
        .any(|words| failure.contains(words))
}

/// How many faults were met, after how many of them the device told something, and how many saves there were.
fn device_with(faults: &[Fault]) -> (usize, usize, usize) {
    let ground = Ground::new(1);
    let mut ledger = Ledger::default();
    let noted = ground.folder.path().join("strace.txt");
    let (mut runs, mut hits, mut told, mut run) = (0, 0, 0, 0);
    let relay = ground.start_relay(&[], &[]);
    // The first run sets up what later ones do not need to.
    for _ in 0..2 {
        run += 1;
        assert!(run_script(&ground, run, &mut ledger, &strace(&noted, None)));
    }
    assert_eq!(ledger.failures, [""; 0]);
    for fault in faults {
        let all = calls(&noted, fault.call);
        assert!(all >= 8, "a run makes {all} calls of {}", fault.call);
        for number in places(all) {
            run += 1;
            let failures = ledger.failures.len();
            let injected = ground.folder.path().join("injected.txt");
            let ended = run_script(&ground, run, &mut ledger, &strace(&injected, Some((*fault, number))));
            // A run in which SQLite empties its log into the file makes more calls than others.
            let hit = was_hit(&injected, *fault);
            assert!(hit || calls(&injected, fault.call) < number, "{fault:?} at {number} of {all} hit nothing");
            assert_eq!(ended, !(hit && fault.what.contains("SIGKILL")), "{fault:?} at {number}");
            for failure in &ledger.failures[failures..] {
                assert!(names_the_disk(failure), "{fault:?} at {number} of {all}: {failure}");
            }
            told += usize::from(ledger.failures.len() > failures);
            runs += 1;
            hits += usize::from(hit);
            let held = titles(&reader(&ground.device_file(0)));
            assert_eq!(ledger.contradictions(&held, Said::Saved), [""; 0], "{fault:?} at {number} of {all}");
            // Mended: everything works again, with nothing said.
            run += 1;
            let failures = ledger.failures.len();
            assert!(run_script(&ground, run, &mut ledger, &strace(&noted, None)));
            assert_eq!(&ledger.failures[failures..], [""; 0], "{fault:?} at {number} of {all}");
        }
    }
    drop(checked(&ground.device_file(0)));
    relay.kill();
    let held = titles(&checked(&ground.relay_file()).reader().unwrap());
    assert_eq!(ledger.contradictions(&held, Said::Uploaded), [""; 0]);
    assert_eq!(ledger.authors.len(), 1, "no fault makes the device another author");
    assert_eq!(ledger.count(Said::Saved), ledger.count(Said::Uploaded), "the last run uploaded everything");
    wait(async {
        let relay = ground.serve().await;
        let replica = ground.open(0);
        settle(&replica).await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
        relay.stop().await.unwrap();
    });
    assert!(hits * 2 > runs, "of {runs} faults only {hits} were met");
    (hits, told, ledger.count(Said::Saved))
}

#[test]
fn a_device_names_each_write_that_fails_and_goes_on() {
    if has_strace("failing writes of a device") {
        let (hits, told, saved) = device_with(&FAILING);
        assert!(told * 2 >= hits, "most faults concern something that a person is told of: {told} of {hits}");
        crate::say(&format!("device: {hits} failing writes and flushes, {told} told by name, {saved} saves, 0 lost"));
    }
}

#[test]
fn a_device_that_dies_at_any_write_keeps_what_it_said() {
    if has_strace("deaths at writes of a device") {
        let (hits, _, saved) = device_with(&KILLING);
        crate::say(&format!("device: {hits} deaths at a write or flush, {saved} saves, 0 lost"));
    }
}

/// Starts the relay with a fault, lets a device save and sync a few times, and kills what is left; returns how often the device was
/// refused and what was noted of the relay's calls.
fn relay_run(ground: &Ground, noted: &Path, fault: Option<(Fault, usize)>) -> (usize, bool) {
    let _ = std::fs::remove_file(noted);
    let words = strace(noted, fault);
    let wrapper: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut relay = ground.start_relay(&wrapper, &[]);
    let until = std::time::Instant::now() + crate::process::PATIENCE;
    let mut serves = false;
    while let Some(line) = relay.line(until) {
        if line == "serving" {
            serves = true;
            break;
        }
    }
    let options = ReplicaOptions { timeout: Duration::from_secs(10), ..ReplicaOptions::default() };
    let replica = ground.open_with(0, options);
    let mut refused = 0;
    wait(async {
        for number in 0..5 {
            add(&replica, &format!("{fault:?} {number}"));
            match replica.sync().await {
                Ok(_) => {}
                Err(ClientError::Refused { code: Code::CannotStore | Code::Internal, .. }) => refused += 1,
                Err(ClientError::Unreachable { .. } | ClientError::BrokenOff { .. }) => refused += 1,
                Err(other) => panic!("{fault:?}: {other:?}"),
            }
        }
    });
    let unsent = replica.status().unwrap().unsent_commits;
    if serves && relay.is_running() {
        relay.kill();
    } else {
        let (_, status) = relay.end();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        let named = names_the_disk(&relay.complaints());
        assert!(killed || named, "{fault:?}: the relay ended with {status}: {}", relay.complaints());
    }
    // What the device counts as uploaded the relay holds.
    let logs = replica.read(lastmile_store::Reader::logs).unwrap();
    let made = logs.iter().find(|log| log.author == replica.author()).map_or(0, |log| log.head);
    let held = reader(&ground.relay_file()).logs().unwrap();
    let held = held.iter().find(|log| log.author == replica.author() && log.scope == scope()).map_or(0, |log| log.head);
    assert!(held + unsent >= made, "{fault:?}: {made} made, {unsent} unsent, the relay holds {held}");
    (refused, fault.is_none_or(|(fault, _)| was_hit(noted, fault)))
}

#[test]
fn a_relay_whose_writes_fail_or_are_its_last_keeps_what_it_receipted() {
    if !has_strace("failing writes of a relay") {
        return;
    }
    let ground = Ground::new(1);
    let noted = ground.folder.path().join("strace.txt");
    relay_run(&ground, &noted, None);
    let (mut runs, mut hits, mut told) = (0, 0, 0);
    for fault in FAILING.iter().chain(&KILLING) {
        assert_eq!(relay_run(&ground, &noted, None), (0, true));
        let all = calls(&noted, fault.call);
        assert!(all >= 5, "a run makes {all} calls of {}", fault.call);
        // How many calls there are depends on how much the views follow at a time, so the last third is left out.
        for number in places(all * 2 / 3) {
            let (refused, hit) = relay_run(&ground, &noted, Some((*fault, number)));
            let short = calls(&noted, fault.call) < number;
            assert!(hit || short, "{fault:?} at {number} of {all} hit nothing");
            runs += 1;
            hits += usize::from(hit);
            told += usize::from(refused > 0);
        }
    }
    drop(checked(&ground.relay_file()));
    wait(async {
        let relay = ground.serve().await;
        let replica = ground.open(0);
        settle(&replica).await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
        relay.stop().await.unwrap();
    });
    drop(checked(&ground.relay_file()));
    assert!(told > 0 && hits * 2 > runs, "of {runs} faults {hits} were met and {told} felt by the device");
    crate::say(&format!("relay: {hits} failing or last writes and flushes, {told} felt by the device, 0 lost"));
}
