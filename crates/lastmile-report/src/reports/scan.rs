//! What R19 finds in one pass over each large view: open questions, likely duplicates, late entries, delays.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use lastmile_model::duplicates::{ActivityKey, ActivityPair, PersonKey, PersonPair, activity_pairs, person_pairs};
use lastmile_model::{RecordId, names};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::{Cell, FoundRow};

use super::Job;
use crate::ReportError;
use crate::canonical::Canonical;
use crate::day::Day;
use crate::grid::{Grid, Standing};
use crate::hash::{IdMap, IdSet};
use crate::read::{NEXT, Source, count, day, id, number, record};
use crate::territory::Slot;

/// At most this many records with open questions are kept by name.
pub(crate) const NAMED: usize = 1000;

/// A record with open questions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRecord {
    pub(crate) id: u128,
    pub(crate) type_no: usize,
    pub(crate) scope: u32,
    pub(crate) open: u32,
}

/// Open questions by record type and place.
#[derive(Debug)]
pub(crate) struct OpenQuestions {
    /// By child of the scope.
    pub(crate) grid: Grid,
    /// Type number -> questions, records.
    pub(crate) by_type: BTreeMap<usize, (u64, u64)>,
    /// The first records met.
    pub(crate) named: Vec<OpenRecord>,
}

impl OpenQuestions {
    fn add(&mut self, job: &Job<'_>, record: OpenRecord) {
        if record.open > 0 {
            let slot = job.territory.slot(record.scope).unwrap_or(Slot::WHOLE);
            self.grid.add(slot, Standing::Verified, i64::from(record.open));
            let (open, records) = self.by_type.entry(record.type_no).or_default();
            *open = open.saturating_add(u64::from(record.open));
            *records += 1;
            if self.named.len() < NAMED {
                self.named.push(record);
            }
        }
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.by_type.values().fold(0, |sum, (open, _)| sum.saturating_add(*open))
    }
}

/// What the passes found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) open: OpenQuestions,
    /// Likely duplicate persons with the scope of one of them.
    pub(crate) persons: Vec<(PersonPair, u32)>,
    /// Likely duplicate activities of the period with their scope.
    pub(crate) activities: Vec<(ActivityPair, u32)>,
    /// Activities entered late.
    pub(crate) late: Grid,
    /// Participations that say they were added late.
    pub(crate) late_parts: i64,
    /// Days from activity to record: verified ones, and with those that wait.
    pub(crate) delays: [Vec<i32>; 2],
}

/// Makes the passes.
pub(crate) fn scan(source: &mut Source<'_>, job: &Job<'_>) -> Result<Scan, ReportError> {
    let grid = || Grid::new(&job.territory);
    let open = OpenQuestions { grid: grid(), by_type: BTreeMap::new(), named: Vec::new() };
    let mut scan = Scan {
        open,
        persons: Vec::new(),
        activities: Vec::new(),
        late: grid(),
        late_parts: 0,
        delays: Default::default(),
    };
    persons(source, job, &mut scan)?;
    activities(source, job, &mut scan)?;
    let large = ["person", "activity", "participation"];
    let scopes: Vec<u32> = job.territory.scopes().chain(job.territory.shared.iter().copied()).collect();
    for (type_no, record_type) in source.catalogue().types().iter().enumerate() {
        if !large.contains(&record_type.name.as_str()) {
            let query = Query::new(type_no, &["open"]).filter("open", Test::Above, Cell::Int(0));
            source.visit(&query.within(scopes.clone()), &mut |row| {
                let open = row.cells.first().map_or(0, count);
                scan.open.add(job, OpenRecord { id: number(&row.id), type_no, scope: row.scope, open });
                NEXT
            })?;
        }
    }
    contested(source, job, &mut scan)?;
    Ok(scan)
}

/// Adds each member who is confirmed in two communities: one open question, where the member counts meanwhile.
fn contested(source: &Source<'_>, job: &Job<'_>, scan: &mut Scan) -> Result<(), ReportError> {
    struct Home {
        since: Day,
        id: u128,
        scope: u32,
        contested: bool,
    }
    let type_no = source.type_no("check_in")?;
    let mut homes: IdMap<Home> = IdMap::default();
    let confirmed = Cell::Text(Cow::Borrowed("confirmed"));
    let query = Query::new(type_no, &["person", "confirmed_from"]).filter("state", Test::Is, confirmed);
    source.visit(&query, &mut |row| {
        let [person, since] = row.cells else { return NEXT };
        let (Some(person), Some(since)) = (id(person), day(since)) else { return NEXT };
        let own = Home { since, id: number(&row.id), scope: row.scope, contested: false };
        match homes.entry(job.links.persons.of(person)) {
            Entry::Vacant(free) => {
                free.insert(own);
            }
            Entry::Occupied(mut taken) => {
                let best = taken.get_mut();
                let contested = best.contested || best.scope != own.scope;
                if (own.since, own.id) < (best.since, best.id) {
                    *best = own;
                }
                best.contested = contested;
            }
        }
        NEXT
    })?;
    let mut open: Vec<&Home> = homes.values().filter(|home| home.contested).collect();
    open.sort_unstable_by_key(|home| home.id);
    for home in open {
        if job.territory.slot(home.scope).is_some() {
            scan.open.add(job, OpenRecord { id: home.id, type_no, scope: home.scope, open: 1 });
        }
    }
    Ok(())
}

