//! The rules of the evaluation, one test each.

use lastmile_crdt::{Base, ConflictKind, Edit, Known, evaluate, make_change};
use lastmile_model::Value;

use crate::support::build::{Draft, author, candidates, conflict, drill, evaluated, event, event_key};

fn some(value: impl Into<Value>) -> Option<Value> {
    Some(value.into())
}

/// A draft that begins with one change by author 5.
fn begun(edits: &[Edit]) -> Draft {
    let mut draft = Draft::new();
    draft.change(5, &[], edits);
    draft
}

fn with(mut edits: Vec<Edit>, more: &[Edit]) -> Vec<Edit> {
    edits.extend_from_slice(more);
    edits
}

// --- R ---------------------------------------------------------------------------------------------------------------

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

// --- I ---------------------------------------------------------------------------------------------------------------

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

// --- Q ---------------------------------------------------------------------------------------------------------------

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

// --- S, V, C, unknown ------------------------------------------------------------------------------------------------

#[test]
fn s_add_wins_over_a_concurrent_removal() {
    let mut draft = begun(&[Edit::set("tags/a", true), Edit::set("tags/b", true)]);
    draft.change(1, &[0], &[Edit::remove("tags/a"), Edit::remove("tags/b")]);
    draft.change(2, &[0], &[Edit::set("tags/a", true)]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.sets["tags"].iter().copied().collect::<Vec<_>>(), ["a"]);
    assert!(record.conflicts.is_empty());
}

#[test]
fn s_removal_and_elements_with_slashes() {
    let mut draft = begun(&[Edit::set("tags/a/b", true), Edit::set("tags/c", false), Edit::set("tags/d", "yes")]);
    {
        let known = draft.known();
        let record = evaluated(&known);
        assert_eq!(record.sets["tags"].iter().copied().collect::<Vec<_>>(), ["a/b"], "only `true` is membership");
    }
    draft.change(1, &[0], &[Edit::remove("tags/a/b")]);
    let known = draft.known();
    assert!(evaluated(&known).sets.is_empty());
}

#[test]
fn v_shows_the_highest_and_leaves_equality_to_the_office() {
    let mut draft = begun(&[Edit::set("id_no", Value::Bytes(vec![1]))]);
    draft.change(2, &[], &[Edit::set("id_no", Value::Bytes(vec![2]))]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("id_no"), Some(&Value::Bytes(vec![1])), "author 5 is higher");
    let conflict = conflict(&record, "id_no").unwrap();
    assert_eq!(conflict.kind, ConflictKind::Sealed);
    assert!(!conflict.kind.is_held());
}

#[test]
fn c_is_never_read_from_a_change() {
    let mut draft = begun(&[Edit::set("total", 5), Edit::set("note", "n")]);
    {
        let known = draft.known();
        assert_eq!(evaluated(&known).value("total"), None);
    }
    draft.change(1, &[0], &[Edit::set("total", 6)]);
    let known = draft.known();
    assert_eq!(evaluated(&known).value("total"), None);
}

#[test]
fn unknown_fields_and_types_show_as_registers() {
    let mut draft = begun(&[Edit::set("of_later", "a"), Edit::set("later_set/x", true), Edit::set("ev/odd", 1)]);
    draft.change(1, &[0], &[Edit::set("of_later", "b")]);
    let known = draft.known();
    for record_type in [Some(drill()), None] {
        let record = evaluate(record_type, &known);
        assert_eq!(record.value("of_later"), Some(&"b".into()));
        assert_eq!(record.value("later_set/x"), Some(&Value::Bool(true)));
        assert_eq!(record.value("ev/odd"), Some(&Value::Int(1)));
    }
}

// --- E ---------------------------------------------------------------------------------------------------------------

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
    draft.change(9, &[], &with(event(1, "verify"), &[Edit::set("served", 20)]));
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

// --- hidden changes --------------------------------------------------------------------------------------------------

#[test]
fn hidden_an_operation_shows_nothing_and_supersedes_nothing() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    let edit = draft.change(1, &[0], &[Edit::set("note", "new"), Edit::set("tags/a", true)]);
    draft.hide(edit);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"old".into()));
    assert!(record.sets.is_empty());
    assert_eq!(record.heads, [draft.hash(0)]);
}

#[test]
fn hidden_a_predecessor_still_supersedes_through_who_built_on_it() {
    // old <- middle (quarantined later) <- new: the old value does not come back.
    let mut draft = begun(&[Edit::set("note", "old")]);
    let middle = draft.change(1, &[0], &[Edit::set("note", "middle")]);
    let new = draft.change(2, &[middle], &[Edit::set("note", "new")]);
    draft.hide(middle);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"new".into()));
    assert!(record.conflicts.is_empty());
    assert_eq!(record.heads, [draft.hash(new)]);
}

