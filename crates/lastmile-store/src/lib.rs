//! The replica in storage: logs, views, search, outbox, migrations, encryption.
//!
//! The log is the truth, views are a cache: [`Store`] appends commits, keeps the views a pure function of them and answers
//! queries. It is written once over the [`Storage`](storage::Storage) seam; [`sqlite`] keeps a replica in one SQLite file, [`memory`] in
//! plain maps.

mod arrived;
mod attach;
mod authoring;
pub mod baseline;
pub mod columns;
mod counts;
mod digest;
mod erase;
pub mod error;
mod exchange;
mod files;
mod firsts;
mod follow;
mod history;
mod index;
mod ingest;
mod judge;
mod maintain;
pub mod memory;
mod project;
pub mod query;
mod reader;
mod receipts;
pub mod search;
mod settings;
pub mod sqlite;
pub mod storage;
mod store;
mod verdicts;

pub use arrived::{ArrivedCommit, Behind};
pub use authoring::{NewCommit, RUN_BYTES, RecordEdit, Saved};
pub use counts::Counts;
pub use erase::{Erasure, Scrubbed};
pub use error::StoreError;
pub use exchange::{Outgoing, SegmentPath};
pub use files::{Arrived, HeldFile, NamedFile, Naming};
pub use follow::Touched;
pub use ingest::{
    Fate, Incoming, MAX_BRANCHES, MAX_PENDING_BATCHES, MAX_PENDING_BYTES, MAX_PENDING_IN_SCOPE, MAX_PENDING_RAW,
    Outcome, ViewMode,
};
pub use maintain::{Finding, Rebuilt, SkippedLog};
pub use reader::{FullRecord, HistoryItem, LogStatus, OpenConflict, Origin, OwnedRow, Reader, RecordEvent, Side};
pub use receipts::Unsent;
pub use storage::{ChangeState, Durability};
pub use store::{SetUp, Store};
