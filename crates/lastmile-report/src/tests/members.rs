//! R1, R2 and R9.

use lastmile_model::{Value, derive};

use super::world::{BAOTA, CITY, FUYA, NEXT_DOOR, Site, community, date, id, on_both, pair, whole};
use crate::report::{Check, Outcome, Report};
use crate::{Counting, Names, ReportId, ReportRequest, tallies_from_rows};

fn check<'r>(report: &'r Report, key: &str) -> &'r Check {
    report.checks.iter().find(|check| check.key == key).unwrap()
}

fn year() -> ReportRequest {
    ReportRequest::new(ReportId::R1, CITY, date("2026-01-01"), date("2026-12-31"), super::world::NOW)
}

#[test]
fn who_is_on_the_books() {
    on_both(|world| {
        let mut site = world.office();
        site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        site.member(BAOTA, 2, "陈三", "2026-05-01");
        let waits = site.person(BAOTA, 3, "李四");
        site.register(BAOTA, waits);
        let volunteer = site.person_of_status(BAOTA, 4, "王五", "13");
        site.check_in(BAOTA, volunteer, "2026-02-01");
        site.member(FUYA, 5, "赵六", "2026-06-01");
        let left = site.member(FUYA, 6, "孙七", "2024-01-01");
        site.move_out(FUYA, left, "2026-08-01", "430900000000");

        let report = site.report(ReportId::R1, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "on_books"), (3, 4));
        assert_eq!(pair(&report, "opening"), (2, 2));
        assert_eq!(pair(&report, "joined"), (2, 3));
        assert_eq!(pair(&report, "left"), (1, 1));
        let children = report.children.as_ref().unwrap();
        assert_eq!(children.rows.len(), 2);
        assert_eq!((children.sum("on_books"), children.sum("on_books_with_pending")), (3, 4));
        assert_eq!(site.figure(ReportId::R1, "430103"), (2, 3));
        assert_eq!(site.figure(ReportId::R1, BAOTA), (2, 3));
        // Moved out on 1 August: counted up to 31 July.
        let july = site.report(ReportId::R1, FUYA, "2026-07-01", "2026-07-31");
        assert_eq!(pair(&july, "on_books"), (2, 2));
        let august = site.report(ReportId::R1, FUYA, "2026-08-01", "2026-08-31");
        assert_eq!(pair(&august, "on_books"), (1, 1));

        let report = site.report(ReportId::R2, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "ever"), (5, 6), "the volunteer and who left were there once");
        assert_eq!(pair(&report, "new"), (3, 4));
        assert_eq!(site.report(ReportId::R2, FUYA, "2025-01-01", "2025-12-31").figures[0].verified.count(), 1);
    });
}

#[test]
fn moving_within_the_city_counts_in_one_community() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        site.move_out(BAOTA, person, "2026-06-01", FUYA);
        site.person(FUYA, 1, "曹雨菲");
        site.check_in(FUYA, person, "2026-06-01");
        let may = site.report(ReportId::R1, CITY, "2026-05-01", "2026-05-31");
        assert_eq!(pair(&may, "on_books"), (1, 1));
        assert_eq!(site.report(ReportId::R1, BAOTA, "2026-05-01", "2026-05-31").figures[0].verified.count(), 1);
        let june = site.report(ReportId::R1, CITY, "2026-06-01", "2026-06-30");
        assert_eq!((pair(&june, "on_books"), pair(&june, "joined"), pair(&june, "left")), ((1, 1), (0, 0), (0, 0)));
        let old = site.report(ReportId::R1, BAOTA, "2026-06-01", "2026-06-30");
        assert_eq!((pair(&old, "on_books"), pair(&old, "left")), ((0, 0), (1, 1)));
        let ever = site.report(ReportId::R2, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&ever, "ever"), (1, 1));
        assert_eq!(ever.children.unwrap().sum("ever"), 2, "each community saw the person once");
        // Back again: the same check-in with two spans.
        site.move_out(FUYA, person, "2026-09-01", BAOTA);
        let check_in = derive::check_in(person, BAOTA);
        site.event(&community(BAOTA), "check_in", check_in, "register", "");
        site.event(&community(BAOTA), "check_in", check_in, "confirm", "2026-09-01");
        assert_eq!(site.figure(ReportId::R1, BAOTA), (1, 1));
        assert_eq!(site.report(ReportId::R1, BAOTA, "2026-05-01", "2026-05-31").figures[0].verified.count(), 1);
        assert_eq!(site.report(ReportId::R1, BAOTA, "2026-07-01", "2026-07-31").figures[0].verified.count(), 0);
    });
}

