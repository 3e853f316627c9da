//! Hostile texts in a report's exports.
//!
//! An input is texts between unit separators, which become the cells of a list. Laws: the CSV parses to the same cells, each
//! as it was or with one guarding character in front; no cell begins as a formula; JSON parses; text tables are whole.

use lastmile_report::day::{Day, Instant};
use lastmile_report::export::{Section, csv, json, text};
use lastmile_report::report::{Amount, Cell, Column, Coverage, Devices, Figure, PlaceName, Row, Table};
use lastmile_report::words::{Lang, Words};
use lastmile_report::{Report, ReportId};
use rand::Rng;

use crate::mutate::{self, Random};
use crate::{cost, tally};

const COLUMNS: usize = 3;

fn report(texts: &[&str]) -> Report {
    let words = |at: usize| Words::same(texts.get(at).copied().unwrap_or_default());
    let columns = vec![Column::text("a", "甲", "A"), Column::text("b", "乙", "B"), Column::number("c", "丙", "C")];
    let mut list = Table::new("list", words(0), columns);
    for row in texts.chunks(COLUMNS) {
        let cell = |at: usize| {
            row.get(at).map_or(Cell::Empty, |text| match at {
                0 => Cell::Text((*text).to_owned()),
                1 => Cell::Code((*text).to_owned()),
                _ => Cell::Words(Words::same(text)),
            })
        };
        list.rows.push(Row { id: None, cells: (0..COLUMNS).map(cell).collect() });
    }
    let figure = Figure {
        key: "f",
        label: words(1),
        unit: words(2),
        verified: Amount::Count(-3),
        with_pending: Amount::Unknown,
    };
    Report {
        report: ReportId::R4,
        title: words(0),
        definition: words(1),
        scope: PlaceName {
            code: texts.first().copied().unwrap_or_default().to_owned(),
            name: texts.last().copied().unwrap_or_default().to_owned(),
        },
        from: Day(20_000),
        to: Day(20_001),
        as_of: Instant(1_764_000_000_000),
        coverage: Coverage { held: 1, known: 2 },
        devices: Devices { known: 1, unsynced: Vec::new() },
        open: 0,
        figures: vec![figure],
        children: None,
        tables: Vec::new(),
        list: Some(list),
        checks: Vec::new(),
        notes: vec![words(2)],
    }
}

/// Whether a spreadsheet takes a cell that begins so for a formula.
fn is_formula(cell: &str) -> bool {
    // A TAB in front makes text of digits that would be read as a number, and of nothing else.
    let digits = cell
        .strip_prefix('\t')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || ('０'..='９').contains(&c)));
    !digits && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// Exports a report of these texts and reads the exports.
pub fn run(data: &[u8]) {
    let whole = String::from_utf8_lossy(data);
    let texts: Vec<&str> = whole.split('\u{1f}').take(60).collect();
    let report = report(&texts);
    for lang in Lang::ALL {
        let bytes = cost::of(|| csv(&report, Section::List, lang)).unwrap();
        let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap();
        let mut reader = ::csv::ReaderBuilder::new().from_reader(body);
        assert_eq!(reader.headers().unwrap().len(), COLUMNS);
        let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), texts.len().div_ceil(COLUMNS));
        for (row, given) in rows.iter().zip(texts.chunks(COLUMNS)) {
            assert_eq!(row.len(), COLUMNS);
            for (cell, given) in row.iter().zip(given) {
                assert!(!is_formula(cell), "{cell:?} is a formula");
                if cell != *given {
                    assert_eq!(cell.strip_prefix(['\'', '\t']), Some(*given), "a cell came back as another");
                    tally::note("guarded");
                }
            }
        }
        tally::note("exports");
        let figures = cost::of(|| csv(&report, Section::Figures, lang)).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().from_reader(&figures[3..]);
        let row = reader.records().next().unwrap().unwrap();
        assert!(row.iter().enumerate().all(|(at, cell)| at == 9 || !is_formula(cell)), "{row:?}");
        let shown = cost::of(|| text(&report, lang));
        assert!(shown.tables.iter().all(|table| table.rows.iter().all(|row| row.len() == table.heads.len())));
    }
    let value: serde_json::Value = serde_json::from_str(&cost::of(|| json(&report)).unwrap()).unwrap();
    assert_eq!(value["list"]["rows"].as_array().unwrap().len(), texts.len().div_ceil(COLUMNS));
}

/// Cells that spreadsheets are known to run.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "=1+1\u{1f}007\u{1f}+1",
        "@SUM(A1)\u{1f}430103005010\u{1f}\t=1",
        "a\"b\u{1f}x\r\ny\u{1f}＝1",
        "'=1\u{1f}12E5\u{1f}清洁日",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Mutates the texts.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let mut bytes = data.to_vec();
    match rng.random_range(0..3) {
        0 => bytes.extend(format!("\u{1f}{}", mutate::text(rng)).bytes()),
        1 => {
            let mut front = format!("{}\u{1f}", mutate::text(rng)).into_bytes();
            front.extend(&bytes);
            bytes = front;
        }
        _ => mutate::bytes(&mut bytes, rng),
    }
    bytes.truncate(4_000);
    bytes
}
