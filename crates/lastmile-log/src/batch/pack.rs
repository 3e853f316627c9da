//! Writing batches.

use std::cell::RefCell;
use std::ops::Range;

use lastmile_crdt::{ChangeHeader, read_header};
use lastmile_model::{ChainHash, ChangeHash};
use uuid::Uuid;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::layout::{
    ACTING, ACTING_SAME, APP_SAME, CHUNK, COUNTER_BITS, EXTENSION, MAX_COUNTER, OPAQUE, PACK_VERSION, PLAIN,
    SCHEMA_SAME, STUB, find_record,
};
use super::{MAX_BATCH_CHANGES, MAX_BATCH_COMMITS, MAX_BATCH_TYPES, MAX_RAW, UnpackedBatch};
use crate::commit::{
    ChangeEntry, Commit, CommitHeader, OutOfBounds, body_hash, check_size, hash_header, is_change_chunk,
};
use crate::wire::{Reader, Writer};

/// The zstd level: 6 would save 5 % and cost three times as much.
const LEVEL: i32 = 3;

/// Up to which size, in bytes, batches are compressed with what a thread keeps for it.
const KEPT_FOR: usize = 64 << 10;

/// Says why commits cannot be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// No commit was given.
    #[error("there is nothing to pack")]
    Empty,
    /// The commits are not consecutive ones of one author and scope, or a chain hash does not match.
    #[error("commit {seq} does not follow the one before it")]
    NotConsecutive {
        /// The commit.
        seq: u64,
    },
    /// A commit has more or fewer bodies than changes, or the bytes of one do not have the hash that its header names.
    #[error("the bytes of commit {seq} are not those that its header names")]
    OtherBytes {
        /// The commit.
        seq: u64,
    },
    /// A commit exceeds a bound of the format.
    #[error("commit {seq}: {bound}")]
    OutOfBounds {
        /// The commit.
        seq: u64,
        /// The bound.
        bound: OutOfBounds,
    },
    /// zstd failed.
    #[error("compressing failed")]
    Compress,
}

/// A commit to be packed, wherever its parts stand.
trait Source {
    fn header(&self) -> &CommitHeader;
    /// The bytes of a change; none for a stub, and none at all where there is no such change.
    fn body(&self, change: usize) -> Option<&[u8]>;
    fn bodies(&self) -> usize;
}

impl Source for &Commit {
    fn header(&self) -> &CommitHeader {
        &self.header
    }

    fn body(&self, change: usize) -> Option<&[u8]> {
        self.bodies.get(change)?.as_deref()
    }

    fn bodies(&self) -> usize {
        self.bodies.len()
    }
}

/// A commit of a batch.
struct InBatch<'b> {
    batch: &'b UnpackedBatch,
    place: usize,
    header: &'b CommitHeader,
}

impl Source for InBatch<'_> {
    fn header(&self) -> &CommitHeader {
        self.header
    }

    fn body(&self, change: usize) -> Option<&[u8]> {
        self.batch.body(self.place, change)
    }

    fn bodies(&self) -> usize {
        self.header.changes.len()
    }
}

/// Packs consecutive commits of one author in one scope.
///
/// # Errors
/// [`PackError`] when there is none, they do not follow each other, bytes and header differ or a bound is exceeded.
pub fn pack(commits: &[&Commit]) -> Result<Vec<u8>, PackError> {
    pack_sources(commits.iter().copied())
}

/// Packs commits of an unpacked batch by their places.
pub(super) fn pack_places(batch: &UnpackedBatch, places: Range<usize>) -> Result<Vec<u8>, PackError> {
    let first = places.start;
    let commits = batch.commits.get(places).ok_or(PackError::Empty)?;
    let commits = (0..commits.len()).zip(commits);
    pack_sources(commits.map(|(index, commit)| InBatch { batch, place: first + index, header: &commit.header }))
}

fn pack_sources<S: Source>(commits: impl ExactSizeIterator<Item = S> + Clone) -> Result<Vec<u8>, PackError> {
    let (count, mut rest) = (commits.len(), commits.clone());
    let begin = rest.next().ok_or(PackError::Empty)?;
    let first = begin.header();
    let mut packer = Packer::default();
    packer.limit(first.seq, "the number of commits in a batch", count, MAX_BATCH_COMMITS)?;
    let mut out = Writer::new();
    out.u8(PACK_VERSION);
    out.scope(&first.scope);
    out.raw(first.author.as_bytes());
    out.uvarint(first.seq);
    out.raw(first.prev.as_bytes());
    out.uvarint(count as u64);
    let (mut prev, mut seq) = (first.prev, first.seq);
    for commit in commits {
        let header = commit.header();
        let follows =
            header.seq == seq && header.prev == prev && header.scope == first.scope && header.author == first.author;
        if !follows {
            return Err(PackError::NotConsecutive { seq: header.seq });
        }
        prev = packer.commit(&commit)?;
        seq = seq.saturating_add(1);
    }
    out.bytes(packer.heads.as_slice());
    out.raw(packer.bodies.as_slice());
    packer.limit(first.seq, "the size of a batch", out.len(), MAX_RAW)?;
    compress(out.as_slice()).ok_or(PackError::Compress)
}

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses into one frame that states its size and ends in a checksum.
fn compress(raw: &[u8]) -> Option<Vec<u8>> {
    // Making one costs more than most batches do, but it keeps the room that a large one took.
    if raw.len() > KEPT_FOR {
        return compressor()?.compress(raw).ok();
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(compressor()?),
        };
        compressor.compress(raw).ok()
    })
}

fn compressor() -> Option<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL).ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(true)).ok()?;
    Some(compressor)
}

