//! R5, times somebody took part, and R6, persons who took part.

use super::sessions::titles;
use super::{Body, Job, PERSONS, change_check, listed, place_cells, place_columns};
use crate::ReportError;
use crate::facts::parts::{Part, Parts, Reading, Which, few_scopes, parts};
use crate::facts::people::{Residences, Wanted, check_ins, homes, people, waiting_homes};
use crate::facts::sessions::{Extra, Session, Sessions, sessions};
use crate::grid::{
    ChildFigure, Distinct, Grid, Pair, STANDING, Standing, children, children_check, figure, list_check,
};
use crate::hash::Bits;
use crate::id::ReportId;
use crate::read::Source;
use crate::report::{Cell, Check, Column, Table};
use crate::territory::Slot;
use crate::words::Words;

/// The unit of R5.
const TIMES: Words = Words::fixed("人次", "times");

/// A participation in the period and scope, with what it belongs to.
struct Counted<'a> {
    part: &'a Part,
    session: &'a Session,
    slot: Slot,
}

fn counted<'a>(job: &'a Job<'_>, found: &'a Sessions, parts: &'a Parts) -> impl Iterator<Item = Counted<'a>> {
    parts.all.iter().filter_map(|part| {
        let session = found.get(part.session)?;
        let slot = job.territory.slot(session.scope)?;
        job.in_period(session.day).then_some(Counted { part, session, slot })
    })
}

/// R5 and R6.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let found = sessions(source, &job.links, Extra::Times)?;
    let previous = job.previous();
    let wanted = |session: &Session| {
        let before = previous.is_some_and(|(from, to)| from <= session.day && session.day <= to);
        (before || job.in_period(session.day)) && job.territory.slot(session.scope).is_some()
    };
    let which = few_scopes(job, &found, job.territory.scopes()).map(Which::Within).unwrap_or_default();
    let parts = parts(source, &job.links, &found, Reading { which, with_ids: job.request.list }, wanted)?;
    let mut body = Body::default();
    let mut times = Grid::new(&job.territory);
    let mut persons = Distinct::new(&job.territory);
    let mut met = Bits::default();
    for one in counted(job, &found, &parts) {
        times.add(one.slot, one.session.standing, 1);
        persons.add(one.slot, one.session.standing, one.part.person);
        let of_session = if met.insert(one.part.session) { one.session.open } else { 0 };
        body.open += u64::from(one.part.open) + u64::from(of_session);
    }
    let distinct = persons.counts();
    let times_figure = figure("participations", Words::fixed("参与人次", "Participations"), TIMES, &times);
    let persons_figure = figure("participants", Words::fixed("参与人数", "Participants"), PERSONS, &distinct);
    let shown_times = ChildFigure {
        keys: ["participations", "participations_with_pending"],
        label: Words::fixed("参与人次", "Participations"),
        part: &times,
        whole: None,
    };
    let shown_persons = ChildFigure {
        keys: ["participants", "participants_with_pending"],
        label: Words::fixed("参与人数", "Participants"),
        part: &distinct,
        whole: None,
    };
    children_check(&mut body.checks, &job.territory, &times);
    let before = before(job, &found, &parts);
    if job.request.report == ReportId::R5 {
        body.figures = vec![times_figure, persons_figure];
        body.children = children(&job.territory, &[shown_times, shown_persons]);
        change_check(&mut body.checks, before.0, times.total.verified);
    } else {
        body.figures = vec![persons_figure, times_figure];
        body.children = children(&job.territory, &[shown_persons, shown_times]);
        change_check(&mut body.checks, before.1, distinct.total.verified);
    }
    let overlaps = overlaps(job, &found, &parts);
    body.checks.push(Check::at_most(
        "overlaps",
        Words::fixed(
            "同一人时间重叠的参加（需说明）",
            "Participations of one person that overlap in time, to be explained",
        ),
        overlaps,
        0,
    ));
    if job.request.list {
        add_list(source, job, &found, &parts, [times.total, distinct.total], &mut body)?;
    }
    Ok(body)
}

/// Participations and persons of the period before, verified.
fn before(job: &Job<'_>, found: &Sessions, parts: &Parts) -> (i64, i64) {
    let mut persons = Bits::default();
    let mut times = 0;
    for part in &parts.all {
        let session = found.get(part.session);
        if session.is_some_and(|session| session.day < job.from && session.standing == Standing::Verified) {
            times += 1;
            persons.insert(part.person);
        }
    }
    (times, crate::grid::signed(persons.len()))
}

