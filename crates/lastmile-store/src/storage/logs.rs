//! What the tables of the logs hold.

use lastmile_model::{AuthorId, ChainHash};

/// Where a change stands in the logs: its strand, its commit's number and its place in the commit.
///
/// Strands and this packing are local to one replica and never leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl Position {
    /// The highest commit number a position can hold.
    pub const MAX_SEQ: u64 = u32::MAX as u64;

    /// Packs a position; `None` when a part is out of bounds.
    #[must_use]
    pub fn new(strand: u32, seq: u64, index: usize) -> Option<Self> {
        let index = u8::try_from(index).ok()?;
        let seq = u32::try_from(seq).ok()?;
        if strand >= 1 << 23 {
            return None;
        }
        Some(Self(i64::from(strand) << 40 | i64::from(seq) << 8 | i64::from(index)))
    }

    /// The number of the strand.
    #[must_use]
    pub fn strand(self) -> u32 {
        u32::try_from(self.0 >> 40).unwrap_or(u32::MAX)
    }

    /// The commit's number in its author's log.
    #[must_use]
    pub fn seq(self) -> u64 {
        u64::try_from((self.0 >> 8) & 0xffff_ffff).unwrap_or(u64::MAX)
    }

    /// The change's place in its commit, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0 & 0xff).unwrap_or(usize::MAX)
    }
}

/// One physically continuous run of an author's commits in a scope.
///
/// Without forks an author has one strand per scope, from commit 1. A fork gives a second strand that starts where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strand {
    /// Local number, from 1.
    pub no: u32,
    /// Local number of the scope.
    pub scope: u32,
    /// Whose commits these are.
    pub author: AuthorId,
    /// The number of the first commit.
    pub first: u64,
    /// The chain hash before the first commit.
    pub prev: ChainHash,
    /// The strand this one forked from.
    pub parent: Option<u32>,
    /// The number of the last commit held.
    pub head: u64,
    /// Its chain hash.
    pub chain: ChainHash,
    /// The number of the last commit vouched for by a seal.
    pub sealed: u64,
    /// Its chain hash.
    pub sealed_chain: ChainHash,
    /// The number of the last commit that the views show.
    pub viewed: u64,
    /// How many changes the strand holds.
    pub changes: u64,
}

/// Marks where another strand leaves this one, so that both sides name the pieces alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The strand that is cut.
    pub strand: u32,
    /// The first commit after the cut.
    pub seq: u64,
    /// The chain hash before the cut.
    pub before: ChainHash,
    /// The chain hash of commit `seq` on this strand.
    pub at: ChainHash,
}

/// A packed run of commits as it stands in storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The strand it belongs to.
    pub strand: u32,
    /// Number of its first commit.
    pub first: u64,
    /// Number of its last commit.
    pub last: u64,
    /// The packed bytes.
    pub packed: Vec<u8>,
}

/// A seal as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeal {
    /// The strand it vouches for.
    pub strand: u32,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there.
    pub chain: ChainHash,
    /// The author's signature.
    pub signature: [u8; 64],
}

/// A receipt as stored: the relay of this epoch holds the author's log up to `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The scope's local number.
    pub scope: u32,
    /// Whose log.
    pub author: AuthorId,
    /// The relay's epoch.
    pub epoch: AuthorId,
    /// Up to which commit.
    pub seq: u64,
    /// The chain hash there, which also names the branch.
    pub chain: ChainHash,
    /// The relay's signature.
    pub signature: [u8; 64],
}

/// A batch that no seal covers yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The scope's local number.
    pub scope: u32,
    /// Whose commits.
    pub author: AuthorId,
    /// Number of the first commit.
    pub first: u64,
    /// Number of the last commit.
    pub last: u64,
    /// Chain hash of the last commit.
    pub chain: ChainHash,
    /// How many changes it holds.
    pub changes: u64,
    /// The packed bytes as they came.
    pub packed: Vec<u8>,
}

impl Pending {
    /// What is known of it without its bytes.
    #[must_use]
    pub const fn head(&self) -> PendingHead {
        let Self { scope, author, first, last, chain, changes, .. } = *self;
        PendingHead { scope, author, first, last, chain, changes, bytes: self.packed.len() as u64 }
    }
}

/// A pending batch without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingHead {
    /// The scope's local number.
    pub scope: u32,
    /// Whose commits.
    pub author: AuthorId,
    /// Number of the first commit.
    pub first: u64,
    /// Number of the last commit.
    pub last: u64,
    /// Chain hash of the last commit.
    pub chain: ChainHash,
    /// How many changes it holds that no batch before it holds.
    pub changes: u64,
    /// How many bytes it has, packed.
    pub bytes: u64,
}
