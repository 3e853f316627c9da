//! Persons and their check-ins: who is on the books where.

use std::borrow::Cow;

use lastmile_model::duties::Exemption;
use lastmile_model::names;
use lastmile_store::query::Query;

use crate::ReportError;
use crate::canonical::Links;
use crate::day::Day;
use crate::hash::{Bits, Interner};
use crate::read::{NEXT, Source, count, day, day_of_instant, id, number};
use crate::reports::Job;
use crate::request::Names;

/// Political statuses of members: party member, probationary party member (GB/T 4762).
const MEMBER: [&str; 2] = ["01", "02"];

/// What a report knows of a canonical person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    /// Whether a record of the person is held here.
    pub(crate) held: bool,
    /// Whether the political status is a member's.
    pub(crate) member: bool,
    /// Open conflicts of the person's records.
    pub(crate) open: u32,
    /// The exemption from the year's duty, if a reason is given.
    pub(crate) exemption: Option<Exemption>,
    /// The name as the list shows it; empty unless asked for.
    pub(crate) name: String,
    /// The record whose values show, and the scope of the copy.
    shown: Option<(u128, u32)>,
}

/// What is wanted of persons beside status and open conflicts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Names, shown like this.
    pub(crate) names: Option<Names>,
    /// Exemptions from the year's duty.
    pub(crate) exemptions: bool,
}

/// Whose copy of a person shows, where moves left several: that of the community where the person is, or was last.
#[derive(Debug)]
pub(crate) struct Residences<'a> {
    persons: &'a Interner,
    /// Person -> a check-in, or [`NOWHERE`].
    check_in: Vec<u32>,
    rows: &'a [CheckIn],
}

impl<'a> Residences<'a> {
    /// Of each person the check-in that counts on the closing day, else the one that waits, else the one confirmed last (equal
    /// days: the smaller id). These are days that people typed; no clock has a say.
    pub(crate) fn of(check_ins: &'a CheckIns, closing: &Homes, waiting: &Homes) -> Self {
        let mut last = Homes { counted: vec![NOWHERE; check_ins.persons.len()], contested: Bits::default() };
        for (check_in, place) in check_ins.rows.iter().zip(0_u32..) {
            let Some(best) = last.counted.get_mut(check_in.person as usize) else { continue };
            let later = |other: &CheckIn| (check_in.last, other.id) > (other.last, check_in.id);
            if check_ins.rows.get(*best as usize).is_none_or(later) {
                *best = place;
            }
        }
        let first_of = |person: usize| {
            let of = |homes: &Homes| homes.counted.get(person).copied().filter(|place| *place != NOWHERE);
            of(closing).or_else(|| of(waiting)).or_else(|| of(&last)).unwrap_or(NOWHERE)
        };
        let check_in = (0..check_ins.persons.len()).map(first_of).collect();
        Self { persons: &check_ins.persons, check_in, rows: &check_ins.rows }
    }

    /// The scope that a canonical person belongs to.
    fn scope(&self, person: u128) -> Option<u32> {
        let place = *self.check_in.get(self.persons.get(person)? as usize)?;
        self.rows.get(place as usize).map(|check_in| check_in.scope)
    }
}

/// Reads the canonical persons that have been numbered.
///
/// Of several records the one with the smallest id shows; of its copies the one in the scope where the person belongs, else the one in
/// the scope with the lowest code.
pub(crate) fn people(
    source: &Source<'_>,
    job: &Job<'_>,
    persons: &Interner,
    wanted: Wanted,
    residences: &Residences<'_>,
) -> Result<Vec<Person>, ReportError> {
    let mut people = vec![Person::default(); persons.len()];
    let mut columns = vec!["party_status", "open"];
    columns.extend(match wanted {
        Wanted { exemptions: true, .. } => ["exempt_reason", "exempt_until", "name"].as_slice(),
        Wanted { names: Some(_), .. } => &["name"],
        Wanted { .. } => &[],
    });
    if wanted.names.is_none() {
        columns.retain(|column| *column != "name");
    }
    let query = Query::new(source.type_no("person")?, &columns);
    source.visit(&query, &mut |row| {
        let own = number(&row.id);
        let canonical = job.links.persons.of(own);
        let known = persons.get(canonical).and_then(|place| people.get_mut(place as usize));
        if let (Some(person), [status, open, rest @ ..]) = (known, row.cells) {
            let better = match person.shown {
                None => true,
                Some((id, _)) if id != own => own < id,
                Some((_, scope)) => {
                    let home = residences.scope(canonical);
                    let rank = |scope: u32| (home != Some(scope), job.territory.code(scope));
                    rank(row.scope) < rank(scope)
                }
            };
            person.held = true;
            person.open = person.open.saturating_add(count(open));
            if better {
                person.shown = Some((own, row.scope));
                person.member = status.text().is_some_and(|status| MEMBER.contains(&status));
                if let (true, [reason, until, ..]) = (wanted.exemptions, rest) {
                    person.exemption = reason.text().map(|_| Exemption { until: day(until).map(Day::date) });
                }
                if let (Some(mode), Some(name)) = (wanted.names, rest.last().and_then(|cell| cell.text())) {
                    person.name = shown_name(name, mode);
                }
            }
        }
        NEXT
    })?;
    Ok(people)
}

