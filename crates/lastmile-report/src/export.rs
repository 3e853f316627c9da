//! Reports for people and other programs: text tables, CSV, JSON.

mod csv;
mod text;

pub use csv::{Section, csv};
pub use text::{TextReport, TextTable, text};

use crate::report::Report;

/// Writes a report as one JSON object, both languages in it, keys stable.
///
/// # Errors
/// None in practice: everything in a report can be written; the error is serde's.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report)
}
