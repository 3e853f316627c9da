//! What an app saves: edits that become one commit.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use lastmile_client::clock::civil_date;
use lastmile_client::{Clock as _, Draft, SystemClock};
use lastmile_model::check::CheckContext;
use lastmile_model::input::{self, Entered, Entry};
use lastmile_model::problem::{Fault, Problem};
use lastmile_model::{ChangeHash, Places, RecordType};
use lastmile_store::StoreError;
use uuid::Uuid;

use crate::LastmileError;
use crate::record::{RecordId, id_of};
use crate::value::{FieldValue, millis};

/// One part of an event, as people write it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EventPart {
    /// Its name, e.g. `why`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// An event of a record that is being made.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewEvent {
    /// Its kind, e.g. `register`.
    pub kind: String,
    /// Its parts.
    #[uniffi(default = [])]
    pub parts: Vec<EventPart>,
}

/// One edit. Several of them, given to one save, become one commit: everything of it is saved or nothing.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum RecordEdit {
    /// Makes a record. What the record type assumes for fields that are not named is added.
    Create {
        /// The type.
        record_type: String,
        /// Its id, from [`new_record_id`], so that other edits of the save can name it; `None` for a new one. Types whose ids follow from
        /// their fields take no other.
        id: Option<String>,
        /// The fields.
        fields: HashMap<String, FieldValue>,
        /// What happened to it at once.
        events: Vec<NewEvent>,
    },
    /// Changes fields of a record.
    Change {
        /// The type.
        record_type: String,
        /// The record.
        id: String,
        /// The fields; [`FieldValue::Empty`] clears one, [`FieldValue::Elements`] adds to a set.
        fields: HashMap<String, FieldValue>,
        /// Elements to take out of sets.
        removed: HashMap<String, Vec<String>>,
    },
    /// Adds an event, e.g. `submit`.
    Event {
        /// The type.
        record_type: String,
        /// The record.
        id: String,
        /// The event.
        event: NewEvent,
    },
    /// Decides what people entered differently: the value of one side is to stand.
    Decide {
        /// The type.
        record_type: String,
        /// The record.
        id: String,
        /// The field.
        field: String,
        /// The change that wrote the side, from [`Origin::change`](crate::Origin::change).
        change: String,
    },
}

/// How edits are saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
pub struct SaveOptions {
    /// The id of the person who acts.
    #[uniffi(default = None)]
    pub acting: Option<String>,
    /// When it is said to have been entered; now where there is none.
    #[uniffi(default = None)]
    pub at: Option<SystemTime>,
}

/// A new id for a record that is to be made.
#[uniffi::export]
#[must_use]
pub fn new_record_id() -> String {
    Uuid::now_v7().to_string()
}

/// Runs `work` with the rules for what is typed on this device.
fn with_context<T>(work: impl FnOnce(&CheckContext<'_>) -> T) -> T {
    work(&CheckContext::new(civil_date(SystemClock.now_ms())).with_places(Places::changsha()))
}

fn type_of(replica: &lastmile_client::Replica, name: &str) -> Result<RecordType, LastmileError> {
    let found = replica.catalogue().get(name).map(|(_, known)| known.clone());
    found.ok_or_else(|| StoreError::NoType { name: name.to_owned() }.into())
}

/// The fields in an order that is always the same, as they are entered.
fn entered(
    known: &RecordType,
    fields: &HashMap<String, FieldValue>,
    context: &CheckContext<'_>,
) -> Result<Vec<Entered>, Vec<Problem>> {
    let sorted: BTreeMap<&String, &FieldValue> = fields.iter().collect();
    let object = sorted.into_iter().map(|(name, value)| (name.clone(), value.entered())).collect();
    input::enter_json(known, &object, context)
}

fn taken_out(
    known: &RecordType,
    removed: &HashMap<String, Vec<String>>,
    context: &CheckContext<'_>,
) -> Result<Vec<Entered>, Vec<Problem>> {
    let sorted: BTreeMap<&String, &Vec<String>> = removed.iter().collect();
    let each = sorted.into_iter().flat_map(|(name, elements)| elements.iter().map(move |element| (name, element)));
    let read =
        each.map(|(name, element)| input::remove(known, name, element, context).map_err(|problem| vec![problem]));
    read.collect()
}

fn add_event(
    draft: &mut Draft<'_>,
    record_type: &str,
    id: lastmile_model::RecordId,
    event: &NewEvent,
) -> Result<(), LastmileError> {
    let parts: Vec<(&str, &str)> = event.parts.iter().map(|part| (part.name.as_str(), part.text.as_str())).collect();
    Ok(draft.event(record_type, id, &event.kind, &parts)?)
}

fn add(replica: &lastmile_client::Replica, draft: &mut Draft<'_>, edit: RecordEdit) -> Result<RecordId, LastmileError> {
    match edit {
        RecordEdit::Create { record_type, id, fields, events } => {
            let known = type_of(replica, &record_type)?;
            let values = with_context(|context| {
                let mut values = entered(&known, &fields, context)?;
                input::with_defaults(&known, &mut values, context);
                Ok::<_, Vec<Problem>>(values)
            })?;
            let given = id.as_deref().map(id_of).transpose()?;
            let id = draft.create_as(&record_type, Entry::from(values), given)?;
            for event in &events {
                add_event(draft, &record_type, id, event)?;
            }
            Ok(RecordId { record_type, id: id.to_string() })
        }
        RecordEdit::Change { record_type, id, fields, removed } => {
            let known = type_of(replica, &record_type)?;
            let values = with_context(|context| {
                let mut values = entered(&known, &fields, context)?;
                values.extend(taken_out(&known, &removed, context)?);
                Ok::<_, Vec<Problem>>(values)
            })?;
            draft.edit(&record_type, id_of(&id)?, Entry::from(values))?;
            Ok(RecordId { record_type, id })
        }
        RecordEdit::Event { record_type, id, event } => {
            add_event(draft, &record_type, id_of(&id)?, &event)?;
            Ok(RecordId { record_type, id })
        }
        RecordEdit::Decide { record_type, id, field, change } => {
            let known = type_of(replica, &record_type)?;
            let hash: ChangeHash = change.parse().map_err(|_| {
                let fault = Fault::WrongType { expected: "change of a side" };
                LastmileError::from(vec![Problem::of_name(&known, &field, fault)])
            })?;
            draft.settle(&record_type, id_of(&id)?, &field, &hash)?;
            Ok(RecordId { record_type, id })
        }
    }
}

/// Saves edits as one commit and returns the record of each, in their order.
pub(crate) fn save(
    replica: &lastmile_client::Replica,
    edits: Vec<RecordEdit>,
    options: &SaveOptions,
) -> Result<Vec<RecordId>, LastmileError> {
    let acting = options.acting.as_deref().map(id_of).transpose()?.map(|id| id.0);
    let mut draft = replica.draft(acting);
    if let Some(at) = options.at {
        draft = draft.at(millis(at));
    }
    let records = edits.into_iter().map(|edit| add(replica, &mut draft, edit)).collect::<Result<Vec<_>, _>>()?;
    draft.save()?;
    Ok(records)
}
