//! The storage in plain maps: for tests, and for small relays that keep nothing.
//!
//! What is committed is one immutable picture behind a lock. A transaction works on a copy made at its first write and puts that in
//! the picture's place when it commits, so readers hold whole pictures and never wait. It answers as the SQLite engine does, down to
//! the order of rows and what refers to what; the suite in `tests/storage_suite` holds the two against each other.

mod log;
mod query;
mod views;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lastmile_model::{AuthorId, Catalogue, RecordId, Scope};

use crate::columns::ViewTable;
use crate::query::Query;
use crate::storage::{
    Blob, Cell, Cut, Durability, Erased, Odd, Pending, PendingHead, Position, RowHead, Storage, StoredFile,
    StoredReceipt, StoredSeal, Strand, ViewRow, Visitor,
};
use crate::{StoreError, columns};
use log::Logs;
use views::View;

/// What this engine refuses, where SQLite's own errors say the like.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("a transaction is open already")]
    Nested,
    #[error("no transaction is open")]
    NoTransaction,
    #[error("a stable view for reading is open")]
    Reading,
    #[error("{table} {no} is referred to but not there")]
    Dangling { table: &'static str, no: u32 },
    #[error("a piece of a file that is not known")]
    NoFile,
    #[error("{given} cells for {columns} columns")]
    TooManyCells { given: usize, columns: usize },
}

/// Everything a replica holds, at one moment.
#[derive(Debug, Clone, Default)]
struct Tables {
    /// How many commits made this picture.
    commits: i64,
    logs: Logs,
    /// One per record type. Each is copied only by a transaction that writes to it.
    views: Vec<Arc<View>>,
}

/// What a handle is in the middle of.
#[derive(Debug)]
enum State {
    Idle,
    /// A write transaction: the committed picture until the first write, then a copy of its own.
    Writing(Arc<Tables>),
    /// A stable view.
    Reading(Arc<Tables>),
}

/// A replica in memory, gone with its last handle.
#[derive(Debug)]
pub struct MemoryStorage {
    layout: Arc<Vec<ViewTable>>,
    committed: Arc<Mutex<Arc<Tables>>>,
    state: State,
    /// How many commits this handle made itself.
    own_commits: i64,
    /// Whether this is the one handle that writes.
    writes: bool,
}

impl MemoryStorage {
    /// Makes an empty replica with the views of this catalogue.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        let layout = columns::views(catalogue);
        let tables = Tables { views: vec![Arc::default(); layout.len()], ..Tables::default() };
        Self {
            layout: Arc::new(layout),
            committed: Arc::new(Mutex::new(Arc::new(tables))),
            state: State::Idle,
            own_commits: 0,
            writes: true,
        }
    }

    /// Makes another replica with what is committed here: what copying the file is to a replica on disk.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            layout: Arc::clone(&self.layout),
            committed: Arc::new(Mutex::new(Arc::clone(&self.lock()))),
            state: State::Idle,
            own_commits: 0,
            writes: true,
        }
    }

    /// Locks the committed picture. It is only ever replaced as a whole, so a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, Arc<Tables>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture that this handle sees now.
    fn tables(&self) -> Arc<Tables> {
        match &self.state {
            State::Idle => Arc::clone(&self.lock()),
            State::Writing(tables) | State::Reading(tables) => Arc::clone(tables),
        }
    }

    /// Changes this handle's working copy, or outside a transaction what is committed. A change that fails leaves all as it was.
    fn write<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&mut Tables) -> Result<T, Refused>,
    ) -> Result<T, StoreError> {
        if !self.writes {
            return Err(read_only());
        }
        match &mut self.state {
            State::Writing(tables) => change(Arc::make_mut(tables)),
            State::Reading(_) => Err(Refused::Reading),
            State::Idle => {
                let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
                let tables = Arc::make_mut(&mut committed);
                change(tables).inspect(|_| {
                    tables.commits = tables.commits.saturating_add(1);
                    self.own_commits = self.own_commits.saturating_add(1);
                })
            }
        }
        .map_err(|refused| StoreError::engine(doing, refused))
    }

    fn change_logs<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&mut Logs) -> Result<T, Refused>,
    ) -> Result<T, StoreError> {
        self.write(doing, |tables| change(&mut tables.logs))
    }

    fn change_view<T>(
        &mut self,
        doing: &'static str,
        type_no: usize,
        change: impl FnOnce(&mut View, &ViewTable) -> Result<T, Refused>,
    ) -> Result<T, StoreError> {
        let layout = Arc::clone(&self.layout);
        let table = layout.get(type_no).ok_or_else(|| no_type(type_no))?;
        let changed = self.write(doing, |tables| {
            tables.views.get_mut(type_no).map(|view| change(Arc::make_mut(view), table)).transpose()
        })?;
        changed.ok_or_else(|| no_type(type_no))
    }
}

