//! Commits and their chain.

use lastmile_crdt::ChangeHeader;
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::wire::Writer;

/// The version of the commit format.
pub const COMMIT_VERSION: u8 = 1;
/// The most changes of one commit.
pub const MAX_CHANGES: usize = 256;
/// The most bytes of one commit with all its changes.
pub const MAX_COMMIT: usize = 1 << 20;
/// The longest name of a record type, in bytes.
pub const MAX_TYPE_NAME: usize = 32;
/// The longest app version, in bytes.
pub const MAX_APP: usize = 32;
/// The largest extension area, in bytes.
pub const MAX_EXTENSION: usize = 4096;
/// The most dependencies of one change.
pub const MAX_DEPS: usize = 64;
/// The most bytes of one change.
pub const MAX_BODY: usize = lastmile_crdt::MAX_BYTES;

/// What a commit header says about one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEntry {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
    /// Hash, dependencies, actor seq, start op and operation count; its actor is the commit's author.
    pub header: ChangeHeader,
}

/// Everything of a commit but the bytes of its changes: what the chain covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitHeader {
    /// [`COMMIT_VERSION`].
    pub version: u8,
    /// The scope of every record in it.
    pub scope: Scope,
    /// Who made it.
    pub author: AuthorId,
    /// Its number in the author's log of the scope, from 1.
    pub seq: u64,
    /// The chain hash of the commit before, [`ChainHash::ZERO`] for the first.
    pub prev: ChainHash,
    /// The person who acted.
    pub acting: Option<Uuid>,
    /// The schema version the app knew.
    pub schema_v: u32,
    /// The hybrid logical clock: milliseconds << 16 | counter. For display.
    pub hlc: u64,
    /// The device's clock as claimed, in milliseconds since 1970. Never decides anything.
    pub wall_ms: i64,
    /// The app's version.
    pub app: String,
    /// Kept and chained, ignored if unknown.
    pub extension: Vec<u8>,
    /// The changes.
    pub changes: Vec<ChangeEntry>,
}

/// A commit with the bytes of its changes; `None` where an erasure left a stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The header.
    pub header: CommitHeader,
    /// The bytes of each change, in the header's order.
    pub bodies: Vec<Option<Vec<u8>>>,
}

/// Hashes the bytes of a change: SHA-256 from the ninth byte on, as Automerge does; shorter bytes are hashed whole.
#[must_use]
pub fn change_hash(bytes: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(bytes.get(8..).unwrap_or(bytes)).into())
}

/// Writes the canonical header that the chain hash covers.
pub(crate) fn write_header(header: &CommitHeader, out: &mut Writer) {
    out.u8(header.version);
    out.scope(&header.scope);
    out.raw(header.author.as_bytes());
    out.uvarint(header.seq);
    out.raw(header.prev.as_bytes());
    match header.acting {
        Some(person) => {
            out.u8(1);
            out.raw(person.as_bytes());
        }
        None => out.u8(0),
    }
    out.uvarint(u64::from(header.schema_v));
    out.uvarint(header.hlc);
    out.ivarint(header.wall_ms);
    out.bytes(header.app.as_bytes());
    out.bytes(&header.extension);
    out.uvarint(header.changes.len() as u64);
    for entry in &header.changes {
        out.bytes(entry.record_type.as_bytes());
        out.raw(entry.record.as_bytes());
        out.raw(entry.header.hash.as_bytes());
        out.uvarint(entry.header.deps.len() as u64);
        entry.header.deps.iter().for_each(|dep| out.raw(dep.as_bytes()));
        out.uvarint(entry.header.seq);
        out.uvarint(entry.header.start_op);
        out.uvarint(entry.header.op_count);
    }
}

pub(crate) fn hash_header(header: &CommitHeader, room: &mut Writer) -> ChainHash {
    room.clear();
    room.raw(b"lastmile commit\0");
    write_header(header, room);
    ChainHash(Sha256::digest(room.as_slice()).into())
}

/// The chain hash of a commit: SHA-256 over its header, which names the chain hash before it.
#[must_use]
pub fn chain_hash(header: &CommitHeader) -> ChainHash {
    hash_header(header, &mut Writer::new())
}