#[test]
fn hidden_an_edit_made_during_a_quarantine_is_concurrent_after_the_release() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    let quarantined = draft.change(1, &[0], &[Edit::set("note", "quarantined")]);
    draft.hide(quarantined);
    // Author 2 holds the quarantined change and evaluates without it.
    let during = draft.change(2, &[0, quarantined], &[Edit::set("note", "during")]);
    assert_eq!(draft.changes[during].deps, [draft.hash(0)]);
    draft.show(quarantined);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(candidates(conflict(&record, "note").unwrap()), [some("quarantined"), some("during")]);
}

#[test]
fn hidden_an_authors_own_quarantined_change_is_a_dependency_but_not_replaced() {
    let mut draft = begun(&[Edit::set("note", "old")]);
    let quarantined = draft.change(1, &[0], &[Edit::set("note", "quarantined")]);
    draft.hide(quarantined);
    let next = draft.change(1, &[0, quarantined], &[Edit::set("note", "next")]);
    let change = &draft.changes[next];
    let mut deps = vec![draft.hash(0), draft.hash(quarantined)];
    deps.sort_unstable();
    assert_eq!((change.deps.as_slice(), change.seq), (deps.as_slice(), 2));
    assert_eq!(change.ops[0].pred, [draft.changes[0].op_id(0)]);
    draft.show(quarantined);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(conflict(&record, "note").unwrap().candidates.len(), 2, "never silently on top");
}

#[test]
fn hidden_a_predecessor_on_another_key_supersedes_nothing() {
    let mut draft = begun(&[Edit::set("note", "old"), Edit::set("venue", "hall")]);
    let mut change = draft.make(1, &[0], &[Edit::set("note", "new")]).change;
    change.ops[0].pred = vec![draft.changes[0].op_id(1)];
    change.hash = lastmile_crdt::encode(&change.parts()).unwrap().hash;
    draft.changes.push(change);
    draft.hidden.push(false);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("venue"), Some(&"hall".into()));
    assert_eq!(candidates(conflict(&record, "note").unwrap()), [some("old"), some("new")]);
}

#[test]
fn hidden_erasure_leaves_what_the_office_restates() {
    let mut draft = begun(&[Edit::set("person", "p"), Edit::set("note", "text"), Edit::set("served", 20)]);
    let edit = draft.change(1, &[0], &event(1, "verify"));
    draft.hide(0).hide(edit);
    draft.change(9, &[], &with(event(1, "verify"), &[Edit::set("person", "p"), Edit::set("served", 20)]));
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), None);
    assert_eq!((record.value("served"), record.events.len()), (Some(&Value::Int(20)), 1));
    assert!(record.conflicts.is_empty());
}

// --- forks -----------------------------------------------------------------------------------------------------------

/// Author 1 goes on in two places: two changes with the same number and the same operation ids.
fn fork() -> Draft {
    let mut draft = begun(&[Edit::set("note", "old"), Edit::set("served", 10)]);
    draft.change(1, &[0], &[Edit::set("note", "left"), Edit::set("served", 20)]);
    draft.change(1, &[0], &[Edit::set("note", "right"), Edit::set("served", 35)]);
    let (left, right) = (&draft.changes[1], &draft.changes[2]);
    assert_eq!((left.seq, left.op_id(0), left.op_id(1)), (right.seq, right.op_id(0), right.op_id(1)));
    draft
}

#[test]
fn forks_order_equal_operation_ids_by_change_hash() {
    let draft = fork();
    let known = draft.known();
    let record = evaluated(&known);
    let (low, high) = if draft.hash(1) < draft.hash(2) { (1, 2) } else { (2, 1) };
    assert_eq!(record.values["note"].by, high, "R shows the higher hash");
    assert_eq!(record.values["served"].by, low, "Q shows the lower hash");
    assert_eq!(conflict(&record, "note").unwrap().candidates.len(), 2);
}

#[test]
fn forks_a_predecessor_means_the_branch_among_the_ancestors() {
    let mut draft = fork();
    // Author 2 has seen the left branch only.
    draft.change(2, &[1], &[Edit::set("note", "on left")]);
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(candidates(conflict(&record, "note").unwrap()), [some("right"), some("on left")]);
}

