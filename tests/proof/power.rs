//! Power cuts: what was saved before is there after, whole; what was under way is there whole or not at all.
//!
//! A script runs once on a disk that keeps every moment; each cut picks a moment, lets the disk make of it what it may hold then, and
//! opens that. Some cuts are followed by more: while the replica is opened, while it works on, while it closes.
//!
//! `LASTMILE_CUTS=n` cuts, beginning with history `LASTMILE_FROM`, all drawn from `LASTMILE_SEED`.

use std::time::Instant;

use lastmile_store::StoreError;
use lastmile_testkit::disk::Moment;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::device::{Device, PROFILES, Profile, State, Step, script};

/// How many histories branch off one script.
const BRANCHES: u64 = 500;

const STEPS: usize = 36;

pub fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What was known of the replica when a step returned.
struct Known {
    /// Operations of the disk until then.
    operations: u64,
    promised: bool,
    state: State,
}

struct Ran {
    moments: Vec<Moment>,
    known: Vec<Known>,
}

/// Runs a script to its end, on a disk that keeps its moments.
fn run(seed: u64, profile: &Profile, lying: bool) -> Ran {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut device = Device::new();
    device.disk.lie_about_sync(lying);
    device.disk.keep_moments();
    device.open_ready().unwrap();
    let mut known = Vec::new();
    let know = |device: &mut Device, promised, known: &mut Vec<Known>| {
        let operations = device.disk.operations();
        known.push(Known { operations, promised, state: device.state().unwrap() });
        assert_eq!(device.disk.operations(), operations, "looking writes nothing");
    };
    know(&mut device, true, &mut known);
    for step in script(&mut rng, profile, STEPS) {
        let promised = device.run(&step).unwrap();
        know(&mut device, promised, &mut known);
    }
    Ran { moments: device.disk.take_moments(), known }
}

/// What went wrong after a cut.
#[derive(Debug)]
enum Wrong {
    /// It did not open or could not be read.
    Refused(StoreError),
    /// It is in none of the states that it may be in: what was acknowledged is not there, or the last commit is there in part.
    Lost {
        acknowledged: u64,
        found: u64,
    },
    Found(Vec<String>),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "it does not open: {error}"),
            Self::Lost { acknowledged, found } => {
                write!(f, "in no state that it may be in: {acknowledged} own commits acknowledged, {found} found")
            }
            Self::Found(findings) => write!(f, "{}", findings.join("; ")),
        }
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Opens what a cut left, and shows it to be in a state that the script went through, none before what was promised.
fn after_first_cut(device: &mut Device, ran: &Ran, operation: u64) -> Result<Option<State>, Wrong> {
    device.open_ready()?;
    let returned = ran.known.partition_point(|known| known.operations <= operation);
    let Some(promised) = ran.known[..returned].iter().rposition(|known| known.promised) else {
        // It was not even made ready: it is now.
        return Ok(None);
    };
    let state = device.state()?;
    let upto = ran.known.len().min(returned + 1);
    if ran.known[promised..upto].iter().any(|known| known.state == state) {
        return Ok(Some(state));
    }
    Err(Wrong::Lost { acknowledged: ran.known[promised].state.own(), found: state.own() })
}

/// Works on after a cut, until the next one strikes in the last step or when the replica is closed after it; returns the last
/// state that was acknowledged.
fn work_until_cut(device: &mut Device, rng: &mut ChaCha8Rng) -> Result<State, Wrong> {
    let mut steps = script(rng, &PROFILES[1], 3);
    steps.retain(|step| !matches!(step, Step::Receive(..) | Step::Erase(_)));
    let last = steps.pop();
    for step in steps {
        try_step(device, &step)?;
    }
    // One more that promises, so that all before it is certain.
    device.run(&Step::Setting(rng.random::<u64>().to_be_bytes().to_vec()))?;
    let acknowledged = device.state()?;
    device.disk.cut_at(device.disk.operations() + rng.random_range(1..25));
    if let Some(step) = last
        && let Ok(true) = try_step(device, &step)
        && !device.disk.is_off()
        && let Ok(state) = device.state()
    {
        device.close();
        return Ok(state);
    }
    device.close();
    Ok(acknowledged)
}

/// Does a step of a script that was written for another replica.
fn try_step(device: &mut Device, step: &Step) -> Result<bool, StoreError> {
    match device.run(step) {
        Err(StoreError::NoRecord { .. } | StoreError::Erased { .. } | StoreError::Edit(_)) => Ok(false),
        result => result,
    }
}

