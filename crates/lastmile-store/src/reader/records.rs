//! One record with its conflicts, its history, its bytes.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::{Action, ConflictKind, decode, evaluate};
use lastmile_model::{AuthorId, ChangeHash, RecordId, Scope, Value};
use uuid::Uuid;

use super::{Reader, judge_with, positions_of};
use crate::StoreError;
use crate::follow::known_changes;
use crate::history::OwnedHeld;
use crate::judge::{Held, Judged};
use crate::project;
use crate::storage::ChangeState;

/// Who wrote something, and when as claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The author.
    pub author: AuthorId,
    /// The person who acted.
    pub acting: Option<Uuid>,
    /// The commit's number in the author's log.
    pub seq: u64,
    /// The device's clock, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The hybrid logical clock.
    pub hlc: u64,
    /// The change's hash.
    pub hash: ChangeHash,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The value; `None` where it was removed.
    pub value: Option<Value>,
    /// Who wrote it.
    pub origin: Origin,
}

/// Values that do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenConflict {
    /// The field, or `state`.
    pub field: String,
    /// What is to be done about it.
    pub kind: ConflictKind,
    /// The sides, lowest operation first.
    pub sides: Vec<Side>,
    /// What shows meanwhile.
    pub shown: Option<Value>,
    /// What showed before the sides parted.
    pub base: Option<Value>,
}

/// An event of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordEvent {
    /// Its id.
    pub id: Uuid,
    /// Its parts.
    pub parts: BTreeMap<String, Value>,
    /// Who wrote it.
    pub origin: Origin,
}

/// A record with everything known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct FullRecord {
    /// The scope it lives in.
    pub scope: Scope,
    /// Its type.
    pub record_type: String,
    /// Its id.
    pub id: RecordId,
    /// What each field shows.
    pub values: BTreeMap<String, Value>,
    /// The elements of each set.
    pub sets: BTreeMap<String, BTreeSet<String>>,
    /// The events in causal order.
    pub events: Vec<RecordEvent>,
    /// What a person has to see or decide.
    pub conflicts: Vec<OpenConflict>,
    /// The folded state.
    pub state: Option<String>,
}

/// One change in a record's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// Who wrote it.
    pub origin: Origin,
    /// The state it is in.
    pub state: ChangeState,
    /// Why it is not applied, as a stable word.
    pub reason: String,
    /// What it wrote: keys with values, `None` for a removal. Empty where the bytes cannot be read.
    pub edits: Vec<(String, Option<Value>)>,
}

fn origin(held: &OwnedHeld) -> Origin {
    let header = held.header();
    Origin {
        author: held.author,
        acting: header.acting,
        seq: header.seq,
        wall_ms: header.wall_ms,
        hlc: header.hlc,
        hash: held.entry().header.hash,
    }
}

impl Reader {
    /// The scopes in which a record has changes, shown or not.
    fn places_of(&self, type_no: usize, id: RecordId) -> Result<Vec<u32>, StoreError> {
        let mut places: BTreeSet<u32> =
            self.storage.view_heads(type_no, id)?.into_iter().map(|(scope, _)| scope).collect();
        for &scope in self.index.scopes.keys() {
            if !places.contains(&scope) && !self.storage.extras(scope, id)?.is_empty() {
                places.insert(scope);
            }
        }
        Ok(places.into_iter().collect())
    }

    fn load(&mut self, scope: u32, type_no: usize, id: RecordId) -> Result<(Vec<OwnedHeld>, Vec<Judged>), StoreError> {
        let positions = positions_of(self.storage.as_ref(), scope, type_no, id)?;
        let mut loaded = self.archive.load(self.storage.as_ref(), &self.index, &positions)?;
        let name = self.views.get(type_no).map_or("", |view| view.type_name.as_str());
        loaded.retain(|held| held.entry().record_type == name);
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let judged = judge_with(&self.index, &self.verdicts, &self.catalogue, scope, type_no, &all);
        Ok((loaded, judged))
    }

    /// Reads a record with its conflicts and events, in the scope given or the first that shows it.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when no scope shows it; otherwise when the storage fails.
    pub fn record(&mut self, type_name: &str, id: RecordId, scope: Option<&Scope>) -> Result<FullRecord, StoreError> {
        self.stable(|reader| reader.record_now(type_name, id, scope))
    }

