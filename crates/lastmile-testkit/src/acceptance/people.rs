//! Registrations, confirmations and what becomes of them.

use lastmile_model::{RecordId, derive};

use super::community::{Pen, consent_version};
use super::expected::Duplicate;
use super::facts::{CheckInFact, only};
use super::persons::{Likeness, Person, Role, SecondRecord};
use super::plan::PersonRef;
use crate::action::{Event, RecordEdit};
use crate::calendar::Day;
use crate::names::{Name, Script};
use crate::words;

/// Someone who can take part in a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: u32,
    pub(super) record: RecordId,
    /// The device that holds the record before the devices meet.
    pub(super) device: u8,
    /// The first day after the registration.
    pub(super) from: Day,
    /// The first day on which they no longer come.
    pub(super) until: Option<Day>,
}

/// Records everybody and returns those who can take part, by the day from which they can.
pub(super) fn record(pen: &mut Pen<'_>) -> Vec<Entry> {
    let mut roster = Vec::new();
    for index in 0..pen.community.quota.people() {
        let person = pen.plan.person(PersonRef { community: pen.index, index });
        record_person(pen, &person, &mut roster);
    }
    let (plan, here) = (pen.plan, pen.index);
    for visit in plan.visits.iter().filter(|visit| visit.to == here) {
        let person = pen.plan.person(visit.who);
        let device = visit.second.as_ref().map_or(0, |second| second.device);
        let when = (visit.on, visit.second.as_ref().map_or(14 * 3600, |second| second.second_of_day));
        if let Some(second) = &visit.second {
            register_again(pen, &person, second, visit.on, visit.confirmed);
        } else {
            let check_in = register(pen, &person, person.record, visit.on, device, when);
            pen.save(device, pen.worker(device), when, vec![check_in]);
            confirm(pen, person.record, device, visit.confirmed);
        }
        pen.facts.check_ins.push(CheckInFact {
            key: person.key,
            on: visit.on,
            confirmed: visit.confirmed,
            gone: None,
            needs: only(device),
        });
    }
    for arrival in plan.moves.iter().filter(|arrival| arrival.to == here) {
        let person = pen.plan.person(arrival.who);
        let device = u8::try_from(pen.draw.below(u32::from(pen.devices()))).unwrap_or(0);
        roster.push(Entry { key: person.key, record: person.record, device, from: arrival.day + 1, until: None });
    }
    roster.sort_by_key(|entry| (entry.from, entry.record));
    roster
}

fn record_person(pen: &mut Pen<'_>, person: &Person, roster: &mut Vec<Entry>) {
    let (device, when) = (person.device, (person.entered, person.second_of_day));
    let mut edits = vec![person_edit(pen, person, person.record, (person.name, person.script), FIRST, when, device)];
    let entry = Entry { key: person.key, record: person.record, device, from: person.entered + 1, until: person.gone };
    let fact = CheckInFact {
        key: person.key,
        on: person.on,
        confirmed: person.confirmed,
        // A mover's check-in ends by the office's move.
        gone: person.gone.filter(|_| person.role == Role::Ended),
        needs: only(device),
    };
    if person.entered > person.on {
        pen.facts.late += 1;
    }
    match person.role {
        Role::Volunteer | Role::Twice => {}
        _ => edits.push(register(pen, person, person.record, person.on, device, when)),
    }
    pen.save(device, pen.worker(device), when, edits);
    match person.role {
        Role::Volunteer => {}
        Role::Returned => send_back(pen, person, (person.entered + 3, 15 * 3600)),
        Role::Pending => pen.facts.check_ins.push(fact),
        _ => {
            pen.facts.check_ins.push(fact);
            if person.sent_back {
                send_back(pen, person, (person.entered + 2, 15 * 3600));
                let again = (person.entered + 4, 10 * 3600);
                let by = pen.worker(device);
                let event = pen.dated("register", person.on, by, again);
                let edit = edit_check_in(pen, person.record).with_event(&event);
                pen.save(device, by, again, vec![edit]);
            }
            if !matches!(person.role, Role::Twice | Role::Contested) {
                confirm(pen, person.record, device, person.confirmed);
            }
        }
    }
    if person.role == Role::Ended {
        end(pen, person);
    }
    if person.role == Role::Doubled {
        let on = person.entered + 10 + Day::try_from(person.key % 50).unwrap_or(0);
        let second = pen.plan.second_record(person, pen.index, on);
        let confirmed = (!person.key.is_multiple_of(5)).then(|| pen.plan.desk_day(pen.index, on));
        register_again(pen, person, &second, on, confirmed);
        let needs = only(second.device);
        pen.facts.check_ins.push(CheckInFact { key: person.key, on, confirmed, gone: None, needs });
        pen.facts.duplicates.push(duplicate(person, &second, pen.index, confirmed.is_some()));
        roster.push(Entry { record: second.record, device: second.device, from: on + 1, ..entry });
    }
    if person.role != Role::Returned {
        roster.push(entry);
    }
}

/// Names the two records of one person.
pub(super) fn duplicate(
    person: &Person,
    second: &SecondRecord,
    second_home: usize,
    confirmed_twice: bool,
) -> Duplicate {
    Duplicate {
        canonical: person.record.min(second.record),
        other: person.record.max(second.record),
        likeness: second.likeness,
        home: person.at.community,
        second_home,
        confirmed_twice,
    }
}

/// Which of the numbers a person record states.
#[derive(Clone, Copy)]
struct Numbers {
    id: bool,
    phone: bool,
}

const FIRST: Numbers = Numbers { id: true, phone: true };

