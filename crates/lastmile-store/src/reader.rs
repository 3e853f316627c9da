//! Reading a replica: queries, single records, histories, counts, digests.

mod overview;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use lastmile_model::{AuthorId, Catalogue, RecordId, Scope};

use crate::StoreError;
use crate::columns::{ViewTable, views};
use crate::history::Archive;
use crate::index::Index;
use crate::judge::{Authority, Held, Judged, judge};
use crate::query::Query;
use crate::storage::{Cell, Position, RowHead, Storage, Visitor};
use crate::verdicts::Verdicts;

pub use overview::LogStatus;
pub use records::{FullRecord, HistoryItem, OpenConflict, Origin, RecordEvent, Side};

/// A handle that only reads. It sees what has been committed when a call begins.
pub struct Reader {
    storage: Box<dyn Storage>,
    catalogue: Arc<Catalogue>,
    views: Arc<Vec<ViewTable>>,
    index: Index,
    verdicts: Verdicts,
    archive: Archive,
    /// Of each strand: the head last looked at and its claimed clock.
    clocks: BTreeMap<u32, (u64, i64)>,
    version: i64,
    /// Whether a stable view is open.
    steady: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A row that owns its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedRow {
    /// The scope's local number.
    pub scope: u32,
    /// The record.
    pub id: RecordId,
    /// The columns asked for, in that order.
    pub cells: Vec<Cell<'static>>,
}

/// Lists where the changes of a record stand.
pub(crate) fn positions_of(
    storage: &dyn Storage,
    scope: u32,
    type_no: usize,
    record: RecordId,
) -> Result<Vec<Position>, StoreError> {
    let mut positions: BTreeSet<Position> = storage.extras(scope, record)?.into_iter().collect();
    positions.extend(storage.view_head(scope, type_no, record)?.map(|head| head.position));
    Ok(positions.into_iter().collect())
}

/// Judges changes of a record with what an index and verdicts say.
pub(crate) fn judge_with(
    index: &Index,
    verdicts: &Verdicts,
    catalogue: &Catalogue,
    scope: u32,
    type_no: usize,
    all: &[Held<'_>],
) -> Vec<Judged> {
    let is_office = |author: AuthorId| index.is_office(author);
    let is_quarantined = |held: &Held<'_>| verdicts.quarantined(index.trust.as_ref(), scope, held);
    let authority = Authority { is_office: &is_office, is_quarantined: &is_quarantined };
    judge(catalogue.types().get(type_no), all, &authority)
}

impl Reader {
    /// Takes a storage handle that reads.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    pub fn new(storage: Box<dyn Storage>, catalogue: Arc<Catalogue>) -> Result<Self, StoreError> {
        Self::beside(storage, catalogue, &Index::default())
    }

    /// Takes a storage handle that reads beside another one, whose index need not be verified again.
    pub(crate) fn beside(
        mut storage: Box<dyn Storage>,
        catalogue: Arc<Catalogue>,
        other: &Index,
    ) -> Result<Self, StoreError> {
        storage.begin_read()?;
        let load = |storage: &dyn Storage| -> Result<_, StoreError> {
            let index = other.load_beside(storage)?;
            let mut archive = Archive::default();
            let verdicts = Verdicts::load(storage, &catalogue, &index, &mut archive)?;
            Ok((storage.data_version()?, index, verdicts))
        };
        let loaded = load(storage.as_ref());
        storage.end_read();
        let (version, index, verdicts) = loaded?;
        let views = Arc::new(views(&catalogue));
        Ok(Self {
            storage,
            catalogue,
            views,
            index,
            verdicts,
            archive: Archive::default(),
            clocks: BTreeMap::new(),
            version,
            steady: false,
        })
    }

    /// Looks again when another handle has committed.
    fn refresh(&mut self) -> Result<(), StoreError> {
        let version = self.storage.data_version()?;
        if version != self.version {
            self.index.reload(self.storage.as_ref())?;
            self.archive.clear();
            self.verdicts = Verdicts::load(self.storage.as_ref(), &self.catalogue, &self.index, &mut self.archive)?;
            self.version = version;
        }
        Ok(())
    }

    /// Runs several reads on one stable state; inside another such call, on the state of that one.
    ///
    /// # Errors
    /// What `work` returns, or when the storage fails.
    pub fn stable<T, E: From<StoreError>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.steady {
            return work(self);
        }
        self.storage.begin_read().map_err(E::from)?;
        self.steady = true;
        let result = self.refresh().map_err(E::from).and_then(|()| work(self));
        self.steady = false;
        self.storage.end_read();
        result
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// The catalogue of record types.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The views, in the order of the catalogue's types.
    #[must_use]
    pub fn views(&self) -> &[ViewTable] {
        &self.views
    }

    /// The number of a record type.
    ///
    /// # Errors
    /// [`StoreError::NoType`] when the catalogue has none of this name.
    pub fn type_no(&self, name: &str) -> Result<usize, StoreError> {
        self.catalogue.get(name).map(|(no, _)| no).ok_or_else(|| StoreError::NoType { name: name.to_owned() })
    }

    /// The scopes held, with their local numbers.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn scopes(&mut self) -> Result<Vec<(u32, Scope)>, StoreError> {
        self.stable(|reader| Ok(reader.index.scopes.iter().map(|(no, scope)| (*no, scope.clone())).collect()))
    }

    /// Who may sign what, as certificates held say; `None` before a deployment is set.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn trust(&mut self) -> Result<Option<&lastmile_log::Trust>, StoreError> {
        self.stable(|_| Ok::<_, StoreError>(()))?;
        Ok(self.index.trust.as_ref())
    }

    /// Reads a named setting.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.meta(key)
    }

    /// Copies everything that is committed into a new file, while others go on writing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn copy_to(&self, path: &std::path::Path) -> Result<(), StoreError> {
        self.storage.copy_to(path)
    }

    /// Shows every row of a query to the visitor.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn query(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.storage.visit(query, visitor)
    }

    /// Collects the rows of a query.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn rows(&self, query: &Query) -> Result<Vec<OwnedRow>, StoreError> {
        let mut rows = Vec::new();
        self.storage.visit(query, &mut |row| {
            let cells = row.cells.iter().map(|cell| cell.clone().into_owned()).collect();
            rows.push(OwnedRow { scope: row.scope, id: row.id, cells });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Counts the rows of a query.
    ///
    /// # Errors
    /// When the query names an unknown column or the storage fails.
    pub fn count(&self, query: &Query) -> Result<usize, StoreError> {
        let mut count = 0usize;
        let plain = Query { columns: Vec::new(), ..query.clone() };
        self.storage.visit(&plain, &mut |_| {
            count = count.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// The row of a record in every scope that shows it.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError> {
        self.storage.view_heads(type_no, id)
    }
}
