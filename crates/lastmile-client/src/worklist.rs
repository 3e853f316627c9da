//! What waits for somebody: work that is unsent, was returned, is held back, or that people entered differently.

use std::ops::ControlFlow;

use lastmile_crdt::ConflictKind;
use lastmile_log::CommitHeader;
use lastmile_model::input::Entry;
use lastmile_model::permissions::Operation;
use lastmile_model::problem::{Fault, Problem};
use lastmile_model::{AuthorId, ChangeHash, RecordId, Scope};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{ChangeState, FullRecord, StoreError};

use crate::ClientError;
use crate::draft::Draft;
use crate::replica::Replica;
use crate::succession::own_authors;

/// The state of a record that goes back to whoever entered it, in every type that has it.
const RETURNED: &str = "returned";

/// A commit of this device without a receipt of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentCommit {
    /// The scope.
    pub scope: Scope,
    /// Its number in the log.
    pub seq: u64,
    /// The device's clock when it was saved, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The records that it changes, each with its type.
    pub records: Vec<(String, RecordId)>,
}

/// A change of this device that is kept but not shown, because the office or a rule holds it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// The rule that decided; empty where a person did.
    pub rule: String,
    /// The reason that a person gave, if one did.
    pub reason: String,
}

fn unsent_commit(header: &CommitHeader) -> UnsentCommit {
    let records = header.changes.iter().map(|change| (change.record_type.clone(), change.record));
    UnsentCommit { scope: header.scope.clone(), seq: header.seq, wall_ms: header.wall_ms, records: records.collect() }
}

impl Replica {
    /// Lists commits of this device that the relay has not receipted, at most so many, scope by scope in the order of their saving.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn unsent_commits(&self, limit: usize) -> Result<Vec<UnsentCommit>, ClientError> {
        let mut found = Vec::new();
        self.with_store(|store| {
            let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
            let mut authors = own_authors(store, self.author());
            // What it wrote as another author came first.
            authors.reverse();
            for scope in &scopes {
                for author in &authors {
                    store.visit_unsent(scope, *author, &mut |header| {
                        if found.len() >= limit {
                            return ControlFlow::Break(());
                        }
                        found.push(unsent_commit(header));
                        ControlFlow::Continue(())
                    })?;
                }
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(found)
    }

    /// Lists records that were returned to be entered better, newest first of each type, at most so many.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn returned(&self, limit: usize) -> Result<Vec<(String, RecordId)>, ClientError> {
        self.rows_where("state", Test::Is, Cell::Text(RETURNED.into()), limit)
    }

    /// Lists records about which a person has to decide, each whole and with its conflicts, at most so many.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn undecided(&self, limit: usize) -> Result<Vec<FullRecord>, ClientError> {
        let open = self.rows_where("open", Test::AtLeast, Cell::Int(1), limit)?;
        open.into_iter().map(|(record_type, id)| self.record(&record_type, id)).collect()
    }

    /// Records of any type whose column is so; types without the column have none.
    fn rows_where(
        &self,
        column: &str,
        test: Test,
        value: Cell<'static>,
        limit: usize,
    ) -> Result<Vec<(String, RecordId)>, ClientError> {
        let found = self.read(|reader| {
            reader.stable(|reader| {
                let mut found: Vec<(String, RecordId)> = Vec::new();
                for (type_no, view) in reader.views().iter().enumerate() {
                    if view.position(column).is_none() || found.len() >= limit {
                        continue;
                    }
                    let mut query = Query::new(type_no, &[]).filter(column, test, value.clone()).newest_first();
                    query.limit = Some(limit.saturating_sub(found.len()));
                    let rows = reader.rows(&query)?;
                    found.extend(rows.into_iter().map(|row| (view.type_name.clone(), row.id)));
                }
                Ok::<_, StoreError>(found)
            })
        })?;
        Ok(found)
    }

    /// Lists changes of this device that are kept but not shown, with the rule and the reason that hold them back.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn held_back(&self) -> Result<Vec<HeldBack>, ClientError> {
        let own: Vec<AuthorId> = self.with_store(|store| own_authors(store, self.author()));
        let held = self.read(|reader| {
            reader.stable(|reader| {
                let odd = reader.odd(None)?.into_iter();
                let mine = odd.filter(|(odd, author)| odd.state == ChangeState::Quarantined && own.contains(author));
                let told = mine.map(|(odd, author)| {
                    let (rule, reason) = reader.why_quarantined(&odd, author).unwrap_or_default();
                    HeldBack { record_type: odd.record_type, record: odd.record, rule, reason }
                });
                Ok::<_, StoreError>(told.collect())
            })
        })?;
        Ok(held)
    }
}

impl Draft<'_> {
    /// Settles a field that people entered differently: the value of the side that this change wrote is to stand. A verified value that
    /// was edited, and steps that exclude each other, are settled by events instead.
    ///
    /// # Errors
    /// [`ClientError::NotPermitted`] when the people of this device may not settle such records; [`ClientError::Invalid`] when nobody
    /// differs about the field any more, or the change is none of the sides: then what is shown to the person is out of date; a store
    /// error when the record is not here.
    pub fn settle(
        &mut self,
        record_type: &str,
        id: RecordId,
        field: &str,
        side: &ChangeHash,
    ) -> Result<(), ClientError> {
        self.replica().permit_operation(record_type, Operation::Settle)?;
        let before = self.replica().record(record_type, id)?;
        let open = before.conflicts.iter().find(|one| one.field == field && one.kind == ConflictKind::Held);
        let chosen = open.and_then(|conflict| conflict.sides.iter().find(|one| one.origin.hash == *side));
        let Some(chosen) = chosen else {
            let (_, known) = self.replica().record_type(record_type)?;
            let fault = Fault::WrongType { expected: "side of a conflict that is open" };
            return Err(ClientError::Invalid(vec![Problem::of_name(known, field, fault)]));
        };
        let entry = match chosen.value.clone() {
            Some(value) => Entry { values: vec![(field.to_owned(), value)], ..Entry::default() },
            None => Entry { removed: vec![field.to_owned()], ..Entry::default() },
        };
        self.edit(record_type, id, entry)
    }
}
