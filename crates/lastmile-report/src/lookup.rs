//! Looking records up as a person does: what the office linked is one.

use std::collections::BTreeSet;

use lastmile_model::RecordId;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{Reader, StoreError};

use crate::ReportError;
use crate::canonical::{Canonical, Links};
use crate::read::{Source, number, record};

/// Which records are read as which others.
#[derive(Debug, Default, Clone)]
pub struct ReadAs {
    type_no: usize,
    canonical: Canonical,
}

impl ReadAs {
    /// Reads the live links between records of a type; of a type that is never linked there are none.
    ///
    /// # Errors
    /// When the catalogue lacks the type, or the views cannot be read.
    pub fn of(reader: &mut Reader, record_type: &str) -> Result<Self, ReportError> {
        let type_no = reader.type_no(record_type)?;
        let canonical = if reader.type_no("merge_link").is_err() {
            Canonical::default()
        } else {
            let links = Links::read(&Source { reader })?;
            match record_type {
                "person" => links.persons,
                "activity" => Canonical::of_pairs(links.activity_pairs),
                _ => Canonical::default(),
            }
        };
        Ok(Self { type_no, canonical })
    }

    /// The record that this one is read as, if that is another one and is held here.
    ///
    /// # Errors
    /// When the views cannot be read.
    pub fn other(&self, reader: &Reader, id: RecordId) -> Result<Option<RecordId>, StoreError> {
        let canonical = record(self.canonical.of(number(&id)));
        if canonical == id {
            return Ok(None);
        }
        let bytes = Cell::Blob(canonical.as_bytes().to_vec().into());
        let held = reader.count(&Query::new(self.type_no, &[]).filter("id", Test::Is, bytes))?;
        Ok((held > 0).then_some(canonical))
    }
}

/// Finds records of a type by words, each of those that are one shown once, as the one it is read as.
///
/// # Errors
/// When the catalogue lacks the type, or the views cannot be read.
pub fn find(reader: &mut Reader, record_type: &str, text: &str, limit: usize) -> Result<Vec<RecordId>, ReportError> {
    let read_as = ReadAs::of(reader, record_type)?;
    let mut query = Query::new(reader.type_no(record_type)?, &[]);
    query.find = Some(text.to_owned());
    // Those that fall together leave room for others.
    query.limit = Some(limit.saturating_mul(2));
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for row in reader.rows(&query)? {
        let id = read_as.other(reader, row.id)?.unwrap_or(row.id);
        if found.len() < limit && seen.insert(id) {
            found.push(id);
        }
    }
    Ok(found)
}