/// Counts participations that begin before an earlier one of the same person on the same day ends.
///
/// Sessions are walked by day and start, so that per person one end of stay is enough.
fn overlaps(job: &Job<'_>, found: &Sessions, parts: &Parts) -> i64 {
    let mut timed: Vec<(i32, u16, u16, &[Part])> = Vec::new();
    for of_session in parts.all.chunk_by(|one, next| one.session == next.session) {
        let session = of_session.first().and_then(|part| found.get(part.session));
        let counts = |session: &&Session| job.in_period(session.day) && job.territory.slot(session.scope).is_some();
        if let Some((session, (start, end))) =
            session.filter(counts).and_then(|session| Some((session, session.times?)))
        {
            timed.push((session.day.0, start, end, of_session));
        }
    }
    timed.sort_by_key(|(day, start, end, _)| (*day, *start, *end));
    let mut stays: Vec<(i32, u16)> = vec![(i32::MIN, 0); parts.persons.len()];
    let mut overlaps = 0;
    for (day, start, end, of_session) in timed {
        for part in of_session {
            let Some((on, until)) = stays.get_mut(part.person as usize) else { continue };
            if *on == day {
                overlaps += i64::from(start < *until);
                *until = end.max(*until);
            } else {
                (*on, *until) = (day, end);
            }
        }
    }
    overlaps
}

fn add_list(
    source: &Source<'_>,
    job: &Job<'_>,
    found: &Sessions,
    parts: &Parts,
    figures: [Pair; 2],
    body: &mut Body,
) -> Result<(), ReportError> {
    let wanted = Wanted { names: Some(job.request.names), exemptions: false };
    let check_ins = check_ins(source, &job.links, job.from.before(), job.to, false)?;
    let closing = homes(&check_ins, |check_in| check_in.closing);
    let waiting = waiting_homes(&check_ins);
    let residences = Residences::of(&check_ins, &closing, &waiting);
    let people = people(source, job, &parts.persons, wanted, &residences)?;
    let name =
        |person: u32| Cell::Text(people.get(person as usize).map_or_else(String::new, |person| person.name.clone()));
    let [times, persons] = figures;
    if job.request.report == ReportId::R6 {
        let list = person_list(job, found, parts, &name);
        list_check(&mut body.checks, Some(&list), persons);
        let label = Words::fixed("名单人次之和＝参与人次（含待审）", "List adds up to participations, with pending");
        body.checks.push(Check::equal("list_sum", label, list.sum("with_pending"), times.with_pending));
        body.list = Some(list);
        return Ok(());
    }
    let titles = titles(source, &counted(job, found, parts).map(|one| one.session.id).collect())?;
    let [community, community_name] = place_columns();
    let columns = vec![
        Column::text("date", "日期", "Date"),
        Column::text("title", "活动", "Session"),
        community,
        community_name,
        Column::text("name", "姓名", "Name"),
        Column::number("minutes", "时长（分钟）", "Minutes"),
        STANDING,
        Column::number("open", "待核", "Open"),
    ];
    let mut list = Table::new("list", Words::fixed("参与名单", "Participations"), columns);
    for one in counted(job, found, parts) {
        let [community, community_name] = place_cells(&job.territory, one.session.scope);
        let cells = vec![
            Cell::Day(one.session.day),
            Cell::Text(titles.get(&one.session.id).cloned().unwrap_or_default()),
            community,
            community_name,
            name(one.part.person),
            one.part.minutes().map_or(Cell::Empty, |minutes| Cell::Number(i64::from(minutes))),
            Cell::Words(one.session.standing.words()),
            Cell::Number(i64::from(one.part.open)),
        ];
        list.rows.push(listed(parts.id(one.part), cells));
    }
    list_check(&mut body.checks, Some(&list), times);
    body.list = Some(list);
    Ok(())
}

fn person_list(job: &Job<'_>, found: &Sessions, parts: &Parts, name: &dyn Fn(u32) -> Cell) -> Table {
    let columns = vec![
        Column::text("name", "姓名", "Name"),
        Column::number("verified", "人次·已审核", "Times, verified"),
        Column::number("with_pending", "人次·含待审", "Times, with pending"),
        STANDING,
    ];
    let mut list = Table::new("list", Words::fixed("参与人员名单", "Participants"), columns);
    let mut pairs = vec![Pair::default(); parts.persons.len()];
    for one in counted(job, found, parts) {
        if let Some(pair) = pairs.get_mut(one.part.person as usize) {
            pair.add(one.session.standing, 1);
        }
    }
    for (pair, person) in pairs.iter().zip(0_u32..) {
        if pair.with_pending > 0 {
            let standing = if pair.verified > 0 { Standing::Verified } else { Standing::Pending };
            let counts = [pair.verified, pair.with_pending].map(Cell::Number);
            let [verified, with_pending] = counts;
            let cells = vec![name(person), verified, with_pending, Cell::Words(standing.words())];
            list.rows.push(listed(parts.persons.id(person), cells));
        }
    }
    list
}
