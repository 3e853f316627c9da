//! Erasing: the bytes of changes go, their place in the chain stays.
//!
//! This is the engine under erasure orders; who may give one, and the office record that carries it, are not its matter. What an
//! erasure names is remembered for good, so the same bytes are taken off whoever brings them again, before they are written.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use lastmile_log::{PackError, UnpackedBatch, unpack};
use lastmile_model::{ChangeHash, RecordId, Scope, planted};

use crate::StoreError;
use crate::files;
use crate::history::MAX_STORED;
use crate::judge::reason;
use crate::query::Query;
use crate::storage::{ChangeState, Durability, Erased, Odd, Position};
use crate::store::Store;

/// What an erasure names of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The record. Whatever any but an office author wrote or still writes about it becomes a stub.
    pub record: RecordId,
    /// Changes that become stubs whoever wrote them, held or still to come.
    pub changes: Vec<ChangeHash>,
}

/// What an erasure did here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// How many changes lost their bytes.
    pub changes: u64,
    /// Whether nothing is left in the storage's files. `false` while a reader holds an older state; [`Store::scrub`] tries again.
    pub clean: bool,
}

/// The changes of a stored run that are to become stubs, by their places.
type Places = Vec<(usize, usize)>;

impl Store {
    /// Removes the bytes of what is named from every stored batch of a scope, settles the records, and remembers the names: in one
    /// transaction, durable when this returns. Repeating it is harmless.
    ///
    /// It reads every batch of the scope, and for each type concerned writes the search index anew.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify; then nothing is erased.
    pub fn erase(&mut self, scope: &Scope, erasures: &[Erasure]) -> Result<Scrubbed, StoreError> {
        let changes = self.transaction(Durability::Full, |store| {
            let scope = store.scope_in_transaction(scope)?;
            store.erase_in_transaction(scope, erasures)
        })?;
        Ok(Scrubbed { changes, clean: self.scrub()? })
    }

    pub(crate) fn erase_in_transaction(&mut self, scope: u32, erasures: &[Erasure]) -> Result<u64, StoreError> {
        let mut files = BTreeSet::new();
        for erasure in erasures {
            let changes = erasure.changes.iter().map(|hash| Erased::Change(*hash));
            for erased in changes.chain([Erased::Record(erasure.record)]) {
                self.storage.put_erased(scope, &erased)?;
                self.index.erased.entry(scope).or_default().insert(erased);
            }
        }
        self.strip_pending(scope)?;
        let stripped = self.strip_runs(scope, &mut files)?;
        self.drop_unnamed(scope, &files)?;
        Ok(stripped)
    }

    /// Carries out the erasure orders of a scope that are not carried out yet, inside a transaction; what they removed leaves the
    /// files once that is committed.
    pub(crate) fn apply_erasures(&mut self, scope: u32) -> Result<(), StoreError> {
        let Some((type_no, _)) = self.catalogue.get("erasure") else { return Ok(()) };
        let mut orders: Vec<Erasure> = Vec::new();
        let query = Query::new(type_no, &["record", "changes"]).within(vec![scope]);
        self.storage.visit(&query, &mut |row| {
            if let [record, changes] = row.cells
                && let Some(Ok(record)) = record.blob().map(<[u8; 16]>::try_from)
            {
                let named: Vec<String> =
                    changes.text().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                let changes = named.iter().filter_map(|hash| hash.parse::<ChangeHash>().ok()).collect();
                orders.push(Erasure { record: RecordId::from_bytes(record), changes });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let known = self.index.erased.get(&scope);
        let is_known = |erased: Erased| known.is_some_and(|known| known.contains(&erased));
        orders.retain(|order| {
            !is_known(Erased::Record(order.record)) || !order.changes.iter().all(|hash| is_known(Erased::Change(*hash)))
        });
        if !orders.is_empty() && !planted!("order-unread") {
            self.erase_in_transaction(scope, &orders)?;
            self.scrub_due = true;
        }
        Ok(())
    }

    /// The changes of a record in a scope that office authors wrote and that have their bytes, with the extensions of their commits: an
    /// erasure must name them.
    ///
    /// # Errors
    /// When the catalogue has no such type, or the storage fails.
    pub fn office_changes(
        &mut self,
        scope: &Scope,
        type_name: &str,
        record: RecordId,
    ) -> Result<Vec<(ChangeHash, Vec<u8>)>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(Vec::new()) };
        let (type_no, _) =
            self.catalogue.get(type_name).ok_or_else(|| StoreError::NoType { name: type_name.to_owned() })?;
        let held = self.load_record(no, type_no, record)?;
        let of_office = held.iter().filter(|held| held.body().is_some() && self.index.is_office(held.author));
        Ok(of_office.map(|held| (held.entry().header.hash, held.header().extension.clone())).collect())
    }

    /// Leaves nothing of what was erased in the storage's files; `false` while a reader holds an older state.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn scrub(&mut self) -> Result<bool, StoreError> {
        self.archive.clear();
        self.storage.scrub()
    }

    /// The places of a batch's changes that have bytes and should have none.
    fn to_erase(&self, scope: u32, batch: &UnpackedBatch) -> Places {
        if !self.index.erased.contains_key(&scope) {
            return Vec::new();
        }
        let mut places = Vec::new();
        for (place, commit) in batch.commits.iter().enumerate() {
            for (index, entry) in commit.header.changes.iter().enumerate() {
                if batch.body(place, index).is_some() && self.index.is_erased(scope, batch.author, entry) {
                    places.push((place, index));
                }
            }
        }
        places
    }

