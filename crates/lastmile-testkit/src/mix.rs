//! Records in the proportions that the benchmarks measure.
//!
//! 939,000 records are 100,000 persons, 100,000 check-ins, 89,000 activities and 650,000 participations; any other number
//! is shared out alike. They belong to one community and come as the saves of one worker: first the registrations, a
//! person and a check-in each, then the activities, each with its participations.

use lastmile_model::{Places, RecordId, Scope, Value, derive, keys};

use crate::action::{Action, EditKind, Event, RecordEdit};
use crate::calendar::{Calendar, Day};
use crate::draw::{Draw, Stream, share_out};
use crate::identity::{self, Birth};
use crate::names::{NamePool, Script};
use crate::words;

/// The community that holds the records.
const COMMUNITY: &str = "430103005010";

/// The proportions: persons, check-ins, activities, participations.
const PROPORTIONS: [u32; 4] = [100_000, 100_000, 89_000, 650_000];

/// How many records of each type a mix has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixCounts {
    /// Persons.
    pub persons: u32,
    /// Check-ins, one for each person.
    pub check_ins: u32,
    /// Activities.
    pub activities: u32,
    /// Participations.
    pub participations: u32,
}

impl MixCounts {
    /// Shares a number of records out. Odd ones become participations.
    #[must_use]
    pub fn of(records: u32) -> Self {
        let [persons, activities, participations] = match share_out(u64::from(records), &PROPORTIONS, 500).as_slice() {
            [persons, check_ins, activities, participations] => {
                let persons_both = (*persons).min(*check_ins);
                [persons_both, *activities, participations + (persons + check_ins - 2 * persons_both)]
            }
            _ => [0; 3],
        };
        Self { persons, check_ins: persons, activities, participations }
    }

    /// Returns how many records there are in all.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.persons + self.check_ins + self.activities + self.participations
    }
}

/// The saves of a mix, made one at a time.
#[derive(Debug, Clone)]
pub struct Mix {
    counts: MixCounts,
    scope: Scope,
    worker: RecordId,
    draw: Draw,
    calendar: Calendar,
    names: NamePool,
    persons: Vec<RecordId>,
    activities: u32,
    participations: u32,
    employers: Vec<RecordId>,
}

/// Makes a mix of about this many records: exactly as many, unless there are too few persons for the participations.
#[must_use]
pub fn mix(records: u32, seed: u64) -> Mix {
    let scope = Places::changsha().get(COMMUNITY).and_then(|place| Scope::community(&place.code).ok());
    mix_in(scope.expect("a community of the table"), records, seed)
}

/// Makes a mix in another community; for many communities together, each with a seed of its own.
#[must_use]
pub fn mix_in(scope: Scope, records: u32, seed: u64) -> Mix {
    let mut draw = Draw::new(seed, Stream::Mix, 0, 0);
    let calendar = Calendar::new(2025);
    let at = calendar.at(1, 8 * 3600);
    Mix {
        counts: MixCounts::of(records),
        scope,
        worker: draw.record(at),
        employers: (0..20).map(|_| draw.record(at)).collect(),
        draw,
        calendar,
        names: NamePool::new(),
        persons: Vec::new(),
        activities: 0,
        participations: 0,
    }
}

impl Mix {
    /// Returns how many records of each type it makes.
    #[must_use]
    pub const fn counts(&self) -> MixCounts {
        self.counts
    }

    /// Returns the scope of all records.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the acting person of all saves, who has no record here; neither have the employers.
    #[must_use]
    pub const fn worker(&self) -> RecordId {
        self.worker
    }

    /// The claimed time of the n-th save: half a minute after the one before it, and over again when the year is full.
    fn when(&self, number: u32) -> (Day, i64) {
        let day = Day::try_from(1 + number / 2_000 % 360).unwrap_or(1);
        (day, self.calendar.at(day, 6 * 3600 + number % 2_000 * 30))
    }

