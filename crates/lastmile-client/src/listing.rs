//! Lists of records, a page at a time, and what the replica takes on its disk.

use std::ops::ControlFlow;

use lastmile_model::RecordId;
use lastmile_report::ReportError;
use lastmile_report::lookup::{self, ReadAs};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{Counts, OwnedRow, Reader, StoreError};

use crate::ClientError;
use crate::replica::Replica;

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The rows, with the columns asked for.
    pub rows: Vec<OwnedRow>,
    /// After which record the next page begins; `None` at the end.
    pub next: Option<RecordId>,
}

/// What a replica takes, in bytes and in changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// The replica's file, attachments among it.
    pub bytes: u64,
    /// Attachments of which something is here.
    pub files: u64,
    /// Their bytes that are here.
    pub file_bytes: u64,
    /// The changes held, by state.
    pub changes: Counts,
}

fn read_error(error: ReportError) -> ClientError {
    match error {
        ReportError::Store(error) => ClientError::Store(error),
        other => ClientError::Store(StoreError::Engine { doing: "looking records up", source: Box::new(other) }),
    }
}

impl Replica {
    /// Lists a page of records: at most `limit` rows of the query, after this record. What the office linked to another record that is
    /// here is left out.
    ///
    /// # Errors
    /// A store error when the query names an unknown column, the record to go on after is not here, or the storage fails.
    pub fn page(&self, query: &Query, after: Option<RecordId>, limit: usize) -> Result<Page, ClientError> {
        let name = self.catalogue().types().get(query.type_no).map(|known| known.name.clone()).unwrap_or_default();
        self.read(|reader| {
            reader.stable(|reader| {
                let mut query = query.clone();
                // Rows are counted here, so that what is left out takes no room of what is shown.
                (query.limit, query.offset) = (None, 0);
                if let Some(after) = after {
                    let missing = || StoreError::NoRecord { record_type: name.clone(), id: after.to_string() };
                    query.after = Some(last_row(reader, &query, after)?.ok_or_else(missing)?);
                }
                let read_as = ReadAs::of(reader, &name).map_err(read_error)?;
                let reader = &*reader;
                let mut page = Page::default();
                reader.query(&query, &mut |row| {
                    if read_as.other(reader, row.id)?.is_some() {
                        return Ok(ControlFlow::Continue(()));
                    }
                    if page.rows.len() >= limit {
                        page.next = page.rows.last().map(|last| last.id);
                        return Ok(ControlFlow::Break(()));
                    }
                    let cells = row.cells.iter().map(|cell| cell.clone().into_owned()).collect();
                    page.rows.push(OwnedRow { scope: row.scope, id: row.id, cells });
                    Ok(ControlFlow::Continue(()))
                })?;
                Ok(page)
            })
        })
    }

    /// Finds records of a type by words: characters, words, pinyin initials, the end of a phone number. Of records that the office
    /// linked one is found.
    ///
    /// # Errors
    /// As [`Replica::page`].
    pub fn find(
        &self,
        record_type: &str,
        text: &str,
        columns: &[&str],
        limit: usize,
    ) -> Result<Vec<OwnedRow>, ClientError> {
        self.read(|reader| {
            reader.stable(|reader| {
                let ids = lookup::find(reader, record_type, text, limit).map_err(read_error)?;
                let type_no = reader.type_no(record_type)?;
                let mut rows = Vec::with_capacity(ids.len());
                for id in ids {
                    let id = Cell::Blob(id.as_bytes().to_vec().into());
                    let found = reader.rows(&Query::new(type_no, columns).filter("id", Test::Is, id))?;
                    rows.extend(found.into_iter().take(1));
                }
                Ok(rows)
            })
        })
    }

    /// What the replica takes.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn storage_figures(&self) -> Result<StorageFigures, ClientError> {
        let bytes = self.with_store(|store| store.size())?;
        let (changes, (files, file_bytes)) = self.read(|reader| {
            reader.stable(|reader| Ok::<_, StoreError>((reader.counts(None)?, reader.file_totals()?)))
        })?;
        Ok(StorageFigures { bytes, files, file_bytes, changes })
    }
}

/// The row of a record that a list goes on after: of copies in several scopes the one that stands last in its order.
fn last_row(reader: &Reader, query: &Query, id: RecordId) -> Result<Option<i64>, StoreError> {
    let id = Cell::Blob(id.as_bytes().to_vec().into());
    let copies =
        Query { order: query.order.clone(), newest_first: query.newest_first, ..Query::new(query.type_no, &[]) };
    let mut last = None;
    reader.query(&copies.filter("id", Test::Is, id), &mut |row| {
        last = Some(row.head.rec);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last)
}
