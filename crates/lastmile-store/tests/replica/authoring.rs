//! What one call of `save` may hold.

use lastmile_model::Value;
use lastmile_store::query::Query;
use lastmile_store::{Durability, NewCommit};

use super::{Folder, titles};
use crate::support::*;

#[test]
fn one_call_writes_a_record_into_two_scopes() {
    let folder = Folder::new();
    let mut office = folder.store("office");
    let elsewhere = lastmile_model::Scope::community("430104008008").unwrap();
    office.hold_scope(&elsewhere).unwrap();
    let fields = [
        ("record_type", "person".into()),
        ("loser", Value::reference(id(1))),
        ("winner", Value::reference(id(2))),
        ("live", Value::Bool(true)),
        ("reason", "同一人".into()),
    ];
    let pair = [Value::reference(id(1)), Value::reference(id(2))];
    let link = lastmile_model::derive::record_id("merge_link", &[&pair[0], &pair[1]]).unwrap();
    let here = commit(vec![create("merge_link", link, &fields)], 1);
    let there = NewCommit { scope: elsewhere, ..here.clone() };
    let saved = office.save(&key(OFFICE), &[here, there], Durability::Full).unwrap();
    assert_eq!(saved.iter().map(|saved| (saved.seq, saved.changes)).collect::<Vec<_>>(), [(1, 1), (1, 1)]);
    let reader = office.reader().unwrap();
    let query = Query::new(reader.type_no("merge_link").unwrap(), &["live"]);
    assert_eq!(reader.rows(&query).unwrap().len(), 2);
}

#[test]
fn a_record_named_twice_in_a_commit_is_changed_once() {
    let folder = Folder::new();
    let mut one = folder.store("one");
    let twice = vec![
        activity(1, "清洁日", 5),
        activity(2, "义诊", 6),
        edit("activity", id(1), &[("title", "大扫除".into()), ("note", "很好".into())]),
    ];
    assert_eq!(save(&mut one, 2, twice).changes, 2);
    assert_eq!(titles(&one), ["义诊", "大扫除"]);
    save(&mut one, 2, vec![edit("activity", id(1), &[("note", "更好".into())])]);
    seal(&mut one, 2);
    assert_eq!(one.reader().unwrap().counts(None).unwrap().applied, 3);
}
