//! What the devices of a shared community do after they have met, again without knowing of each other.

use lastmile_model::Value;

use super::community::Pen;
use super::expected::{ConflictKind, ExpectedConflict, OfficeAction};
use super::facts::AttendanceFact;
use super::people;
use super::persons::{Person, Role};
use super::plan::PersonRef;
use super::session::{Case, Course, Session, Taker, participation};
use crate::action::{Event, RecordEdit};
use crate::words;

/// Records the second wave of a shared community.
pub(super) fn record(pen: &mut Pen<'_>, sessions: &[Session]) {
    if pen.devices() < 2 {
        return;
    }
    for (number, session) in (0..).zip(sessions) {
        if let Course::Case(case) = session.course {
            meet(pen, session, number, case);
        }
    }
    let members = pen.community.quota.members;
    for index in members.saturating_sub(2)..members {
        let person = pen.plan.person(PersonRef { community: pen.index, index });
        match person.role {
            Role::Twice => check_in_twice(pen, &person),
            Role::Contested => confirm_against_return(pen, &person),
            _ => {}
        }
    }
}

/// Plays one case on the first two devices; its session was entered on the first.
fn meet(pen: &mut Pen<'_>, session: &Session, number: u32, case: Case) {
    let minute = number * 10;
    let edit = || RecordEdit::edit("activity", session.record);
    let count = |served: u32| Value::Int(served.into());
    match case {
        Case::DifferentFields => {
            save(pen, 0, minute, edit().with("note", words::NOTES[0]));
            save(pen, 1, minute, edit().with("venue", words::VENUES[1]));
            verify_by_office(pen, session);
        }
        Case::SameNote => {
            let notes = [words::NOTES[2], words::NOTES[3]].map(Value::from);
            let [first, second] = notes.clone();
            save(pen, 0, minute, edit().with("note", first));
            // A save before it gives the second device's note the higher operation.
            save(pen, 1, minute, edit().with("tags/回访", true));
            save(pen, 1, minute + 1, edit().with("note", second.clone()));
            expect(pen, session, "note", ConflictKind::Listed, notes, Some(second));
            verify_by_office(pen, session);
        }
        Case::ServedDiffers => {
            // Every other community decides for the value that shows, the others for the second device's.
            let keeps_shown = pen.index.is_multiple_of(2);
            let other = session.served.saturating_sub(3);
            let (first, second) = if keeps_shown { (session.served, other) } else { (other, session.served) };
            save(pen, 0, minute, edit().with("beneficiaries", count(first)));
            save(pen, 1, minute, edit().with("tags/回访", true));
            save(pen, 1, minute + 1, edit().with("beneficiaries", count(second)));
            expect(
                pen,
                session,
                "beneficiaries",
                ConflictKind::Held,
                [count(first), count(second)],
                Some(count(first)),
            );
            let needs = vec![pen.device(0), pen.device(1)];
            pen.facts.office.push(OfficeAction::Resolve {
                community: pen.index,
                record_type: "activity",
                record: session.record,
                field: "beneficiaries",
                value: count(session.served),
                needs,
            });
            verify_by_office(pen, session);
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            if let Some(fact) = pen.facts.sessions.get_mut(place) {
                fact.served_without = Some((1, first));
            }
        }
        Case::ServedEqual => {
            save(pen, 0, minute, edit().with("beneficiaries", count(session.served)));
            save(pen, 1, minute, edit().with("beneficiaries", count(session.served)));
            verify_by_office(pen, session);
        }
        Case::DateWhileVerified => {
            let by = pen.secretary();
            let event = pen.event("verify", by, (pen.meeting_day(), 9 * 3600 + minute * 60));
            pen.save_after_meeting(0, by, minute, vec![edit().with_event(&event)], 0);
            let dates = [session.day, session.day + 1].map(|day| Value::from(pen.text(day)));
            let [typed, edited] = dates.clone();
            save(pen, 1, minute, edit().with("date", edited));
            expect(pen, session, "date", ConflictKind::Correction, dates, Some(typed));
        }
        Case::SameTakers => add_twice(pen, session, number, minute),
    }
}

/// Has the worker of a device edit something of the first device.
fn save(pen: &mut Pen<'_>, device: u8, minute: u32, edit: RecordEdit) {
    pen.save_after_meeting(device, pen.worker(device), minute, vec![edit], 0);
}

