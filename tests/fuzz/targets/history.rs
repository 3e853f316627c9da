//! Several changes of one record, each on what went before: admission, evaluation and export of hostile histories.
//!
//! An input is a list of changes, each with a two-byte length; a change of odd place in the first byte's bits is hidden.
//! Laws: the evaluation does not depend on order; a history exports, and Automerge shows of it what we show.

use std::borrow::Cow;
use std::collections::HashMap;

use lastmile_crdt::{
    Base, Change, ChangeHeader, Edit, HeaderInRecord, Known, admit, decode, encode, evaluate, make_change,
};
use lastmile_model::{Catalogue, ChangeHash};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::mutate::{Random, join, shuffle, split};
use crate::oracle::author;
use crate::targets::change::RECORD;
use crate::{change_form, cost, oracle, tally};

/// The most changes of one input.
const MAX_CHANGES: usize = 40;

/// Admits the changes one after the other and evaluates them together.
pub fn run(data: &[u8]) {
    let Some((hidden, list)) = data.split_first() else { return };
    let mut headers: HashMap<ChangeHash, ChangeHeader> = HashMap::new();
    let mut accepted: Vec<(Vec<u8>, Change, bool)> = Vec::new();
    for (place, bytes) in split(list).into_iter().take(MAX_CHANGES).enumerate() {
        let Ok(change) = cost::of(|| decode(&bytes)) else { continue };
        let lookup = |hash: &ChangeHash| {
            headers.get(hash).map(|header| HeaderInRecord { record: RECORD, header: Cow::Borrowed(header) })
        };
        if headers.contains_key(&change.hash)
            || cost::of(|| admit(&change.header(), &change.preds(), RECORD, &lookup)).is_err()
        {
            continue;
        }
        headers.insert(change.hash, change.header());
        let shows = hidden >> (place % 8) & 1 == 0;
        accepted.push((bytes, change, shows));
    }
    if accepted.is_empty() {
        return;
    }
    tally::note("any admitted");
    if accepted.len() > 3 {
        tally::note("four or more admitted");
    }
    let known: Vec<Known<'_>> = accepted
        .iter()
        .map(|(_, change, shows)| if *shows { Known::visible(change) } else { Known::visible(change).hide() })
        .collect();
    let backwards: Vec<Known<'_>> = known.iter().rev().copied().collect();
    let types = [None, Catalogue::builtin().get("activity").map(|(_, found)| found)];
    for record_type in types {
        let one = cost::of(|| evaluate(record_type, &known));
        let other = evaluate(record_type, &backwards);
        assert_eq!((&one.heads, &one.sets, &one.incomplete), (&other.heads, &other.sets, &other.incomplete));
        assert_eq!(one.conflicts.len(), other.conflicts.len());
        assert_eq!(one.values.len(), other.values.len());
        for (key, shown) in &one.values {
            assert_eq!((shown.value, shown.op), (other.values[key].value, other.values[key].op), "{key}");
        }
        let events = |record: &lastmile_crdt::Record<'_>| {
            record.events.iter().map(|event| (event.id, event.op, format!("{:?}", event.parts))).collect::<Vec<_>>()
        };
        assert_eq!(events(&one), events(&other));
    }
    let all: Vec<(&[u8], &Change, bool)> =
        accepted.iter().map(|(bytes, change, shows)| (bytes.as_slice(), change, *shows)).collect();
    oracle::check(&all);
}

