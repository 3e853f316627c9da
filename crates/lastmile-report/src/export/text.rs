//! A report as texts: head lines, tables of strings, checks. Widths and lines are the terminal's business.

use crate::report::{Amount, Cell, Outcome, Report, Table};
use crate::words::{Lang, Words};

/// A report in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextReport {
    /// Code and title.
    pub title: String,
    /// What exactly is counted.
    pub definition: String,
    /// Scope, period, as-of, coverage, devices, open questions.
    pub head: Vec<String>,
    /// Figures, children, breakdowns and the list, in this order.
    pub tables: Vec<TextTable>,
    /// The checks, one line each.
    pub checks: Vec<String>,
    /// What a reader must know beside.
    pub notes: Vec<String>,
}

/// A table of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTable {
    /// Its title.
    pub title: String,
    /// The labels of its columns.
    pub heads: Vec<String>,
    /// Whether each column stands at the right.
    pub right: Vec<bool>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// Renders a report in one language.
#[must_use]
pub fn text(report: &Report, lang: Lang) -> TextReport {
    let mut tables = vec![figures(report, lang)];
    tables.extend(report.children.iter().map(|children| table(children, lang)));
    tables.extend(report.tables.iter().filter(|one| !one.rows.is_empty()).map(|one| table(one, lang)));
    tables.extend(report.list.iter().map(|list| table(list, lang)));
    TextReport {
        title: format!("{} {}", report.report, report.title.get(lang)),
        definition: report.definition.get(lang).to_owned(),
        head: head(report, lang),
        tables,
        checks: report
            .checks
            .iter()
            .map(|check| {
                let mark = match check.outcome {
                    Outcome::Holds => Words::fixed("✓", "✓"),
                    Outcome::Explain => Words::fixed("！需说明", "! to be explained"),
                    Outcome::Broken => Words::fixed("✗ 不符", "✗ contradicts"),
                };
                format!("{} {}（{} / {}）", mark.get(lang), check.label.get(lang), check.left, check.right)
            })
            .collect(),
        notes: report.notes.iter().map(|note| note.get(lang).to_owned()).collect(),
    }
}

fn head(report: &Report, lang: Lang) -> Vec<String> {
    let unsynced = report.devices.unsynced.len();
    let mut head = match lang {
        Lang::Zh => vec![
            format!("范围：{} {}", report.scope.code, report.scope.name),
            format!("时段：{} 至 {}，截至 {}", report.from, report.to, report.as_of),
            format!("设备：{}台，其中{unsynced}台未同步", report.devices.known),
        ],
        Lang::En => vec![
            format!("Scope: {} {}", report.scope.code, report.scope.name),
            format!("Period: {} to {}, as of {}", report.from, report.to, report.as_of),
            format!("Devices: {}, of which {unsynced} have not synced", report.devices.known),
        ],
    };
    if report.open > 0 {
        head.push(match lang {
            Lang::Zh => format!("含{}条待核", report.open),
            Lang::En => format!("{} open questions in the figures", report.open),
        });
    }
    head
}

fn figures(report: &Report, lang: Lang) -> TextTable {
    let heads = [
        Words::fixed("指标", "Figure"),
        Words::fixed("已审核", "Verified"),
        Words::fixed("含待审", "With pending"),
        Words::fixed("单位", "Unit"),
    ];
    TextTable {
        title: String::new(),
        heads: heads.iter().map(|words| words.get(lang).to_owned()).collect(),
        right: vec![false, true, true, false],
        rows: report
            .figures
            .iter()
            .map(|figure| {
                vec![
                    figure.label.get(lang).to_owned(),
                    amount(figure.verified),
                    amount(figure.with_pending),
                    figure.unit.get(lang).to_owned(),
                ]
            })
            .collect(),
    }
}

fn table(table: &Table, lang: Lang) -> TextTable {
    TextTable {
        title: table.title.get(lang).to_owned(),
        heads: table.columns.iter().map(|column| column.label.get(lang).to_owned()).collect(),
        right: table.columns.iter().map(|column| column.numeric).collect(),
        rows: table.rows.iter().map(|row| row.cells.iter().map(|one| cell(one, lang)).collect()).collect(),
    }
}

fn cell(cell: &Cell, lang: Lang) -> String {
    match cell {
        Cell::Empty => "—".to_owned(),
        Cell::Text(text) | Cell::Code(text) => text.clone(),
        Cell::Words(words) => words.get(lang).to_owned(),
        Cell::Number(number) => grouped(*number),
        Cell::Share { part, whole } => share(*part, *whole),
        Cell::Day(day) => day.to_string(),
        Cell::Instant(instant) => instant.to_string(),
    }
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Count(count) => grouped(count),
        Amount::Share { part, whole } => share(part, whole),
        Amount::Unknown => "—".to_owned(),
    }
}

/// A share with both numbers and the per cent, one place, half up.
fn share(part: i64, whole: i64) -> String {
    let numbers = format!("{}/{}", grouped(part), grouped(whole));
    if whole <= 0 {
        return numbers;
    }
    let per_mille = (i128::from(part) * 2000 + i128::from(whole)) / (i128::from(whole) * 2);
    format!("{numbers} {}.{}%", per_mille / 10, per_mille % 10)
}

/// A number with its digits in groups of three.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_shares() {
        assert_eq!([0, 12, 1234, -650_000].map(grouped), ["0", "12", "1,234", "-650,000"]);
        assert_eq!(share(194, 1000), "194/1,000 19.4%");
        assert_eq!(share(1, 3), "1/3 33.3%");
        assert_eq!(share(2, 3), "2/3 66.7%");
        assert_eq!(share(0, 0), "0/0");
    }
}
