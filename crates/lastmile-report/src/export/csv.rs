//! CSV for spreadsheets: RFC 4180 with CRLF, a byte order mark, guarded cells, codes kept as text.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, TAB or CR, full-width forms included, for a formula: such texts get
//! an apostrophe in front. They turn codes of 12 or 18 digits into 1.1E+11: texts of digits that would lose anything
//! get a TAB in front, which makes them text and which importers trim.

use std::borrow::Cow;

use crate::report::{Cell, Report, Table};
use crate::words::{Lang, Words};

/// Which part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// The figures of the scope.
    Figures,
    /// The figures by child of the scope.
    Children,
    /// The rows behind the figure.
    List,
    /// A further table by its stable name, such as `batches`.
    Table(&'static str),
}

/// Writes one part of a report as CSV; `None` where the report has no such part.
#[must_use]
pub fn csv(report: &Report, section: Section, lang: Lang) -> Option<Vec<u8>> {
    match section {
        Section::Figures => Some(figures(report, lang)),
        Section::Children => report.children.as_ref().map(|table| of_table(table, lang)),
        Section::List => report.list.as_ref().map(|table| of_table(table, lang)),
        Section::Table(key) => report.tables.iter().find(|table| table.key == key).map(|table| of_table(table, lang)),
    }
}

/// Collects lines; writing to memory cannot fail.
struct Lines {
    writer: ::csv::Writer<Vec<u8>>,
}

impl Lines {
    fn new() -> Self {
        let writer = ::csv::WriterBuilder::new()
            .terminator(::csv::Terminator::CRLF)
            .flexible(false)
            .from_writer(b"\xEF\xBB\xBF".to_vec());
        Self { writer }
    }

    fn push<'c>(&mut self, cells: impl IntoIterator<Item = Cow<'c, str>>) {
        let cells: Vec<Cow<'c, str>> = cells.into_iter().collect();
        let written = self.writer.write_record(cells.iter().map(|cell| cell.as_bytes()));
        debug_assert!(written.is_ok(), "every line of a table has the same number of cells");
    }

    fn finish(self) -> Vec<u8> {
        self.writer.into_inner().unwrap_or_default()
    }
}

fn figures(report: &Report, lang: Lang) -> Vec<u8> {
    let mut lines = Lines::new();
    let heads = [
        Words::fixed("报表", "Report"),
        Words::fixed("名称", "Title"),
        Words::fixed("区域代码", "Place code"),
        Words::fixed("区域", "Place"),
        Words::fixed("起", "From"),
        Words::fixed("止", "To"),
        Words::fixed("截至", "As of"),
        Words::fixed("指标", "Figure"),
        Words::fixed("单位", "Unit"),
        Words::fixed("已审核", "Verified"),
        Words::fixed("含待审", "With pending"),
        Words::fixed("分母·已审核", "Out of, verified"),
        Words::fixed("分母·含待审", "Out of, with pending"),
        Words::fixed("待核", "Open"),
        Words::fixed("未同步设备", "Devices not synced"),
    ];
    lines.push(heads.iter().map(|words| guarded(words.get(lang))));
    for figure in &report.figures {
        let [verified, with_pending] =
            [figure.verified, figure.with_pending].map(|amount| part_and_whole(&amount.into()));
        let place = [report.scope.code.as_str(), report.scope.name.as_str()].map(guarded);
        let [code, name] = place;
        lines.push([
            Cow::Borrowed(report.report.code()),
            guarded(report.title.get(lang)),
            code,
            name,
            Cow::Owned(report.from.to_string()),
            Cow::Owned(report.to.to_string()),
            Cow::Owned(report.as_of.to_string()),
            guarded(figure.label.get(lang)),
            guarded(figure.unit.get(lang)),
            Cow::Owned(verified.0),
            Cow::Owned(with_pending.0),
            Cow::Owned(verified.1),
            Cow::Owned(with_pending.1),
            Cow::Owned(report.open.to_string()),
            Cow::Owned(report.devices.unsynced.len().to_string()),
        ]);
    }
    lines.finish()
}

/// A number and what it is a part of, as texts; empty where there is none.
fn part_and_whole(cell: &Cell) -> (String, String) {
    match cell {
        Cell::Number(number) => (number.to_string(), String::new()),
        Cell::Share { part, whole } => (part.to_string(), whole.to_string()),
        _ => (String::new(), String::new()),
    }
}

