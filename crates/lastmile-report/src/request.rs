//! What is asked for, and why it may not be answered.

use chrono::NaiveDate;
use lastmile_model::duties::DutyRules;
use lastmile_store::StoreError;

use crate::id::ReportId;

/// Whether names of persons are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Names {
    /// `曹*菲`: what leaves a community.
    #[default]
    Masked,
    /// As recorded: inside the community whose records they are.
    Full,
}

/// Where the yearly counts of R9 come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Counting {
    /// The office's tallies alone where every counted person has one and the replica holds more than
    /// [`FEW_COMMUNITIES`] communities; otherwise as [`Counting::Both`]. Tallies speak of the year up to the present, so
    /// they serve only periods that end with the year or with the present.
    #[default]
    Auto,
    /// The rows held here alone.
    Rows,
    /// Per person the larger of tally and rows, and a check that lists where they differ: a device holds only part of
    /// the rows, and newer ones than the tally knows.
    Both,
}

/// Up to this many communities a replica counts rows beside the tallies: it is a device.
pub const FEW_COMMUNITIES: usize = 64;

/// One question to the catalogue of reports.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRequest {
    /// Which report.
    pub report: ReportId,
    /// The place code whose subtree counts: city 4, district 6, street 9, community 12 digits.
    pub scope: String,
    /// The first day of the period.
    pub from: NaiveDate,
    /// The last day of the period.
    pub to: NaiveDate,
    /// The present, in milliseconds since 1970 UTC: what the figures are as of.
    pub as_of_ms: i64,
    /// Whether to add the list behind the figure.
    pub list: bool,
    /// How lists show persons.
    pub names: Names,
    /// Where R9 counts.
    pub counting: Counting,
    /// What R9 asks of a member.
    pub duty: DutyRules,
    /// The place codes that R10 measures coverage against; `None`: the communities of the place list, villages left out.
    pub targets: Option<Vec<String>>,
    /// After how many hours without contact a device counts as not synced.
    pub stale_after_hours: i64,
    /// After how many days an entry counts as late.
    pub late_after_days: i32,
}

impl ReportRequest {
    /// Asks for a report of a scope and period, as of an instant, without its list.
    #[must_use]
    pub fn new(report: ReportId, scope: &str, from: NaiveDate, to: NaiveDate, as_of_ms: i64) -> Self {
        Self {
            report,
            scope: scope.to_owned(),
            from,
            to,
            as_of_ms,
            list: false,
            names: Names::Masked,
            counting: Counting::Auto,
            duty: DutyRules::default(),
            targets: None,
            stale_after_hours: 72,
            late_after_days: 7,
        }
    }

    /// The same with the list behind the figure.
    #[must_use]
    pub fn with_list(self) -> Self {
        Self { list: true, ..self }
    }
}

/// Says why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The period ends before it begins.
    #[error("the period ends on {to}, before it begins on {from}")]
    Period {
        /// Its first day.
        from: NaiveDate,
        /// Its last day.
        to: NaiveDate,
    },
    /// The scope has another shape.
    #[error(
        "`{code}` is no scope of a report; give a place code of 4 (city), 6 (district), 9 (street) or 12 digits (community)"
    )]
    Scope {
        /// The code as given, cut to 20 characters.
        code: String,
    },
    /// Nothing is known of the scope on this replica.
    #[error("the place {code} is not on this replica: it is in no place list and no community of it is held")]
    UnknownPlace {
        /// The code.
        code: String,
    },
    /// The catalogue keeps no records of a type that the report counts.
    #[error("this deployment's catalogue has no record type `{name}`, which the report counts")]
    NoType {
        /// The type.
        name: &'static str,
    },
    /// A view cannot be read.
    #[error("reading the views: {0}")]
    Store(#[from] StoreError),
}
