//! Files that carry records from device to device.

use std::path::Path;

use lastmile_client::Replica as ClientReplica;

use crate::LastmileError;

/// What a `.lastmile` file took or brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct BundleReport {
    /// Bytes of the file.
    pub bytes: u64,
    /// Batches of commits in it.
    pub batches: u64,
    /// Batches that brought something new here.
    pub appended: u64,
    /// Logs that could not be taken.
    pub not_taken: u64,
    /// Whether the file is there to its end.
    pub whole: bool,
}

const fn report(of: &lastmile_client::bundle::BundleReport) -> BundleReport {
    BundleReport {
        bytes: of.bytes,
        batches: of.batches,
        appended: of.appended,
        not_taken: of.not_taken,
        whole: of.whole,
    }
}

/// Writes everything that this device holds into a file.
pub(crate) fn export(replica: &ClientReplica, path: &Path) -> Result<BundleReport, LastmileError> {
    Ok(report(&replica.export_bundle(path)?))
}

/// Takes what is new out of a file.
pub(crate) fn import(replica: &ClientReplica, path: &Path) -> Result<BundleReport, LastmileError> {
    Ok(report(&replica.import_bundle(path)?))
}
