//! Tables of text whose columns line up, also where characters are two cells wide.

use unicode_width::UnicodeWidthStr;

use super::{Style, Tone, printable};

/// The space between two columns.
const GUTTER: &str = "  ";

/// Which side of a column its texts stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// One column.
#[derive(Debug, Clone)]
pub struct Column {
    title: String,
    align: Align,
}

impl Column {
    /// Makes a column of texts.
    #[must_use]
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), align: Align::Left }
    }

    /// Makes a column of numbers.
    #[must_use]
    pub fn number(title: impl Into<String>) -> Self {
        Self { title: title.into(), align: Align::Right }
    }
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Makes a cell with a tone.
    #[must_use]
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Makes a table without rows.
    #[must_use]
    pub const fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row: one cell a column; missing ones stay empty, surplus ones are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        cells.resize(self.columns.len(), Cell::default());
        for cell in &mut cells {
            if let std::borrow::Cow::Owned(safe) = printable(&cell.text) {
                cell.text = safe;
            }
        }
        self.rows.push(cells);
    }

    /// Returns whether no row was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as lines, titles first.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let titles: Vec<Cell> =
            self.columns.iter().map(|column| Cell::new(printable(&column.title), Tone::Strong)).collect();
        let mut widths: Vec<usize> = titles.iter().map(|cell| cell.text.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.text.width().max(*width);
            }
        }
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            self.line(row, &widths, style, &mut text);
        }
        text
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style, text: &mut String) {
        // What follows the last filled cell is left out, so that lines do not end in spaces.
        let filled = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
        for (index, ((cell, column), width)) in row.iter().zip(&self.columns).zip(widths).take(filled).enumerate() {
            if index > 0 {
                text.push_str(GUTTER);
            }
            let padding = " ".repeat(width.saturating_sub(cell.text.width()));
            let painted = style.paint(&cell.text, cell.tone);
            match column.align {
                Align::Right => text.extend([padding.as_str(), painted.as_str()]),
                Align::Left if index + 1 == filled => text.push_str(&painted),
                Align::Left => text.extend([painted.as_str(), padding.as_str()]),
            }
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new(vec![Column::text("姓名"), Column::number("次"), Column::text("note")]);
        table.row(["张三".into(), "2".into(), "a".into()]);
        table.row(["Li".into(), "10".into()]);
        table.row(["欧阳娜娜".into(), "".into(), Cell::new("x\u{1b}[2J", Tone::Bad)]);
        table
    }

    #[test]
    fn lines_up_wide_and_narrow_characters() {
        let expected = "姓名      次  note\n张三       2  a\nLi        10\n欧阳娜娜      x\u{FFFD}[2J\n";
        assert_eq!(example().render(Style::new(false)), expected);
    }

    #[test]
    fn colour_does_not_move_columns() {
        let plain = example().render(Style::new(false));
        let mut colored = example().render(Style::new(true));
        assert_ne!(plain, colored);
        for code in ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[0m"] {
            colored = colored.replace(code, "");
        }
        assert_eq!(plain, colored);
    }
}
