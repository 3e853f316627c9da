//! `kill -9` of devices and relay at random moments: what was printed as saved is saved, what was printed as uploaded is at the relay.
//!
//! `LASTMILE_KILLS=10000` for more rounds, `LASTMILE_SEED` for other moments, `LASTMILE_FROM` to go on with a later part of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use lastmile_model::planted::VARIABLE;

use crate::child::EDITS;
use crate::ground::{Ground, digest, relay_digest, scope, settle, wait};
use crate::ledger::{Ledger, Said, checked, reader, titles};
use crate::process::Process;

const DEVICES: usize = 3;
/// After so many kills everything comes to rest and new folders are taken.
const OF_A_PART: u64 = 100;

/// Something that contradicts what was printed, and the round after which it showed.
#[derive(Debug)]
struct Violation {
    round: u64,
    what: String,
}

/// Devices and a relay that are killed and started again.
struct Run {
    ground: Ground,
    rng: ChaCha8Rng,
    relay: Option<Process>,
    devices: Vec<Option<Process>>,
    ledgers: Vec<Ledger>,
    relay_environment: Vec<(&'static str, &'static str)>,
    device_environment: Vec<(&'static str, &'static str)>,
    started: u64,
}

impl Run {
    fn new(seed: u64, relay: &[(&'static str, &'static str)], device: &[(&'static str, &'static str)]) -> Self {
        let mut run = Self {
            ground: Ground::new(DEVICES),
            rng: ChaCha8Rng::seed_from_u64(seed),
            relay: None,
            devices: (0..DEVICES).map(|_| None).collect(),
            ledgers: (0..DEVICES).map(|_| Ledger::default()).collect(),
            relay_environment: relay.to_vec(),
            device_environment: device.to_vec(),
            started: seed << 32,
        };
        run.start_what_is_down();
        run
    }

    fn start_what_is_down(&mut self) {
        if self.relay.is_none() {
            self.relay = Some(self.ground.start_relay(&[], &self.relay_environment));
        }
        for number in 0..DEVICES {
            if self.devices[number].is_none() {
                self.started += 1;
                self.ledgers[number].new_life();
                self.devices[number] = Some(self.ground.start_device(number, self.started, &self.device_environment));
            }
        }
    }

    /// Reads what the devices say until this moment.
    fn listen(&mut self, until: Instant) {
        loop {
            for (process, ledger) in self.devices.iter_mut().zip(&mut self.ledgers) {
                while let Some(line) = process.as_mut().and_then(|process| process.line(Instant::now())) {
                    ledger.read(&line);
                }
            }
            let now = Instant::now();
            if now >= until {
                return;
            }
            std::thread::sleep((until - now).min(Duration::from_millis(2)));
        }
    }

    /// Kills one device or the relay, or both, at a random moment, and looks at what they left.
    fn round(&mut self) -> Result<(), String> {
        let victim = self.rng.random_range(0..DEVICES);
        let (kills_relay, kills_device) = match self.rng.random_range(0..100) {
            0..45 => (true, false),
            45..88 => (false, true),
            _ => (true, true),
        };
        if self.rng.random_ratio(1, 3) {
            // Right after a line: what follows it closely is hit more often.
            let lines = self.rng.random_range(1..30);
            let until = Instant::now() + Duration::from_millis(300);
            for _ in 0..lines {
                let Some(line) = self.devices[victim].as_mut().and_then(|process| process.line(until)) else { break };
                self.ledgers[victim].read(&line);
            }
        } else {
            let most = if self.rng.random_ratio(1, 4) { 25_000 } else { 150_000 };
            let delay = self.rng.random_range(0..most);
            self.listen(Instant::now() + Duration::from_micros(delay));
        }
        if kills_relay {
            self.relay.take().unwrap().kill();
        }
        if kills_device {
            let rest = self.devices[victim].take().unwrap().kill();
            self.ledgers[victim].read_all(&rest);
        }
        // What was printed before the relay died must be with it.
        if kills_relay {
            self.look_at_relay()?;
        }
        if kills_device {
            self.look_at_device(victim)?;
        }
        self.start_what_is_down();
        Ok(())
    }

    /// Looks whether a device that is down has what it said.
    fn look_at_device(&self, number: usize) -> Result<(), String> {
        let held = titles(&reader(&self.ground.device_file(number)));
        match self.ledgers[number].contradictions(&held, Said::Saved).first() {
            Some(wrong) => Err(format!("device {number}: {wrong}")),
            None => Ok(()),
        }
    }

    /// Looks whether the relay that is down has what the devices said that it has.
    fn look_at_relay(&self) -> Result<(), String> {
        let logs = reader(&self.ground.relay_file()).logs().unwrap();
        for (author, seq) in self.ledgers.iter().flat_map(Ledger::uploaded) {
            let held = logs.iter().filter(|log| log.author == author && log.scope == scope()).map(|log| log.head).max();
            if held.unwrap_or(0) < seq {
                return Err(format!("{author} said that {seq} commits are uploaded, the relay has {held:?}"));
            }
        }
        Ok(())
    }