    fn registration(&mut self) -> Action {
        let number = u32::try_from(self.persons.len()).unwrap_or(u32::MAX);
        let (day, at_ms) = self.when(number);
        let draw = &mut self.draw;
        let female = draw.chance(450);
        let birth = Birth::draw(draw, 2025, 23, 59);
        let id_no = identity::id_number(number, birth, female, draw.below(5));
        let person = draw.record(at_ms);
        let mut edit = RecordEdit::create("person", person)
            .with("name", self.names.draw(draw, female).write(Script::Plain))
            .with("sex", if female { "2" } else { "1" })
            .with("birth_ym", birth.month());
        edit.add("phone", &identity::phone(number));
        edit.set("id_last4", id_no.get(14..).unwrap_or_default());
        edit.set("id_no", id_no);
        edit.set("party_status", "01");
        let employer = draw.pick_index(self.employers.len()).and_then(|place| self.employers.get(place));
        if let Some(employer) = employer {
            edit.set("employer", Value::reference(*employer));
        }
        edit.set("job", draw.pick(&words::JOBS));
        edit.add("kind", "member");
        let on = self.calendar.text(day);
        let event = |draw: &mut Draw, kind, on, part| Event {
            id: draw.uuid(at_ms),
            kind,
            on,
            at_ms,
            by: self.worker,
            why: None,
            part,
        };
        let consent = event(draw, "consent", None, Some(("version", Value::from("2025-1"))));
        let person_edit = edit.with_event(&consent).with("status", "active");
        let register = event(draw, "register", Some(on), None);
        let code = self.scope.code();
        let check_in = RecordEdit::create("check_in", derive::check_in(person, code))
            .with("person", Value::reference(person))
            .with("community", code)
            .with("basis", "residence")
            .with("address_building", format!("{}栋{}单元", draw.between(1, 40), draw.between(1, 4)))
            .with("grid", format!("{code}{:03}", draw.between(1, 6)))
            .with_event(&register);
        self.persons.push(person);
        Action { at_ms, by: self.worker, wave: 0, needs: None, edits: vec![person_edit, check_in] }
    }

    fn activity(&mut self) -> Action {
        let (day, at_ms) = self.when(self.counts.persons + self.activities);
        let left = self.counts.participations - self.participations;
        let to_come = self.counts.activities - self.activities;
        // The rest is spread evenly, with a deviation that the next ones make up for.
        let even = left / to_come.max(1);
        let known = u32::try_from(self.persons.len()).unwrap_or(u32::MAX);
        let wanted = if to_come == 1 { left } else { self.draw.between(even.saturating_sub(2), even + 2).min(left) };
        let wanted = wanted.min(known);
        let draw = &mut self.draw;
        let record = draw.record(at_ms);
        let category = draw.weighted(&words::CATEGORY_SUMS);
        let (category_code, titles) = words::CATEGORIES.get(category).copied().unwrap_or_default();
        let title = draw.pick(titles);
        let start = 8 * 60 + 30 * draw.below(20);
        let minutes = 60 + 30 * draw.below(4);
        let time = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let id = draw.uuid(at_ms);
        let mut activity = RecordEdit::create("activity", record)
            .with("title", title)
            .with("category", category_code)
            .with("kind", words::form(category, title))
            .with("date", self.calendar.text(day))
            .with("start_time", time(start))
            .with("end_time", time(start + minutes))
            .with("venue", draw.pick(&words::VENUES))
            .with("beneficiaries", i64::from(draw.between(1, 14)));
        activity.add("beneficiary_groups", draw.pick(&words::GROUPS));
        if draw.chance(150) {
            activity.set("note", draw.pick(&words::NOTES));
        }
        activity.values.extend(keys::event_values(id, "submit", None, at_ms, Some(self.worker), &[]));
        let mut edits = vec![activity];
        // People who came stand close together in the list, as a team does; a random start and steps of a fixed size
        // never meet before the list is through.
        let first = draw.below(known);
        for step in 0..wanted {
            let place = usize::try_from((first + step) % known.max(1)).unwrap_or(0);
            let Some(person) = self.persons.get(place).copied() else { break };
            edits.push(RecordEdit {
                record_type: "participation",
                record: derive::participation(record, person),
                kind: EditKind::Create,
                values: vec![
                    ("activity".to_owned(), Value::reference(record)),
                    ("person".to_owned(), Value::reference(person)),
                    ("role".to_owned(), Value::from(if step == 0 { "leader" } else { "participant" })),
                    ("minutes".to_owned(), Value::Int(i64::from(minutes))),
                    ("source".to_owned(), Value::from("list")),
                    ("attended".to_owned(), Value::Bool(true)),
                ],
            });
        }
        self.activities += 1;
        self.participations += wanted;
        Action { at_ms, by: self.worker, wave: 0, needs: None, edits }
    }
}

impl Iterator for Mix {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        if u32::try_from(self.persons.len()).is_ok_and(|made| made < self.counts.persons) {
            return Some(self.registration());
        }
        (self.activities < self.counts.activities).then(|| self.activity())
    }
}
