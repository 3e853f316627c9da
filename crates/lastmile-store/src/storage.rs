//! The seam between the replica's logic and the engine that keeps its bytes.
//!
//! [`Storage`] is a set of small typed tables. The logic in [`Store`](crate::Store) is written once over it; SQLite and a plain
//! in-memory engine implement it, and a server database can follow. Nothing in this module knows SQL.

mod files;
mod logs;
mod rows;
mod states;

use lastmile_model::{AuthorId, RecordId, Scope};
use std::path::Path;

use crate::StoreError;
use crate::query::Query;

pub use files::{FileState, StoredFile};
pub use logs::{Blob, Cut, Pending, PendingHead, Position, StoredReceipt, StoredSeal, Strand};
pub use rows::{Cell, Cells, FoundRow, RowHead, ViewRow, Visitor};
pub use states::{ChangeState, Erased, Odd};

/// How sure a commit must be before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Flushed to the device: nothing acknowledged is lost by a power cut.
    Full,
    /// May be lost by a power cut, never torn: only for what can be fetched again.
    Refetchable,
}

/// The tables of a replica.
///
/// One handle writes; [`Storage::reader`] gives further handles that only read. Writes stand between [`Storage::begin`] and
/// [`Storage::commit`]; an error in between must be followed by [`Storage::rollback`].
pub trait Storage: Send {
    /// Opens another handle that reads what has been committed.
    ///
    /// # Errors
    /// When the engine cannot open one.
    fn reader(&self) -> Result<Box<dyn Storage>, StoreError>;

    /// A number that changes whenever another handle has committed.
    ///
    /// # Errors
    /// When the engine fails.
    fn data_version(&self) -> Result<i64, StoreError>;

    /// Begins a write transaction that will be as durable as asked.
    ///
    /// # Errors
    /// When another writer holds the storage or the engine fails.
    fn begin(&mut self, durability: Durability) -> Result<(), StoreError>;

    /// Commits; with [`Durability::Full`] everything is on the device when this returns.
    ///
    /// # Errors
    /// When the engine fails; the transaction is then rolled back.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Drops what was written since [`Storage::begin`].
    fn rollback(&mut self);

    /// Begins a stable view for reading; ends with [`Storage::end_read`].
    ///
    /// # Errors
    /// When the engine fails.
    fn begin_read(&mut self) -> Result<(), StoreError>;

    /// Ends the stable view.
    fn end_read(&mut self);

    /// Reads a named value.
    ///
    /// # Errors
    /// When the engine fails.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads the named values whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// When the engine fails.
    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Writes a named value.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Lists every scope with its local number.
    ///
    /// # Errors
    /// When the engine fails.
    fn scopes(&self) -> Result<Vec<(u32, Scope)>, StoreError>;

    /// Adds a scope and returns its number.
    ///
    /// # Errors
    /// When the engine fails.
    fn add_scope(&mut self, scope: &Scope) -> Result<u32, StoreError>;

    /// Lists every strand.
    ///
    /// # Errors
    /// When the engine fails.
    fn strands(&self) -> Result<Vec<Strand>, StoreError>;

    /// Inserts or replaces a strand.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_strand(&mut self, strand: &Strand) -> Result<(), StoreError>;

    /// Lists every cut.
    ///
    /// # Errors
    /// When the engine fails.
    fn cuts(&self) -> Result<Vec<Cut>, StoreError>;

    /// Adds a cut; adding it again does nothing.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_cut(&mut self, cut: &Cut) -> Result<(), StoreError>;

    /// Adds or replaces the blob that starts at this commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_blob(&mut self, strand: u32, first: u64, last: u64, packed: &[u8]) -> Result<(), StoreError>;

    /// Removes the blob that starts at this commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_blob(&mut self, strand: u32, first: u64) -> Result<(), StoreError>;

    /// Returns the blob that holds this commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn blob_with(&self, strand: u32, seq: u64) -> Result<Option<Blob>, StoreError>;