    /// Kills everything, checks every file as a whole, syncs to rest and compares.
    fn come_to_rest(mut self) -> Result<Sums, String> {
        for (process, ledger) in self.devices.iter_mut().zip(&mut self.ledgers) {
            ledger.read_all(&process.take().unwrap().kill());
        }
        self.relay.take().unwrap().kill();
        self.look_at_relay()?;
        let held = titles(&checked(&self.ground.relay_file()).reader().unwrap());
        for (number, ledger) in self.ledgers.iter().enumerate() {
            self.look_at_device(number)?;
            drop(checked(&self.ground.device_file(number)));
            if let Some(wrong) = ledger.contradictions(&held, Said::Uploaded).first() {
                return Err(format!("relay, of device {number}: {wrong}"));
            }
            if ledger.authors.len() != 1 {
                return Err(format!("a kill made device {number} another author: {:?}", ledger.authors));
            }
        }
        wait(self.compare())?;
        drop(checked(&self.ground.relay_file()));
        Ok(Sums {
            saved: self.ledgers.iter().map(|ledger| ledger.count(Said::Saved)).sum(),
            uploaded: self.ledgers.iter().map(|ledger| ledger.count(Said::Uploaded)).sum(),
        })
    }

    async fn compare(&self) -> Result<(), String> {
        let relay = self.ground.serve().await;
        let replicas: Vec<_> = (0..DEVICES).map(|number| self.ground.open(number)).collect();
        for _ in 0..2 {
            for replica in &replicas {
                settle(replica).await;
            }
        }
        let wanted = relay_digest(&relay).await;
        let known: BTreeSet<_> = self.ledgers.iter().flat_map(Ledger::records).collect();
        for (number, replica) in replicas.iter().enumerate() {
            if digest(replica) != wanted {
                return Err(format!("device {number} and the relay show different rows"));
            }
            let held = replica.read(|reader| titles(reader));
            if let Some(id) = held.keys().find(|id| !known.contains(id)) {
                return Err(format!("nobody wrote {id}"));
            }
            for ledger in &self.ledgers {
                if let Some(wrong) = ledger.contradictions(&held, Said::Saved).first() {
                    return Err(format!("at rest, device {number}: {wrong}"));
                }
            }
        }
        relay.stop().await.map_err(|error| error.to_string())
    }
}

/// What a run came to.
#[derive(Debug, Default)]
struct Sums {
    saved: usize,
    uploaded: usize,
}

/// So many rounds on folders of their own.
fn part(
    seed: u64,
    rounds: u64,
    relay: &[(&'static str, &'static str)],
    device: &[(&'static str, &'static str)],
) -> Result<Sums, Violation> {
    let mut run = Run::new(seed, relay, device);
    for round in 1..=rounds {
        run.round().map_err(|what| Violation { round, what })?;
    }
    run.come_to_rest().map_err(|what| Violation { round: rounds, what })
}

#[test]
fn what_was_printed_survives_kill_9() {
    let rounds = crate::number("LASTMILE_KILLS", 300);
    let (seed, from) = (crate::number("LASTMILE_SEED", 1), crate::number("LASTMILE_FROM", 0));
    let began = Instant::now();
    let (mut done, mut sums) = (0, Sums::default());
    while done < rounds {
        let (number, of_part) = (from + done / OF_A_PART, OF_A_PART.min(rounds - done));
        match part((seed << 20) + number, of_part, &[], &[]) {
            Ok(of_this) => {
                sums.saved += of_this.saved;
                sums.uploaded += of_this.uploaded;
            }
            Err(violation) => panic!(
                "{violation:?}\nagain: LASTMILE_SEED={seed} LASTMILE_FROM={number} LASTMILE_KILLS={OF_A_PART} \
                 cargo test -p lastmile-tests --test crash kills::what"
            ),
        }
        done += of_part;
    }
    assert!(sums.uploaded > 0 && sums.saved > sums.uploaded / 2, "{sums:?}");
    crate::say(&format!(
        "kill -9: {done} rounds, {} saves and {} uploads noted, 0 lost, {:.0} s",
        sums.saved,
        sums.uploaded,
        began.elapsed().as_secs_f64()
    ));
}

/// Runs with a fault in the relay or in the devices until it shows.
fn caught(name: &'static str, in_relay: bool) {
    let began = Instant::now();
    let (with, without) = ([(VARIABLE, name), (EDITS, "0")], [(EDITS, "0")]);
    let (relay, device): (&[_], &[_]) = if in_relay { (&with, &without) } else { (&without, &with) };
    match part(97, OF_A_PART, relay, device) {
        Err(Violation { round, what }) => {
            crate::say(&format!("{name}: caught in {:.1} s, round {round}: {what}", began.elapsed().as_secs_f64()));
        }
        Ok(sums) => panic!("{name} was not caught in {OF_A_PART} rounds: {sums:?}"),
    }
}

#[test]
fn a_relay_that_receipts_before_it_commits_is_caught() {
    caught("answer-before-commit", true);
}

#[test]
fn a_device_that_says_saved_before_it_commits_is_caught() {
    caught("answer-before-commit", false);
}

#[test]
fn a_device_that_says_uploaded_without_a_receipt_is_caught() {
    caught("uploaded-without-receipt", false);
}
