//! Rosters as offices have them. All people are made up; their id numbers begin with 99, which is no region.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use lastmile_cli::roster::{self, BadReason, Format, MAX_FILE, Options, Roster, RosterError, RosterRow, Use};
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Formula, Workbook, Worksheet};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roster").join(name)
}

fn read(name: &str) -> Roster {
    roster::read(&fixture(name), &Options::default()).unwrap()
}

fn read_text(text: &str) -> Result<Roster, RosterError> {
    roster::read_bytes(text.as_bytes(), &Options::default())
}

/// Reads a workbook with one sheet that `fill` has written.
fn read_sheet(fill: impl FnOnce(&mut Worksheet)) -> Result<Roster, RosterError> {
    let mut workbook = Workbook::new();
    fill(workbook.add_worksheet());
    roster::read_bytes(&workbook.save_to_buffer().unwrap(), &Options::default())
}

fn write_rows(sheet: &mut Worksheet, first: u32, rows: &[&[&str]]) {
    for (row, cells) in (first..).zip(rows) {
        for (column, text) in (0..).zip(*cells) {
            if !text.is_empty() {
                sheet.write_string(row, column, *text).unwrap();
            }
        }
    }
}

fn numbers(rows: &[RosterRow]) -> Vec<u64> {
    rows.iter().map(|row| row.row_number).collect()
}

fn bad(roster: &Roster) -> Vec<(u64, &str, BadReason)> {
    roster.bad.iter().map(|bad| (bad.row_number, bad.heading.as_str(), bad.reason)).collect()
}

#[test]
fn reads_what_excel_writes_as_csv_utf8() {
    let roster = read("excel-utf8.csv");
    assert_eq!(roster.format, Format::Text { encoding: "UTF-8", delimiter: ',' });
    assert_eq!(numbers(&roster.rows), [5, 6, 9]);
    let first = &roster.rows[0].fields;
    assert_eq!(first["name"], "王五一");
    assert_eq!(first["id_no"], "990103198005120117");
    assert_eq!(first["phone"], "13800138000");
    assert_eq!(first["birth_ym"], "1980-05");
    assert_eq!(first["community"], "宝塔山社区");
    assert!(!first.contains_key("nation"));
    let second = &roster.rows[1].fields;
    assert_eq!(second["name"], "欧阳小明");
    assert_eq!(second["phone"], "13900139000;0731-88889999");
    assert_eq!(second["employer"], "某某局,办公室");
    assert_eq!(roster.rows[2].fields["birth_ym"], "1990-10", "the id number says which month 1990.1 is");
    assert_eq!(
        bad(&roster),
        [
            (7, "身份证号码（18位）", BadReason::DigitsLost),
            (8, "姓 名", BadReason::NoName),
            (10, "出生年月", BadReason::MonthUnclear),
            (11, "身份证号码（18位）", BadReason::Repeated { first: 5 }),
        ]
    );
    assert_eq!(roster.skipped, [14, 15, 16]);
    let uses: Vec<Use> = roster.headings.iter().map(|heading| heading.taken_as).collect();
    assert_eq!((uses[0], uses[1], uses[8]), (Use::Ignored, Use::Field("name"), Use::Ignored));
}

#[test]
fn reads_gb18030_with_semicolons() {
    let roster = read("gb18030.csv");
    assert_eq!(roster.format, Format::Text { encoding: "GB18030", delimiter: ';' });
    assert_eq!(numbers(&roster.rows), [2, 3, 4]);
    assert_eq!(roster.rows[0].fields["skills"], "电工;木工");
    assert_eq!(roster.rows[0].fields["member_since"], "2001-07-01");
    assert_eq!(roster.rows[1].fields["member_since"], "2005-07");
    assert!(!roster.rows[1].fields.contains_key("skills"), "无 says nothing");
    assert_eq!(roster.rows[2].fields["name"], "镕基㐂");
    assert!(roster.bad.is_empty());
}

#[test]
fn reads_what_excel_writes_as_unicode_text() {
    let roster = read("excel-unicode.txt");
    assert_eq!(roster.format, Format::Text { encoding: "UTF-16", delimiter: '\t' });
    assert_eq!(numbers(&roster.rows), [2, 3, 5]);
    assert_eq!(roster.rows[0].fields["employer"], "某某局 办公室");
}

