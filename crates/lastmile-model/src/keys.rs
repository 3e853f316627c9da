//! The keys of a record's document: plain fields, set elements and parts of events.

use uuid::Uuid;

use crate::{RecordId, Value};

/// What a key of the document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// A field that holds one value.
    Field(&'a str),
    /// `field/element`: one element of a set.
    Element(&'a str, &'a str),
    /// `ev/<32 hexadecimal digits>/<part>`: one part of an event.
    Event(Uuid, &'a str),
}

impl<'a> Key<'a> {
    /// Reads a key; `None` for one that begins as an event's and is none.
    #[must_use]
    pub fn parse(key: &'a str) -> Option<Self> {
        let Some((head, rest)) = key.split_once('/') else { return Some(Self::Field(key)) };
        if head != "ev" {
            return Some(Self::Element(head, rest));
        }
        let (id, part) = rest.split_once('/')?;
        let plain = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !plain || part.is_empty() {
            return None;
        }
        Some(Self::Event(Uuid::try_parse_ascii(id.as_bytes()).ok()?, part))
    }
}

/// Builds the key of a set's element.
#[must_use]
pub fn element(field: &str, element: &str) -> String {
    let mut key = String::with_capacity(field.len() + 1 + element.len());
    key.push_str(field);
    key.push('/');
    key.push_str(element);
    key
}

/// Builds the key of an event's part.
#[must_use]
pub fn event(id: Uuid, part: &str) -> String {
    let mut key = String::with_capacity(36 + part.len());
    key.push_str("ev/");
    key.push_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
    key.push('/');
    key.push_str(part);
    key
}

/// Builds the element that stands for a reference: 32 lower-case hexadecimal digits.
#[must_use]
pub fn reference_element(id: RecordId) -> String {
    id.0.simple().to_string()
}

/// Builds the element that stands for raw bytes: lower-case hexadecimal digits.
#[must_use]
pub fn bytes_element(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads the reference that an element stands for.
#[must_use]
pub fn element_reference(element: &str) -> Option<RecordId> {
    let plain = element.len() == 32 && element.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if plain { Uuid::try_parse_ascii(element.as_bytes()).ok().map(RecordId) } else { None }
}

/// Builds the keys and values of one event: its kind, the civil date, the instant, the acting person and further parts.
#[must_use]
pub fn event_values(
    id: Uuid,
    kind: &str,
    on: Option<&str>,
    at_ms: i64,
    by: Option<RecordId>,
    parts: &[(&str, Value)],
) -> Vec<(String, Value)> {
    let mut values = vec![(event(id, "kind"), Value::from(kind))];
    if let Some(on) = on {
        values.push((event(id, "on"), Value::from(on)));
    }
    values.push((event(id, "at"), Value::Timestamp(at_ms)));
    if let Some(by) = by {
        values.push((event(id, "by"), Value::reference(by)));
    }
    values.extend(parts.iter().map(|(name, value)| (event(id, name), value.clone())));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_builds() {
        let id = Uuid::from_bytes([0xab; 16]);
        assert_eq!(Key::parse("title"), Some(Key::Field("title")));
        assert_eq!(Key::parse(&element("tags", "环保/水")), Some(Key::Element("tags", "环保/水")));
        assert_eq!(Key::parse(&event(id, "kind")), Some(Key::Event(id, "kind")));
        assert_eq!(element_reference(&reference_element(RecordId(id))), Some(RecordId(id)));
        assert_eq!(bytes_element(&[0, 255]), "00ff");
    }

    #[test]
    fn refuses_what_only_looks_like_an_event() {
        let upper = format!("ev/{}/kind", "AB".repeat(16));
        for key in
            ["ev/x/kind", "ev/", &upper, "ev/abababababababababababababababab", "ev/abababababababababababababababab/"]
        {
            assert_eq!(Key::parse(key), None, "{key}");
        }
        assert_eq!(element_reference("AB"), None);
    }
}
