//! Values of documents as JSON, without loss and without the catalogue.
//!
//! Texts, whole numbers and truth values are themselves; a reference is `{"id": "<uuid>"}`, an instant `{"ms": <milliseconds since
//! 1970 UTC>}`, other bytes `{"hex": "<digits>"}`. `generate` writes and `device script` reads them.

use lastmile_model::{RecordId, Value};
use serde_json::{Value as Json, json};

/// Writes a value; `None` for the kinds that no field of a catalogue has.
#[must_use]
pub fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Str(text) => json!(text),
        Value::Timestamp(ms) => json!({"ms": ms}),
        Value::Bytes(bytes) => match value.as_record() {
            Some(record) => json!({"id": record.to_string()}),
            None => json!({"hex": hex(bytes)}),
        },
        Value::Null | Value::Uint(_) | Value::F64(_) | Value::Counter(_) | Value::Unknown { .. } => return None,
    })
}

/// Reads a value; `None` if it is none of the shapes above.
#[must_use]
pub fn from_json(json: &Json) -> Option<Value> {
    match json {
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => number.as_i64().map(Value::Int),
        Json::String(text) => Some(Value::Str(text.clone())),
        Json::Object(object) if object.len() == 1 => {
            let (name, inner) = object.iter().next()?;
            match (name.as_str(), inner) {
                ("id", Json::String(id)) => id.parse::<RecordId>().ok().map(Value::reference),
                ("ms", Json::Number(ms)) => ms.as_i64().map(Value::Timestamp),
                ("hex", Json::String(digits)) => unhex(digits).map(Value::Bytes),
                _ => None,
            }
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a string does not fail
    }
    text
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let record = Value::Bytes((0..16).collect());
        let values = [
            Value::Bool(true),
            Value::Int(-3),
            Value::from("清洁日"),
            Value::Timestamp(5),
            record,
            Value::Bytes(vec![0, 255]),
        ];
        for value in values {
            assert_eq!(from_json(&to_json(&value).unwrap()), Some(value));
        }
        assert_eq!(to_json(&Value::Null), None);
    }

    #[test]
    fn refuses_other_shapes() {
        let others =
            [json!(null), json!(1.5), json!([1]), json!({"id": "x"}), json!({"hex": "f"}), json!({"ms": 1, "id": ""})];
        for other in others {
            assert_eq!(from_json(&other), None, "{other}");
        }
    }
}