#[test]
fn forks_a_predecessor_means_every_ancestor_with_that_id() {
    let mut draft = fork();
    let settle = draft.change(2, &[1, 2], &[Edit::set("note", "both"), Edit::set("served", 30)]);
    assert_eq!(draft.changes[settle].ops[0].pred.len(), 1, "one id stands for both");
    let known = draft.known();
    let record = evaluated(&known);
    assert_eq!(record.value("note"), Some(&"both".into()));
    assert_eq!(record.value("served"), Some(&Value::Int(30)));
    assert!(record.conflicts.is_empty());
}

// --- edits and the rest ----------------------------------------------------------------------------------------------

#[test]
fn one_change_evaluates_alike_on_the_short_and_the_long_way() {
    let edits = with(
        with(event(1, "hold"), &event(2, "submit")),
        &[
            Edit::set("person", "p"),
            Edit::set("note", "n"),
            Edit::set("served", 20),
            Edit::set("tags/a", true),
            Edit::set("tags/b", false),
            Edit::set("total", 1),
            Edit::set("id_no", Value::Bytes(vec![1])),
            Edit::set("unknown", Value::Null),
        ],
    );
    let draft = begun(&edits);
    let known = draft.known();
    let short = evaluated(&known);
    // Given twice it is the same set, but takes the long way.
    let twice = [known[0], known[0]];
    assert_eq!(evaluated(&twice), short);
}

#[test]
fn a_change_given_hidden_and_visible_counts_as_hidden() {
    let draft = begun(&[Edit::set("note", "n")]);
    let known = draft.known();
    for both in [[known[0], known[0].hide()], [known[0].hide(), known[0]]] {
        assert!(evaluated(&both).values.is_empty());
    }
    assert!(evaluated(&[]).values.is_empty());
}

#[test]
fn edits_that_change_nothing_make_no_change() {
    let draft = begun(&[Edit::set("note", "n")]);
    let known = draft.known();
    let base = Base { changes: &known, own_last: None };
    let error = make_change(&base, author(1), 0, None, &[Edit::remove("tags/a")]).unwrap_err();
    assert_eq!(error, lastmile_crdt::EditError::Nothing);
    assert_eq!(make_change(&base, author(1), 0, None, &[]).unwrap_err(), lastmile_crdt::EditError::Nothing);
    let twice = [Edit::set("a", 1), Edit::set("a", 2)];
    assert!(matches!(
        make_change(&base, author(1), 0, None, &twice).unwrap_err(),
        lastmile_crdt::EditError::Encode(lastmile_crdt::EncodeError::DuplicateKey)
    ));
    let unknown = Base { own_last: Some(lastmile_model::ChangeHash([1; 32])), ..base };
    assert!(matches!(
        make_change(&unknown, author(1), 0, None, &[Edit::set("a", 1)]).unwrap_err(),
        lastmile_crdt::EditError::UnknownOwnChange(_)
    ));
}

#[test]
fn a_long_history_evaluates_quickly() {
    // 3,000 edits in one line and 300 beside each other on one field.
    let mut draft = Draft::new();
    let mut line: Vec<lastmile_crdt::Change> = Vec::new();
    let root = draft.make(1, &[], &[Edit::set("note", "0"), Edit::set("served", 0)]).change;
    line.push(root);
    for number in 1..3_000_i64 {
        let last = line.last().unwrap();
        let mut next = last.clone();
        next.deps = vec![last.hash];
        next.seq += 1;
        next.start_op = last.max_op() + 1;
        for (index, op) in next.ops.iter_mut().enumerate() {
            op.pred = vec![last.op_id(index)];
            op.action = lastmile_crdt::Action::Set(Value::Int(number));
        }
        next.hash = lastmile_crdt::encode(&next.parts()).unwrap().hash;
        line.push(next);
    }
    let mut known: Vec<Known<'_>> = line.iter().map(Known::visible).collect();
    let last = [*known.last().unwrap()];
    let beside: Vec<lastmile_crdt::Change> = (2..=250)
        .map(|number| {
            let base = Base { changes: &last, own_last: None };
            make_change(&base, author(number), 0, None, &[Edit::set("served", i64::from(number))]).unwrap().change
        })
        .collect();
    known.extend(beside.iter().map(Known::visible));
    known.reverse();
    let start = std::time::Instant::now();
    let record = evaluated(&known);
    println!("{} changes in {:?}", known.len(), start.elapsed());
    assert_eq!(record.value("note"), Some(&Value::Int(2_999)));
    assert_eq!(conflict(&record, "served").unwrap().candidates.len(), 249);
    assert!(start.elapsed().as_secs() < 5);
}
