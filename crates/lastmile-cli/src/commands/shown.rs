//! Values and records as people and programs read them.

use lastmile_model::{AuthorId, Field, FieldKind, RecordId, RecordType, Value};
use lastmile_store::storage::Cell;
use lastmile_store::{FullRecord, Origin};
use serde_json::{Map, Value as Json, json};

use crate::messages::Language;

/// An instant as RFC 3339 in Asia/Shanghai.
pub(super) fn instant(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms.saturating_add(8 * 3_600_000))
        .map_or_else(|| ms.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%S+08:00").to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_text(bytes: &[u8], field: Option<&Field>) -> String {
    match (field.map(|field| &field.kind), <[u8; 16]>::try_from(bytes)) {
        (Some(FieldKind::IdNumber), _) => "***".to_owned(),
        (Some(FieldKind::Bytes { .. }), Ok(id)) => AuthorId(id).to_string(),
        (_, Ok(id)) => RecordId::from_bytes(id).to_string(),
        _ => hex(bytes),
    }
}

/// A value as JSON.
pub(super) fn value_json(value: &Value, field: Option<&Field>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) | Value::Counter(number) => json!(number),
        Value::Uint(number) => json!(number),
        Value::F64(bits) => json!(f64::from_bits(*bits)),
        Value::Str(text) => json!(text),
        Value::Timestamp(ms) => json!(instant(*ms)),
        Value::Bytes(bytes) | Value::Unknown { bytes, .. } => json!(bytes_text(bytes, field)),
    }
}

/// A value as text, with the label of a choice.
pub(super) fn value_text(value: &Value, field: Option<&Field>, language: Language) -> String {
    if let (Value::Str(code), Some(field)) = (value, field)
        && let Some(choice) = field.choice(code)
    {
        return if language == Language::Chinese { choice.zh.clone() } else { choice.en.clone() };
    }
    match value_json(value, field) {
        Json::String(text) => text,
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// A cell of a view as JSON.
pub(super) fn cell_json(cell: &Cell<'_>, field: Option<&Field>) -> Json {
    let is_set = field.is_some_and(|field| field.merge == lastmile_model::Merge::Set);
    match cell {
        Cell::Null => Json::Null,
        Cell::Int(number) if field.is_some_and(|field| field.kind == FieldKind::Bool) => json!(*number != 0),
        Cell::Int(number) if field.is_some_and(|field| field.kind == FieldKind::Instant) => json!(instant(*number)),
        Cell::Int(number) => json!(number),
        Cell::Text(text) if is_set => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Cell::Text(text) => json!(text),
        Cell::Blob(bytes) => json!(bytes_text(bytes, field)),
    }
}

/// A cell of a view as text, with the label of a choice.
pub(super) fn cell_text(cell: &Cell<'_>, field: Option<&Field>, language: Language) -> String {
    if let (Cell::Text(code), Some(field)) = (cell, field)
        && let Some(choice) = field.choice(code)
    {
        return if language == Language::Chinese { choice.zh.clone() } else { choice.en.clone() };
    }
    match cell_json(cell, field) {
        Json::String(text) => text,
        Json::Null => String::new(),
        Json::Array(list) => list.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// The word for a state.
pub(super) fn state_text(record_type: &RecordType, code: &str, language: Language) -> String {
    let machine = record_type.states.as_deref().and_then(lastmile_model::states::Machine::named);
    machine
        .and_then(|machine| machine.state(code))
        .map_or(code, |state| match language {
            Language::Chinese => state.zh,
            Language::English => state.en,
        })
        .to_owned()
}

/// The label of a field.
pub(super) fn label<'f>(record_type: &'f RecordType, name: &'f str, language: Language) -> &'f str {
    record_type.field(name).map_or(name, |(_, field)| match language {
        Language::Chinese => field.label_zh.as_str(),
        Language::English => field.label_en.as_str(),
    })
}

/// Who wrote something, and when.
pub(super) fn origin_json(origin: &Origin) -> Json {
    json!({
        "author": origin.author.to_string(),
        "acting": origin.acting.map(|person| person.to_string()),
        "seq": origin.seq,
        "at": instant(origin.wall_ms),
        "hash": origin.hash.to_string(),
    })
}

/// A record as one JSON object.
pub(super) fn record_json(record: &FullRecord, record_type: &RecordType) -> Json {
    let field = |name: &str| record_type.field(name).map(|(_, field)| field);
    let mut values = Map::new();
    for (name, value) in &record.values {
        values.insert(name.clone(), value_json(value, field(name)));
    }
    for (name, elements) in &record.sets {
        values.insert(name.clone(), json!(elements));
    }
    let events: Vec<Json> = record
        .events
        .iter()
        .map(|event| {
            let parts: Map<String, Json> =
                event.parts.iter().map(|(name, value)| (name.clone(), value_json(value, None))).collect();
            json!({"id": event.id.to_string(), "parts": parts, "origin": origin_json(&event.origin)})
        })
        .collect();
    let conflicts: Vec<Json> = record
        .conflicts
        .iter()
        .map(|conflict| {
            let sides: Vec<Json> = conflict
                .sides
                .iter()
                .map(|side| {
                    json!({
                        "value": side.value.as_ref().map(|value| value_json(value, field(&conflict.field))),
                        "origin": origin_json(&side.origin),
                    })
                })
                .collect();
            json!({
                "field": conflict.field,
                "kind": format!("{:?}", conflict.kind).to_lowercase(),
                "held": conflict.kind.is_held(),
                "shown": conflict.shown.as_ref().map(|value| value_json(value, field(&conflict.field))),
                "sides": sides,
            })
        })
        .collect();
    json!({
        "type": record.record_type,
        "id": record.id.to_string(),
        "scope": record.scope.to_string(),
        "state": record.state,
        "values": values,
        "events": events,
        "conflicts": conflicts,
    })
}
