//! R4, R5, R6, R7 and R13: the worked merge cases, as far as reports tell.

use lastmile_model::{Value, derive};

use super::world::{BAOTA, CITY, FUYA, community, date, on_both, pair};
use crate::report::{Cell, Outcome, Report};
use crate::{ReportId, ReportRequest};

fn outcome(report: &Report, key: &str) -> Option<Outcome> {
    report.checks.iter().find(|check| check.key == key).map(|check| check.outcome)
}

#[test]
fn verified_and_pending_cancelled_and_returned() {
    on_both(|world| {
        let mut site = world.office();
        let scope = community(BAOTA);
        site.verified(BAOTA, 1, "2026-03-05", 20);
        site.submitted(BAOTA, 2, "2026-03-06", 5);
        let returned = site.submitted(BAOTA, 3, "2026-03-07", 5);
        site.event(&scope, "activity", returned, "return", "");
        let fields =
            [("title", Value::from("计划")), ("category", Value::from("health")), ("date", Value::from("2026-04-01"))];
        for (number, kind) in [(4, "plan"), (5, "cancel"), (6, "hold")] {
            site.create(&scope, "activity", super::world::id(number), &fields);
            site.event(&scope, "activity", super::world::id(number), kind, "");
        }
        site.verified(FUYA, 7, "2025-12-31", 7);
        assert_eq!(site.figure(ReportId::R4, CITY), (1, 2));
        assert_eq!(site.figure(ReportId::R7, CITY), (20, 25));
        assert_eq!(site.figure(ReportId::R7, FUYA), (0, 0));
        let report = site.report(ReportId::R4, CITY, "2025-12-31", "2025-12-31");
        assert_eq!(pair(&report, "sessions"), (1, 1));
    });
}

#[test]
fn twice_twenty_is_twenty_and_thirty_five_is_asked() {
    on_both(|world| {
        let mut site = world.office();
        let mut other = world.device(11, &[BAOTA]);
        let activity = site.verified(BAOTA, 1, "2026-03-05", 0);
        world.sync(&mut site, &mut other);
        site.set(BAOTA, "activity", activity, "beneficiaries", 20);
        other.set(BAOTA, "activity", activity, "beneficiaries", 20);
        world.sync(&mut site, &mut other);
        // Both are corrections of a verified value: what was verified stands until one is accepted.
        let report = site.report(ReportId::R7, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "served"), (0, 0));
        assert!(report.open > 0);
        site.event(&community(BAOTA), "activity", activity, "accept", "");
        let report = site.report(ReportId::R7, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "served"), report.open), ((20, 20), 0), "20, never 40");
    });
}

