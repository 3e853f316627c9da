//! One record from its changes: values by merge letter, sets, events.

use std::collections::{BTreeMap, BTreeSet};

use super::causal::Graph;
use super::{Letters, OpId, RecordKey, Val};

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
    /// Whether a verdict on an ancestor of a verification opens that case again.
    pub reopened: bool,
}

/// One field of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The value that shows.
    pub shown: Option<Val>,
    /// The values that compete, each once, lowest operation first: for I all that were ever given, else those not superseded.
    pub values: Vec<Val>,
    /// A question of concurrent differing values or of a value beside a deletion, or an I field with differing values.
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
    /// Its first operation.
    pub op: OpId,
    /// The record's events in its causal past; of one change, those written before it.
    pub after: BTreeSet<String>,
}

/// Merges the visible changes of one record.
pub(super) fn record(key: &RecordKey, graph: &Graph<'_>, letters: &Letters) -> Record {
    let mut record = Record { events: events(&key.1, graph, letters), ..Record::default() };
    let operations = graph.operations();
    let keys: BTreeSet<&str> = operations.values().map(|op| op.key.as_str()).collect();
    for name in keys {
        let standing = graph.unsuperseded(name, None);
        match letters.letter(&key.1, name) {
            // C is never in a change.
            'E' | 'C' => {}
            // Add-wins: an element is in while one addition is not superseded.
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
            'Q' => _ = record.fields.insert(name.to_owned(), question(graph, name, &record.events)),
            // R; V is a value like any other to the merge; unknown fields merge as Automerge does.
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
    record.reopened = record.events.values().any(|event| verifies(event) && graph.rests_on_quarantined(event.op.2));
    record.begun_twice = !letters.derived(&key.1) && graph.firsts() > 1;
    record
}

/// Every visible value ever given to a key, superseded or not, lowest first: what I fields and events are made of.
///
/// Decided: "immutable" and "append-only" mean that a later operation on the key changes nothing, nor does a deletion.
fn ever(graph: &Graph<'_>, key: &str) -> Vec<(OpId, Val)> {
    let on_key = graph.operations().into_iter().filter(|(_, op)| op.key == key);
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

/// Events are keys `ev/<uuid>/<part>`.
///
/// Decided: an event happens once, so it is what the change with its lowest operation wrote; nobody else adds to it.
fn events(record_type: &str, graph: &Graph<'_>, letters: &Letters) -> BTreeMap<String, Event> {
    let mut found: BTreeMap<String, Event> = BTreeMap::new();
    for (id, op) in graph.operations() {
        if letters.letter(record_type, &op.key) != 'E' {
            continue;
        }
        let Some((event, part)) = op.key.strip_prefix("ev/").and_then(|rest| rest.split_once('/')) else { continue };
        let Some(value) = &op.value else { continue };
        let new = || Event { kind: String::new(), parts: BTreeMap::new(), op: id, after: BTreeSet::new() };
        let known = found.entry(event.to_owned()).or_insert_with(new);
        if known.op.2 == id.2 {
            known.parts.insert(part.to_owned(), value.clone());
        }
    }
    let places: Vec<(String, OpId)> = found.iter().map(|(name, event)| (name.clone(), event.op)).collect();
    for event in found.values_mut() {
        if let Some(Val::Text(kind)) = event.parts.get("kind") {
            event.kind.clone_from(kind);
        }
        let before = |op: &OpId| graph.past(event.op.2).contains(&op.2) || (op.2 == event.op.2 && *op < event.op);
        event.after = places.iter().filter(|(_, op)| before(op)).map(|(name, _)| name.clone()).collect();
    }
    found
}

/// A question shows the last verified value, else the lowest; after verification edits are corrections until decided.
///
/// Verify and confirm are such events; after 已审核 an edit becomes a correction.
fn question(graph: &Graph<'_>, key: &str, events: &BTreeMap<String, Event>) -> Field {
    let standing = graph.unsuperseded(key, None);
    let values = distinct(standing.iter().map(|(_, value)| *value));
    let disputed = |open: &[(OpId, Option<&Val>)]| open.iter().any(|one| Some(one.1) != open.first().map(|one| one.1));
    let values_and_deletions = || {
        let emptied = graph.emptied(key, None).into_iter().map(|id| (id, None));
        standing.iter().map(|(id, value)| (*id, Some(*value))).chain(emptied).collect::<Vec<_>>()
    };
    let mut open = values_and_deletions();
    let Some(last) = verification(events, None) else {
        return Field { shown: values.first().cloned(), values, conflict: disputed(&open), correction: false };
    };
    let shown = verified_value(graph, key, events, last);
    let seen = graph.seen(last.op.2);
    open.retain(|(id, _)| !is_rejected(graph, events, *id, None));
    let correction = open.iter().any(|(id, value)| *value != shown.as_ref() && !seen.contains(&id.2));
    Field { shown, values, conflict: disputed(&open), correction }
}

/// Decision 3: `accept` counts like a verification.
fn verifies(event: &Event) -> bool {
    matches!(event.kind.as_str(), "verify" | "confirm" | "accept")
}

/// The verification that counts, of all or of those before another event: of several the causally last, ties to the
/// lowest operation id.
fn verification<'e>(events: &'e BTreeMap<String, Event>, before: Option<&Event>) -> Option<&'e Event> {
    let counts = |name: &String| before.is_none_or(|event| event.after.contains(name));
    let all: Vec<(&String, &Event)> = events.iter().filter(|(name, event)| verifies(event) && counts(name)).collect();
    let last = all.iter().filter(|(name, _)| !all.iter().any(|(_, other)| other.after.contains(*name)));
    last.map(|(_, event)| *event).min_by_key(|event| event.op)
}

/// What a verification vouched for: what was visible, that is what showed, among its ancestors.
///
/// Decided: a save that gives values and verifies them at once saw them. A field that was empty stays empty until a
/// correction is accepted, since "the figure moves only when accepted". Who verified while several
/// values stood, or nothing but rejected ones, left the choice where the verification before had it.
fn verified_value(graph: &Graph<'_>, key: &str, events: &BTreeMap<String, Event>, last: &Event) -> Option<Val> {
    let seen = graph.seen(last.op.2);
    let mut standing = graph.unsuperseded(key, Some(&seen));
    let mut ids: Vec<OpId> = standing.iter().map(|(id, _)| *id).chain(graph.emptied(key, Some(&seen))).collect();
    let before = ids.len();
    ids.retain(|id| !is_rejected(graph, events, *id, Some(last)));
    standing.retain(|(id, _)| ids.contains(id));
    let choices = distinct(standing.iter().map(|(_, value)| *value));
    let all_rejected = ids.is_empty() && before > 0;
    if choices.len() < 2 && !all_rejected {
        return choices.first().cloned();
    }
    let earlier = verification(events, Some(last)).and_then(|event| verified_value(graph, key, events, event));
    if all_rejected || earlier.as_ref().is_some_and(|value| choices.contains(value)) {
        earlier
    } else {
        choices.first().cloned()
    }
}

/// Whether an edit was turned down as a correction: a `reject`, among the ancestors of `by` if given, knows the edit and
/// a verification that does not.
fn is_rejected(graph: &Graph<'_>, events: &BTreeMap<String, Event>, edit: OpId, by: Option<&Event>) -> bool {
    let among = |event: &Event| by.is_none_or(|by| graph.seen(by.op.2).contains(&event.op.2));
    events.values().filter(|event| event.kind == "reject" && among(event)).any(|reject| {
        let known = graph.seen(reject.op.2);
        let corrects =
            |verified: &Event| known.contains(&verified.op.2) && !graph.seen(verified.op.2).contains(&edit.2);
        graph.past(reject.op.2).contains(&edit.2) && events.values().any(|event| verifies(event) && corrects(event))
    })
}
