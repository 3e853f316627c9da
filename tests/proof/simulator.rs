//! Simulated histories: whatever goes wrong in them, nothing acknowledged is lost and everybody ends up with the same.
//!
//! `LASTMILE_SIMULATED=100000` runs more of them than the default, `LASTMILE_FROM=5000` others.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lastmile_testkit::sim::{Failure, Kind, Plan, run, shrink};

/// How many seeds an ordinary run takes.
const SEEDS: u64 = 5_000;

/// How many seeds of cities an ordinary run takes.
const CITIES: u64 = 600;

/// Every so manieth seed is run twice.
const TWICE: u64 = 100;

/// What must come to pass at least so often in a thousand seeds, when there are five hundred or more.
const COVERED: [(&str, u64); 15] = [
    ("save", 5_000),
    ("exchange", 5_000),
    ("failed exchange", 500),
    ("power cut", 200),
    ("relay power cut", 200),
    ("killed", 100),
    ("full disk", 100),
    ("meeting", 500),
    ("file", 500),
    ("copied", 100),
    ("put back", 25),
    ("relay put back", 30),
    ("rush", 30),
    ("verdict", 200),
    ("another version", 200),
];

/// What must come to pass at least so often in a thousand cities.
const COVERED_IN_CITIES: [(&str, u64); 18] = [
    ("save", 2_500),
    ("exchange", 5_000),
    ("joined", 200),
    ("replaced", 80),
    ("not joined", 80),
    ("moved", 400),
    ("revoked", 300),
    ("let go", 500),
    ("hostile", 300),
    ("not permitted", 200),
    ("released", 60),
    ("erased", 60),
    ("erased names sought", 40),
    ("relay put back", 40),
    ("put back", 4),
    ("copied", 80),
    ("must count", 1_500),
    ("must not count", 150),
];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Runs these seeds on every core; returns what came to pass, or the first failure, made short.
pub fn histories(kind: Kind, from: u64, count: u64) -> Result<BTreeMap<&'static str, u64>, Box<Failure>> {
    let next = AtomicU64::new(from);
    let met: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let failed: Mutex<Option<Box<Failure>>> = Mutex::default();
    let work = || {
        while failed.lock().unwrap().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return;
            }
            let plan = Plan::of_kind(kind, seed);
            let outcome = run(&plan).and_then(|outcome| match seed.is_multiple_of(TWICE) && run(&plan)? != outcome {
                true => Err(Box::new(Failure {
                    plan: plan.clone(),
                    step: plan.steps,
                    what: "not the same twice".to_owned(),
                    trace: Vec::new(),
                })),
                false => Ok(outcome),
            });
            match outcome {
                Ok(outcome) => {
                    let mut met = met.lock().unwrap();
                    outcome.met.into_iter().for_each(|(what, times)| *met.entry(what).or_default() += times);
                }
                Err(failure) => *failed.lock().unwrap() = Some(failure),
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    match failed.into_inner().unwrap() {
        Some(failure) => Err(shrink(failure, 200)),
        None => Ok(met.into_inner().unwrap()),
    }
}

/// Runs the seeds that the environment names, or so many; each of these things must have come to pass often enough.
fn prove(kind: Kind, seeds: u64, covered: &[(&str, u64)]) {
    let count = variable("LASTMILE_SIMULATED").map_or(seeds, |text| text.parse().unwrap());
    let from = variable("LASTMILE_FROM").map_or(0, |text| text.parse().unwrap());
    let begun = Instant::now();
    let met = histories(kind, from, count).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    println!("{count} histories from seed {from} in {:.1} s, 0 failures", begun.elapsed().as_secs_f64());
    for (what, times) in &met {
        println!("{times:>10} {what}");
    }
    for (what, least) in covered.iter().filter(|_| count >= 500) {
        let times = met.get(what).copied().unwrap_or(0);
        assert!(times * 1_000 >= least * count, "too seldom to prove anything: {what}, {times} times");
    }
}

#[test]
fn nothing_is_lost_and_everybody_ends_up_with_the_same() {
    prove(Kind::Community, SEEDS, &COVERED);
}

#[test]
fn nobody_holds_or_hides_what_the_office_does_not_say() {
    prove(Kind::City, CITIES, &COVERED_IN_CITIES);
}

/// Histories that failed once: their world and seed, how many steps they had, and those of them that it took.
const FOUND: [(Kind, u64, u32, &[u32]); 6] = [
    // A copy of a revoked device kept all that it held: it went on as an author that the office had never certified.
    (Kind::City, 6, 27, &[2, 6]),
    // What a copy had not sent from where its device had been could not be brought, for the author it went on as was never to be there.
    (Kind::City, 100, 16, &[1, 8, 9, 14]),
    // A copy of a revoked device held less of its log than the relay, and the receipt of what lay beyond said nothing to it.
    (Kind::City, 141, 30, &[1, 6, 10, 12]),
    // A device that was sent elsewhere while nothing else happened where it was held the same as the relay, and was told nothing.
    (Kind::City, 309, 12, &[2, 6, 11]),
    // A device that was given a community held the same as the relay of the rest, and was told nothing.
    (Kind::City, 277, 31, &[12, 18]),
    // A revocation by an office that began after the backup did not end the certificate again, for nobody knew that office any more.
    (Kind::City, 355, 30, &[1, 5, 14, 18]),
];

#[test]
fn what_failed_once_holds() {
    for (kind, seed, steps, only) in FOUND {
        let plan = Plan { kind, seed, steps, only: Some(only.iter().copied().collect()) };
        run(&plan).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    }
}

/// The kind of world that the environment names.
fn world() -> Kind {
    if variable("LASTMILE_WORLD").is_some_and(|text| text == "city") { Kind::City } else { Kind::Community }
}

#[test]
#[ignore = "replays one seed: LASTMILE_SEED=7, and LASTMILE_STEPS=1,5,9 for some of its steps"]
fn one_seed() {
    let seed = variable("LASTMILE_SEED").unwrap().parse().unwrap();
    let only = variable("LASTMILE_STEPS").map(|text| text.split(',').map(|step| step.parse().unwrap()).collect());
    match run(&Plan { only, ..Plan::of_kind(world(), seed) }) {
        Ok(outcome) => println!("seed {seed} holds: {:?}", outcome.met),
        Err(failure) => panic!("\n{failure}\n"),
    }
}

#[test]
#[ignore = "run by the planted faults in a process of its own"]
fn until_it_fails() {
    until_one_fails(Kind::Community);
}

#[test]
#[ignore = "run by the planted faults in a process of its own"]
fn until_a_city_fails() {
    until_one_fails(Kind::City);
}

fn until_one_fails(kind: Kind) {
    let begun = Instant::now();
    let from: u64 = variable("LASTMILE_FROM").map_or(0, |text| text.parse().unwrap());
    for seed in from..from + SEEDS {
        if let Err(failure) = run(&Plan::of_kind(kind, seed)) {
            assert!(lastmile_model::planted::times_met() > 0, "it never came to bear: {}", failure.what);
            println!("caught: seed {seed} after {} ms: {}", begun.elapsed().as_millis(), failure.what);
            return;
        }
    }
    panic!(
        "nothing noticed in {SEEDS} seeds from {from}, though it came to bear {} times",
        lastmile_model::planted::times_met()
    );
}