#[test]
fn differing_numbers_show_the_lowest_and_one_open_question() {
    on_both(|world| {
        let mut site = world.office();
        let mut other = world.device(11, &[BAOTA]);
        let activity = site.submitted(BAOTA, 1, "2026-03-05", 10);
        world.sync(&mut site, &mut other);
        site.set(BAOTA, "activity", activity, "beneficiaries", 20);
        other.set(BAOTA, "activity", activity, "beneficiaries", 35);
        world.sync(&mut site, &mut other);
        let here = site.report(ReportId::R7, CITY, "2026-01-01", "2026-12-31");
        let there = other.report(ReportId::R7, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((here.open, there.open), (1, 1), "含1条待核");
        assert_eq!(pair(&here, "served"), pair(&there, "served"));
        assert!([(0, 20), (0, 35)].contains(&pair(&here, "served")), "one of the two, never the sum");
    });
}

#[test]
fn a_duplicate_counts_once_with_everybody_who_came() {
    on_both(|world| {
        let mut site = world.office();
        let [one, two, three] = [1, 2, 3].map(|n| site.member(BAOTA, n, "曹雨菲", "2026-01-05"));
        let first = site.verified(BAOTA, 101, "2026-03-05", 20);
        let second = site.verified(BAOTA, 102, "2026-03-05", 22);
        for (activity, person) in [(first, one), (first, two), (second, two), (second, three)] {
            site.took_part(BAOTA, activity, person, 60);
        }
        let figures = |site: &mut super::world::Site| {
            [ReportId::R4, ReportId::R5, ReportId::R6, ReportId::R7].map(|report| site.figure(report, CITY).0)
        };
        assert_eq!(figures(&mut site), [2, 4, 3, 42]);
        site.mark_duplicate(BAOTA, second, first);
        assert_eq!(figures(&mut site), [1, 3, 3, 20]);
        site.event(&community(BAOTA), "activity", second, "not_duplicate", "");
        assert_eq!(figures(&mut site), [2, 4, 3, 42]);
        site.mark_duplicate(BAOTA, second, first);
        // The same said by a link of the office.
        let third = site.verified(BAOTA, 103, "2026-03-05", 9);
        site.took_part(BAOTA, third, three, 60);
        assert_eq!(figures(&mut site), [2, 4, 3, 29]);
        site.link(BAOTA, "activity", third, first, true);
        assert_eq!(figures(&mut site), [1, 3, 3, 20]);
        site.link(BAOTA, "activity", third, first, false);
        assert_eq!(figures(&mut site), [2, 4, 3, 29]);
    });
}

#[test]
fn a_field_may_name_the_original_of_what_still_waits() {
    on_both(|world| {
        let mut site = world.office();
        let [one, two] = [1, 2].map(|n| site.member(BAOTA, n, "曹雨菲", "2026-01-05"));
        let first = site.verified(BAOTA, 101, "2026-03-05", 20);
        let second = site.submitted(BAOTA, 102, "2026-03-05", 22);
        site.took_part(BAOTA, first, one, 60);
        site.took_part(BAOTA, second, two, 60);
        assert_eq!((site.figure(ReportId::R4, CITY), site.figure(ReportId::R6, CITY)), ((1, 2), (1, 2)));
        site.set(BAOTA, "activity", second, "duplicate_of", Value::reference(first));
        assert_eq!((site.figure(ReportId::R4, CITY), site.figure(ReportId::R6, CITY)), ((1, 1), (2, 2)));
        // A mark that leads nowhere leaves nothing to count and says so.
        site.set(BAOTA, "activity", second, "duplicate_of", Value::reference(super::world::id(999)));
        let report = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "sessions"), (1, 1));
        assert!(report.notes.iter().any(|note| note.zh.contains("标记为重复")));
    });
}

#[test]
fn linked_persons_make_one_participation_and_differing_minutes_are_open() {
    on_both(|world| {
        let mut site = world.office();
        let [one, two] = [1, 2].map(|n| site.member(BAOTA, n, "曹雨菲", "2026-01-05"));
        let activity = site.verified(BAOTA, 101, "2026-03-05", 20);
        site.took_part(BAOTA, activity, one, 60);
        site.took_part(BAOTA, activity, two, 90);
        assert_eq!((site.figure(ReportId::R5, CITY), site.figure(ReportId::R6, CITY)), ((2, 2), (2, 2)));
        site.link(BAOTA, "person", two, one, true);
        let report = site.report(ReportId::R5, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "participations"), pair(&report, "participants")), ((1, 1), (1, 1)));
        assert_eq!(report.open, 1);
        assert_eq!(report.list.unwrap().cell(0, "minutes"), Some(&Cell::Number(90)));
    });
}

#[test]
fn absent_persons_and_unverified_sessions_do_not_count() {
    on_both(|world| {
        let mut site = world.office();
        let [one, two] = [1, 2].map(|n| site.member(BAOTA, n, "曹雨菲", "2026-01-05"));
        let activity = site.verified(BAOTA, 101, "2026-03-05", 20);
        let waiting = site.submitted(BAOTA, 102, "2026-03-06", 20);
        let returned = site.submitted(BAOTA, 103, "2026-03-07", 20);
        site.event(&community(BAOTA), "activity", returned, "return", "");
        site.took_part(BAOTA, activity, one, 60);
        site.took_part(BAOTA, activity, two, 60);
        site.set(BAOTA, "participation", derive::participation(activity, two), "attended", false);
        site.took_part(BAOTA, waiting, one, 60);
        site.took_part(BAOTA, waiting, two, 60);
        site.took_part(BAOTA, returned, two, 60);
        assert_eq!(site.figure(ReportId::R5, CITY), (1, 3));
        assert_eq!(site.figure(ReportId::R6, CITY), (1, 2));
    });
}

#[test]
fn work_before_a_move_stays_where_it_was_done() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        site.move_out(BAOTA, person, "2026-06-01", FUYA);
        let activity = site.verified(BAOTA, 101, "2026-05-30", 20);
        site.took_part(BAOTA, activity, person, 60);
        assert_eq!(site.figure(ReportId::R5, BAOTA), (1, 1));
        assert_eq!(site.figure(ReportId::R5, CITY), (1, 1));
    });
}

