//! Commits and their chain.

use lastmile_crdt::{ChangeHeader, MAX_OPS, MAX_START_OP};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::wire::Writer;

/// The version of the commit format.
pub const COMMIT_VERSION: u8 = 1;
/// The most changes of one commit.
pub const MAX_CHANGES: usize = 256;
/// The most bytes of one commit: its header as hashed, and all its changes.
pub const MAX_COMMIT: usize = 1 << 20;
/// The longest name of a record type, in bytes.
pub const MAX_TYPE_NAME: usize = 32;
/// The longest app version, in bytes.
pub const MAX_APP: usize = 32;
/// The largest extension area, in bytes.
pub const MAX_EXTENSION: usize = 4096;
/// The most dependencies of one change.
pub const MAX_DEPS: usize = 256;

/// What the chain hash begins with.
const CHAIN_LABEL: &[u8] = b"lastmile commit\0";
/// What the hash of bytes that are no Automerge change begins with. A chunk's hashed part begins with its type, which
/// is never 0, so the two kinds of hash cannot meet.
const OPAQUE_LABEL: &[u8] = b"\0lastmile opaque change\0";

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
    /// The changes, at least one.
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

/// Says which bound of the format a commit exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} out of bounds, at most {limit} allowed")]
pub struct OutOfBounds {
    /// What lies outside its bounds.
    pub what: &'static str,
    /// The upper bound.
    pub limit: u64,
}

impl CommitHeader {
    /// Checks every bound of the format that can be seen in the header alone.
    ///
    /// # Errors
    /// [`OutOfBounds`] naming the first bound that does not hold.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        within("the commit version", u64::from(self.version), COMMIT_VERSION.into(), COMMIT_VERSION.into())?;
        within("the commit number", self.seq, 1, u64::MAX - 1)?;
        if (self.seq == 1) != (self.prev == ChainHash::ZERO) {
            return Err(OutOfBounds { what: "a previous chain hash of the first commit", limit: 0 });
        }
        within("the app version", self.app.len() as u64, 0, MAX_APP as u64)?;
        within("the extension", self.extension.len() as u64, 0, MAX_EXTENSION as u64)?;
        within("the number of changes", self.changes.len() as u64, 1, MAX_CHANGES as u64)?;
        self.changes.iter().try_for_each(|entry| entry.check(self.author))
    }
}

impl ChangeEntry {
    fn check(&self, author: AuthorId) -> Result<(), OutOfBounds> {
        let header = &self.header;
        within("the name of a record type", self.record_type.len() as u64, 1, MAX_TYPE_NAME as u64)?;
        within("the number of dependencies", header.deps.len() as u64, 0, MAX_DEPS as u64)?;
        within("the seq of a change", header.seq, 1, MAX_START_OP - 1)?;
        within("the start op of a change", header.start_op, 1, MAX_START_OP - 1)?;
        within("the operation count of a change", header.op_count, 1, MAX_OPS as u64)?;
        if !header.deps.is_sorted_by(|earlier, later| earlier < later) {
            return Err(OutOfBounds { what: "dependencies that are not strictly ascending", limit: 0 });
        }
        if header.actor != author {
            return Err(OutOfBounds { what: "an actor that is not the commit's author", limit: 0 });
        }
        Ok(())
    }
}

const fn within(what: &'static str, found: u64, least: u64, limit: u64) -> Result<(), OutOfBounds> {
    if least <= found && found <= limit { Ok(()) } else { Err(OutOfBounds { what, limit }) }
}

/// Checks the size of a commit whose hashed header and changes take these many bytes.
pub(crate) const fn check_size(header: usize, bodies: usize) -> Result<(), OutOfBounds> {
    within("the size of a commit", header.saturating_add(bodies) as u64, 0, MAX_COMMIT as u64)
}

/// Hashes some bytes with SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Hashes the bytes of an Automerge chunk as Automerge does: SHA-256 from the ninth byte on. Shorter bytes are hashed
/// whole.
///
/// The first eight bytes are not covered; [`body_hash`] is what a commit header must name.
#[must_use]
pub fn change_hash(bytes: &[u8]) -> ChangeHash {
    ChangeHash(sha256(bytes.get(8..).unwrap_or(bytes)))
}