/// Returns a name as lists show it.
fn shown_name(name: &str, mode: Names) -> String {
    match mode {
        Names::Full => name.to_owned(),
        Names::Masked => names::mask(name),
    }
}

/// One check-in, reduced to what two days need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckIn {
    pub(crate) id: u128,
    pub(crate) person: u32,
    pub(crate) scope: u32,
    pub(crate) open: u32,
    /// Since when the check-in is confirmed that covers the closing day.
    pub(crate) closing: Option<Day>,
    /// Since when the one is confirmed that covers the opening day.
    pub(crate) opening: Option<Day>,
    /// The first day ever confirmed, if not after the closing day.
    pub(crate) first: Option<Day>,
    /// The last day of a confirmation, if not after the closing day.
    pub(crate) last: Option<Day>,
    /// The day a check-in was recorded that still waits for confirmation.
    pub(crate) waiting: Option<Day>,
}

/// Check-ins with the persons they speak of, numbered.
#[derive(Debug, Default)]
pub(crate) struct CheckIns {
    pub(crate) persons: Interner,
    pub(crate) rows: Vec<CheckIn>,
    /// Every confirmed span with its person, from and until; empty unless asked for.
    pub(crate) spans: Vec<(u32, Day, Option<Day>)>,
}

/// Reads every check-in that matters up to the closing day; the opening day is the one before the period.
pub(crate) fn check_ins(
    source: &Source<'_>,
    links: &Links,
    opening: Day,
    closing: Day,
    with_spans: bool,
) -> Result<CheckIns, ReportError> {
    let mut found = CheckIns::default();
    let columns =
        ["person", "state", "first_confirmed", "confirmed_from", "confirmed_to", "spans", "open", "created_at"];
    let query = Query::new(source.type_no("check_in")?, &columns);
    source.visit(&query, &mut |row| {
        let [person, state, first, from, until, spans, open, created] = row.cells else { return NEXT };
        let Some(person) = id(person) else { return NEXT };
        let several = spans.text().map(all_spans);
        let (from, until) = (day(from), day(until));
        let covers = |(from, until): (Day, Option<Day>), on| from <= on && until.is_none_or(|until| on < until);
        let covering = |on: Day| match &several {
            Some(spans) => spans.iter().find(|span| covers(**span, on)).map(|span| span.0),
            None => from.filter(|from| covers((*from, until), on)),
        };
        let (at_closing, at_opening) = (covering(closing), covering(opening));
        // Who was confirmed and left on one day has no span of days, but a first one.
        let first = day(first).filter(|first| *first <= closing);
        let begun = several.iter().flatten().map(|span| span.0).chain(from);
        let last = begun.filter(|begun| *begun <= closing).max().or(first);
        let registered = state.text() == Some("registered");
        let made = if registered { day_of_instant(created) } else { None };
        let waiting = made.filter(|made| *made <= closing);
        if at_closing.is_none() && at_opening.is_none() && first.is_none() && waiting.is_none() {
            return NEXT;
        }
        let person = found.persons.number(links.persons.of(person));
        match several {
            _ if !with_spans => {}
            Some(spans) => found.spans.extend(spans.into_iter().map(|(from, until)| (person, from, until))),
            None => found.spans.extend(from.map(|from| (person, from, until))),
        }
        found.rows.push(CheckIn {
            id: number(&row.id),
            person,
            scope: row.scope,
            open: count(open),
            closing: at_closing,
            opening: at_opening,
            first,
            last,
            waiting,
        });
        NEXT
    })?;
    Ok(found)
}

