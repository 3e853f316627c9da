//! R1, members on the books, and R2, everybody ever checked in.

use super::{Body, Job, PERSONS, day_cell, listed, place_cells, place_columns};
use crate::ReportError;
use crate::day::Day;
use crate::facts::people::{
    CheckIn, CheckIns, Homes, Person, Residences, Wanted, check_ins, homes, people, waiting_homes,
};
use crate::grid::{
    ChildFigure, Distinct, Grid, Pair, STANDING, Standing, children, children_check, figure, figure_of, list_check,
};
use crate::hash::Bits;
use crate::read::Source;
use crate::report::{Cell, Check, Column, Row, Table};
use crate::words::Words;

/// Who is on the books on the closing day, of every community held.
pub(crate) struct Books {
    pub(crate) check_ins: CheckIns,
    pub(crate) people: Vec<Person>,
    pub(crate) closing: Homes,
    waiting: Homes,
}

/// A member on the books.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The person's number.
    pub(crate) person: u32,
    /// The check-in that counts.
    pub(crate) check_in: CheckIn,
    /// Confirmed, or registered and waiting.
    pub(crate) standing: Standing,
}

impl Books {
    /// Reads check-ins and persons.
    pub(crate) fn read(source: &Source<'_>, job: &Job<'_>, for_duties: bool) -> Result<Self, ReportError> {
        let check_ins = check_ins(source, &job.links, job.from.before(), job.to, for_duties)?;
        let wanted = Wanted { names: job.request.list.then_some(job.request.names), exemptions: for_duties };
        let closing = homes(&check_ins, |check_in| check_in.closing);
        let waiting = waiting_homes(&check_ins);
        let residences = Residences::of(&check_ins, &closing, &waiting);
        let people = people(source, job, &check_ins.persons, wanted, &residences)?;
        Ok(Self { check_ins, people, closing, waiting })
    }

    /// The members on the books on the closing day.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries_of(&self.closing, |_| true)
    }

    fn entries_of<'a>(
        &'a self,
        confirmed: &'a Homes,
        waits: impl Fn(&CheckIn) -> bool + 'a,
    ) -> impl Iterator<Item = Entry> + 'a {
        let members = self.people.iter().zip(0_u32..).filter(|(person, _)| person.member);
        members.filter_map(move |(_, person)| {
            let of = |homes: &Homes| homes.of(&self.check_ins, person).copied();
            match of(confirmed) {
                Some(check_in) => Some(Entry { person, check_in, standing: Standing::Verified }),
                None => of(&self.waiting).filter(&waits).map(|check_in| Entry {
                    person,
                    check_in,
                    standing: Standing::Pending,
                }),
            }
        })
    }

    /// Open questions behind one entry: of the check-in, of the person, and of a second active check-in.
    pub(crate) fn open(&self, entry: &Entry) -> u64 {
        let place = entry.person as usize;
        let person = self.people.get(place).map_or(0, |person| person.open);
        let contested = self.closing.contested.has(entry.person);
        u64::from(entry.check_in.open) + u64::from(person) + u64::from(contested)
    }

    /// The person behind a number.
    pub(crate) fn person(&self, number: u32) -> Option<&Person> {
        self.people.get(number as usize)
    }
}

/// R1.
pub(super) fn on_books(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let books = Books::read(source, job, false)?;
    let mut body = Body::default();
    let mut grid = Grid::new(&job.territory);
    let mut now = [Bits::default(), Bits::default()];
    let mut list = job.request.list.then(member_list);
    for entry in books.entries() {
        let Some(slot) = job.territory.slot(entry.check_in.scope) else { continue };
        grid.add(slot, entry.standing, 1);
        body.open += books.open(&entry);
        note(&mut now, &entry);
        if let Some(list) = &mut list {
            list.rows.push(member_row(job, &books, &entry));
        }
    }
    let flows = flows(job, &books, &now);
    body.figures = vec![
        figure("on_books", Words::fixed("期末在册", "On the books at the end"), PERSONS, &grid),
        figure_of("opening", Words::fixed("期初在册", "On the books before"), PERSONS, flows.opening),
        figure_of("joined", Words::fixed("本期增加", "Joined"), PERSONS, flows.joined),
        figure_of("left", Words::fixed("本期减少", "Left"), PERSONS, flows.left),
    ];
    let label = Words::fixed("期末在册", "On the books");
    let shown = ChildFigure { keys: ["on_books", "on_books_with_pending"], label, part: &grid, whole: None };
    body.children = children(&job.territory, &[shown]);
    children_check(&mut body.checks, &job.territory, &grid);
    for (key, label, column) in [
        ("flow", Words::fixed("期初＋增加－减少＝期末（已审核）", "Before + joined - left = end, verified"), 0),
        (
            "flow_with_pending",
            Words::fixed("期初＋增加－减少＝期末（含待审）", "Before + joined - left = end, with pending"),
            1,
        ),
    ] {
        let of = |pair: Pair| if column == 0 { pair.verified } else { pair.with_pending };
        body.checks.push(Check::equal(
            key,
            label,
            of(flows.opening) + of(flows.joined) - of(flows.left),
            of(grid.total),
        ));
    }
    list_check(&mut body.checks, list.as_ref(), grid.total);
    body.list = list;
    unknown_persons(&mut body, job, &books);
    elsewhere(&mut body, job, &books);
    Ok(body)
}

