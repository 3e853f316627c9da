//! Histories at random against Automerge, the reference model and the merge laws.
//!
//! `LASTMILE_HISTORIES=100000` tells more stories than the default.

use lastmile_crdt::{Known, evaluate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::support::build::{drill, evaluated};
use crate::support::model::{Bug, Model, Snapshot};
use crate::support::story::{Plot, Story, Traits};

fn subject(known: &[Known<'_>]) -> Snapshot {
    Snapshot::of(&evaluated(known), known)
}

/// Everything that must hold for one story.
fn check(story: &Story, subject: impl Fn(&[Known<'_>]) -> Snapshot) -> Result<(), String> {
    let seed = story.seed;
    story.check_oracle(&subject)?;
    let known = story.known();
    let expected = Model::new(&known, Bug::None).snapshot();
    let found = subject(&known);
    if found != expected {
        return Err(format!("seed {seed}: {}", difference(&found, &expected)));
    }
    // Whatever the order, and given twice.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = known.clone();
    for round in 0..3 {
        shuffled.shuffle(&mut rng);
        if round == 2 {
            shuffled.extend_from_within(..shuffled.len() / 2);
        }
        if subject(&shuffled) != found {
            return Err(format!("seed {seed}: the order matters"));
        }
    }
    Ok(())
}

fn difference(found: &Snapshot, expected: &Snapshot) -> String {
    if found.values != expected.values {
        return format!("values {:#?} instead of {:#?}", found.values, expected.values);
    }
    if found.conflicts != expected.conflicts {
        return format!("conflicts {:#?} instead of {:#?}", found.conflicts, expected.conflicts);
    }
    format!("{found:#?} instead of {expected:#?}")
}

fn histories() -> u64 {
    std::env::var("LASTMILE_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000)
}

#[test]
fn evaluation_agrees_with_automerge_and_the_model() {
    let count = histories();
    let mut seen = [0_u64; 7];
    let mut conflicts = 0_u64;
    for seed in 0..count {
        let story = Story::tell(seed);
        if let Err(error) = check(&story, subject) {
            panic!("{error}");
        }
        let known = story.known();
        conflicts += u64::from(!evaluate(Some(drill()), &known).conflicts.is_empty());
        let Traits { same_field, created_twice, deletes, deep, forked, hidden, verified } = story.traits();
        let traits = [same_field, created_twice, deletes, deep, forked, hidden, verified];
        seen.iter_mut().zip(traits).for_each(|(count, has)| *count += u64::from(has));
    }
    let floors = [
        ("same field concurrently", 20),
        ("created twice", 10),
        ("with deletions", 20),
        ("5 changes deep or more", 30),
        ("with a fork", 5),
        ("with hidden changes", 10),
        ("with a verification", 20),
    ];
    println!("{count} histories, {} % with a conflict", conflicts * 100 / count);
    for ((what, floor), seen) in floors.into_iter().zip(seen) {
        println!("{:>3} % {what} (at least {floor} %)", seen * 100 / count);
        assert!(count < 100 || seen * 100 >= floor * count, "the histories cover too little: {what}");
    }
}

#[test]
fn planted_bugs_are_found_within_1000_histories() {
    let bugs = [Bug::LowestRegister, Bug::NoCausalSupersession, Bug::NoVerification, Bug::HashReversed];
    for bug in bugs {
        let planted = |known: &[Known<'_>]| Model::new(known, bug).snapshot();
        let found = (0..1_000).find(|seed| check(&Story::tell(*seed), planted).is_err());
        println!("{bug:?} shows at history {found:?}");
        assert!(found.is_some(), "{bug:?} goes unnoticed");
    }
    // Automerge alone finds a wrong register, without the model.
    let planted = |known: &[Known<'_>]| Model::new(known, Bug::LowestRegister).snapshot();
    let found = (0..1_000).find(|seed| Story::tell(*seed).check_oracle(planted).is_err());
    assert!(found.is_some());
}

#[test]
fn merging_is_commutative_associative_and_idempotent() {
    // Merging is the union of change sets; what is merged is evaluated in the order that the merge gives.
    for seed in 0..300 {
        let story = Story::tell(seed);
        let known = story.known();
        let third = known.len().div_ceil(3);
        let parts: Vec<&[Known<'_>]> = known.chunks(third).collect();
        let union = |sets: &[&[Known<'_>]]| {
            let all: Vec<Known<'_>> = sets.concat();
            Snapshot::of(&evaluated(&all), &all)
        };
        let (a, b, c) = (parts[0], parts.get(1).copied().unwrap_or(&[]), parts.get(2).copied().unwrap_or(&[]));
        let expected = union(&[a, b, c]);
        assert_eq!(union(&[c, b, a]), expected, "seed {seed}: commutes");
        assert_eq!(union(&[b, c, a]), expected, "seed {seed}: associates");
        assert_eq!(union(&[a, b, c, a, b, c]), expected, "seed {seed}: is idempotent");
    }
}

#[test]
fn a_later_state_contains_the_earlier() {
    // Adding changes never loses a visible operation silently: what does not show is superseded, listed or an equal.
    for seed in (0..300).filter(|seed| Story::tell(*seed).plot == Plot::Plain) {
        let story = Story::tell(seed);
        let known = story.known();
        let record = evaluate(None, &known);
        for change in &story.changes {
            let is_head = record.heads.contains(&change.hash);
            for op in &change.ops {
                let lastmile_crdt::Action::Set(value) = &op.action else { continue };
                let shown = record.value(&op.key) == Some(value);
                let listed = record.conflicts.iter().any(|conflict| {
                    conflict.field == op.key && conflict.candidates.iter().any(|side| side.value == Some(value))
                });
                let is_event = op.key.starts_with("ev/");
                assert!(!is_head || shown || listed || is_event, "seed {seed}: {} of a head is lost", op.key);
            }
        }
    }
}
