//! The report catalogue and its exports, read-only over the store's views: the same code on relay and device.
//!
//! [`run`] takes a [`Reader`] and a [`ReportRequest`] and gives a [`Report`]: figures in two columns (verified, with pending),
//! the same by child of the scope, the list behind the figure when asked for, how many open conflicts stand in it, the
//! devices that have not synced, and the checks made. [`export`] turns it into text tables, CSV or JSON.
//!
//! Rows are counted by canonical id: [`canonical`] joins what live merge links say is one person or one activity.
//! `docs/reports.md` states each definition.
//!
//! ```no_run
//! use chrono::NaiveDate;
//! use lastmile_report::{ReportId, ReportRequest, export, words::Lang};
//!
//! # fn example(reader: &mut lastmile_store::Reader) -> Result<(), Box<dyn std::error::Error>> {
//! let year = |month, day| NaiveDate::from_ymd_opt(2014, month, day).expect("a date");
//! let request = ReportRequest::new(ReportId::R4, "4301", year(1, 1), year(12, 31), 1_420_000_000_000);
//! let report = lastmile_report::run(reader, &request.with_list())?;
//! println!("{}", export::text(&report, Lang::Zh).title);
//! # Ok(())
//! # }
//! ```

pub mod canonical;
pub mod day;
pub mod export;
mod facts;
mod grid;
mod hash;
pub mod id;
pub mod lookup;
mod read;
pub mod report;
mod reports;
pub mod request;
mod territory;
#[cfg(test)]
mod tests;
pub mod words;

use lastmile_model::duties::DutyRules;
use lastmile_store::Reader;

pub use id::ReportId;
pub use report::Report;
pub use reports::duty::TallyRow;
pub use request::{Counting, Names, ReportError, ReportRequest};

/// Runs a report on one stable state of the replica.
///
/// # Errors
/// When the period or scope is none, the catalogue lacks a record type, or the views cannot be read.
pub fn run(reader: &mut Reader, request: &ReportRequest) -> Result<Report, ReportError> {
    reader.stable(|reader| reports::run(&mut read::Source { reader }, request))
}

/// Counts from the rows held here what the office writes as yearly tallies, for every member on the books at the year's
/// end or waiting to be: sorted by home scope and person.
///
/// # Errors
/// When the catalogue lacks a record type or the views cannot be read.
pub fn tallies_from_rows(reader: &mut Reader, year: i32, rules: DutyRules) -> Result<Vec<TallyRow>, ReportError> {
    reader.stable(|reader| reports::tallies(&mut read::Source { reader }, year, rules))
}
