//! The typed views: one table per record type, generated from the catalogue.

use std::fmt::Write as _;

use lastmile_model::{Catalogue, RecordId};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::query::cell;
use super::{Layout, SqliteStorage, explain};
use crate::StoreError;
use crate::columns::{EVALUATION, ViewTable};
use crate::storage::{Cell, Position, RowHead, ViewRow};

/// The key under which the views' shape and rules are remembered; other ones mean that they are made anew and rebuilt.
const SHAPE: &str = "views.shape";

/// Columns of every view before those of its type.
pub(super) const HEAD_COLUMNS: usize = 5;

/// The SQL of one view, made once per handle.
#[derive(Debug)]
pub(crate) struct Statements {
    create: String,
    head: String,
    heads: String,
    last: String,
    cells: String,
    insert: String,
    update: String,
    delete: String,
    /// Empty where nothing is searched.
    find_put: String,
    find_remove: String,
    find_rewrite: String,
    clear: String,
    /// Removes the rows and search words of a scope, by the range of their local numbers.
    clear_scope: Vec<String>,
}

impl Statements {
    /// Statements that together name everything that a row and its search words are laid out in.
    pub(super) fn telling(&self) -> impl Iterator<Item = &str> {
        [&self.cells, &self.insert, &self.find_put].into_iter().map(String::as_str).filter(|sql| !sql.is_empty())
    }

    /// Writes the SQL of a view. Names come from the catalogue, which admits plain identifiers only.
    ///
    /// Catalogue names begin with a letter and hold no dot, so the underscore of the head's columns and the dot in the names of
    /// indexes keep them apart from every field and type; search tables end in `_words`, which no table inside FTS5 does.
    pub(super) fn new(view: &ViewTable, without_search: bool) -> Self {
        let name = &view.type_name;
        let searchable = view.searchable && !without_search;
        let mut create = format!(
            "CREATE TABLE v_{name} (_rec INTEGER PRIMARY KEY, _scope INTEGER NOT NULL, _id BLOB NOT NULL, \
             _position INTEGER NOT NULL, _more INTEGER NOT NULL"
        );
        let mut names = String::from("_rec, _scope, _id, _position, _more");
        let mut marks = String::from("?1, ?2, ?3, ?4, ?5");
        let mut sets = String::from("_position = ?4, _more = ?5");
        let mut indexes = format!("CREATE UNIQUE INDEX \"{name}._id\" ON v_{name} (_scope, _id);");
        for (index, column) in view.columns.iter().enumerate() {
            let column_name = &column.name;
            let mark = index + HEAD_COLUMNS + 1;
            // Writing to a String cannot fail.
            // Without a declared type SQLite turns nothing into anything else: "1e3" stays a text.
            let _ = write!(create, ", \"{column_name}\"");
            let _ = write!(names, ", \"{column_name}\"");
            let _ = write!(marks, ", ?{mark}");
            let _ = write!(sets, ", \"{column_name}\" = ?{mark}");
            if column.indexed {
                let _ =
                    write!(indexes, "CREATE INDEX \"{name}.{column_name}\" ON v_{name} (_scope, \"{column_name}\");");
            }
        }
        create.push_str("); ");
        create.push_str(&indexes);
        if searchable {
            let _ = write!(
                create,
                "CREATE VIRTUAL TABLE find_{name}_words USING fts5(words, initials, content='', contentless_delete=1, \
                 detail=full, tokenize='unicode61 remove_diacritics 0');"
            );
        }
        let find = |sql: String| if searchable { sql } else { String::new() };
        Self {
            create,
            head: format!("SELECT _rec, _position, _more FROM v_{name} WHERE _scope = ?1 AND _id = ?2"),
            heads: format!(
                "SELECT scope.no, v._rec, v._position, v._more FROM scope CROSS JOIN v_{name} AS v \
                 WHERE v._scope = scope.no AND v._id = ?1 ORDER BY scope.no"
            ),
            last: format!("SELECT max(_rec) FROM v_{name} WHERE _rec BETWEEN ?1 AND ?2"),
            cells: format!("SELECT {} FROM v_{name} WHERE _rec = ?1", selected(view)),
            insert: format!("INSERT INTO v_{name} ({names}) VALUES ({marks}) ON CONFLICT (_scope, _id) DO NOTHING"),
            update: format!("UPDATE v_{name} SET {sets} WHERE _rec = ?1"),
            delete: format!("DELETE FROM v_{name} WHERE _rec = ?1"),
            find_put: find(format!(
                "INSERT OR REPLACE INTO find_{name}_words (rowid, words, initials) VALUES (?1, ?2, ?3)"
            )),
            find_remove: find(format!("DELETE FROM find_{name}_words WHERE rowid = ?1")),
            find_rewrite: find(format!("INSERT INTO find_{name}_words (find_{name}_words) VALUES ('optimize')")),
            clear_scope: [format!("v_{name} WHERE _rec"), find(format!("find_{name}_words WHERE rowid"))]
                .into_iter()
                .filter(|table| !table.is_empty())
                .map(|table| format!("DELETE FROM {table} BETWEEN ?1 AND ?2"))
                .collect(),
            clear: format!(
                "DELETE FROM v_{name};{}",
                find(format!("INSERT INTO find_{name}_words (find_{name}_words) VALUES ('delete-all');"))
            ),
        }
    }
}

