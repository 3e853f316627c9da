//! The rows of one record type.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastmile_model::RecordId;

use super::Refused;
use crate::columns::ViewTable;
use crate::storage::{Cell, Position, RowHead, ViewRow};

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) scope: u32,
    pub(super) id: RecordId,
    position: Position,
    more: bool,
    /// As many as the view has columns.
    pub(super) cells: Vec<Cell<'static>>,
    /// The words it is found by, and the initials.
    pub(super) search: Option<(String, String)>,
}

impl Row {
    fn new(scope: u32, id: RecordId, table: &ViewTable, row: &ViewRow<'_, '_>) -> Result<Self, Refused> {
        let columns = table.columns.len();
        if row.cells.len() > columns {
            return Err(Refused::TooManyCells { given: row.cells.len(), columns });
        }
        let given = row.cells.iter().map(Some).chain(std::iter::repeat(None));
        let cells = given.take(columns);
        let search = row.search.filter(|_| table.searchable);
        Ok(Self {
            scope,
            id,
            position: row.position,
            more: row.more,
            cells: cells.map(|cell| cell.map_or(Cell::Null, |cell| cell.clone().into_owned())).collect(),
            search: search.map(|(words, initials)| (words.to_owned(), initials.to_owned())),
        })
    }

    pub(super) const fn head(&self, rec: i64) -> RowHead {
        RowHead { rec, position: self.position, more: self.more }
    }
}

/// The rows of one record type, by local row number.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) rows: BTreeMap<i64, Arc<Row>>,
    by_id: BTreeMap<(u32, RecordId), i64>,
}

/// The lowest and highest local row number of a scope.
pub(super) const fn rec_range(scope: u32) -> (i64, i64) {
    let low = (scope as i64) << 32;
    (low, low | 0xffff_ffff)
}

impl View {
    pub(super) fn head(&self, scope: u32, id: RecordId) -> Option<RowHead> {
        let rec = *self.by_id.get(&(scope, id))?;
        self.rows.get(&rec).map(|row| row.head(rec))
    }

    pub(super) fn insert(&mut self, scope: u32, table: &ViewTable, row: &ViewRow<'_, '_>) -> Result<bool, Refused> {
        let stored = Row::new(scope, row.id, table, row)?;
        if self.by_id.contains_key(&(scope, row.id)) {
            return Ok(false);
        }
        let (low, high) = rec_range(scope);
        let last = self.rows.range(low..=high).next_back().map_or(low, |(rec, _)| *rec);
        let rec = last.saturating_add(1);
        self.by_id.insert((scope, row.id), rec);
        self.rows.insert(rec, Arc::new(stored));
        Ok(true)
    }

    /// Replaces what a row shows; which record it is, and where, stays. A row that is not there is no error.
    pub(super) fn update(&mut self, rec: i64, table: &ViewTable, row: &ViewRow<'_, '_>) -> Result<(), Refused> {
        let held = self.rows.get(&rec).map_or((0, row.id), |held| (held.scope, held.id));
        let stored = Row::new(held.0, held.1, table, row)?;
        if let Some(place) = self.rows.get_mut(&rec) {
            *place = Arc::new(stored);
        }
        Ok(())
    }

    /// As [`View::update`], keeping the words the row is found by.
    pub(super) fn update_cells(&mut self, rec: i64, table: &ViewTable, row: &ViewRow<'_, '_>) -> Result<(), Refused> {
        let words = self.rows.get(&rec).and_then(|held| held.search.clone());
        let search = words.as_ref().map(|(words, initials)| (words.as_str(), initials.as_str()));
        self.update(rec, table, &ViewRow { search, ..*row })
    }

    pub(super) fn delete(&mut self, rec: i64) {
        if let Some(row) = self.rows.remove(&rec) {
            self.by_id.remove(&(row.scope, row.id));
        }
    }

    /// Whether any row is of this scope.
    pub(super) fn holds(&self, scope: u32) -> bool {
        let (low, high) = rec_range(scope);
        self.rows.range(low..=high).next().is_some()
    }

    /// Drops the rows of a scope.
    pub(super) fn clear_scope(&mut self, scope: u32) {
        self.rows.retain(|_, row| row.scope != scope);
        self.by_id.retain(|(of, _), _| *of != scope);
    }

    /// Bytes of the texts and byte strings in the rows.
    pub(super) fn size(&self) -> usize {
        let cell = |cell: &Cell<'_>| match cell {
            Cell::Null => 0,
            Cell::Int(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Blob(bytes) => bytes.len(),
        };
        let row = |row: &Arc<Row>| row.cells.iter().map(cell).fold(32, usize::saturating_add);
        self.rows.values().map(row).fold(0, usize::saturating_add)
    }
}
