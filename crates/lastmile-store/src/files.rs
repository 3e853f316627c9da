//! The files of attachments: which the records of a scope name, and what is held of them.
//!
//! A file belongs to a scope, by the hash of its bytes: the same file in two scopes is two files, so that what is held in one says nothing
//! about the other, and goes with it. A device keeps the bytes in the replica itself, so that they are encrypted, flushed and removed as
//! records are; a relay keeps them elsewhere and here only that it does.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::{Action, Op};
use lastmile_log::sha256;
use lastmile_model::{AuthorId, RecordId, Scope, Value, planted};

use crate::StoreError;
use crate::query::{Query, Test};
use crate::reader::Reader;
use crate::storage::{Cell, ChangeState, Durability, FileState, Odd, Position, Storage, StoredFile};
use crate::store::Store;

/// The record type whose records name files.
pub(crate) const ATTACHMENT: &str = "attachment";

/// The columns that name a file, and the one beside each that says how long it is.
const NAMING: [(&str, &str, Naming); 2] = [("hash", "size", Naming::Full), ("thumb", "thumb_size", Naming::Thumbnail)];

/// In how long pieces a file that came as a whole is kept, in bytes.
const PIECE: usize = 64 << 10;

/// How a record names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Naming {
    /// As the small picture of what is attached: it travels first.
    Thumbnail,
    /// As what is attached.
    Full,
}

/// A file that a record of a scope names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The scope.
    pub scope: Scope,
    /// The attachment's record.
    pub record: RecordId,
    /// The record that it belongs to.
    pub of: Option<RecordId>,
    /// As what.
    pub naming: Naming,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// How long it is, as the record says.
    pub size: u64,
    /// Its kind, as the record says: a code of the field `form`.
    pub form: String,
    /// What its sender called it.
    pub name: Option<String>,
}

/// A file of which something is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// The scope.
    pub scope: Scope,
    /// What is held.
    pub file: StoredFile,
}

/// What became of bytes that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// So many of the first bytes are held now; nothing was taken where they did not follow on those.
    Held(u64),
    /// The file is whole, and is what its hash says.
    Whole,
    /// All bytes were there and are not what the hash says: none of them was kept.
    Wrong,
}

/// The hashes that a change of an attachment names.
pub(crate) fn named_in(body: &[u8]) -> Vec<[u8; 32]> {
    let Ok(change) = lastmile_crdt::decode(body) else { return Vec::new() };
    let naming = |key: &str| NAMING.iter().any(|(column, ..)| *column == key);
    let values = change.ops.iter().filter(|op| naming(&op.key)).filter_map(|op| match &op.action {
        Action::Set(value) => value.as_bytes()?.try_into().ok(),
        Action::Delete => None,
    });
    values.collect()
}

/// Whether a change of a type is held out of sight and may come back.
fn is_hidden(odd: &Odd, type_name: &str) -> bool {
    odd.record_type == type_name && odd.state != ChangeState::Erased
}

/// The files that one change of an attachment names, as far as it says all of them that there is to say.
fn named_by(scope: &Scope, record: RecordId, body: &[u8]) -> Vec<NamedFile> {
    let Ok(change) = lastmile_crdt::decode(body) else { return Vec::new() };
    let value = |key: &str| {
        change.ops.iter().find_map(|op| match &op.action {
            Action::Set(value) if op.key == key => Some(value),
            _ => None,
        })
    };
    let named = NAMING.iter().filter_map(|(column, size, naming)| {
        Some(NamedFile {
            scope: scope.clone(),
            record,
            of: value("record").and_then(|value| value.as_bytes()?.try_into().ok()).map(RecordId::from_bytes),
            naming: *naming,
            hash: value(column)?.as_bytes()?.try_into().ok()?,
            size: value(size)?.as_int().and_then(|size| u64::try_from(size).ok())?,
            form: value("form").and_then(Value::as_str).unwrap_or_default().to_owned(),
            name: value("name").and_then(Value::as_str).map(str::to_owned),
        })
    });
    named.collect()
}

