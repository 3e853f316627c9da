//! The rows of the views.

use std::ops::ControlFlow;

use lastmile_store::StoreError;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::{Cell, Position, RowHead, Storage, ViewRow};

use crate::engines::{
    NONE, add_scopes, bytes, cells, ids, insert, insert_found, record, rows, text, type_no, view, write,
};

over_every_engine!(
    rows_are_numbered_within_their_scope,
    a_record_has_one_row_in_a_scope,
    an_update_keeps_who_and_where,
    a_deleted_row_is_gone,
    heads_are_listed_for_known_scopes,
    missing_cells_are_empty_and_surplus_refused,
    cells_are_stored_as_they_are,
    unknown_types_are_refused,
    every_type_of_the_catalogue_holds_rows,
    fields_may_be_called_like_the_head,
    words_follow_their_row,
    an_update_of_cells_keeps_the_words,
);

fn head(rec: i64, position: i64, more: bool) -> Option<RowHead> {
    Some(RowHead { rec, position: Position(position), more })
}

fn rows_are_numbered_within_their_scope(storage: &mut dyn Storage) {
    let person = type_no("person");
    write(storage, |storage| {
        assert!(insert(storage, 1, "person", 30, &[]) && insert(storage, 2, "person", 20, &[]));
        assert!(insert(storage, 1, "person", 10, &[]) && insert(storage, 1, "team", 40, &[]));
        Ok(())
    });
    assert_eq!(storage.view_head(1, person, record(30)).unwrap(), head((1 << 32) + 1, 30, false));
    assert_eq!(storage.view_head(1, person, record(10)).unwrap(), head((1 << 32) + 2, 10, false));
    assert_eq!(storage.view_head(2, person, record(20)).unwrap(), head((2 << 32) + 1, 20, false));
    assert_eq!(storage.view_head(1, type_no("team"), record(40)).unwrap(), head((1 << 32) + 1, 40, false));
    assert_eq!(storage.view_head(2, person, record(10)).unwrap(), None);
    assert_eq!(storage.view_head(1, type_no("team"), record(10)).unwrap(), None);
    assert_eq!(ids(storage, &Query::new(person, &[])), [30, 10, 20]);
}

fn a_record_has_one_row_in_a_scope(storage: &mut dyn Storage) {
    write(storage, |storage| {
        assert!(insert(storage, 1, "person", 1, &[("name", text("first"))]));
        assert!(!insert_found(storage, 1, "person", 1, &[("name", text("second"))], Some(("second", ""))));
        assert!(insert(storage, 2, "person", 1, &[("name", text("elsewhere"))]));
        assert!(insert(storage, 1, "person", 2, &[]));
        Ok(())
    });
    let found = rows(storage, &Query::new(type_no("person"), &["name"]));
    let names: Vec<_> = found.iter().map(|row| (row.head.rec, row.cells[0].clone())).collect();
    let (low, high) = (1 << 32, 2 << 32);
    let expected = [(low + 1, text("first")), (low + 2, Cell::Null), (high + 1, text("elsewhere"))];
    assert_eq!(names, expected, "a refused row takes no number");
    let mut query = Query::new(type_no("person"), &[]);
    query.find = Some("second".to_owned());
    assert_eq!(ids(storage, &query), NONE);
}

fn an_update_keeps_who_and_where(storage: &mut dyn Storage) {
    let person = type_no("person");
    let rec = (1 << 32) + 1;
    write(storage, |storage| Ok(insert(storage, 1, "person", 1, &[("name", text("a")), ("job", text("b"))])));
    let cells = cells("person", &[("name", text("c"))]);
    let row = ViewRow { id: record(9), position: Position(77), more: true, cells: &cells, search: None };
    write(storage, |storage| {
        storage.view_update(rec, person, &row)?;
        storage.view_update(rec + 1, person, &row)
    });
    assert_eq!(storage.view_head(1, person, record(1)).unwrap(), head(rec, 77, true));
    assert_eq!(storage.view_head(1, person, record(9)).unwrap(), None);
    let found = rows(storage, &Query::new(person, &["id", "name", "job"]));
    assert_eq!(found.len(), 1, "an update makes no row");
    assert_eq!(found[0].cells, [Cell::Blob(vec![1; 16].into()), text("c"), Cell::Null]);
    assert_eq!((found[0].scope, found[0].id), (1, record(1)));
}

