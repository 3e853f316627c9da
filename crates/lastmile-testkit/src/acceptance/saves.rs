//! The saves that bring a session about, and the facts that follow.

use lastmile_model::Value;

use super::community::Pen;
use super::expected::{ActivityDuplicate, ConflictKind, ExpectedConflict, OfficeAction};
use super::facts::{AttendanceFact, SessionFact, Standing, only};
use super::ledger::DeviceRef;
use super::session::{Case, Course, Session};
use crate::action::{Event, RecordEdit};
use crate::calendar::Day;
use crate::words;

/// Records one session: its saves up to the devices' meeting, and what it counts as in the end.
pub(super) fn record(pen: &mut Pen<'_>, session: &Session, all: &[Session]) {
    match session.course {
        Course::Direct | Course::RepeatedElsewhere => {
            enter(pen, session, session.served);
            verify(pen, session, session.entered());
        }
        Course::Separate => {
            let (day, second) = session.when();
            let mut edits = vec![session.create(pen, Some(session.served))];
            let held = pen.event("hold", pen.worker(session.device), (day, second));
            edits = edits.into_iter().map(|edit| edit.with_event(&held)).collect();
            edits.extend(session.participations());
            pen.save(session.device, pen.worker(session.device), (day, second), edits);
            let later = day + 1 + Day::try_from(pen.draw.below(3)).unwrap_or(0);
            worker_edits(pen, session, (later, 9 * 3600 + 600), &[], Some("submit"));
            verify(pen, session, later);
        }
        Course::Planned => planned(pen, session),
        Course::SentBack => {
            enter(pen, session, session.served + 3);
            let back = session.entered() + 2;
            let by = pen.secretary();
            let why = pen.draw.pick(&words::ACTIVITY_RETURN_REASONS);
            let event = Event { why: Some(why), ..pen.event("return", by, (back, 10 * 3600)) };
            let edit = RecordEdit::edit("activity", session.record).with_event(&event);
            pen.save(session.device, by, (back, 10 * 3600), vec![edit]);
            worker_edits(pen, session, (back + 1, 9 * 3600), &[served(session.served)], Some("submit"));
            verify(pen, session, back + 1);
        }
        Course::Mended => {
            enter(pen, session, session.served + 1);
            let later = (session.entered() + 1, 8 * 3600);
            let venue = ("venue", Value::from(pen.draw.pick(&words::VENUES)));
            worker_edits(pen, session, later, &[served(session.served), venue], None);
            verify(pen, session, later.0);
        }
        Course::Corrected => {
            enter(pen, session, session.served + 5);
            let day = verify(pen, session, session.entered());
            worker_edits(pen, session, (day + 2, 9 * 3600), &[served(session.served)], None);
            review(pen, session, "accept", day + 2);
        }
        Course::CorrectionOpen => {
            enter(pen, session, session.served);
            let day = verify(pen, session, session.entered());
            let wanted = session.served + 10;
            worker_edits(pen, session, (day + 2, 9 * 3600), &[served(wanted)], None);
            pen.facts.conflicts.push(ExpectedConflict {
                community: pen.index,
                record_type: "activity",
                record: session.record,
                field: "beneficiaries",
                kind: ConflictKind::Correction,
                candidates: [session.served, wanted].map(|n| (Value::Int(n.into()), session.device)).to_vec(),
                shown: Some(Value::Int(session.served.into())),
            });
        }
        Course::Case(case) => {
            let first = match case {
                Case::ServedDiffers | Case::ServedEqual => session.served + 2,
                _ => session.served,
            };
            enter(pen, session, first);
        }
        Course::Waiting => enter(pen, session, session.served),
        Course::Returned => {
            enter(pen, session, session.served);
            let when = (session.entered() + 3, 16 * 3600);
            let why = pen.draw.pick(&words::ACTIVITY_RETURN_REASONS);
            let event = Event { why: Some(why), ..pen.event("return", pen.secretary(), when) };
            let edit = RecordEdit::edit("activity", session.record).with_event(&event);
            pen.save(session.device, pen.secretary(), when, vec![edit]);
        }
        Course::Cancelled => {
            let plan = plan(pen, session);
            pen.save(session.device, pen.worker(session.device), Session::planning(session.day), vec![plan]);
            worker_edits(pen, session, (session.day, 8 * 3600), &[], Some("cancel"));
        }
        Course::Repetition(place) => repetition(pen, session, place, all),
        Course::RepetitionElsewhere(_) => {
            enter(pen, session, session.served);
            verify(pen, session, session.entered());
        }
    }
    state_facts(pen, session, all);
}

/// A value of the field that counts the persons served.
fn served(count: u32) -> (&'static str, Value) {
    ("beneficiaries", Value::Int(count.into()))
}

/// Enters and submits a session in one save, with those who took part.
fn enter(pen: &mut Pen<'_>, session: &Session, served: u32) {
    let by = pen.worker(session.device);
    let create = session.create(pen, Some(served));
    let submit = pen.event("submit", by, session.when());
    let mut edits = vec![create.with_event(&submit)];
    edits.extend(session.participations());
    pen.save(session.device, by, session.when(), edits);
}