#[test]
fn reads_headings_over_two_rows() {
    let roster = read("two-heading-rows.csv");
    assert_eq!(numbers(&roster.rows), [4]);
    let fields = &roster.rows[0].fields;
    assert_eq!((fields["phone"].as_str(), fields["employer"].as_str()), ("13800138000", "某某局"));
}

#[test]
fn reads_a_workbook_with_titles_merges_and_notes() {
    let center = CellFormat::new();
    let roster = read_sheet(|sheet| {
        sheet.merge_range(0, 0, 0, 5, "某某局在职党员报到花名册", &center).unwrap();
        write_rows(sheet, 2, &[&["序号", "姓名", "身份证号", "手机", "工作单位", "报到社区"]]);
        write_rows(
            sheet,
            3,
            &[
                &["1", "王一", "990103198005120117", "13800138000"],
                &["2", "王二", "", "13800138001"],
                &["", "", "", "13800138002"],
                &["3", "王三", "", "13800138003"],
            ],
        );
        sheet.merge_range(3, 4, 6, 4, "某某局", &center).unwrap();
        sheet.merge_range(3, 5, 4, 5, "宝塔山社区", &center).unwrap();
        sheet.merge_range(4, 1, 5, 1, "王二", &center).unwrap();
        write_rows(sheet, 7, &[&["4", "王四", "", "13800138004", "另一局"]]);
        sheet.merge_range(8, 0, 8, 5, "备注：以上名单由办公室提供", &center).unwrap();
        sheet.merge_range(9, 0, 9, 5, "第二党支部", &center).unwrap();
        write_rows(sheet, 10, &[&["序号", "姓名", "身份证号", "手机", "工作单位", "报到社区"]]);
        write_rows(sheet, 11, &[&["5", "王五", "", "13800138005", "", "白鹤咀社区"]]);
    })
    .unwrap();
    assert_eq!(roster.format, Format::Sheet { name: "Sheet1".into() });
    assert_eq!(numbers(&roster.rows), [4, 5, 7, 8, 12]);
    let field = |row: usize, field: &str| roster.rows[row].fields.get(field).map(String::as_str);
    assert_eq!(
        [0, 1, 2, 3, 4].map(|row| field(row, "employer")),
        [Some("某某局"), Some("某某局"), Some("某某局"), Some("另一局"), None]
    );
    assert_eq!(field(1, "community"), Some("宝塔山社区"));
    assert_eq!(field(2, "community"), None);
    assert_eq!(field(1, "phone"), Some("13800138001;13800138002"), "two rows under one merged name are one person");
    assert_eq!(roster.skipped, [9, 10, 11]);
    assert!(roster.bad.is_empty(), "{:?}", roster.bad);
}

