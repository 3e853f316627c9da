//! Events and transitions.

use lastmile_crdt::{ConflictKind, Edit};
use lastmile_model::Value;

use super::{begun, some, with};
use crate::support::build::{candidates, conflict, evaluated, event, event_key};

#[test]
fn e_events_stand_in_causal_order_and_know_their_ancestors() {
    let mut draft = begun(&event(9, "plan"));
    let hold = draft.change(1, &[0], &event(1, "hold"));
    let submit = draft.change(1, &[hold], &event(3, "submit"));
    let beside = draft.change(2, &[0], &event(2, "hold"));
    draft.change(3, &[submit, beside], &event(4, "verify"));
    let known = draft.known();
    let record = evaluated(&known);
    let kinds: Vec<_> = record.events.iter().map(|event| event.kind().unwrap()).collect();
    assert_eq!(kinds, ["plan", "hold", "hold", "submit", "verify"]);
    let after: Vec<&[usize]> = record.events.iter().map(|event| event.after.as_slice()).collect();
    assert_eq!(after, [&[][..], &[0], &[0], &[0, 1], &[0, 1, 2, 3]]);
    assert_eq!(record.events[1].by, hold);
    assert_eq!(record.events[4].parts["on"], &Value::from("2026-11-23"));
}

#[test]
fn e_events_of_one_change_follow_each_other() {
    let edits = with(event(1, "hold"), &with(event(2, "submit"), &event(3, "verify")));
    let single = begun(&edits);
    let mut with_more = single.clone();
    with_more.change(1, &[0], &[Edit::set("note", "n")]);
    for draft in [single, with_more] {
        let known = draft.known();
        let record = evaluated(&known);
        let after: Vec<&[usize]> = record.events.iter().map(|event| event.after.as_slice()).collect();
        assert_eq!(after, [&[][..], &[0], &[0, 1]]);
    }
}

#[test]
fn e_an_event_is_what_its_first_change_wrote_and_cannot_be_rewritten_or_deleted() {
    let mut draft = begun(&event(1, "verify"));
    draft.change(1, &[0], &[Edit::set(event_key(1, "kind"), "cancel"), Edit::set(event_key(1, "why"), "added")]);
    draft.change(2, &[0], &[Edit::remove(event_key(1, "kind"))]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.events.len(), 1);
    assert_eq!(record.events[0].kind(), Some("verify"));
    assert!(!record.events[0].parts.contains_key("why"));
    let listed: Vec<_> = record.conflicts.iter().map(|conflict| (conflict.field, conflict.kind)).collect();
    let (kind, why) = (event_key(1, "kind"), event_key(1, "why"));
    assert_eq!(listed, [(kind.as_str(), ConflictKind::Immutable), (why.as_str(), ConflictKind::Immutable)]);
}

#[test]
fn e_a_restated_event_is_the_same_event() {
    // As an office restates a record: the same event, the same parts, no conflict.
    let mut draft = begun(&event(1, "verify"));
    draft.change(9, &[], &with(event(1, "verify"), &[Edit::set("note", "n")]));
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.events.len(), 1);
    assert!(record.conflicts.is_empty());
}

#[test]
fn e_opposed_concurrent_transitions_are_a_case_for_a_person() {
    let mut draft = begun(&event(1, "submit"));
    draft.change(1, &[0], &event(2, "verify"));
    draft.change(2, &[0], &event(3, "return"));
    {
        let known = draft.known();
        let record = evaluated(&known);
        let conflict = conflict(&record, "state").unwrap();
        assert_eq!(conflict.kind, ConflictKind::Transition);
        assert_eq!(candidates(conflict), [some("verify"), some("return")]);
    }
    // An event that knows both settles it.
    draft.change(3, &[1, 2], &event(4, "verify"));
    let known = draft.known();
    assert!(conflict(&evaluated(&known), "state").is_none());
}

#[test]
fn e_equal_or_successive_transitions_are_no_conflict() {
    let mut draft = begun(&event(1, "submit"));
    draft.change(1, &[0], &event(2, "verify"));
    draft.change(2, &[0], &event(3, "verify"));
    let known = draft.known();
    assert!(evaluated(&known).conflicts.is_empty());
    let mut draft = begun(&event(1, "submit"));
    draft.change(1, &[0], &event(2, "return"));
    draft.change(2, &[1], &event(3, "submit"));
    let known = draft.known();
    assert!(evaluated(&known).conflicts.is_empty());
}
