//! What was acknowledged: the simulator's own account, kept apart from the replicas.

use lastmile_model::{AuthorId, ChainHash, RecordId, Scope};
use lastmile_store::{Store, StoreError};

/// A commit that a device said is saved.
#[derive(Debug, Clone)]
pub struct Known {
    pub scope: Scope,
    pub author: AuthorId,
    /// Which of the devices that the office knows wrote it.
    pub lineage: usize,
    pub seq: u64,
    pub chain: ChainHash,
    /// Records that this commit made and nobody else can have made: they are seen together or not at all.
    pub fresh: Vec<(&'static str, RecordId)>,
    /// Whether no replica holds it any more, as when a device is put back to before it, and nobody had it yet.
    pub gone: bool,
}

impl Known {
    /// Whether a replica holds it.
    pub fn is_in(&self, store: &mut Store) -> Result<bool, StoreError> {
        store.holds(&self.scope, self.author, self.seq, self.chain)
    }
}

/// All of them, numbered.
#[derive(Debug, Default)]
pub struct Ledger {
    pub commits: Vec<Known>,
}

impl Ledger {
    /// Notes a commit, and returns its number.
    pub fn note(&mut self, known: Known) -> usize {
        let number = self.commits.len();
        self.commits.push(known);
        number
    }
}
