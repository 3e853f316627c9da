//! Reading changes back out of the packed logs.

use std::collections::VecDeque;
use std::sync::Arc;

use lastmile_log::{ChangeEntry, CommitHeader, UnpackedBatch, unpack};
use lastmile_model::{AuthorId, ChainHash};

use crate::StoreError;
use crate::index::Index;
use crate::judge::Held;
use crate::storage::{Position, Storage};

/// The most bytes a stored run of commits unpacks to: replicas of the first versions took twice what a batch may have now.
pub(crate) const MAX_STORED: usize = 16 << 20;

/// How many unpacked runs a handle keeps, and how many bytes of changes they hold together at most.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 24 << 20;

/// A change loaded from the logs.
#[derive(Debug, Clone)]
pub(crate) struct OwnedHeld {
    pub position: Position,
    pub author: AuthorId,
    run: Arc<UnpackedBatch>,
    /// The commit's place in the run.
    commit: usize,
}

#[expect(clippy::indexing_slicing, reason = "`Archive::load` builds these, and only after checking both places")]
impl OwnedHeld {
    /// The commit that holds the change.
    pub fn header(&self) -> &CommitHeader {
        &self.run.commits[self.commit].header
    }

    /// The commit's chain hash.
    pub fn chain(&self) -> ChainHash {
        self.run.commits[self.commit].chain
    }

    pub fn entry(&self) -> &ChangeEntry {
        &self.header().changes[self.position.index()]
    }

    pub fn body(&self) -> Option<&[u8]> {
        self.run.body(self.commit, self.position.index())
    }

    pub fn as_held(&self) -> Held<'_> {
        Held {
            position: self.position,
            author: self.author,
            seq: self.position.seq(),
            chain: self.chain(),
            entry: self.entry(),
            body: self.body(),
            hashed: self.run.is_hashed_chunk(self.commit, self.position.index()),
        }
    }
}

/// Unpacked runs of commits, the last used kept.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    kept: VecDeque<(u32, Arc<UnpackedBatch>)>,
    bytes: usize,
}

impl Archive {
    /// Forgets everything, for when stored runs were replaced.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    /// Keeps a run that was just stored: the views will want it soon.
    pub fn keep(&mut self, strand: u32, run: UnpackedBatch) {
        self.push(strand, Arc::new(run));
    }

    fn push(&mut self, strand: u32, run: Arc<UnpackedBatch>) {
        self.bytes = self.bytes.saturating_add(run.body_bytes());
        self.kept.push_front((strand, run));
        while self.kept.len() > KEPT || (self.bytes > KEPT_BYTES && self.kept.len() > 1) {
            let Some((_, oldest)) = self.kept.pop_back() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.body_bytes());
        }
    }

    /// Returns the run that holds this commit.
    pub fn run(&mut self, storage: &dyn Storage, strand: u32, seq: u64) -> Result<Arc<UnpackedBatch>, StoreError> {
        let holds = |(no, run): &(u32, Arc<UnpackedBatch>)| *no == strand && run.first <= seq && seq <= run.last();
        if let Some(place) = self.kept.iter().position(holds)
            && let Some(found) = self.kept.remove(place)
        {
            let run = Arc::clone(&found.1);
            self.kept.push_front(found);
            return Ok(run);
        }
        let blob = storage
            .blob_with(strand, seq)?
            .ok_or_else(|| StoreError::damaged(format!("commit {seq} of log {strand} is missing")))?;
        let run = Arc::new(unpack(&blob.packed, MAX_STORED)?);
        if run.first != blob.first || run.last() != blob.last {
            return Err(StoreError::damaged(format!("a run of log {strand} has other commits than its label says")));
        }
        self.push(strand, Arc::clone(&run));
        Ok(run)
    }

    /// The chain hash of a commit.
    pub fn chain_at(&mut self, storage: &dyn Storage, strand: u32, seq: u64) -> Result<ChainHash, StoreError> {
        let run = self.run(storage, strand, seq)?;
        let place = usize::try_from(seq.saturating_sub(run.first)).unwrap_or(usize::MAX);
        run.commits
            .get(place)
            .map(|commit| commit.chain)
            .ok_or_else(|| StoreError::damaged(format!("commit {seq} of log {strand} is missing")))
    }

    /// Loads changes by their positions.
    pub fn load(
        &mut self,
        storage: &dyn Storage,
        index: &Index,
        positions: &[Position],
    ) -> Result<Vec<OwnedHeld>, StoreError> {
        let mut loaded = Vec::with_capacity(positions.len());
        for &position in positions {
            let run = self.run(storage, position.strand(), position.seq())?;
            let commit = usize::try_from(position.seq().saturating_sub(run.first)).unwrap_or(usize::MAX);
            let entries = run.commits.get(commit).map_or(0, |commit| commit.header.changes.len());
            if position.index() >= entries {
                return Err(StoreError::damaged(format!("change {} of a commit is missing", position.index())));
            }
            let author = index.strand(position.strand())?.author;
            loaded.push(OwnedHeld { position, author, run, commit });
        }
        Ok(loaded)
    }
}