    fn record_now(&mut self, type_name: &str, id: RecordId, scope: Option<&Scope>) -> Result<FullRecord, StoreError> {
        let type_no = self.type_no(type_name)?;
        let missing = || StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() };
        let wanted = scope.and_then(|scope| self.index.scope_no(scope));
        let heads = self.storage.view_heads(type_no, id)?;
        let scope_no =
            heads.iter().map(|(no, _)| *no).find(|no| scope.is_none() || wanted == Some(*no)).ok_or_else(missing)?;
        let (loaded, judged) = self.load(scope_no, type_no, id)?;
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let known = known_changes(&all, &judged);
        let record_type = self.catalogue.types().get(type_no);
        let record = evaluate(record_type, &known);
        let by_hash: BTreeMap<ChangeHash, &OwnedHeld> = loaded
            .iter()
            .zip(&judged)
            .filter(|(_, judged)| judged.placed)
            .map(|(held, _)| (held.entry().header.hash, held))
            .collect();
        let from = |by: usize| {
            known.get(by).and_then(|known| by_hash.get(&known.hash)).map(|held| origin(held)).ok_or_else(missing)
        };
        let mut events = Vec::with_capacity(record.events.len());
        for event in &record.events {
            let parts = event.parts.iter().map(|(&key, &value)| (key.to_owned(), value.clone())).collect();
            events.push(RecordEvent { id: event.id, parts, origin: from(event.by)? });
        }
        let mut conflicts = Vec::with_capacity(record.conflicts.len());
        let folded = record_type.and_then(|record_type| project::fold(record_type, &record));
        // Which concurrent events exclude each other is the state machine's word.
        let agreed = folded.as_ref().is_some_and(|folded| folded.open_transition.is_empty());
        for conflict in record.conflicts.iter().filter(|one| !(agreed && one.kind == ConflictKind::Transition)) {
            let mut sides = Vec::with_capacity(conflict.candidates.len());
            for side in &conflict.candidates {
                sides.push(Side { value: side.value.cloned(), origin: from(side.by)? });
            }
            conflicts.push(OpenConflict {
                field: conflict.field.to_owned(),
                kind: conflict.kind,
                sides,
                shown: conflict.shown.cloned(),
                base: conflict.base.cloned(),
            });
        }
        Ok(FullRecord {
            scope: self.index.scope(scope_no)?.clone(),
            record_type: type_name.to_owned(),
            id,
            values: record.values.iter().map(|(&key, shown)| (key.to_owned(), shown.value.clone())).collect(),
            sets: record
                .sets
                .iter()
                .map(|(&key, elements)| (key.to_owned(), elements.iter().map(|&one| one.to_owned()).collect()))
                .collect(),
            events,
            conflicts,
            state: folded.map(|folded| folded.state.to_owned()),
        })
    }

    /// Lists every change of a record with what it wrote, earliest first.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when nothing of it is held; otherwise when the storage fails.
    pub fn history(&mut self, type_name: &str, id: RecordId) -> Result<Vec<HistoryItem>, StoreError> {
        self.stable(|reader| reader.history_now(type_name, id))
    }

    fn history_now(&mut self, type_name: &str, id: RecordId) -> Result<Vec<HistoryItem>, StoreError> {
        let type_no = self.type_no(type_name)?;
        let mut items: Vec<(u64, HistoryItem)> = Vec::new();
        for scope in self.places_of(type_no, id)? {
            let (loaded, judged) = self.load(scope, type_no, id)?;
            for (held, judged) in loaded.iter().zip(&judged) {
                let change = held.body().and_then(|body| decode(body).ok());
                let edits = change.map_or_else(Vec::new, |change| {
                    let edit = |op: lastmile_crdt::Op| match op.action {
                        Action::Set(value) => (op.key, Some(value)),
                        Action::Delete => (op.key, None),
                    };
                    change.ops.into_iter().map(edit).collect()
                });
                let item =
                    HistoryItem { origin: origin(held), state: judged.state, reason: judged.reason.to_owned(), edits };
                items.push((held.entry().header.start_op, item));
            }
        }
        if items.is_empty() {
            return Err(StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() });
        }
        items.sort_by_key(|(start, item)| (*start, item.origin.author, item.origin.hash));
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    /// Hands out the Automerge changes of a record in one scope, with their states, for export.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] when nothing of it is held; otherwise when the storage fails.
    pub fn export(&mut self, type_name: &str, id: RecordId) -> Result<lastmile_crdt::Exported, StoreError> {
        self.stable(|reader| reader.export_now(type_name, id))
    }

    fn export_now(&mut self, type_name: &str, id: RecordId) -> Result<lastmile_crdt::Exported, StoreError> {
        let type_no = self.type_no(type_name)?;
        let missing = || StoreError::NoRecord { record_type: type_name.to_owned(), id: id.to_string() };
        let scope = self.storage.view_heads(type_no, id)?.first().map(|(scope, _)| *scope).ok_or_else(missing)?;
        let (loaded, judged) = self.load(scope, type_no, id)?;
        let all: Vec<Held<'_>> = loaded.iter().map(OwnedHeld::as_held).collect();
        let known = known_changes(&all, &judged);
        let bodies: BTreeMap<ChangeHash, &[u8]> =
            all.iter().map(|held| (held.entry.header.hash, held.body.unwrap_or_default())).collect();
        let changes: Vec<_> =
            known.iter().map(|known| (bodies.get(&known.hash).copied().unwrap_or_default(), *known)).collect();
        lastmile_crdt::export_document(&changes).map_err(|error| StoreError::engine("exporting a record", error))
    }
}