    /// Lists the first and last commit of each blob of a strand with its size, in order.
    ///
    /// # Errors
    /// When the engine fails.
    fn blob_list(&self, strand: u32) -> Result<Vec<(u64, u64, u64)>, StoreError>;

    /// Adds a seal.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_seal(&mut self, seal: &StoredSeal) -> Result<(), StoreError>;

    /// Lists the seals of a strand, lowest first.
    ///
    /// # Errors
    /// When the engine fails.
    fn seals(&self, strand: u32) -> Result<Vec<StoredSeal>, StoreError>;

    /// Returns the highest seal of a strand that vouches for a commit from `low` to `high`.
    ///
    /// # Errors
    /// When the engine fails.
    fn last_seal(&self, strand: u32, low: u64, high: u64) -> Result<Option<StoredSeal>, StoreError>;

    /// Adds a receipt, replacing one of the same commit and epoch.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError>;

    /// Removes the receipt of the same commit and epoch.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError>;

    /// Lists the receipts of a scope, or of all, by scope, author, epoch, commit and chain hash.
    ///
    /// # Errors
    /// When the engine fails.
    fn receipts(&self, scope: Option<u32>) -> Result<Vec<StoredReceipt>, StoreError>;

    /// Adds a pending batch.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_pending(&mut self, pending: &Pending) -> Result<(), StoreError>;

    /// Lists the heads of pending batches of a scope, or of all, by scope, author and first commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn pending_heads(&self, scope: Option<u32>) -> Result<Vec<PendingHead>, StoreError>;

    /// Reads the pending batches of an author in a scope, by first commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn pendings_of(&self, scope: u32, author: AuthorId) -> Result<Vec<Pending>, StoreError>;

    /// Removes the pending batches of an author in a scope.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_pending(&mut self, scope: u32, author: AuthorId) -> Result<(), StoreError>;

    /// Keeps a certificate by its author and bytes.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_certificate(&mut self, author: AuthorId, bytes: &[u8]) -> Result<(), StoreError>;

    /// Lists the bytes of every certificate kept.
    ///
    /// # Errors
    /// When the engine fails.
    fn certificates(&self) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Inserts or replaces the state of a change that is not applied.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_odd(&mut self, odd: &Odd) -> Result<(), StoreError>;

    /// Forgets the state of a change, which is applied now.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_odd(&mut self, scope: u32, position: Position) -> Result<(), StoreError>;

    /// Lists the changes of a scope, or of all, that are not applied.
    ///
    /// # Errors
    /// When the engine fails.
    fn odds(&self, scope: Option<u32>) -> Result<Vec<Odd>, StoreError>;

    /// Remembers what an erasure names; remembering it again does nothing.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), StoreError>;

    /// Lists what erasures name, by scope.
    ///
    /// # Errors
    /// When the engine fails.
    fn erased(&self) -> Result<Vec<(u32, Erased)>, StoreError>;

    /// Inserts a file of which no byte is held, or replaces what is known of it; the bytes held stay.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_file(&mut self, file: &StoredFile) -> Result<(), StoreError>;

    /// Reads what is known of a file.
    ///
    /// # Errors
    /// When the engine fails.
    fn file(&self, scope: u32, hash: &[u8; 32]) -> Result<Option<StoredFile>, StoreError>;

    /// Lists the files of a scope, or of all, by scope and hash.
    ///
    /// # Errors
    /// When the engine fails.
    fn files(&self, scope: Option<u32>) -> Result<Vec<StoredFile>, StoreError>;

    /// Counts the files that are whole, here or elsewhere, and their bytes.
    ///
    /// # Errors
    /// When the engine fails.
    fn file_totals(&self) -> Result<(u64, u64), StoreError>;

