//! One record from its changes: values by merge letter, sets, events (design section 5 "Merging").

use std::collections::{BTreeMap, BTreeSet};

use super::causal::Graph;
use super::{Hash, Letters, OpId, RecordKey, Val};

/// A record as it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Plain fields that ever held a visible value.
    pub fields: BTreeMap<String, Field>,
    /// The elements of each set.
    pub sets: BTreeMap<String, BTreeSet<String>>,
    /// Events by the 32 digits of their ids.
    pub events: BTreeMap<String, Event>,
    /// Whether the record has a row; otherwise it is listed as incomplete.
    pub row: bool,
    /// The required I fields that are not visible.
    pub missing: Vec<String>,
    /// Whether changes that know nothing of each other begin it although its id is not derived.
    pub begun_twice: bool,
}

/// One field of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The value that shows.
    pub shown: Option<Val>,
    /// The values that compete, each once, lowest operation first: for I all that were ever given, else those not superseded.
    pub values: Vec<Val>,
    /// A question of concurrent differing values, or an I field with differing ones.
    pub conflict: bool,
    /// An edit of a verified value that nobody has decided about.
    pub correction: bool,
}

/// One visible event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: String,
    /// All its parts, `kind` among them.
    pub parts: BTreeMap<String, Val>,
    /// The operation that gives its kind.
    pub op: OpId,
    /// The record's events in its causal past; of one change, those written before it.
    pub after: BTreeSet<String>,
}

/// Merges the visible changes of one record.
pub(super) fn record(key: &RecordKey, graph: &Graph<'_>, letters: &Letters) -> Record {
    let mut record = Record { events: events(graph), ..Record::default() };
    let operations = graph.visible_operations();
    let keys: BTreeSet<&str> = operations.values().map(|op| op.key.as_str()).collect();
    for name in keys {
        let standing = graph.unsuperseded(name, None);
        match letters.letter(&key.1, name) {
            'E' => {}
            // Add-wins: an element is in while one addition is not superseded (design section 2 point 1).
            'S' => {
                if let Some((field, element)) = name.split_once('/')
                    && standing.iter().any(|(_, value)| **value == Val::Bool(true))
                {
                    record.sets.entry(field.to_owned()).or_default().insert(element.to_owned());
                }
            }
            'I' => {
                let values = distinct(ever(graph, name).iter().map(|(_, value)| value));
                let conflict = values.len() > 1;
                let shown = values.first().cloned();
                record.fields.insert(name.to_owned(), Field { shown, values, conflict, correction: false });
            }
            'Q' => _ = record.fields.insert(name.to_owned(), question(graph, name, &standing, &record.events)),
            // R; V is a value like any other to the merge; C and unknown fields merge as Automerge does.
            _ => {
                let values = distinct(standing.iter().map(|(_, value)| *value));
                let shown = standing.last().map(|(_, value)| (*value).clone());
                record.fields.insert(name.to_owned(), Field { shown, values, conflict: false, correction: false });
            }
        }
    }
    let shows = |name: &String| record.fields.get(name).is_some_and(|field| field.shown.is_some());
    record.missing = letters.needed(&key.1).unwrap_or_default().iter().filter(|name| !shows(name)).cloned().collect();
    record.row = letters.needed(&key.1).is_some() && record.missing.is_empty();
    record.begun_twice = !letters.derived(&key.1) && graph.firsts() > 1;
    record
}

/// Every visible value ever given to a key, superseded or not, lowest first: what I fields and events are made of.
///
/// Decided: "immutable" and "append-only" mean that a later operation on the key changes nothing, nor does a deletion.
fn ever(graph: &Graph<'_>, key: &str) -> Vec<(OpId, Val)> {
    let on_key = graph.visible_operations().into_iter().filter(|(_, op)| op.key == key);
    on_key.filter_map(|(id, op)| Some((id, op.value.clone()?))).collect()
}

