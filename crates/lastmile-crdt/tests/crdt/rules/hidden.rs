//! Quarantined, opaque and erased changes, and forks.

use lastmile_crdt::Edit;
use lastmile_model::Value;

use super::{begun, some, with};
use crate::support::build::{Draft, candidates, conflict, evaluated, event};

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
