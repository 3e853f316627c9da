//! R19 and the devices that every report names.

use lastmile_model::Value;

use super::world::{BAOTA, CITY, FUYA, NOW, community, noon, on_both, pair};
use crate::ReportId;
use crate::report::Amount;

#[test]
fn likely_duplicates_are_open_until_somebody_decides() {
    on_both(|world| {
        let mut site = world.office();
        let one = site.member(BAOTA, 1, "曹雨菲", "2026-03-01");
        let two = site.member(BAOTA, 2, "曹 雨菲", "2026-03-01");
        site.member(FUYA, 3, "曹雨菲", "2026-03-01");
        let figure = |site: &mut super::world::Site| {
            pair(&site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31"), "duplicate_persons").0
        };
        assert_eq!(figure(&mut site), 1, "one community; the same name across the city is no candidate");
        site.set(BAOTA, "person", one, "phone/13800138000", true);
        site.set(FUYA, "person", super::world::id(3), "phone/13800138000", true);
        assert_eq!(figure(&mut site), 2);
        site.link(BAOTA, "person", two, one, true);
        assert_eq!(figure(&mut site), 1);
        site.link(BAOTA, "person", two, one, false);
        assert_eq!(figure(&mut site), 1, "kept apart is decided too");
    });
}

#[test]
fn the_same_day_twice_is_a_likely_duplicate() {
    on_both(|world| {
        let mut site = world.office();
        let first = site.verified(BAOTA, 101, "2026-03-05", 20);
        let second = site.submitted(BAOTA, 102, "2026-03-05", 22);
        site.verified(FUYA, 103, "2026-03-05", 22);
        let report = site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "duplicate_activities"), (1, 1));
        // Another title, but the same people.
        site.set(BAOTA, "activity", second, "title", "大扫除");
        assert_eq!(pair(&site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31"), "duplicate_activities"), (0, 0));
        let person = site.member(BAOTA, 1, "曹雨菲", "2026-03-01");
        site.took_part(BAOTA, first, person, 60);
        site.took_part(BAOTA, second, person, 60);
        assert_eq!(pair(&site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31"), "duplicate_activities"), (1, 1));
        site.mark_duplicate(BAOTA, second, first);
        assert_eq!(pair(&site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31"), "duplicate_activities"), (0, 0));
    });
}

#[test]
fn delays_and_late_entries() {
    on_both(|world| {
        let mut site = world.office();
        for (number, made) in [(101, "2026-03-05"), (102, "2026-03-07"), (103, "2026-04-05")] {
            site.now = noon(made);
            site.verified(BAOTA, number, "2026-03-05", 20);
        }
        let person = site.person(BAOTA, 1, "曹雨菲");
        let part = site.took_part(BAOTA, super::world::id(101), person, 60);
        site.set(BAOTA, "participation", part, "source", "late");
        let report = site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(report.figure("median_delay").unwrap().verified, Amount::Count(2));
        assert_eq!((pair(&report, "late_activities"), pair(&report, "late_participations")), ((1, 1), (1, 1)));
        let other = site.report(ReportId::R19, CITY, "2025-01-01", "2025-12-31");
        assert_eq!(other.figure("median_delay").unwrap().verified, Amount::Unknown);
    });
}

#[test]
fn silent_devices_stand_beside_every_figure() {
    on_both(|world| {
        let mut site = world.office();
        let mut active = world.device(11, &[BAOTA]);
        let mut silent = world.device(12, &[FUYA]);
        let _never = world.device(13, &[FUYA]);
        active.now = NOW - 3_600_000;
        active.verified(BAOTA, 101, "2026-11-20", 20);
        silent.now = NOW - 40 * 86_400_000;
        silent.verified(FUYA, 102, "2026-10-10", 20);
        world.sync(&mut site, &mut active);
        world.sync(&mut site, &mut silent);
        let report = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "sessions"), (2, 2));
        let names: Vec<_> = report.devices.unsynced.iter().filter_map(|device| device.name.as_deref()).collect();
        assert_eq!((report.devices.known, names), (3, vec!["tablet 13", "tablet 12"]));
        let home = site.report(ReportId::R4, BAOTA, "2026-01-01", "2026-12-31");
        assert_eq!((home.devices.known, home.devices.unsynced.len()), (1, 0));
        let quality = site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&quality, "devices"), pair(&quality, "unsynced")), ((3, 3), (2, 2)));
    });
}

#[test]
fn open_questions_of_every_type_are_counted() {
    on_both(|world| {
        let mut site = world.office();
        let mut other = world.device(11, &[BAOTA]);
        let activity = site.submitted(BAOTA, 1, "2026-03-05", 10);
        let person = site.person(BAOTA, 2, "曹雨菲");
        world.sync(&mut site, &mut other);
        for (place, one) in [&mut site, &mut other].into_iter().enumerate() {
            one.set(BAOTA, "activity", activity, "beneficiaries", [20, 35][place]);
            one.set(BAOTA, "person", person, "name", ["曹雨非", "曹宇菲"][place]);
        }
        world.sync(&mut site, &mut other);
        let report = site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "open"), report.open), ((2, 2), 2));
        let by_type = report.tables.iter().find(|table| table.key == "open_by_type").unwrap();
        assert_eq!((by_type.rows.len(), by_type.sum("open")), (2, 2));
    });
}

#[test]
fn what_this_version_does_not_understand_is_listed() {
    on_both(|world| {
        let mut site = world.office();
        let mut other = world.device(11, &[BAOTA]);
        site.verified(BAOTA, 101, "2026-11-20", 20);
        // A tally from a device is none: only the office writes them.
        let fields = [("person", Value::reference(super::world::id(1))), ("year", Value::Int(2026))];
        other.create(&community(BAOTA), "tally", lastmile_model::derive::tally(super::world::id(1), 2026), &fields);
        world.sync(&mut site, &mut other);
        let report = site.report(ReportId::R19, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "opaque"), (1, 1));
        let odd = report.tables.iter().find(|table| table.key == "odd").unwrap();
        assert_eq!(odd.sum("changes"), 1);
    });
}
