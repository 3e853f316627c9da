//! Exports open in Automerge and show what the evaluation shows.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc};
use lastmile_crdt::{ConflictKind, Edit, ExportError, Known, evaluate, export_document};
use lastmile_model::Value;

use crate::support::build::{Draft, author};
use crate::support::oracle;
use crate::support::story::{Plot, Story};

/// What an evaluation as registers and a document both say: each key with the value that shows and all that stand.
type View = BTreeMap<String, (Value, Vec<Value>)>;

fn of_document(document: &Automerge) -> View {
    let view = oracle::keys(document).into_iter().map(|key| {
        let standing: Vec<Value> = oracle::standing_raw(document, &key).into_iter().map(|(value, ..)| value).collect();
        let shown = standing.last().cloned().unwrap();
        // Where all are equal the evaluation says it once.
        let differ = standing.iter().any(|value| *value != standing[0]);
        (key, (shown, if differ { standing } else { Vec::new() }))
    });
    view.collect()
}

/// The same from an evaluation without a record type; events read as they show there, so they are left out.
fn of_record(known: &[Known<'_>]) -> View {
    let record = evaluate(None, known);
    let view = record.values.iter().map(|(key, shown)| {
        let conflict = record.conflicts.iter().find(|conflict| conflict.field == *key);
        let sides = conflict
            .filter(|conflict| conflict.kind == ConflictKind::Listed)
            .map(|conflict| conflict.candidates.iter().filter_map(|side| side.value.cloned()).collect::<Vec<_>>());
        let standing = sides.filter(|sides| sides.iter().any(|value| *value != sides[0])).unwrap_or_default();
        ((*key).to_owned(), (shown.value.clone(), standing))
    });
    view.collect()
}

#[test]
fn exports_show_what_the_evaluation_shows() {
    let mut originals = 0;
    let mut rewritten = 0;
    for seed in 0..1_500 {
        let story = Story::tell(seed);
        let known = story.known();
        let changes: Vec<(&[u8], Known<'_>)> =
            story.bytes.iter().map(Vec::as_slice).zip(known.iter().copied()).collect();
        let exported = match export_document(&changes) {
            Ok(exported) => exported,
            Err(ExportError::Empty) => {
                assert!(known.iter().all(|known| known.change.is_none()));
                continue;
            }
            Err(error) => panic!("seed {seed}: {error:?}"),
        };
        let document = Automerge::load(&exported.bytes).unwrap();
        let mut found = of_document(&document);
        found.retain(|key, _| !key.starts_with("ev/"));
        // A careless history may be original and yet stand otherwise: Automerge knows named predecessors alone.
        if story.plot != Plot::Careless || !exported.original {
            assert_eq!(found, of_record(&known), "seed {seed}");
        }
        assert_eq!(exported.original, is_original(&story, &document), "seed {seed}");
        assert_eq!(export_document(&changes).unwrap(), exported, "seed {seed}: the same each time");
        originals += u32::from(exported.original);
        rewritten += u32::from(!exported.original);
    }
    println!("{originals} original, {rewritten} re-encoded");
    assert!(originals > 300 && rewritten > 100);
}

fn is_original(story: &Story, document: &Automerge) -> bool {
    let has = |hash: [u8; 32]| document.get_change_by_hash(&automerge::ChangeHash(hash)).is_some();
    story.changes.iter().all(|change| has(change.hash.0))
}

#[test]
fn plain_records_export_their_original_changes() {
    let story = (0..).map(Story::tell).find(|story| story.plot == Plot::Plain && story.changes.len() > 5).unwrap();
    let known = story.known();
    let changes: Vec<(&[u8], Known<'_>)> = story.bytes.iter().map(Vec::as_slice).zip(known).collect();
    let exported = export_document(&changes).unwrap();
    assert!(exported.original);
    let document = Automerge::load(&exported.bytes).unwrap();
    let mut theirs: Vec<Vec<u8>> = document.get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect();
    let mut ours = story.bytes.clone();
    theirs.sort();
    ours.sort();
    assert_eq!(theirs, ours);
}

#[test]
fn a_fork_is_exported_under_actors_of_its_own() {
    let mut draft = Draft::new();
    draft.change(5, &[], &[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "left")]);
    draft.change(1, &[0], &[Edit::set("note", "right")]);
    let known = draft.known();
    let bytes: Vec<Vec<u8>> =
        draft.changes.iter().map(|change| lastmile_crdt::encode(&change.parts()).unwrap().bytes).collect();
    let changes: Vec<(&[u8], Known<'_>)> = bytes.iter().map(Vec::as_slice).zip(known.iter().copied()).collect();
    let exported = export_document(&changes).unwrap();
    assert!(!exported.original);
    let document = Automerge::load(&exported.bytes).unwrap();
    let standing = oracle::standing_raw(&document, "note");
    assert_eq!(standing.len(), 2);
    assert!(
        standing.iter().all(|(_, counter, actor)| *counter == 2 && actor[..16] == author(1).0 && actor.len() == 48)
    );
    assert_eq!(Some(&standing[1].0), evaluate(None, &known).value("note"));
}

#[test]
fn an_erased_record_has_no_document() {
    let mut draft = Draft::new();
    draft.change(1, &[], &[Edit::set("note", "n")]);
    draft.hide(0);
    let known = draft.known();
    assert!(matches!(export_document(&[(&[], known[0])]), Err(ExportError::Empty)));
}