#[test]
fn one_person_at_two_places_at_once_is_to_be_explained() {
    on_both(|world| {
        let mut site = world.office();
        let person = site.member(BAOTA, 1, "曹雨菲", "2025-03-01");
        for (number, start, end) in [(101, "09:00", "11:00"), (102, "10:00", "12:00"), (103, "12:00", "13:00")] {
            let activity = site.submitted(BAOTA, number, "2026-05-30", 20);
            site.set(BAOTA, "activity", activity, "start_time", start);
            site.set(BAOTA, "activity", activity, "end_time", end);
            site.verify(BAOTA, activity);
            site.took_part(BAOTA, activity, person, 60);
        }
        let report = site.report(ReportId::R5, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(outcome(&report, "overlaps"), Some(Outcome::Explain));
        let check = report.checks.iter().find(|check| check.key == "overlaps").unwrap();
        assert_eq!(check.left, 1);
    });
}

#[test]
fn categories_add_up_and_tags_stand_apart() {
    on_both(|world| {
        let mut site = world.office();
        let first = site.verified(BAOTA, 101, "2026-05-30", 20);
        site.set(BAOTA, "activity", first, "tags/环保", true);
        site.set(BAOTA, "activity", first, "tags/春季", true);
        site.submitted(FUYA, 102, "2026-05-30", 20);
        let unknown = site.submitted(FUYA, 103, "2026-05-30", 20);
        site.set(FUYA, "activity", unknown, "category", "gardening");
        site.verify(FUYA, unknown);
        let report = site.report(ReportId::R13, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "sessions"), (2, 3));
        let categories = &report.tables[0];
        assert_eq!((categories.sum("sessions"), categories.sum("sessions_with_pending")), (2, 3));
        assert_eq!(categories.rows.len(), 14, "every category of the catalogue, and one it does not know");
        let tags = &report.tables[1];
        assert_eq!((tags.rows.len(), tags.sum("sessions")), (2, 2));
    });
}

#[test]
fn large_sessions_and_sudden_changes_are_to_be_explained() {
    on_both(|world| {
        let mut site = world.office();
        site.verified(BAOTA, 101, "2026-05-30", 51);
        site.verified(BAOTA, 102, "2026-04-30", 20);
        site.verified(BAOTA, 103, "2026-04-29", 20);
        site.verified(BAOTA, 104, "2026-04-01", 20);
        let report = site.report(ReportId::R7, CITY, "2026-05-01", "2026-05-31");
        assert_eq!(outcome(&report, "served_per_session"), Some(Outcome::Explain));
        assert_eq!(outcome(&report, "large_sessions"), Some(Outcome::Explain));
        assert_eq!(report.tables[0].rows.len(), 1);
        assert_eq!(outcome(&report, "change"), Some(Outcome::Holds), "51 against 60");
        let sessions = site.report(ReportId::R4, CITY, "2026-05-01", "2026-05-31");
        assert_eq!(outcome(&sessions, "change"), Some(Outcome::Explain), "1 against 3");
        let year = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(outcome(&year, "change"), None, "nothing before");
    });
}

#[test]
fn a_correction_waits_for_acceptance() {
    on_both(|world| {
        let mut site = world.office();
        let activity = site.verified(BAOTA, 101, "2026-05-30", 20);
        site.set(BAOTA, "activity", activity, "date", "2025-05-30");
        let report = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "sessions"), report.open), ((1, 1), 1));
        site.event(&community(BAOTA), "activity", activity, "accept", "");
        assert_eq!(site.figure(ReportId::R4, CITY), (0, 0));
    });
}

#[test]
fn periods_before() {
    let previous = |from: &str, to: &str| {
        let request = ReportRequest::new(ReportId::R4, CITY, date(from), date(to), 0);
        crate::reports::previous(&request).map(|(from, to)| (from.to_string(), to.to_string())).unwrap()
    };
    let day = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(previous("2026-03-01", "2026-03-31"), day("2026-02-01", "2026-02-28"));
    assert_eq!(previous("2026-01-01", "2026-12-31"), day("2025-01-01", "2025-12-31"));
    assert_eq!(previous("2026-04-01", "2026-06-30"), day("2026-01-01", "2026-03-31"));
    assert_eq!(previous("2026-03-10", "2026-03-19"), day("2026-02-28", "2026-03-09"));
}
