//! States as folds of events (domain section 7).
//!
//! Decided: an event takes effect if its transition is allowed in the state that its own causal past makes, so that
//! what somebody did on good grounds stays visible beside what somebody else did. Steps ahead may be skipped. Of the
//! last effective events of a record several may be concurrent: steps on one path do not oppose, the furthest counts;
//! opposed ones go to a person, and until then a verification stands, else the lowest operation (domain section 6).

use super::{Event, Record, Val};

/// What the events of a record come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// The state, e.g. `verified`; `draft` without events.
    pub state: &'static str,
    /// Whether a person has to decide between concurrent transitions.
    pub opposed: bool,
    /// The transitions that took effect, in order: the state reached and the civil date (`on`, else the day of `at`).
    pub history: Vec<(&'static str, String)>,
}

/// A state machine: per event kind the state it leads to, and the states it may start from.
type Machine = &'static [(&'static str, &'static str, &'static [&'static str])];

/// Paths on which a later state contains the earlier ones.
const PATH: &[&str] = &["draft", "planned", "held", "submitted", "verified", "registered", "confirmed"];

const ACTIVITY: Machine = &[
    ("plan", "planned", &["draft"]),
    ("hold", "held", &["draft", "planned"]),
    ("submit", "submitted", &["draft", "planned", "held", "returned"]),
    ("verify", "verified", &["draft", "planned", "held", "submitted"]),
    ("return", "returned", &["submitted"]),
    ("cancel", "cancelled", &["draft", "planned"]),
];

const CHECK_IN: Machine = &[
    ("register", "registered", &["draft", "returned", "moved_out", "ended"]),
    ("confirm", "confirmed", &["draft", "registered"]),
    ("return", "returned", &["registered"]),
    ("move_out", "moved_out", &["registered", "confirmed"]),
    ("end", "ended", &["registered", "confirmed"]),
];

/// Folds the events of an activity.
#[must_use]
pub fn activity(record: &Record) -> Fold {
    fold(record, ACTIVITY)
}

/// Folds the events of a check-in.
#[must_use]
pub fn check_in(record: &Record) -> Fold {
    fold(record, CHECK_IN)
}

/// An event that took effect, by its id, with the state it leads to.
type Step<'a> = (&'a String, &'a Event, &'static str);

fn fold(record: &Record, machine: Machine) -> Fold {
    let mut events: Vec<(&String, &Event)> = record.events.iter().collect();
    // Operation ids extend the causal order, so an event's past is folded before it.
    events.sort_by_key(|(_, event)| event.op);
    let mut steps: Vec<Step<'_>> = Vec::new();
    for (id, event) in events {
        let Some((_, to, from)) = machine.iter().find(|(kind, ..)| *kind == event.kind) else { continue };
        let past: Vec<Step<'_>> = steps.iter().filter(|(id, ..)| event.after.contains(*id)).copied().collect();
        if from.contains(&settle(&past).0) {
            steps.push((id, event, to));
        }
    }
    let (state, opposed) = settle(&steps);
    Fold { state, opposed, history: steps.iter().map(|(_, event, to)| (*to, day(event))).collect() }
}

/// The state that effective events leave, and whether the last ones oppose each other.
fn settle(steps: &[Step<'_>]) -> (&'static str, bool) {
    let last: Vec<&Step<'_>> =
        steps.iter().filter(|(id, ..)| !steps.iter().any(|(_, other, _)| other.after.contains(*id))).collect();
    let rank = |step: &&Step<'_>| PATH.iter().position(|state| *state == step.2);
    let Some(lowest) = last.first() else { return ("draft", false) };
    if last.iter().all(|step| rank(step).is_some()) {
        return (last.iter().max_by_key(|step| rank(step)).unwrap_or(lowest).2, false);
    }
    let opposed = last.iter().any(|step| step.2 != lowest.2 || step.1.parts.get("to") != lowest.1.parts.get("to"));
    let verified = last.iter().find(|step| matches!(step.2, "verified" | "confirmed"));
    (verified.unwrap_or(lowest).2, opposed)
}

/// The civil date of an event: as typed, else the day of its instant in Asia/Shanghai (domain section 8).
fn day(event: &Event) -> String {
    match (event.parts.get("on"), event.parts.get("at")) {
        (Some(Val::Text(on)), _) => on.clone(),
        (_, Some(Val::Timestamp(at))) => civil((at + 8 * 3_600_000).div_euclid(86_400_000)),
        _ => String::new(),
    }
}

/// Writes a count of days since 1970-01-01 as `YYYY-MM-DD`, by walking the calendar.
fn civil(mut days: i64) -> String {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += if leap(year) { 366 } else { 365 };
    }
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    for length in [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}

/// Whether an activity carries a mark that it repeats another, and which: the field, else the last `duplicate` event.
///
/// Decided: of concurrent marks and unmarks the lowest operation stands until a person decides.
pub(super) fn duplicate_of(record: &Record) -> Option<Val> {
    if let Some(Val::Bytes(other)) = record.fields.get("duplicate_of").and_then(|field| field.shown.clone()) {
        return Some(Val::Bytes(other));
    }
    let marks = record.events.iter().filter(|(_, event)| matches!(event.kind.as_str(), "duplicate" | "not_duplicate"));
    let marks: Vec<(&String, &Event)> = marks.collect();
    let last = marks.iter().filter(|(id, _)| !marks.iter().any(|(_, other)| other.after.contains(*id)));
    let (_, event) = last.min_by_key(|(_, event)| event.op)?;
    event.parts.get("to").filter(|_| event.kind == "duplicate").cloned()
}
