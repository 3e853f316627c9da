//! From what a person typed, or a tool sent as JSON, to values: the forms people write are read, the problems are those
//! of [`check`](crate::check).
//!
//! ```
//! use lastmile_model::{Catalogue, Value, check::CheckContext, input::{self, Entered}};
//!
//! let (_, activity) = Catalogue::builtin().get("activity").expect("built in");
//! let ctx = CheckContext::new(lastmile_model::civil::parse_date("2026-11-23").expect("a date"));
//! let entered = input::enter(activity, "date", "２０２６年３月５日", &ctx).expect("a date");
//! assert_eq!(entered, [Entered::Set { key: "date".to_owned(), value: Value::from("2026-03-05") }]);
//! ```

mod dates;
mod json;
mod read;

use std::fmt;

use uuid::Uuid;

pub use dates::{read_date, read_month, read_time};
pub use json::enter_json;
pub use read::{half_width, read_element, read_value};

use crate::catalogue::{Field, FieldKind, Merge, RecordType};
use crate::check::CheckContext;
use crate::idnumber::IdNumber;
use crate::problem::{Fault, Problem};
use crate::{RecordId, Value, keys};

/// One thing that an entry does to a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// A key gets a value.
    Set {
        /// The document key.
        key: String,
        /// The value.
        value: Value,
    },
    /// A key is removed.
    Remove {
        /// The document key.
        key: String,
    },
    /// A text is to be sealed to the office and kept under the field's key; it must not be kept otherwise.
    Seal {
        /// The field.
        field: String,
        /// What to seal.
        plaintext: Plaintext,
    },
}

/// A text that nobody may read back; it debugs as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Plaintext(String);

impl Plaintext {
    /// Returns the text, for sealing alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An entry, sorted by what is to be done with each part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// Document keys and their values.
    pub values: Vec<(String, Value)>,
    /// Document keys to remove.
    pub removed: Vec<String>,
    /// Fields and what to seal for each.
    pub sealed: Vec<(String, Plaintext)>,
}

impl From<Vec<Entered>> for Entry {
    fn from(entered: Vec<Entered>) -> Self {
        let mut entry = Self::default();
        for one in entered {
            match one {
                Entered::Set { key, value } => entry.values.push((key, value)),
                Entered::Remove { key } => entry.removed.push(key),
                Entered::Seal { field, plaintext } => entry.sealed.push((field, plaintext)),
            }
        }
        entry
    }
}

/// Reads what was typed for one field; nothing typed clears it. Several elements of a set stand between commas.
///
/// # Errors
/// The [`Problem`] with the field or what was typed.
pub fn enter(
    record_type: &RecordType,
    name: &str,
    text: &str,
    ctx: &CheckContext<'_>,
) -> Result<Vec<Entered>, Problem> {
    let field = writable(record_type, name)?;
    let fault = |fault| Problem::of_field(record_type, field, fault);
    if field.merge == Merge::Set {
        return text
            .split([',', '，', '、', ';', '；', '|', '\n'])
            .filter(|element| !element.trim().is_empty())
            .map(|element| element_of(field, element, ctx).map_err(fault))
            .collect();
    }
    if text.trim().is_empty() {
        if field.required || field.merge == Merge::Immutable {
            return Err(fault(Fault::Missing));
        }
        let tail = field.tail.iter();
        return Ok(tail.chain([&field.name]).map(|name| Entered::Remove { key: name.clone() }).collect());
    }
    if field.kind == FieldKind::IdNumber {
        return id_number(field, text, ctx).map_err(fault);
    }
    let value = read_value(field, text, ctx).map_err(fault)?;
    Ok(vec![Entered::Set { key: field.name.clone(), value }])
}

