//! Packed batches: runs of one author's commits as they are sent, stored and served.
//!
//! What can be worked out again is left out: a change's hash, and its dependencies, seq, start op and count where the
//! bytes are there and readable; its record where the body names it; scope, author, number and previous hash of each
//! commit. The rest is laid out so that zstd finds what repeats, and compressed. `docs/formats.md` has every byte.

mod layout;
mod pack;
mod unpack;

use lastmile_model::{AuthorId, ChainHash, Scope};

pub use pack::{PackError, pack};
pub use unpack::{BadBatch, raw_size, unpack};

use crate::commit::{ChangeEntry, Commit, CommitHeader};

/// The most commits of one batch.
pub const MAX_BATCH_COMMITS: usize = 4_096;
/// The most changes of one batch.
pub const MAX_BATCH_CHANGES: usize = 8_192;
/// The most different record types of one batch.
pub const MAX_BATCH_TYPES: usize = 256;
/// The most bytes that a batch inflates to; what [`pack`] keeps to, and a good limit for [`unpack`].
pub const MAX_RAW: usize = 4 << 20;

/// A commit as it stands in an unpacked batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedCommit {
    /// The header, worked out again.
    pub header: CommitHeader,
    /// Its chain hash.
    pub chain: ChainHash,
    /// Where its first change stands among the changes of the batch.
    first_change: usize,
}

/// A packed run of commits of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedRun {
    /// The number of its first commit.
    pub first: u64,
    /// The number of its last commit.
    pub last: u64,
    /// The packed commits.
    pub packed: Vec<u8>,
}

/// Where a change's bytes stand in the buffer of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
    /// Whether they are a change chunk with a right checksum, hashed as Automerge hashes it.
    chunk: bool,
}

/// An unpacked run of commits whose chain has been worked out from the bytes.
///
/// The bytes of all changes stand in one buffer; nothing is copied before [`UnpackedBatch::to_commit`] asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedBatch {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// The number of the first commit.
    pub first: u64,
    /// The chain hash before it.
    pub prev: ChainHash,
    /// The commits, at least one.
    pub commits: Vec<UnpackedCommit>,
    /// The places of all changes in order, `None` for a stub.
    places: Vec<Option<Place>>,
    buffer: Vec<u8>,
}

impl UnpackedBatch {
    /// The number of the last commit.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.first.saturating_add(self.commits.len() as u64).saturating_sub(1)
    }

    /// The chain hash of the last commit: what a seal of the whole batch signs.
    #[must_use]
    pub fn head(&self) -> ChainHash {
        self.commits.last().map_or(self.prev, |commit| commit.chain)
    }

    /// How many bytes its changes have together.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.buffer.len()
    }

    fn place(&self, seq: u64) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.first)?).ok()
    }

    /// The chain hash of a commit by its number.
    #[must_use]
    pub fn chain_of(&self, seq: u64) -> Option<ChainHash> {
        self.commits.get(self.place(seq)?).map(|commit| commit.chain)
    }

    /// The bytes of a change by its commit's place in the batch and its own in the commit; `None` for a stub.
    #[must_use]
    pub fn body(&self, commit: usize, change: usize) -> Option<&[u8]> {
        let commit = self.commits.get(commit)?;
        commit.header.changes.get(change)?;
        let Place { start, end, .. } = (*self.places.get(commit.first_change.checked_add(change)?)?)?;
        bytes_of(&self.buffer, start, end)
    }

    /// Whether the hash in a change's entry was worked out as Automerge hashes its bytes, so that a decoder need not do it again.
    /// What no version of the gate has accepted has another kind of hash.
    #[must_use]
    pub fn is_hashed_chunk(&self, commit: usize, change: usize) -> bool {
        let place = self.commits.get(commit).and_then(|commit| commit.first_change.checked_add(change));
        place.and_then(|place| *self.places.get(place)?).is_some_and(|place| place.chunk)
    }

    /// Copies a commit out, by its place in the batch.
    #[must_use]
    pub fn to_commit(&self, place: usize) -> Option<Commit> {
        let commit = self.commits.get(place)?;
        let changes = 0..commit.header.changes.len();
        let bodies = changes.map(|change| self.body(place, change).map(<[u8]>::to_vec)).collect();
        Some(Commit { header: commit.header.clone(), bodies })
    }

    /// Packs commits `from` to `to` of this batch again, as far as it holds them.
    ///
    /// # Errors
    /// [`PackError::Empty`] when the range holds none of its commits.
    pub fn repack(&self, from: u64, to: u64) -> Result<Vec<u8>, PackError> {
        let place = |seq| self.place(seq).unwrap_or(usize::MAX);
        let places = place(from.max(self.first))..place(to.saturating_add(1)).min(self.commits.len());
        pack::pack_places(self, places)
    }

    /// Packs commits `from` to `to` again, in as many runs as the bounds of a batch need.
    ///
    /// # Errors
    /// [`PackError`] as for [`UnpackedBatch::repack`], or when a single commit is beyond a bound.
    pub fn repack_in_runs(&self, from: u64, to: u64) -> Result<Vec<PackedRun>, PackError> {
        let (from, to) = (from.max(self.first), to.min(self.last()));
        match self.repack(from, to) {
            Ok(packed) => Ok(vec![PackedRun { first: from, last: to, packed }]),
            Err(PackError::OutOfBounds { .. }) if from < to => {
                let middle = from.midpoint(to);
                let mut runs = self.repack_in_runs(from, middle)?;
                runs.extend(self.repack_in_runs(middle.saturating_add(1), to)?);
                Ok(runs)
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves out the bytes of the changes for which `erased` holds: their stubs keep the chain whole.
    #[must_use]
    pub fn without(mut self, erased: &dyn Fn(&ChangeEntry) -> bool) -> Self {
        let entries = self.commits.iter().flat_map(|commit| &commit.header.changes);
        let mut buffer = Vec::with_capacity(self.buffer.len());
        for (place, entry) in self.places.iter_mut().zip(entries) {
            let Some(Place { start, end, chunk }) = *place else { continue };
            let bytes = if erased(entry) { None } else { bytes_of(&self.buffer, start, end) };
            // What is kept never reaches further than it did before.
            let moved = |bytes: &[u8]| {
                let start = u32::try_from(buffer.len()).ok()?;
                buffer.extend_from_slice(bytes);
                Some(Place { start, end: u32::try_from(buffer.len()).ok()?, chunk })
            };
            *place = bytes.and_then(moved);
        }
        self.buffer = buffer;
        self
    }
}

fn bytes_of(buffer: &[u8], start: u32, end: u32) -> Option<&[u8]> {
    buffer.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
