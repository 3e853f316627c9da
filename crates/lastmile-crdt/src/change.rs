//! A change and its parts, as plain data.

use lastmile_model::{AuthorId, ChangeHash, Value};

/// The most operations one change may hold.
pub const MAX_OPS: usize = 256;
/// The most predecessors that the operations of one change may name together. A run of them takes a few bytes.
pub const MAX_PREDS: usize = 8192;
/// The most bytes one change may have, its chunk header included.
pub const MAX_BYTES: usize = 65_536;
/// Below this lies the start op of every header, also of a change that this version cannot read.
pub const MAX_START_OP: u64 = 1 << 40;
/// The highest operation counter and the highest sequence number of a change that this version accepts: Automerge
/// keeps both in 32 bits.
pub const MAX_COUNTER: u64 = u32::MAX as u64;
/// The farthest claimed time of a change, in seconds before or after 1970. Automerge's document format stores the
/// differences between times and panics when one overflows.
pub const MAX_TIME: i64 = 1 << 53;

/// Identifies one operation: its counter, then its actor. Ordered the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    /// The Lamport counter, from 1.
    pub counter: u64,
    /// The author of the change that holds the operation.
    pub actor: AuthorId,
}

/// What an operation does to its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Puts this value.
    Set(Value),
    /// Removes the predecessors' values.
    Delete,
}

/// One operation on one key of the flat ROOT map.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// The key.
    pub key: String,
    /// What is done.
    pub action: Action,
    /// The operations on the key that this one replaces, strictly ascending.
    pub pred: Vec<OpId>,
}

/// A decoded change. The id of its operation `i` is (`start_op + i`, `actor`).
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// SHA-256 over the chunk without magic and checksum: Automerge's hash of the change.
    pub hash: ChangeHash,
    /// The changes this one builds on, strictly ascending.
    pub deps: Vec<ChangeHash>,
    /// Who made it.
    pub actor: AuthorId,
    /// Its number among the actor's changes to this record, from 1.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u64,
    /// When it was made, as claimed, in seconds since 1970. Never decides anything.
    pub time: i64,
    /// A commit message; Lastmile writes none.
    pub message: Option<String>,
    /// The 16 random bytes of a salted record type.
    pub salt: Option<[u8; 16]>,
    /// The operations, each on a key of its own.
    pub ops: Vec<Op>,
}

impl Change {
    /// Returns the counter of the last operation.
    #[must_use]
    pub fn max_op(&self) -> u64 {
        last_counter(self.start_op, self.ops.len() as u64)
    }

    /// Returns the id of the operation at this index.
    #[must_use]
    pub fn op_id(&self, index: usize) -> OpId {
        OpId { counter: self.start_op.saturating_add(index as u64), actor: self.actor }
    }

    /// Returns what a commit header repeats about this change.
    #[must_use]
    pub fn header(&self) -> ChangeHeader {
        ChangeHeader {
            hash: self.hash,
            deps: self.deps.clone(),
            actor: self.actor,
            seq: self.seq,
            start_op: self.start_op,
            op_count: self.ops.len() as u64,
        }
    }

    /// Returns everything but the hash, to [`encode`](crate::encode) it again.
    #[must_use]
    pub fn parts(&self) -> ChangeParts<'_> {
        ChangeParts {
            deps: &self.deps,
            actor: self.actor,
            seq: self.seq,
            start_op: self.start_op,
            time: self.time,
            message: self.message.as_deref(),
            salt: self.salt,
            ops: &self.ops,
        }
    }

    /// Returns every predecessor that the operations name, in order, for [`admit`](crate::admit).
    #[must_use]
    pub fn preds(&self) -> Vec<OpId> {
        self.ops.iter().flat_map(|op| op.pred.iter().copied()).collect()
    }
}

/// What a change is made of, before it has a hash.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeParts<'a> {
    /// The changes it builds on, strictly ascending.
    pub deps: &'a [ChangeHash],
    /// Who makes it.
    pub actor: AuthorId,
    /// Its number among the actor's changes to the record, from 1.
    pub seq: u64,
    /// The counter of its first operation: 1 + the highest of its dependencies.
    pub start_op: u64,
    /// The claimed time in seconds since 1970.
    pub time: i64,
    /// A commit message.
    pub message: Option<&'a str>,
    /// The 16 random bytes of a salted record type.
    pub salt: Option<[u8; 16]>,
    /// The operations, each on a key of its own.
    pub ops: &'a [Op],
}

/// A change as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// A standard uncompressed Automerge change chunk.
    pub bytes: Vec<u8>,
}

/// What a commit header repeats about a change; all that is left of one whose bytes were erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChangeHeader {
    /// The change's hash.
    pub hash: ChangeHash,
    /// The changes it builds on, strictly ascending.
    pub deps: Vec<ChangeHash>,
    /// Who made it.
    pub actor: AuthorId,
    /// Its number among the actor's changes to the record, from 1.
    pub seq: u64,
    /// The counter of its first operation, below [`MAX_START_OP`].
    pub start_op: u64,
    /// How many operations it holds, 1 to [`MAX_OPS`].
    pub op_count: u64,
}

impl ChangeHeader {
    /// Returns the counter of the last operation.
    #[must_use]
    pub fn max_op(&self) -> u64 {
        last_counter(self.start_op, self.op_count)
    }

    /// Says whether this change holds an operation with this id.
    #[must_use]
    pub fn holds(&self, op: &OpId) -> bool {
        op.actor == self.actor && (self.start_op..=self.max_op()).contains(&op.counter) && self.op_count > 0
    }
}

/// The counter of the last of `count` operations that begin at `start`.
pub(crate) fn last_counter(start: u64, count: u64) -> u64 {
    start.saturating_add(count).saturating_sub(1)
}