/// Reads several fields, e.g. the `field=value` words of a command line.
///
/// # Errors
/// Every [`Problem`] found.
pub fn enter_all<'a>(
    record_type: &RecordType,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ctx: &CheckContext<'_>,
) -> Result<Vec<Entered>, Vec<Problem>> {
    let mut entered = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in pairs {
        match enter(record_type, name, text, ctx) {
            Ok(more) => merge(record_type, &mut entered, more, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(entered) } else { Err(problems) }
}

/// Reads one element to add to a set.
///
/// # Errors
/// The [`Problem`] with the field or the element.
pub fn add(record_type: &RecordType, name: &str, text: &str, ctx: &CheckContext<'_>) -> Result<Entered, Problem> {
    let field = set(record_type, name)?;
    element_of(field, text, ctx).map_err(|fault| Problem::of_field(record_type, field, fault))
}

/// Reads one element to remove from a set; one that cannot be read is removed as it is typed.
///
/// # Errors
/// The [`Problem`] with the field.
pub fn remove(record_type: &RecordType, name: &str, text: &str, ctx: &CheckContext<'_>) -> Result<Entered, Problem> {
    let field = set(record_type, name)?;
    let element = read_element(field, text, ctx).unwrap_or_else(|_| text.trim().to_owned());
    Ok(Entered::Remove { key: keys::element(&field.name, &element) })
}

/// Adds what record files assume for fields that nothing was said about.
pub fn with_defaults(record_type: &RecordType, entered: &mut Vec<Entered>, ctx: &CheckContext<'_>) {
    for field in &record_type.fields {
        let Some(default) = &field.default else { continue };
        let said = entered.iter().any(|one| match one {
            Entered::Set { key, .. } | Entered::Remove { key } | Entered::Seal { field: key, .. } => {
                key.split('/').next() == Some(&field.name)
            }
        });
        let Some(read) = (!said).then(|| enter(record_type, &field.name, default, ctx)) else { continue };
        entered.extend(read.unwrap_or_default());
    }
}

/// Reads an event of this kind: its parts as typed, `on` and others; returns document keys and values.
///
/// # Errors
/// Every [`Problem`] found; missing and surplus parts are found by validation.
pub fn event(
    record_type: &RecordType,
    kind: &str,
    parts: &[(&str, &str)],
    id: Uuid,
    at_ms: i64,
    by: Option<RecordId>,
    ctx: &CheckContext<'_>,
) -> Result<Vec<(String, Value)>, Vec<Problem>> {
    let Some((field, event)) = record_type.event(kind) else {
        return Err(vec![Problem::of_name(record_type, "ev", Fault::UnknownEvent)]);
    };
    let mut values = keys::event_values(id, kind, None, at_ms, by, &[]);
    let mut problems = Vec::new();
    for (name, text) in parts.iter().filter(|(_, text)| !text.trim().is_empty()) {
        let read = match event.parts.iter().find(|part| part.name == *name) {
            None => Err(Fault::UnknownPart),
            Some(part) => read::read_kind(&part.kind, &[], text, ctx),
        };
        match read {
            Ok(value) => values.push((keys::event(id, name), value)),
            Err(fault) => problems.push(Problem::of_field(record_type, field, fault)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

fn writable<'a>(record_type: &'a RecordType, name: &str) -> Result<&'a Field, Problem> {
    let (_, field) = record_type.field(name).ok_or_else(|| Problem::of_name(record_type, name, Fault::UnknownField))?;
    match field.merge {
        _ if field.common => Err(Problem::of_field(record_type, field, Fault::Computed)),
        Merge::Computed => Err(Problem::of_field(record_type, field, Fault::Computed)),
        Merge::Event => Err(Problem::of_field(record_type, field, Fault::UnknownEvent)),
        _ => Ok(field),
    }
}

fn set<'a>(record_type: &'a RecordType, name: &str) -> Result<&'a Field, Problem> {
    let field = writable(record_type, name)?;
    if field.merge == Merge::Set { Ok(field) } else { Err(Problem::of_field(record_type, field, Fault::NotSet)) }
}

fn element_of(field: &Field, text: &str, ctx: &CheckContext<'_>) -> Result<Entered, Fault> {
    let element = read_element(field, text, ctx)?;
    Ok(Entered::Set { key: keys::element(&field.name, &element), value: Value::Bool(true) })
}

/// The number goes in to be sealed, its last four characters to be read.
fn id_number(field: &Field, text: &str, ctx: &CheckContext<'_>) -> Result<Vec<Entered>, Fault> {
    let mut bare = half_width(text);
    bare.retain(|character| !character.is_whitespace());
    let id = IdNumber::parse(&bare, ctx.today).map_err(Fault::BadIdNumber)?;
    let tail = field.tail.iter().map(|tail| Entered::Set { key: tail.clone(), value: Value::from(id.last4()) });
    let sealed = Entered::Seal { field: field.name.clone(), plaintext: Plaintext(id.reveal().to_owned()) };
    Ok([sealed].into_iter().chain(tail).collect())
}

/// Adds what one field gave to what others gave; the same element twice is once, the same register twice a problem.
fn merge(record_type: &RecordType, all: &mut Vec<Entered>, more: Vec<Entered>, problems: &mut Vec<Problem>) {
    let name_of = |one: &Entered| match one {
        Entered::Set { key, .. } | Entered::Remove { key } | Entered::Seal { field: key, .. } => key.clone(),
    };
    for one in more {
        let key = name_of(&one);
        match all.iter().find(|earlier| name_of(earlier) == key) {
            None => all.push(one),
            Some(earlier) if *earlier == one => {}
            Some(_) => problems.push(match record_type.field(&key) {
                Some((_, field)) => Problem::of_field(record_type, field, Fault::Twice),
                None => Problem::of_name(record_type, &key, Fault::Twice),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
