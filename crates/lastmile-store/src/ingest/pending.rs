//! What arrived without a seal waits beside the logs, within bounds.

use std::collections::BTreeSet;

use lastmile_log::{BadBatch, MAX_RAW, PackError, Seal, UnpackedBatch, raw_size, unpack};
use lastmile_model::AuthorId;

use super::{Fate, Verified, ViewMode};
use crate::StoreError;
use crate::history::MAX_STORED;
use crate::storage::{Pending, PendingHead};
use crate::store::Store;

/// The most bytes of batches without a seal that are kept per author and scope, packed.
pub const MAX_PENDING_BYTES: u64 = 2 << 20;

/// The most bytes that they unpack to.
pub const MAX_PENDING_RAW: u64 = MAX_RAW as u64;

/// The most batches without a seal that are kept per author and scope.
pub const MAX_PENDING_BATCHES: usize = 64;

/// The most bytes of batches without a seal that are kept per scope, packed, whoever wrote them.
pub const MAX_PENDING_IN_SCOPE: u64 = 8 << 20;

fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// The raw size that a stored batch states; one that states none is taken for the largest.
fn raw(packed: &[u8]) -> u64 {
    raw_size(packed).unwrap_or(MAX_PENDING_RAW)
}

impl Store {
    /// Keeps commits `from` on of a batch until a seal covers them; those before are held. A batch that another one holds whole is
    /// not kept, and a commit that several hold counts once.
    pub(super) fn keep_pending(
        &mut self,
        scope: u32,
        batch: UnpackedBatch,
        packed: Option<Vec<u8>>,
        from: u64,
    ) -> Result<Fate, StoreError> {
        let packed = match packed.filter(|_| from == batch.first) {
            Some(packed) => packed,
            None => match batch.repack(from, batch.last()) {
                Ok(packed) => packed,
                Err(PackError::OutOfBounds { .. }) => {
                    return Ok(Fate::Malformed(BadBatch::TooLarge { limit: MAX_RAW }));
                }
                Err(error) => return Err(error.into()),
            },
        };
        let batch = if from == batch.first { batch } else { unpack(&packed, MAX_RAW)? };
        let (author, first, last, chain) = (batch.author, batch.first, batch.last(), batch.head());
        let heads = self.storage.pending_heads(Some(scope))?;
        let of_author = |head: &&PendingHead| head.author == author;
        if heads.iter().filter(of_author).any(|head| (head.last, head.chain) == (last, chain) && head.first <= first) {
            return Ok(Fate::Pending);
        }
        let mut kept: Vec<(Pending, Option<UnpackedBatch>)> = Vec::new();
        let mut overlaps = false;
        for pending in self.storage.pendings_of(scope, author)? {
            if batch.chain_of(pending.last) == Some(pending.chain) && pending.first >= first {
                overlaps = true;
                continue;
            }
            let beside = pending.first > last || pending.last < first;
            let theirs = if beside { None } else { Some(unpack(&pending.packed, MAX_STORED)?) };
            if theirs.as_ref().is_some_and(|theirs| theirs.first <= first && theirs.chain_of(last) == Some(chain)) {
                return Ok(Fate::Pending);
            }
            overlaps |= !beside;
            kept.push((pending, theirs));
        }
        let bytes = total(kept.iter().map(|(pending, _)| pending.packed.len() as u64).chain([packed.len() as u64]));
        let inflated = total(kept.iter().map(|(pending, _)| raw(&pending.packed)).chain([raw(&packed)]));
        let others = total(heads.iter().filter(|head| head.author != author).map(|head| head.bytes));
        if bytes > MAX_PENDING_BYTES
            || inflated > MAX_PENDING_RAW
            || kept.len() >= MAX_PENDING_BATCHES
            || bytes.saturating_add(others) > MAX_PENDING_IN_SCOPE
        {
            // A peer that sends so much without a seal is asked for it again from the sealed head.
            self.storage.remove_pending(scope, author)?;
            return Ok(Fate::BadSeal);
        }
        let changes = batch.commits.iter().map(|commit| commit.header.changes.len() as u64).sum();
        let new = Pending { scope, author, first, last, chain, changes, packed };
        if !overlaps {
            self.storage.put_pending(&new)?;
            return Ok(Fate::Pending);
        }
        kept.push((new, Some(batch)));
        self.keep_counted(scope, author, kept)
    }

    /// Writes the batches of an author anew, each commit counted with the first that holds it.
    fn keep_counted(
        &mut self,
        scope: u32,
        author: AuthorId,
        kept: Vec<(Pending, Option<UnpackedBatch>)>,
    ) -> Result<Fate, StoreError> {
        self.storage.remove_pending(scope, author)?;
        let mut counted = BTreeSet::new();
        for (mut pending, batch) in kept {
            let batch = batch.map_or_else(|| unpack(&pending.packed, MAX_STORED), Ok)?;
            let new = batch.commits.iter().filter(|commit| counted.insert(commit.chain));
            pending.changes = new.map(|commit| commit.header.changes.len() as u64).sum();
            self.storage.put_pending(&pending)?;
        }
        Ok(Fate::Pending)
    }

    /// Whether commits that wait for a seal lead to the first of this batch.
    pub(super) fn waits_before(&self, scope: u32, batch: &UnpackedBatch) -> Result<bool, StoreError> {
        let heads = self.storage.pending_heads(Some(scope))?;
        let before = batch.first.saturating_sub(1);
        Ok(heads.iter().any(|head| head.author == batch.author && head.last == before && head.chain == batch.prev))
    }

    /// Appends what waits right before a batch: the seal that came with the batch vouches for it as well, the chain leads there.
    pub(super) fn place_before(
        &mut self,
        scope: u32,
        batch: &UnpackedBatch,
        seal: &Seal,
        mode: ViewMode,
    ) -> Result<Option<Fate>, StoreError> {
        if !self.waits_before(scope, batch)? {
            return Ok(None);
        }
        let before = batch.first.saturating_sub(1);
        let waiting = self.storage.pendings_of(scope, batch.author)?;
        let found = waiting.into_iter().find(|one| one.last == before && one.chain == batch.prev);
        let Some(found) = found else { return Ok(None) };
        let earlier = unpack(&found.packed, MAX_STORED)?;
        let verified = Verified { batch: earlier, packed: Some(found.packed), seal: Some(seal.clone()) };
        let fate = self.place(scope, verified, mode)?;
        Ok(matches!(fate, Fate::Appended { .. } | Fate::Held).then_some(fate))
    }

    /// What waited for a seal may be covered or held by now; what is not stays.
    pub(super) fn retry_pending(&mut self, scope: u32, author: AuthorId, mode: ViewMode) -> Result<(), StoreError> {
        let mut waiting = self.storage.pendings_of(scope, author)?;
        if waiting.is_empty() {
            return Ok(());
        }
        self.storage.remove_pending(scope, author)?;
        // What leads up to others comes before them.
        waiting.sort_by_key(|pending| pending.first);
        for pending in waiting {
            let batch = unpack(&pending.packed, MAX_STORED)?;
            let verified = Verified { batch, packed: Some(pending.packed.clone()), seal: None };
            match self.place(scope, verified, mode)? {
                Fate::Gap { .. } | Fate::OtherPast | Fate::Withheld => self.storage.put_pending(&pending)?,
                _ => {}
            }
        }
        Ok(())
    }
}