#[test]
fn two_communities_that_confirm_one_member() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2026-03-02");
        site.person(FUYA, 1, "曹雨菲");
        site.check_in(FUYA, person, "2026-03-01");
        let report = site.report(ReportId::R1, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "on_books"), (1, 1));
        assert_eq!(report.open, 1);
        assert_eq!(site.figure(ReportId::R1, FUYA), (1, 1), "the earlier confirmed");
        let later = site.report(ReportId::R1, BAOTA, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&later, "on_books"), (0, 0));
        assert!(later.notes.iter().any(|note| note.zh.contains("待核")), "{:?}", later.notes);
    });
}

#[test]
fn of_copies_of_a_person_the_one_where_the_check_in_counts_shows_whatever_clocks_said() {
    on_both(|world| {
        let mut site = world.office();
        // The clock of the device that began the record was days ahead of the office's.
        let right = site.now;
        site.now += 20 * 86_400_000;
        let person = site.person_of_status(BAOTA, 1, "旧名", "13");
        site.check_in(BAOTA, person, "2025-03-01");
        site.now = right;
        site.move_out(BAOTA, person, "2026-06-01", FUYA);
        site.person_of_status(FUYA, 1, "新名", "01");
        site.check_in(FUYA, person, "2026-06-01");
        assert_eq!(site.figure(ReportId::R1, CITY), (1, 1), "the copy in the community where the member is");
        assert_eq!(site.figure(ReportId::R9, CITY), (0, 0));
        let may = site.report(ReportId::R1, CITY, "2026-05-01", "2026-05-31");
        assert_eq!(pair(&may, "on_books"), (0, 0), "as the community of that day has it");
        let activity = site.verified(BAOTA, 101, "2026-03-05", 10);
        site.took_part(BAOTA, activity, person, 60);
        let name = |site: &mut Site, report| {
            let request = ReportRequest { report, names: Names::Full, ..year() };
            let list = site.run(&request).list.unwrap();
            match list.cell(0, "name").unwrap() {
                crate::report::Cell::Text(name) => name.clone(),
                other => panic!("{other:?}"),
            }
        };
        for report in [ReportId::R1, ReportId::R2, ReportId::R5, ReportId::R6] {
            assert_eq!(name(&mut site, report), "新名", "{report}");
        }
        // Who is on no books any more shows as the community has it that confirmed last, which is where the office moved them.
        site.event(&community(FUYA), "check_in", derive::check_in(person, FUYA), "end", "2026-08-01");
        for report in [ReportId::R2, ReportId::R5] {
            assert_eq!(name(&mut site, report), "新名", "{report}");
        }
    });
}

#[test]
fn of_copies_without_a_check_in_the_lowest_community_shows() {
    for codes in [[BAOTA, FUYA], [FUYA, BAOTA]] {
        on_both(|world| {
            let mut site = world.office();
            for code in codes {
                site.person(code, 1, if code == BAOTA { "甲甲" } else { "乙乙" });
            }
            let activity = site.verified(BAOTA, 101, "2026-03-05", 10);
            site.took_part(BAOTA, activity, id(1), 60);
            let request = ReportRequest { report: ReportId::R5, names: Names::Full, ..year() };
            let list = site.run(&request).list.unwrap();
            assert_eq!(list.cell(0, "name").unwrap(), &crate::report::Cell::Text("甲甲".to_owned()), "{codes:?}");
        });
    }
}

#[test]
fn who_was_confirmed_and_left_on_one_day_was_ever_checked_in() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2026-03-01");
        site.move_out(BAOTA, person, "2026-03-01", FUYA);
        let report = site.report(ReportId::R2, BAOTA, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "ever"), pair(&report, "new")), ((1, 1), (1, 1)));
        assert_eq!(site.report(ReportId::R2, BAOTA, "2026-01-01", "2026-02-28").figures[0].verified.count(), 0);
        assert_eq!(site.figure(ReportId::R1, BAOTA), (0, 0));
        // Confirmed again later: the first day stays the first.
        let check_in = derive::check_in(person, BAOTA);
        site.event(&community(BAOTA), "check_in", check_in, "register", "");
        site.event(&community(BAOTA), "check_in", check_in, "confirm", "2026-09-01");
        let report = site.report(ReportId::R2, BAOTA, "2026-08-01", "2026-12-31");
        assert_eq!((pair(&report, "ever"), pair(&report, "new")), ((1, 1), (0, 0)));
    });
}

