//! A finished report as data: figures, tables, checks. Rendering is elsewhere.

use serde::Serialize;

use crate::day::{Day, Instant};
use crate::id::ReportId;
use crate::words::Words;

/// A report with everything that is printed with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which report.
    pub report: ReportId,
    /// Its title.
    pub title: Words,
    /// What exactly is counted.
    pub definition: Words,
    /// The place whose subtree is counted.
    pub scope: PlaceName,
    /// The first day of the period.
    pub from: Day,
    /// The last day of the period.
    pub to: Day,
    /// The instant the figures are of.
    pub as_of: Instant,
    /// How much of the scope this replica holds.
    pub coverage: Coverage,
    /// The devices that may still bring something.
    pub devices: Devices,
    /// How many open conflicts stand in the rows behind the figures ("含 n 条待核").
    pub open: u64,
    /// The figures of the scope, the one that gives the report its name first.
    pub figures: Vec<Figure>,
    /// The same by child of the scope; none for a community.
    pub children: Option<Table>,
    /// Further breakdowns.
    pub tables: Vec<Table>,
    /// The rows behind the figure, when asked for.
    pub list: Option<Table>,
    /// The checks made in this run.
    pub checks: Vec<Check>,
    /// What a reader must know beside.
    pub notes: Vec<Words>,
}

impl Report {
    /// Returns the figure with this key.
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.key == key)
    }

    /// Whether every check holds or only asks for an explanation.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.outcome != Outcome::Broken)
    }
}

/// A place with its name, if its record is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceName {
    /// Its code.
    pub code: String,
    /// Its name; the code where no name is known.
    pub name: String,
}

/// How much of the scope this replica holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Communities and villages of the scope whose records are held here.
    pub held: u64,
    /// Communities and villages that the place list knows in the scope.
    pub known: u64,
}

/// The devices of the scope, as far as this replica knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Devices {
    /// How many there are.
    pub known: u64,
    /// Those from which nothing came for longer than the limit, the longest silent first.
    pub unsynced: Vec<SilentDevice>,
}

/// A device that has not synced lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilentDevice {
    /// Its author id.
    pub author: String,
    /// Its name from the certificate, if held.
    pub name: Option<String>,
    /// The last time on its clock that reached this replica.
    pub last_contact: Option<Instant>,
}

/// A figure in its two columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its stable name.
    pub key: &'static str,
    /// Its label.
    pub label: Words,
    /// Its unit.
    pub unit: Words,
    /// What is verified or confirmed (已审核).
    pub verified: Amount,
    /// That and what waits (含待审).
    pub with_pending: Amount,
}

/// The value of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// A count or sum.
    Count(i64),
    /// A part of a whole; a rate is never shown without both.
    Share {
        /// The part.
        part: i64,
        /// The whole.
        whole: i64,
    },
    /// Not known, such as a median of nothing.
    Unknown,
}

impl Amount {
    /// The count, or the part of a share.
    #[must_use]
    pub const fn count(self) -> i64 {
        match self {
            Self::Count(count) => count,
            Self::Share { part, .. } => part,
            Self::Unknown => 0,
        }
    }
}

/// A table: typed cells under labelled columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Its stable name.
    pub key: &'static str,
    /// Its title.
    pub title: Words,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// Begins a table.
    #[must_use]
    pub fn new(key: &'static str, title: Words, columns: Vec<Column>) -> Self {
        Self { key, title, columns, rows: Vec::new() }
    }

    /// Returns the place of a column.
    #[must_use]
    pub fn column(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.key == key)
    }

    /// Returns the cell of a row in a column.
    #[must_use]
    pub fn cell(&self, row: usize, key: &str) -> Option<&Cell> {
        self.rows.get(row)?.cells.get(self.column(key)?)
    }

    /// Adds up a column of numbers.
    #[must_use]
    pub fn sum(&self, key: &str) -> i64 {
        let place = self.column(key);
        self.rows.iter().filter_map(|row| row.cells.get(place?)).map(Cell::number).fold(0, i64::saturating_add)
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// Its stable name.
    pub key: &'static str,
    /// Its label.
    pub label: Words,
    /// Whether it holds numbers, which stand at the right.
    pub numeric: bool,
}

impl Column {
    /// A column of texts.
    #[must_use]
    pub const fn text(key: &'static str, zh: &'static str, en: &'static str) -> Self {
        Self { key, label: Words::fixed(zh, en), numeric: false }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(key: &'static str, zh: &'static str, en: &'static str) -> Self {
        Self { key, label: Words::fixed(zh, en), numeric: true }
    }
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The record it stands for, in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its cells, one per column.
    pub cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing known.
    Empty,
    /// A text as recorded.
    Text(String),
    /// A text in both languages.
    Words(Words),
    /// A code of digits that is no number.
    Code(String),
    /// A number.
    Number(i64),
    /// A part of a whole.
    Share {
        /// The part.
        part: i64,
        /// The whole.
        whole: i64,
    },
    /// A day.
    Day(Day),
    /// An instant.
    Instant(Instant),
}

impl Cell {
    /// The number in the cell, or the part of a share; 0 for others.
    #[must_use]
    pub const fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Share { part, .. } => *part,
            _ => 0,
        }
    }
}

impl From<Amount> for Cell {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::Number(count),
            Amount::Share { part, whole } => Self::Share { part, whole },
            Amount::Unknown => Self::Empty,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it must be.
    Holds,
    /// Possible, but somebody has to say why (需说明).
    Explain,
    /// The figures contradict each other.
    Broken,
}

/// One check of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Its stable name.
    pub key: &'static str,
    /// What is compared.
    pub label: Words,
    /// What was found.
    pub outcome: Outcome,
    /// The first number.
    pub left: i64,
    /// The number it is held against.
    pub right: i64,
}

impl Check {
    /// Two numbers that must be equal.
    #[must_use]
    pub fn equal(key: &'static str, label: Words, left: i64, right: i64) -> Self {
        let outcome = if left == right { Outcome::Holds } else { Outcome::Broken };
        Self { key, label, outcome, left, right }
    }

    /// A number that somebody has to explain when it lies above a limit.
    #[must_use]
    pub fn at_most(key: &'static str, label: Words, left: i64, limit: i64) -> Self {
        let outcome = if left <= limit { Outcome::Holds } else { Outcome::Explain };
        Self { key, label, outcome, left, right: limit }
    }
}
