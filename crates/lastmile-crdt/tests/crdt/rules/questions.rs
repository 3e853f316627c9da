//! `Q` fields: conflicts that a person decides, verified values, corrections.

use lastmile_crdt::{ConflictKind, Edit};
use lastmile_model::Value;

use super::{begun, some, with};
use crate::support::build::{candidates, conflict, evaluated, event};

#[test]
fn q_two_creations_with_differing_minutes_are_held_and_show_the_lowest() {
    let mut draft = begun(&[Edit::set("served", 35)]);
    draft.change(2, &[], &[Edit::set("served", 20)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(20)));
    let conflict = conflict(&record, "served").unwrap();
    assert_eq!((conflict.kind, conflict.base), (ConflictKind::Held, None));
    assert!(conflict.kind.is_held());
    assert_eq!(candidates(conflict), [some(20), some(35)]);
}

#[test]
fn q_equal_concurrent_values_stay_one_value() {
    let mut draft = begun(&[Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::set("served", 20)]);
    draft.change(2, &[0], &[Edit::set("served", 20)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(20)));
    assert!(record.conflicts.is_empty());
}

#[test]
fn q_a_decision_settles_the_conflict() {
    let mut draft = begun(&[Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::set("served", 20)]);
    draft.change(2, &[0], &[Edit::set("served", 35)]);
    draft.change(3, &[1, 2], &[Edit::set("served", 35)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(35)));
    assert!(record.conflicts.is_empty());
}

#[test]
fn q_a_clearing_beside_a_value_is_held() {
    let mut draft = begun(&[Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::remove("served")]);
    draft.change(2, &[0], &[Edit::set("served", 35)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(35)));
    let conflict = conflict(&record, "served").unwrap();
    assert_eq!((conflict.kind, candidates(conflict)), (ConflictKind::Held, vec![None, some(35)]));
}

#[test]
fn q_verified_beside_an_edit_stands_and_the_edit_becomes_a_correction() {
    // The secretary verifies while a worker edits the date.
    let mut draft = begun(&[Edit::set("held_on", "2026-11-22")]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[0], &[Edit::set("held_on", "2026-11-23")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("held_on"), Some(&"2026-11-22".into()));
    assert_eq!(record.values["held_on"].by, 0);
    let conflict = conflict(&record, "held_on").unwrap();
    assert_eq!((conflict.kind, candidates(conflict)), (ConflictKind::Correction, vec![some("2026-11-23")]));
    assert_eq!((conflict.shown, conflict.base), (Some(&"2026-11-22".into()), Some(&"2026-11-22".into())));
}

#[test]
fn q_an_edit_after_a_verification_is_a_correction_until_accepted() {
    let mut draft = begun(&[Edit::set("served", 20)]);
    draft.change(1, &[0], &event(1, "verify"));
    let edit = draft.change(2, &[1], &[Edit::set("served", 35)]);
    {
        let known = draft.known();
        let record = evaluated(&known);
        assert_eq!(record.value("served"), Some(&Value::Int(20)));
        assert_eq!(conflict(&record, "served").unwrap().kind, ConflictKind::Correction);
    }
    draft.change(1, &[edit], &event(2, "accept"));
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(35)));
    assert!(record.conflicts.is_empty());
}

#[test]
fn q_a_rejected_correction_is_gone_for_later_verifications_too() {
    let mut draft = begun(&[Edit::set("served", 20)]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[1], &[Edit::set("served", 35)]);
    draft.change(1, &[2], &event(2, "reject"));
    {
        let known = draft.known();
        let record = evaluated(&known);
        assert_eq!(record.value("served"), Some(&Value::Int(20)));
        assert!(record.conflicts.is_empty());
    }
    draft.change(1, &[3], &event(3, "verify"));
    {
        let known = draft.known();
        assert_eq!(evaluated(&known).value("served"), Some(&Value::Int(20)));
    }
    // A new edit is a new correction.
    draft.change(2, &[4], &[Edit::set("served", 36)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(candidates(conflict(&record, "served").unwrap()), [some(36)]);
}

#[test]
fn q_clearing_a_verified_value_is_a_correction() {
    let mut draft = begun(&[Edit::set("served", 20)]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[1], &[Edit::remove("served")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(20)));
    assert_eq!(candidates(conflict(&record, "served").unwrap()), [None]);
}

#[test]
fn q_a_first_value_after_a_verification_is_a_correction() {
    let mut draft = begun(&[Edit::set("note", "n")]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[1], &[Edit::set("served", 20)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), None);
    let conflict = conflict(&record, "served").unwrap();
    assert_eq!((conflict.kind, conflict.shown), (ConflictKind::Correction, None));
}

#[test]
fn q_writing_the_verified_value_again_is_no_correction() {
    let mut draft = begun(&[Edit::set("served", 20)]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[1], &[Edit::set("served", 20)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert!(record.conflicts.is_empty());
    assert_eq!(record.value("served"), Some(&Value::Int(20)));
}

#[test]
fn q_a_verification_vouches_for_the_values_of_its_own_change() {
    let edits = with(event(1, "verify"), &[Edit::set("served", 20)]);
    let mut draft = begun(&edits);
    draft.change(2, &[0], &[Edit::set("served", 35)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(20)));
    assert_eq!(conflict(&record, "served").unwrap().kind, ConflictKind::Correction);
}

#[test]
fn q_a_verification_with_an_open_conflict_leaves_the_choice_open() {
    let mut draft = begun(&[Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::set("served", 20)]);
    draft.change(2, &[0], &[Edit::set("served", 35)]);
    draft.change(3, &[1, 2], &event(1, "verify"));
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(20)), "the lowest, as it showed");
    assert_eq!(conflict(&record, "served").unwrap().kind, ConflictKind::Held);
}

#[test]
fn q_an_open_conflict_keeps_the_value_that_was_verified_before_if_it_stands() {
    // 35 was verified; beside it, unseen, 20 has the lower operation. A second verification that sees both keeps 35.
    let mut draft = begun(&[Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::set("served", 20)]);
    draft.change(2, &[0], &[Edit::set("served", 35)]);
    draft.change(2, &[2], &event(1, "verify"));
    {
        let known = draft.known();
        let record = evaluated(&known);
        assert_eq!(record.value("served"), Some(&Value::Int(35)), "verified beats lowest");
        assert_eq!(candidates(conflict(&record, "served").unwrap()), [some(20)]);
    }
    draft.change(3, &[1, 3], &event(2, "verify"));
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(35)));
    assert_eq!(conflict(&record, "served").unwrap().kind, ConflictKind::Held);
}

#[test]
fn q_of_concurrent_verifications_the_lowest_decides() {
    let mut draft = begun(&[Edit::set("served", 10)]);
    let edit = draft.change(3, &[0], &[Edit::set("served", 20)]);
    draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[edit], &event(2, "verify"));
    let known = draft.known();
    let record = evaluated(&known);
    // Author 1's verification has the lower operation; it has not seen the edit.
    assert_eq!(record.value("served"), Some(&Value::Int(10)));
    assert_eq!(conflict(&record, "served").unwrap().kind, ConflictKind::Correction);
}

#[test]
fn q_a_quarantined_verification_vouches_for_nothing() {
    let mut draft = begun(&[Edit::set("served", 20)]);
    let verification = draft.change(1, &[0], &event(1, "verify"));
    draft.change(2, &[1], &[Edit::set("served", 35)]);
    draft.hide(verification);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("served"), Some(&Value::Int(35)));
    assert!(record.conflicts.is_empty() && record.events.is_empty());
}