#[test]
fn linked_members_count_once_and_unlinking_splits() {
    on_both(|world| {
        let mut site = world.office();
        let one = site.member(BAOTA, 1, "曹雨菲", "2026-03-01");
        let other = site.member(BAOTA, 2, "曹雨菲", "2026-04-01");
        let elsewhere = site.member(FUYA, 3, "曹雨菲", "2026-02-01");
        assert_eq!(site.figure(ReportId::R1, CITY), (3, 3));
        site.link(BAOTA, "person", other, one, true);
        assert_eq!(site.figure(ReportId::R1, CITY), (2, 2));
        assert_eq!(site.figure(ReportId::R2, CITY), (2, 2));
        // A cycle is harmless.
        site.link(BAOTA, "person", elsewhere, other, true);
        site.link(BAOTA, "person", one, elsewhere, true);
        let report = site.report(ReportId::R1, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "on_books"), report.open), ((1, 1), 1));
        assert_eq!(report.list.unwrap().rows[0].id, Some(one.to_string()), "the smallest id is canonical");
        assert_eq!(site.figure(ReportId::R1, FUYA), (1, 1), "the earlier confirmed");
        site.link(BAOTA, "person", elsewhere, other, false);
        site.link(BAOTA, "person", one, elsewhere, false);
        assert_eq!(site.figure(ReportId::R1, CITY), (2, 2));
        site.link(BAOTA, "person", other, one, false);
        assert_eq!(site.figure(ReportId::R1, CITY), (3, 3));
    });
}

#[test]
fn a_link_counts_only_where_every_copy_is_live() {
    on_both(|world| {
        let mut site = world.office();
        let one = site.member(BAOTA, 1, "曹雨菲", "2026-03-01");
        let other = site.member(FUYA, 2, "曹雨菲", "2026-04-01");
        site.link(BAOTA, "person", other, one, true);
        site.link(FUYA, "person", other, one, true);
        assert_eq!(site.figure(ReportId::R2, CITY), (1, 1));
        site.link(FUYA, "person", other, one, false);
        assert_eq!(site.figure(ReportId::R2, CITY), (2, 2));
    });
}

/// Three members with different years behind them, and one who waits.
fn dutiful(site: &mut Site) {
    let two = site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
    let one = site.member(BAOTA, 2, "陈三", "2025-03-01");
    let late = site.member(FUYA, 3, "李四", "2026-07-02");
    let first = site.verified(BAOTA, 101, "2026-03-05", 10);
    let away = site.verified(FUYA, 102, "2026-09-05", 10);
    let pending = site.submitted(BAOTA, 103, "2026-10-05", 10);
    let before = site.verified(BAOTA, 104, "2025-12-31", 10);
    for (code, activity, person) in [
        (BAOTA, first, two),
        (FUYA, away, two),
        (BAOTA, first, one),
        (BAOTA, pending, one),
        (BAOTA, before, one),
        (FUYA, away, late),
    ] {
        site.took_part(code, activity, person, 60);
    }
}

#[test]
fn the_year_is_met_by_sessions_anywhere() {
    on_both(|world| {
        let mut site = world.office();
        dutiful(&mut site);
        let report = site.report(ReportId::R9, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "duty_met"), whole(&report, "duty_met")), ((2, 3), (3, 3)));
        let home = site.report(ReportId::R9, BAOTA, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&home, "duty_met"), whole(&home, "duty_met")), ((1, 2), (2, 2)));
        // By the end of June the second session had not been, and the late member was not there.
        let june = site.report(ReportId::R9, CITY, "2026-01-01", "2026-06-30");
        assert_eq!((pair(&june, "duty_met"), whole(&june, "duty_met")), ((0, 0), (2, 2)));
        let list = home.list.unwrap();
        let of = |row: usize, key: &str| list.cell(row, key).unwrap().number();
        assert_eq!([of(0, "done"), of(0, "owed"), of(0, "left"), of(0, "met")], [2, 2, 0, 1]);
        assert_eq!([of(1, "done"), of(1, "done_with_pending"), of(1, "left"), of(1, "met")], [1, 2, 1, 1]);
    });
}

