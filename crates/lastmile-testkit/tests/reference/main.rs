//! The engine's evaluation of a record against the reference model, over random histories.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod histories;

use std::collections::{BTreeMap, BTreeSet};

use histories::{History, SCOPE, val};
use lastmile_crdt::{ConflictKind, Record, evaluate};
use lastmile_model::Catalogue;
use lastmile_model::states::{Folded, Machine, StateEvent};
use lastmile_testkit::reference::{self, Field, Letters, Val};

/// How many histories the test compares.
const HISTORIES: u64 = 4_000;

/// I fields in which the engine lists no differences, since every second first change of a derived id has them.
const UNLISTED: [&str; 4] = ["created_at", "created_by", "device", "schema_v"];

fn letters() -> Letters {
    Letters::read([
        include_str!("../../../../schema/records/activity.toml"),
        include_str!("../../../../schema/records/check_in.toml"),
        include_str!("../../../../schema/records/person.toml"),
    ])
}

#[test]
fn evaluation_agrees_with_the_reference_model() {
    let letters = letters();
    let mut met = Met::default();
    for seed in 0..HISTORIES {
        compare(seed, &letters, &mut met);
    }
    // What never happens proves nothing.
    let Met { conflicts, corrections, opposed, hidden, incomplete } = met;
    assert!(conflicts > HISTORIES / 4 && corrections > HISTORIES / 10 && opposed > HISTORIES / 50);
    assert!(hidden > HISTORIES / 4 && incomplete > HISTORIES / 50);
}

/// How often the histories met what is worth comparing.
#[derive(Default)]
struct Met {
    conflicts: u64,
    corrections: u64,
    opposed: u64,
    hidden: u64,
    incomplete: u64,
}

fn compare(seed: u64, letters: &Letters, met: &mut Met) {
    let history = History::random(seed);
    let kind = history.record_type;
    let (_, record_type) = Catalogue::builtin().get(kind).unwrap();
    let known = history.known();
    let engine = evaluate(Some(record_type), &known);
    let views = reference::evaluate(&history.commits(), letters);
    let visible = known.iter().filter(|known| known.change.is_some()).count() as u64;
    assert_eq!(views.counts.get(&reference::State::Applied), (visible > 0).then_some(&visible), "seed {seed}");
    let model = &views.records[&(SCOPE.to_owned(), kind.to_owned(), histories::RECORD)];

    assert_eq!(values(&engine), shown(model), "seed {seed}");
    let sets = engine.sets.iter().map(|(name, elements)| (text(name), elements.iter().map(text).collect()));
    assert_eq!(sets.collect::<BTreeMap<String, BTreeSet<String>>>(), model.sets, "seed {seed}");
    let missing: BTreeSet<&str> = engine.incomplete.iter().copied().collect();
    assert_eq!(missing, model.missing.iter().map(String::as_str).collect(), "seed {seed}");
    assert_eq!(missing.is_empty(), model.row, "seed {seed}");
    let events = engine.events.iter().map(|event| {
        let parts = event.parts.iter().map(|(part, value)| (text(part), val(value))).collect();
        (event.id.simple().to_string(), parts)
    });
    let model_events = model.events.iter().map(|(id, event)| (id.clone(), event.parts.clone()));
    assert_eq!(events.collect::<BTreeMap<_, BTreeMap<_, _>>>(), model_events.collect(), "seed {seed}");

    let listed = |of: ConflictKind| -> BTreeSet<&str> {
        engine.conflicts.iter().filter(|one| one.kind == of).map(|one| one.field).collect()
    };
    let fields = |of: &dyn Fn(&str, &Field) -> bool| -> BTreeSet<&str> {
        model.fields.iter().filter(|(name, field)| of(name, field)).map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(listed(ConflictKind::Correction), fields(&|_, field| field.correction), "seed {seed}");
    let question = |name: &str, field: &Field| letters.letter(kind, name) == 'Q' && field.conflict && !field.correction;
    assert_eq!(listed(ConflictKind::Held), fields(&question), "seed {seed}");
    let differs =
        |name: &str, field: &Field| letters.letter(kind, name) == 'I' && field.conflict && !UNLISTED.contains(&name);
    let mut immutable = listed(ConflictKind::Immutable);
    immutable.retain(|name| !name.starts_with("ev/"));
    assert_eq!(immutable, fields(&differs), "seed {seed}");

    let opposed = kind != "person" && states_agree(seed, kind, &engine, model);
    met.conflicts += u64::from(!engine.conflicts.is_empty());
    met.corrections += u64::from(!listed(ConflictKind::Correction).is_empty());
    met.opposed += u64::from(opposed);
    met.hidden += u64::from(visible < known.len() as u64);
    met.incomplete += u64::from(!missing.is_empty());
}

fn text(text: impl AsRef<str>) -> String {
    text.as_ref().to_owned()
}

fn values(engine: &Record<'_>) -> BTreeMap<String, Val> {
    engine.values.iter().map(|(name, shown)| (text(name), val(shown.value))).collect()
}

fn shown(model: &reference::Record) -> BTreeMap<String, Val> {
    model.fields.iter().filter_map(|(name, field)| Some((name.clone(), field.shown.clone()?))).collect()
}

/// Compares the states, and tells whether a person has to decide about transitions.
fn states_agree(seed: u64, kind: &str, engine: &Record<'_>, model: &reference::Record) -> bool {
    let fold = if kind == "activity" { reference::activity(model) } else { reference::check_in(model) };
    let folded = folded(kind, engine);
    assert_eq!(folded.beneath, fold.state, "seed {seed}");
    assert_eq!(folded.state == "duplicate", fold.duplicate_of.is_some(), "seed {seed}");
    assert_eq!(!folded.open_transition.is_empty(), fold.opposed, "seed {seed}");
    // What becomes of days when one of two opposed transitions is overruled is written nowhere.
    if engine.events.iter().enumerate().all(|(place, event)| event.after.len() == place) {
        let confirmed = fold.history.iter().filter(|(state, _)| *state == "confirmed").map(|(_, on)| on.clone());
        assert_eq!(folded.first_confirmed.map(|day| day.to_string()), confirmed.min(), "seed {seed}");
    }
    fold.opposed
}

fn folded(kind: &str, engine: &Record<'_>) -> Folded {
    let events: Vec<StateEvent<'_>> = engine
        .events
        .iter()
        .map(|event| StateEvent {
            kind: event.kind().unwrap_or_default(),
            on: event.parts.get("on").and_then(|on| on.as_str()).and_then(|on| on.parse().ok()),
            to: event.parts.get("to").copied(),
            change: event.by,
            after: &event.after,
        })
        .collect();
    Machine::named(kind).unwrap().fold(&events)
}
