//! The strict codec: standard uncompressed Automerge change chunks of flat maps, and nothing else.
//!
//! A chunk is magic, 4 bytes of checksum, type 1, length, body. The body holds the dependencies, the actor, seq, start
//! op, time, message, the other actors that predecessors name, the columns and the extra bytes; see
//! <https://automerge.org/automerge-binary-format-spec/>. [`encode`] writes what Automerge's transactions write, byte
//! for byte; [`decode`] accepts exactly what [`encode`] can write.

mod column;
mod decode;
mod encode;
mod header;
mod reader;

pub use decode::{decode, decode_hashed};
pub(crate) use encode::encode_export;
pub use encode::{EncodeError, encode};
pub use header::{read_header, read_header_hashed};

use lastmile_model::ChangeHash;
use sha2::{Digest, Sha256};

/// The first four bytes of every chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Where the hashed part of a chunk begins: after magic and checksum.
const HASHED_FROM: usize = 8;
/// The chunk type of an uncompressed change.
const CHANGE_CHUNK: u8 = 1;
/// Announces 16 random bytes after the columns.
const SALT_MARK: u8 = 0x53;
/// The actions of Automerge that a flat map needs.
const ACTION_SET: u64 = 1;
const ACTION_DELETE: u64 = 3;

/// The columns of a flat map's operations, by Automerge's column specification, in the order they are written.
mod spec {
    pub const KEY: u64 = 0x15;
    pub const INSERT: u64 = 0x34;
    pub const ACTION: u64 = 0x42;
    pub const VALUE_META: u64 = 0x56;
    pub const VALUE: u64 = 0x57;
    pub const PRED_COUNT: u64 = 0x70;
    pub const PRED_ACTOR: u64 = 0x71;
    pub const PRED_COUNTER: u64 = 0x73;
    /// The bit that marks a deflated column.
    pub const DEFLATED: u64 = 0x08;
}

/// Why bytes are not a change that this version accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end early.
    #[error("the change ends early")]
    Truncated,
    /// More than [`MAX_BYTES`](crate::MAX_BYTES).
    #[error("the change is larger than 64 KiB")]
    TooLarge,
    /// No Automerge chunk, or one of another kind than a change.
    #[error("this is not an Automerge change chunk")]
    NotAChange,
    /// A deflated chunk or column.
    #[error("the change is compressed")]
    Compressed,
    /// The checksum is not the beginning of the hash.
    #[error("the checksum does not match")]
    BadChecksum,
    /// Bytes follow the chunk.
    #[error("bytes follow the change")]
    TrailingBytes,
    /// A variable-length number is too long, too large or not in its shortest form.
    #[error("a number is badly encoded")]
    BadNumber,
    /// An actor is not 16 bytes long, or a predecessor names one that is not listed.
    #[error("an actor is not a 16-byte author")]
    BadActor,
    /// The dependencies are not strictly ascending.
    #[error("the dependencies are not sorted")]
    DepsUnsorted,
    /// Seq, start op, time or a counter lies outside its bounds.
    #[error("a counter or time is out of bounds")]
    OutOfBounds,
    /// More than [`MAX_OPS`](crate::MAX_OPS) operations.
    #[error("the change claims more than 256 operations")]
    TooManyOps,
    /// No operation at all.
    #[error("the change holds no operation")]
    Empty,
    /// Something other than scalars in the ROOT map.
    #[error("the change is not a flat map; it needs a newer version")]
    NotFlat,
    /// Two operations on one key.
    #[error("two operations are on one key")]
    DuplicateKey,
    /// A deletion that names no predecessor: Automerge loses it when it saves.
    #[error("a deletion deletes nothing")]
    EmptyDelete,
    /// Predecessors that are not strictly ascending or not older than the operation.
    #[error("the predecessors are out of order")]
    BadPredecessor,
    /// More than [`MAX_PREDS`](crate::MAX_PREDS) predecessors.
    #[error("the change claims more than 8192 predecessors")]
    TooManyPredecessors,
    /// A value whose length does not fit its type.
    #[error("a value is badly encoded")]
    BadValue,
    /// A key, text or message that is not UTF-8.
    #[error("a text is not UTF-8")]
    BadUtf8,
    /// Columns that disagree about the number of operations, or are out of order.
    #[error("the columns do not agree")]
    BadColumns,
    /// Extra bytes other than the salt.
    #[error("the extra bytes are not a salt; they need a newer version")]
    BadExtra,
    /// Valid, but not written the one way that this codec writes it.
    #[error("the change is not in canonical form")]
    NotCanonical,
}

impl Malformed {
    /// Says whether a newer version may be able to read this, rather than nobody.
    #[must_use]
    pub const fn needs_newer_version(self) -> bool {
        matches!(self, Self::NotFlat | Self::BadExtra)
    }
}

/// Hashes a chunk as Automerge does.
fn hash_chunk(bytes: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(bytes.get(HASHED_FROM..).unwrap_or_default()).into())
}
