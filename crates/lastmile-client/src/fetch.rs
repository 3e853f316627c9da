//! Fetching one file that somebody asked for.

use crate::ClientError;
use crate::files::{FileBudget, FileStanding};
use crate::replica::Replica;

impl Replica {
    /// Fetches a file that a record here names, and returns its bytes; `None` while the relay does not have it, and when no record names
    /// it. `progress` hears how many bytes are here. What came stays when this is given up, and the next call goes on from there.
    ///
    /// # Errors
    /// As [`Replica::sync_files`].
    pub async fn fetch_file(
        &self,
        hash: &[u8; 32],
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        if self.file(hash)?.is_none() && !self.want_file(hash)? {
            return Ok(None);
        }
        // A small piece at a time, so that whoever waits sees it come.
        let budget = FileBudget { send: 0, fetch: 128 << 10, all: false };
        loop {
            if let Some(bytes) = self.file(hash)? {
                progress(bytes.len() as u64);
                return Ok(Some(bytes));
            }
            let report = self.sync_files(&budget).await?;
            if let FileStanding::Arriving(held) = self.standing(hash)? {
                progress(held);
            }
            if report.fetched_bytes == 0 && !report.more {
                return self.file(hash);
            }
        }
    }

    /// Where the bytes of a file are.
    fn standing(&self, hash: &[u8; 32]) -> Result<FileStanding, ClientError> {
        let named = self.attachments(None)?;
        Ok(named.into_iter().find(|one| one.named.hash == *hash).map_or(FileStanding::Away, |one| one.standing))
    }
}
