//! The figures that follow from persons, check-ins, activities and participations.

use std::collections::{BTreeMap, BTreeSet};

use super::states::day as day_of;
use super::{Fold, Id, Record, RecordKey, Val, Views, activity, check_in};

/// A figure in its two columns, 已审核 and 含待审.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figure {
    /// What is verified or confirmed.
    pub verified: u64,
    /// That and what waits.
    pub with_pending: u64,
}

/// The figures of one scope and period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// R1: members on the books on the last day.
    pub members: Figure,
    /// R2: persons ever confirmed by the last day.
    pub ever: Figure,
    /// R4: sessions.
    pub sessions: Figure,
    /// R5: attended participations.
    pub participations: Figure,
    /// R6: distinct persons of R5.
    pub persons: Figure,
    /// R7: persons served.
    pub served: Figure,
    /// R8: minutes of R5; the larger number where records of one participation differ.
    pub minutes: Figure,
    /// R13: sessions by main category.
    pub categories: BTreeMap<String, Figure>,
    /// Participations of R5 whose records differ in minutes, an open question each.
    pub differing_minutes: u64,
}

impl Figure {
    fn add(&mut self, amount: u64, verified: bool) {
        self.with_pending += amount;
        if verified {
            self.verified += amount;
        }
    }
}

/// Every row of a type, by scope and id; records that are incomplete are no rows.
fn rows<'a>(views: &'a Views, record_type: &'a str) -> impl Iterator<Item = (&'a RecordKey, &'a Record)> {
    views.records.iter().filter(move |(key, record)| key.1 == record_type && record.row)
}

fn shown<'a>(record: &'a Record, field: &str) -> Option<&'a Val> {
    record.fields.get(field)?.shown.as_ref()
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    if let Val::Text(text) = shown(record, field)? { Some(text) } else { None }
}

fn number(record: &Record, field: &str) -> u64 {
    if let Some(Val::Int(number)) = shown(record, field) { u64::try_from(*number).unwrap_or(0) } else { 0 }
}

fn id(value: Option<&Val>) -> Option<Id> {
    if let Some(Val::Bytes(bytes)) = value { bytes.as_slice().try_into().ok() } else { None }
}

/// The place code of a row's scope: a row counts by it.
fn place(key: &RecordKey) -> &str {
    key.0.split_once(':').map_or("", |(_, code)| code)
}

/// Canonical ids: the smallest of a component of live links.
struct Canonical(BTreeMap<Id, Id>);

impl Canonical {
    /// Repeats until nothing changes: both ends of a link take the smaller name.
    fn of(pairs: &[(Id, Id)]) -> Self {
        let ends = pairs.iter().flat_map(|(a, b)| [(*a, *a), (*b, *b)]);
        let mut canonical = Self(ends.collect());
        loop {
            let before = canonical.0.clone();
            for (a, b) in pairs {
                let least = canonical.get(*a).min(canonical.get(*b));
                canonical.0.extend([(*a, least), (*b, least)]);
            }
            if canonical.0 == before {
                return canonical;
            }
        }
    }

    fn get(&self, id: Id) -> Id {
        self.0.get(&id).copied().unwrap_or(id)
    }
}

/// Live links of one record type. A link that stands in several scopes is live only where every copy says so.
fn links(views: &Views, record_type: &str) -> Vec<(Id, Id)> {
    let mut found: BTreeMap<Id, (Id, Id, bool)> = BTreeMap::new();
    for (key, link) in rows(views, "merge_link").filter(|(_, link)| text(link, "record_type") == Some(record_type)) {
        let (Some(loser), Some(winner)) = (id(shown(link, "loser")), id(shown(link, "winner"))) else { continue };
        found.entry(key.2).or_insert((loser, winner, true)).2 &= shown(link, "live") != Some(&Val::Bool(false));
    }
    found.into_values().filter(|(.., live)| *live).map(|(loser, winner, _)| (loser, winner)).collect()
}

/// One session: the record of a component that counts, of those that carry no mark.
struct Session<'a> {
    place: &'a str,
    record: &'a Record,
    verified: bool,
}

/// The activity that a record says it repeats: its field, else its mark; `Some(None)` for a mark that names none.
#[expect(clippy::option_option, reason = "marked and named are two things")]
fn marked(record: &Record) -> Option<Option<Id>> {
    let field = id(shown(record, "duplicate_of"));
    let mark = activity(record).duplicate_of;
    if field.is_some() { Some(field) } else { mark.map(|to| id(Some(&to))) }
}

/// Sessions by canonical id: a verified record before one that is submitted, then the smallest id.
fn sessions(views: &Views) -> (Canonical, BTreeMap<Id, Session<'_>>) {
    let mut all: Vec<_> = rows(views, "activity").collect();
    all.sort_by_key(|(key, _)| (key.2, key.0.as_str()));
    let mut pairs = links(views, "activity");
    pairs.extend(all.iter().filter_map(|(key, record)| Some((key.2, marked(record)??))));
    let canonical = Canonical::of(&pairs);
    let mut found: BTreeMap<Id, Session<'_>> = BTreeMap::new();
    for (state, verified) in [("verified", true), ("submitted", false)] {
        let counts = |record: &Record| activity(record).state == state && text(record, "date").is_some();
        for (key, record) in all.iter().filter(|(_, record)| marked(record).is_none() && counts(record)) {
            found.entry(canonical.get(key.2)).or_insert(Session { place: place(key), record, verified });
        }
    }
    (canonical, found)
}

