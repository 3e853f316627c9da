//! States as folds of events.
//!
//! Events are read in the order of their operations, which extends the causal order. One that its state does not allow
//! changes nothing. Of two opposed ones of which neither author knew the other the lower operation counts and the pair is
//! open, until an event that knows both says again what one of them said.
//! Decided: which transitions oppose each other; that work may be
//! submitted without having been planned or held, and a check-in end that was never confirmed.

use super::{Event, Record, Val};

/// What the events of a record come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// The state, e.g. `verified`, whatever marks of duplicates say.
    pub state: &'static str,
    /// Whether a person has to decide between concurrent transitions.
    pub opposed: bool,
    /// The transitions that took effect, in order: the state reached and the civil date typed, else the one before.
    pub history: Vec<(&'static str, String)>,
    /// Whether the last effective mark says that an activity repeats another, and which.
    pub duplicate_of: Option<Val>,
}

/// The states and events of a record type.
struct Machine {
    start: &'static str,
    /// Per kind of event the states it may follow and the one it leads to.
    steps: &'static [(&'static str, &'static [&'static str], &'static str)],
    opposed: &'static [(&'static str, &'static str)],
}

const ACTIVITY: Machine = Machine {
    start: "planned",
    steps: &[
        ("hold", &["planned"], "held"),
        ("submit", &["planned", "held", "returned"], "submitted"),
        ("verify", &["submitted"], "verified"),
        ("return", &["submitted"], "returned"),
        ("cancel", &["planned"], "cancelled"),
        ("accept", &["verified"], "verified"),
        ("reject", &["verified"], "verified"),
    ],
    opposed: &[("verify", "return"), ("hold", "cancel"), ("submit", "cancel"), ("accept", "reject")],
};

const CHECK_IN: Machine = Machine {
    start: "draft",
    steps: &[
        ("register", &["draft", "returned", "moved_out", "ended"], "registered"),
        ("confirm", &["registered"], "confirmed"),
        ("return", &["registered"], "returned"),
        ("move_out", &["confirmed"], "moved_out"),
        ("end", &["confirmed", "registered", "returned"], "ended"),
    ],
    opposed: &[
        ("confirm", "return"),
        ("confirm", "end"),
        ("move_out", "move_out"),
        ("move_out", "end"),
        ("register", "end"),
    ],
};

/// Marks of duplicates, a machine of their own: they cover whatever state the activity is in.
const MARKS: Machine = Machine {
    start: "",
    steps: &[("duplicate", &[""], "duplicate"), ("not_duplicate", &["duplicate"], "")],
    opposed: &[("duplicate", "duplicate"), ("duplicate", "not_duplicate")],
};

/// Folds the events of an activity.
#[must_use]
pub fn activity(record: &Record) -> Fold {
    let marks = fold(record, &MARKS);
    let fold = fold(record, &ACTIVITY);
    Fold { opposed: fold.opposed || marks.opposed, duplicate_of: marks.duplicate_of, ..fold }
}

/// Folds the events of a check-in.
#[must_use]
pub fn check_in(record: &Record) -> Fold {
    fold(record, &CHECK_IN)
}

/// An event that took effect, with its id and the state it leads to.
type Step<'a> = (&'a String, &'a Event, &'static str);

fn fold(record: &Record, machine: &Machine) -> Fold {
    let mut events: Vec<(&String, &Event)> = record.events.iter().collect();
    events.sort_by_key(|(_, event)| event.op);
    let mut effective: Vec<Step<'_>> = Vec::new();
    let mut open: Vec<(Step<'_>, Step<'_>)> = Vec::new();
    for (id, event) in events {
        let Some((_, from, to)) = machine.steps.iter().find(|(kind, ..)| *kind == event.kind) else { continue };
        let step = (id, event, *to);
        let against: Vec<Step<'_>> = effective.iter().filter(|one| opposes(machine, one, &step)).copied().collect();
        if !against.is_empty() {
            open.extend(against.into_iter().map(|counted| (counted, step)));
            continue;
        }
        let knows = |pair: &(Step<'_>, Step<'_>)| event.after.contains(pair.0.0) && event.after.contains(pair.1.0);
        let settled: Vec<_> = open.iter().filter(|pair| knows(pair)).copied().collect();
        let overruled = settled.iter().find(|(_, held)| held.1.kind == event.kind).map(|(counted, _)| counted.0);
        let state = effective.last().map_or(machine.start, |step| step.2);
        if overruled.is_none()
            && !from.contains(&state)
            && settled.iter().all(|(counted, _)| counted.1.kind != event.kind)
        {
            continue;
        }
        open.retain(|pair| !knows(pair));
        if overruled.is_some() || from.contains(&state) {
            effective.retain(|(id, ..)| Some(*id) != overruled);
            effective.push(step);
        }
    }
    let mut history: Vec<(&'static str, String)> = Vec::new();
    let mut on = String::new();
    for (_, event, state) in &effective {
        if let Some(Val::Text(typed)) = event.parts.get("on") {
            on.clone_from(typed);
        }
        // Who says again what is so begins nothing.
        if history.last().is_none_or(|(before, _)| before != state) {
            history.push((state, on.clone()));
        }
    }
    let last = effective.last();
    Fold {
        state: last.map_or(machine.start, |step| step.2),
        opposed: !open.is_empty(),
        history,
        duplicate_of: last.filter(|step| step.2 == "duplicate").and_then(|step| step.1.parts.get("to").cloned()),
    }
}

/// Whether two events oppose each other: neither knew the other, and they lead apart; two of a kind by their `to`.
fn opposes(machine: &Machine, one: &Step<'_>, other: &Step<'_>) -> bool {
    let concurrent = !other.1.after.contains(one.0) && !one.1.after.contains(other.0);
    let (a, b) = (one.1.kind.as_str(), other.1.kind.as_str());
    let listed = machine.opposed.iter().any(|pair| *pair == (a, b) || *pair == (b, a));
    concurrent && listed && (a != b || one.1.parts.get("to") != other.1.parts.get("to"))
}

/// The civil day of an instant in Asia/Shanghai, as `YYYY-MM-DD`.
pub(super) fn day(value: Option<&Val>) -> Option<String> {
    if let Some(Val::Timestamp(at)) = value { Some(civil((at + 8 * 3_600_000).div_euclid(86_400_000))) } else { None }
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
