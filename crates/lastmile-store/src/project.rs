//! From an evaluated record to the cells of its view row.

use std::borrow::Cow;

use chrono::NaiveDate;
use lastmile_crdt::{ConflictKind, Record};
use lastmile_model::states::{Folded, Machine, StateEvent};
use lastmile_model::{FieldKind, Merge, RecordType, Value, names};

use crate::columns::{Source, ViewTable};
use crate::search::words;
use crate::storage::Cell;

/// Turns a value into a cell; values of an unexpected kind keep their nature.
fn cell_of(value: &Value) -> Cell<'_> {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Int(i64::from(*flag)),
        Value::Int(number) | Value::Timestamp(number) | Value::Counter(number) => Cell::Int(*number),
        Value::Uint(number) => {
            i64::try_from(*number).map_or_else(|_| Cell::Text(Cow::Owned(number.to_string())), Cell::Int)
        }
        Value::F64(bits) => Cell::Text(Cow::Owned(f64::from_bits(*bits).to_string())),
        Value::Str(text) => Cell::Text(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Cell::Blob(Cow::Borrowed(bytes)),
        Value::Unknown { bytes, .. } => Cell::Blob(Cow::Borrowed(bytes)),
    }
}

/// Folds the state events of a record, if its type has states.
pub(crate) fn fold(record_type: &RecordType, record: &Record<'_>) -> Option<Folded> {
    let machine = Machine::named(record_type.states.as_deref()?)?;
    let events: Vec<StateEvent<'_>> = record
        .events
        .iter()
        .map(|event| StateEvent {
            kind: event.kind().unwrap_or(""),
            on: event.parts.get("on").and_then(|on| on.as_str()).and_then(|on| on.parse().ok()),
            to: event.parts.get("to").copied(),
            change: event.by,
            after: &event.after,
        })
        .collect();
    Some(machine.fold(&events))
}

/// How many conflicts of a record wait for a person.
pub(crate) fn open_conflicts(record: &Record<'_>, folded: Option<&Folded>) -> usize {
    let held = record
        .conflicts
        .iter()
        .filter(|conflict| matches!(conflict.kind, ConflictKind::Held | ConflictKind::Correction))
        .count();
    held + folded.map_or(0, |folded| folded.open_transition.len())
}

fn day(date: Option<NaiveDate>) -> Cell<'static> {
    date.map_or(Cell::Null, |date| Cell::Text(Cow::Owned(date.to_string())))
}

fn spans(folded: &Folded) -> Cell<'static> {
    if folded.spans.len() < 2 {
        return Cell::Null;
    }
    let spans: Vec<(String, Option<String>)> =
        folded.spans.iter().map(|span| (span.from.to_string(), span.until.map(|until| until.to_string()))).collect();
    serde_json::to_string(&spans).map_or(Cell::Null, |json| Cell::Text(Cow::Owned(json)))
}

/// Writes the cells of a record, in the order of its view's columns.
pub(crate) fn cells<'r>(view: &ViewTable, record_type: &RecordType, record: &'r Record<'_>) -> Vec<Cell<'r>> {
    let folded = fold(record_type, record);
    let last_span = folded.as_ref().and_then(|folded| folded.spans.last());
    let field_name = |place: usize| record_type.fields.get(place).map_or("", |field| field.name.as_str());
    view.columns
        .iter()
        .map(|column| match column.source {
            Source::Field(place) => record.value(field_name(place)).map_or(Cell::Null, cell_of),
            Source::Set(place) => match record.sets.get(field_name(place)) {
                Some(elements) if !elements.is_empty() => {
                    serde_json::to_string(&elements).map_or(Cell::Null, |json| Cell::Text(Cow::Owned(json)))
                }
                _ => Cell::Null,
            },
            Source::Open => Cell::Int(i64::try_from(open_conflicts(record, folded.as_ref())).unwrap_or(i64::MAX)),
            Source::State => folded.as_ref().map_or(Cell::Null, |folded| Cell::Text(Cow::Borrowed(folded.state))),
            Source::FirstConfirmed => day(folded.as_ref().and_then(|folded| folded.first_confirmed)),
            Source::ConfirmedFrom => day(last_span.map(|span| span.from)),
            Source::ConfirmedTo => day(last_span.and_then(|span| span.until)),
            Source::Spans => folded.as_ref().map_or(Cell::Null, spans),
        })
        .collect()
}

/// The words and pinyin initials a record is found by; `None` where its type is not searched.
pub(crate) fn search_words(
    view: &ViewTable,
    record_type: &RecordType,
    record: &Record<'_>,
) -> Option<(String, String)> {
    if !view.searchable {
        return None;
    }
    let mut found = String::new();
    let mut initials = String::new();
    let mut add = |text: &str, kind: &FieldKind| {
        if !found.is_empty() {
            found.push(' ');
        }
        found.push_str(&words(text));
        match kind {
            FieldKind::Name => {
                if !initials.is_empty() {
                    initials.push(' ');
                }
                initials.push_str(&names::search_keys(text).join(" "));
            }
            FieldKind::Phone => {
                if let Some(tail) = text.len().checked_sub(4).and_then(|start| text.get(start..)) {
                    found.push(' ');
                    found.push_str(tail);
                }
            }
            _ => {}
        }
    };
    for field in record_type.fields.iter().filter(|field| field.search) {
        if field.merge == Merge::Set {
            for element in record.sets.get(field.name.as_str()).into_iter().flatten() {
                add(element, &field.kind);
            }
        } else if let Some(text) = record.value(&field.name).and_then(Value::as_str) {
            add(text, &field.kind);
        }
    }
    Some((found, initials))
}
