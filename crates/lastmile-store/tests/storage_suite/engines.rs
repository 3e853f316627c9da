//! The engines under test, and short ways to make and write what they hold.

use std::ops::ControlFlow;
use std::path::Path;

use lastmile_model::{AuthorId, Catalogue, ChainHash, RecordId, Scope};
use lastmile_store::StoreError;
use lastmile_store::columns::{self, ViewTable};
use lastmile_store::memory::MemoryStorage;
use lastmile_store::query::Query;
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::storage::{Cell, Durability, Position, RowHead, Storage, Strand, ViewRow};

/// No records.
pub(crate) const NONE: [u8; 0] = [];

/// An engine and the folder it lives in, if any.
pub(crate) struct Engine {
    pub storage: Box<dyn Storage>,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) fn sqlite() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder.path().join("replica.db"));
    Engine { storage, _folder: Some(folder) }
}

#[cfg(feature = "encryption")]
pub(crate) fn encrypted() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { key: Some([7; 32]), without_search: false };
    let storage = sqlite::open(&folder.path().join("replica.db"), &options, Catalogue::builtin()).unwrap();
    Engine { storage, _folder: Some(folder) }
}

pub(crate) fn memory() -> Engine {
    Engine { storage: Box::new(MemoryStorage::new(Catalogue::builtin())), _folder: None }
}

pub(crate) fn open(path: &Path) -> Box<dyn Storage> {
    sqlite::open(path, &OpenOptions::default(), Catalogue::builtin()).unwrap()
}

pub(crate) fn scope(n: u8) -> Scope {
    Scope::community(&format!("430103005{n:03}")).unwrap()
}

pub(crate) fn author(n: u8) -> AuthorId {
    AuthorId([n; 16])
}

pub(crate) fn chain(n: u8) -> ChainHash {
    ChainHash([n; 32])
}

pub(crate) fn record(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

/// A trunk with one commit.
pub(crate) fn strand(no: u32, scope: u32, of: u8) -> Strand {
    Strand {
        no,
        scope,
        author: author(of),
        first: 1,
        prev: ChainHash::ZERO,
        parent: None,
        head: 1,
        chain: chain(1),
        sealed: 0,
        sealed_chain: ChainHash::ZERO,
        viewed: 0,
        changes: 1,
    }
}

pub(crate) fn type_no(name: &str) -> usize {
    Catalogue::builtin().get(name).unwrap().0
}

pub(crate) fn view(name: &str) -> ViewTable {
    columns::views(Catalogue::builtin()).remove(type_no(name))
}

pub(crate) fn text(text: &'static str) -> Cell<'static> {
    Cell::Text(text.into())
}

pub(crate) fn bytes(bytes: &'static [u8]) -> Cell<'static> {
    Cell::Blob(bytes.into())
}

/// The cells of a row in which these columns have something.
pub(crate) fn cells(type_name: &str, given: &[(&str, Cell<'static>)]) -> Vec<Cell<'static>> {
    let view = view(type_name);
    let mut cells = vec![Cell::Null; view.columns.len()];
    for (name, cell) in given {
        cells[view.position(name).unwrap()] = cell.clone();
    }
    cells
}

/// Runs one transaction that must succeed.
pub(crate) fn write<T>(storage: &mut dyn Storage, work: impl FnOnce(&mut dyn Storage) -> Result<T, StoreError>) -> T {
    storage.begin(Durability::Refetchable).unwrap();
    let made = work(storage).unwrap();
    storage.commit().unwrap();
    made
}

/// Adds `count` scopes, whose numbers are then 1 to `count`.
pub(crate) fn add_scopes(storage: &mut dyn Storage, count: u8) {
    for n in 1..=count {
        assert_eq!(write(storage, |storage| storage.add_scope(&scope(n))), u32::from(n));
    }
}

/// Inserts a row outside any transaction of its own.
pub(crate) fn insert(
    storage: &mut dyn Storage,
    scope: u32,
    type_name: &str,
    id: u8,
    given: &[(&str, Cell<'static>)],
) -> bool {
    insert_found(storage, scope, type_name, id, given, None)
}

pub(crate) fn insert_found(
    storage: &mut dyn Storage,
    scope: u32,
    type_name: &str,
    id: u8,
    given: &[(&str, Cell<'static>)],
    search: Option<(&str, &str)>,
) -> bool {
    let cells = cells(type_name, given);
    let row = ViewRow { id: record(id), position: Position(i64::from(id)), more: false, cells: &cells, search };
    storage.view_insert(scope, type_no(type_name), &row).unwrap()
}

/// A row as a query gave it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub scope: u32,
    pub id: RecordId,
    pub head: RowHead,
    pub cells: Vec<Cell<'static>>,
}

pub(crate) fn try_rows(storage: &dyn Storage, query: &Query) -> Result<Vec<Found>, StoreError> {
    let mut rows = Vec::new();
    storage.visit(query, &mut |row| {
        let cells = row.cells.iter().cloned().map(Cell::into_owned).collect();
        rows.push(Found { scope: row.scope, id: row.id, head: row.head, cells });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(rows)
}

pub(crate) fn rows(storage: &dyn Storage, query: &Query) -> Vec<Found> {
    try_rows(storage, query).unwrap()
}

/// The numbers of the records a query gives, in its order.
pub(crate) fn ids(storage: &dyn Storage, query: &Query) -> Vec<u8> {
    rows(storage, query).iter().map(|row| row.id.as_bytes()[0]).collect()
}