#[test]
fn an_exempt_member_owes_nothing_and_shows_apart() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        site.set(BAOTA, "person", person, "exempt_reason", "长期病假");
        let report = site.report(ReportId::R9, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "duty_met"), whole(&report, "duty_met")), ((1, 1), (1, 1)));
        assert_eq!(pair(&report, "exempt"), (1, 1));
    });
}

#[test]
fn tallies_agree_with_rows_and_serve_a_phone() {
    on_both(|world| {
        let mut site = world.office();
        dutiful(&mut site);
        let mut reader = site.store.reader().unwrap();
        let rules = lastmile_model::duties::DutyRules::default();
        let tallies = tallies_from_rows(&mut reader, 2026, rules).unwrap();
        let counts: Vec<_> = tallies.iter().map(|row| (row.person, row.scope.code(), row.count, row.owed)).collect();
        assert_eq!(counts, [(id(1), BAOTA, 2, 2), (id(2), BAOTA, 1, 2), (id(3), FUYA, 1, 1)]);
        for row in &tallies {
            let tally = derive::tally(row.person, 2026);
            let fields = [
                ("person", Value::reference(row.person)),
                ("year", Value::Int(2026)),
                ("count", Value::Int(i64::from(row.count))),
                ("owed", Value::Int(i64::from(row.owed))),
            ];
            site.create(&row.scope, "tally", tally, &fields);
        }
        let report = site.report(ReportId::R9, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "duty_met"), (2, 3));
        assert_eq!((check(&report, "tallies").outcome, check(&report, "tallies").left), (Outcome::Holds, 0));

        // A phone that holds one community knows of the session elsewhere by the tally alone.
        let mut phone = world.device(9, &[BAOTA]);
        let mut relay = site;
        world.sync(&mut relay, &mut phone);
        let mut only_home = world.device(10, &[BAOTA]);
        copy_scope(world, &mut phone, &mut only_home);
        assert_eq!(only_home.figure(ReportId::R9, BAOTA), (1, 2));
        let request = ReportRequest { report: ReportId::R9, scope: BAOTA.to_owned(), ..year() };
        let rows = only_home.run(&ReportRequest { counting: Counting::Rows, ..request.clone() });
        assert_eq!(pair(&rows, "duty_met"), (0, 1));
        let both = only_home.run(&request);
        assert_eq!((check(&both, "tallies").outcome, check(&both, "tallies").left), (Outcome::Explain, 1));
    });
}

/// Brings 宝塔山 alone from one site to another.
fn copy_scope(world: &super::world::World, from: &mut Site, to: &mut Site) {
    use lastmile_store::{Durability, Incoming, ViewMode};
    let _ = world;
    let scope = community(BAOTA);
    to.store.hold_scope(&scope).unwrap();
    for entry in from.store.vector(&scope).entries() {
        let (batches, _) = from.store.path_batches(&scope, &entry.segment, 0, u64::MAX).unwrap();
        let batches = batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
        to.store.ingest(batches, ViewMode::Now, Durability::Refetchable).unwrap();
    }
}

#[test]
fn names_are_masked_unless_asked_for() {
    on_both(|world| {
        let mut site = world.office();
        site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        site.member(NEXT_DOOR, 2, "陈三", "2025-03-01");
        let name = |report: Report| match report.list.unwrap().cell(0, "name").unwrap() {
            crate::report::Cell::Text(name) => name.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name(site.run(&year())), "曹*菲");
        assert_eq!(name(site.run(&ReportRequest { names: Names::Full, ..year() })), "曹雨菲");
    });
}

#[test]
fn a_period_must_be_one_and_a_scope_known() {
    on_both(|world| {
        let mut site = world.office();
        site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        let mut reader = site.store.reader().unwrap();
        let backwards = ReportRequest { from: date("2026-12-31"), to: date("2026-01-01"), ..year() };
        let error = crate::run(&mut reader, &backwards).unwrap_err();
        assert!(matches!(error, crate::ReportError::Period { .. }), "{error}");
        for scope in ["43", "长沙", "43010300501", "4301030050100"] {
            let error = crate::run(&mut reader, &ReportRequest { scope: scope.to_owned(), ..year() }).unwrap_err();
            assert!(matches!(error, crate::ReportError::Scope { .. }), "{error}");
        }
        let elsewhere = ReportRequest { scope: "1101".to_owned(), ..year() };
        let error = crate::run(&mut reader, &elsewhere).unwrap_err();
        assert!(matches!(error, crate::ReportError::UnknownPlace { .. }), "{error}");
    });
}