fn register_again(pen: &mut Pen<'_>, person: &Person, second: &SecondRecord, on: Day, confirmed: Option<Day>) {
    let numbers = match second.likeness {
        Likeness::IdAndName | Likeness::IdOtherName => FIRST,
        Likeness::PhoneAndName => Numbers { id: false, phone: true },
        Likeness::NameAndBirth => Numbers { id: false, phone: false },
    };
    let (device, when) = (second.device, (on, second.second_of_day));
    let record = person_edit(pen, person, second.record, (second.name, second.script), numbers, when, device);
    let check_in = register(pen, person, second.record, on, device, when);
    pen.save(device, pen.worker(device), when, vec![record, check_in]);
    confirm(pen, second.record, device, confirmed);
}

fn person_edit(
    pen: &mut Pen<'_>,
    person: &Person,
    record: RecordId,
    (name, script): (Name, Script),
    numbers: Numbers,
    when: (Day, u32),
    device: u8,
) -> RecordEdit {
    let member = person.role != Role::Volunteer;
    let mut edit = RecordEdit::create("person", record)
        .with("name", name.write(script))
        .with("sex", if person.female { "2" } else { "1" })
        .with("birth_ym", person.birth.month());
    if let Some(phone) = person.phone.as_ref().filter(|_| numbers.phone) {
        edit.add("phone", phone);
    }
    if let Some(id_no) = person.id_no.as_ref().filter(|_| numbers.id) {
        edit.set("id_no", id_no.as_str());
        edit.set("id_last4", id_no.get(14..).unwrap_or_default());
    }
    edit.set("party_status", person.party_status);
    if member && pen.draw.chance(700) {
        let year = person.birth.year + pen.draw.between(20, 22);
        edit.set("member_since", format!("{year:04}-{:02}-{:02}", pen.draw.between(1, 12), pen.draw.between(1, 28)));
    }
    if let Some(employer) = person.employer.and_then(|place| pen.plan.organisations.get(place)) {
        edit.set("employer", lastmile_model::Value::reference(employer.record));
        edit.set("job", pen.draw.pick(&words::JOBS));
    }
    for _ in 0..pen.draw.below(3) {
        add_once(&mut edit, "skills", pen.draw.pick(&words::SKILLS));
    }
    if pen.draw.chance(500) {
        add_once(&mut edit, "available", pen.draw.pick(&words::AVAILABLE));
    }
    edit.add("kind", if member { "member" } else { "volunteer" });
    let consent: Event<'_> = pen.event("consent", pen.worker(device), when);
    edit.with_event(&consent_version(consent)).with("status", "active")
}

/// Adds an element unless the edit has it already.
pub(super) fn add_once(edit: &mut RecordEdit, field: &str, element: &str) {
    let key = lastmile_model::keys::element(field, element);
    if !edit.values.iter().any(|(known, _)| *known == key) {
        edit.values.push((key, lastmile_model::Value::Bool(true)));
    }
}

/// Begins a check-in with its registration; `on` is the day on the paper form.
pub(super) fn register(
    pen: &mut Pen<'_>,
    person: &Person,
    record: RecordId,
    on: Day,
    device: u8,
    when: (Day, u32),
) -> RecordEdit {
    let code = pen.community.code.as_str();
    let mut edit = RecordEdit::create("check_in", derive::check_in(record, code))
        .with("person", lastmile_model::Value::reference(record))
        .with("community", code)
        .with("basis", if pen.draw.chance(850) { "residence" } else { "pairing" });
    if let Some(employer) = person.employer.and_then(|place| pen.plan.organisations.get(place)) {
        edit.set("employer_at_time", lastmile_model::Value::reference(employer.record));
    }
    edit.set("address_building", format!("{}栋{}单元", pen.draw.between(1, 40), pen.draw.between(1, 4)));
    for _ in 0..pen.draw.below(3) {
        let category = pen.draw.weighted(&words::CATEGORY_SUMS);
        if let Some((category, _)) = words::CATEGORIES.get(category) {
            add_once(&mut edit, "intents", category);
        }
    }
    edit.set("grid", format!("{code}{:03}", pen.draw.between(1, 6)));
    let event = pen.dated("register", on, pen.worker(device), when);
    edit.with_event(&event)
}

/// Edits the check-in of a person with this community.
pub(super) fn edit_check_in(pen: &Pen<'_>, person: RecordId) -> RecordEdit {
    RecordEdit::edit("check_in", derive::check_in(person, &pen.community.code))
}

fn confirm(pen: &mut Pen<'_>, person: RecordId, device: u8, day: Option<Day>) {
    let Some(day) = day else { return };
    let event = pen.dated("confirm", day, pen.secretary(), Pen::desk_time(day));
    let edit = edit_check_in(pen, person).with_event(&event);
    pen.at_desk(device, day, edit);
}

fn send_back(pen: &mut Pen<'_>, person: &Person, when: (Day, u32)) {
    let by = pen.secretary();
    let why = pen.draw.pick(&words::RETURN_REASONS);
    let event = Event { why: Some(why), ..pen.event("return", by, when) };
    let edit = edit_check_in(pen, person.record).with_event(&event);
    pen.save(person.device, by, when, vec![edit]);
}

fn end(pen: &mut Pen<'_>, person: &Person) {
    let Some(day) = person.gone else { return };
    let (by, when) = (pen.secretary(), (day, 11 * 3600));
    let (why, status) = pen.draw.pick(&words::ENDINGS);
    let event = Event { why: Some(why), ..pen.dated("end", day, by, when) };
    let check_in = edit_check_in(pen, person.record).with_event(&event);
    let status = RecordEdit::edit("person", person.record).with("status", status);
    pen.save(person.device, by, when, vec![check_in, status]);
}
