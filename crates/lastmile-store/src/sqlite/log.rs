//! The tables of the logs.

use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope, ScopeKind};
use rusqlite::Row;
use rusqlite::types::Type;

use super::SqliteStorage;
use crate::StoreError;
use crate::storage::{
    Blob, ChangeState, Cut, Erased, Odd, Pending, PendingHead, Position, StoredReceipt, StoredSeal, Strand,
};

const STRAND_COLUMNS: &str =
    "no, scope, author, first, prev, parent, head, chain, sealed, sealed_chain, viewed, changes";

/// What the kinds of names in `erased` are.
const ERASED_CHANGE: i64 = 1;
const ERASED_RECORD: i64 = 2;

fn bad(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, what.into())
}

fn author(row: &Row<'_>, column: usize) -> rusqlite::Result<AuthorId> {
    AuthorId::from_slice(row.get_ref(column)?.as_blob()?).ok_or_else(|| bad(column, "not an author id"))
}

fn chain(row: &Row<'_>, column: usize) -> rusqlite::Result<ChainHash> {
    ChainHash::from_slice(row.get_ref(column)?.as_blob()?).ok_or_else(|| bad(column, "not a chain hash"))
}

fn signature(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; 64]> {
    row.get_ref(column)?.as_blob()?.try_into().map_err(|_| bad(column, "not a signature"))
}

/// The rowid of a blob: strand << 40 | first commit.
fn place(strand: u32, seq: u64) -> i64 {
    i64::from(strand) << 40 | i64::try_from(seq & 0xff_ffff_ffff).unwrap_or(0)
}

fn seq_of(place: i64) -> u64 {
    u64::try_from(place & 0xff_ffff_ffff).unwrap_or(0)
}

fn strand_of(row: &Row<'_>) -> rusqlite::Result<Strand> {
    Ok(Strand {
        no: row.get(0)?,
        scope: row.get(1)?,
        author: author(row, 2)?,
        first: row.get(3)?,
        prev: chain(row, 4)?,
        parent: row.get(5)?,
        head: row.get(6)?,
        chain: chain(row, 7)?,
        sealed: row.get(8)?,
        sealed_chain: chain(row, 9)?,
        viewed: row.get(10)?,
        changes: row.get(11)?,
    })
}

fn seal_of(row: &Row<'_>, strand: u32) -> rusqlite::Result<StoredSeal> {
    Ok(StoredSeal { strand, seq: row.get(0)?, chain: chain(row, 1)?, signature: signature(row, 2)? })
}

impl SqliteStorage {
    pub(super) fn read_meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.rows("reading a setting", "SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?;
        Ok(found.into_iter().next())
    }

    pub(super) fn read_scopes(&self) -> Result<Vec<(u32, Scope)>, StoreError> {
        self.rows("reading scopes", "SELECT no, kind, code FROM scope ORDER BY no", [], |row| {
            let kind = ScopeKind::from_number(row.get(1)?).ok_or_else(|| bad(1, "not a kind of scope"))?;
            let scope = Scope::new(kind, row.get_ref(2)?.as_str()?).map_err(|_| bad(2, "not a scope's code"))?;
            Ok((row.get(0)?, scope))
        })
    }

    pub(super) fn write_scope(&mut self, scope: &Scope) -> Result<u32, StoreError> {
        let doing = "adding a scope";
        self.run(
            doing,
            "INSERT OR IGNORE INTO scope (kind, code) VALUES (?1, ?2)",
            (scope.kind() as u8, scope.code()),
        )?;
        self.connection
            .query_row(
                "SELECT no FROM scope WHERE kind = ?1 AND code = ?2",
                (scope.kind() as u8, scope.code()),
                |row| row.get(0),
            )
            .map_err(self.explain(doing))
    }

    pub(super) fn read_strands(&self) -> Result<Vec<Strand>, StoreError> {
        self.rows("reading logs", &format!("SELECT {STRAND_COLUMNS} FROM strand ORDER BY no"), [], strand_of)
    }

    pub(super) fn write_strand(&mut self, strand: &Strand) -> Result<(), StoreError> {
        self.run(
            "writing a log's head",
            "INSERT INTO strand (no, scope, author, first, prev, parent, head, chain, sealed, sealed_chain, viewed, changes) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (no) DO UPDATE SET head = ?7, chain = ?8, sealed = ?9, sealed_chain = ?10, viewed = ?11, changes = ?12",
            (
                strand.no,
                strand.scope,
                strand.author.0,
                strand.first,
                strand.prev.0,
                strand.parent,
                strand.head,
                strand.chain.0,
                strand.sealed,
                strand.sealed_chain.0,
                strand.viewed,
                strand.changes,
            ),
        )
        .map(drop)
    }