/// The two halves of a batch under way, and what each commit is written relative to.
#[derive(Default)]
struct Packer {
    heads: Writer,
    bodies: Writer,
    room: Writer,
    types: Vec<String>,
    changes: usize,
    acting: Option<Uuid>,
    schema_v: u32,
    app: String,
    millis: i64,
}

impl Packer {
    fn limit(&self, seq: u64, what: &'static str, found: usize, limit: usize) -> Result<(), PackError> {
        let bound = OutOfBounds { what, limit: limit as u64 };
        if found <= limit { Ok(()) } else { Err(PackError::OutOfBounds { seq, bound }) }
    }

    /// Writes a commit and returns its chain hash.
    fn commit(&mut self, commit: &impl Source) -> Result<ChainHash, PackError> {
        let header = commit.header();
        let seq = header.seq;
        header.check().map_err(|bound| PackError::OutOfBounds { seq, bound })?;
        if commit.bodies() != header.changes.len() {
            return Err(PackError::OtherBytes { seq });
        }
        self.changes += header.changes.len();
        self.limit(seq, "the number of changes in a batch", self.changes, MAX_BATCH_CHANGES)?;
        self.front(header);
        let mut bytes = 0;
        for (change, entry) in header.changes.iter().enumerate() {
            let body = commit.body(change);
            bytes += body.map_or(0, <[u8]>::len);
            self.type_number(seq, &entry.record_type)?;
            self.change(entry, body).ok_or(PackError::OtherBytes { seq })?;
        }
        let (chain, size) = hash_header(header, &mut self.room);
        check_size(size, bytes).map_err(|bound| PackError::OutOfBounds { seq, bound })?;
        Ok(chain)
    }

    fn front(&mut self, header: &CommitHeader) {
        let heads = &mut self.heads;
        let acting_same = header.acting.is_some() && self.acting == header.acting;
        let flag = |set, flag| if set { flag } else { 0 };
        heads.u8(flag(header.acting.is_some(), ACTING)
            | flag(acting_same, ACTING_SAME)
            | flag(header.app == self.app, APP_SAME)
            | flag(header.schema_v == self.schema_v, SCHEMA_SAME)
            | flag(!header.extension.is_empty(), EXTENSION));
        if let Some(person) = header.acting
            && !acting_same
        {
            heads.raw(person.as_bytes());
            self.acting = Some(person);
        }
        if header.schema_v != self.schema_v {
            heads.uvarint(u64::from(header.schema_v));
            self.schema_v = header.schema_v;
        }
        let millis = (header.hlc >> COUNTER_BITS).cast_signed();
        heads.ivarint(millis - self.millis);
        self.millis = millis;
        heads.uvarint(header.hlc & MAX_COUNTER);
        heads.ivarint(header.wall_ms.wrapping_sub(millis));
        if header.app != self.app {
            heads.bytes(header.app.as_bytes());
            self.app.clone_from(&header.app);
        }
        if !header.extension.is_empty() {
            heads.bytes(&header.extension);
        }
        heads.uvarint(header.changes.len() as u64);
    }

    /// Writes the number of a type, and its name the first time.
    fn type_number(&mut self, seq: u64, name: &str) -> Result<(), PackError> {
        let number = self.types.iter().position(|known| known == name).unwrap_or(self.types.len());
        self.heads.uvarint(number as u64);
        if number == self.types.len() {
            self.limit(seq, "the number of record types in a batch", number + 1, MAX_BATCH_TYPES)?;
            self.heads.bytes(name.as_bytes());
            self.types.push(name.to_owned());
        }
        Ok(())
    }

    /// Writes a change; `None` when its bytes do not have the hash that its header names.
    fn change(&mut self, entry: &ChangeEntry, bytes: Option<&[u8]>) -> Option<()> {
        let Some(bytes) = bytes else {
            self.heads.u8(STUB);
            self.header(&entry.header);
            self.bodies.raw(entry.record.as_bytes());
            self.bodies.raw(entry.header.hash.as_bytes());
            return Some(());
        };
        let derived = read_header(bytes).ok();
        let hash = derived.as_ref().map_or_else(|| body_hash(bytes), |header| header.hash);
        if hash != entry.header.hash {
            return None;
        }
        let chunk = chunk_body(bytes, &hash);
        let form = match (chunk, derived.is_some_and(|header| header == entry.header)) {
            (Some(_), true) => PLAIN,
            (Some(_), false) => CHUNK,
            (None, _) => OPAQUE,
        };
        self.heads.u8(form);
        if form != PLAIN {
            self.header(&entry.header);
        }
        let body = chunk.unwrap_or(bytes);
        self.heads.uvarint(body.len() as u64);
        match find_record(body, entry.record.as_bytes()) {
            Some(at) => self.heads.uvarint(at as u64 + 1),
            None => {
                self.heads.u8(0);
                self.bodies.raw(entry.record.as_bytes());
            }
        }
        self.bodies.raw(body);
        Some(())
    }

    fn header(&mut self, header: &ChangeHeader) {
        self.heads.uvarint(header.deps.len() as u64);
        header.deps.iter().for_each(|dep| self.heads.raw(dep.as_bytes()));
        self.heads.uvarint(header.seq);
        self.heads.uvarint(header.start_op);
        self.heads.uvarint(header.op_count);
    }
}

/// Takes magic, checksum, type and length off an uncompressed change chunk; none when they do not follow from the rest.
fn chunk_body<'b>(bytes: &'b [u8], hash: &ChangeHash) -> Option<&'b [u8]> {
    if !is_change_chunk(bytes) || bytes.get(4..8) != hash.0.get(..4) {
        return None;
    }
    let mut reader = Reader::new(bytes.get(9..)?);
    let length = reader.uvarint().ok()?;
    (length == reader.len() as u64).then(|| reader.rest())
}
