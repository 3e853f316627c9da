//! What the benchmark compares with is what it says it is.

use lastmile_log::Segment;
use lastmile_model::{Catalogue, Value};
use lastmile_store::Durability;
use lastmile_store::baseline::{PlainTables, SyncCounter, plain_rows};
use lastmile_store::query::Query;
use lastmile_store::sqlite::{OpenOptions, SqliteStorage, open};

use crate::support::*;

#[test]
fn plain_rows_are_the_rows_that_the_views_show() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::builtin();
    let options = OpenOptions::default();
    let mut one = store(open(&folder.path().join("one.db"), &options, catalogue).unwrap());
    save(&mut one, 2, (1..=20).map(|number| activity(number, "清洁日", i64::from(number))).collect());
    seal(&mut one, 2);
    let trunk = Segment::trunk(author(2));
    let (batches, _) = one.path_batches(&scope(), &trunk, 0, u64::MAX).unwrap();
    let rows = plain_rows(&batches[0].packed, catalogue).unwrap();
    assert_eq!(rows.len(), 20);
    let path = folder.path().join("plain.db");
    let mut plain = PlainTables::create(&path, &options, catalogue).unwrap();
    plain.insert(rows.iter().map(|row| (1, row)), Durability::Full).unwrap();
    assert_eq!(plain.count("activity", catalogue).unwrap(), 20);
    drop(plain);
    // The same queries give the same rows, found words included.
    let storage = SqliteStorage::open_reader(&path, &options, catalogue).unwrap();
    let there = lastmile_store::Reader::new(storage, std::sync::Arc::new(catalogue.clone())).unwrap();
    let here = one.reader().unwrap();
    let view = &lastmile_store::columns::views(catalogue)[here.type_no("activity").unwrap()];
    let names: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
    for found in [None, Some("清洁".to_owned())] {
        let mut query = Query::new(here.type_no("activity").unwrap(), &names).order_by("beneficiaries", false);
        query.find = found;
        let expected = here.rows(&query).unwrap();
        assert_eq!(expected.len(), 20);
        for (row, same) in expected.iter().zip(there.rows(&query).unwrap()) {
            assert_eq!((row.id, &row.cells), (same.id, &same.cells));
        }
    }
}

#[test]
fn every_save_is_one_flush_and_so_is_every_plain_row() {
    let counter = SyncCounter::install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::builtin();
    let options = OpenOptions::default();
    let mut one = store(open(&folder.path().join("one.db"), &options, catalogue).unwrap());
    save(&mut one, 2, vec![activity(1, "清洁日", 20)]);
    let before = counter.count();
    for number in 1..=5 {
        save(&mut one, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(number))])]);
    }
    assert_eq!(counter.count() - before, 5);
    seal(&mut one, 2);
    let (batches, _) = one.path_batches(&scope(), &Segment::trunk(author(2)), 0, u64::MAX).unwrap();
    let rows = plain_rows(&batches[0].packed, catalogue).unwrap();
    assert_eq!(rows.len(), 1, "later changes are left out");
    let mut plain = PlainTables::create(&folder.path().join("plain.db"), &options, catalogue).unwrap();
    // The first commit also flushes the head of a new write-ahead log.
    plain.insert([(1, &rows[0])], Durability::Full).unwrap();
    let before = counter.count();
    plain.insert([(2, &rows[0])], Durability::Full).unwrap();
    let one_flush = counter.count() - before;
    plain.insert([(3, &rows[0])], Durability::Refetchable).unwrap();
    assert_eq!((one_flush, counter.count() - before), (1, 1), "without FULL nothing is flushed");
}
