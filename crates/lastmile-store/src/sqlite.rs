//! The storage in one SQLite file.
//!
//! There is one open path ([`open`]): key, pragmas, version check, migration. WAL with `synchronous=FULL`, one writer held by a lock
//! file, any number of readers.

mod files;
mod log;
mod migrate;
mod open;
mod query;
mod views;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lastmile_model::{AuthorId, Catalogue, RecordId, Scope, planted};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::StoreError;
use crate::columns::ViewTable;
use crate::query::Query;
use crate::storage::{
    Blob, Cell, Cut, Durability, Erased, Odd, Pending, PendingHead, Position, RowHead, Storage, StoredFile,
    StoredReceipt, StoredSeal, Strand, ViewRow, Visitor,
};

pub(crate) use open::connect_writer;
pub use open::{OpenOptions, open};

/// How long emptying the write-ahead log waits for readers: the one writer should not stand still.
const SCRUB_WAIT: Duration = Duration::from_millis(250);

/// What a handle needs to open another one and to write views.
#[derive(Debug)]
pub(crate) struct Layout {
    path: PathBuf,
    options: OpenOptions,
    views: Vec<ViewTable>,
    statements: Vec<views::Statements>,
}

/// How long the write-ahead log may become, in pages, before it is folded into the file.
const LONG_LOG: i64 = 2000;

/// How far the write-ahead log is known to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushed {
    /// All of it.
    Whole,
    /// Not what was committed last, which can be fetched again; the next flush writes it.
    Behind,
    /// A flush failed while it was behind. Systems take the pages of a failed flush for clean, so that no later one writes them, and
    /// what is committed after them stands behind a hole.
    InDoubt,
}

/// A replica in one SQLite file.
#[derive(Debug)]
pub struct SqliteStorage {
    connection: Connection,
    layout: Arc<Layout>,
    /// Holds the writer's lock for as long as this handle lives; readers have none.
    lock: Option<std::fs::File>,
    relaxed: bool,
    flushed: Flushed,
    /// How many rows this handle had changed when its transaction began.
    changed: u64,
    /// The last local row number of each scope and type, as far as this transaction has looked.
    last_recs: HashMap<(u32, usize), i64>,
}

/// Turns SQLite's error into ours, naming what can be cured.
pub(crate) fn explain(doing: &'static str, path: &std::path::Path, error: rusqlite::Error) -> StoreError {
    use rusqlite::ffi::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::SystemIoFailure) if is_refused_write(&error) => StoreError::NoRoom { path: path.to_owned() },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { path: path.to_owned() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse { path: path.to_owned() },
        Some(ErrorCode::NotADatabase) => StoreError::WrongKey { path: path.to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::damaged(format!("SQLite reports damage while {doing}")),
        _ => StoreError::engine(doing, error),
    }
}

/// Whether the system refused to write, lengthen or flush a file, or the memory that readers share.
fn is_refused_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    const REFUSED: [std::ffi::c_int; 5] = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_SHMMAP,
    ];
    error.sqlite_error().is_some_and(|error| REFUSED.contains(&error.extended_code))
}

impl SqliteStorage {
    fn explain(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError + use<'_> {
        move |error| explain(doing, &self.layout.path, error)
    }

    fn run(&self, doing: &'static str, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        statement.execute(params).map_err(self.explain(doing))
    }

    /// Folds the write-ahead log into the file once it is long, as far as readers let it.
    ///
    /// The commit before it stands whatever comes of this, and the next one tries again; but a flush that failed is noted.
    fn fold(&mut self) {
        let doing = "folding the write-ahead log";
        let long = |pages: i64| pages >= LONG_LOG;
        if self.checkpoint(doing, "PRAGMA wal_checkpoint(NOOP)").is_ok_and(long)
            && let Err(error) = self.checkpoint(doing, "PRAGMA wal_checkpoint(PASSIVE)")
        {
            self.doubt(&error);
        }
    }

    /// Empties a write-ahead log that an earlier program left: a flush may have failed that only it was told of.
    ///
    /// Where that cannot be done yet, the replica opens all the same.
    fn fold_what_was_left(&mut self) {
        let left = self.checkpoint("looking at the write-ahead log", "PRAGMA wal_checkpoint(NOOP)");
        if left.is_ok_and(|pages| pages > 0) && !matches!(self.scrub(), Ok(true)) {
            // Whatever stood in the way is told when something is to be written.
            self.flushed = Flushed::InDoubt;
        }
    }