struct Flows {
    opening: Pair,
    joined: Pair,
    left: Pair,
}

/// Compares the scope's members before the period with those at its end.
fn flows(job: &Job<'_>, books: &Books, now: &[Bits; 2]) -> Flows {
    let opening_day = job.from.before();
    let homes = homes(&books.check_ins, |check_in| check_in.opening);
    let mut before = [Bits::default(), Bits::default()];
    for entry in books.entries_of(&homes, |check_in| check_in.waiting.is_some_and(|made| made <= opening_day)) {
        if job.territory.slot(entry.check_in.scope).is_some() {
            note(&mut before, &entry);
        }
    }
    let pair = |count: &dyn Fn(&Bits, &Bits) -> i64| {
        let ([b0, b1], [n0, n1]) = (&before, now);
        Pair { verified: count(b0, n0), with_pending: count(b1, n1) }
    };
    let persons = || 0..u32::try_from(books.people.len()).unwrap_or(u32::MAX);
    let only = |one: &Bits, other: &Bits| {
        crate::grid::length(persons().filter(|&person| one.has(person) && !other.has(person)).count())
    };
    Flows {
        opening: pair(&|before, _| crate::grid::signed(before.len())),
        joined: pair(&|before, now| only(now, before)),
        left: pair(&|before, now| only(before, now)),
    }
}

fn note(sets: &mut [Bits; 2], entry: &Entry) {
    let [verified, with_pending] = sets;
    if entry.standing == Standing::Verified {
        verified.insert(entry.person);
    }
    with_pending.insert(entry.person);
}

/// The columns of lists of members.
fn member_list() -> Table {
    let [community, community_name] = place_columns();
    let columns = vec![
        Column::text("name", "姓名", "Name"),
        community,
        community_name,
        Column::text("since", "确认日期", "Confirmed on"),
        STANDING,
        Column::number("open", "待核", "Open"),
    ];
    Table::new("list", Words::fixed("在册名单", "Members on the books"), columns)
}

fn member_row(job: &Job<'_>, books: &Books, entry: &Entry) -> Row {
    let [community, community_name] = place_cells(&job.territory, entry.check_in.scope);
    let name = books.person(entry.person).map_or_else(String::new, |person| person.name.clone());
    listed(
        books.check_ins.persons.id(entry.person),
        vec![
            Cell::Text(name),
            community,
            community_name,
            day_cell(entry.check_in.closing),
            Cell::Words(entry.standing.words()),
            Cell::Number(crate::grid::signed(books.open(entry))),
        ],
    )
}

/// Says how many check-ins in scope name a person who is not held here, and so cannot be counted.
pub(crate) fn unknown_persons(body: &mut Body, job: &Job<'_>, books: &Books) {
    let unknown = books
        .check_ins
        .rows
        .iter()
        .filter(|check_in| check_in.closing.is_some() && job.territory.slot(check_in.scope).is_some())
        .filter(|check_in| books.person(check_in.person).is_some_and(|person| !person.held))
        .count();
    if unknown > 0 {
        body.notes.push(Words::new(
            format!("{unknown}条报到的人员记录不在本机，未计入。"),
            format!("{unknown} check-ins name a person whose record is not held here; they are not counted."),
        ));
    }
}

