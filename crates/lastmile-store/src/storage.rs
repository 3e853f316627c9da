//! The seam between the replica's logic and the engine that keeps its bytes.
//!
//! [`Storage`] is a set of small typed tables. The logic in [`Store`](crate::Store) is written once over it; SQLite and a plain
//! in-memory engine implement it, and a server database can follow. Nothing in this module knows SQL.

use std::borrow::Cow;
use std::ops::ControlFlow;

use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};

use crate::StoreError;
use crate::query::Query;

/// Where a change stands in the logs: its strand, its commit's number and its place in the commit.
///
/// Strands and this packing are local to one replica and never leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl Position {
    /// The highest commit number a position can hold.
    pub const MAX_SEQ: u64 = u32::MAX as u64;

    /// Packs a position; `None` when a part is out of bounds.
    #[must_use]
    pub fn new(strand: u32, seq: u64, index: usize) -> Option<Self> {
        let index = u8::try_from(index).ok()?;
        let seq = u32::try_from(seq).ok()?;
        if strand >= 1 << 23 {
            return None;
        }
        Some(Self(i64::from(strand) << 40 | i64::from(seq) << 8 | i64::from(index)))
    }

    /// The number of the strand.
    #[must_use]
    pub fn strand(self) -> u32 {
        u32::try_from(self.0 >> 40).unwrap_or(u32::MAX)
    }

    /// The commit's number in its author's log.
    #[must_use]
    pub fn seq(self) -> u64 {
        u64::try_from((self.0 >> 8) & 0xffff_ffff).unwrap_or(u64::MAX)
    }

    /// The change's place in its commit, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0 & 0xff).unwrap_or(usize::MAX)
    }
}

/// One physically continuous run of an author's commits in a scope.
///
/// Without forks an author has one strand per scope, from commit 1. A fork gives a second strand that starts where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strand {
    /// Local number, from 1.
    pub no: u32,
    /// Local number of the scope.
    pub scope: u32,
    /// Whose commits these are.
    pub author: AuthorId,
    /// The number of the first commit.
    pub first: u64,
    /// The chain hash before the first commit.
    pub prev: ChainHash,
    /// The strand this one forked from.
    pub parent: Option<u32>,
    /// The number of the last commit held.
    pub head: u64,
    /// Its chain hash.
    pub chain: ChainHash,
    /// The number of the last commit vouched for by a seal.
    pub sealed: u64,
    /// Its chain hash.
    pub sealed_chain: ChainHash,
    /// The number of the last commit that the views show.
    pub viewed: u64,
    /// How many changes the strand holds.
    pub changes: u64,
}

/// Marks where another strand leaves this one, so that both sides name the pieces alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The strand that is cut.
    pub strand: u32,
    /// The first commit after the cut.
    pub seq: u64,
    /// The chain hash before the cut.
    pub before: ChainHash,
    /// The chain hash of commit `seq` on this strand.
    pub at: ChainHash,
}

/// A packed run of commits as it stands in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The strand it belongs to.
    pub strand: u32,
    /// Number of its first commit.
    pub first: u64,
    /// Number of its last commit.
    pub last: u64,
    /// The packed bytes.
    pub packed: Vec<u8>,
}

/// A seal as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeal {
    /// The strand it vouches for.
    pub strand: u32,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there.
    pub chain: ChainHash,
    /// The author's signature.
    pub signature: [u8; 64],
}

/// A receipt as stored: the relay of this epoch holds the author's log up to `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The scope's local number.
    pub scope: u32,
    /// Whose log.
    pub author: AuthorId,
    /// The relay's epoch.
    pub epoch: AuthorId,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there, which also names the branch.
    pub chain: ChainHash,
    /// The relay's signature.
    pub signature: [u8; 64],
}

/// A batch that no seal covers yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The scope's local number.
    pub scope: u32,
    /// Whose commits.
    pub author: AuthorId,
    /// Number of the first commit.
    pub first: u64,
    /// Number of the last commit.
    pub last: u64,
    /// Chain hash of the last commit.
    pub chain: ChainHash,
    /// How many changes it holds.
    pub changes: u64,
    /// The packed bytes as they came.
    pub packed: Vec<u8>,
}

