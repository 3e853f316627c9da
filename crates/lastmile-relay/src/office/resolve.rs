//! Deciding a conflict: an edit that supersedes every side, and an event where one vouches for the record.

use lastmile_crdt::{ConflictKind, Edit};
use lastmile_model::check::{CheckContext, validate_edit};
use lastmile_model::input::{Entered, enter};
use lastmile_model::states::Machine;
use lastmile_model::{Problem, RecordType, Scope, Value, keys};
use lastmile_store::{FullRecord, OpenConflict, RecordEvent};
use uuid::Uuid;

use super::find::text_of;
use super::{homes, note_of};
use crate::central::Central;
use crate::office::command::Decision;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// What is written for a decision.
struct Written {
    edits: Vec<Edit>,
}

impl Central {
    pub(super) fn resolve(
        &mut self,
        record_type: Option<&str>,
        id: Uuid,
        field: &str,
        decision: &Decision,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let named: Vec<&str> = record_type.into_iter().collect();
        if let Some(name) = record_type {
            self.record_type(name)?;
        }
        let (type_name, places) = self.find(id, &named)?;
        if type_name == "person" && field == homes::FIELD {
            return self.resolve_home(id, decision, reason);
        }
        let (scope, record, conflict) = self.open_conflict(&type_name, id, field, &places)?;
        let catalogue = std::sync::Arc::clone(&self.catalogue);
        let (_, of_type) =
            catalogue.get(&type_name).ok_or_else(|| OfficeError::NotFound { what: type_name.clone(), id })?;
        let written = match conflict.kind {
            ConflictKind::Transition => self.decide_transition(&record, &conflict, decision, reason)?,
            ConflictKind::Immutable => return Err(OfficeError::Fixed { field: field.to_owned() }.into()),
            ConflictKind::Sealed => return Err(OfficeError::ChooseASide { field: field.to_owned() }.into()),
            ConflictKind::Held | ConflictKind::Listed | ConflictKind::Correction => {
                self.decide_value(of_type, &scope, &record, &conflict, decision, reason)?
            }
        };
        let edit = self.edit(&type_name, record.id, false, written.edits)?;
        let note = note_of("resolve", reason);
        self.save_grouped(&note, vec![(scope.clone(), edit)])?;
        let after = self.full(&type_name, id, &scope)?;
        let shown = if field == "state" { after.state } else { after.values.get(field).map(text_of) };
        Ok(OfficeAnswer::Resolved { id, field: field.to_owned(), shown })
    }

    /// Finds the scope in which this field of the record is open; what a person must decide comes first.
    fn open_conflict(
        &mut self,
        type_name: &str,
        id: Uuid,
        field: &str,
        places: &[Scope],
    ) -> Result<(Scope, FullRecord, OpenConflict), RelayError> {
        let mut found: Option<(Scope, FullRecord, OpenConflict)> = None;
        for scope in places {
            let record = self.full(type_name, id, scope)?;
            let of_field = record.conflicts.iter().filter(|conflict| conflict.field == field);
            let Some(conflict) = of_field.max_by_key(|conflict| conflict.kind.is_held()).cloned() else { continue };
            if found.as_ref().is_none_or(|(_, _, known)| conflict.kind.is_held() && !known.kind.is_held()) {
                found = Some((scope.clone(), record, conflict));
            }
        }
        found.ok_or_else(|| OfficeError::NothingOpen { id, field: field.to_owned() }.into())
    }

    fn decide_value(
        &self,
        record_type: &RecordType,
        scope: &Scope,
        record: &FullRecord,
        conflict: &OpenConflict,
        decision: &Decision,
        reason: &str,
    ) -> Result<Written, RelayError> {
        let field = conflict.field.as_str();
        let value = match decision {
            Decision::Take(0) => conflict.shown.clone(),
            Decision::Take(number) => side(conflict, *number)?.value.clone(),
            Decision::Value(text) => self.read_value(record_type, scope, record, field, text)?,
        };
        let set = match &value {
            Some(value) => Edit::set(field, value.clone()),
            None => Edit::remove(field),
        };
        let mut edits = Vec::new();
        let machine = record_type.states.as_deref().and_then(Machine::named);
        let vouched = machine.and_then(|machine| {
            let stands = |kind: &&RecordEvent| {
                kind_of(kind).and_then(|kind| machine.transition(kind)).is_some_and(|t| t.vouches)
            };
            record.events.iter().rev().find(stands)
        });
        match (machine, vouched) {
            // A correction that is turned down leaves the verified value where it is.
            (Some(machine), Some(_))
                if conflict.kind == ConflictKind::Correction && value == conflict.shown && machine.knows("reject") =>
            {
                edits.extend(self.event("reject", None, reason, &[])?);
            }
            (Some(machine), Some(_)) if machine.knows("accept") => {
                edits.push(set);
                edits.extend(self.event("accept", None, reason, &[])?);
            }
            // Where the machine has no word for it, the event that vouched is said again.
            (Some(_), Some(event)) => {
                edits.push(set);
                let on = event.parts.get("on").and_then(Value::as_str);
                edits.extend(self.event(kind_of(event).unwrap_or("confirm"), on, reason, &[])?);
            }
            _ => edits.push(set),
        }
        Ok(Written { edits })
    }

