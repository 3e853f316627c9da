//! The tables of the files.

use lastmile_model::AuthorId;
use rusqlite::Row;
use rusqlite::types::Type;

use super::SqliteStorage;
use crate::StoreError;
use crate::storage::{FileState, StoredFile};

const COLUMNS: &str = "scope, hash, size, held, state, epoch";

/// How far a file's number stands before the offset in a piece's place; no file is as long.
const SHIFT: u32 = 24;

fn bad(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, what.into())
}

fn file_of(row: &Row<'_>) -> rusqlite::Result<StoredFile> {
    let epoch = row
        .get_ref(5)?
        .as_blob_or_null()?
        .map(|bytes| AuthorId::from_slice(bytes).ok_or_else(|| bad(5, "not an epoch")));
    Ok(StoredFile {
        scope: row.get(0)?,
        hash: row.get_ref(1)?.as_blob()?.try_into().map_err(|_| bad(1, "not a hash"))?,
        size: row.get(2)?,
        held: row.get(3)?,
        state: FileState::from_number(row.get(4)?).ok_or_else(|| bad(4, "not a state of a file"))?,
        epoch: epoch.transpose()?,
    })
}

impl SqliteStorage {
    pub(super) fn write_file(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        let sql = "INSERT INTO file (scope, hash, size, held, state, epoch) VALUES (?1, ?2, ?3, 0, ?4, ?5) \
                   ON CONFLICT (scope, hash) DO UPDATE SET size = ?3, state = ?4, epoch = ?5";
        let stored = (file.scope, file.hash, file.size, file.state as u8, file.epoch.map(|epoch| epoch.0));
        self.run("noting a file", sql, stored).map(drop)
    }

    pub(super) fn read_file(&self, scope: u32, hash: &[u8; 32]) -> Result<Option<StoredFile>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM file WHERE scope = ?1 AND hash = ?2");
        Ok(self.rows("reading a file", &sql, (scope, hash), file_of)?.pop())
    }

    pub(super) fn read_files(&self, scope: Option<u32>) -> Result<Vec<StoredFile>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM file WHERE ?1 IS NULL OR scope = ?1 ORDER BY scope, hash");
        self.rows("listing files", &sql, [scope], file_of)
    }

    pub(super) fn count_files(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*), ifnull(sum(size), 0) FROM file WHERE state IN (1, 2, 3)";
        let found = self.rows("counting files", sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The number of a file and how many of its bytes are held.
    fn file_no(&self, scope: u32, hash: &[u8; 32]) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT no, held FROM file WHERE scope = ?1 AND hash = ?2";
        Ok(self.rows("reading a file", sql, (scope, hash), |row| Ok((row.get(0)?, row.get(1)?)))?.pop())
    }

    pub(super) fn append_piece(&mut self, scope: u32, hash: &[u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        let doing = "keeping a piece of a file";
        let (no, held) = self
            .file_no(scope, hash)?
            .ok_or_else(|| StoreError::engine(doing, rusqlite::Error::QueryReturnedNoRows))?;
        if !bytes.is_empty() {
            self.run(doing, "INSERT INTO file_piece (place, bytes) VALUES (?1, ?2)", (no << SHIFT | held, bytes))?;
        }
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.run(doing, "UPDATE file SET held = held + ?2 WHERE no = ?1", (no, length)).map(drop)
    }

    pub(super) fn read_file_bytes(
        &self,
        scope: u32,
        hash: &[u8; 32],
        offset: u64,
        limit: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let Some((no, held)) = self.file_no(scope, hash)? else { return Ok(Vec::new()) };
        let held = u64::try_from(held).unwrap_or(0);
        let end = offset.saturating_add(limit).min(held);
        if offset >= end {
            return Ok(Vec::new());
        }
        let place = |at: u64| no << SHIFT | i64::try_from(at).unwrap_or(0);
        // The piece that holds the first byte is the last one that begins there or before.
        let sql = "SELECT place, bytes FROM file_piece WHERE place < ?3 AND place >= \
                   (SELECT max(place) FROM file_piece WHERE place BETWEEN ?1 AND ?2) ORDER BY place";
        let pieces = self.rows("reading a file", sql, (place(0), place(offset), place(end)), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut out = Vec::new();
        for (at, bytes) in pieces {
            let begins = u64::try_from(at & ((1 << SHIFT) - 1)).unwrap_or(0);
            let within = |at: u64| {
                let at = at.saturating_sub(begins);
                usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len())
            };
            out.extend_from_slice(bytes.get(within(offset)..within(end)).unwrap_or_default());
        }
        Ok(out)
    }

    pub(super) fn delete_file(&mut self, scope: u32, hash: &[u8; 32]) -> Result<(), StoreError> {
        let doing = "removing a file";
        let Some((no, _)) = self.file_no(scope, hash)? else { return Ok(()) };
        let (low, high) = (no << SHIFT, (no + 1) << SHIFT);
        self.run(doing, "DELETE FROM file_piece WHERE place >= ?1 AND place < ?2", (low, high))?;
        self.run(doing, "DELETE FROM file WHERE no = ?1", [no]).map(drop)
    }

    /// Removes the files of a scope.
    pub(super) fn delete_files(&mut self, scope: u32) -> Result<(), StoreError> {
        let doing = "removing the files of a scope";
        let sql = format!("DELETE FROM file_piece WHERE place >> {SHIFT} IN (SELECT no FROM file WHERE scope = ?1)");
        self.run(doing, &sql, [scope])?;
        self.run(doing, "DELETE FROM file WHERE scope = ?1", [scope]).map(drop)
    }
}