/// The columns of a type's own, quoted.
fn selected(view: &ViewTable) -> String {
    view.columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
}

/// Creates the views, or makes them anew when the catalogue's shape or the rules of evaluation have changed; the logs then fill them again.
pub(super) fn prepare_tables(
    connection: &mut Connection,
    layout: &Layout,
    catalogue: &Catalogue,
) -> Result<(), StoreError> {
    let failed = |error| explain("preparing the views", &layout.path, error);
    let tables: String = layout.statements.iter().map(|statements| statements.create.as_str()).collect();
    let shape = format!("-- rules {EVALUATION}\n{tables}");
    debug_assert_eq!(layout.statements.len(), catalogue.types().len(), "one view per type");
    let found: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [SHAPE], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if found.as_deref() == Some(shape.as_bytes()) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let old: Vec<String> = {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                   AND (name GLOB 'v_*' OR (name GLOB 'find_*' AND sql GLOB 'CREATE VIRTUAL*'))";
        let mut statement = transaction.prepare(sql).map_err(failed)?;
        let names = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        names.collect::<rusqlite::Result<_>>().map_err(failed)?
    };
    for name in old {
        transaction.execute_batch(&format!("DROP TABLE \"{name}\"")).map_err(failed)?;
    }
    for statements in &layout.statements {
        transaction.execute_batch(&statements.create).map_err(failed)?;
    }
    let empty = "DELETE FROM odd; DELETE FROM extra; UPDATE strand SET viewed = first - 1;";
    transaction.execute_batch(empty).map_err(failed)?;
    transaction
        .execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (SHAPE, shape.as_bytes()))
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// The lowest and highest local row number of a scope.
pub(super) fn rec_range(scope: u32) -> (i64, i64) {
    (i64::from(scope) << 32, (i64::from(scope) << 32) | 0xffff_ffff)
}

impl SqliteStorage {
    fn statements(&self, type_no: usize) -> Result<&Statements, StoreError> {
        self.layout.statements.get(type_no).ok_or_else(|| StoreError::NoType { name: format!("number {type_no}") })
    }

    pub(super) fn read_head(&self, scope: u32, type_no: usize, id: RecordId) -> Result<Option<RowHead>, StoreError> {
        let doing = "looking up a record";
        let sql = &self.statements(type_no)?.head;
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        statement
            .query_row((scope, id.as_bytes()), |row| {
                Ok(RowHead { rec: row.get(0)?, position: Position(row.get(1)?), more: row.get(2)? })
            })
            .optional()
            .map_err(self.explain(doing))
    }

    pub(super) fn read_heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError> {
        let sql = &self.statements(type_no)?.heads;
        self.rows("looking up a record", sql, [id.as_bytes()], |row| {
            Ok((row.get(0)?, RowHead { rec: row.get(1)?, position: Position(row.get(2)?), more: row.get(3)? }))
        })
    }

    fn next_rec(&self, scope: u32, type_no: usize) -> Result<i64, StoreError> {
        if let Some(last) = self.last_recs.get(&(scope, type_no)) {
            return Ok(last.saturating_add(1));
        }
        let doing = "numbering a row";
        let (low, high) = rec_range(scope);
        let sql = &self.statements(type_no)?.last;
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        let last: Option<i64> = statement.query_row((low, high), |row| row.get(0)).map_err(self.explain(doing))?;
        Ok(last.unwrap_or(low).saturating_add(1))
    }

