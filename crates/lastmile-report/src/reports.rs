//! The reports: each turns facts into figures, children, a list and checks.

mod devices;
pub(crate) mod duty;
mod members;
mod pairing;
mod participation;
mod quality;
mod scan;
mod sessions;
mod team;

use chrono::{Datelike, Days, Months, NaiveDate};
use lastmile_model::duties::DutyRules;

use self::duty::TallyRow;
use crate::ReportError;
use crate::canonical::Links;
use crate::day::{Day, Instant};
use crate::id::ReportId;
use crate::read::Source;
use crate::report::{Amount, Cell, Check, Column, Figure, Report, Row, Table};
use crate::request::ReportRequest;
use crate::territory::Territory;
use crate::words::{Lang, Words};

/// What every report works with.
pub(crate) struct Job<'a> {
    pub(crate) request: &'a ReportRequest,
    pub(crate) territory: Territory,
    pub(crate) links: Links,
    pub(crate) from: Day,
    pub(crate) to: Day,
}

/// What a report adds to the frame that all share.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) open: u64,
    pub(crate) figures: Vec<Figure>,
    pub(crate) children: Option<Table>,
    pub(crate) tables: Vec<Table>,
    pub(crate) list: Option<Table>,
    pub(crate) checks: Vec<Check>,
    pub(crate) notes: Vec<Words>,
}

/// Runs a report on one stable state.
pub(crate) fn run(source: &mut Source<'_>, request: &ReportRequest) -> Result<Report, ReportError> {
    if request.from > request.to {
        return Err(ReportError::Period { from: request.from, to: request.to });
    }
    let territory = Territory::read(source, &request.scope)?;
    let links = Links::read(source)?;
    let job = Job { request, territory, links, from: request.from.into(), to: request.to.into() };
    let body = match request.report {
        ReportId::R1 => members::on_books(source, &job),
        ReportId::R2 => members::ever(source, &job),
        ReportId::R4 | ReportId::R7 | ReportId::R13 => sessions::run(source, &job),
        ReportId::R5 | ReportId::R6 => participation::run(source, &job),
        ReportId::R9 => duty::run(source, &job),
        ReportId::R10 => pairing::run(source, &job),
        ReportId::R12 => team::run(source, &job),
        ReportId::R19 => quality::run(source, &job),
    }?;
    let devices = devices::devices(source, &job)?.summary();
    let mut notes = body.notes;
    if job.territory.coverage.held < job.territory.coverage.known {
        let coverage = job.territory.coverage;
        notes.push(Words::new(
            format!("本机只有范围内{}个社区（村）中的{}个。", coverage.known, coverage.held),
            format!("This replica holds {} of the {} communities of the scope.", coverage.held, coverage.known),
        ));
    }
    Ok(Report {
        report: request.report,
        title: request.report.title_words(),
        definition: request.report.definition_words(),
        scope: job.territory.scope,
        from: job.from,
        to: job.to,
        as_of: Instant(request.as_of_ms),
        coverage: job.territory.coverage,
        devices,
        open: body.open,
        figures: body.figures,
        children: body.children,
        tables: body.tables,
        list: body.list,
        checks: body.checks,
        notes,
    })
}

/// Counts what the office writes as tallies of a year.
pub(crate) fn tallies(source: &mut Source<'_>, year: i32, rules: DutyRules) -> Result<Vec<TallyRow>, ReportError> {
    let day = |month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or(NaiveDate::MAX);
    let request = ReportRequest { duty: rules, ..ReportRequest::new(ReportId::R9, "", day(1, 1), day(12, 31), 0) };
    let territory = Territory::everything(source)?;
    let links = Links::read(source)?;
    let (from, to) = (request.from.into(), request.to.into());
    duty::tallies(source, &Job { request: &request, territory, links, from, to })
}

impl Job<'_> {
    /// The period of the same kind right before.
    pub(crate) fn previous(&self) -> Option<(Day, Day)> {
        previous(self.request)
    }

    /// Whether a day lies in the period.
    pub(crate) fn in_period(&self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }
}

/// The period of the same kind right before: whole months move by months, others by their length in days.
pub(crate) fn previous(request: &ReportRequest) -> Option<(Day, Day)> {
    let (from, to) = (request.from, request.to);
    let next = to.checked_add_days(Days::new(1))?;
    let before = if from.day() == 1 && next.day() == 1 {
        let months = (next.year() - from.year()) * 12 + month(next) - month(from);
        from.checked_sub_months(Months::new(u32::try_from(months).ok()?))?
    } else {
        let days = u64::try_from(next.signed_duration_since(from).num_days()).ok()?;
        from.checked_sub_days(Days::new(days))?
    };
    Some((before.into(), Day::from(from).before()))
}

fn month(date: NaiveDate) -> i32 {
    i32::try_from(date.month()).unwrap_or(0)
}

/// Checks that a figure did not change by more than half against the period before; nothing to say without one.
pub(crate) fn change_check(checks: &mut Vec<Check>, before: i64, now: i64) {
    if before <= 0 {
        return;
    }
    let change = now.saturating_sub(before).saturating_abs().saturating_mul(100) / before;
    checks.push(Check::at_most(
        "change",
        Words::fixed(
            "比上期变化（％，超过50需说明）",
            "Change against the period before in per cent, above 50 to be explained",
        ),
        change,
        50,
    ));
}

/// The unit of persons.
pub(crate) const PERSONS: Words = Words::fixed("人", "persons");
/// The unit of sessions.
pub(crate) const SESSIONS: Words = Words::fixed("场次", "sessions");

/// The columns that say where a listed row lies.
pub(crate) fn place_columns() -> [Column; 2] {
    [Column::text("community", "社区代码", "Community code"), Column::text("community_name", "社区", "Community")]
}

/// The cells that say where a listed row lies.
pub(crate) fn place_cells(territory: &Territory, scope: u32) -> [Cell; 2] {
    let code = territory.code(scope);
    [Cell::Code(code.to_owned()), Cell::Text(territory.name(code).to_owned())]
}

/// A row of a list with the id of its record.
pub(crate) fn listed(id: u128, cells: Vec<Cell>) -> Row {
    Row { id: Some(crate::read::record(id).to_string()), cells }
}

/// A day, or nothing.
pub(crate) fn day_cell(day: Option<Day>) -> Cell {
    day.map_or(Cell::Empty, Cell::Day)
}

/// The words for a code of an enumeration; the code itself where the catalogue has none.
pub(crate) fn choice(source: &Source<'_>, record_type: &str, field: &str, code: &str) -> Words {
    source
        .catalogue()
        .get(record_type)
        .and_then(|(_, record_type)| record_type.field(field))
        .and_then(|(_, field)| field.choice(code))
        .map_or_else(|| Words::same(code), |choice| Words::new(choice.zh.as_str(), choice.en.as_str()))
}

/// A counted figure that is the same in both columns.
pub(crate) fn plain(key: &'static str, label: Words, unit: Words, count: i64) -> Figure {
    Figure { key, label, unit, verified: Amount::Count(count), with_pending: Amount::Count(count) }
}

/// The text of words for sorting, the same on every machine.
pub(crate) fn sort_key(words: &Words) -> &str {
    words.get(Lang::Zh)
}