fn of_table(table: &Table, lang: Lang) -> Vec<u8> {
    let mut lines = Lines::new();
    let with_ids = table.rows.iter().any(|row| row.id.is_some());
    // A share takes two columns, so that both are numbers to the spreadsheet.
    let is_share: Vec<bool> = (0..table.columns.len())
        .map(|place| table.rows.iter().any(|row| matches!(row.cells.get(place), Some(Cell::Share { .. }))))
        .collect();
    let mut heads: Vec<Cow<'_, str>> = Vec::new();
    if with_ids {
        heads.push(guarded(Words::fixed("记录号", "Record").get(lang)).into_owned().into());
    }
    for (column, share) in table.columns.iter().zip(&is_share) {
        heads.push(guarded(column.label.get(lang)));
        if *share {
            let out_of = Words::fixed("（分母）", " (out of)");
            heads.push(Cow::Owned(format!("{}{}", column.label.get(lang), out_of.get(lang))));
        }
    }
    lines.push(heads);
    for row in &table.rows {
        let mut cells: Vec<Cow<'_, str>> = Vec::new();
        if with_ids {
            cells.push(guarded(row.id.as_deref().unwrap_or_default()));
        }
        for (cell, share) in row.cells.iter().zip(&is_share) {
            if *share {
                let (part, whole) = part_and_whole(cell);
                cells.extend([Cow::Owned(part), Cow::Owned(whole)]);
            } else {
                cells.push(plain(cell, lang));
            }
        }
        lines.push(cells);
    }
    lines.finish()
}

fn plain(cell: &Cell, lang: Lang) -> Cow<'_, str> {
    match cell {
        Cell::Empty => Cow::Borrowed(""),
        Cell::Text(text) | Cell::Code(text) => guarded(text),
        Cell::Words(words) => guarded(words.get(lang)),
        Cell::Number(number) => Cow::Owned(number.to_string()),
        Cell::Share { part, whole } => Cow::Owned(format!("{part}/{whole}")),
        Cell::Day(day) => Cow::Owned(day.to_string()),
        Cell::Instant(instant) => Cow::Owned(instant.to_string()),
    }
}

/// Makes a text safe for spreadsheets.
fn guarded(text: &str) -> Cow<'_, str> {
    let Some(first) = text.chars().next() else { return Cow::Borrowed("") };
    if matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') {
        return Cow::Owned(format!("'{text}"));
    }
    if loses_as_number(text) { Cow::Owned(format!("\t{text}")) } else { Cow::Borrowed(text) }
}

/// Whether a spreadsheet would read the text as a number and lose digits of it.
fn loses_as_number(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let digits = text.chars().filter(|c| is_digit(*c)).count();
    let all = digits == text.chars().count();
    // 18-digit ids may end in X, and 12E5 is a number to a spreadsheet.
    let exponent = {
        let mut parts = text.split(['e', 'E']);
        let numeric = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.chars().all(is_digit));
        numeric(parts.next()) && numeric(parts.next()) && parts.next().is_none()
    };
    exponent || all && (digits > 11 || digits > 1 && text.starts_with(['0', '０']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, Row};

    fn table(cells: Vec<Cell>) -> Table {
        let columns = cells.iter().map(|_| Column::text("c", "列", "Column")).collect();
        let mut table = Table::new("t", Words::fixed("表", "Table"), columns);
        table.rows.push(Row { id: None, cells });
        table
    }

    fn line(cell: Cell) -> String {
        let bytes = of_table(&table(vec![cell]), Lang::En);
        let text = String::from_utf8(bytes).unwrap();
        let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
        text.strip_prefix("Column\r\n").expect("CRLF").strip_suffix("\r\n").unwrap().to_owned()
    }

    #[test]
    fn formulas_are_guarded() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠x"] {
            assert_eq!(line(Cell::Text(text.to_owned())), format!("'{text}"));
        }
        assert_eq!(line(Cell::Text("\t=1".to_owned())), "'\t=1");
        assert_eq!(line(Cell::Text("\r=1".to_owned())), "\"'\r=1\"");
        assert_eq!(line(Cell::Number(-3)), "-3");
        assert_eq!(line(Cell::Words(Words::fixed("x", "=y"))), "'=y");
    }

    #[test]
    fn codes_stay_text() {
        assert_eq!(line(Cell::Code("430103005010".to_owned())), "\t430103005010");
        assert_eq!(line(Cell::Text("990101198001010014".to_owned())), "\t990101198001010014");
        assert_eq!(line(Cell::Text("99010119800101001X".to_owned())), "99010119800101001X");
        assert_eq!(line(Cell::Text("007".to_owned())), "\t007");
        assert_eq!(line(Cell::Text("12E5".to_owned())), "\t12E5");
        assert_eq!(line(Cell::Code("4301".to_owned())), "4301");
        assert_eq!(line(Cell::Text("2014年12月".to_owned())), "2014年12月");
    }

    #[test]
    fn quotes_follow_rfc_4180() {
        assert_eq!(line(Cell::Text("a,\"b\"\nc".to_owned())), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(line(Cell::Text("曹*菲".to_owned())), "曹*菲");
    }

    #[test]
    fn a_share_is_two_numbers() {
        let text = of_table(&table(vec![Cell::Share { part: 2, whole: 5 }, Cell::Empty]), Lang::Zh);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "\u{feff}列,列（分母）,列\r\n2,5,\r\n");
    }
}