fn no_type(type_no: usize) -> StoreError {
    StoreError::NoType { name: format!("number {type_no}") }
}

/// What a reading handle answers to a write.
fn read_only() -> StoreError {
    StoreError::ReadOnly { path: PathBuf::from(":memory:") }
}

impl Storage for MemoryStorage {
    fn reader(&self) -> Result<Box<dyn Storage>, StoreError> {
        Ok(Box::new(Self {
            layout: Arc::clone(&self.layout),
            committed: Arc::clone(&self.committed),
            state: State::Idle,
            own_commits: 0,
            writes: false,
        }))
    }

    fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.tables().commits.saturating_sub(self.own_commits))
    }

    fn begin(&mut self, _: Durability) -> Result<(), StoreError> {
        if !self.writes {
            return Err(read_only());
        }
        if !matches!(self.state, State::Idle) {
            return Err(StoreError::engine("beginning a transaction", Refused::Nested));
        }
        self.state = State::Writing(self.tables());
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Err(StoreError::engine("committing", Refused::NoTransaction)),
            State::Reading(_) => Ok(()),
            State::Writing(mut tables) => {
                let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
                // Without a write the two are still the same.
                if !Arc::ptr_eq(&tables, &committed) {
                    let working = Arc::make_mut(&mut tables);
                    working.commits = working.commits.saturating_add(1);
                    self.own_commits = self.own_commits.saturating_add(1);
                    *committed = tables;
                }
                Ok(())
            }
        }
    }

    fn rollback(&mut self) {
        self.state = State::Idle;
    }

    fn begin_read(&mut self) -> Result<(), StoreError> {
        if !matches!(self.state, State::Idle) {
            return Err(StoreError::engine("beginning a read", Refused::Nested));
        }
        self.state = State::Reading(self.tables());
        Ok(())
    }

    fn end_read(&mut self) {
        self.rollback();
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables().logs.meta(key))
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.tables().logs.metas(prefix))
    }

    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.change_logs("writing a setting", |logs| {
            logs.put_meta(key, value);
            Ok(())
        })
    }

    fn scopes(&self) -> Result<Vec<(u32, Scope)>, StoreError> {
        Ok(self.tables().logs.scopes())
    }

    fn add_scope(&mut self, scope: &Scope) -> Result<u32, StoreError> {
        self.change_logs("adding a scope", |logs| Ok(logs.add_scope(scope)))
    }

    fn strands(&self) -> Result<Vec<Strand>, StoreError> {
        Ok(self.tables().logs.strands())
    }

    fn put_strand(&mut self, strand: &Strand) -> Result<(), StoreError> {
        self.change_logs("writing a log's head", |logs| logs.put_strand(strand))
    }

    fn cuts(&self) -> Result<Vec<Cut>, StoreError> {
        Ok(self.tables().logs.cuts())
    }

    fn put_cut(&mut self, cut: &Cut) -> Result<(), StoreError> {
        self.change_logs("noting a fork", |logs| logs.put_cut(cut))
    }

    fn put_blob(&mut self, strand: u32, first: u64, last: u64, packed: &[u8]) -> Result<(), StoreError> {
        self.change_logs("appending commits", |logs| {
            logs.put_blob(strand, first, last, packed);
            Ok(())
        })
    }

    fn remove_blob(&mut self, strand: u32, first: u64) -> Result<(), StoreError> {
        self.change_logs("replacing commits", |logs| {
            logs.remove_blob(strand, first);
            Ok(())
        })
    }

    fn blob_with(&self, strand: u32, seq: u64) -> Result<Option<Blob>, StoreError> {
        Ok(self.tables().logs.blob_with(strand, seq))
    }

    fn blob_list(&self, strand: u32) -> Result<Vec<(u64, u64, u64)>, StoreError> {
        Ok(self.tables().logs.blob_list(strand))
    }

    fn put_seal(&mut self, seal: &StoredSeal) -> Result<(), StoreError> {
        self.change_logs("writing a seal", |logs| logs.put_seal(seal))
    }

    fn seals(&self, strand: u32) -> Result<Vec<StoredSeal>, StoreError> {
        Ok(self.tables().logs.seals(strand))
    }

    fn last_seal(&self, strand: u32, low: u64, high: u64) -> Result<Option<StoredSeal>, StoreError> {
        Ok(self.tables().logs.last_seal(strand, low, high))
    }

    fn put_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        self.change_logs("writing a receipt", |logs| logs.put_receipt(receipt))
    }

    fn remove_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        self.change_logs("removing a receipt", |logs| {
            logs.remove_receipt(receipt);
            Ok(())
        })
    }

    fn receipts(&self, scope: Option<u32>) -> Result<Vec<StoredReceipt>, StoreError> {
        Ok(self.tables().logs.receipts(scope))
    }

    fn put_pending(&mut self, pending: &Pending) -> Result<(), StoreError> {
        self.change_logs("keeping a pending batch", |logs| logs.put_pending(pending))
    }

    fn pending_heads(&self, scope: Option<u32>) -> Result<Vec<PendingHead>, StoreError> {
        Ok(self.tables().logs.pending_heads(scope))
    }

    fn pendings_of(&self, scope: u32, author: AuthorId) -> Result<Vec<Pending>, StoreError> {
        Ok(self.tables().logs.pendings_of(scope, author))
    }

    fn remove_pending(&mut self, scope: u32, author: AuthorId) -> Result<(), StoreError> {
        self.change_logs("removing a pending batch", |logs| {
            logs.remove_pending(scope, author);
            Ok(())
        })
    }

    fn put_certificate(&mut self, author: AuthorId, bytes: &[u8]) -> Result<(), StoreError> {
        self.change_logs("keeping a certificate", |logs| {
            logs.put_certificate(author, bytes);
            Ok(())
        })
    }

    fn certificates(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.tables().logs.certificates())
    }

    fn put_odd(&mut self, odd: &Odd) -> Result<(), StoreError> {
        self.change_logs("noting a change's state", |logs| logs.put_odd(odd))
    }

    fn remove_odd(&mut self, scope: u32, position: Position) -> Result<(), StoreError> {
        self.change_logs("forgetting a change's state", |logs| {
            logs.remove_odd(scope, position);
            Ok(())
        })
    }

    fn odds(&self, scope: Option<u32>) -> Result<Vec<Odd>, StoreError> {
        Ok(self.tables().logs.odds(scope))
    }

    fn put_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), StoreError> {
        self.change_logs("remembering an erasure", |logs| logs.put_erased(scope, erased))
    }

    fn erased(&self) -> Result<Vec<(u32, Erased)>, StoreError> {
        Ok(self.tables().logs.erased())
    }

    fn put_file(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        self.change_logs("noting a file", |logs| logs.put_file(file))
    }

    fn file(&self, scope: u32, hash: &[u8; 32]) -> Result<Option<StoredFile>, StoreError> {
        Ok(self.tables().logs.file(scope, hash))
    }

    fn files(&self, scope: Option<u32>) -> Result<Vec<StoredFile>, StoreError> {
        Ok(self.tables().logs.files(scope))
    }

    fn file_totals(&self) -> Result<(u64, u64), StoreError> {
        Ok(self.tables().logs.file_totals())
    }

    fn add_piece(&mut self, scope: u32, hash: &[u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        self.change_logs("keeping a piece of a file", |logs| logs.add_piece(scope, hash, bytes))
    }

    fn file_bytes(&self, scope: u32, hash: &[u8; 32], offset: u64, limit: u64) -> Result<Vec<u8>, StoreError> {
        Ok(self.tables().logs.file_bytes(scope, hash, offset, limit))
    }

    fn remove_file(&mut self, scope: u32, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.change_logs("removing a file", |logs| {
            logs.remove_file(scope, hash);
            Ok(())
        })
    }

    fn put_extra(&mut self, scope: u32, record: RecordId, position: Position) -> Result<(), StoreError> {
        self.change_logs("noting a change", |logs| logs.put_extra(scope, record, position))
    }

    fn extras(&self, scope: u32, record: RecordId) -> Result<Vec<Position>, StoreError> {
        Ok(self.tables().logs.extras(scope, record))
    }

    fn has_extras(&self, scope: u32) -> Result<bool, StoreError> {
        Ok(self.tables().logs.has_extras(scope))
    }

    fn view_head(&self, scope: u32, type_no: usize, id: RecordId) -> Result<Option<RowHead>, StoreError> {
        let tables = self.tables();
        let view = tables.views.get(type_no).ok_or_else(|| no_type(type_no))?;
        Ok(view.head(scope, id))
    }

    fn view_heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError> {
        let tables = self.tables();
        let view = tables.views.get(type_no).ok_or_else(|| no_type(type_no))?;
        let scopes = tables.logs.scopes().into_iter();
        Ok(scopes.filter_map(|(scope, _)| view.head(scope, id).map(|head| (scope, head))).collect())
    }

    fn view_insert(&mut self, scope: u32, type_no: usize, row: &ViewRow<'_, '_>) -> Result<bool, StoreError> {
        self.change_view("writing a view", type_no, |view, table| view.insert(scope, table, row))
    }

    fn view_update(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        self.change_view("writing a view", type_no, |view, table| view.update(rec, table, row))
    }

    fn view_update_cells(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        self.change_view("writing a view", type_no, |view, table| view.update_cells(rec, table, row))
    }

    fn view_cells(&self, rec: i64, type_no: usize) -> Result<Option<Vec<Cell<'static>>>, StoreError> {
        let tables = self.tables();
        let view = tables.views.get(type_no).ok_or_else(|| no_type(type_no))?;
        Ok(view.rows.get(&rec).map(|row| row.cells.clone()))
    }

    fn view_delete(&mut self, rec: i64, type_no: usize) -> Result<(), StoreError> {
        self.change_view("removing a row", type_no, |view, _| {
            view.delete(rec);
            Ok(())
        })
    }

    fn remove_scope(&mut self, scope: u32) -> Result<(), StoreError> {
        self.write("removing a scope", |tables| {
            for view in tables.views.iter_mut().filter(|view| view.holds(scope)) {
                Arc::make_mut(view).clear_scope(scope);
            }
            tables.logs.remove_scope(scope);
            Ok(())
        })
    }

    fn clear_views(&mut self) -> Result<(), StoreError> {
        self.write("emptying the views", |tables| {
            tables.views.iter_mut().for_each(|view| *view = Arc::default());
            tables.logs.forget_derived();
            Ok(())
        })
    }

    fn visit(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError> {
        // The visitor may call back into any handle, so no lock is held meanwhile.
        let tables = self.tables();
        let (Some(view), Some(table)) = (tables.views.get(query.type_no), self.layout.get(query.type_no)) else {
            return Err(no_type(query.type_no));
        };
        query::visit(view, table, query, visitor)
    }

    fn scrub_words(&mut self, type_no: usize) -> Result<(), StoreError> {
        // Words stand in their row and went with it.
        self.layout.get(type_no).map(drop).ok_or_else(|| no_type(type_no))
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn integrity(&self) -> Result<Vec<String>, StoreError> {
        // Each write checks what it refers to, and nothing that others refer to is ever removed.
        Ok(Vec::new())
    }

    fn copy_to(&self, _: &Path) -> Result<(), StoreError> {
        Err(StoreError::engine("copying a replica in memory", std::io::Error::from(std::io::ErrorKind::Unsupported)))
    }

    fn size(&self) -> Result<u64, StoreError> {
        let tables = self.tables();
        let views = tables.views.iter().map(|view| view.size());
        let bytes = views.fold(tables.logs.size(), usize::saturating_add);
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}