/// A person's words in an arena.
struct Keyed {
    id: u128,
    scope: u32,
    name: Range<usize>,
    phones: Range<usize>,
    birth: Range<usize>,
    employer: Option<u128>,
}

/// Texts one after the other, so that a row allocates nothing.
#[derive(Default)]
struct Arena(String);

impl Arena {
    fn put(&mut self, text: &str) -> Range<usize> {
        let start = self.0.len();
        self.0.push_str(text);
        start..self.0.len()
    }

    fn get(&self, range: &Range<usize>) -> &str {
        self.0.get(range.clone()).unwrap_or_default()
    }
}

/// A hash that only proposes: what it brings together is compared exactly afterwards.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn persons(source: &Source<'_>, job: &Job<'_>, scan: &mut Scan) -> Result<(), ReportError> {
    let type_no = source.type_no("person")?;
    let mut arena = Arena::default();
    let mut all: Vec<Keyed> = Vec::new();
    let mut keys: Vec<(u64, u32)> = Vec::new();
    let query = Query::new(type_no, &["name", "phone", "birth_ym", "employer", "open"]);
    source.visit(&query, &mut |row| {
        let [name, phone, birth, employer, open] = row.cells else { return NEXT };
        let own = number(&row.id);
        if job.territory.slot(row.scope).is_some() {
            scan.open.add(job, OpenRecord { id: own, type_no, scope: row.scope, open: count(open) });
        }
        let normal = names::normal(name.text().unwrap_or_default());
        if normal.is_empty() {
            return NEXT;
        }
        let place = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let of_name = mix(0, normal.as_bytes());
        keys.push((mix(of_name, &row.scope.to_be_bytes()), place));
        let employer = id(employer);
        if let Some(employer) = employer {
            keys.push((mix(of_name, &employer.to_be_bytes()), place));
        }
        let phones = phone.text().unwrap_or_default();
        // A JSON array of plain texts: what stands between quotes.
        keys.extend(phones.split('"').skip(1).step_by(2).map(|phone| (mix(of_name, phone.as_bytes()), place)));
        all.push(Keyed {
            id: own,
            scope: row.scope,
            name: arena.put(&normal),
            phones: arena.put(phones),
            birth: arena.put(birth.text().unwrap_or_default()),
            employer,
        });
        NEXT
    })?;
    keys.sort_unstable();
    let mut wanted: Vec<u32> = Vec::new();
    for group in keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        wanted.extend(group.iter().map(|(_, place)| *place));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let suspects: Vec<&Keyed> = wanted.iter().filter_map(|place| all.get(*place as usize)).collect();
    let person_keys: Vec<PersonKey<'_>> = suspects
        .iter()
        .map(|person| PersonKey {
            id: record(person.id),
            name: arena.get(&person.name),
            phones: arena.get(&person.phones).split('"').skip(1).step_by(2).collect(),
            birth_ym: Some(arena.get(&person.birth)).filter(|birth| !birth.is_empty()),
            employer: person.employer.map(record),
            community: Some(job.territory.code(person.scope)),
            id_fingerprint: None,
        })
        .collect();
    let mut scopes: IdMap<Vec<u32>> = IdMap::default();
    suspects.iter().for_each(|person| scopes.entry(person.id).or_default().push(person.scope));
    for pair in person_pairs(&person_keys) {
        let (a, b) = (number(&pair.a), number(&pair.b));
        let of = |id| scopes.get(&id).into_iter().flatten().copied();
        let within = of(a).chain(of(b)).find(|scope| job.territory.slot(*scope).is_some());
        if let Some(scope) = within.filter(|_| is_open(job, &job.links.persons, a, b)) {
            scan.persons.push((pair, scope));
        }
    }
    Ok(())
}

/// Whether nobody has decided about two records yet.
fn is_open(job: &Job<'_>, canonical: &Canonical, one: u128, other: u128) -> bool {
    canonical.of(one) != canonical.of(other) && !job.links.apart.contains(&(one.min(other), one.max(other)))
}

/// One activity of the period and scope that counts or waits.
struct Held {
    id: u128,
    scope: u32,
    day: Day,
    category: u64,
    title: Range<usize>,
}

