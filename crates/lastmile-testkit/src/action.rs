//! What the generators produce: saves, in the words of the record catalogue.

use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Scope, Value};
use uuid::Uuid;

/// Whether an edit begins a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    /// The first change of the record on this device.
    Create,
    /// A later change.
    Edit,
}

/// What one save says about one record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordEdit {
    /// The record type, e.g. `check_in`.
    pub record_type: &'static str,
    /// The record; derived ids are derived already.
    pub record: RecordId,
    /// Whether the record begins here.
    pub kind: EditKind,
    /// Document keys with their values, in order. The common fields are missing: whoever saves adds them. An id number
    /// stands as plain text under `id_no`: whoever saves seals it.
    pub values: Vec<(String, Value)>,
}

impl RecordEdit {
    /// Begins a record.
    pub(crate) fn create(record_type: &'static str, record: RecordId) -> Self {
        Self { record_type, record, kind: EditKind::Create, values: Vec::with_capacity(16) }
    }

    /// Edits a record.
    pub(crate) fn edit(record_type: &'static str, record: RecordId) -> Self {
        Self { record_type, record, kind: EditKind::Edit, values: Vec::with_capacity(4) }
    }

    /// The same edit with one more value.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// The same edit with one more event.
    pub(crate) fn with_event(mut self, event: &Event<'_>) -> Self {
        let reason = event.why.map(|why| ("why", Value::from(why)));
        let parts: Vec<(&str, Value)> = reason.into_iter().chain(event.part.clone()).collect();
        let by = Some(event.by);
        self.values.extend(lastmile_model::keys::event_values(event.id, event.kind, event.on, event.at_ms, by, &parts));
        self
    }

    /// Adds a value.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.values.push((key.to_owned(), value.into()));
    }

    /// Adds an element to a set.
    pub(crate) fn add(&mut self, field: &str, element: &str) {
        self.values.push((lastmile_model::keys::element(field, element), Value::Bool(true)));
    }
}

/// One event of a record, before it becomes keys.
#[derive(Debug, Clone)]
pub(crate) struct Event<'a> {
    pub(crate) id: Uuid,
    pub(crate) kind: &'static str,
    pub(crate) on: Option<&'a str>,
    pub(crate) at_ms: i64,
    pub(crate) by: RecordId,
    pub(crate) why: Option<&'a str>,
    pub(crate) part: Option<(&'static str, Value)>,
}

/// One save by one person: one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The wall clock as the device claims it, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// The acting person.
    pub by: RecordId,
    /// 0: while no device of the scope has met another. 1: after every device of the scope has taken what all of them
    /// recorded in wave 0, and again while none meets another.
    pub wave: u8,
    /// The device of the community, if it is another one, whose records of wave 0 this save speaks of: without that
    /// device there would be no such save.
    pub needs: Option<u8>,
    /// What it says, at most [`MAX_EDITS`](Self::MAX_EDITS) records.
    pub edits: Vec<RecordEdit>,
}

impl Action {
    /// The most records that one save of the generators touches.
    pub const MAX_EDITS: usize = 20;
}

/// Someone who works on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The person's record.
    pub person: RecordId,
    /// The name.
    pub name: String,
    /// The role that the person's certificate names.
    pub role: Role,
}

/// What one device records, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceWork {
    /// The device's name, unique in the data set, e.g. `430103005010-1`.
    pub label: String,
    /// The scope of everything it records.
    pub scope: Scope,
    /// Those who work on it.
    pub users: Vec<User>,
    /// How far its clock is ahead, in milliseconds; its actions claim the wrong time already.
    pub skew_ms: i64,
    /// For how many days up to the end it has met nobody; such a device should be the last to sync.
    pub silent_days: u16,
    /// Its saves, wave 0 before wave 1, each wave by the claimed clock.
    pub actions: Vec<Action>,
}
