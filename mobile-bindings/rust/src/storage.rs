//! What a replica takes.

use lastmile_client::Replica as ClientReplica;

use crate::LastmileError;

/// What a replica takes on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct StorageFigures {
    /// Bytes of the replica's file, attachments among them.
    pub bytes: u64,
    /// Attachments of which something is here.
    pub files: u64,
    /// Their bytes that are here.
    pub file_bytes: u64,
    /// Changes held.
    pub changes: u64,
    /// Of these, changes that the office or a rule holds back.
    pub held_back: u64,
    /// Of these, changes that wait for others which have not come yet.
    pub waiting: u64,
    /// Of these, changes that need a newer version of the app.
    pub unreadable: u64,
}

/// Reads them.
pub(crate) fn figures(replica: &ClientReplica) -> Result<StorageFigures, LastmileError> {
    let figures = replica.storage_figures()?;
    Ok(StorageFigures {
        bytes: figures.bytes,
        files: figures.files,
        file_bytes: figures.file_bytes,
        changes: figures.changes.held(),
        held_back: figures.changes.quarantined,
        waiting: figures.changes.waiting,
        unreadable: figures.changes.opaque,
    })
}
