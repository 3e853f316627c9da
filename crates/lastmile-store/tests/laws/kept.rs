//! A storage in memory that outlives its store, so that a store can be closed and opened again, and that can be bent.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use lastmile_model::{AuthorId, Catalogue, RecordId, Scope};
use lastmile_store::StoreError;
use lastmile_store::memory::MemoryStorage;
use lastmile_store::query::Query;
use lastmile_store::storage::{
    Blob, Cell, ChangeState, Cut, Durability, Erased, Odd, Pending, PendingHead, Position, RowHead, Storage,
    StoredFile, StoredReceipt, StoredSeal, Strand, ViewRow, Visitor,
};

/// A fault planted into a storage, to prove that the laws notice it. Each shows at every third chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Loses the note that a change belongs to a record.
    LosesExtra,
    /// Loses the state of a change that a verdict hides.
    LosesQuarantined,
    /// Loses the state of a change that waits.
    LosesWaiting,
    /// Keeps the state of a change that is applied by now.
    KeepsOdd,
    /// Leaves a row as it was.
    LeavesRow,
    /// Forgets what was erased.
    ForgetsErased,
    /// Loses a batch without a seal.
    LosesPending,
}

impl Plant {
    pub const ALL: [Self; 7] = [
        Self::LosesExtra,
        Self::LosesQuarantined,
        Self::LosesWaiting,
        Self::KeepsOdd,
        Self::LeavesRow,
        Self::ForgetsErased,
        Self::LosesPending,
    ];
}

/// A handle on a storage in memory. Handles share what is stored; there is still one writer at a time.
#[derive(Clone)]
pub struct Kept {
    storage: Arc<RwLock<MemoryStorage>>,
    plant: Option<Plant>,
    chances: Arc<AtomicU32>,
    troubles: Arc<AtomicU32>,
}

impl Kept {
    pub fn new() -> Self {
        Self::over(MemoryStorage::new(Catalogue::builtin()))
    }

    fn over(storage: MemoryStorage) -> Self {
        Self { storage: Arc::new(RwLock::new(storage)), plant: None, chances: Arc::default(), troubles: Arc::default() }
    }

    /// Another replica with the same content, as if its file had been copied.
    pub fn copied(&self) -> Self {
        Self::over(self.storage.read().unwrap().copied())
    }

    pub fn bent(mut self, plant: Option<Plant>) -> Self {
        self.plant = plant;
        self
    }

    /// Lets the next so many commits and readings of the logs' places fail, as a disk in trouble does.
    pub fn trouble(&self, times: u32) {
        self.troubles.store(times, Ordering::Relaxed);
    }

    fn in_trouble(&self) -> Result<(), StoreError> {
        let less = |times: u32| times.checked_sub(1);
        match self.troubles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Err(StoreError::DiskFull),
            Err(_) => Ok(()),
        }
    }

    /// Whether the planted fault shows now.
    fn fails(&self, plant: Plant) -> bool {
        self.plant == Some(plant) && self.chances.fetch_add(1, Ordering::Relaxed) % 3 == 2
    }
}

/// Writes methods that do what the storage does.
macro_rules! pass_on {
    (reads { $($read:ident($($r:ident: $rt:ty),*) -> $ro:ty;)* } writes { $($write:ident($($w:ident: $wt:ty),*) -> $wo:ty;)* }) => {
        $(fn $read(&self, $($r: $rt),*) -> Result<$ro, StoreError> { self.storage.read().unwrap().$read($($r),*) })*
        $(fn $write(&mut self, $($w: $wt),*) -> Result<$wo, StoreError> { self.storage.write().unwrap().$write($($w),*) })*
    };
}