    /// Removes the logs of a scope, and the scope. What refers to another row goes before it.
    pub(super) fn delete_logs(&mut self, scope: u32) -> Result<(), StoreError> {
        let doing = "removing the logs of a scope";
        let strands = "(SELECT no FROM strand WHERE scope = ?1)";
        for sql in [
            "DELETE FROM blob WHERE place >> 40 IN ".to_owned() + strands,
            "DELETE FROM seal WHERE strand IN ".to_owned() + strands,
            "DELETE FROM cut WHERE strand IN ".to_owned() + strands,
            "UPDATE strand SET parent = NULL WHERE parent IN ".to_owned() + strands,
            "DELETE FROM strand WHERE scope = ?1".to_owned(),
        ] {
            self.run(doing, &sql, [scope])?;
        }
        self.delete_files(scope)?;
        for table in ["receipt", "pending", "odd", "extra", "erased"] {
            self.run(doing, &format!("DELETE FROM {table} WHERE scope = ?1"), [scope])?;
        }
        self.run(doing, "DELETE FROM scope WHERE no = ?1", [scope]).map(drop)
    }

    pub(super) fn read_cuts(&self) -> Result<Vec<Cut>, StoreError> {
        let sql = "SELECT strand, seq, before_chain, at_chain FROM cut ORDER BY strand, seq";
        self.rows("reading forks", sql, [], |row| {
            Ok(Cut { strand: row.get(0)?, seq: row.get(1)?, before: chain(row, 2)?, at: chain(row, 3)? })
        })
    }

