//! The values of fields, as apps give and get them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lastmile_model::{Field, FieldKind, Merge, RecordId, Value};
use lastmile_store::storage::Cell;
use serde_json::{Value as Json, json};

/// The value of one field.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum FieldValue {
    /// Nothing; given to a save it clears the field.
    Empty,
    /// A text: also a date as `2026-03-05`, a month as `1980-05`, a time as `09:30`, a place code, a choice's code, an id number to be
    /// sealed. Given to a save it may be written as people write it.
    Text {
        /// The text.
        value: String,
    },
    /// A whole number.
    Number {
        /// The number.
        value: i64,
    },
    /// Yes or no.
    Flag {
        /// Which.
        value: bool,
    },
    /// Another record.
    Reference {
        /// Its id.
        id: String,
    },
    /// The elements of a set, sorted; given to a save they are added to those that are there.
    Elements {
        /// The elements, references by their ids.
        values: Vec<String>,
    },
    /// A point in time. Never given to a save.
    Instant {
        /// When.
        at: SystemTime,
    },
    /// Bytes, e.g. a hash.
    Bytes {
        /// The bytes.
        value: Vec<u8>,
    },
    /// Something is there that only the office can read. Never given to a save.
    Sealed,
    /// Something that this version does not know. Never given to a save.
    Unknown,
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a string does not fail
    }
    text
}

/// The first and last millisecond of the years 1 to 9999. A device may claim any time, and not every language's can hold it.
const YEARS: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);

/// A point in time from milliseconds since 1970.
pub(crate) fn instant(ms: i64) -> SystemTime {
    let ms = ms.clamp(YEARS.0, YEARS.1);
    let length = Duration::from_millis(ms.unsigned_abs());
    let at = if ms < 0 { UNIX_EPOCH.checked_sub(length) } else { UNIX_EPOCH.checked_add(length) };
    at.unwrap_or(UNIX_EPOCH)
}

/// Milliseconds since 1970 of a point in time.
pub(crate) fn millis(at: SystemTime) -> i64 {
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    at.duration_since(UNIX_EPOCH).map_or_else(|before| -ms(before.duration()), ms)
}

fn bytes_value(bytes: &[u8], field: Option<&Field>) -> FieldValue {
    match field.map(|field| &field.kind) {
        Some(FieldKind::IdNumber) => FieldValue::Sealed,
        Some(FieldKind::Bytes { .. }) => FieldValue::Bytes { value: bytes.to_vec() },
        _ => match <[u8; 16]>::try_from(bytes) {
            Ok(id) => FieldValue::Reference { id: RecordId::from_bytes(id).to_string() },
            Err(_) => FieldValue::Bytes { value: bytes.to_vec() },
        },
    }
}

impl FieldValue {
    /// A value of a record.
    pub(crate) fn of_value(value: &Value, field: Option<&Field>) -> Self {
        match value {
            Value::Null => Self::Empty,
            Value::Bool(value) => Self::Flag { value: *value },
            Value::Int(value) => Self::Number { value: *value },
            Value::Str(value) => Self::Text { value: value.clone() },
            Value::Timestamp(ms) => Self::Instant { at: instant(*ms) },
            Value::Bytes(bytes) => bytes_value(bytes, field),
            Value::Uint(_) | Value::F64(_) | Value::Counter(_) | Value::Unknown { .. } => Self::Unknown,
        }
    }

    /// A cell of a list.
    pub(crate) fn of_cell(cell: &Cell<'_>, field: Option<&Field>) -> Self {
        let kind = field.map(|field| &field.kind);
        match cell {
            Cell::Null => Self::Empty,
            Cell::Int(number) if kind == Some(&FieldKind::Bool) => Self::Flag { value: *number != 0 },
            Cell::Int(ms) if kind == Some(&FieldKind::Instant) => Self::Instant { at: instant(*ms) },
            Cell::Int(number) => Self::Number { value: *number },
            Cell::Text(text) if field.is_some_and(|field| field.merge == Merge::Set) => {
                serde_json::from_str(text).map_or(Self::Unknown, |values| Self::Elements { values })
            }
            Cell::Text(text) => Self::Text { value: text.to_string() },
            Cell::Blob(bytes) => bytes_value(bytes, field),
        }
    }

    /// The value as it is entered. What cannot be entered is of a shape that no field takes.
    pub(crate) fn entered(&self) -> Json {
        match self {
            Self::Empty => Json::Null,
            Self::Text { value } => json!(value),
            Self::Number { value } => json!(value),
            Self::Flag { value } => json!(value),
            Self::Reference { id } => json!(id),
            Self::Elements { values } => json!(values),
            Self::Bytes { value } => json!(hex(value)),
            Self::Instant { .. } | Self::Sealed | Self::Unknown => json!({}),
        }
    }

    /// The value as a list is asked for it.
    pub(crate) fn cell(&self) -> Cell<'static> {
        match self {
            Self::Empty | Self::Sealed | Self::Unknown | Self::Elements { .. } => Cell::Null,
            Self::Text { value } => Cell::Text(value.clone().into()),
            Self::Number { value } => Cell::Int(*value),
            Self::Flag { value } => Cell::Int(i64::from(*value)),
            Self::Reference { id } => match id.parse::<RecordId>() {
                Ok(id) => Cell::Blob(id.as_bytes().to_vec().into()),
                Err(_) => Cell::Null,
            },
            Self::Instant { at } => Cell::Int(millis(*at)),
            Self::Bytes { value } => Cell::Blob(value.clone().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_keep_their_milliseconds() {
        for ms in [0, 1, -1, 1_741_150_800_123, -1_741_150_800_123] {
            assert_eq!(millis(instant(ms)), ms);
        }
        assert_eq!((millis(instant(i64::MIN)), millis(instant(i64::MAX))), YEARS);
    }

    #[test]
    fn cells_are_read_by_their_fields() {
        let catalogue = lastmile_model::Catalogue::builtin();
        let field = |of: &str, name: &str| catalogue.get(of).unwrap().1.field(name).unwrap().1.clone();
        let set = field("activity", "tags");
        let read = FieldValue::of_cell(&Cell::Text(r#"["环保"]"#.into()), Some(&set));
        assert_eq!(read, FieldValue::Elements { values: vec!["环保".to_owned()] });
        let flag = field("participation", "attended");
        assert_eq!(FieldValue::of_cell(&Cell::Int(1), Some(&flag)), FieldValue::Flag { value: true });
        let sealed = field("person", "id_no");
        assert_eq!(FieldValue::of_cell(&Cell::Blob(vec![1; 80].into()), Some(&sealed)), FieldValue::Sealed);
        let person = field("participation", "person");
        let id = RecordId::from_bytes([7; 16]).to_string();
        let cell = FieldValue::Reference { id: id.clone() }.cell();
        assert_eq!(FieldValue::of_cell(&cell, Some(&person)), FieldValue::Reference { id });
    }
}
