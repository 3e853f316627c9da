//! What the benchmark compares a replica with: the plain typed rows alone, and flushes counted as SQLite asks for them.
//!
//! [`PlainTables`] are the very tables and indexes of a replica's views, made by the path that opens a replica, and then written by
//! one prepared statement a row: no log, no hashes, no lookups. [`plain_rows`] gives the same content that the views would show.
//! Only `lastmile bench` and tests use this module.

mod syncs;

use std::collections::HashMap;
use std::path::Path;

use lastmile_crdt::{Known, decode, evaluate};
use lastmile_log::unpack;
use lastmile_model::{Catalogue, RecordId};
use rusqlite::Connection;

use crate::StoreError;
use crate::columns::views;
use crate::history::MAX_STORED;
use crate::project;
use crate::sqlite::{self, OpenOptions};
use crate::storage::{Cell, Durability};

pub use syncs::SyncCounter;

/// One row as a program without logs would write it.
#[derive(Debug, Clone)]
pub struct PlainRow {
    type_no: usize,
    id: RecordId,
    position: i64,
    cells: Vec<Cell<'static>>,
    search: Option<(String, String)>,
}

/// Reads from a packed batch the rows that its first changes make; later changes of records are left out.
///
/// # Errors
/// When the batch or a change in it cannot be read.
pub fn plain_rows(packed: &[u8], catalogue: &Catalogue) -> Result<Vec<PlainRow>, StoreError> {
    let views = views(catalogue);
    let batch = unpack(packed, MAX_STORED)?;
    let mut rows = Vec::new();
    let mut position = 0i64;
    for (place, commit) in batch.commits.iter().enumerate() {
        for (index, entry) in commit.header.changes.iter().enumerate() {
            position = position.saturating_add(1);
            let (Some((type_no, record_type)), Some(body)) =
                (catalogue.get(&entry.record_type), batch.body(place, index))
            else {
                continue;
            };
            let Some(view) = views.get(type_no).filter(|_| entry.header.deps.is_empty()) else { continue };
            let change = decode(body).map_err(|error| StoreError::engine("reading a change", error))?;
            let record = evaluate(Some(record_type), &[Known::visible(&change)]);
            let cells = project::cells(view, record_type, &record);
            rows.push(PlainRow {
                type_no,
                id: entry.record,
                position,
                cells: cells.into_iter().map(Cell::into_owned).collect(),
                search: project::search_words(view, record_type, &record),
            });
        }
    }
    Ok(rows)
}

/// The tables of a replica's views in a file of their own, written row by row.
#[derive(Debug)]
pub struct PlainTables {
    connection: Connection,
    /// By type: the statement of a row, and that of its search words where the type is searched.
    inserts: Vec<(String, Option<String>)>,
    next: HashMap<(u32, usize), i64>,
    relaxed: bool,
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::engine("writing plain rows", error)
}

impl PlainTables {
    /// Makes the tables in a new file, with the settings of a replica.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, options: &OpenOptions, catalogue: &Catalogue) -> Result<Self, StoreError> {
        drop(sqlite::open(path, options, catalogue)?);
        let connection = sqlite::connect_writer(path, options)?;
        let insert = |view: &crate::columns::ViewTable| {
            let name = &view.type_name;
            let columns: Vec<String> = view.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            let marks: Vec<String> = (1..=view.columns.len() + 5).map(|mark| format!("?{mark}")).collect();
            let row = format!(
                "INSERT INTO v_{name} (_rec, _scope, _id, _position, _more, {}) VALUES ({})",
                columns.join(", "),
                marks.join(", ")
            );
            let words = (view.searchable && !options.without_search)
                .then(|| format!("INSERT INTO find_{name}_words (rowid, words, initials) VALUES (?1, ?2, ?3)"));
            (row, words)
        };
        let inserts = views(catalogue).iter().map(insert).collect();
        Ok(Self { connection, inserts, next: HashMap::new(), relaxed: false })
    }

    /// Writes rows of one scope each, in one transaction.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn insert<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (u32, &'r PlainRow)>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let relaxed = durability == Durability::Refetchable;
        if relaxed != self.relaxed {
            let word = if relaxed { "NORMAL" } else { "FULL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous={word}")).map_err(failed)?;
            self.relaxed = relaxed;
        }
        let transaction = self.connection.unchecked_transaction().map_err(failed)?;
        for (scope, row) in rows {
            let next = self.next.entry((scope, row.type_no)).or_insert_with(|| i64::from(scope) << 32);
            *next = next.saturating_add(1);
            let Some((insert, words)) = self.inserts.get(row.type_no) else { continue };
            let mut statement = self.connection.prepare_cached(insert).map_err(failed)?;
            statement.raw_bind_parameter(1, *next).map_err(failed)?;
            statement.raw_bind_parameter(2, scope).map_err(failed)?;
            statement.raw_bind_parameter(3, row.id.as_bytes().as_slice()).map_err(failed)?;
            statement.raw_bind_parameter(4, row.position).map_err(failed)?;
            statement.raw_bind_parameter(5, false).map_err(failed)?;
            for (place, cell) in row.cells.iter().enumerate() {
                statement.raw_bind_parameter(place + 6, cell).map_err(failed)?;
            }
            statement.raw_execute().map_err(failed)?;
            if let (Some(sql), Some((words, initials))) = (words, &row.search) {
                let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
                statement.execute((*next, words, initials)).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Counts the rows of a type.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn count(&self, record_type: &str, catalogue: &Catalogue) -> Result<u64, StoreError> {
        let (_, known) =
            catalogue.get(record_type).ok_or_else(|| StoreError::NoType { name: record_type.to_owned() })?;
        let sql = format!("SELECT count(*) FROM v_{}", known.name);
        self.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)
    }
}