/// A plain history from a seed: three authors who edit one record and do not always know of each other.
pub fn story(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Random::seed_from_u64(seed);
    let mut bytes: Vec<Vec<u8>> = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    for step in 0..6_usize {
        let known: Vec<Known<'_>> =
            changes.iter().take(if rng.random() { step } else { step / 2 }).map(Known::visible).collect();
        let edits: Vec<Edit> = if step == 0 {
            vec![
                Edit::set("id", lastmile_model::Value::reference(RECORD)),
                Edit::set("type", "activity"),
                Edit::set("title", "清洁日"),
                Edit::set("beneficiaries", 20),
                Edit::set("tags/a", true),
            ]
        } else {
            let event = format!("ev/{:032x}", seed + step as u64);
            let all = [
                Edit::set("title", format!("第{step}次")),
                Edit::remove("tags/a"),
                Edit::set("tags/b", true),
                Edit::set("beneficiaries", i64::try_from(step).unwrap() * 300),
                Edit::set(format!("{event}/kind"), "verify"),
                Edit::set(format!("{event}/on"), "2025-03-05"),
                Edit::set("note", lastmile_model::Value::Bytes(vec![7; step])),
            ];
            let count = rng.random_range(1..4);
            all.choose_multiple(&mut rng, count).cloned().collect()
        };
        let salt = (seed % 2 == 1).then(|| rng.random());
        let base = Base { changes: &known, own_last: None };
        // An author goes on only where its last change is known, or it would fork.
        let actor = author(1 + u8::try_from((seed + step as u64) % 3).unwrap());
        let Ok(made) = make_change(&base, actor, 1_764_000_000 + rng.random_range(0..9_000), salt, &edits) else {
            continue;
        };
        bytes.push(made.encoded.bytes);
        changes.push(made.change);
    }
    bytes
}

/// Histories, some with hidden changes.
pub fn seeds() -> Vec<Vec<u8>> {
    (0..24).map(|seed| [vec![if seed % 3 == 0 { 0b0010_0100 } else { 0 }], join(&story(seed))].concat()).collect()
}

/// Mutates one change, makes a new one on others, or changes the order.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let (hidden, list) = data.split_first().unwrap_or((&0, &[]));
    let mut hidden = *hidden;
    let mut parts = split(list);
    match rng.random_range(0..10) {
        0 => hidden = if rng.random() { 0 } else { rng.random() },
        1 => shuffle(&mut parts, rng),
        2 if !parts.is_empty() => {
            let place = rng.random_range(0..parts.len());
            parts[place] = change_form::mutate(&parts[place], rng);
        }
        3 => {
            let seed = rng.random_range(0..24);
            parts.extend(story(seed));
        }
        _ => grow(&mut parts, rng),
    }
    parts.truncate(MAX_CHANGES);
    [vec![hidden], join(&parts)].concat()
}

/// Adds a change that builds on others, proper or careless.
fn grow(parts: &mut Vec<Vec<u8>>, rng: &mut Random) {
    let changes: Vec<Change> = parts.iter().filter_map(|bytes| decode(bytes).ok()).collect();
    let knows: Vec<&Change> = changes.iter().filter(|_| rng.random_bool(0.8)).collect();
    // Whoever knows a change knows its ancestors.
    let mut within: Vec<&Change> = Vec::new();
    let mut open: Vec<ChangeHash> = knows.iter().map(|change| change.hash).collect();
    while let Some(hash) = open.pop() {
        if within.iter().all(|change| change.hash != hash) {
            let Some(change) = changes.iter().find(|change| change.hash == hash) else { continue };
            within.push(change);
            open.extend(&change.deps);
        }
    }
    let known: Vec<Known<'_>> = within.iter().map(|change| Known::visible(change)).collect();
    let edits: Vec<Edit> = (0..rng.random_range(1..5))
        .map(|_| {
            if rng.random_bool(0.2) {
                Edit::remove(change_form::key(rng))
            } else {
                Edit::set(change_form::key(rng), change_form::value(rng))
            }
        })
        .collect();
    let salt = rng.random_bool(0.3).then(|| rng.random());
    let base = Base { changes: &known, own_last: None };
    let time = crate::mutate::signed_number(rng) >> 10;
    let Ok(made) = make_change(&base, author(rng.random_range(1..5)), time, salt, &edits) else { return };
    let mut change = made.change;
    let careless = *[0, 0, 1, 2].choose(rng).unwrap();
    let past: Vec<Change> = within.into_iter().cloned().collect();
    for _ in 0..careless {
        let (seq, start_op) = (change.seq, change.start_op);
        change_form::mutate_meaning(&mut change, &past, rng);
        // Wrong counters are soon refused: keep them right more often than not.
        if rng.random_bool(0.9) {
            (change.seq, change.start_op) = (seq, start_op);
        }
    }
    if let Ok(encoded) = encode(&change.parts()) {
        parts.push(encoded.bytes);
    }
}