fn activities(source: &Source<'_>, job: &Job<'_>, scan: &mut Scan) -> Result<(), ReportError> {
    let type_no = source.type_no("activity")?;
    let mut arena = Arena::default();
    let mut all: Vec<Held> = Vec::new();
    let columns = ["state", "date", "category", "title", "duplicate_of", "created_at", "open"];
    source.visit(&Query::new(type_no, &columns), &mut |row| {
        let [state, date, category, title, duplicate_of, created, open] = row.cells else { return NEXT };
        let Some(slot) = job.territory.slot(row.scope) else { return NEXT };
        let own = number(&row.id);
        scan.open.add(job, OpenRecord { id: own, type_no, scope: row.scope, open: count(open) });
        let standing = match state.text() {
            Some("verified") => Standing::Verified,
            Some("submitted") => Standing::Pending,
            _ => return NEXT,
        };
        let Some(date) = day(date).filter(|date| job.in_period(*date) && id(duplicate_of).is_none()) else {
            return NEXT;
        };
        if let Some(created) = created.int() {
            delay(job, scan, (slot, standing), date, created);
        }
        let category = mix(0, category.text().unwrap_or_default().as_bytes());
        let title = arena.put(title.text().unwrap_or_default());
        all.push(Held { id: own, scope: row.scope, day: date, category, title });
        NEXT
    })?;
    let counted: IdSet = all.iter().map(|held| held.id).collect();
    all.sort_unstable_by_key(|held| (held.scope, held.day, held.category, held.id));
    let same = |a: &Held, b: &Held| (a.scope, a.day, a.category) == (b.scope, b.day, b.category);
    let suspects: Vec<&Held> = all.chunk_by(same).filter(|group| group.len() > 1).flatten().collect();
    let mut people = participants(source, job, &suspects)?;
    participations(source, job, &counted, scan)?;
    let titles: Vec<Cow<'_, str>> = suspects.iter().map(|held| names::normal(arena.get(&held.title))).collect();
    let texts: Vec<(String, String)> =
        suspects.iter().map(|held| (held.day.to_string(), format!("{:016x}", held.category))).collect();
    let keys: Vec<ActivityKey<'_>> = suspects
        .iter()
        .zip(&titles)
        .zip(&texts)
        .map(|((held, title), (date, category))| {
            let mut people = people.remove(&held.id).unwrap_or_default();
            people.sort_unstable();
            people.dedup();
            let community = job.territory.code(held.scope);
            ActivityKey { id: record(held.id), community, date, category, title, people }
        })
        .collect();
    let canonical = Canonical::of_pairs(job.links.activity_pairs.iter().copied());
    let scopes: IdMap<u32> = suspects.iter().map(|held| (held.id, held.scope)).collect();
    for pair in activity_pairs(&keys) {
        let (a, b) = (number(&pair.a), number(&pair.b));
        if let (Some(scope), true) = (scopes.get(&a), is_open(job, &canonical, a, b)) {
            scan.activities.push((pair, *scope));
        }
    }
    Ok(())
}

fn delay(job: &Job<'_>, scan: &mut Scan, (slot, standing): (Slot, Standing), date: Day, created_ms: i64) {
    let delay = Day::of_instant(created_ms).0.saturating_sub(date.0).max(0);
    let [verified, with_pending] = &mut scan.delays;
    if standing == Standing::Verified {
        verified.push(delay);
    }
    with_pending.push(delay);
    if delay > job.request.late_after_days {
        scan.late.add(slot, standing, 1);
    }
}

/// Up to so many activities are looked up one by one; beyond, reading all participations is faster.
const LOOKED_UP: usize = 4000;

/// Reads who took part in the activities in question.
fn participants(source: &Source<'_>, job: &Job<'_>, suspects: &[&Held]) -> Result<IdMap<Vec<RecordId>>, ReportError> {
    let mut people: IdMap<Vec<RecordId>> = suspects.iter().map(|held| (held.id, Vec::new())).collect();
    let query = Query::new(source.type_no("participation")?, &["activity", "person"]);
    let mut note = |row: &FoundRow<'_>| {
        if let [activity, person] = row.cells
            && let (Some(activity), Some(person)) = (id(activity), id(person))
            && let Some(people) = people.get_mut(&activity)
        {
            people.push(record(job.links.persons.of(person)));
        }
        NEXT
    };
    if suspects.len() > LOOKED_UP {
        source.visit(&query, &mut note)?;
    } else {
        for held in suspects {
            let activity = Cell::Blob(Cow::Owned(held.id.to_be_bytes().to_vec()));
            let of_activity = query.clone().within(vec![held.scope]).filter("activity", Test::Is, activity);
            source.visit(&of_activity, &mut note)?;
        }
    }
    Ok(people)
}

/// Counts late additions and open questions of participations.
fn participations(source: &Source<'_>, job: &Job<'_>, counted: &IdSet, scan: &mut Scan) -> Result<(), ReportError> {
    let type_no = source.type_no("participation")?;
    let open = Query::new(type_no, &["open"]).filter("open", Test::Above, Cell::Int(0));
    source.visit(&open, &mut |row| {
        if job.territory.slot(row.scope).is_some() {
            let open = row.cells.first().map_or(0, count);
            scan.open.add(job, OpenRecord { id: number(&row.id), type_no, scope: row.scope, open });
        }
        NEXT
    })?;
    let late = Query::new(type_no, &["activity"]).filter("source", Test::Is, Cell::Text(Cow::Borrowed("late")));
    source.visit(&late, &mut |row| {
        let activity = row.cells.first().and_then(id);
        scan.late_parts += i64::from(activity.is_some_and(|activity| counted.contains(&activity)));
        NEXT
    })
}
