//! One change, no change, very many changes.

use lastmile_crdt::{Base, Edit, Known, make_change};
use lastmile_model::Value;

use super::{begun, with};
use crate::support::build::{Draft, author, conflict, evaluated, event};

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
    let draft = Draft::new();
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
