//! Ids that follow from what a record is about, so that two devices that record one fact offline make one record.
//!
//! The id is a UUIDv5 in [`NAMESPACE`]. Its name is the record type's name, a zero byte, then for each field a kind byte
//! (1 bytes, 2 integer, 3 text), the length as two big-endian bytes, and the bytes themselves; integers are eight
//! big-endian bytes. The form never changes: golden vectors in the tests hold it.

use uuid::{Uuid, uuid};

use crate::{RecordId, Value};

/// The namespace of every derived id.
pub const NAMESPACE: Uuid = uuid!("731f6f20-6c9b-4fb2-baf8-dcf8a8f79a67");

/// Derives the id of a record of this type from the values of the fields that enter it.
///
/// Returns `None` for values that are neither bytes, text nor an integer, or longer than 65,535 bytes.
#[must_use]
pub fn record_id(record_type: &str, values: &[&Value]) -> Option<RecordId> {
    let mut name = Vec::with_capacity(record_type.len() + 1 + values.len() * 19);
    name.extend_from_slice(record_type.as_bytes());
    name.push(0);
    for value in values {
        match value {
            Value::Bytes(bytes) => push(&mut name, 1, bytes)?,
            Value::Int(number) => push(&mut name, 2, &number.to_be_bytes())?,
            Value::Str(text) => push(&mut name, 3, text.as_bytes())?,
            _ => return None,
        }
    }
    Some(RecordId(Uuid::new_v5(&NAMESPACE, &name)))
}

fn push(name: &mut Vec<u8>, kind: u8, bytes: &[u8]) -> Option<()> {
    name.push(kind);
    name.extend_from_slice(&u16::try_from(bytes.len()).ok()?.to_be_bytes());
    name.extend_from_slice(bytes);
    Some(())
}

/// Derives the id of one person's participation in one activity.
#[must_use]
pub fn participation(activity: RecordId, person: RecordId) -> RecordId {
    two("participation", activity.as_bytes(), 1, person.as_bytes())
}

/// Derives the id of one person's check-in with the community of this place code.
#[must_use]
pub fn check_in(person: RecordId, community: &str) -> RecordId {
    two("check_in", person.as_bytes(), 3, community.as_bytes())
}

/// Derives the id of the place with this code.
#[must_use]
pub fn place(code: &str) -> RecordId {
    let mut name = b"place\0".to_vec();
    fixed(&mut name, 3, code.as_bytes());
    RecordId(Uuid::new_v5(&NAMESPACE, &name))
}

/// Derives the id of one person's tally of one year.
#[must_use]
pub fn tally(person: RecordId, year: i64) -> RecordId {
    two("tally", person.as_bytes(), 2, &year.to_be_bytes())
}

fn two(record_type: &str, first: &[u8; 16], kind: u8, second: &[u8]) -> RecordId {
    let mut name = Vec::with_capacity(64);
    name.extend_from_slice(record_type.as_bytes());
    name.push(0);
    fixed(&mut name, 1, first);
    fixed(&mut name, kind, second);
    RecordId(Uuid::new_v5(&NAMESPACE, &name))
}

/// Appends a piece, cut to the longest that the form can say: longer ones are no field of any type.
fn fixed(name: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    // The cut above makes the push succeed.
    let _ = push(name, kind, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> RecordId {
        RecordId::from_bytes([byte; 16])
    }

    #[test]
    fn golden_vectors() {
        // A changed line here breaks every record already written: never update, only add.
        assert_eq!(participation(id(1), id(2)).to_string(), "15202221-dfaf-5640-b339-5ea3cc7ecd20");
        assert_eq!(check_in(id(2), "430103005010").to_string(), "578e996d-b329-5da4-bf63-6315181c7513");
        assert_eq!(place("430103005010").to_string(), "3a32b54e-42df-5717-9cec-44d7a82b0285");
        assert_eq!(tally(id(2), 2026).to_string(), "623f7a1b-2b9c-5c97-aabc-681f94313065");
        let verdict = [&Value::Bytes(vec![7; 16]), &Value::Int(3), &Value::Int(9), &Value::Bytes(vec![8; 32])];
        assert_eq!(record_id("verdict", &verdict).unwrap().to_string(), "d0f6515d-a35c-5ac4-85da-fba50f7a3fe2");
    }

    #[test]
    fn the_general_form_agrees_with_the_named_ones() {
        let person = Value::reference(id(2));
        assert_eq!(
            record_id("check_in", &[&person, &Value::from("430103005010")]),
            Some(check_in(id(2), "430103005010"))
        );
        assert_eq!(record_id("participation", &[&Value::reference(id(1)), &person]), Some(participation(id(1), id(2))));
        assert_eq!(record_id("place", &[&Value::from("4301")]), Some(place("4301")));
        assert_eq!(record_id("tally", &[&person, &Value::Int(2026)]), Some(tally(id(2), 2026)));
    }

    #[test]
    fn type_order_and_kind_all_matter() {
        assert_ne!(participation(id(1), id(2)), participation(id(2), id(1)));
        assert_ne!(record_id("a", &[&Value::Int(1)]), record_id("b", &[&Value::Int(1)]));
        assert_ne!(record_id("a", &[&Value::from("1")]), record_id("a", &[&Value::Bytes(b"1".to_vec())]));
        assert_ne!(
            record_id("a", &[&Value::from("12"), &Value::from("3")]),
            record_id("a", &[&Value::from("1"), &Value::from("23")])
        );
        assert_eq!(record_id("a", &[&Value::Bool(true)]), None);
        assert_eq!(record_id("a", &[&Value::from("x".repeat(70_000))]), None);
    }
}
