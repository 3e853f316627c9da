//! Rosters of members as an office has them: Excel workbooks and CSV files.
//!
//! Reading finds the heading row by its words, cleans each cell, and gives plain text per model field; whether a text is
//! a valid phone or id number is the model's matter. A row that cannot be taken is reported by its number in the file,
//! its column and a reason, never by what it says.

mod cells;
mod dates;
mod delimited;
mod heading;
mod rows;
mod values;
mod workbook;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cells::Grid;

pub use heading::{Heading, Use};

/// The largest file that is read, in bytes: a roster of 100,000 members is about 5 MB.
pub const MAX_FILE: u64 = 32 << 20;
/// The most rows and columns that are looked at.
const MAX_ROWS: usize = 200_000;
const MAX_COLUMNS: usize = 256;
/// The longest text of a cell, in characters.
const MAX_CELL: usize = 2_000;

/// How to read a roster.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The sheet of a workbook; `None` takes the first visible one that has a roster.
    pub sheet: Option<String>,
    /// How a text file is encoded.
    pub encoding: Encoding,
}

/// How a text file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// By its byte order mark; else UTF-8 if that fits, else GB18030.
    #[default]
    Auto,
    /// UTF-8.
    Utf8,
    /// GB18030, which includes GBK and GB2312.
    Gb18030,
}

/// A roster as read.
#[derive(Debug, Clone)]
pub struct Roster {
    /// What kind of file it was.
    pub format: Format,
    /// The columns that have a heading.
    pub headings: Vec<Heading>,
    /// The rows that can be taken, in the order of the file.
    pub rows: Vec<RosterRow>,
    /// What is wrong with the others; a row with two bad cells is there twice.
    pub bad: Vec<BadRow>,
    /// Numbers of rows beneath the heading that are notes, totals or headings again.
    pub skipped: Vec<u64>,
}

impl Roster {
    /// Returns how many rows cannot be taken.
    #[must_use]
    pub fn bad_rows(&self) -> usize {
        let mut numbers: Vec<u64> = self.bad.iter().map(|bad| bad.row_number).collect();
        numbers.dedup();
        numbers.len()
    }
}

/// What kind of file a roster was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Text with a character between the cells.
    Text {
        /// The encoding's name.
        encoding: &'static str,
        /// The character.
        delimiter: char,
    },
    /// A sheet of a workbook.
    Sheet {
        /// The sheet's name.
        name: String,
    },
}

/// One member's row.
#[derive(Clone, PartialEq, Eq)]
pub struct RosterRow {
    /// The row's number as the file's own program shows it, from 1.
    pub row_number: u64,
    /// The cleaned text by model field, empty cells left out. Fields of several values (`phone`, `skills`,
    /// `available`, `intents`) separate them by `;`. Dates that were understood are `YYYY-MM-DD`, months `YYYY-MM`;
    /// `employer` and `community` are names or codes as typed.
    pub fields: BTreeMap<&'static str, String>,
}

/// Shows which fields are there, never what they say.
impl fmt::Debug for RosterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterRow")
            .field("row_number", &self.row_number)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// One thing wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The row's number as the file's own program shows it, from 1.
    pub row_number: u64,
    /// The heading of the column.
    pub heading: String,
    /// What is wrong.
    pub reason: BadReason,
}

/// Why a row cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadReason {
    /// Nobody's name.
    NoName,
    /// Excel kept a long number as `4.30103E+17` or with zeros at its end: the last digits are gone from the file.
    DigitsLost,
    /// The cell holds an error, such as `#REF!`.
    CellError,
    /// `1980.1` may be January, or October that lost its zero.
    MonthUnclear,
    /// The cell is too long for any field.
    TooLong,
    /// The same id number stands in an earlier row.
    Repeated {
        /// The earlier row's number.
        first: u64,
    },
}

impl BadReason {
    /// Returns the reason's name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoName => "no_name",
            Self::DigitsLost => "digits_lost",
            Self::CellError => "cell_error",
            Self::MonthUnclear => "month_unclear",
            Self::TooLong => "too_long",
            Self::Repeated { .. } => "repeated",
        }
    }
}

/// Why a file is no roster.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than [`MAX_FILE`], or has too many rows.
    #[error("the file is too large")]
    TooLarge,
    /// An Excel file from before 2007, or one under a password: both look the same from outside.
    #[error("the file is in the old Excel format or under a password")]
    OldOrLocked,
    /// The text is neither in the encoding asked for nor in one that could be found out.
    #[error("the file's encoding is unknown")]
    Encoding,
    /// A quotation mark opens a cell and never closes it.
    #[error("a quotation mark in row {row} is never closed")]
    OpenQuote {
        /// The row's number.
        row: u64,
    },
    /// The workbook has no such sheet.
    #[error("the workbook has no such sheet")]
    NoSheet {
        /// The sheets it has.
        sheets: Vec<String>,
    },
    /// No row looks like headings of a roster.
    #[error("no row has the headings of a roster")]
    NoHeading,
    /// The workbook is damaged.
    #[error("the workbook is damaged")]
    Workbook(#[source] Box<calamine::XlsxError>),
    /// The text is damaged.
    #[error("the text is damaged")]
    Csv(#[source] csv::Error),
}

/// Reads a roster from a file.
///
/// # Errors
/// Fails if the file is not a roster as a whole; single bad rows are in the result.
pub fn read(path: &Path, options: &Options) -> Result<Roster, RosterError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(RosterError::Read)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(RosterError::Read)?;
    read_bytes(&bytes, options)
}

/// Reads a roster from a file's bytes; what they hold decides the format, not a name.
///
/// # Errors
/// Fails if the bytes are not a roster as a whole; single bad rows are in the result.
pub fn read_bytes(bytes: &[u8], options: &Options) -> Result<Roster, RosterError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    const COMPOUND: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    if bytes.len() as u64 > MAX_FILE {
        return Err(RosterError::TooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(RosterError::Empty);
    }
    if bytes.starts_with(ZIP) {
        return workbook::read(bytes, options.sheet.as_deref());
    }
    if bytes.starts_with(COMPOUND) {
        return Err(RosterError::OldOrLocked);
    }
    delimited::read(bytes, options.encoding)
}

/// Makes a roster of a grid that has a heading row.
fn roster_of(grid: &Grid, format: Format) -> Result<Roster, RosterError> {
    let headings = heading::find(grid).ok_or(RosterError::NoHeading)?;
    let body = rows::read(grid, &headings);
    Ok(Roster { format, headings: headings.columns, rows: body.rows, bad: body.bad, skipped: body.skipped })
}