fn plan(pen: &mut Pen<'_>, session: &Session) -> RecordEdit {
    let create = session.create(pen, None);
    let event = pen.dated("plan", session.day, pen.worker(session.device), Session::planning(session.day));
    create.with_event(&event)
}

fn planned(pen: &mut Pen<'_>, session: &Session) {
    let by = pen.worker(session.device);
    // Those who lead a planned session are named when it is over.
    let unled = Session { takers: Vec::new(), ..session.clone() };
    let create = plan(pen, &unled);
    pen.save(session.device, by, Session::planning(session.day), vec![create]);
    let mut edit = RecordEdit::edit("activity", session.record);
    let (key, value) = served(session.served);
    edit.set(key, value);
    edit.add("beneficiary_groups", pen.draw.pick(&words::GROUPS));
    for kind in ["hold", "submit"] {
        let event = pen.event(kind, by, session.when());
        edit = edit.with_event(&event);
    }
    let mut edits = vec![edit];
    edits.extend(session.participations());
    pen.save(session.device, by, session.when(), edits);
    verify(pen, session, session.entered());
}

/// Has the worker edit fields of a session, and perhaps tell what became of it, in one save.
fn worker_edits(
    pen: &mut Pen<'_>,
    session: &Session,
    when: (Day, u32),
    values: &[(&'static str, Value)],
    event: Option<&'static str>,
) {
    let by = pen.worker(session.device);
    let mut edit = RecordEdit::edit("activity", session.record);
    for (key, value) in values {
        edit.set(key, value.clone());
    }
    if let Some(kind) = event {
        let event = pen.event(kind, by, when);
        edit = edit.with_event(&event);
    }
    pen.save(session.device, by, when, vec![edit]);
}

/// Has the secretary verify a session on the first desk day after `day`, and returns that day.
fn verify(pen: &mut Pen<'_>, session: &Session, day: Day) -> Day {
    review(pen, session, "verify", day)
}

fn review(pen: &mut Pen<'_>, session: &Session, kind: &'static str, after: Day) -> Day {
    let day = pen.plan.desk_day(pen.index, after);
    let event = pen.event(kind, pen.secretary(), Pen::desk_time(day));
    pen.at_desk(session.device, day, RecordEdit::edit("activity", session.record).with_event(&event));
    day
}

/// Enters a session a second time; the secretary marks it.
fn repetition(pen: &mut Pen<'_>, session: &Session, place: u32, all: &[Session]) {
    enter(pen, session, session.served);
    let Some(original) = usize::try_from(place).ok().and_then(|place| all.get(place)) else { return };
    let to = Value::reference(original.record);
    let day = pen.plan.desk_day(pen.index, session.entered() + 7);
    let event = pen.event("duplicate", pen.secretary(), Pen::desk_time(day));
    let event = Event { part: Some(("to", to.clone())), ..event };
    let edit = RecordEdit::edit("activity", session.record).with("duplicate_of", to).with_event(&event);
    pen.at_desk(session.device, day, edit);
    pen.facts.repeated.push(ActivityDuplicate {
        community: pen.index,
        original: original.record,
        repeated: session.record,
        undecided: false,
    });
}

fn state_facts(pen: &mut Pen<'_>, session: &Session, all: &[Session]) {
    let number = u32::try_from(pen.facts.sessions.len()).unwrap_or(u32::MAX);
    let standing = match session.course {
        Course::Waiting => Standing::Submitted,
        Course::Returned | Course::Cancelled | Course::Repetition(_) => Standing::Nothing,
        _ => Standing::Verified,
    };
    let mut repeats = None;
    if let Course::RepetitionElsewhere(place) = session.course {
        repeats = Some(place);
        if let Some(original) = usize::try_from(place).ok().and_then(|place| all.get(place)) {
            let duplicate = ActivityDuplicate {
                community: pen.index,
                original: original.record,
                repeated: session.record,
                undecided: true,
            };
            pen.facts.repeated.push(duplicate.clone());
            let needs = vec![pen.device(original.device), pen.device(session.device)];
            pen.facts.office.push(OfficeAction::MarkDuplicate { duplicate, needs });
        }
    }
    pen.facts.sessions.push(SessionFact {
        category: session.category,
        served: session.served,
        standing,
        team: session.team,
        needs: only(session.device),
        repeats,
        served_without: None,
    });
    if standing != Standing::Nothing {
        let canonical = repeats.unwrap_or(number);
        let came = session.takers.iter().filter(|taker| taker.attended);
        let came = came.map(|taker| AttendanceFact { key: taker.key, session: canonical, entered: number });
        pen.facts.attendances.extend(came);
    }
}

impl Pen<'_> {
    /// Names a device of this community.
    pub(super) const fn device(&self, device: u8) -> DeviceRef {
        DeviceRef { community: Some(self.index), device }
    }
}