/// Says how many active check-ins of the scope are counted in another community that confirmed earlier.
fn elsewhere(body: &mut Body, job: &Job<'_>, books: &Books) {
    let counted = |check_in: &CheckIn| books.closing.of(&books.check_ins, check_in.person);
    let held = books
        .check_ins
        .rows
        .iter()
        .filter(|check_in| check_in.closing.is_some() && job.territory.slot(check_in.scope).is_some())
        .filter(|check_in| counted(check_in).is_some_and(|home| home.scope != check_in.scope))
        .count();
    if held > 0 {
        body.notes.push(Words::new(
            format!("{held}条报到待核：同一人在另一社区先确认，计在该社区。"),
            format!(
                "{held} check-ins are open: the person was confirmed earlier in another community and counts there."
            ),
        ));
    }
}

/// The place and day where a person of R2 first counted.
#[derive(Debug, Clone, Copy)]
struct First {
    day: Day,
    scope: u32,
    standing: Standing,
    id: u128,
}

/// R2.
pub(super) fn ever(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let all = check_ins(source, &job.links, job.from.before(), job.to, false)?;
    let mut body = Body::default();
    let mut distinct = Distinct::new(&job.territory);
    let mut firsts: Vec<Option<First>> = vec![None; all.persons.len()];
    for check_in in &all.rows {
        let Some(slot) = job.territory.slot(check_in.scope) else { continue };
        let (day, standing) = match (check_in.first, check_in.waiting) {
            (Some(day), _) => (day, Standing::Verified),
            (None, Some(day)) => (day, Standing::Pending),
            (None, None) => continue,
        };
        distinct.add(slot, standing, check_in.person);
        body.open += u64::from(check_in.open);
        if let Some(first) = firsts.get_mut(check_in.person as usize) {
            let found = First { day, scope: check_in.scope, standing, id: check_in.id };
            let rank = |first: &First| (first.standing, first.day, first.id);
            if first.as_ref().is_none_or(|first| rank(&found) < rank(first)) {
                *first = Some(found);
            }
        }
    }
    let mut new = Pair::default();
    firsts.iter().flatten().filter(|first| first.day >= job.from).for_each(|first| new.add(first.standing, 1));
    let counts = distinct.counts();
    body.figures = vec![
        figure("ever", Words::fixed("累计报到", "Ever checked in"), PERSONS, &counts),
        figure_of("new", Words::fixed("其中本期新增", "Of them new in the period"), PERSONS, new),
    ];
    let label = Words::fixed("累计报到", "Ever checked in");
    let shown = ChildFigure { keys: ["ever", "ever_with_pending"], label, part: &counts, whole: None };
    body.children = children(&job.territory, &[shown]);
    if job.request.list {
        let wanted = Wanted { names: Some(job.request.names), exemptions: false };
        let closing = homes(&all, |check_in| check_in.closing);
        let waiting = waiting_homes(&all);
        let residences = Residences::of(&all, &closing, &waiting);
        let people = people(source, job, &all.persons, wanted, &residences)?;
        let list = ever_list(job, &all, &firsts, &people);
        list_check(&mut body.checks, Some(&list), counts.total);
        body.list = Some(list);
    }
    body.notes.push(Words::fixed(
        "在多个社区报到过的人员在各社区各计一次，合计只计一次，下级之和可大于本级。",
        "Who checked in with several communities counts in each and once in the total, so children may exceed it.",
    ));
    Ok(body)
}

fn ever_list(job: &Job<'_>, all: &CheckIns, firsts: &[Option<First>], people: &[Person]) -> Table {
    let [community, community_name] = place_columns();
    let columns = vec![
        Column::text("name", "姓名", "Name"),
        community,
        community_name,
        Column::text("first", "首次确认", "First confirmed"),
        STANDING,
    ];
    let mut list = Table::new("list", Words::fixed("累计报到名单", "Everybody ever checked in"), columns);
    for ((first, person), number) in firsts.iter().zip(people).zip(0_u32..) {
        let Some(first) = first else { continue };
        let [community, community_name] = place_cells(&job.territory, first.scope);
        let name = Cell::Text(person.name.clone());
        let day = if first.standing == Standing::Verified { Cell::Day(first.day) } else { Cell::Empty };
        let cells = vec![name, community, community_name, day, Cell::Words(first.standing.words())];
        list.rows.push(listed(all.persons.id(number), cells));
    }
    list
}