/// Reads confirmed spans from a JSON array of [from, until], until being the first day no longer in it.
fn all_spans(json: &str) -> Vec<(Day, Option<Day>)> {
    let spans: Vec<(Cow<'_, str>, Option<Cow<'_, str>>)> = serde_json::from_str(json).unwrap_or_default();
    let read = spans.iter().filter_map(|(from, until)| {
        let until = match until {
            Some(until) => Some(Day::parse(until)?),
            None => None,
        };
        Some((Day::parse(from)?, until))
    });
    read.collect()
}

/// Where each person counts on a day.
#[derive(Debug)]
pub(crate) struct Homes {
    /// Person -> the place of the check-in that counts, or [`NOWHERE`].
    counted: Vec<u32>,
    /// Persons with active check-ins in two communities at once.
    pub(crate) contested: Bits,
}

/// Stands for no check-in.
const NOWHERE: u32 = u32::MAX;

impl Homes {
    /// Returns the check-in that counts for a person.
    pub(crate) fn of<'a>(&self, check_ins: &'a CheckIns, person: u32) -> Option<&'a CheckIn> {
        check_ins.rows.get(*self.counted.get(person as usize)? as usize)
    }
}

/// Finds for each person the check-in that counts: of several, the earlier one, then the one with the smaller id.
pub(crate) fn homes(check_ins: &CheckIns, since: impl Fn(&CheckIn) -> Option<Day>) -> Homes {
    let mut homes = Homes { counted: vec![NOWHERE; check_ins.persons.len()], contested: Bits::default() };
    for (check_in, place) in check_ins.rows.iter().zip(0_u32..) {
        let Some(day) = since(check_in) else { continue };
        let Some(best) = homes.counted.get_mut(check_in.person as usize) else { continue };
        let other = check_ins.rows.get(*best as usize);
        if other.is_some_and(|other| other.scope != check_in.scope) {
            homes.contested.insert(check_in.person);
        }
        if other.is_none_or(|other| (Some(day), check_in.id) < (since(other), other.id)) {
            *best = place;
        }
    }
    homes
}

/// Finds for each person the check-in that waits: of several, the one with the smaller id, since the days they were recorded on are
/// what clocks said.
pub(crate) fn waiting_homes(check_ins: &CheckIns) -> Homes {
    homes(check_ins, |check_in| check_in.waiting.map(|_| Day(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn spans_are_read_in_order() {
        let json = r#"[["2026-01-05","2026-03-01"],["2026-06-01",null]]"#;
        let spans = [(day("2026-01-05"), Some(day("2026-03-01"))), (day("2026-06-01"), None)];
        assert_eq!(all_spans(json), spans);
        assert!(all_spans("nonsense").is_empty());
    }

    #[test]
    fn the_earlier_confirmed_counts_and_two_communities_are_contested() {
        let check_in = |id, scope, since: &str| CheckIn {
            id,
            person: 0,
            scope,
            open: 0,
            closing: Some(day(since)),
            opening: None,
            first: None,
            last: None,
            waiting: None,
        };
        let mut all = CheckIns::default();
        all.persons.number(77);
        all.rows = vec![check_in(5, 1, "2026-03-01"), check_in(6, 2, "2026-02-01")];
        let homes_now = homes(&all, |one| one.closing);
        assert_eq!(homes_now.of(&all, 0).map(|one| one.scope), Some(2));
        assert!(homes_now.contested.has(0));
        all.rows = vec![check_in(5, 1, "2026-03-01"), check_in(4, 1, "2026-03-01")];
        let homes_now = homes(&all, |one| one.closing);
        assert_eq!(homes_now.of(&all, 0).map(|one| one.id), Some(4));
        assert!(!homes_now.contested.has(0));
    }
    #[test]
    fn of_check_ins_that_wait_the_smaller_id_counts_whatever_clocks_said() {
        let check_in = |id, scope, made: &str| CheckIn {
            id,
            person: 0,
            scope,
            open: 0,
            closing: None,
            opening: None,
            first: None,
            last: None,
            waiting: Some(day(made)),
        };
        let mut all = CheckIns::default();
        all.persons.number(77);
        all.rows = vec![check_in(5, 1, "2026-02-01"), check_in(4, 2, "2026-03-01")];
        assert_eq!(waiting_homes(&all).of(&all, 0).map(|one| one.id), Some(4));
        all.rows.reverse();
        assert_eq!(waiting_homes(&all).of(&all, 0).map(|one| one.id), Some(4));
    }
}
