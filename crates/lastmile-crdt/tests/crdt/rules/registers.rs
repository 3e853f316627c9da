//! `I` and `R` fields.

use lastmile_crdt::{ConflictKind, Edit};
use lastmile_model::Value;

use super::{begun, some};
use crate::support::build::{candidates, conflict, evaluated};

#[test]
fn r_shows_the_highest_of_concurrent_values_and_lists_the_others() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "of 1")]);
    draft.change(2, &[0], &[Edit::set("note", "of 2")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"of 2".into()));
    let conflict = conflict(&record, "note").unwrap();
    assert_eq!(conflict.kind, ConflictKind::Listed);
    assert!(!conflict.kind.is_held());
    assert_eq!(candidates(conflict), [some("of 1"), some("of 2")]);
    assert_eq!((conflict.shown, conflict.base), (Some(&"of 2".into()), Some(&"old".into())));
    assert_eq!(record.values["note"].by, 2);
}

#[test]
fn r_on_different_fields_is_no_conflict() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "new")]);
    draft.change(2, &[0], &[Edit::set("venue", "hall")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert!(record.conflicts.is_empty());
    assert_eq!((record.value("note"), record.value("venue")), (Some(&"new".into()), Some(&"hall".into())));
}

#[test]
fn r_equal_concurrent_values_are_no_conflict() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "same")]);
    draft.change(2, &[0], &[Edit::set("note", "same")]);
    let known = draft.known();
    assert!(evaluated(&known).conflicts.is_empty());
}

#[test]
fn r_a_value_beside_a_deletion_shows_and_is_listed() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "new")]);
    draft.change(2, &[0], &[Edit::remove("note")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"new".into()));
    assert_eq!(candidates(conflict(&record, "note").unwrap()), [some("new"), None]);
}

#[test]
fn r_a_deletion_that_settles_a_conflict_is_no_conflict() {
    // What Automerge writes when the value that shows is put again: it deletes the loser alone.
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "loser")]);
    draft.change(2, &[0], &[Edit::set("note", "winner")]);
    let loser = draft.changes[1].op_id(0);
    let mut settle = draft.make(3, &[1, 2], &[Edit::remove("note")]).change;
    settle.ops[0].pred = vec![loser];
    settle.hash = lastmile_crdt::encode(&settle.parts()).unwrap().hash;
    draft.changes.push(settle);
    draft.hidden.push(false);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"winner".into()));
    assert!(record.conflicts.is_empty());
}

#[test]
fn r_a_later_edit_settles_the_conflict() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    draft.change(1, &[0], &[Edit::set("note", "a")]);
    draft.change(2, &[0], &[Edit::set("note", "b")]);
    draft.change(1, &[1, 2], &[Edit::set("note", "c")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"c".into()));
    assert!(record.conflicts.is_empty());
}

#[test]
fn i_shows_the_lowest_of_two_creations_and_lists_the_difference() {
    let mut draft = begun(&[Edit::set("person", "p5"), Edit::set("device", Value::Bytes(vec![5]))]);
    draft.change(2, &[], &[Edit::set("person", "p2"), Edit::set("device", Value::Bytes(vec![2]))]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("person"), Some(&"p2".into()));
    let conflict = conflict(&record, "person").unwrap();
    assert_eq!((conflict.kind, candidates(conflict)), (ConflictKind::Immutable, vec![some("p2"), some("p5")]));
    assert_eq!(record.conflicts.len(), 1, "the device differs, and nobody is asked");
    assert_eq!(record.value("device"), Some(&Value::Bytes(vec![2])));
}

#[test]
fn i_never_lists_when_where_and_by_whom_a_record_was_created() {
    let common = |number: i64| {
        vec![
            Edit::set("created_at", Value::Timestamp(number)),
            Edit::set("created_by", Value::Bytes(vec![number as u8; 16])),
            Edit::set("device", Value::Bytes(vec![number as u8; 16])),
            Edit::set("schema_v", number),
        ]
    };
    let mut draft = begun(&common(1));
    draft.change(2, &[], &common(2));
    let known = draft.known();
    assert!(evaluated(&known).conflicts.is_empty());
}

#[test]
fn i_is_not_changed_by_a_later_write_nor_by_a_deletion() {
    let mut draft = begun(&[Edit::set("person", "first")]);
    draft.change(1, &[0], &[Edit::set("person", "later")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("person"), Some(&"first".into()));
    assert_eq!(conflict(&record, "person").unwrap().kind, ConflictKind::Immutable);
    let mut draft = begun(&[Edit::set("person", "first")]);
    draft.change(1, &[0], &[Edit::remove("person")]);
    let known = draft.known();
    assert_eq!(evaluated(&known).value("person"), Some(&"first".into()));
}

#[test]
fn i_may_be_written_by_a_later_change() {
    let mut draft = begun(&[Edit::set("person", "p")]);
    draft.change(9, &[0], &[Edit::set("receipt_no", "R-1")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("receipt_no"), Some(&"R-1".into()));
    assert!(record.conflicts.is_empty());
}

#[test]
fn a_record_without_its_required_i_fields_is_incomplete() {
    let mut draft = begun(&[Edit::set("person", "p"), Edit::set("note", "n")]);
    draft.change(1, &[0], &[Edit::set("note", "m")]);
    let known = draft.known();
    assert!(!evaluated(&known).incomplete.contains(&"person"));
    draft.hide(0);
    let known = draft.known();
    let record = evaluated(&known);
    assert!(record.incomplete.contains(&"person"));
    assert_eq!(record.value("note"), Some(&"m".into()));
}