#[test]
fn finds_out_what_excel_did_to_numbers() {
    let month = CellFormat::new().set_num_format("yyyy\"年\"m\"月\"");
    let roster = read_sheet(|sheet| {
        write_rows(sheet, 0, &[&["姓名", "身份证号", "电话", "出生年月"]]);
        write_rows(
            sheet,
            1,
            &[&["王一"], &["王二"], &["王三"], &["王四"], &["王五", "", "13800138004", "1980.1"], &["王六"]],
        );
        sheet.write_number(1, 1, 9.901_031_980_051_201e17).unwrap();
        sheet.write_string(2, 1, "990103198005120117").unwrap();
        sheet.write_number(2, 2, 13_800_138_000.0).unwrap();
        sheet.write_datetime_with_format(2, 3, ExcelDateTime::from_ymd(1980, 5, 12).unwrap(), &month).unwrap();
        sheet.write_number(3, 3, 1980.1).unwrap();
        sheet.write_number(4, 3, 198_005.0).unwrap();
        sheet.write_formula(6, 2, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    })
    .unwrap();
    assert_eq!(numbers(&roster.rows), [3, 5, 6]);
    assert_eq!(roster.rows[0].fields["phone"], "13800138000");
    assert_eq!(roster.rows[0].fields["birth_ym"], "1980-05");
    assert_eq!(roster.rows[1].fields["birth_ym"], "1980-05");
    assert_eq!(roster.rows[2].fields["birth_ym"], "1980-01", "typed as text, it is clear");
    assert_eq!(bad(&roster)[..2], [(2, "身份证号", BadReason::DigitsLost), (4, "出生年月", BadReason::MonthUnclear)]);
    assert_eq!(roster.bad[2].row_number, 7);
}

#[test]
fn takes_the_first_visible_sheet_with_a_roster_or_the_one_named() {
    let mut workbook = Workbook::new();
    let hidden = workbook.add_worksheet().set_name("旧").unwrap();
    write_rows(hidden, 0, &[&["姓名", "电话"], &["旧人", "1"]]);
    hidden.set_hidden(true);
    let cover = workbook.add_worksheet().set_name("封面").unwrap();
    write_rows(cover, 0, &[&["花名册"]]);
    cover.set_active(true);
    let list = workbook.add_worksheet().set_name("名单").unwrap();
    write_rows(list, 0, &[&["姓名", "电话"], &["王一", "13800138000"]]);
    let bytes = workbook.save_to_buffer().unwrap();

    let roster = roster::read_bytes(&bytes, &Options::default()).unwrap();
    assert_eq!(roster.format, Format::Sheet { name: "名单".into() });
    let named = |sheet: &str| roster::read_bytes(&bytes, &Options { sheet: Some(sheet.into()), ..Options::default() });
    assert_eq!(named("旧").unwrap().rows[0].fields["name"], "旧人");
    assert!(matches!(named("封面"), Err(RosterError::NoHeading)));
    let Err(RosterError::NoSheet { sheets }) = named("没有") else { panic!("a sheet that is not there") };
    assert_eq!(sheets, ["旧", "封面", "名单"]);
}

#[test]
fn a_cell_in_the_last_corner_costs_nothing() {
    let roster = read_sheet(|sheet| {
        write_rows(sheet, 0, &[&["姓名", "电话"], &["王一", "13800138000"]]);
        sheet.write_string(1_048_575, 16_383, "x").unwrap();
    })
    .unwrap();
    assert_eq!(numbers(&roster.rows), [2]);
}

#[test]
fn says_why_a_file_is_no_roster() {
    assert!(matches!(read_text(""), Err(RosterError::Empty)));
    assert!(matches!(read_text(" \r\n\t"), Err(RosterError::Empty)));
    assert!(matches!(read_text("a,b\n1,2\n"), Err(RosterError::NoHeading)));
    assert!(matches!(read_text("姓名\n张三\n"), Err(RosterError::NoHeading)));
    let old = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0, 0];
    assert!(matches!(roster::read_bytes(&old, &Options::default()), Err(RosterError::OldOrLocked)));
    let torn = b"PK\x03\x04 and no more";
    assert!(matches!(roster::read_bytes(torn, &Options::default()), Err(RosterError::Workbook(_))));
    let long = vec![b'a'; usize::try_from(MAX_FILE).unwrap() + 1];
    assert!(matches!(roster::read_bytes(&long, &Options::default()), Err(RosterError::TooLarge)));
    let quote = format!("姓名,电话\n\"张三,1\n{}", "李四,2\n".repeat(100));
    assert!(matches!(read_text(&quote), Err(RosterError::OpenQuote { row: 2 })));
    let picture = [0x89, b'P', b'N', b'G', 0xFF, 0xFF, 0, 1];
    assert!(roster::read_bytes(&picture, &Options::default()).is_err());
    let missing = roster::read(&fixture("none.csv"), &Options::default());
    assert!(matches!(missing, Err(RosterError::Read(_))));
}

#[test]
fn nothing_personal_in_what_is_logged() {
    let roster = read("excel-utf8.csv");
    let shown = format!("{:?}", (&roster.rows, &roster.bad, &roster.skipped));
    for secret in ["王五一", "990103", "13800138000", "某某局"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    // Every cut and some flips of a workbook and of a text: any outcome but a panic.
    let mut workbook = Workbook::new();
    write_rows(workbook.add_worksheet(), 0, &[&["姓名", "电话"], &["王一", "13800138000"]]);
    let text = std::fs::read(fixture("excel-utf8.csv")).unwrap();
    for bytes in [workbook.save_to_buffer().unwrap(), text] {
        for index in (0..bytes.len()).step_by(7) {
            let _ = roster::read_bytes(&bytes[..index], &Options::default());
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x55;
            let _ = roster::read_bytes(&flipped, &Options::default());
        }
    }
}

#[test]
fn a_workbook_that_its_reader_stumbles_over_is_damaged() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/roster/row-number-overflows.xlsx");
    assert!(matches!(roster::read(&path, &Options::default()), Err(RosterError::Workbook(_))));
}