impl Pending {
    /// What is known of it without its bytes.
    #[must_use]
    pub const fn head(&self) -> PendingHead {
        let Self { scope, author, first, last, chain, changes, .. } = *self;
        PendingHead { scope, author, first, last, chain, changes, bytes: self.packed.len() as u64 }
    }
}

/// A pending batch without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingHead {
    /// The scope's local number.
    pub scope: u32,
    /// Whose commits.
    pub author: AuthorId,
    /// Number of the first commit.
    pub first: u64,
    /// Number of the last commit.
    pub last: u64,
    /// Chain hash of the last commit.
    pub chain: ChainHash,
    /// How many changes it holds that no batch before it holds.
    pub changes: u64,
    /// How many bytes it has, packed.
    pub bytes: u64,
}

/// The state of a change that is held but not applied (design: "The states of a change").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChangeState {
    /// Evaluated and shown.
    Applied = 0,
    /// A dependency is unknown.
    Waiting = 1,
    /// A verdict keeps it out of sight.
    Quarantined = 2,
    /// Not accepted by this version's gate.
    Opaque = 3,
    /// Its bytes were erased; only its place in the chain is left.
    Erased = 4,
    /// Arrived without a seal.
    Pending = 5,
}

impl ChangeState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Applied, Self::Waiting, Self::Quarantined, Self::Opaque, Self::Erased, Self::Pending];

    /// Returns the state with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| i64::from(*state as u8) == number)
    }

    /// Returns the word shown to people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::Quarantined => "quarantined",
            Self::Opaque => "opaque",
            Self::Erased => "erased",
            Self::Pending => "pending",
        }
    }
}

/// A change that is held but not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// The scope's local number.
    pub scope: u32,
    /// Where it stands.
    pub position: Position,
    /// Its state; never [`ChangeState::Applied`].
    pub state: ChangeState,
    /// Why, as a stable word.
    pub reason: String,
    /// The record's type as the commit header names it.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
}

/// What an erasure names in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Erased {
    /// One change.
    Change(ChangeHash),
    /// A record: whatever devices still write about it.
    Record(RecordId),
}

/// What identifies a row of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHead {
    /// Local row number: scope number << 32 | running number.
    pub rec: i64,
    /// Where the record's first known change stands.
    pub position: Position,
    /// Whether there are further changes (listed in [`Storage::extras`]).
    pub more: bool,
}

/// One cell of a view.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A whole number, truth value (0 or 1) or instant in milliseconds.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// Copies the cell so that it owns its content.
    #[must_use]
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Int(number) => Cell::Int(number),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Blob(bytes) => Cell::Blob(Cow::Owned(bytes.into_owned())),
        }
    }

    /// Returns the text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if this is one.
    #[must_use]
    pub const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the bytes, if these are bytes.
    #[must_use]
    pub fn blob(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the record named by a 16-byte cell.
    #[must_use]
    pub fn record(&self) -> Option<RecordId> {
        self.blob()?.try_into().ok().map(RecordId::from_bytes)
    }
}

/// The cells of one view row, in the order of the type's columns (see [`crate::columns`]).
pub type Cells<'a> = [Cell<'a>];

/// What is written for one record.
#[derive(Debug, Clone, Copy)]
pub struct ViewRow<'r, 'a> {
    /// The record.
    pub id: RecordId,
    /// Where its first known change stands.
    pub position: Position,
    /// Whether it has further changes.
    pub more: bool,
    /// The cells.
    pub cells: &'r Cells<'a>,
    /// Words to find it by: characters and words first, pinyin initials second.
    pub search: Option<(&'r str, &'r str)>,
}

/// How sure a commit must be before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Flushed to the device: nothing acknowledged is lost by a power cut.
    Full,
    /// May be lost by a power cut, never torn: only for what can be fetched again.
    Refetchable,
}

/// A row as a query shows it.
#[derive(Debug)]
pub struct FoundRow<'r> {
    /// The scope's local number.
    pub scope: u32,
    /// The record.
    pub id: RecordId,
    /// Its head.
    pub head: RowHead,
    /// The columns asked for, in that order.
    pub cells: &'r Cells<'r>,
}

/// Receives rows one by one; breaking ends the query.
pub type Visitor<'v> = dyn FnMut(&FoundRow<'_>) -> Result<ControlFlow<()>, StoreError> + 'v;

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