    /// Reads a value as typed; an empty one removes it.
    fn read_value(
        &self,
        record_type: &RecordType,
        scope: &Scope,
        record: &FullRecord,
        field: &str,
        text: &str,
    ) -> Result<Option<Value>, RelayError> {
        let context = CheckContext::new(self.today()).in_scope(scope).by_office();
        let entered = enter(record_type, field, text, &context).map_err(|problem| refused(&[problem]))?;
        let [only] = entered.as_slice() else {
            return Err(OfficeError::ChooseASide { field: field.to_owned() }.into());
        };
        let before = |key: &str| record.values.get(key).cloned();
        let (values, removed) = match only {
            Entered::Set { key, value } => (vec![(key.clone(), value.clone())], Vec::new()),
            Entered::Remove { key } => (Vec::new(), vec![key.clone()]),
            Entered::Seal { .. } => return Err(OfficeError::ChooseASide { field: field.to_owned() }.into()),
        };
        validate_edit(record_type, &values, &removed, &before, &context).map_err(|problems| refused(&problems))?;
        Ok(values.into_iter().next().map(|(_, value)| value))
    }

    /// Says the chosen one of two opposed events again, by one who knows both.
    fn decide_transition(
        &self,
        record: &FullRecord,
        conflict: &OpenConflict,
        decision: &Decision,
        reason: &str,
    ) -> Result<Written, RelayError> {
        let wanted = match decision {
            Decision::Take(0) => conflict.shown.clone(),
            Decision::Take(number) => side(conflict, *number)?.value.clone(),
            Decision::Value(text) => Some(Value::from(text.trim())),
        };
        let wanted = wanted.as_ref().and_then(Value::as_str);
        let chosen = match decision {
            Decision::Take(number) if *number > 0 => Some(side(conflict, *number)?.origin.hash),
            _ => None,
        };
        let party =
            |event: &&RecordEvent| kind_of(event) == wanted && chosen.is_none_or(|hash| event.origin.hash == hash);
        let event = record.events.iter().rev().find(party);
        let event = event.ok_or_else(|| OfficeError::ChooseASide { field: conflict.field.clone() })?;
        let on = event.parts.get("on").and_then(Value::as_str);
        let parts: Vec<(&str, Value)> = event
            .parts
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "kind" | "on" | "at" | "by" | "why"))
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        Ok(Written { edits: self.event(kind_of(event).unwrap_or_default(), on, reason, &parts)? })
    }

    /// The edits of a new event of the office's.
    pub(super) fn event(
        &self,
        kind: &str,
        on: Option<&str>,
        why: &str,
        parts: &[(&str, Value)],
    ) -> Result<Vec<Edit>, RelayError> {
        let mut all = parts.to_vec();
        if !why.is_empty() {
            all.push(("why", Value::from(why)));
        }
        let values = keys::event_values(self.new_id()?, kind, on, self.now_ms(), None, &all);
        Ok(values.into_iter().map(|(key, value)| Edit::set(key, value)).collect())
    }
}

fn kind_of(event: &RecordEvent) -> Option<&str> {
    event.parts.get("kind").and_then(Value::as_str)
}

fn side(conflict: &OpenConflict, number: usize) -> Result<&lastmile_store::Side, OfficeError> {
    let sides = conflict.sides.len();
    let place = number.checked_sub(1);
    place.and_then(|place| conflict.sides.get(place)).ok_or(OfficeError::NoSuchSide { number, sides })
}

fn refused(problems: &[Problem]) -> OfficeError {
    let text = problems.iter().map(Problem::en).collect::<Vec<_>>().join("; ");
    OfficeError::BadValue { text, zh: problems.iter().map(Problem::zh).collect::<Vec<_>>().join("；") }
}
