//! What can go wrong in a store.

use std::path::PathBuf;

use lastmile_model::Scope;

/// Says what the store was doing and why it failed. No variant carries personal data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The storage engine failed while doing something.
    #[error("{doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The engine's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No space is left.
    #[error("the disk is full; free some space and try again, nothing saved before is lost")]
    DiskFull,
    /// The system refused a write: a limit or quota is used up, or the disk fails.
    #[error("{path}: there is no room to write, or the disk fails; nothing saved before is lost")]
    NoRoom {
        /// The replica's file.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("{path}: cannot be written; check the folder's permissions")]
    ReadOnly {
        /// The replica's file.
        path: PathBuf,
    },
    /// Another process has the replica open.
    #[error("{path}: is open in another process; close it there first")]
    InUse {
        /// The replica's file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("{path}: holds format {found}, this program knows up to {known}; update the program")]
    Newer {
        /// The replica's file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// The file is no replica.
    #[error("{path}: is not a Lastmile replica")]
    NotAReplica {
        /// The file.
        path: PathBuf,
    },
    /// The file does not open with this key, or is damaged at its start.
    #[error("{path}: does not open with this key, or its first page is damaged")]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
    /// A key was given but this build has no encryption.
    #[error("this build cannot open encrypted replicas; build with the feature `sqlcipher`")]
    NoEncryption,
    /// SQLite is older than what is safe.
    #[error("SQLite {found} has a known corruption fault; at least {needed} is needed")]
    OldEngine {
        /// The version found.
        found: String,
        /// The version needed.
        needed: &'static str,
    },
    /// What the storage holds contradicts itself.
    #[error("the replica is damaged: {what}; run `lastmile check`, then `lastmile rebuild`")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A query names a column that its type does not have.
    #[error("{record_type} has no column `{column}`")]
    NoColumn {
        /// The type.
        record_type: String,
        /// The column asked for.
        column: String,
    },
    /// The catalogue has no such type.
    #[error("no record type `{name}`")]
    NoType {
        /// The name asked for.
        name: String,
    },
    /// No such record here.
    #[error("no {record_type} {id} on this replica")]
    NoRecord {
        /// The type.
        record_type: String,
        /// The id asked for.
        id: String,
    },
    /// The record was erased; nobody but the office writes about it any more.
    #[error("not saved: {record_type} {id} was erased")]
    Erased {
        /// The type.
        record_type: String,
        /// The id.
        id: String,
    },
    /// The author has changed the record too often.
    #[error(
        "not saved: this device has changed {record_type} {id} {limit} times, which is the most; let another device change it"
    )]
    TooManyChanges {
        /// The type.
        record_type: String,
        /// The id.
        id: String,
        /// The most changes of one author.
        limit: usize,
    },
    /// The scope is not on this replica.
    #[error("{scope} is not on this replica")]
    NoScope {
        /// The scope asked for.
        scope: Scope,
    },
    /// A save was refused before anything was written.
    #[error("not saved: {0}")]
    Edit(#[from] lastmile_crdt::EditError),
    /// A commit cannot be packed.
    #[error("not saved: {0}")]
    Pack(#[from] lastmile_log::PackError),
    /// Stored bytes are not what they were.
    #[error("stored commits do not verify: {0}")]
    BadBatch(#[from] lastmile_log::BadBatch),
    /// A limit of the formats is reached.
    #[error("{what} exceeds its limit of {limit}")]
    Limit {
        /// What is too large or too many.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl StoreError {
    /// Wraps an engine's error with what was being done.
    pub(crate) fn engine(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Engine { doing, source: Box::new(source) }
    }

    /// Whether what is stored cannot be read or contradicts itself, while the storage works.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::BadBatch(_))
    }

    /// Says that stored data contradicts itself.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