    /// Appends bytes to what is held of a file.
    ///
    /// # Errors
    /// When the file is not known or the engine fails.
    fn add_piece(&mut self, scope: u32, hash: &[u8; 32], bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads at most `limit` of the bytes held of a file, from `offset` on; none where none are held.
    ///
    /// # Errors
    /// When the engine fails.
    fn file_bytes(&self, scope: u32, hash: &[u8; 32], offset: u64, limit: u64) -> Result<Vec<u8>, StoreError>;

    /// Removes a file with its bytes.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_file(&mut self, scope: u32, hash: &[u8; 32]) -> Result<(), StoreError>;

    /// Notes one of several changes of a record, or a change of a record without a row.
    ///
    /// # Errors
    /// When the engine fails.
    fn put_extra(&mut self, scope: u32, record: RecordId, position: Position) -> Result<(), StoreError>;

    /// Lists the noted changes of a record.
    ///
    /// # Errors
    /// When the engine fails.
    fn extras(&self, scope: u32, record: RecordId) -> Result<Vec<Position>, StoreError>;

    /// Tells whether any change is noted in this scope.
    ///
    /// # Errors
    /// When the engine fails.
    fn has_extras(&self, scope: u32) -> Result<bool, StoreError>;

    /// Returns the head of a record's row.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_head(&self, scope: u32, type_no: usize, id: RecordId) -> Result<Option<RowHead>, StoreError>;

    /// Returns the row heads of a record in every scope.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_heads(&self, type_no: usize, id: RecordId) -> Result<Vec<(u32, RowHead)>, StoreError>;

    /// Whether rows are kept with the words they are found by.
    fn keeps_words(&self) -> bool {
        true
    }

    /// Inserts a row; returns `false`, and writes nothing, when the record has one in this scope.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_insert(&mut self, scope: u32, type_no: usize, row: &ViewRow<'_, '_>) -> Result<bool, StoreError>;

    /// Replaces the row with this local number.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_update(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError>;

    /// Replaces the cells of the row with this local number; the words it is found by stay as they are.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_update_cells(&mut self, rec: i64, type_no: usize, row: &ViewRow<'_, '_>) -> Result<(), StoreError>;

    /// Returns the cells of the row with this local number.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_cells(&self, rec: i64, type_no: usize) -> Result<Option<Vec<Cell<'static>>>, StoreError>;

    /// Removes the row with this local number.
    ///
    /// # Errors
    /// When the engine fails.
    fn view_delete(&mut self, rec: i64, type_no: usize) -> Result<(), StoreError>;

    /// Removes a scope with everything held in it: logs, seals, receipts, rows, files and what erasures name. Certificates stay.
    ///
    /// # Errors
    /// When the engine fails.
    fn remove_scope(&mut self, scope: u32) -> Result<(), StoreError>;

    /// Empties every view and everything derived from the logs, and sets `viewed` of every strand to before its first commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn clear_views(&mut self) -> Result<(), StoreError>;

    /// Runs a query over one record type.
    ///
    /// # Errors
    /// When the query names an unknown column or the engine fails.
    fn visit(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError>;

    /// Makes the search index of a type anew from what it still finds, so that words removed are nowhere in it. Stands in a
    /// transaction.
    ///
    /// # Errors
    /// When the engine fails.
    fn scrub_words(&mut self, type_no: usize) -> Result<(), StoreError>;

    /// Leaves nothing in the engine's files of what committed transactions removed. Stands outside any transaction and waits at
    /// most a moment for readers; `false` when one of them still holds an older state, so that it has to be tried again.
    ///
    /// # Errors
    /// When the engine fails.
    fn scrub(&mut self) -> Result<bool, StoreError>;

    /// Copies everything that is committed into a new file, at one moment, while others go on writing.
    ///
    /// # Errors
    /// When the engine keeps no file, or the new one cannot be written.
    fn copy_to(&self, path: &Path) -> Result<(), StoreError>;

    /// Checks the engine's own structures; returns what is wrong, nothing when sound.
    ///
    /// # Errors
    /// When the engine fails.
    fn integrity(&self) -> Result<Vec<String>, StoreError>;

    /// Returns the size of the storage in bytes.
    ///
    /// # Errors
    /// When the engine fails.
    fn size(&self) -> Result<u64, StoreError>;
}