    /// Whether a commit from `from` on lacks the bytes of a change that no erasure names.
    pub(crate) fn withholds(&self, scope: u32, batch: &UnpackedBatch, from: u64) -> bool {
        let new = batch.commits.iter().enumerate().filter(|(_, commit)| commit.header.seq >= from);
        new.into_iter().any(|(place, commit)| {
            let mut entries = commit.header.changes.iter().enumerate();
            entries.any(|(index, entry)| {
                batch.body(place, index).is_none() && !self.index.is_erased(scope, batch.author, entry)
            })
        })
    }

    fn stripped(&self, scope: u32, batch: UnpackedBatch) -> UnpackedBatch {
        let author = batch.author;
        batch.without(&|entry| self.index.is_erased(scope, author, entry))
    }

    /// Takes the bytes of what was erased off a batch that arrived; its packed bytes are then no longer what it holds.
    pub(crate) fn without_erased(
        &self,
        scope: u32,
        batch: UnpackedBatch,
        packed: Vec<u8>,
    ) -> (UnpackedBatch, Option<Vec<u8>>) {
        if self.to_erase(scope, &batch).is_empty() {
            return (batch, Some(packed));
        }
        (self.stripped(scope, batch), None)
    }

    fn strip_pending(&mut self, scope: u32) -> Result<(), StoreError> {
        let authors: BTreeSet<_> = self.storage.pending_heads(Some(scope))?.iter().map(|one| one.author).collect();
        for author in authors {
            let mut of_author = Vec::new();
            let mut changed = false;
            for mut pending in self.storage.pendings_of(scope, author)? {
                let batch = unpack(&pending.packed, MAX_STORED)?;
                if !self.to_erase(scope, &batch).is_empty() {
                    changed = true;
                    // Stubs may be longer than what they stand for; then it is asked for again.
                    match self.stripped(scope, batch).repack(pending.first, pending.last) {
                        Ok(packed) => pending.packed = packed,
                        Err(PackError::OutOfBounds { .. }) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                of_author.push(pending);
            }
            if changed {
                self.storage.remove_pending(scope, author)?;
                of_author.iter().try_for_each(|pending| self.storage.put_pending(pending))?;
            }
        }
        Ok(())
    }

    /// Takes bytes off the stored runs of a scope; `files` gathers the hashes that they named.
    fn strip_runs(&mut self, scope: u32, files: &mut BTreeSet<[u8; 32]>) -> Result<u64, StoreError> {
        let strands: Vec<(u32, u64)> = self
            .index
            .strands
            .values()
            .filter(|strand| strand.scope == scope)
            .map(|strand| (strand.no, strand.viewed))
            .collect();
        let mut concerned: BTreeSet<(usize, RecordId)> = BTreeSet::new();
        let mut stripped = 0u64;
        for (no, viewed) in strands {
            for (first, last, _) in self.storage.blob_list(no)? {
                let run = self.archive.run(self.storage.as_ref(), no, first)?;
                let places = self.to_erase(scope, &run);
                if places.is_empty() {
                    continue;
                }
                // Stubs may be longer than what they stand for: then two runs take the place of one.
                let stubs = self.stripped(scope, UnpackedBatch::clone(&run));
                for run in stubs.repack_in_runs(first, last)? {
                    self.storage.put_blob(no, run.first, run.last, &run.packed)?;
                }
                stripped = stripped.saturating_add(places.len() as u64);
                for (place, index) in places {
                    let Some(commit) = run.commits.get(place) else { continue };
                    let Some(entry) = commit.header.changes.get(index) else { continue };
                    if entry.record_type == files::ATTACHMENT {
                        files.extend(run.body(place, index).into_iter().flat_map(files::named_in));
                    }
                    if commit.header.seq > viewed {
                        continue;
                    }
                    match self.catalogue.get(&entry.record_type) {
                        Some((type_no, _)) => drop(concerned.insert((type_no, entry.record))),
                        None => self.note_erased(scope, no, commit.header.seq, index, entry)?,
                    }
                }
            }
        }
        self.archive.clear();
        let types: BTreeSet<usize> = concerned.iter().map(|(type_no, _)| *type_no).collect();
        for (type_no, record) in concerned {
            self.follower().settle(scope, type_no, record, &[])?;
        }
        let decides = ["verdict", "revocation"].iter().filter_map(|name| self.catalogue.get(name));
        if decides.into_iter().any(|(type_no, _)| types.contains(&type_no)) {
            self.apply_verdicts()?;
        }
        types.into_iter().try_for_each(|type_no| self.storage.scrub_words(type_no))?;
        Ok(stripped)
    }

    /// A change of a type that this version does not know has no record to settle, only its state.
    fn note_erased(
        &mut self,
        scope: u32,
        strand: u32,
        seq: u64,
        index: usize,
        entry: &lastmile_log::ChangeEntry,
    ) -> Result<(), StoreError> {
        let Some(position) = Position::new(strand, seq, index) else { return Ok(()) };
        self.storage.put_odd(&Odd {
            scope,
            position,
            state: ChangeState::Erased,
            reason: reason::ERASED.to_owned(),
            record_type: entry.record_type.clone(),
            record: entry.record,
        })
    }
}
