//! Reading views: one pass per table, numbers instead of texts.

use std::ops::ControlFlow;

use lastmile_model::{Catalogue, RecordId};
use lastmile_store::query::Query;
use lastmile_store::storage::{Cell, FoundRow};
use lastmile_store::{Reader, StoreError};

use crate::ReportError;
use crate::day::Day;

/// What a visit does with one row.
pub(crate) type Visit<'v> = dyn FnMut(&FoundRow<'_>) -> Result<ControlFlow<()>, StoreError> + 'v;

/// The replica that a report reads.
pub(crate) struct Source<'a> {
    pub(crate) reader: &'a mut Reader,
}

impl Source<'_> {
    /// The catalogue of record types.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        self.reader.catalogue()
    }

    /// The number of a record type.
    pub(crate) fn type_no(&self, name: &'static str) -> Result<usize, ReportError> {
        self.catalogue().get(name).map(|(number, _)| number).ok_or(ReportError::NoType { name })
    }

    /// Runs a query.
    pub(crate) fn visit(&self, query: &Query, visitor: &mut Visit<'_>) -> Result<(), ReportError> {
        Ok(self.reader.query(query, visitor)?)
    }
}

/// The record's id as a number; smaller ids are smaller numbers.
pub(crate) fn number(id: &RecordId) -> u128 {
    u128::from_be_bytes(*id.as_bytes())
}

/// The record with this number.
pub(crate) fn record(number: u128) -> RecordId {
    RecordId::from_bytes(number.to_be_bytes())
}

/// The record that a reference names.
pub(crate) fn id(cell: &Cell<'_>) -> Option<u128> {
    let bytes: [u8; 16] = cell.blob()?.try_into().ok()?;
    Some(u128::from_be_bytes(bytes))
}

/// The day in a date cell.
pub(crate) fn day(cell: &Cell<'_>) -> Option<Day> {
    Day::parse(cell.text()?)
}

/// The civil day of an instant cell.
pub(crate) fn day_of_instant(cell: &Cell<'_>) -> Option<Day> {
    cell.int().map(Day::of_instant)
}

/// The truth value of a cell.
pub(crate) fn flag(cell: &Cell<'_>) -> Option<bool> {
    cell.int().map(|number| number != 0)
}

/// A count in a cell; nothing and negative numbers are 0.
pub(crate) fn count(cell: &Cell<'_>) -> u32 {
    cell.int().map_or(0, |number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

/// Goes on with the next row.
pub(crate) const NEXT: Result<ControlFlow<()>, StoreError> = Ok(ControlFlow::Continue(()));