/// Whether a confirmed check-in covers a day, and since when: from its day on, up to and without the day it ended.
fn confirmed_since(fold: &Fold, day: &str) -> Option<String> {
    let mut since: Option<String> = None;
    for (state, on) in &fold.history {
        match *state {
            "confirmed" if since.is_none() && on.as_str() <= day => since = Some(on.clone()),
            "moved_out" | "ended" if on.as_str() <= day => since = None,
            _ => {}
        }
    }
    since
}

/// A check-in with the person it is about and what it comes to.
struct CheckIn<'a> {
    person: Id,
    key: &'a RecordKey,
    fold: Fold,
    /// The day it was recorded, of one that waits.
    waits_since: Option<String>,
}

/// Counts one scope (a place-code prefix, empty for all) and a period of civil dates, both ends in it.
#[must_use]
pub fn figures(views: &Views, prefix: &str, from: &str, to: &str) -> Figures {
    let people = Canonical::of(&links(views, "person"));
    let mut figures = Figures::default();
    count_sessions(views, &people, (prefix, from, to), &mut figures);
    count_members(views, &people, (prefix, to), &mut figures);
    figures
}

/// R4 to R8 and R13: sessions by the date typed; participations grouped by (activity, person), attended if any says so
/// or does not say, the larger minutes, differing ones a question.
fn count_sessions(views: &Views, people: &Canonical, (prefix, from, to): (&str, &str, &str), figures: &mut Figures) {
    let (canonical, mut sessions) = sessions(views);
    sessions.retain(|_, session| {
        session.place.starts_with(prefix)
            && text(session.record, "date").is_some_and(|date| (from..=to).contains(&date))
    });
    for session in sessions.values() {
        figures.sessions.add(1, session.verified);
        figures.served.add(number(session.record, "beneficiaries"), session.verified);
        let category = text(session.record, "category").unwrap_or_default().to_owned();
        figures.categories.entry(category).or_default().add(1, session.verified);
    }
    let mut groups: BTreeMap<(Id, Id), Vec<&Record>> = BTreeMap::new();
    for (_, record) in rows(views, "participation") {
        if let (Some(activity), Some(person)) = (id(shown(record, "activity")), id(shown(record, "person"))) {
            groups.entry((canonical.get(activity), people.get(person))).or_default().push(record);
        }
    }
    let mut persons: BTreeMap<Id, bool> = BTreeMap::new();
    for ((activity, person), records) in groups {
        let Some(session) = sessions.get(&activity) else { continue };
        if records.iter().all(|record| shown(record, "attended") == Some(&Val::Bool(false))) {
            continue;
        }
        figures.participations.add(1, session.verified);
        figures
            .minutes
            .add(records.iter().map(|record| number(record, "minutes")).max().unwrap_or(0), session.verified);
        *persons.entry(person).or_default() |= session.verified;
        let said: BTreeSet<&Val> = records.iter().filter_map(|record| shown(record, "minutes")).collect();
        let held = records.iter().any(|record| record.fields.get("minutes").is_some_and(|field| field.conflict));
        figures.differing_minutes += u64::from(said.len() > 1 || held);
    }
    persons.into_values().for_each(|verified| figures.persons.add(1, verified));
}

/// R1 and R2. Who is confirmed in two communities counts in the one confirmed earlier, equal days the smaller id; who
/// only waits in two, in that of the smaller id.
fn count_members(views: &Views, people: &Canonical, (prefix, day): (&str, &str), figures: &mut Figures) {
    let check_ins = rows(views, "check_in").filter_map(|(key, record)| {
        let fold = check_in(record);
        let waits_since = day_of(shown(record, "created_at")).filter(|_| fold.state == "registered");
        Some(CheckIn { person: people.get(id(shown(record, "person"))?), key, fold, waits_since })
    });
    let mut by_person: BTreeMap<Id, Vec<CheckIn<'_>>> = BTreeMap::new();
    for check_in in check_ins {
        by_person.entry(check_in.person).or_default().push(check_in);
    }
    for (person, mut check_ins) in by_person {
        check_ins.sort_by_key(|check_in| check_in.key.2);
        let was_confirmed =
            |one: &CheckIn<'_>| one.fold.history.iter().any(|(state, on)| *state == "confirmed" && on.as_str() <= day);
        let covers = check_ins.iter().filter_map(|one| Some((confirmed_since(&one.fold, day)?, one)));
        let counted = covers.min_by_key(|(since, one)| (since.clone(), one.key.2)).map(|(_, one)| one);
        let waits = |one: &CheckIn<'_>| one.waits_since.as_deref().is_some_and(|since| since <= day);
        let waiting = check_ins.iter().find(|one| waits(one));
        if let Some(one) = counted.or(waiting)
            && place(one.key).starts_with(prefix)
            && is_member(views, people, person, one)
        {
            figures.members.add(1, counted.is_some());
        }
        let here: Vec<&CheckIn<'_>> = check_ins.iter().filter(|one| place(one.key).starts_with(prefix)).collect();
        let ever = here.iter().any(|one| was_confirmed(one));
        if ever || here.iter().any(|one| waits(one)) {
            figures.ever.add(1, ever);
        }
    }
}

/// Whether political status is 01 or 02: of the record with the smallest id that is held, in the community of the
/// check-in that counts, else in the scope with the lowest code.
fn is_member(views: &Views, people: &Canonical, person: Id, counted: &CheckIn<'_>) -> bool {
    let copies = rows(views, "person").filter(|(key, _)| people.get(key.2) == person);
    let best = copies.min_by_key(|(key, _)| (key.2, key.0 != counted.key.0, key.0.clone()));
    best.is_some_and(|(_, record)| matches!(text(record, "party_status"), Some("01" | "02")))
}