impl Storage for Kept {
    pass_on! {
        reads {
            reader() -> Box<dyn Storage>;
            data_version() -> i64;
            copy_to(path: &std::path::Path) -> ();
            meta(key: &str) -> Option<Vec<u8>>;
            metas(prefix: &str) -> Vec<(String, Vec<u8>)>;
            scopes() -> Vec<(u32, Scope)>;
            cuts() -> Vec<Cut>;
            blob_with(strand: u32, seq: u64) -> Option<Blob>;
            blob_list(strand: u32) -> Vec<(u64, u64, u64)>;
            seals(strand: u32) -> Vec<StoredSeal>;
            last_seal(strand: u32, low: u64, high: u64) -> Option<StoredSeal>;
            receipts(scope: Option<u32>) -> Vec<StoredReceipt>;
            pending_heads(scope: Option<u32>) -> Vec<PendingHead>;
            pendings_of(scope: u32, author: AuthorId) -> Vec<Pending>;
            certificates() -> Vec<Vec<u8>>;
            odds(scope: Option<u32>) -> Vec<Odd>;
            erased() -> Vec<(u32, Erased)>;
            extras(scope: u32, record: RecordId) -> Vec<Position>;
            has_extras(scope: u32) -> bool;
            file(scope: u32, hash: &[u8; 32]) -> Option<StoredFile>;
            files(scope: Option<u32>) -> Vec<StoredFile>;
            file_totals() -> (u64, u64);
            file_bytes(scope: u32, hash: &[u8; 32], offset: u64, limit: u64) -> Vec<u8>;
            view_head(scope: u32, type_no: usize, id: RecordId) -> Option<RowHead>;
            view_heads(type_no: usize, id: RecordId) -> Vec<(u32, RowHead)>;
            view_cells(rec: i64, type_no: usize) -> Option<Vec<Cell<'static>>>;
            visit(query: &Query, visitor: &mut Visitor<'_>) -> ();
            integrity() -> Vec<String>;
            size() -> u64;
        }
        writes {
            begin(durability: Durability) -> ();
            begin_read() -> ();
            put_meta(key: &str, value: &[u8]) -> ();
            add_scope(scope: &Scope) -> u32;
            put_strand(strand: &Strand) -> ();
            put_cut(cut: &Cut) -> ();
            put_blob(strand: u32, first: u64, last: u64, packed: &[u8]) -> ();
            remove_blob(strand: u32, first: u64) -> ();
            put_seal(seal: &StoredSeal) -> ();
            put_file(file: &StoredFile) -> ();
            add_piece(scope: u32, hash: &[u8; 32], bytes: &[u8]) -> ();
            remove_file(scope: u32, hash: &[u8; 32]) -> ();
            put_receipt(receipt: &StoredReceipt) -> ();
            remove_receipt(receipt: &StoredReceipt) -> ();
            remove_pending(scope: u32, author: AuthorId) -> ();
            put_certificate(author: AuthorId, bytes: &[u8]) -> ();
            view_insert(scope: u32, type_no: usize, row: &ViewRow<'_, '_>) -> bool;
            view_delete(rec: i64, type_no: usize) -> ();
            remove_scope(scope: u32) -> ();
            clear_views() -> ();
            scrub_words(type_no: usize) -> ();
            scrub() -> bool;
        }
    }

    fn strands(&self) -> Result<Vec<Strand>, StoreError> {
        self.in_trouble()?;
        self.storage.read().unwrap().strands()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.in_trouble()?;
        self.storage.write().unwrap().commit()
    }

    fn rollback(&mut self) {
        self.storage.write().unwrap().rollback();
    }

    fn end_read(&mut self) {
        self.storage.write().unwrap().end_read();
    }

    fn put_extra(&mut self, scope: u32, record: RecordId, position: Position) -> Result<(), StoreError> {
        if self.fails(Plant::LosesExtra) {
            return Ok(());
        }
        self.storage.write().unwrap().put_extra(scope, record, position)
    }

    fn put_odd(&mut self, odd: &Odd) -> Result<(), StoreError> {
        let lost = match odd.state {
            ChangeState::Quarantined => self.fails(Plant::LosesQuarantined),
            ChangeState::Waiting => self.fails(Plant::LosesWaiting),
            _ => false,
        };
        if lost {
            return Ok(());
        }
        self.storage.write().unwrap().put_odd(odd)
    }

    fn remove_odd(&mut self, scope: u32, position: Position) -> Result<(), StoreError> {
        if self.fails(Plant::KeepsOdd) {
            return Ok(());
        }
        self.storage.write().unwrap().remove_odd(scope, position)
    }

    fn view_update(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        if self.fails(Plant::LeavesRow) {
            return Ok(());
        }
        self.storage.write().unwrap().view_update(rec, type_no, row)
    }

    fn view_update_cells(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError> {
        if self.fails(Plant::LeavesRow) {
            return Ok(());
        }
        self.storage.write().unwrap().view_update_cells(rec, type_no, row)
    }

    fn put_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), StoreError> {
        if self.fails(Plant::ForgetsErased) {
            return Ok(());
        }
        self.storage.write().unwrap().put_erased(scope, erased)
    }

    fn put_pending(&mut self, pending: &Pending) -> Result<(), StoreError> {
        if self.fails(Plant::LosesPending) {
            return Ok(());
        }
        self.storage.write().unwrap().put_pending(pending)
    }
}