fn distinct<'v>(values: impl Iterator<Item = &'v Val>) -> Vec<Val> {
    let mut found: Vec<Val> = Vec::new();
    for value in values {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}

/// Events are keys `ev/<uuid>/<part>` (design section 5); one shows if its kind does.
fn events(graph: &Graph<'_>) -> BTreeMap<String, Event> {
    let mut found: BTreeMap<String, Event> = BTreeMap::new();
    let mut parts: BTreeMap<String, BTreeMap<String, Val>> = BTreeMap::new();
    for (id, op) in graph.visible_operations() {
        let Some((event, part)) = op.key.strip_prefix("ev/").and_then(|rest| rest.split_once('/')) else { continue };
        let Some(value) = &op.value else { continue };
        parts.entry(event.to_owned()).or_default().entry(part.to_owned()).or_insert_with(|| value.clone());
        if let ("kind", Val::Text(kind)) = (part, value) {
            let event_ = Event { kind: kind.clone(), parts: BTreeMap::new(), op: id, after: BTreeSet::new() };
            found.entry(event.to_owned()).or_insert(event_);
        }
    }
    let places: Vec<(String, OpId)> = found.iter().map(|(name, event)| (name.clone(), event.op)).collect();
    for (name, event) in &mut found {
        event.parts = parts.remove(name).unwrap_or_default();
        let before = |op: &OpId| graph.past(event.op.2).contains(&op.2) || (op.2 == event.op.2 && *op < event.op);
        event.after = places.iter().filter(|(_, op)| before(op)).map(|(name, _)| name.clone()).collect();
    }
    found
}

/// A question shows the last verified value, else the lowest; after verification edits are corrections until decided.
///
/// Design section 5 (Q; "verify and confirm are such events"), domain section 6 (K2; "after 已审核"), decision 3 (accept
/// counts like a verification). The verified value is what was visible among the event's ancestors.
fn question(graph: &Graph<'_>, key: &str, standing: &[(OpId, &Val)], events: &BTreeMap<String, Event>) -> Field {
    let values = distinct(standing.iter().map(|(_, value)| *value));
    let conflict = values.len() > 1;
    let lowest = values.first().cloned();
    let verified = verification(events).and_then(|event| verified_value(graph, key, event.op.2));
    let Some(shown) = verified else { return Field { shown: lowest, values, conflict, correction: false } };
    let decisive = |event: &&Event| verifies(event) || event.kind == "reject";
    let decided: BTreeSet<Hash> = events.values().filter(decisive).flat_map(|event| graph.seen(event.op.2)).collect();
    let undecided = graph.visible_operations().iter().any(|(id, op)| op.key == key && !decided.contains(&id.2));
    let correction = undecided && values != shown.iter().cloned().collect::<Vec<_>>();
    Field { shown, values, conflict, correction }
}

fn verifies(event: &Event) -> bool {
    matches!(event.kind.as_str(), "verify" | "confirm" | "accept")
}

/// The verification that counts: of several the causally last, ties to the lowest operation id (design section 5).
fn verification(events: &BTreeMap<String, Event>) -> Option<&Event> {
    let all: Vec<(&String, &Event)> = events.iter().filter(|(_, event)| verifies(event)).collect();
    let last = all.iter().filter(|(name, _)| !all.iter().any(|(_, other)| other.after.contains(*name)));
    last.map(|(_, event)| *event).min_by_key(|event| event.op)
}

/// What a verification vouched for: `None` if nothing, `Some(None)` if that the field is empty.
///
/// Decided: a save that gives values and verifies them at once saw them. A field that was empty when the record was
/// verified stays empty until a correction is accepted, since "the figure moves only when accepted" (domain section 6).
/// Where all that it saw is invisible now, the case is open again (design section 4) and nothing is verified.
#[expect(clippy::option_option, reason = "nothing verified and verified as empty differ")]
fn verified_value(graph: &Graph<'_>, key: &str, verification: Hash) -> Option<Option<Val>> {
    let seen = graph.seen(verification);
    let standing = graph.unsuperseded(key, Some(&seen));
    if let Some((_, value)) = standing.first() {
        return Some(Some((*value).clone()));
    }
    let cleared = graph.visible_operations().iter().any(|(id, op)| op.key == key && seen.contains(&id.2));
    (cleared || !graph.ever_written(key, &seen)).then_some(None)
}