    fn write_row(&self, rec: i64, scope: u32, sql: &str, row: &ViewRow<'_, '_>) -> Result<usize, StoreError> {
        let doing = "writing a view";
        let failed = |error| explain(doing, &self.layout.path, error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        // An update leaves ?2 and ?3 out; SQLite counts parameters by the highest number, so binding them is harmless.
        statement.raw_bind_parameter(1, rec).map_err(failed)?;
        statement.raw_bind_parameter(2, scope).map_err(failed)?;
        statement.raw_bind_parameter(3, row.id.as_bytes().as_slice()).map_err(failed)?;
        statement.raw_bind_parameter(4, row.position.0).map_err(failed)?;
        statement.raw_bind_parameter(5, row.more).map_err(failed)?;
        for (index, cell) in row.cells.iter().enumerate() {
            statement.raw_bind_parameter(index + HEAD_COLUMNS + 1, cell).map_err(failed)?;
        }
        statement.raw_execute().map_err(failed)
    }

    fn write_words(&self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        let statements = self.statements(type_no)?;
        if statements.find_put.is_empty() {
            return Ok(());
        }
        let doing = "writing search words";
        match row.search {
            Some((words, initials)) => self.run(doing, &statements.find_put, (rec, words, initials)),
            // What the row was found by before must not outlive it.
            None => self.run(doing, &statements.find_remove, [rec]),
        }
        .map(drop)
    }

    pub(super) fn insert_row(&mut self, scope: u32, type_no: usize, row: &ViewRow<'_, '_>) -> Result<bool, StoreError> {
        let rec = self.next_rec(scope, type_no)?;
        if self.write_row(rec, scope, &self.statements(type_no)?.insert, row)? == 0 {
            return Ok(false);
        }
        self.last_recs.insert((scope, type_no), rec);
        self.write_words(rec, type_no, row)?;
        Ok(true)
    }

    pub(super) fn update_row(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        if self.update_cells(rec, type_no, row)? == 0 {
            // Words without a row would be found again under whatever row takes this number next.
            return Ok(());
        }
        self.write_words(rec, type_no, row)
    }

    pub(super) fn update_cells(&self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<usize, StoreError> {
        self.write_row(rec, 0, &self.statements(type_no)?.update, row)
    }

    pub(super) fn read_cells(&self, rec: i64, type_no: usize) -> Result<Option<Vec<Cell<'static>>>, StoreError> {
        let doing = "reading a view";
        let columns = self.layout.views.get(type_no).map_or(0, |view| view.columns.len());
        let sql = &self.statements(type_no)?.cells;
        let mut statement = self.connection.prepare_cached(sql).map_err(self.explain(doing))?;
        statement
            .query_row([rec], |row| (0..columns).map(|at| Ok(cell(row.get_ref(at)?).into_owned())).collect())
            .optional()
            .map_err(self.explain(doing))
    }

    pub(super) fn delete_row(&mut self, rec: i64, type_no: usize) -> Result<(), StoreError> {
        let statements = self.statements(type_no)?;
        self.run("removing a row", &statements.delete, [rec])?;
        if !statements.find_remove.is_empty() {
            self.run("removing search words", &statements.find_remove, [rec])?;
        }
        // It may have been the last.
        self.last_recs.retain(|(_, of), _| *of != type_no);
        Ok(())
    }

    /// FTS5 only marks the words of a removed row; merging all that stands leaves them out.
    pub(super) fn rewrite_words(&mut self, type_no: usize) -> Result<(), StoreError> {
        let statements = self.statements(type_no)?;
        if statements.find_rewrite.is_empty() {
            return Ok(());
        }
        self.run("making search words anew", &statements.find_rewrite, []).map(drop)
    }

    pub(super) fn empty_scope(&mut self, scope: u32) -> Result<(), StoreError> {
        self.last_recs.clear();
        let doing = "removing the rows of a scope";
        let range = rec_range(scope);
        for statements in &self.layout.statements {
            for sql in &statements.clear_scope {
                self.run(doing, sql, range)?;
            }
        }
        self.delete_logs(scope)
    }

    pub(super) fn empty_views(&mut self) -> Result<(), StoreError> {
        self.last_recs.clear();
        for statements in &self.layout.statements {
            self.batch("emptying a view", &statements.clear)?;
        }
        self.batch("emptying the views", "DELETE FROM odd; DELETE FROM extra; UPDATE strand SET viewed = first - 1;")
    }
}
