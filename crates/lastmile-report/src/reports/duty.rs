//! R9, members who did what the year asks, and the office's yearly tallies.

use chrono::{Datelike, NaiveDate};
use lastmile_model::duties::DutyRules;
use lastmile_model::states::Span;
use lastmile_model::{RecordId, Scope};
use lastmile_store::query::{Query, Test};

use super::members::{Books, Entry, unknown_persons};
use super::{Body, Job, PERSONS, day_cell, listed, place_cells, place_columns};
use crate::ReportError;
use crate::day::Day;
use crate::facts::parts::{Reading, Which, few_activities, few_scopes, parts};
use crate::facts::sessions::{Extra, Session, Sessions, sessions};
use crate::grid::{
    ChildFigure, Grid, Pair, STANDING, Standing, children, children_check, figure_of, length, list_check, share,
};
use crate::read::{NEXT, Source, count, id, record};
use crate::report::{Cell, Check, Column, Table};
use crate::request::{Counting, FEW_COMMUNITIES};
use crate::words::Words;

/// What the office writes into a person's home scope for one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyRow {
    /// The canonical person.
    pub person: RecordId,
    /// The community where the person is on the books, or waits to be.
    pub scope: Scope,
    /// Distinct verified sessions attended that year, anywhere.
    pub count: u32,
    /// How many the person owes that year.
    pub owed: u32,
}

/// What one member did and owes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Done {
    verified: u32,
    with_pending: u32,
    owed: u32,
}

impl Done {
    /// Whether the duty is met: by verified sessions, only with those that wait, or not.
    const fn met(self) -> Option<Standing> {
        if self.verified >= self.owed {
            Some(Standing::Verified)
        } else if self.with_pending >= self.owed {
            Some(Standing::Pending)
        } else {
            None
        }
    }
}

/// What each numbered person did and owes, and how tallies and rows compare.
struct Doings {
    done: Vec<Done>,
    /// Persons whose tally was used, and of them those where rows say otherwise; `None` where rows were not counted.
    tallied: usize,
    differ: Option<usize>,
    rows_counted: bool,
    open: u64,
}

/// R9.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let books = Books::read(source, job, true)?;
    let doings = doings(source, job, &books)?;
    let mut body = Body { open: doings.open, ..Body::default() };
    let (mut met, mut members) = (Grid::new(&job.territory), Grid::new(&job.territory));
    let mut exempt = Pair::default();
    let mut list = job.request.list.then(duty_list);
    for entry in books.entries() {
        let Some(slot) = job.territory.slot(entry.check_in.scope) else { continue };
        let done = doings.done.get(entry.person as usize).copied().unwrap_or_default();
        members.add(slot, entry.standing, 1);
        let standing = done.met().map(|met| met.max(entry.standing));
        if let Some(standing) = standing {
            met.add(slot, standing, 1);
        }
        if done.owed == 0 {
            exempt.add(entry.standing, 1);
        }
        body.open += books.open(&entry);
        if let Some(list) = &mut list {
            list.rows.push(duty_row(job, &books, &entry, done, standing));
        }
    }
    let label = Words::fixed("达标率", "Duty met");
    body.figures = vec![
        share("duty_met", label.clone(), PERSONS, met.total, members.total),
        figure_of(
            "exempt",
            Words::fixed("其中当年无应参加次数", "Of the members, owing nothing this year"),
            PERSONS,
            exempt,
        ),
    ];
    let shown = ChildFigure { keys: ["duty_met", "duty_met_with_pending"], label, part: &met, whole: Some(&members) };
    body.children = children(&job.territory, &[shown]);
    children_check(&mut body.checks, &job.territory, &met);
    children_check(&mut body.checks, &job.territory, &members);
    list_check(&mut body.checks, list.as_ref(), members.total);
    if let Some(list) = &list {
        let label = Words::fixed("名单中达标人数＝数字", "Listed as met = figure");
        body.checks.push(Check::equal("list_met", label, list.sum("met"), met.total.with_pending));
    }
    body.list = list;
    if let Some(differ) = doings.differ {
        body.checks.push(Check::at_most(
            "tallies",
            Words::fixed("年度计数与记录不一致的人数", "Persons whose tally differs from the rows held here"),
            length(differ),
            0,
        ));
    }
    body.notes.push(sources_note(&doings));
    unknown_persons(&mut body, job, &books);
    Ok(body)
}

