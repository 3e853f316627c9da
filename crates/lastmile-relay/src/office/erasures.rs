//! Erasing what records say of people, and keeping what counts need.

use std::collections::BTreeSet;

use lastmile_crdt::Edit;
use lastmile_model::{ChangeHash, RecordId, RecordType, Scope, Value, derive, keys, planted};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{Erasure, FullRecord};
use uuid::Uuid;

use super::note_of;
use crate::central::Central;
use crate::register::Registered;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// Parts of an event that an erasure says again: what it was, and when. Who acted and why may name people.
const KEPT_PARTS: [&str; 4] = ["kind", "on", "at", "move"];

/// The most changes that one commit of an order names.
const NAMED: usize = 200;

impl Central {
    /// Erases a record wherever it stands, and with a person every record that is read as the same one and the check-ins that say where
    /// the person lives.
    pub(super) fn erase(
        &mut self,
        record_type: Option<&str>,
        id: Uuid,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let record_type = match record_type {
            Some(name) => name.to_owned(),
            None => "person".to_owned(),
        };
        let known = self.catalogue.get(&record_type).filter(|(_, known)| !known.office_only);
        if known.is_none() {
            let types =
                self.catalogue.types().iter().filter(|known| !known.office_only).map(|known| known.name.as_str());
            return Err(OfficeError::BadType { name: record_type, known: types.collect::<Vec<_>>().join(", ") }.into());
        }
        let mut parts: BTreeSet<(Scope, String, RecordId)> = BTreeSet::new();
        let is_person = record_type == "person";
        // A catalogue of another kind may have no links.
        let linked = is_person && self.catalogue.get("merge_link").is_some() && !planted!("erasure-unlinked");
        let same = if linked { self.links()?.records_of(RecordId(id)) } else { BTreeSet::from([RecordId(id)]) };
        for of in same {
            let mut places = self.places_of(&record_type, of)?;
            // What is out of sight may be released.
            if !planted!("erasure-in-sight") {
                places.extend(self.store.hidden_places(&record_type, of)?);
            }
            parts.extend(places.into_iter().map(|scope| (scope, record_type.clone(), of)));
            if is_person {
                let check_ins = self.check_ins_of(of)?.into_iter();
                parts.extend(check_ins.map(|(scope, of)| (scope, "check_in".to_owned(), of)));
            }
        }
        for (_, _, of) in parts.clone() {
            let attached = self.attachments_of(of)?.into_iter();
            parts.extend(attached.map(|(scope, record)| (scope, "attachment".to_owned(), record)));
        }
        if parts.is_empty() {
            return Err(OfficeError::NotFound { what: record_type, id }.into());
        }
        let at_ms = self.now_ms();
        let mut registered: Vec<Registered> = Vec::with_capacity(parts.len());
        for (scope, record_type, record) in &parts {
            let named = self.names_of(scope, record_type, *record)?;
            registered.push(Registered::Erased {
                at_ms,
                scope: scope.to_string(),
                record_type: record_type.clone(),
                record: record.0,
                changes: named.iter().map(ToString::to_string).collect(),
            });
        }
        self.register(&registered)?;
        for (scope, record_type, record) in &parts {
            self.erase_in(scope, record_type, record.0, BTreeSet::new(), reason)?;
        }
        self.note_register()?;
        tracing::info!(parts = parts.len(), "a record was erased");
        let records =
            parts.iter().map(|(scope, record_type, record)| (scope.to_string(), record_type.clone(), record.0));
        Ok(OfficeAnswer::Erased { records: records.collect() })
    }

    fn check_ins_of(&mut self, person: RecordId) -> Result<Vec<(Scope, RecordId)>, RelayError> {
        self.referring("check_in", "person", person)
    }

    /// What is attached to a record; a catalogue of another kind may have no attachments.
    fn attachments_of(&mut self, record: RecordId) -> Result<Vec<(Scope, RecordId)>, RelayError> {
        if self.catalogue.get("attachment").is_none() {
            return Ok(Vec::new());
        }
        self.referring("attachment", "record", record)
    }

    /// The records of a type whose field refers to a record, with their scopes, those out of sight among them.
    fn referring(
        &mut self,
        record_type: &str,
        field: &str,
        record: RecordId,
    ) -> Result<Vec<(Scope, RecordId)>, RelayError> {
        let scopes = self.scope_map()?;
        let query = Query::new(self.reader.type_no(record_type)?, &[]).filter(
            field,
            Test::Is,
            Cell::Blob(record.as_bytes().to_vec().into()),
        );
        let rows = self.reader.rows(&query)?;
        let shown = rows.into_iter().filter_map(|row| Some((scopes.get(&row.scope)?.clone(), row.id)));
        let mut found: Vec<(Scope, RecordId)> = shown.collect();
        for (scope, id) in self.store.hidden_referring(record_type, field, record)? {
            // What shows there shows to whom it belongs: a change that is held back does not make it somebody else's.
            if !self.places_of(record_type, id)?.contains(&scope) {
                found.push((scope, id));
            }
        }
        Ok(found)
    }

    /// The office's changes of a record that an order names: all but what erasing said anew.
    fn names_of(
        &mut self,
        scope: &Scope,
        record_type: &str,
        record: RecordId,
    ) -> Result<BTreeSet<ChangeHash>, RelayError> {
        let by_erasing =
            |note: &[u8]| serde_json::from_slice::<serde_json::Value>(note).is_ok_and(|note| is_erasing(&note));
        let changes = self.store.office_changes(scope, record_type, record)?;
        Ok(changes.into_iter().filter(|(_, note)| !by_erasing(note)).map(|(hash, _)| hash).collect())
    }