fn a_deleted_row_is_gone(storage: &mut dyn Storage) {
    let person = type_no("person");
    write(storage, |storage| {
        (1..=3).for_each(|id| assert!(insert_found(storage, 1, "person", id, &[], Some(("wei", "w")))));
        storage.view_delete((1 << 32) + 1, person)?;
        storage.view_delete((1 << 32) + 3, person)?;
        storage.view_delete((1 << 32) + 99, person)
    });
    assert_eq!(storage.view_head(1, person, record(1)).unwrap(), None);
    assert_eq!(ids(storage, &Query::new(person, &[])), [2]);
    write(storage, |storage| {
        assert!(insert(storage, 1, "person", 4, &[]) && insert(storage, 1, "person", 1, &[]));
        Ok(())
    });
    // The highest number is given again, the gap below is not.
    assert_eq!(storage.view_head(1, person, record(4)).unwrap(), head((1 << 32) + 3, 4, false));
    assert_eq!(storage.view_head(1, person, record(1)).unwrap(), head((1 << 32) + 4, 1, false));
    let mut query = Query::new(person, &[]);
    query.find = Some("wei".to_owned());
    assert_eq!(ids(storage, &query), [2], "words go with their row");
}

fn heads_are_listed_for_known_scopes(storage: &mut dyn Storage) {
    let person = type_no("person");
    add_scopes(storage, 3);
    write(storage, |storage| {
        assert!(insert(storage, 3, "person", 1, &[]) && insert(storage, 1, "person", 1, &[]));
        assert!(insert(storage, 2, "person", 2, &[]) && insert(storage, 7, "person", 1, &[]));
        Ok(())
    });
    let expected = [(1, head((1 << 32) + 1, 1, false).unwrap()), (3, head((3 << 32) + 1, 1, false).unwrap())];
    assert_eq!(storage.view_heads(person, record(1)).unwrap(), expected);
    assert_eq!(storage.view_heads(person, record(3)).unwrap(), []);
}

fn missing_cells_are_empty_and_surplus_refused(storage: &mut dyn Storage) {
    let person = type_no("person");
    let columns = view("person").columns.len();
    let many = vec![Cell::Int(1); columns + 1];
    let row = |id, cells| ViewRow { id: record(id), position: Position(1), more: false, cells, search: None };
    write(storage, |storage| {
        storage.view_insert(1, person, &row(1, &many[..columns]))?;
        storage.view_insert(1, person, &row(2, &many[..1]))
    });
    storage.begin(lastmile_store::storage::Durability::Refetchable).unwrap();
    assert!(storage.view_insert(1, person, &row(3, &many)).is_err());
    assert!(storage.view_update((1 << 32) + 1, person, &row(1, &many)).is_err());
    storage.commit().unwrap();
    let found = rows(storage, &Query::new(person, &["open", "name"]));
    assert_eq!(
        found.iter().map(|row| row.cells.clone()).collect::<Vec<_>>(),
        [vec![Cell::Int(1), Cell::Int(1)], vec![Cell::Int(1), Cell::Null]]
    );
}

fn cells_are_stored_as_they_are(storage: &mut dyn Storage) {
    let given: [Cell<'static>; 15] = [
        Cell::Null,
        Cell::Int(-5),
        Cell::Int(i64::MAX),
        text(""),
        text("12"),
        text(" +7\n"),
        text("007"),
        text("7a"),
        text("0x10"),
        text("1e3"),
        text("0.5"),
        text("18446744073709551615"),
        text("a\0b张"),
        bytes(b""),
        bytes(b"12"),
    ];
    write(storage, |storage| {
        for (id, cell) in (0_u8..).zip(&given) {
            let columns = ["created_at", "name", "employer"].map(|name| (name, cell.clone()));
            assert!(insert(storage, 1, "person", id, &columns));
        }
        Ok(())
    });
    let person = type_no("person");
    let found = rows(storage, &Query::new(person, &["created_at", "name", "employer"]));
    assert_eq!(found.len(), given.len());
    for (row, cell) in found.iter().zip(&given) {
        assert_eq!(row.cells, [cell.clone(), cell.clone(), cell.clone()]);
    }
    let asked = |column: &str, value: Cell<'static>| Query::new(person, &[]).filter(column, Test::Is, value);
    assert_eq!(ids(storage, &asked("created_at", text("1e3"))), [9]);
    assert_eq!(ids(storage, &asked("created_at", Cell::Int(1000))), NONE);
    assert_eq!(ids(storage, &asked("created_at", text("18446744073709551615"))), [11]);
    assert_eq!(ids(storage, &asked("created_at", text("-5"))), [1], "digits ask for the number");
    assert_eq!(ids(storage, &asked("name", Cell::Int(12))), [4], "a number asks for its digits");
}

fn unknown_types_are_refused(storage: &mut dyn Storage) {
    let row = ViewRow { id: record(1), position: Position(1), more: false, cells: &[], search: None };
    assert!(matches!(storage.view_head(1, 99, record(1)), Err(StoreError::NoType { .. })));
    assert!(matches!(storage.view_heads(99, record(1)), Err(StoreError::NoType { .. })));
    assert!(matches!(storage.view_insert(1, 99, &row), Err(StoreError::NoType { .. })));
    assert!(matches!(storage.view_update(1, 99, &row), Err(StoreError::NoType { .. })));
    assert!(matches!(storage.view_delete(1, 99), Err(StoreError::NoType { .. })));
    let visited = storage.visit(&Query::new(99, &[]), &mut |_| Ok(ControlFlow::Continue(())));
    assert!(matches!(visited, Err(StoreError::NoType { .. })));
}