fn sources_note(doings: &Doings) -> Words {
    let tallied = doings.tallied;
    match (tallied, doings.rows_counted) {
        (0, _) => Words::fixed("按本机记录计数。", "Counted from the rows held here."),
        (_, true) => Words::new(
            format!("{tallied}人有年度计数，与本机记录取较大者。"),
            format!("{tallied} persons have a tally; of tally and rows held here the larger counts."),
        ),
        (_, false) => Words::new(
            format!("按{tallied}人的年度计数，未逐条复核。"),
            format!("Counted from the tallies of {tallied} persons, not recounted from rows."),
        ),
    }
}

/// The first day of the year in which the period ends.
fn year_start(job: &Job<'_>) -> Day {
    NaiveDate::from_ymd_opt(job.request.to.year(), 1, 1).map_or(job.from, Day::from)
}

fn doings(source: &mut Source<'_>, job: &Job<'_>, books: &Books) -> Result<Doings, ReportError> {
    let year = job.request.to.year();
    let mut done = vec![Done::default(); books.people.len()];
    for (done, owed) in done.iter_mut().zip(owed(books, year, job.request.duty)) {
        done.owed = owed;
    }
    let tallies = if may_use_tallies(job) { read_tallies(source, job, books, i64::from(year))? } else { Vec::new() };
    let tally = |person: u32| tallies.get(person as usize).copied().flatten();
    let trust = job.request.counting == Counting::Auto
        && job.territory.communities_held > FEW_COMMUNITIES
        && books.entries().all(|entry| tally(entry.person).is_some());
    let found = sessions(source, &job.links, Extra::Nothing)?;
    let open = add_rows(source, job, books, &found, trust, &mut done)?;
    let (mut tallied, mut differ) = (0, 0);
    for (done, person) in done.iter_mut().zip(0_u32..) {
        let Some((count, owed)) = tally(person) else { continue };
        tallied += 1;
        differ += usize::from((done.verified, done.owed) != (count, owed));
        let waiting = done.with_pending.saturating_sub(done.verified);
        done.verified = if trust { count } else { done.verified.max(count) };
        done.with_pending = done.verified.saturating_add(waiting);
        done.owed = owed;
    }
    Ok(Doings { done, tallied, differ: (!trust && tallied > 0).then_some(differ), rows_counted: !trust, open })
}

/// Tallies speak of a whole year up to the present, so they serve only periods that reach either.
fn may_use_tallies(job: &Job<'_>) -> bool {
    let ends_year = (job.request.to.month(), job.request.to.day()) == (12, 31);
    job.request.counting != Counting::Rows && (ends_year || job.to >= Day::of_instant(job.request.as_of_ms))
}

/// A tally: sessions done, sessions owed.
type Tally = (u32, u32);

/// Reads the tallies of one year by number of the canonical person. Of linked persons the larger numbers count.
fn read_tallies(
    source: &Source<'_>,
    job: &Job<'_>,
    books: &Books,
    year: i64,
) -> Result<Vec<Option<Tally>>, ReportError> {
    let Ok(type_no) = source.type_no("tally") else { return Ok(Vec::new()) };
    let mut tallies: Vec<Option<Tally>> = vec![None; books.people.len()];
    let query = Query::new(type_no, &["person", "count", "owed"]);
    let query = query.filter("year", Test::Is, lastmile_store::storage::Cell::Int(year));
    source.visit(&query, &mut |row| {
        if let [person, done, owed] = row.cells
            && let Some(person) =
                id(person).and_then(|person| books.check_ins.persons.get(job.links.persons.of(person)))
            && let Some(tally) = tallies.get_mut(person as usize)
        {
            let known = tally.unwrap_or_default();
            *tally = Some((known.0.max(count(done)), known.1.max(count(owed))));
        }
        NEXT
    })?;
    Ok(tallies)
}

/// Adds up the sessions of the year that each person attended, and returns the open conflicts behind them. With
/// trusted tallies only the sessions that wait are read.
fn add_rows(
    source: &Source<'_>,
    job: &Job<'_>,
    books: &Books,
    found: &Sessions,
    only_pending: bool,
    done: &mut [Done],
) -> Result<u64, ReportError> {
    let start = year_start(job);
    let wanted = |session: &Session| {
        let in_year = start <= session.day && session.day <= job.to;
        in_year && !(only_pending && session.standing == Standing::Verified)
    };
    let scopes = found.all.iter().filter(|session| wanted(session)).map(|session| session.scope);
    let which = few_activities(found, wanted)
        .map(Which::Of)
        .or_else(|| few_scopes(job, found, scopes).map(Which::Within))
        .unwrap_or_default();
    let reading = Reading { which, with_ids: false };
    let parts = parts(source, &job.links, found, reading, wanted)?;
    let mut open = 0;
    // Most participants are on the books; the numbers of the two passes are matched once per person.
    let known: Vec<Option<u32>> = (0..u32::try_from(parts.persons.len()).unwrap_or(u32::MAX))
        .map(|person| books.check_ins.persons.get(parts.persons.id(person)))
        .collect();
    for part in &parts.all {
        let person = known.get(part.person as usize).copied().flatten();
        let done = person.and_then(|person| done.get_mut(person as usize));
        let (Some(done), Some(session)) = (done, found.get(part.session)) else { continue };
        if session.standing == Standing::Verified {
            done.verified = done.verified.saturating_add(1);
        }
        done.with_pending = done.with_pending.saturating_add(1);
        open += u64::from(part.open);
    }
    Ok(open)
}

