//! Records as apps see them.

use std::collections::HashMap;
use std::time::SystemTime;

use lastmile_model::{Field, RecordType};
use lastmile_store::{FullRecord, OpenConflict, RecordEvent, Side};

use crate::LastmileError;
use crate::value::{FieldValue, instant};

/// A record's type and id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct RecordId {
    /// The type, e.g. `activity`.
    pub record_type: String,
    /// The id.
    pub id: String,
}

/// Who wrote something, and when as claimed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Origin {
    /// The device, in hexadecimal digits.
    pub author: String,
    /// The person who acted.
    pub acting: Option<String>,
    /// When, by the device's clock.
    pub at: SystemTime,
    /// The change's hash, in hexadecimal digits.
    pub change: String,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EventRecord {
    /// Its id.
    pub id: String,
    /// Its kind, e.g. `submit`; empty where it says none.
    pub kind: String,
    /// Its parts, `kind` among them.
    pub parts: HashMap<String, FieldValue>,
    /// Who wrote it.
    pub origin: Origin,
}

/// What is to be done about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ConflictKind {
    /// The newest shows, the others are in the history; nobody has to do anything.
    Listed,
    /// A field that cannot change was written differently; the first shows and stays.
    Immutable,
    /// Only the office can tell whether what was sealed differs.
    Sealed,
    /// A person decides, by [`RecordEdit::Decide`](crate::RecordEdit::Decide).
    Undecided,
    /// A verified value was edited; a person accepts or rejects it, by the event `accept` or `reject`.
    Correction,
    /// Steps that exclude each other; a person decides by the event that holds.
    Steps,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ConflictSide {
    /// The value; [`FieldValue::Empty`] where it was removed.
    pub value: FieldValue,
    /// Who wrote it.
    pub origin: Origin,
}

/// Values or steps that do not agree.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Conflict {
    /// The field, or `state`.
    pub field: String,
    /// What is to be done about it.
    pub kind: ConflictKind,
    /// The sides.
    pub sides: Vec<ConflictSide>,
    /// What shows meanwhile.
    pub shown: FieldValue,
    /// What showed before the sides parted.
    pub base: FieldValue,
}

/// A record with everything known about it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct StoredRecord {
    /// The type.
    pub record_type: String,
    /// The id.
    pub id: String,
    /// The scope it lives in, e.g. `community:430103005010`.
    pub scope: String,
    /// The state, of types that have one.
    pub state: Option<String>,
    /// What each field shows; sets are [`FieldValue::Elements`].
    pub fields: HashMap<String, FieldValue>,
    /// The events, causes before effects.
    pub events: Vec<EventRecord>,
    /// What people entered differently.
    pub conflicts: Vec<Conflict>,
}

/// Reads an id that an app gave.
pub(crate) fn id_of(text: &str) -> Result<lastmile_model::RecordId, LastmileError> {
    let wrong = |_| LastmileError::argument("id", "bad_reference", "不是记录的编号", "this is not the id of a record");
    text.parse().map_err(wrong)
}

fn origin(from: &lastmile_store::Origin) -> Origin {
    Origin {
        author: from.author.to_string(),
        acting: from.acting.map(|person| person.to_string()),
        at: instant(from.wall_ms),
        change: from.hash.to_string(),
    }
}

fn event(from: &RecordEvent) -> EventRecord {
    let kind = from.parts.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
    let parts = from.parts.iter().map(|(name, value)| (name.clone(), FieldValue::of_value(value, None)));
    EventRecord { id: from.id.to_string(), kind, parts: parts.collect(), origin: origin(&from.origin) }
}

const fn conflict_kind(kind: lastmile_crdt::ConflictKind) -> ConflictKind {
    match kind {
        lastmile_crdt::ConflictKind::Immutable => ConflictKind::Immutable,
        lastmile_crdt::ConflictKind::Listed => ConflictKind::Listed,
        lastmile_crdt::ConflictKind::Sealed => ConflictKind::Sealed,
        lastmile_crdt::ConflictKind::Held => ConflictKind::Undecided,
        lastmile_crdt::ConflictKind::Correction => ConflictKind::Correction,
        lastmile_crdt::ConflictKind::Transition => ConflictKind::Steps,
    }
}

fn conflict(from: &OpenConflict, field: Option<&Field>) -> Conflict {
    let value = |value: Option<&lastmile_model::Value>| {
        value.map_or(FieldValue::Empty, |value| FieldValue::of_value(value, field))
    };
    let side = |from: &Side| ConflictSide { value: value(from.value.as_ref()), origin: origin(&from.origin) };
    Conflict {
        field: from.field.clone(),
        kind: conflict_kind(from.kind),
        sides: from.sides.iter().map(side).collect(),
        shown: value(from.shown.as_ref()),
        base: value(from.base.as_ref()),
    }
}

/// A record for an app.
pub(crate) fn stored(from: &FullRecord, record_type: Option<&RecordType>) -> StoredRecord {
    let field = |name: &str| record_type.and_then(|known| known.field(name)).map(|(_, field)| field);
    let values = from.values.iter().map(|(name, value)| (name.clone(), FieldValue::of_value(value, field(name))));
    let elements = |elements: &std::collections::BTreeSet<String>| FieldValue::Elements {
        values: elements.iter().cloned().collect(),
    };
    let sets = from.sets.iter().map(|(name, held)| (name.clone(), elements(held)));
    StoredRecord {
        record_type: from.record_type.clone(),
        id: from.id.to_string(),
        scope: from.scope.to_string(),
        state: from.state.clone(),
        fields: values.chain(sets).collect(),
        events: from.events.iter().map(event).collect(),
        conflicts: from.conflicts.iter().map(|one| conflict(one, field(&one.field))).collect(),
    }
}