fn every_type_of_the_catalogue_holds_rows(storage: &mut dyn Storage) {
    let catalogue = lastmile_model::Catalogue::builtin();
    for record_type in catalogue.types() {
        let found_by = Some(("wei", "w"));
        assert!(write(storage, |storage| Ok(insert_found(storage, 1, &record_type.name, 1, &[], found_by))));
        let table = view(&record_type.name);
        let mut names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        names.push("id");
        let number = type_no(&record_type.name);
        let mut query = Query::new(number, &names).within(vec![1]);
        let found = rows(storage, &query);
        assert_eq!(found.len(), 1, "{}", record_type.name);
        assert_eq!(found[0].cells.len(), names.len());
        for name in names {
            let query = Query::new(number, &[]).filter(name, Test::IsNull, Cell::Null).order_by(name, true);
            assert_eq!(ids(storage, &query).len(), usize::from(name != "id"), "{} {name}", record_type.name);
        }
        query.find = Some("w".to_owned());
        assert_eq!(ids(storage, &query).len(), usize::from(table.searchable), "{}", record_type.name);
    }
}

fn fields_may_be_called_like_the_head(storage: &mut dyn Storage) {
    // A grant names the scope it is for, which need not be the one that holds it.
    write(storage, |storage| Ok(insert(storage, 1, "grant", 5, &[("scope", text("city:4301"))])));
    let query = Query::new(type_no("grant"), &["scope"]).within(vec![1]).filter("scope", Test::Is, text("city:4301"));
    let found = rows(storage, &query);
    assert_eq!((found[0].scope, &found[0].cells[0]), (1, &text("city:4301")));
    assert_eq!(storage.view_head(1, type_no("grant"), record(5)).unwrap(), head((1 << 32) + 1, 5, false));
}

fn an_update_of_cells_keeps_the_words(storage: &mut dyn Storage) {
    let person = type_no("person");
    let rec = (1 << 32) + 1;
    let found = |storage: &dyn Storage| {
        let mut query = Query::new(person, &[]);
        query.find = Some("old".to_owned());
        ids(storage, &query)
    };
    let cells = cells("person", &[("name", text("b"))]);
    let row = |cells| ViewRow { id: record(1), position: Position(7), more: true, cells, search: None };
    write(storage, |storage| storage.view_insert(1, person, &ViewRow { search: Some(("old", "o")), ..row(&[]) }));
    assert_eq!(storage.view_cells(rec + 1, person).unwrap(), None);
    write(storage, |storage| {
        storage.view_update_cells(rec, person, &row(&cells))?;
        storage.view_update_cells(rec + 1, person, &row(&cells))
    });
    assert_eq!(found(storage), [1]);
    assert_eq!(storage.view_head(1, person, record(1)).unwrap(), head(rec, 7, true));
    let held = storage.view_cells(rec, person).unwrap().unwrap();
    assert_eq!(held.len(), view("person").columns.len());
    assert_eq!(held.iter().filter(|cell| **cell == text("b")).count(), 1);
    assert!(matches!(storage.view_cells(rec, 99), Err(StoreError::NoType { .. })));
    assert!(matches!(storage.view_update_cells(rec, 99, &row(&cells)), Err(StoreError::NoType { .. })));
}

fn words_follow_their_row(storage: &mut dyn Storage) {
    let person = type_no("person");
    let rec = (1 << 32) + 1;
    let find = |storage: &dyn Storage, words: &str| {
        let mut query = Query::new(person, &[]);
        query.find = Some(words.to_owned());
        ids(storage, &query)
    };
    let row = |search| ViewRow { id: record(1), position: Position(1), more: false, cells: &[], search };
    write(storage, |storage| storage.view_insert(1, person, &row(Some(("old", "o")))));
    assert_eq!(find(storage, "old"), [1]);
    write(storage, |storage| storage.view_update(rec, person, &row(Some(("new", "n")))));
    assert_eq!((find(storage, "old"), find(storage, "new")), (vec![], vec![1]));
    write(storage, |storage| storage.view_update(rec, person, &row(None)));
    assert_eq!(find(storage, "new"), NONE);
    // Words given for a row that is not there do not wait for one.
    write(storage, |storage| {
        storage.view_update(rec + 1, person, &row(Some(("ghost", "g"))))?;
        Ok(insert(storage, 1, "person", 2, &[]))
    });
    assert_eq!(find(storage, "ghost"), NONE);
    storage.begin(lastmile_store::storage::Durability::Full).unwrap();
    storage.view_update(rec, person, &row(Some(("lost", "l")))).unwrap();
    assert_eq!(find(storage, "lost"), [1]);
    storage.rollback();
    assert_eq!(find(storage, "lost"), NONE);
}