/// What each numbered person owes in a year, by the confirmed spans of all the check-ins held; who waits for
/// confirmation as if confirmed on the day of registration.
fn owed(books: &Books, year: i32, rules: DutyRules) -> Vec<u32> {
    let mut spans = books.check_ins.spans.clone();
    let waiting = books.entries().filter(|entry| entry.standing == Standing::Pending);
    spans.extend(waiting.filter_map(|entry| Some((entry.person, entry.check_in.waiting?, None))));
    spans.sort_unstable();
    let mut owed = vec![0; books.people.len()];
    for of_person in spans.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(person, ..)) = of_person.first() else { continue };
        let exemption = books.person(person).and_then(|person| person.exemption);
        let span = |from: Day, until: Option<Day>| Span { from: from.date(), until: until.map(Day::date) };
        let number = match of_person {
            // The usual case without an allocation.
            [(_, from, until)] => rules.owed(year, &[span(*from, *until)], exemption),
            several => {
                let spans: Vec<Span> = several.iter().map(|(_, from, until)| span(*from, *until)).collect();
                rules.owed(year, &spans, exemption)
            }
        };
        if let Some(owed) = owed.get_mut(person as usize) {
            *owed = number;
        }
    }
    owed
}

fn duty_list() -> Table {
    let [community, community_name] = place_columns();
    let columns = vec![
        Column::text("name", "姓名", "Name"),
        community,
        community_name,
        Column::text("since", "确认日期", "Confirmed on"),
        Column::number("done", "已参加·已审核", "Done, verified"),
        Column::number("done_with_pending", "已参加·含待审", "Done, with pending"),
        Column::number("owed", "应参加", "Owed"),
        Column::number("left", "还差", "Left"),
        Column::number("met", "达标", "Met"),
        STANDING,
    ];
    Table::new("list", Words::fixed("达标名单", "Members and their year"), columns)
}

fn duty_row(job: &Job<'_>, books: &Books, entry: &Entry, done: Done, met: Option<Standing>) -> crate::report::Row {
    let [community, community_name] = place_cells(&job.territory, entry.check_in.scope);
    let number = |count: u32| Cell::Number(i64::from(count));
    listed(
        books.check_ins.persons.id(entry.person),
        vec![
            Cell::Text(books.person(entry.person).map_or_else(String::new, |person| person.name.clone())),
            community,
            community_name,
            day_cell(entry.check_in.closing),
            number(done.verified),
            number(done.with_pending),
            number(done.owed),
            number(DutyRules::left(done.owed, done.verified)),
            Cell::Number(i64::from(met.is_some())),
            Cell::Words(entry.standing.words()),
        ],
    )
}

/// Counts from the rows what the office writes as tallies: for every member on the books at the year's end, and those
/// who wait for confirmation.
pub(crate) fn tallies(source: &mut Source<'_>, job: &Job<'_>) -> Result<Vec<TallyRow>, ReportError> {
    let books = Books::read(source, job, true)?;
    let found = sessions(source, &job.links, Extra::Nothing)?;
    let mut done = vec![Done::default(); books.people.len()];
    add_rows(source, job, &books, &found, false, &mut done)?;
    let owed = owed(&books, job.request.to.year(), job.request.duty);
    let row = |entry: Entry| {
        Some(TallyRow {
            person: record(books.check_ins.persons.id(entry.person)),
            scope: Scope::community(job.territory.code(entry.check_in.scope)).ok()?,
            count: done.get(entry.person as usize).map_or(0, |done| done.verified),
            owed: owed.get(entry.person as usize).copied().unwrap_or(0),
        })
    };
    let mut rows: Vec<TallyRow> = books.entries().filter_map(row).collect();
    rows.sort_by(|a, b| (&a.scope, a.person).cmp(&(&b.scope, b.person)));
    Ok(rows)
}