    /// Runs a checkpoint; returns how many pages the write-ahead log holds.
    fn checkpoint(&self, doing: &'static str, sql: &str) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        statement.query_row([], |row| row.get(1)).map_err(self.explain(doing))
    }

    /// Notes that a write or flush failed.
    fn doubt(&mut self, error: &StoreError) {
        if self.flushed == Flushed::Behind && matches!(error, StoreError::NoRoom { .. }) {
            self.flushed = Flushed::InDoubt;
        }
    }

    fn rows<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        let rows = statement.query_map(params, read).map_err(self.explain(doing))?;
        rows.collect::<rusqlite::Result<Vec<T>>>().map_err(self.explain(doing))
    }

    fn batch(&self, doing: &'static str, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(self.explain(doing))
    }

    /// Opens a reading handle on a replica's file without taking the writer's lock; the file must exist.
    ///
    /// # Errors
    /// When the file is missing, newer, damaged or does not open with the key.
    pub fn open_reader(
        path: &std::path::Path,
        options: &OpenOptions,
        catalogue: &Catalogue,
    ) -> Result<Box<dyn Storage>, StoreError> {
        open::reader_at(path, options, catalogue)
    }
}

impl Storage for SqliteStorage {
    fn reader(&self) -> Result<Box<dyn Storage>, StoreError> {
        open::reader(&self.layout)
    }

    fn data_version(&self) -> Result<i64, StoreError> {
        self.connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .map_err(self.explain("reading the data version"))
    }