/// Whether a record that shows names a file of a scope.
fn is_named(storage: &dyn Storage, type_no: usize, scope: u32, hash: &[u8; 32]) -> Result<bool, StoreError> {
    for (column, ..) in NAMING {
        let mut query =
            Query::new(type_no, &[]).within(vec![scope]).filter(column, Test::Is, Cell::Blob(hash.to_vec().into()));
        query.limit = Some(1);
        let mut found = false;
        storage.visit(&query, &mut |_| {
            found = true;
            Ok(std::ops::ControlFlow::Break(()))
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Reader {
    /// Lists the files that records name: of one scope by its local number or of all, with one hash or with any; thumbnails first.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn named_files(&mut self, scope: Option<u32>, hash: Option<&[u8; 32]>) -> Result<Vec<NamedFile>, StoreError> {
        let Some((type_no, _)) = self.catalogue().get(ATTACHMENT) else { return Ok(Vec::new()) };
        let scopes = self.scopes()?;
        let mut named = Vec::new();
        for (column, size, naming) in NAMING {
            let mut query = Query::new(type_no, &[column, size, "record", "form", "name"]);
            if let Some(no) = scope {
                query = query.within(vec![no]);
            }
            query = match hash {
                Some(hash) => query.filter(column, Test::Is, Cell::Blob(hash.to_vec().into())),
                None => query.filter(column, Test::NotNull, Cell::Null),
            };
            for row in self.rows(&query)? {
                let scope = scopes.iter().find(|(no, _)| *no == row.scope).map(|(_, scope)| scope.clone());
                let [hash, size, of, form, name] = row.cells.as_slice() else { continue };
                let hash = hash.blob().and_then(|bytes| bytes.try_into().ok());
                let size = size.int().and_then(|size| u64::try_from(size).ok());
                // A record that another program wrote may name what is no hash.
                let (Some(scope), Some(hash), Some(size)) = (scope, hash, size) else { continue };
                named.push(NamedFile {
                    scope,
                    record: row.id,
                    of: of.blob().and_then(|bytes| bytes.try_into().ok()).map(RecordId::from_bytes),
                    naming,
                    hash,
                    size,
                    form: form.text().unwrap_or_default().to_owned(),
                    name: name.text().map(str::to_owned),
                });
            }
        }
        named.sort_by_key(|file| file.naming);
        Ok(named)
    }

    /// Counts the files that are whole, here or elsewhere, and their bytes.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn file_totals(&self) -> Result<(u64, u64), StoreError> {
        self.storage().file_totals()
    }

    /// Lists what is held of files, of one scope or of all.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn files(&mut self, scope: Option<&Scope>) -> Result<Vec<HeldFile>, StoreError> {
        let scopes = self.scopes()?;
        let no = scopes.iter().find(|(_, known)| Some(known) == scope).map(|(no, _)| *no);
        if scope.is_some() && no.is_none() {
            return Ok(Vec::new());
        }
        let files = self.storage().files(no)?.into_iter();
        let with_scope = |file: StoredFile| {
            let (_, scope) = scopes.iter().find(|(no, _)| *no == file.scope)?;
            Some(HeldFile { scope: scope.clone(), file })
        };
        Ok(files.filter_map(with_scope).collect())
    }
}

impl Store {
    fn file_scope(&self, scope: &Scope) -> Result<u32, StoreError> {
        self.index.scope_no(scope).ok_or_else(|| StoreError::NoScope { scope: scope.clone() })
    }

    /// What is held of a file.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn file(&self, scope: &Scope, hash: &[u8; 32]) -> Result<Option<StoredFile>, StoreError> {
        self.index.scope_no(scope).map_or(Ok(None), |no| self.storage.file(no, hash))
    }

    /// Reads at most `limit` of the bytes held of a file, from `offset` on.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn file_bytes(&self, scope: &Scope, hash: &[u8; 32], offset: u64, limit: u64) -> Result<Vec<u8>, StoreError> {
        let no = self.index.scope_no(scope);
        no.map_or_else(|| Ok(Vec::new()), |no| self.storage.file_bytes(no, hash, offset, limit))
    }

    /// Keeps a file, durably; returns its hash. The record that names it is saved afterwards: of a file that nobody names after all
    /// nothing is left at the next [`Store::tidy_files`].
    ///
    /// # Errors
    /// When the scope is not held or the storage fails.
    pub fn add_file(&mut self, scope: &Scope, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
        let (no, hash) = (self.file_scope(scope)?, sha256(bytes));
        self.transaction(Durability::Full, |store| {
            let (size, state) = (bytes.len() as u64, FileState::Whole);
            if store.storage.file(no, &hash)?.is_some_and(|file| file.state == state && file.held == size) {
                return Ok(());
            }
            // What was refused once is offered anew.
            store.storage.remove_file(no, &hash)?;
            store.storage.put_file(&StoredFile { scope: no, hash, size, held: 0, state, epoch: None })?;
            bytes.chunks(PIECE).try_for_each(|piece| store.storage.add_piece(no, &hash, piece))
        })?;
        Ok(hash)
    }

    /// Wants files, each with its length: their pieces are taken from now on. One that is here already stays as it is.
    ///
    /// # Errors
    /// When a scope is not held or the storage fails.
    pub fn want_files(&mut self, files: &[((Scope, [u8; 32]), u64)]) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for ((scope, hash), size) in files {
            let no = self.file_scope(scope)?;
            if self.storage.file(no, hash)?.is_none_or(|file| file.state == FileState::Gone) {
                let (hash, size, state) = (*hash, *size, FileState::Arriving);
                wanted.push(StoredFile { scope: no, hash, size, held: 0, state, epoch: None });
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.transaction(Durability::Full, |store| wanted.iter().try_for_each(|file| store.storage.put_file(file)))
    }

    /// Takes bytes of a wanted file that follow on those held. A power cut may take them back, never tear them: they can be fetched again.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn take_piece(
        &mut self,
        scope: &Scope,
        hash: &[u8; 32],
        offset: u64,
        bytes: &[u8],
    ) -> Result<Arrived, StoreError> {
        let no = self.file_scope(scope)?;
        let Some(file) = self.storage.file(no, hash)? else { return Ok(Arrived::Held(0)) };
        if file.state != FileState::Arriving {
            return Ok(Arrived::Whole);
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if offset != file.held || end > file.size {
            return Ok(Arrived::Held(file.held));
        }
        self.transaction(Durability::Refetchable, |store| {
            store.storage.add_piece(no, hash, bytes)?;
            if end < file.size {
                return Ok(Arrived::Held(end));
            }
            let whole = store.storage.file_bytes(no, hash, 0, file.size)?;
            if sha256(&whole) == *hash {
                store.storage.put_file(&StoredFile { state: FileState::Whole, ..file.clone() })?;
                return Ok(Arrived::Whole);
            }
            store.storage.remove_file(no, hash)?;
            store.storage.put_file(&StoredFile { held: 0, ..file.clone() })?;
            Ok(Arrived::Wrong)
        })
    }

    /// Notes where a file is by now: that a relay of an epoch holds it, that it refuses it, that it is kept elsewhere. One that was not
    /// known is known from now on.
    ///
    /// # Errors
    /// When the scope is not held or the storage fails.
    pub fn note_file(
        &mut self,
        scope: &Scope,
        hash: [u8; 32],
        size: u64,
        state: FileState,
        epoch: Option<AuthorId>,
    ) -> Result<(), StoreError> {
        let noted = StoredFile { scope: self.file_scope(scope)?, hash, size, held: 0, state, epoch };
        self.transaction(Durability::Full, |store| store.storage.put_file(&noted))
    }

    /// Notes it of a file of which something is held; of one that was erased meanwhile nothing is known again.
    ///
    /// # Errors
    /// When the scope is not held or the storage fails.
    pub fn note_held(
        &mut self,
        scope: &Scope,
        hash: [u8; 32],
        state: FileState,
        epoch: Option<AuthorId>,
    ) -> Result<(), StoreError> {
        match self.file(scope, &hash)? {
            Some(file) if file.state != FileState::Gone => self.note_file(scope, hash, file.size, state, epoch),
            _ => Ok(()),
        }
    }

    /// How many files of a scope the relay of an epoch has neither taken nor refused yet: nobody else may have them. Those that only
    /// attachments out of sight name count where `own` authors wrote them.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn waiting_files(
        &mut self,
        scope: &Scope,
        epoch: Option<AuthorId>,
        own: &[AuthorId],
    ) -> Result<usize, StoreError> {
        let Some((no, (type_no, _))) = self.index.scope_no(scope).zip(self.catalogue.get(ATTACHMENT)) else {
            return Ok(0);
        };
        let mut of_hidden: Option<BTreeSet<[u8; 32]>> = None;
        let mut waiting = 0;
        for file in self.storage.files(Some(no))? {
            if file.state != FileState::Whole || (file.epoch.is_some() && file.epoch == epoch) {
                continue;
            }
            // What was added and never saved waits for nothing.
            let mut named = is_named(self.storage.as_ref(), type_no, no, &file.hash)?;
            if !named {
                if of_hidden.is_none() {
                    let hidden = self.hidden_files(scope, &|author| own.contains(&author), usize::MAX)?;
                    of_hidden = Some(hidden.into_iter().map(|named| named.hash).collect());
                }
                named = of_hidden.as_ref().is_some_and(|hidden| hidden.contains(&file.hash));
            }
            waiting += usize::from(named);
        }
        Ok(waiting)
    }

    /// Lists the files that attachments of a scope name whose changes are held out of sight, as far as authors that pass wrote them; those
    /// of the latest `at_most` changes.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn hidden_files(
        &mut self,
        scope: &Scope,
        of: &dyn Fn(AuthorId) -> bool,
        at_most: usize,
    ) -> Result<Vec<NamedFile>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(Vec::new()) };
        let is_wanted = |odd: &Odd| {
            let strand = self.index.strands.get(&odd.position.strand());
            is_hidden(odd, ATTACHMENT) && strand.is_some_and(|strand| of(strand.author))
        };
        let odds = self.storage.odds(Some(no))?;
        let hidden: BTreeMap<Position, RecordId> = odds
            .iter()
            .rev()
            .filter(|odd| is_wanted(odd))
            .take(at_most)
            .map(|odd| (odd.position, odd.record))
            .collect();
        // The changes themselves and no more of their records: others may have written much about those.
        let positions: Vec<Position> = hidden.keys().copied().collect();
        let held = self.archive.load(self.storage.as_ref(), &self.index, &positions)?;
        let mut named: Vec<NamedFile> = Vec::new();
        for held in held.iter().filter(|held| held.entry().record_type == ATTACHMENT) {
            let record = hidden.get(&held.position).copied();
            named.extend(held.body().zip(record).into_iter().flat_map(|(body, record)| named_by(scope, record, body)));
        }
        named.sort_by_key(|file| file.naming);
        Ok(named)
    }

    /// The records of a type, in one scope or in all, of which something is held out of sight that may come back.
    fn out_of_sight(&self, type_name: &str, scope: Option<u32>) -> Result<BTreeSet<(u32, RecordId)>, StoreError> {
        let odds = self.storage.odds(scope)?.into_iter();
        Ok(odds.filter(|odd| is_hidden(odd, type_name)).map(|odd| (odd.scope, odd.record)).collect())
    }

    /// The scopes that hold something of a record out of sight: no view may show it there, and it may be released.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn hidden_places(&self, type_name: &str, record: RecordId) -> Result<Vec<Scope>, StoreError> {
        let hidden = self.out_of_sight(type_name, None)?.into_iter().filter(|(_, id)| *id == record);
        Ok(hidden.filter_map(|(no, _)| self.index.scopes.get(&no).cloned()).collect())
    }

    /// The records of a type, wherever they stand, whose changes are held out of sight and refer to a record: no view shows them, and they may
    /// be released.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn hidden_referring(
        &mut self,
        type_name: &str,
        field: &str,
        record: RecordId,
    ) -> Result<Vec<(Scope, RecordId)>, StoreError> {
        let wanted = Value::reference(record);
        let refers = |op: &Op| op.key == field && op.action == Action::Set(wanted.clone());
        let odds = self.storage.odds(None)?.into_iter().filter(|odd| is_hidden(odd, type_name));
        let hidden: BTreeMap<Position, (u32, RecordId)> =
            odds.map(|odd| (odd.position, (odd.scope, odd.record))).collect();
        let mut found = BTreeSet::new();
        for (position, (no, id)) in hidden {
            let held = self.archive.load(self.storage.as_ref(), &self.index, &[position])?;
            let mut changes = held.iter().filter_map(|held| lastmile_crdt::decode(held.body()?).ok());
            if changes.any(|change| change.ops.iter().any(refers)) {
                found.insert((no, id));
            }
        }
        let scope_of = |no: u32| self.index.scopes.get(&no).cloned();
        Ok(found.into_iter().filter_map(|(no, id)| Some((scope_of(no)?, id))).collect())
    }

    /// Forgets a file and its bytes.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn forget_file(&mut self, scope: &Scope, hash: &[u8; 32]) -> Result<(), StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(()) };
        self.transaction(Durability::Full, |store| store.storage.remove_file(no, hash))
    }

    /// Removes files that no record held names: of additions that were never saved. Records out of sight still name theirs, so in a
    /// scope with any of those nothing is removed.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn tidy_files(&mut self) -> Result<usize, StoreError> {
        let Some((type_no, _)) = self.catalogue.get(ATTACHMENT) else { return Ok(0) };
        let mut unnamed = Vec::new();
        // Where an attachment is out of sight it may name any file of its scope.
        let of_hidden: BTreeSet<u32> =
            self.storage.odds(None)?.iter().filter(|odd| is_hidden(odd, ATTACHMENT)).map(|odd| odd.scope).collect();
        for file in self.storage.files(None)? {
            let kept = file.state == FileState::Elsewhere
                || of_hidden.contains(&file.scope)
                || is_named(self.storage.as_ref(), type_no, file.scope, &file.hash)?;
            if !kept {
                unnamed.push((file.scope, file.hash));
            }
        }
        if !unnamed.is_empty() {
            self.transaction(Durability::Full, |store| {
                unnamed.iter().try_for_each(|(scope, hash)| store.storage.remove_file(*scope, hash))
            })?;
        }
        Ok(unnamed.len())
    }

    /// Removes the files of erased records, inside a transaction, unless another record that shows names them as well. What is kept
    /// elsewhere is marked for whoever keeps it, known here or not.
    pub(crate) fn drop_unnamed(&mut self, scope: u32, hashes: &BTreeSet<[u8; 32]>) -> Result<(), StoreError> {
        let Some((type_no, _)) = self.catalogue.get(ATTACHMENT) else { return Ok(()) };
        for hash in hashes.iter().filter(|_| !planted!("files-stay")) {
            if is_named(self.storage.as_ref(), type_no, scope, hash)? {
                continue;
            }
            let known = self.storage.file(scope, hash)?;
            let here = known
                .as_ref()
                .is_some_and(|file| matches!(file.state, FileState::Arriving | FileState::Whole | FileState::Refused));
            if here {
                self.storage.remove_file(scope, hash)?;
            } else {
                let gone = StoredFile { scope, hash: *hash, size: 0, held: 0, state: FileState::Gone, epoch: None };
                self.storage.put_file(&gone)?;
            }
        }
        Ok(())
    }

    /// The files that were erased here and are still to be removed from where else they are kept.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn gone_files(&self) -> Result<Vec<(Scope, [u8; 32])>, StoreError> {
        let gone = self.storage.files(None)?.into_iter().filter(|file| file.state == FileState::Gone);
        Ok(gone.filter_map(|file| Some((self.index.scopes.get(&file.scope)?.clone(), file.hash))).collect())
    }
}