fn expect(
    pen: &mut Pen<'_>,
    session: &Session,
    field: &'static str,
    kind: ConflictKind,
    [first, second]: [Value; 2],
    shown: Option<Value>,
) {
    pen.facts.conflicts.push(ExpectedConflict {
        community: pen.index,
        record_type: "activity",
        record: session.record,
        field,
        kind,
        candidates: vec![(first, 0), (second, 1)],
        shown,
    });
}

fn verify_by_office(pen: &mut Pen<'_>, session: &Session) {
    let needs = vec![pen.device(0)];
    pen.facts.office.push(OfficeAction::Verify { community: pen.index, activity: session.record, needs });
}

/// Has both devices add the same two people: one alike, one with different minutes.
fn add_twice(pen: &mut Pen<'_>, session: &Session, number: u32, minute: u32) {
    let known = |taker: &Taker, person: &Person| taker.key == person.key;
    let quota = pen.community.quota;
    let people: Vec<Person> = (quota.first_plain()..quota.members)
        .map(|index| pen.plan.person(PersonRef { community: pen.index, index }))
        .filter(|person| person.role == Role::Plain && !session.takers.iter().any(|taker| known(taker, person)))
        .take(2)
        .collect();
    let long = session.minutes;
    for device in [0, 1] {
        let edits = people
            .iter()
            .zip([long, if device == 0 { long } else { long - 30 }])
            .map(|(person, minutes)| {
                let taker = Taker { key: person.key, record: person.record, minutes, attended: true, source: "list" };
                participation(session.record, &taker, "participant")
            })
            .collect();
        pen.save_after_meeting(device, pen.worker(device), minute, edits, 0);
    }
    for person in &people {
        pen.facts.attendances.push(AttendanceFact { key: person.key, session: number, entered: number });
    }
    if let [_, differing] = people.as_slice() {
        pen.facts.conflicts.push(ExpectedConflict {
            community: pen.index,
            record_type: "participation",
            record: lastmile_model::derive::participation(session.record, differing.record),
            field: "minutes",
            kind: ConflictKind::Held,
            candidates: vec![(Value::Int(long.into()), 0), (Value::Int((long - 30).into()), 1)],
            // Both devices begin the record, so the order of their operations is that of their keys.
            shown: None,
        });
    }
    verify_by_office(pen, session);
}

/// Has two devices check the same person in; the one that registered the person confirms.
fn check_in_twice(pen: &mut Pen<'_>, person: &Person) {
    let owner = person.device;
    let other = (owner + 1) % pen.devices();
    let when = (pen.meeting_day(), 9 * 3600);
    let first = people::register(pen, person, person.record, person.on, owner, when);
    let by = pen.worker(other);
    let event = pen.dated("register", person.on, by, when);
    let mut second = first.clone();
    second.values.retain(|(key, _)| !key.starts_with("ev/"));
    pen.save_after_meeting(other, by, 0, vec![second.with_event(&event)], owner);
    pen.save_after_meeting(owner, pen.worker(owner), 0, vec![first], owner);
    confirm(pen, person, 240);
}

fn confirm(pen: &mut Pen<'_>, person: &Person, minute: u32) {
    let Some(day) = person.confirmed else { return };
    let by = pen.secretary();
    let event = pen.dated("confirm", day, by, (pen.meeting_day(), 9 * 3600 + minute * 60));
    let edit = people::edit_check_in(pen, person.record).with_event(&event);
    pen.save_after_meeting(person.device, by, minute, vec![edit], person.device);
}

/// Has one device confirm a check-in while another one sends it back.
fn confirm_against_return(pen: &mut Pen<'_>, person: &Person) {
    let owner = person.device;
    let other = (owner + 1) % pen.devices();
    confirm(pen, person, 200);
    // A save before it gives the return the higher operation, so that the confirmation counts.
    let grid = people::edit_check_in(pen, person.record).with("grid", format!("{}007", pen.community.code));
    let record = grid.record;
    pen.save_after_meeting(other, pen.worker(other), 200, vec![grid], owner);
    let (by, when) = (pen.secretary(), (pen.meeting_day(), 9 * 3600 + 201 * 60));
    let event = Event { why: Some(words::RETURN_REASONS[0]), ..pen.event("return", by, when) };
    let edit = people::edit_check_in(pen, person.record).with_event(&event);
    pen.save_after_meeting(other, by, 201, vec![edit], owner);
    pen.facts.conflicts.push(ExpectedConflict {
        community: pen.index,
        record_type: "check_in",
        record,
        field: "state",
        kind: ConflictKind::Transition,
        candidates: vec![("confirm".into(), owner), ("return".into(), other)],
        shown: Some("confirmed".into()),
    });
}
