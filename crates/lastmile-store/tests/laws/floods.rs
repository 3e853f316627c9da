//! More than anybody needs: what a record costs is bounded whatever one author writes about it.

use lastmile_store::{Durability, StoreError, ViewMode};

use crate::raw::{Raw, encoded, inject};
use crate::sites::{Sites, counts, reader};
use crate::support::{activity, commit, edit, id, key, save, seal, send};

/// The most changes of one author that a record takes.
const MOST: u64 = 8192;

#[test]
fn one_author_cannot_make_a_record_cost_without_end() {
    let mut sites = Sites::memory();
    let (mut flood, mut worker) = (sites.open("flood"), sites.open("worker"));
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut worker, 2);
    send(&mut worker, &mut flood, ViewMode::Now);
    // First changes of somebody else's record, each another one.
    let change = |number: i64| -> Raw {
        let fields =
            [("id", lastmile_model::Value::reference(id(1))), ("type", "activity".into()), ("note", number.into())];
        encoded(3, "activity", id(1), &[], 1, &fields)
    };
    let numbers: Vec<i64> = (0..9000).collect();
    for some in numbers.chunks(250) {
        let changes: Vec<Raw> = some.iter().map(|number| change(*number)).collect();
        inject(&mut flood, 3, &changes);
    }
    let counts = counts(&flood);
    assert_eq!(counts.held(), 9001);
    let too_many = reader(&flood).odd(None).unwrap().into_iter().filter(|(odd, _)| odd.reason == "too_many_changes");
    assert_eq!(too_many.count() as u64, 9000 - MOST);
    // The author is told; others go on.
    let mine =
        flood.save(&key(3), &[commit(vec![edit("activity", id(1), &[("title", "x".into())])], 1)], Durability::Full);
    assert!(matches!(mine, Err(StoreError::TooManyChanges { limit: 8192, .. })), "{mine:?}");
    let saved = save(&mut flood, 4, vec![edit("activity", id(1), &[("title", "义诊".into())])]);
    assert_eq!(saved.changes, 1);
}

#[test]
fn a_flood_pushes_out_nothing_that_was_there() {
    let mut sites = Sites::memory();
    let (mut flood, mut worker) = (sites.open("flood"), sites.open("worker"));
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut worker, 2);
    send(&mut worker, &mut flood, ViewMode::Now);
    save(&mut flood, 3, vec![edit("activity", id(1), &[("beneficiaries", 7.into())])]);
    seal(&mut flood, 3);
    send(&mut flood, &mut worker, ViewMode::Now);
    // A colleague builds on it.
    save(&mut worker, 2, vec![edit("activity", id(1), &[("title", "大扫除".into())])]);
    seal(&mut worker, 2);
    send(&mut worker, &mut flood, ViewMode::Now);
    let shown = |store: &lastmile_store::Store| {
        let query =
            lastmile_store::query::Query::new(reader(store).type_no("activity").unwrap(), &["title", "beneficiaries"]);
        reader(store).rows(&query).unwrap().into_iter().map(|row| format!("{:?}", row.cells)).collect::<Vec<_>>()
    };
    let before = shown(&flood);
    for some in (0..8500).collect::<Vec<i64>>().chunks(250) {
        let changes: Vec<Raw> = some
            .iter()
            .map(|number| {
                let fields = [
                    ("id", lastmile_model::Value::reference(id(1))),
                    ("type", "activity".into()),
                    ("note", (*number).into()),
                ];
                encoded(3, "activity", id(1), &[], 1, &fields)
            })
            .collect();
        inject(&mut flood, 3, &changes);
    }
    assert_eq!(counts(&flood).waiting, 0);
    assert_eq!(shown(&flood), before);
}
