//! Confirming check-ins, verifying activities, giving records back.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::Edit;
use lastmile_model::states::Machine;
use lastmile_model::{RecordId, Scope, Value, civil};
use lastmile_store::RecordEdit;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use uuid::Uuid;

use super::answer::SkippedRecord;
use super::note_of;
use crate::central::Central;
use crate::office::command::Selection;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// A record with the state it shows.
struct Waiting {
    id: RecordId,
    scope: Scope,
    state: String,
}

impl Central {
    pub(super) fn confirm(&mut self, which: &Selection, on: Option<&str>) -> Result<OfficeAnswer, RelayError> {
        let on = civil::date_text(self.day(on)?);
        let year = on.get(..4).unwrap_or_default().to_owned();
        let chosen = self.chosen("check_in", which, "registered")?;
        let (mut edits, mut skipped) = (Vec::new(), Vec::new());
        let mut numbers: BTreeMap<Scope, u64> = BTreeMap::new();
        for one in chosen {
            if !allows("check_in", &one.state, "confirm") {
                skipped.push(SkippedRecord { id: one.id.0, state: one.state });
                continue;
            }
            let next = match numbers.get_mut(&one.scope) {
                Some(next) => next,
                None => {
                    let last = self.receipt_counter(&one.scope, &year)?;
                    numbers.entry(one.scope.clone()).or_insert(last)
                }
            };
            *next = next.saturating_add(1);
            let number = format!("{}-{year}-{next:05}", one.scope.code());
            let mut fields = vec![Edit::set("receipt_no", number)];
            fields.extend(self.event("confirm", Some(&on), "", &[])?);
            edits.push((one.scope, self.edit("check_in", one.id, false, fields)?));
        }
        for (scope, last) in numbers {
            // Before the receipts themselves: a number may be left out, never given twice.
            self.store.set_setting(&receipt_key(&scope, &year), &last.to_be_bytes())?;
        }
        self.finish_steps("confirm", "", edits, skipped)
    }

    fn receipt_counter(&self, scope: &Scope, year: &str) -> Result<u64, RelayError> {
        let stored = self.store.setting(&receipt_key(scope, year))?;
        Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    pub(super) fn verify(&mut self, which: &Selection) -> Result<OfficeAnswer, RelayError> {
        let on = civil::date_text(self.today());
        let chosen = self.chosen("activity", which, "submitted")?;
        let (mut edits, mut skipped) = (Vec::new(), Vec::new());
        for one in chosen {
            if allows("activity", &one.state, "verify") {
                let fields = self.event("verify", Some(&on), "", &[])?;
                edits.push((one.scope, self.edit("activity", one.id, false, fields)?));
            } else {
                skipped.push(SkippedRecord { id: one.id.0, state: one.state });
            }
        }
        self.finish_steps("verify", "", edits, skipped)
    }

    pub(super) fn give_back(&mut self, ids: &[Uuid], why: &str) -> Result<OfficeAnswer, RelayError> {
        let on = civil::date_text(self.today());
        let (mut edits, mut skipped) = (Vec::new(), Vec::new());
        for id in each_once(ids) {
            let (type_name, _) = self.find(id, &["activity", "check_in"])?;
            for one in self.chosen(&type_name, &Selection::Ids(vec![id]), "")? {
                if allows(&type_name, &one.state, "return") {
                    let fields = self.event("return", Some(&on), why, &[])?;
                    edits.push((one.scope, self.edit(&type_name, one.id, false, fields)?));
                } else {
                    skipped.push(SkippedRecord { id: one.id.0, state: one.state });
                }
            }
        }
        self.finish_steps("return", why, edits, skipped)
    }

    pub(super) fn mark_duplicate(
        &mut self,
        activity: Uuid,
        of: Uuid,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let on = civil::date_text(self.today());
        self.find(of, &["activity"])?;
        let of = Value::reference(RecordId(of));
        let (mut edits, mut skipped) = (Vec::new(), Vec::new());
        for one in self.chosen("activity", &Selection::Ids(vec![activity]), "")? {
            if allows("activity", &one.state, "duplicate") {
                let mut fields = vec![Edit::set("duplicate_of", of.clone())];
                fields.extend(self.event("duplicate", Some(&on), reason, &[("to", of.clone())])?);
                edits.push((one.scope, self.edit("activity", one.id, false, fields)?));
            } else {
                skipped.push(SkippedRecord { id: one.id.0, state: one.state });
            }
        }
        self.finish_steps("duplicate", reason, edits, skipped)
    }

    fn finish_steps(
        &mut self,
        what: &str,
        why: &str,
        edits: Vec<(Scope, RecordEdit)>,
        skipped: Vec<SkippedRecord>,
    ) -> Result<OfficeAnswer, RelayError> {
        let done = edits.len();
        if let (0, [only]) = (done, skipped.as_slice()) {
            let (id, state, event) = (only.id, only.state.clone(), what.to_owned());
            return Err(OfficeError::WrongState { id, state, event }.into());
        }
        let note = if why.is_empty() { String::new() } else { note_of(what, why) };
        self.save_grouped(&note, edits)?;
        Ok(OfficeAnswer::Done { done, skipped })
    }

    /// The records of a selection: those named, whatever their state, or all that are in the state that waits.
    fn chosen(&mut self, type_name: &str, which: &Selection, waits: &str) -> Result<Vec<Waiting>, RelayError> {
        let scopes = match which {
            Selection::Within(prefix) => self.within(Some(prefix))?,
            Selection::Ids(_) | Selection::All => self.scope_map()?,
        };
        let type_no = self.reader.type_no(type_name)?;
        let base = Query::new(type_no, &["state"]).within(scopes.keys().copied().collect());
        let mut found = Vec::new();
        let queries: Vec<(Option<Uuid>, Query)> = match which {
            Selection::Ids(ids) => each_once(ids)
                .into_iter()
                .map(|id| {
                    let cell = Cell::Blob(id.as_bytes().to_vec().into());
                    (Some(id), base.clone().filter("id", Test::Is, cell))
                })
                .collect(),
            Selection::Within(_) | Selection::All => {
                vec![(None, base.filter("state", Test::Is, Cell::Text(waits.to_owned().into())))]
            }
        };
        for (named, query) in queries {
            let rows = self.reader.rows(&query)?;
            if let (Some(id), true) = (named, rows.is_empty()) {
                return Err(OfficeError::NotFound { what: type_name.to_owned(), id }.into());
            }
            found.extend(rows.into_iter().filter_map(|row| {
                let state = row.cells.first().and_then(Cell::text).unwrap_or_default().to_owned();
                Some(Waiting { id: row.id, scope: scopes.get(&row.scope)?.clone(), state })
            }));
        }
        Ok(found)
    }
}

/// The ids in their order, each once: a record named twice takes a step once.
fn each_once(ids: &[Uuid]) -> Vec<Uuid> {
    let mut seen = BTreeSet::new();
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}

fn receipt_key(scope: &Scope, year: &str) -> String {
    format!("receipt/{}/{year}", scope.code())
}

fn allows(machine: &str, state: &str, kind: &str) -> bool {
    Machine::named(machine).is_some_and(|machine| machine.allows(state, kind))
}

/// The value of an event's part that names a place.
pub(super) fn place(code: &str) -> Value {
    Value::from(code)
}
