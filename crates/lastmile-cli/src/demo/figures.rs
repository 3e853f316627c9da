//! The figures of a run, read from the relay's views by the report catalogue.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use chrono::NaiveDate;
use lastmile_model::RecordId;
use lastmile_report::report::Amount;
use lastmile_report::{Report, ReportId, ReportRequest};
use lastmile_store::Reader;
use lastmile_store::query::Query;
use lastmile_testkit::acceptance::{Dataset, Ledger};

use super::DemoError;

/// The headline figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Members ever checked in (R2).
    pub members: i64,
    /// Sessions (R4).
    pub sessions: i64,
    /// Times somebody was served (R7).
    pub served: i64,
    /// Times somebody took part (R5).
    pub participations: i64,
    /// Organisations with an active pairing (R10).
    pub pairings: i64,
    /// Organisations that are to have one.
    pub pairings_of: i64,
    /// Service teams (R12).
    pub teams: i64,
}

fn verified(report: &Report, key: &str) -> Amount {
    report.figure(key).map_or(Amount::Unknown, |figure| figure.verified)
}

impl Figures {
    /// Runs the reports for the whole city and the year of the data.
    ///
    /// # Errors
    /// When a report fails.
    pub fn read(reader: &mut Reader, dataset: &Dataset) -> Result<Self, DemoError> {
        let plan = dataset.plan();
        let year = plan.year();
        let day = |month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
        let mut run = |report| {
            let request = ReportRequest::new(report, "4301", day(1, 1), day(12, 31), plan.now_ms());
            lastmile_report::run(reader, &request)
        };
        let pairings = verified(&run(ReportId::R10)?, "orgs");
        let (pairings, pairings_of) = match pairings {
            Amount::Share { part, whole } => (part, whole),
            Amount::Count(count) => (count, count),
            Amount::Unknown => (0, 0),
        };
        Ok(Self {
            members: verified(&run(ReportId::R2)?, "ever").count(),
            sessions: verified(&run(ReportId::R4)?, "sessions").count(),
            served: verified(&run(ReportId::R7)?, "served").count(),
            participations: verified(&run(ReportId::R5)?, "participations").count(),
            pairings,
            pairings_of,
            teams: verified(&run(ReportId::R12)?, "teams").count(),
        })
    }
}

/// Counts the records of the ledger that no view of the relay shows.
///
/// # Errors
/// When the storage fails.
pub fn lost(reader: &mut Reader, ledger: &Ledger) -> Result<usize, DemoError> {
    let mut lost = 0;
    for name in ledger.record_types() {
        let mut shown: BTreeSet<RecordId> = BTreeSet::new();
        let query = Query::new(reader.type_no(name)?, &[]);
        reader.query(&query, &mut |row| {
            shown.insert(row.id);
            Ok(ControlFlow::Continue(()))
        })?;
        lost += ledger.records(name).iter().filter(|id| !shown.contains(id)).count();
    }
    Ok(lost)
}

/// Counts the links between persons that stand, whoever made them and in however many scopes they are held.
pub(super) fn links(reader: &mut Reader) -> Result<usize, DemoError> {
    let mut standing: BTreeSet<RecordId> = BTreeSet::new();
    let query = Query::new(reader.type_no("merge_link")?, &["record_type", "live"]);
    reader.query(&query, &mut |row| {
        if let [record_type, live] = row.cells
            && record_type.text() == Some("person")
            && live.int() == Some(1)
        {
            standing.insert(row.id);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(standing.len())
}