/// Hashes the bytes of a change as a commit header names them, so that every byte is covered.
///
/// An uncompressed Automerge change chunk with a right checksum has Automerge's hash. Anything else, which no version
/// of the gate has accepted yet, has the SHA-256 hash of a label and all its bytes.
#[must_use]
pub fn body_hash(bytes: &[u8]) -> ChangeHash {
    if is_change_chunk(bytes) {
        let hash = change_hash(bytes);
        if bytes.get(4..8) == hash.0.get(..4) {
            return hash;
        }
    }
    ChangeHash(Sha256::new().chain_update(OPAQUE_LABEL).chain_update(bytes).finalize().into())
}

/// The first four bytes of every Automerge chunk.
pub(crate) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of an uncompressed change.
pub(crate) const CHANGE_CHUNK: u8 = 1;

/// Tells whether bytes begin as an uncompressed change chunk does, whatever the checksum between.
pub(crate) fn is_change_chunk(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(8) == Some(&CHANGE_CHUNK)
}

/// Writes the canonical header that the chain hash covers.
fn write_header(header: &CommitHeader, out: &mut Writer) {
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

/// Hashes a header in a room that is used again; returns how many bytes it took as well.
pub(crate) fn hash_header(header: &CommitHeader, room: &mut Writer) -> (ChainHash, usize) {
    room.clear();
    room.raw(CHAIN_LABEL);
    write_header(header, room);
    (ChainHash(sha256(room.as_slice())), room.len() - CHAIN_LABEL.len())
}

/// The chain hash of a commit: SHA-256 over its header, which names the chain hash before it.
#[must_use]
pub fn chain_hash(header: &CommitHeader) -> ChainHash {
    hash_header(header, &mut Writer::new()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_body_is_covered() {
        let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, 2, 7, 7];
        let hash = change_hash(&chunk);
        chunk[4..8].copy_from_slice(&hash.0[..4]);
        assert_eq!(body_hash(&chunk), hash);
        for at in 0..chunk.len() {
            let mut bent = chunk.clone();
            bent[at] ^= 1;
            assert_ne!(body_hash(&bent), hash, "byte {at}");
        }
        assert_ne!(body_hash(&chunk[8..]), hash, "the hashed part alone is something else");
        assert_ne!(body_hash(b""), change_hash(b""));
    }

    #[test]
    fn bounds_name_what_is_wrong() {
        let entry = ChangeEntry {
            record_type: "person".to_owned(),
            record: RecordId::from_bytes([1; 16]),
            header: ChangeHeader {
                hash: ChangeHash([2; 32]),
                deps: Vec::new(),
                actor: AuthorId([3; 16]),
                seq: 1,
                start_op: 1,
                op_count: 1,
            },
        };
        let good = CommitHeader {
            version: 1,
            scope: Scope::community("430103005010").unwrap(),
            author: AuthorId([3; 16]),
            seq: 1,
            prev: ChainHash::ZERO,
            acting: None,
            schema_v: 1,
            hlc: 0,
            wall_ms: 0,
            app: String::new(),
            extension: Vec::new(),
            changes: vec![entry.clone()],
        };
        assert_eq!(good.check(), Ok(()));
        let bad = |bend: &dyn Fn(&mut CommitHeader)| {
            let mut header = good.clone();
            bend(&mut header);
            header.check().unwrap_err().what
        };
        assert_eq!(bad(&|header| header.version = 2), "the commit version");
        assert_eq!(bad(&|header| header.seq = 0), "the commit number");
        assert_eq!(bad(&|header| header.seq = 2), "a previous chain hash of the first commit");
        assert_eq!(bad(&|header| header.app = "x".repeat(33)), "the app version");
        assert_eq!(bad(&|header| header.extension = vec![0; 4097]), "the extension");
        assert_eq!(bad(&|header| header.changes.clear()), "the number of changes");
        assert_eq!(bad(&|header| header.changes = vec![entry.clone(); 257]), "the number of changes");
        assert_eq!(bad(&|header| header.changes[0].record_type.clear()), "the name of a record type");
        assert_eq!(bad(&|header| header.changes[0].header.seq = 1 << 40), "the seq of a change");
        assert_eq!(bad(&|header| header.changes[0].header.start_op = 0), "the start op of a change");
        assert_eq!(bad(&|header| header.changes[0].header.op_count = 257), "the operation count of a change");
        assert_eq!(
            bad(&|header| header.changes[0].header.deps = vec![ChangeHash([1; 32]); 2]),
            "dependencies that are not strictly ascending"
        );
        assert_eq!(bad(&|header| header.author = AuthorId([4; 16])), "an actor that is not the commit's author");
    }
}
