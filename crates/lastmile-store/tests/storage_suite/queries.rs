//! Queries: conditions, order, pages.

use std::ops::ControlFlow;

use lastmile_store::StoreError;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::{Cell, Storage};

use crate::engines::{NONE, bytes, ids, insert, rows, text, try_rows, type_no, write};

over_every_engine!(
    conditions_compare_as_sql_does,
    sets_hold_their_elements,
    texts_contain_parts,
    all_conditions_must_hold,
    cells_are_ordered_by_kind_then_value,
    ties_follow_the_row_number,
    without_an_order_rows_come_by_number,
    newest_rows_come_first,
    pages_go_on_after_a_row_in_the_order_shown,
    pages_are_cut_after_sorting,
    scopes_narrow,
    columns_come_as_asked,
    unknown_columns_are_refused,
    a_visitor_can_stop_and_fail,
);

const EMPLOYER: [u8; 16] = [7; 16];

/// Five persons that differ in every kind of column.
fn fill(storage: &mut dyn Storage) {
    let employer = || bytes(&EMPLOYER);
    let set = |json: &'static str| ("skills", text(json));
    let rows: [(u8, Vec<(&str, Cell<'static>)>); 5] = [
        (
            1,
            vec![
                ("open", Cell::Int(0)),
                ("name", text("b")),
                ("created_at", Cell::Int(10)),
                ("employer", employer()),
                set("[\"x\",\"y\"]"),
            ],
        ),
        (2, vec![("open", Cell::Int(2)), ("name", text("a")), ("created_at", Cell::Int(9)), set("[]")]),
        (3, vec![("open", Cell::Int(0)), ("name", text("")), ("employer", bytes(&[])), set("[\"xx\",\"张\"]")]),
        (4, vec![("created_at", Cell::Int(-1)), ("employer", bytes(&[7; 15]))]),
        (5, vec![("open", Cell::Int(1)), ("name", text("10")), ("created_at", text("soon")), set("[\"y\"]")]),
    ];
    write(storage, |storage| {
        for (id, given) in rows {
            assert!(insert(storage, 1, "person", id, &given));
        }
        Ok(())
    });
}

fn person() -> Query {
    Query::new(type_no("person"), &[])
}

fn conditions_compare_as_sql_does(storage: &mut dyn Storage) {
    use Test::{Above, AtLeast, AtMost, Is, IsNot, IsNull, NotNull};
    fill(storage);
    let int = Cell::Int;
    let id = || Cell::Blob(vec![3; 16].into());
    let cases: Vec<(&str, Test, Cell<'static>, &[u8])> = vec![
        ("name", Is, text("a"), &[2]),
        ("name", Is, text("A"), &[]),
        ("name", Is, text(""), &[3]),
        ("name", Is, Cell::Null, &[]),
        ("name", Is, bytes(b"a"), &[]),
        ("name", Is, int(10), &[5]),
        ("name", IsNot, text("a"), &[1, 3, 4, 5]),
        ("name", IsNot, Cell::Null, &[1, 2, 3, 5]),
        ("name", AtLeast, text("a"), &[1, 2]),
        ("name", AtMost, text("a"), &[2, 3, 5]),
        ("name", Above, text("a"), &[1]),
        ("name", Above, text(""), &[1, 2, 5]),
        ("name", Above, int(1), &[1, 2, 5]),
        ("name", Above, Cell::Null, &[]),
        ("name", AtMost, bytes(b""), &[1, 2, 3, 5]),
        ("name", AtLeast, bytes(b""), &[]),
        ("name", AtMost, Cell::Null, &[]),
        ("name", IsNull, Cell::Null, &[4]),
        ("name", IsNull, text("ignored"), &[4]),
        ("name", NotNull, Cell::Null, &[1, 2, 3, 5]),
        ("created_at", Is, int(9), &[2]),
        ("created_at", Is, text("9"), &[2]),
        ("created_at", Is, text(" 10 "), &[1]),
        ("created_at", Is, text("soon"), &[5]),
        ("created_at", IsNot, int(9), &[1, 3, 4, 5]),
        ("created_at", IsNot, Cell::Null, &[1, 2, 4, 5]),
        ("created_at", AtLeast, int(9), &[1, 2, 5]),
        ("created_at", AtMost, int(9), &[2, 4]),
        ("created_at", Above, int(9), &[1, 5]),
        ("created_at", Above, text("9"), &[1, 5]),
        ("created_at", AtMost, text("z"), &[1, 2, 4, 5]),
        ("created_at", AtLeast, int(i64::MIN), &[1, 2, 4, 5]),
        ("created_at", AtMost, int(i64::MAX), &[1, 2, 4]),
        ("created_at", IsNull, Cell::Null, &[3]),
        ("open", Is, int(0), &[1, 3]),
        ("open", Above, int(0), &[2, 5]),
        ("open", NotNull, Cell::Null, &[1, 2, 3, 5]),
        ("employer", Is, bytes(&EMPLOYER), &[1]),
        ("employer", Is, bytes(&[]), &[3]),
        ("employer", Is, text(""), &[]),
        ("employer", IsNot, bytes(&EMPLOYER), &[2, 3, 4, 5]),
        ("employer", AtLeast, bytes(&[7; 15]), &[1, 4]),
        ("employer", Above, bytes(&[7; 15]), &[1]),
        ("employer", Above, text("z"), &[1, 3, 4]),
        ("employer", IsNull, Cell::Null, &[2, 5]),
        ("id", Is, id(), &[3]),
        ("id", IsNot, id(), &[1, 2, 4, 5]),
        ("id", AtLeast, id(), &[3, 4, 5]),
        ("id", Above, id(), &[4, 5]),
        ("id", AtMost, id(), &[1, 2, 3]),
        ("id", NotNull, Cell::Null, &[1, 2, 3, 4, 5]),
    ];
    for (column, test, value, expected) in cases {
        let query = person().filter(column, test, value.clone());
        assert_eq!(ids(storage, &query), expected, "{column} {test:?} {value:?}");
        // The same within one scope, where an index may answer.
        assert_eq!(ids(storage, &query.within(vec![1])), expected, "{column} {test:?} {value:?}");
    }
}

fn sets_hold_their_elements(storage: &mut dyn Storage) {
    fill(storage);
    let cases: [(Cell<'static>, &[u8]); 8] = [
        (text("x"), &[1]),
        (text("y"), &[1, 5]),
        (text("xx"), &[3]),
        (text("张"), &[3]),
        (text("X"), &[]),
        (text(""), &[]),
        (Cell::Null, &[]),
        (Cell::Int(1), &[]),
    ];
    for (value, expected) in cases {
        let query = person().filter("skills", Test::Holds, value.clone());
        assert_eq!(ids(storage, &query), expected, "{value:?}");
    }
    assert_eq!(ids(storage, &person().filter("skills", Test::IsNull, Cell::Null)), [4]);
    // A column that is no set holds no JSON.
    let query = person().filter("name", Test::Is, text("b")).filter("name", Test::Holds, text("b"));
    assert!(matches!(try_rows(storage, &query), Err(StoreError::Engine { .. })));
    // Numbers, truth values and quotes inside are compared by value.
    write(storage, |storage| {
        let json = "[1,-7,true,\"1\",\"a\\\"b\\u4f1f\"]";
        assert!(insert(storage, 1, "person", 6, &[("skills", text(json))]));
        assert!(insert(storage, 1, "person", 7, &[("skills", text("{\"k\":\"v\",\"l\":[\"w\"]}"))]));
        assert!(insert(storage, 1, "person", 8, &[("skills", text("\"v\""))]));
        Ok(())
    });
    let cases: [(Cell<'static>, &[u8]); 6] = [
        (Cell::Int(1), &[6]),
        (Cell::Int(-7), &[6]),
        (text("1"), &[6]),
        (text("a\"b伟"), &[6]),
        (text("v"), &[7, 8]),
        (text("k"), &[]),
    ];
    for (value, expected) in cases {
        let query = person().filter("skills", Test::Holds, value.clone());
        assert_eq!(ids(storage, &query), expected, "{value:?}");
    }
}

fn texts_contain_parts(storage: &mut dyn Storage) {
    write(storage, |storage| {
        let texts = ["清洁日", "大清洁", "Clean 50% _x_", "a\u{0}b", "", "[\"清洁\"]"];
        for (id, held) in (1_u8..).zip(texts) {
            assert!(insert(
                storage,
                1,
                "person",
                id,
                &[("name", text(held)), ("created_at", Cell::Int(i64::from(id) * 11))]
            ));
        }
        assert!(insert(storage, 1, "person", 7, &[("employer", bytes(&EMPLOYER))]));
        Ok(())
    });
    let cases: [(&str, Cell<'static>, &[u8]); 13] = [
        ("name", text("清洁"), &[1, 2, 6]),
        ("name", text("洁日"), &[1]),
        ("name", text("清 洁"), &[]),
        ("name", text("clean"), &[]),
        ("name", text("%"), &[3]),
        ("name", text("_x"), &[3]),
        ("name", text("b"), &[4]),
        ("name", text(""), &[1, 2, 3, 4, 5, 6]),
        ("name", Cell::Null, &[]),
        ("name", Cell::Int(50), &[3]),
        ("created_at", text("1"), &[1]),
        ("created_at", Cell::Int(2), &[2]),
        ("employer", text("\u{7}"), &[]),
    ];
    for (column, part, expected) in cases {
        let query = person().filter(column, Test::Contains, part.clone());
        assert_eq!(ids(storage, &query), expected, "{column} {part:?}");
        assert_eq!(ids(storage, &query.within(vec![1])), expected, "{column} {part:?}");
    }
}

fn newest_rows_come_first(storage: &mut dyn Storage) {
    // Neither ids nor indexed columns go with the row numbers.
    write(storage, |storage| {
        for id in 0..40 {
            let name = ["d", "c", "b", "a"][usize::from(id % 4)];
            assert!(insert(storage, 2 - u32::from(id % 2), "person", 200 - id, &[("name", text(name))]));
        }
        Ok(())
    });
    let falling = |query: &Query| {
        let recs: Vec<i64> = rows(storage, query).iter().map(|row| row.head.rec).collect();
        assert!(recs.is_sorted_by(|one, next| one > next), "{query:?}: {recs:?}");
        recs.len()
    };
    let narrowed = |query: Query| query.filter("name", Test::AtLeast, text("b"));
    assert_eq!(falling(&person().newest_first()), 40);
    assert_eq!(falling(&person().within(vec![1]).newest_first()), 20);
    assert_eq!(falling(&person().within(vec![2, 1]).newest_first()), 40);
    assert_eq!(falling(&narrowed(person().newest_first())), 30);
    assert_eq!(falling(&narrowed(person().within(vec![1, 2]).newest_first())), 30);
    let page = Query { limit: Some(3), offset: 1, ..person().within(vec![2]).newest_first() };
    assert_eq!(ids(storage, &page), [164, 166, 168]);
    let sorted = Query { limit: Some(3), ..person().within(vec![1]).order_by("name", true).newest_first() };
    assert_eq!(ids(storage, &sorted), [163, 167, 171], "ties follow it too");
}

fn pages_go_on_after_a_row_in_the_order_shown(storage: &mut dyn Storage) {
    // Equal values, values of several kinds and none at all, over two scopes.
    write(storage, |storage| {
        let names = [Some(text("b")), None, Some(text("a")), Some(text("b")), None, Some(text("")), Some(bytes(b"x"))];
        for id in 0..28_u8 {
            let mut cells = vec![("open", Cell::Int(i64::from(id % 3)))];
            cells.extend(names[usize::from(id % 7)].clone().map(|name| ("name", name)));
            assert!(insert(storage, 2 - u32::from(id % 2), "person", 200 - id, &cells));
        }
        Ok(())
    });
    let orders: [&[(&str, bool)]; 6] = [
        &[],
        &[("name", false)],
        &[("name", true)],
        &[("open", true), ("name", false)],
        &[("name", true), ("open", false)],
        &[("id", true)],
    ];
    for order in orders {
        for newest_first in [false, true] {
            for within in [person(), person().within(vec![1]), person().filter("open", Test::IsNot, Cell::Int(1))] {
                let order = order.iter().map(|(name, down)| ((*name).to_owned(), *down)).collect();
                let whole = Query { order, newest_first, ..within };
                let all = ids(storage, &whole);
                let mut paged = Vec::new();
                let mut after = None;
                loop {
                    let page = rows(storage, &Query { limit: Some(5), after, ..whole.clone() });
                    let Some(last) = page.last() else { break };
                    after = Some(last.head.rec);
                    paged.extend(page.iter().map(|row| row.id.as_bytes()[0]));
                }
                assert_eq!(paged, all, "{whole:?}");
            }
        }
    }
    assert_eq!(ids(storage, &Query { after: Some(99), ..person() }), NONE, "there is no such row");
}

fn all_conditions_must_hold(storage: &mut dyn Storage) {
    fill(storage);
    let query = person().filter("open", Test::Is, Cell::Int(0)).filter("name", Test::NotNull, Cell::Null);
    assert_eq!(ids(storage, &query), [1, 3]);
    let query = query.filter("skills", Test::Holds, text("x"));
    assert_eq!(ids(storage, &query), [1]);
    assert_eq!(ids(storage, &query.filter("name", Test::Is, text("a"))), NONE);
}

fn cells_are_ordered_by_kind_then_value(storage: &mut dyn Storage) {
    let given = [
        bytes(b""),
        text("Z"),
        Cell::Int(10),
        text("a"),
        Cell::Null,
        bytes(b"\x00"),
        Cell::Int(-3),
        text("é"),
        text("张"),
        bytes(b"\xff"),
        text(""),
        text("ab"),
        Cell::Int(9),
        text("𠮷"),
        text("ﬀ"),
    ];
    write(storage, |storage| {
        for (id, cell) in (1_u8..).zip(given) {
            assert!(insert(storage, 1, "person", id, &[("employer", cell)]));
        }
        Ok(())
    });
    let expected = [5, 7, 13, 3, 11, 2, 4, 12, 8, 9, 15, 14, 1, 6, 10];
    assert_eq!(ids(storage, &person().order_by("employer", false)), expected);
    let mut reversed = expected;
    reversed.reverse();
    assert_eq!(ids(storage, &person().order_by("employer", true)), reversed);
    assert_eq!(ids(storage, &person().within(vec![1]).order_by("employer", true)), reversed);
}

fn ties_follow_the_row_number(storage: &mut dyn Storage) {
    write(storage, |storage| {
        for (scope, id, name, job) in
            [(2, 9, "b", "x"), (1, 8, "a", "y"), (1, 7, "b", "x"), (2, 6, "a", "x"), (1, 5, "a", "x")]
        {
            assert!(insert(storage, scope, "person", id, &[("name", text(name)), ("job", text(job))]));
        }
        Ok(())
    });
    assert_eq!(ids(storage, &person().order_by("name", false)), [8, 5, 6, 7, 9]);
    assert_eq!(ids(storage, &person().order_by("name", true)), [7, 9, 8, 5, 6]);
    assert_eq!(ids(storage, &person().order_by("name", false).order_by("job", true)), [8, 5, 6, 7, 9]);
    assert_eq!(ids(storage, &person().order_by("job", false).order_by("name", true)), [7, 9, 5, 6, 8]);
    assert_eq!(ids(storage, &person().order_by("id", false)), [5, 6, 7, 8, 9]);
    assert_eq!(ids(storage, &person().within(vec![2, 1]).order_by("name", true)), [7, 9, 8, 5, 6]);
}

fn without_an_order_rows_come_by_number(storage: &mut dyn Storage) {
    // Neither ids nor indexed columns go up with the row numbers, so an index that is used shows.
    write(storage, |storage| {
        for id in 0..40 {
            let name = ["d", "c", "b", "a"][usize::from(id % 4)];
            assert!(insert(storage, 2 - u32::from(id % 2), "person", 200 - id, &[("name", text(name))]));
        }
        Ok(())
    });
    let sorted = |query: &Query| {
        let recs: Vec<i64> = rows(storage, query).iter().map(|row| row.head.rec).collect();
        assert!(recs.is_sorted(), "{query:?}: {recs:?}");
        recs.len()
    };
    let narrowed = |query: Query| query.filter("name", Test::AtLeast, text("b"));
    assert_eq!(sorted(&person()), 40);
    assert_eq!(sorted(&person().within(vec![1])), 20);
    assert_eq!(sorted(&person().within(vec![2, 1, 2])), 40);
    assert_eq!(sorted(&narrowed(person())), 30);
    assert_eq!(sorted(&narrowed(person().within(vec![1]))), 10);
    assert_eq!(sorted(&narrowed(person().within(vec![1, 2]))), 30);
    assert_eq!(sorted(&narrowed(Query { limit: Some(7), ..person().within(vec![1, 2]) })), 7);
    assert_eq!(sorted(&narrowed(Query { offset: 7, ..person().within(vec![1, 2]) })), 23);
}

fn pages_are_cut_after_sorting(storage: &mut dyn Storage) {
    fill(storage);
    let page = |limit, offset| Query { limit, offset, ..person() };
    assert_eq!(ids(storage, &page(Some(2), 0)), [1, 2]);
    assert_eq!(ids(storage, &page(Some(2), 4)), [5]);
    assert_eq!(ids(storage, &page(Some(2), 5)), NONE);
    assert_eq!(ids(storage, &page(Some(0), 0)), NONE);
    assert_eq!(ids(storage, &page(None, 3)), [4, 5]);
    assert_eq!(ids(storage, &page(Some(usize::MAX), 1)), [2, 3, 4, 5]);
    assert_eq!(ids(storage, &page(Some(2), 1).order_by("name", true)), [2, 5]);
    assert_eq!(ids(storage, &page(Some(1), 1).filter("open", Test::Is, Cell::Int(0))), [3]);
}

fn scopes_narrow(storage: &mut dyn Storage) {
    write(storage, |storage| {
        (1..=4).for_each(|n| assert!(insert(storage, u32::from(n), "person", n, &[])));
        Ok(())
    });
    assert_eq!(ids(storage, &person()), [1, 2, 3, 4]);
    assert_eq!(ids(storage, &person().within(vec![3])), [3]);
    assert_eq!(ids(storage, &person().within(vec![4, 2, 4])), [2, 4]);
    assert_eq!(ids(storage, &person().within(vec![9])), NONE);
    assert_eq!(ids(storage, &person().within(vec![])), NONE);
    let found = rows(storage, &person().within(vec![2]));
    assert_eq!((found[0].scope, found[0].head.rec), (2, (2 << 32) + 1));
}

fn columns_come_as_asked(storage: &mut dyn Storage) {
    fill(storage);
    let query = Query::new(type_no("person"), &["name", "open", "id", "name", "skills"]);
    let first = rows(storage, &query).remove(0);
    let id = Cell::Blob(vec![1; 16].into());
    assert_eq!(first.cells, [text("b"), Cell::Int(0), id, text("b"), text("[\"x\",\"y\"]")]);
    assert_eq!(rows(storage, &person()).remove(0).cells, []);
}

fn unknown_columns_are_refused(storage: &mut dyn Storage) {
    let refused = |query: &Query| match try_rows(storage, query) {
        Err(StoreError::NoColumn { record_type, column }) => {
            assert_eq!((&*record_type, &*column), ("person", "nonsense"))
        }
        other => panic!("{other:?}"),
    };
    refused(&Query::new(type_no("person"), &["name", "nonsense"]));
    refused(&person().filter("nonsense", Test::IsNull, Cell::Null));
    refused(&person().order_by("nonsense", false));
    refused(&Query {
        find: Some(String::new()),
        limit: Some(0),
        ..person().within(vec![]).order_by("nonsense", false)
    });
    // The head's own columns have no names that a query could use.
    for name in ["rec", "_rec", "_id", "scope", "position", "name\"; --", ""] {
        assert!(
            matches!(try_rows(storage, &person().order_by(name, false)), Err(StoreError::NoColumn { .. })),
            "{name}"
        );
    }
}

fn a_visitor_can_stop_and_fail(storage: &mut dyn Storage) {
    fill(storage);
    for query in [person(), person().order_by("name", true)] {
        let mut seen = 0;
        let stopped = storage.visit(&query, &mut |_| {
            seen += 1;
            Ok(if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(stopped.is_ok() && seen == 2);
        let failed = storage.visit(&query, &mut |_| Err(StoreError::NoEncryption));
        assert!(matches!(failed, Err(StoreError::NoEncryption)));
    }
    // A query that was left early holds nothing open.
    write(storage, |storage| storage.clear_views());
    assert_eq!(ids(storage, &person()), NONE);
}