    pub(super) fn write_cut(&mut self, cut: &Cut) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO cut (strand, seq, before_chain, at_chain) VALUES (?1, ?2, ?3, ?4)";
        self.run("noting a fork", sql, (cut.strand, cut.seq, cut.before.0, cut.at.0)).map(drop)
    }

    pub(super) fn write_blob(&mut self, strand: u32, first: u64, last: u64, packed: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO blob (place, last, packed) VALUES (?1, ?2, ?3)";
        self.run("appending commits", sql, (place(strand, first), last, packed)).map(drop)
    }

    pub(super) fn delete_blob(&mut self, strand: u32, first: u64) -> Result<(), StoreError> {
        self.run("replacing commits", "DELETE FROM blob WHERE place = ?1", [place(strand, first)]).map(drop)
    }

    pub(super) fn read_blob(&self, strand: u32, seq: u64) -> Result<Option<Blob>, StoreError> {
        let sql = "SELECT place, last, packed FROM blob WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1";
        let found = self.rows("reading commits", sql, (place(strand, 0), place(strand, seq)), |row| {
            Ok(Blob { strand, first: seq_of(row.get(0)?), last: row.get(1)?, packed: row.get(2)? })
        })?;
        Ok(found.into_iter().next().filter(|blob| blob.last >= seq))
    }

    pub(super) fn read_blob_list(&self, strand: u32) -> Result<Vec<(u64, u64, u64)>, StoreError> {
        let sql = "SELECT place, last, length(packed) FROM blob WHERE place BETWEEN ?1 AND ?2 ORDER BY place";
        self.rows("listing commits", sql, (place(strand, 0), place(strand, 0xff_ffff_ffff)), |row| {
            Ok((seq_of(row.get(0)?), row.get(1)?, row.get(2)?))
        })
    }

    pub(super) fn write_seal(&mut self, seal: &StoredSeal) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO seal (strand, seq, chain, signature) VALUES (?1, ?2, ?3, ?4)";
        self.run("writing a seal", sql, (seal.strand, seal.seq, seal.chain.0, seal.signature)).map(drop)
    }

    pub(super) fn read_seals(&self, strand: u32) -> Result<Vec<StoredSeal>, StoreError> {
        let sql = "SELECT seq, chain, signature FROM seal WHERE strand = ?1 ORDER BY seq";
        self.rows("reading seals", sql, [strand], |row| seal_of(row, strand))
    }

    pub(super) fn read_last_seal(&self, strand: u32, low: u64, high: u64) -> Result<Option<StoredSeal>, StoreError> {
        let sql = "SELECT seq, chain, signature FROM seal WHERE strand = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT 1";
        Ok(self.rows("reading a seal", sql, (strand, low, high), |row| seal_of(row, strand))?.pop())
    }

    pub(super) fn write_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO receipt (scope, author, epoch, seq, chain, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let stored =
            (receipt.scope, receipt.author.0, receipt.epoch.0, receipt.seq, receipt.chain.0, receipt.signature);
        self.run("writing a receipt", sql, stored).map(drop)
    }

    pub(super) fn delete_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        let sql = "DELETE FROM receipt WHERE scope = ?1 AND author = ?2 AND epoch = ?3 AND seq = ?4 AND chain = ?5";
        let key = (receipt.scope, receipt.author.0, receipt.epoch.0, receipt.seq, receipt.chain.0);
        self.run("removing a receipt", sql, key).map(drop)
    }

    pub(super) fn read_receipts(&self, scope: Option<u32>) -> Result<Vec<StoredReceipt>, StoreError> {
        // One range of the key, whether it is one scope or all of them.
        let (low, high) = scope.map_or((0, u32::MAX), |scope| (scope, scope));
        let sql = "SELECT scope, author, epoch, seq, chain, signature FROM receipt WHERE scope BETWEEN ?1 AND ?2 \
                   ORDER BY scope, author, epoch, seq, chain";
        self.rows("reading receipts", sql, (low, high), |row| {
            Ok(StoredReceipt {
                scope: row.get(0)?,
                author: author(row, 1)?,
                epoch: author(row, 2)?,
                seq: row.get(3)?,
                chain: chain(row, 4)?,
                signature: signature(row, 5)?,
            })
        })
    }

    pub(super) fn write_pending(&mut self, pending: &Pending) -> Result<(), StoreError> {
        let sql = "INSERT INTO pending (scope, author, first, last, chain, changes, packed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let stored = (
            pending.scope,
            pending.author.0,
            pending.first,
            pending.last,
            pending.chain.0,
            pending.changes,
            &pending.packed,
        );
        self.run("keeping a pending batch", sql, stored).map(drop)
    }

    /// The length of the bytes stands in the row's header: they are not read.
    pub(super) fn read_pending_heads(&self, scope: Option<u32>) -> Result<Vec<PendingHead>, StoreError> {
        let sql = "SELECT scope, author, first, last, chain, changes, length(packed) FROM pending \
                   WHERE ?1 IS NULL OR scope = ?1 ORDER BY scope, author, first, no";
        self.rows("listing pending batches", sql, [scope], |row| {
            Ok(PendingHead {
                scope: row.get(0)?,
                author: author(row, 1)?,
                first: row.get(2)?,
                last: row.get(3)?,
                chain: chain(row, 4)?,
                changes: row.get(5)?,
                bytes: row.get(6)?,
            })
        })
    }

    pub(super) fn read_pendings(&self, scope: u32, author: AuthorId) -> Result<Vec<Pending>, StoreError> {
        let sql = "SELECT first, last, chain, changes, packed FROM pending WHERE scope = ?1 AND author = ?2 ORDER BY first, no";
        self.rows("reading pending batches", sql, (scope, author.0), |row| {
            Ok(Pending {
                scope,
                author,
                first: row.get(0)?,
                last: row.get(1)?,
                chain: chain(row, 2)?,
                changes: row.get(3)?,
                packed: row.get(4)?,
            })
        })
    }

    pub(super) fn write_odd(&mut self, odd: &Odd) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO odd (scope, position, state, reason, record_type, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let stored = (odd.scope, odd.position.0, odd.state as u8, &odd.reason, &odd.record_type, odd.record.as_bytes());
        self.run("noting a change's state", sql, stored).map(drop)
    }

    pub(super) fn read_odds(&self, scope: Option<u32>) -> Result<Vec<Odd>, StoreError> {
        let sql = "SELECT scope, position, state, reason, record_type, record FROM odd \
                   WHERE ?1 IS NULL OR scope = ?1 ORDER BY scope, position";
        self.rows("reading changes that are not applied", sql, [scope], |row| {
            let id = row.get_ref(5)?.as_blob()?.try_into().map_err(|_| bad(5, "not a record id"))?;
            Ok(Odd {
                scope: row.get(0)?,
                position: Position(row.get(1)?),
                state: ChangeState::from_number(row.get(2)?).ok_or_else(|| bad(2, "not a state"))?,
                reason: row.get(3)?,
                record_type: row.get(4)?,
                record: RecordId::from_bytes(id),
            })
        })
    }

    pub(super) fn write_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), StoreError> {
        let (kind, name) = match erased {
            Erased::Change(hash) => (ERASED_CHANGE, hash.0.as_slice()),
            Erased::Record(record) => (ERASED_RECORD, record.as_bytes().as_slice()),
        };
        let sql = "INSERT OR IGNORE INTO erased (scope, kind, name) VALUES (?1, ?2, ?3)";
        self.run("remembering an erasure", sql, (scope, kind, name)).map(drop)
    }

    pub(super) fn read_erased(&self) -> Result<Vec<(u32, Erased)>, StoreError> {
        let sql = "SELECT scope, kind, name FROM erased ORDER BY scope, kind, name";
        self.rows("reading erasures", sql, [], |row| {
            let name = row.get_ref(2)?.as_blob()?;
            let erased = match row.get(1)? {
                ERASED_CHANGE => ChangeHash::from_slice(name).map(Erased::Change),
                ERASED_RECORD => name.try_into().ok().map(|id| Erased::Record(RecordId::from_bytes(id))),
                _ => None,
            };
            Ok((row.get(0)?, erased.ok_or_else(|| bad(2, "not what an erasure names"))?))
        })
    }
}
