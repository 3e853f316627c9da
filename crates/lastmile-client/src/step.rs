//! One step of the sync as a whole: records, then files.

use crate::ClientError;
use crate::files::{FileBudget, FileReport};
use crate::replica::Replica;
use crate::status::SyncReport;

impl Replica {
    /// Makes one exchange with the relay and then rounds of the lane for files until nothing moves any more. With nothing to do this is
    /// one request. Files that cannot travel now are no error: then [`FileReport::more`] is true.
    ///
    /// It may be given up at any time: what came whole is kept, and the next step goes on from there.
    ///
    /// # Errors
    /// As [`Replica::sync`].
    pub async fn step(&self) -> Result<(SyncReport, FileReport), ClientError> {
        let report = self.sync().await?;
        let mut files = FileReport::default();
        loop {
            match self.sync_files(&FileBudget::default()).await {
                Ok(round) => {
                    let moved = round.sent_bytes.saturating_add(round.fetched_bytes) > 0;
                    files.sent_bytes = files.sent_bytes.saturating_add(round.sent_bytes);
                    files.sent_files = files.sent_files.saturating_add(round.sent_files);
                    files.fetched_bytes = files.fetched_bytes.saturating_add(round.fetched_bytes);
                    files.fetched_files = files.fetched_files.saturating_add(round.fetched_files);
                    files.refused.extend(round.refused);
                    files.more = round.more;
                    if !round.more || !moved {
                        return Ok((report, files));
                    }
                }
                Err(error) => {
                    tracing::info!(%error, "files will be tried again");
                    files.more = true;
                    return Ok((report, files));
                }
            }
        }
    }
}