    /// Erases a record in one scope and writes the order for everybody who holds it, or names more in the order that stands there:
    /// changes of the office's named here, and those that came since. Repeating it is harmless.
    pub(crate) fn erase_in(
        &mut self,
        scope: &Scope,
        record_type: &str,
        record: Uuid,
        named: BTreeSet<ChangeHash>,
        reason: &str,
    ) -> Result<(), RelayError> {
        // Whatever becomes of the rest; what is removed is looked for once this turn is over.
        self.files.wake();
        self.hold(scope)?;
        let id = RecordId(record);
        let catalogue = std::sync::Arc::clone(&self.catalogue);
        let Some((_, known)) = catalogue.get(record_type) else { return Ok(()) };
        let kept = match self.reader.record(record_type, id, Some(scope)) {
            Ok(full) => kept_of(known, &full),
            Err(lastmile_store::StoreError::NoRecord { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let order = derive::record_id("erasure", &[&Value::Bytes(id.as_bytes().to_vec())])
            .ok_or_else(|| OfficeError::Failed { text: "the order's id cannot be derived".to_owned() })?;
        let type_no = self.reader.type_no("erasure")?;
        let held = self.store.hold_scope(scope)?;
        let stands = self.reader.heads(type_no, order)?.iter().any(|(of, _)| *of == held);
        let mut changes = named;
        changes.extend(self.names_of(scope, record_type, id)?);
        let mut edits = Vec::new();
        if stands {
            let before = self.reader.record("erasure", order, Some(scope))?;
            let before: BTreeSet<&String> = before.sets.get("changes").into_iter().flatten().collect();
            changes.retain(|hash| !before.contains(&hash.to_string()));
            if changes.is_empty() {
                return Ok(());
            }
        } else {
            edits.extend([
                Edit::set("record", Value::Bytes(id.as_bytes().to_vec())),
                Edit::set("record_type", record_type),
                Edit::set("since", Value::Timestamp(self.now_ms())),
            ]);
            if !reason.is_empty() {
                edits.push(Edit::set("reason", reason));
            }
        }
        let changes: Vec<ChangeHash> = changes.into_iter().collect();
        let mut named = changes.iter().map(|hash| Edit::set(keys::element("changes", &hash.to_string()), true));
        edits.extend(named.by_ref().take(NAMED));
        let note = note_of("erase", reason);
        // Orders stand in a log of their own, which goes before all others: they are there before the stubs that they make.
        let mut orders = Vec::new();
        let first = self.edit("erasure", order, !stands, edits)?;
        orders.push(self.commit(scope, &note, vec![first]));
        loop {
            let rest: Vec<Edit> = named.by_ref().take(NAMED).collect();
            if rest.is_empty() {
                break;
            }
            let edit = self.edit("erasure", order, false, rest)?;
            orders.push(self.commit(scope, &note, vec![edit]));
        }
        let mut anew = Vec::new();
        if !kept.is_empty() {
            let edit = self.edit(record_type, id, false, kept)?;
            anew.push(self.commit(scope, &note, vec![edit]));
        }
        let erasure = Erasure { record: id, changes };
        let scrubbed =
            self.store.publish_erasing(scope, &[erasure], &[(&self.keys.orders, orders), (&self.keys.office, anew)])?;
        self.scrub_due |= !scrubbed.clean;
        Ok(())
    }

    /// Tries again to leave nothing of what was erased in the files, where a reader stood in the way.
    pub fn scrub_again(&mut self) -> Result<(), RelayError> {
        if self.scrub_due {
            self.scrub_due = !self.store.scrub()?;
        }
        Ok(())
    }
}

/// Whether the note of a commit says that it was written to erase.
fn is_erasing(note: &serde_json::Value) -> bool {
    note.get("office").and_then(serde_json::Value::as_str) == Some("erase")
}

/// What is said again of a record that is erased: the fields that its type keeps, those that make its id, and of kept events what they
/// were and when.
fn kept_of(record_type: &RecordType, record: &FullRecord) -> Vec<Edit> {
    let derived: &[String] = match &record_type.id_rule {
        lastmile_model::IdRule::Derived { fields } => fields,
        lastmile_model::IdRule::Random => &[],
    };
    let is_kept = |name: &str| {
        let kept = record_type.kept_on_erasure.iter().chain(derived).any(|kept| kept == name);
        kept && record_type.field(name).is_some_and(|(_, field)| !field.common)
    };
    let values = record.values.iter().filter(|(name, _)| is_kept(name));
    let mut edits: Vec<Edit> = values.map(|(name, value)| Edit::set(name.as_str(), value.clone())).collect();
    for (field, elements) in record.sets.iter().filter(|(name, _)| is_kept(name)) {
        edits.extend(elements.iter().map(|element| Edit::set(keys::element(field, element), true)));
    }
    for event in &record.events {
        let kind = event.parts.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !record_type.event(kind).is_some_and(|(field, _)| is_kept(&field.name)) {
            continue;
        }
        // Where a move led to is a place, and its state hangs on it.
        let says = |part: &str| KEPT_PARTS.contains(&part) || (part == "to" && kind == "move_out");
        let parts = event.parts.iter().filter(|(part, _)| says(part));
        edits.extend(parts.map(|(part, value)| Edit::set(keys::event(event.id, part), value.clone())));
    }
    edits
}
