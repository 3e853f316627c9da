//! Every report as text, CSV and JSON, in both languages, with its list.

use super::world::{BAOTA, CITY, FUYA, Site, on_both};
use crate::ReportId;
use crate::export::{Section, csv, json, text};
use crate::words::Lang;

fn fill(site: &mut Site) {
    for (code, name, level) in
        [(CITY, "长沙市", "city"), ("430103", "天心区", "district"), (BAOTA, "=宝塔山", "community")]
    {
        site.place(code, name, level);
    }
    let one = site.member(BAOTA, 1, "曹雨菲", "2026-01-05");
    let two = site.member(FUYA, 2, "陈三", "2026-08-05");
    let first = site.verified(BAOTA, 101, "2026-03-05", 20);
    let second = site.submitted(FUYA, 102, "2026-03-05", 22);
    site.took_part(BAOTA, first, one, 60);
    site.took_part(FUYA, second, two, 60);
}

#[test]
fn every_report_in_every_form() {
    on_both(|world| {
        let mut site = world.office();
        fill(&mut site);
        for id in ReportId::ALL {
            for scope in [CITY, "430103", BAOTA] {
                let report = site.report(id, scope, "2026-01-01", "2026-12-31");
                assert!(report.is_sound());
                let list = report.list.as_ref().unwrap();
                for lang in Lang::ALL {
                    let shown = text(&report, lang);
                    assert!(shown.title.starts_with(id.code()));
                    assert!(
                        shown.tables.iter().all(|table| table.rows.iter().all(|row| row.len() == table.heads.len()))
                    );
                    let bytes = csv(&report, Section::List, lang).unwrap();
                    let body = String::from_utf8(bytes).unwrap();
                    assert!(body.starts_with('\u{feff}'));
                    assert_eq!(body.matches("\r\n").count(), list.rows.len() + 1, "{id} {scope}");
                    assert_eq!(csv(&report, Section::Children, lang).is_some(), scope != BAOTA);
                    let figures = String::from_utf8(csv(&report, Section::Figures, lang).unwrap()).unwrap();
                    assert_eq!(figures.matches("\r\n").count(), report.figures.len() + 1);
                    for table in &report.tables {
                        assert!(csv(&report, Section::Table(table.key), lang).is_some());
                    }
                }
                let value: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
                assert_eq!(value["report"], id.code());
                assert_eq!(value["from"], "2026-01-01");
                assert_eq!(value["as_of"], "2026-11-24T08:00:00+08:00");
                assert_eq!(value["list"]["rows"].as_array().unwrap().len(), list.rows.len());
            }
        }
        let report = site.report(ReportId::R4, CITY, "2026-01-01", "2026-12-31");
        let body = String::from_utf8(csv(&report, Section::List, Lang::Zh).unwrap()).unwrap();
        assert!(body.contains("'=宝塔山") && body.contains("\t430103005010"), "{body}");
        assert!(csv(&report, Section::Table("none"), Lang::Zh).is_none());
        let shown = text(&report, Lang::Zh);
        assert_eq!(shown.tables[0].rows[0], ["活动场次", "1", "2", "场次"]);
        assert!(shown.head.iter().any(|line| line.contains("2026-11-24 08:00")));
    });
}

#[test]
fn every_word_exists_in_both_languages() {
    on_both(|world| {
        let mut site = world.office();
        fill(&mut site);
        for id in ReportId::ALL {
            let report = site.report(id, CITY, "2026-01-01", "2026-12-31");
            let mut words: Vec<_> = report.figures.iter().flat_map(|figure| [&figure.label, &figure.unit]).collect();
            words.extend(report.checks.iter().map(|check| &check.label));
            words.extend(&report.notes);
            for table in report.children.iter().chain(&report.tables).chain(&report.list) {
                words.push(&table.title);
                words.extend(table.columns.iter().map(|column| &column.label));
            }
            for word in words {
                assert!(!word.zh.is_empty() && !word.en.is_empty() && word.zh != word.en, "{id}: {word:?}");
                assert!(word.en.is_ascii(), "{id}: {word:?}");
            }
        }
    });
}
