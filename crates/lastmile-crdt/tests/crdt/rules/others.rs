//! Sets, sealed and computed fields, and what the type does not know.

use lastmile_crdt::{ConflictKind, Edit, evaluate};
use lastmile_model::Value;

use super::begun;
use crate::support::build::{conflict, drill, evaluated};

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