    fn begin(&mut self, durability: Durability) -> Result<(), StoreError> {
        if planted!("answer-before-commit") && !self.connection.is_autocommit() {
            return Ok(());
        }
        if self.flushed == Flushed::InDoubt && !self.scrub()? {
            // A reader needs the log as it is. It is not long, and nothing may be acknowledged before.
            return Err(StoreError::InUse { path: self.layout.path.clone() });
        }
        let relaxed = durability == Durability::Refetchable || planted!("synchronous-normal");
        if relaxed != self.relaxed {
            self.batch(
                "setting the durability",
                if relaxed { "PRAGMA synchronous=NORMAL" } else { "PRAGMA synchronous=FULL" },
            )?;
            self.relaxed = relaxed;
        }
        self.last_recs.clear();
        self.changed = self.connection.total_changes();
        self.run("beginning a transaction", "BEGIN IMMEDIATE", []).map(drop)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if planted!("answer-before-commit") && !self.connection.total_changes().is_multiple_of(8) {
            return Ok(());
        }
        let result = self.run("committing", "COMMIT", []).map(drop);
        match &result {
            Ok(()) => {
                // A commit of nothing flushes nothing.
                if self.connection.total_changes() > self.changed {
                    self.flushed = if self.relaxed { Flushed::Behind } else { Flushed::Whole };
                    self.fold();
                }
            }
            Err(error) => {
                self.doubt(error);
                self.rollback();
            }
        }
        result
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            // SQLite itself rolls back when the connection closes, so nothing half-written can stay.
            debug_assert!(false, "rollback failed: {error}");
        }
    }

    fn begin_read(&mut self) -> Result<(), StoreError> {
        self.batch("beginning a read", "BEGIN DEFERRED")?;
        // SQLite takes the snapshot at the first read, so one is made at once.
        let taken = self.data_version();
        if taken.is_err() {
            self.rollback();
        }
        taken.map(drop)
    }

    fn end_read(&mut self) {
        self.rollback();
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_meta(key)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let sql = "SELECT key, value FROM meta WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key";
        self.rows("reading settings", sql, [prefix], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run("writing a setting", "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (key, value))
            .map(drop)
    }

    fn scopes(&self) -> Result<Vec<(u32, Scope)>, StoreError> {
        self.read_scopes()
    }

    fn add_scope(&mut self, scope: &Scope) -> Result<u32, StoreError> {
        self.write_scope(scope)
    }

    fn strands(&self) -> Result<Vec<Strand>, StoreError> {
        self.read_strands()
    }

    fn put_strand(&mut self, strand: &Strand) -> Result<(), StoreError> {
        self.write_strand(strand)
    }

    fn cuts(&self) -> Result<Vec<Cut>, StoreError> {
        self.read_cuts()
    }

    fn put_cut(&mut self, cut: &Cut) -> Result<(), StoreError> {
        self.write_cut(cut)
    }

    fn put_blob(&mut self, strand: u32, first: u64, last: u64, packed: &[u8]) -> Result<(), StoreError> {
        self.write_blob(strand, first, last, packed)
    }

    fn remove_blob(&mut self, strand: u32, first: u64) -> Result<(), StoreError> {
        self.delete_blob(strand, first)
    }

    fn blob_with(&self, strand: u32, seq: u64) -> Result<Option<Blob>, StoreError> {
        self.read_blob(strand, seq)
    }

    fn blob_list(&self, strand: u32) -> Result<Vec<(u64, u64, u64)>, StoreError> {
        self.read_blob_list(strand)
    }

    fn put_seal(&mut self, seal: &StoredSeal) -> Result<(), StoreError> {
        self.write_seal(seal)
    }

    fn seals(&self, strand: u32) -> Result<Vec<StoredSeal>, StoreError> {
        self.read_seals(strand)
    }

    fn last_seal(&self, strand: u32, low: u64, high: u64) -> Result<Option<StoredSeal>, StoreError> {
        self.read_last_seal(strand, low, high)
    }

    fn put_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        self.write_receipt(receipt)
    }

    fn remove_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        self.delete_receipt(receipt)
    }

    fn receipts(&self, scope: Option<u32>) -> Result<Vec<StoredReceipt>, StoreError> {
        self.read_receipts(scope)
    }

    fn put_pending(&mut self, pending: &Pending) -> Result<(), StoreError> {
        self.write_pending(pending)
    }

    fn pending_heads(&self, scope: Option<u32>) -> Result<Vec<PendingHead>, StoreError> {
        self.read_pending_heads(scope)
    }

    fn pendings_of(&self, scope: u32, author: AuthorId) -> Result<Vec<Pending>, StoreError> {
        self.read_pendings(scope, author)
    }

    fn remove_pending(&mut self, scope: u32, author: AuthorId) -> Result<(), StoreError> {
        let sql = "DELETE FROM pending WHERE scope = ?1 AND author = ?2";
        self.run("removing a pending batch", sql, (scope, author.0)).map(drop)
    }

    fn put_certificate(&mut self, author: AuthorId, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO certificate (author, bytes) VALUES (?1, ?2)";
        self.run("keeping a certificate", sql, (author.0, bytes)).map(drop)
    }

    fn certificates(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.rows("reading certificates", "SELECT bytes FROM certificate ORDER BY author, bytes", [], |row| row.get(0))
    }

    fn put_odd(&mut self, odd: &Odd) -> Result<(), StoreError> {
        self.write_odd(odd)
    }

    fn remove_odd(&mut self, scope: u32, position: Position) -> Result<(), StoreError> {
        let sql = "DELETE FROM odd WHERE scope = ?1 AND position = ?2";
        self.run("forgetting a change's state", sql, (scope, position.0)).map(drop)
    }

    fn odds(&self, scope: Option<u32>) -> Result<Vec<Odd>, StoreError> {
        self.read_odds(scope)
    }

    fn put_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), StoreError> {
        self.write_erased(scope, erased)
    }

    fn erased(&self) -> Result<Vec<(u32, Erased)>, StoreError> {
        self.read_erased()
    }

    fn put_file(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        self.write_file(file)
    }

    fn file(&self, scope: u32, hash: &[u8; 32]) -> Result<Option<StoredFile>, StoreError> {
        self.read_file(scope, hash)
    }

    fn files(&self, scope: Option<u32>) -> Result<Vec<StoredFile>, StoreError> {
        self.read_files(scope)
    }

    fn file_totals(&self) -> Result<(u64, u64), StoreError> {
        self.count_files()
    }

    fn add_piece(&mut self, scope: u32, hash: &[u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        self.append_piece(scope, hash, bytes)
    }

    fn file_bytes(&self, scope: u32, hash: &[u8; 32], offset: u64, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.read_file_bytes(scope, hash, offset, limit)
    }

    fn remove_file(&mut self, scope: u32, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.delete_file(scope, hash)
    }

    fn put_extra(&mut self, scope: u32, record: RecordId, position: Position) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO extra (scope, record, position) VALUES (?1, ?2, ?3)";
        self.run("noting a change", sql, (scope, record.as_bytes(), position.0)).map(drop)
    }

    fn extras(&self, scope: u32, record: RecordId) -> Result<Vec<Position>, StoreError> {
        let sql = "SELECT position FROM extra WHERE scope = ?1 AND record = ?2 ORDER BY position";
        self.rows("reading a record's changes", sql, (scope, record.as_bytes()), |row| row.get(0).map(Position))
    }

    fn has_extras(&self, scope: u32) -> Result<bool, StoreError> {
        let found = self.rows(
            "reading a scope's changes",
            "SELECT 1 FROM extra WHERE scope = ?1 LIMIT 1",
            [scope],
            |_| Ok(()),
        )?;
        Ok(!found.is_empty())
    }

    fn view_head(&self, scope: u32, type_no: usize, id: RecordId) -> Result<Option<RowHead>, StoreError> {
        self.read_head(scope, type_no, id)
    }

    fn view_heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError> {
        self.read_heads(type_no, id)
    }

    fn keeps_words(&self) -> bool {
        !self.layout.options.without_search
    }

    fn view_insert(&mut self, scope: u32, type_no: usize, row: &ViewRow<'_, '_>) -> Result<bool, StoreError> {
        self.insert_row(scope, type_no, row)
    }

    fn view_update(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        self.update_row(rec, type_no, row)
    }

    fn view_update_cells(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        self.update_cells(rec, type_no, row).map(drop)
    }

    fn view_cells(&self, rec: i64, type_no: usize) -> Result<Option<Vec<Cell<'static>>>, StoreError> {
        self.read_cells(rec, type_no)
    }

    fn view_delete(&mut self, rec: i64, type_no: usize) -> Result<(), StoreError> {
        self.delete_row(rec, type_no)
    }

    fn remove_scope(&mut self, scope: u32) -> Result<(), StoreError> {
        self.empty_scope(scope)
    }

    fn clear_views(&mut self) -> Result<(), StoreError> {
        self.empty_views()
    }

    fn visit(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.run_query(query, visitor)
    }

    fn scrub_words(&mut self, type_no: usize) -> Result<(), StoreError> {
        self.rewrite_words(type_no)
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        // `secure_delete` has zeroed what was removed; older pages stand in the write-ahead log until it is emptied.
        let doing = "emptying the write-ahead log";
        self.connection.busy_timeout(SCRUB_WAIT).map_err(self.explain(doing))?;
        let clean = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0).map(|busy| !busy))
            .map_err(self.explain(doing));
        self.connection.busy_timeout(open::BUSY_WAIT).map_err(self.explain(doing))?;
        match &clean {
            // What the log held is in the file, which was flushed.
            Ok(true) => self.flushed = Flushed::Whole,
            Ok(false) => {}
            Err(error) => self.doubt(error),
        }
        clean
    }

    fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut found =
            self.rows("checking the file", "PRAGMA integrity_check(20)", [], |row| row.get::<_, String>(0))?;
        found.retain(|line| line != "ok");
        let broken = self.rows("checking references", "PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0))?;
        found.extend(broken.into_iter().map(|table| format!("a row of {table} refers to nothing")));
        // What says how the rows and their search words are laid out may be damaged so that statements are refused.
        for (view, statements) in self.layout.views.iter().zip(&self.layout.statements) {
            let refused = statements.telling().find_map(|sql| self.connection.prepare(sql).err());
            found.extend(refused.map(|error| format!("the rows of {} cannot be used: {error}", view.type_name)));
        }
        Ok(found)
    }

    fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let doing = "copying the database";
        let name = path
            .to_str()
            .ok_or_else(|| StoreError::engine(doing, std::io::Error::from(std::io::ErrorKind::InvalidInput)))?;
        // A reading handle may write nothing, not even another file.
        self.batch(doing, "PRAGMA query_only=OFF")?;
        let copied = self.run(doing, "VACUUM INTO ?1", [name]).map(drop);
        if self.lock.is_none() {
            self.batch(doing, "PRAGMA query_only=ON")?;
        }
        copied
    }

    fn size(&self) -> Result<u64, StoreError> {
        let pages = self.connection.query_row("PRAGMA page_count", [], |row| row.get::<_, u64>(0));
        // SQLCipher answers this pragma with a text.
        let bytes = self.connection.query_row("PRAGMA page_size", [], |row| match row.get_ref(0)? {
            ValueRef::Text(digits) => Ok(str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0)),
            _ => row.get::<_, u64>(0),
        });
        match (pages, bytes) {
            (Ok(pages), Ok(bytes)) => Ok(pages.saturating_mul(bytes)),
            (Err(error), _) | (_, Err(error)) => Err(explain("reading the size", &self.layout.path, error)),
        }
    }
}
