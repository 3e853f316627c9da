//! R10 and R12, children and coverage.

use lastmile_model::keys::{element, reference_element};
use lastmile_model::{RecordId, Value, derive};

use super::world::{BAOTA, CITY, FUYA, NEXT_DOOR, Site, city, date, id, on_both, pair, whole};
use crate::report::Cell;
use crate::{ReportId, ReportRequest};

fn org(site: &mut Site, number: u64, name: &str, level: &str, system: &str) -> RecordId {
    let fields = [
        ("name", Value::from(name)),
        ("kind", Value::from("agency")),
        ("level", Value::from(level)),
        ("system", Value::from(system)),
    ];
    site.create(&city(), "org", id(number), &fields);
    id(number)
}

fn pairing(site: &mut Site, number: u64, org: RecordId, code: &str, batch: &str, activate: bool) -> RecordId {
    let fields = [
        ("org", Value::reference(org)),
        ("community", Value::from(code)),
        ("batch", Value::from(batch)),
        ("from_date", Value::from("2026-01-10")),
    ];
    site.create(&city(), "pairing", id(number), &fields);
    if activate {
        site.event(&city(), "pairing", id(number), "activate", "2026-01-10");
    }
    id(number)
}

fn places(site: &mut Site) {
    for (code, name, level) in [
        (CITY, "长沙市", "city"),
        ("430103", "天心区", "district"),
        ("430105", "开福区", "district"),
        ("430103005", "坡子街街道", "street"),
        (BAOTA, "宝塔山社区", "community"),
        (NEXT_DOOR, "坡子街社区", "community"),
        (FUYA, "富雅坪社区", "community"),
        ("430105004201", "某村", "village"),
    ] {
        site.place(code, name, level);
    }
}

#[test]
fn pairing_covers_target_communities() {
    on_both(|world| {
        let mut site = world.office();
        places(&mut site);
        let bureau = org(&mut site, 900, "某局", "city", "");
        let school = org(&mut site, 901, "某校", "county", "教育");
        pairing(&mut site, 801, bureau, BAOTA, "48", true);
        pairing(&mut site, 802, school, BAOTA, "500", true);
        pairing(&mut site, 803, school, FUYA, "500", false);
        pairing(&mut site, 804, school, "430105004201", "220", true);
        let ended = pairing(&mut site, 805, bureau, NEXT_DOOR, "48", true);
        site.event(&city(), "pairing", ended, "end", "2026-07-01");

        let report = site.report(ReportId::R10, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((pair(&report, "communities"), whole(&report, "communities")), ((1, 2), (3, 3)));
        assert_eq!(pair(&report, "pairings"), (3, 4));
        assert_eq!((pair(&report, "orgs"), whole(&report, "orgs")), ((2, 2), (2, 2)));
        let batches = report.tables.iter().find(|table| table.key == "batches").unwrap();
        assert_eq!(batches.rows.len(), 3);
        assert_eq!(batches.cell(0, "batch"), Some(&Cell::Text("220".to_owned())));
        let uncovered = report.tables.iter().find(|table| table.key == "uncovered").unwrap();
        assert_eq!(uncovered.rows.len(), 1);
        assert!(report.notes.iter().any(|note| note.zh.contains("不在目标之内")));
        assert_eq!(report.children.unwrap().rows.len(), 2);
        // While the ended one went on it counted.
        let june = site.report(ReportId::R10, "430103", "2026-06-01", "2026-06-30");
        assert_eq!((pair(&june, "communities"), whole(&june, "communities")), ((2, 2), (2, 2)));
        let request = ReportRequest::new(ReportId::R10, CITY, date("2026-01-01"), date("2026-12-31"), 0);
        let given = site.run(&ReportRequest { targets: Some(vec![BAOTA.to_owned(), FUYA.to_owned()]), ..request });
        assert_eq!((pair(&given, "communities"), whole(&given, "communities")), ((1, 2), (2, 2)));
    });
}

#[test]
fn teams_by_system_and_activity() {
    on_both(|world| {
        let mut site = world.office();
        places(&mut site);
        let school = org(&mut site, 901, "某校", "county", "教育");
        let [one, two] = [1, 2].map(|n| site.member(BAOTA, n, "曹雨菲", "2026-01-05"));
        for (number, name, host, founded, members) in [
            (701, "青色", derive::place(BAOTA), "2013-05-01", vec![one, two]),
            (702, "麓枫", school, "2014-01-01", vec![two]),
            (703, "未来", school, "2027-01-01", vec![]),
        ] {
            let mut fields = vec![
                ("name".to_owned(), Value::from(name)),
                ("host".to_owned(), Value::reference(host)),
                ("founded".to_owned(), Value::from(founded)),
            ];
            let members = members.into_iter().map(|person| element("members", &reference_element(person)));
            fields.extend(members.map(|key| (key, Value::Bool(true))));
            let fields: Vec<(&str, Value)> = fields.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            site.create(&city(), "team", id(number), &fields);
        }
        let activity = site.submitted(FUYA, 101, "2026-05-30", 20);
        site.set(FUYA, "activity", activity, "host_team", Value::reference(id(701)));
        site.verify(FUYA, activity);
        let waiting = site.submitted(FUYA, 102, "2026-05-30", 20);
        site.set(FUYA, "activity", waiting, "host_team", Value::reference(id(702)));

        let report = site.report(ReportId::R12, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(
            (pair(&report, "teams"), pair(&report, "active"), pair(&report, "members")),
            ((2, 2), (1, 2), (2, 2))
        );
        let systems = &report.tables[0];
        assert_eq!((systems.rows.len(), systems.sum("teams"), systems.sum("members")), (2, 2, 3));
        let children = report.children.unwrap();
        assert_eq!((children.rows.len(), children.sum("teams")), (3, 2), "one row for teams of organisations");
        assert_eq!(site.figure(ReportId::R12, "430103"), (1, 1));
        assert_eq!(site.figure(ReportId::R12, FUYA), (0, 0));
        site.link(BAOTA, "person", two, one, true);
        let report = site.report(ReportId::R12, CITY, "2026-01-01", "2026-12-31");
        assert_eq!(pair(&report, "members"), (1, 1));
    });
}

#[test]
fn children_come_from_the_place_list_and_coverage_says_what_is_held() {
    on_both(|world| {
        let mut site = world.office();
        places(&mut site);
        site.verified(BAOTA, 101, "2026-05-30", 20);
        let report = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        assert_eq!((report.coverage.held, report.coverage.known), (1, 4));
        assert_eq!(report.scope.name, "长沙市");
        let children = report.children.unwrap();
        assert_eq!(children.cell(0, "name"), Some(&Cell::Text("天心区".to_owned())));
        assert_eq!(
            (children.cell(0, "sessions"), children.cell(1, "sessions")),
            (Some(&Cell::Number(1)), Some(&Cell::Number(0)))
        );
        let street = site.report(ReportId::R4, "430103005", "2026-01-01", "2026-12-31");
        assert_eq!(street.children.unwrap().rows.len(), 2);
        let home = site.report(ReportId::R4, BAOTA, "2026-01-01", "2026-12-31");
        assert!(home.children.is_none());
        assert_eq!(pair(&home, "sessions"), (1, 1));
    });
}