/// A history: one cut in the script, then perhaps more. Returns how many there were.
fn history(device: &mut Device, ran: &Ran, rng: &mut ChaCha8Rng) -> Result<u64, Wrong> {
    let moment = &ran.moments[rng.random_range(0..ran.moments.len())];
    device.close();
    device.disk.restore(&moment.after_power_cut(rng.random()));
    let mut cuts = 1;
    // While it recovers.
    while rng.random_ratio(3, 5) {
        device.disk.cut_at(device.disk.operations() + rng.random_range(1..6));
        let _ = device.open_ready();
        device.close();
        device.disk.power_on(rng.random());
        cuts += 1;
    }
    let mut state = after_first_cut(device, ran, moment.operation())?;
    // While it works on.
    while state.is_some() && rng.random_ratio(1, 5) {
        let acknowledged = work_until_cut(device, rng)?;
        device.disk.cut_now();
        device.close();
        device.disk.power_on(rng.random());
        cuts += 1;
        device.open()?;
        let now = device.state()?;
        if now != acknowledged && !(acknowledged.own()..=acknowledged.own() + 1).contains(&now.own()) {
            return Err(Wrong::Lost { acknowledged: acknowledged.own(), found: now.own() });
        }
        if now != acknowledged {
            examine(device)?;
        }
        state = Some(device.state()?);
    }
    if rng.random_ratio(1, 20) {
        examine(device)?;
    }
    Ok(cuts)
}

fn examine(device: &mut Device) -> Result<(), Wrong> {
    let found = device.examine()?;
    if found.is_empty() { Ok(()) } else { Err(Wrong::Found(found)) }
}

/// Runs histories of one profile until there were so many cuts; gives the history that went wrong.
fn cut(profile: &Profile, cuts: u64, lying: bool) -> Result<(u64, u64), (u64, u64, Wrong)> {
    let (seed, from) = (variable("LASTMILE_SEED", 1), variable("LASTMILE_FROM", 0));
    let mut device = Device::new();
    let mut ran: Option<(u64, Ran)> = None;
    let (mut done, mut no) = (0, from);
    while done < cuts {
        let group = seed ^ (no / BRANCHES) << 20;
        if ran.as_ref().is_none_or(|(of, _)| *of != group) {
            ran = Some((group, run(group, profile, lying)));
        }
        let (_, ran) = ran.as_ref().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed << 40 ^ no);
        match history(&mut device, ran, &mut rng) {
            Ok(cuts) => done += cuts,
            Err(wrong) => return Err((no, done, wrong)),
        }
        no += 1;
    }
    Ok((done, no))
}

/// The third of the cuts that is this profile's.
fn prove(test: &str, profile: &Profile) {
    let started = Instant::now();
    let cuts = variable("LASTMILE_CUTS", 20_000).div_ceil(PROFILES.len() as u64);
    match cut(profile, cuts, false) {
        Ok((done, next)) => {
            println!("{}: {done} power cuts in {:.1?}, histories up to {next}", profile.name, started.elapsed());
        }
        Err((no, _, wrong)) => panic!(
            "{}, history {no}: {wrong}\nLASTMILE_SEED={} LASTMILE_FROM={no} LASTMILE_CUTS=1 \
             cargo test --locked -p lastmile-tests --test proof power::{test}",
            profile.name,
            variable("LASTMILE_SEED", 1),
        ),
    }
}

#[test]
fn a_cut_loses_nothing_of_a_long_log() {
    prove("a_cut_loses_nothing_of_a_long_log", &PROFILES[0]);
}

#[test]
fn a_cut_loses_nothing_of_a_short_log() {
    prove("a_cut_loses_nothing_of_a_short_log", &PROFILES[1]);
}

#[test]
fn a_cut_loses_nothing_of_large_commits() {
    prove("a_cut_loses_nothing_of_large_commits", &PROFILES[2]);
}

/// The most cuts after which a control must have lost something.
const SOON: u64 = 1000;

#[test]
fn a_disk_that_lies_is_noticed() {
    for profile in &PROFILES {
        let started = Instant::now();
        let (no, done, wrong) = cut(profile, SOON, true).unwrap_err();
        let took = started.elapsed();
        println!(
            "{}: a lying disk is noticed in history {no}, after {done} cuts and {took:.1?}: {wrong}",
            profile.name
        );
        assert!(matches!(wrong, Wrong::Lost { .. }), "{wrong}");
    }
}

/// Runs in a process of its own, since a planted fault strikes the whole process.
#[test]
#[ignore = "run by `saving_without_a_flush_is_noticed`, with the fault planted"]
fn saving_without_a_flush() {
    assert!(lastmile_model::planted::is_planted("synchronous-normal"));
    for profile in &PROFILES {
        let started = Instant::now();
        let (no, done, wrong) = cut(profile, SOON, false).unwrap_err();
        let took = started.elapsed();
        println!(
            "{}: a missing flush is noticed in history {no}, after {done} cuts and {took:.1?}: {wrong}",
            profile.name
        );
        assert!(matches!(wrong, Wrong::Lost { .. }), "{wrong}");
    }
}

#[test]
fn saving_without_a_flush_is_noticed() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power::saving_without_a_flush", "--ignored", "--nocapture"])
        .env(lastmile_model::planted::VARIABLE, "synchronous-normal")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success() && told.matches("is noticed in history").count() == PROFILES.len());
}
