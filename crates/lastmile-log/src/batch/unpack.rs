//! Reading batches.

use std::cell::RefCell;

use lastmile_crdt::{ChangeHeader, read_header_hashed};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use uuid::Uuid;

use super::layout::{
    ACTING, ACTING_SAME, APP_SAME, COUNTER_BITS, EXTENSION, KNOWN_FLAGS, MAX_COUNTER, OPAQUE, PACK_VERSION, PLAIN,
    SCHEMA_SAME, STUB,
};
use super::{MAX_BATCH_CHANGES, MAX_BATCH_COMMITS, MAX_BATCH_TYPES, Place, UnpackedBatch, UnpackedCommit};
use crate::commit::{
    CHANGE_CHUNK, COMMIT_VERSION, ChangeEntry, CommitHeader, MAGIC, MAX_APP, MAX_CHANGES, MAX_COMMIT, MAX_DEPS,
    MAX_EXTENSION, MAX_TYPE_NAME, OutOfBounds, body_hash, change_hash, check_size, hash_header,
};
use crate::wire::{Reader, Unreadable, Writer};

/// How many bytes stand before the body of a chunk at most: magic, checksum, type, a length below 2^21.
const CHUNK_FRONT: usize = 12;

/// How many bytes of the heads a change takes at least: its type and its form.
const LEAST_CHANGE: usize = 2;

/// How many bytes of the heads a commit takes at least: flags, three clocks, a count, one change.
const LEAST_COMMIT: usize = 5 + LEAST_CHANGE;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Says why bytes are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    /// They are not one whole zstd frame that states its size, or they are damaged.
    #[error("the batch is not a whole zstd frame, or is damaged")]
    NotZstd,
    /// They inflate to more than the limit.
    #[error("the batch inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A field is malformed.
    #[error("the batch is malformed: {0}")]
    Unreadable(#[from] Unreadable),
    /// A commit exceeds a bound of the format.
    #[error("the batch is malformed: {0}")]
    OutOfBounds(#[from] OutOfBounds),
    /// The header of a change does not follow from its bytes, though the batch says so.
    #[error("the header of a change does not follow from its bytes")]
    NoHeader,
}

/// Unpacks a batch, working out every header, hash and the chain from the bytes.
///
/// Nothing is allocated beyond `limit_raw` and a small multiple of what is really there. Whoever takes batches from
/// outside compares the chain with a seal: the bytes of another batch are another chain, not an error.
///
/// # Errors
/// [`BadBatch`] when the bytes are not what [`pack`](super::pack) writes for some commits.
pub fn unpack(packed: &[u8], limit_raw: usize) -> Result<UnpackedBatch, BadBatch> {
    let raw = inflate(packed, limit_raw)?;
    let mut reader = Reader::new(&raw);
    if reader.u8()? != PACK_VERSION {
        return Err(Unreadable::Unknown("the version of the batch").into());
    }
    let scope = reader.scope()?;
    let author = AuthorId(reader.array()?);
    let first = reader.uvarint()?;
    let prev = ChainHash(reader.array()?);
    let count = reader.count(MAX_BATCH_COMMITS)?;
    if count == 0 {
        return Err(Unreadable::Unknown("a batch without commits").into());
    }
    let heads = Reader::new(reader.bytes(raw.len())?);
    // All that can come, so that the buffer never moves.
    let room = reader.len().saturating_add(CHUNK_FRONT * MAX_BATCH_CHANGES.min(heads.len() / LEAST_CHANGE));
    let unpacker = Unpacker {
        heads,
        bodies: reader,
        before: Before::default(),
        places: Vec::new(),
        buffer: Vec::with_capacity(room),
    };
    unpacker.batch(scope, author, first, prev, count)
}

/// How many bytes a packed batch says that it inflates to, without inflating it.
#[must_use]
pub fn raw_size(packed: &[u8]) -> Option<u64> {
    zstd::zstd_safe::get_frame_content_size(packed).ok().flatten()
}

/// Inflates one frame that states its size, so that nothing is allocated beyond the limit whatever it holds.
fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, BadBatch> {
    let stated = raw_size(packed).ok_or(BadBatch::NotZstd)?;
    let size = usize::try_from(stated).ok().filter(|&size| size <= limit).ok_or(BadBatch::TooLarge { limit })?;
    if zstd::zstd_safe::find_frame_compressed_size(packed) != Ok(packed.len()) {
        return Err(BadBatch::NotZstd);
    }
    let raw = DECOMPRESSOR.with_borrow_mut(|kept| {
        // Making one costs more than most batches do.
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(zstd::bulk::Decompressor::new().map_err(|_| BadBatch::NotZstd)?),
        };
        decompressor.decompress(packed, size).map_err(|_| BadBatch::NotZstd)
    })?;
    if raw.len() == size { Ok(raw) } else { Err(BadBatch::NotZstd) }
}

/// What each commit is written relative to.
#[derive(Default)]
struct Before<'r> {
    acting: Option<Uuid>,
    schema_v: u32,
    app: &'r str,
    millis: i64,
    types: Vec<&'r str>,
}

/// Reads the two halves of a batch.
struct Unpacker<'r> {
    heads: Reader<'r>,
    bodies: Reader<'r>,
    before: Before<'r>,
    places: Vec<Option<Place>>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn batch(
        mut self,
        scope: Scope,
        author: AuthorId,
        first: u64,
        prev: ChainHash,
        count: usize,
    ) -> Result<UnpackedBatch, BadBatch> {
        let mut commits = Vec::with_capacity(count.min(self.heads.len() / LEAST_COMMIT));
        let mut room = Writer::new();
        let mut chain = prev;
        let mut seq = first;
        for _ in 0..count {
            let (first_change, first_byte) = (self.places.len(), self.buffer.len());
            let header = self.commit(scope.clone(), author, seq, chain)?;
            header.check()?;
            let (hash, size) = hash_header(&header, &mut room);
            check_size(size, self.buffer.len() - first_byte)?;
            chain = hash;
            commits.push(UnpackedCommit { header, chain, first_change });
            seq = seq.saturating_add(1);
        }
        self.heads.end()?;
        self.bodies.end()?;
        Ok(UnpackedBatch { scope, author, first, prev, commits, places: self.places, buffer: self.buffer })
    }

    fn commit(&mut self, scope: Scope, author: AuthorId, seq: u64, prev: ChainHash) -> Result<CommitHeader, BadBatch> {
        let flags = self.heads.u8()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(Unreadable::Unknown("a flag of a commit").into());
        }
        let acting = self.acting(flags)?;
        if flags & SCHEMA_SAME == 0 {
            let schema_v = u32::try_from(self.heads.uvarint()?).map_err(|_| Unreadable::Unknown("a schema version"))?;
            differs(self.before.schema_v != schema_v)?;
            self.before.schema_v = schema_v;
        }
        let (hlc, wall_ms) = self.clocks()?;
        if flags & APP_SAME == 0 {
            let app = self.heads.text(MAX_APP)?;
            differs(self.before.app != app)?;
            self.before.app = app;
        }
        let extension = if flags & EXTENSION == 0 { Vec::new() } else { self.heads.bytes(MAX_EXTENSION)?.to_vec() };
        differs(flags & EXTENSION == 0 || !extension.is_empty())?;
        let count = self.heads.count(MAX_CHANGES)?;
        if self.places.len() + count > MAX_BATCH_CHANGES {
            let bound = OutOfBounds { what: "the number of changes in a batch", limit: MAX_BATCH_CHANGES as u64 };
            return Err(bound.into());
        }
        let mut changes = Vec::with_capacity(count.min(self.heads.len() / LEAST_CHANGE));
        for _ in 0..count {
            changes.push(self.change(author)?);
        }
        let (schema_v, app) = (self.before.schema_v, self.before.app.to_owned());
        let version = COMMIT_VERSION;
        Ok(CommitHeader { version, scope, author, seq, prev, acting, schema_v, hlc, wall_ms, app, extension, changes })
    }

    fn acting(&mut self, flags: u8) -> Result<Option<Uuid>, BadBatch> {
        match (flags & ACTING != 0, flags & ACTING_SAME != 0) {
            (false, same) => {
                differs(!same)?;
                Ok(None)
            }
            (true, true) => {
                differs(self.before.acting.is_some())?;
                Ok(self.before.acting)
            }
            (true, false) => {
                let person = Some(Uuid::from_bytes(self.heads.array()?));
                differs(self.before.acting != person)?;
                self.before.acting = person;
                Ok(person)
            }
        }
    }

    /// Reads the hybrid logical clock and the wall clock.
    fn clocks(&mut self) -> Result<(u64, i64), BadBatch> {
        let bad = Unreadable::Unknown("a clock");
        let millis = self.before.millis.checked_add(self.heads.ivarint()?).ok_or(bad)?;
        let counter = self.heads.uvarint()?;
        if millis < 0 || millis >> (u64::BITS - COUNTER_BITS) != 0 || counter > MAX_COUNTER {
            return Err(bad.into());
        }
        self.before.millis = millis;
        let wall_ms = self.heads.ivarint()?.wrapping_add(millis);
        Ok((millis.cast_unsigned() << COUNTER_BITS | counter, wall_ms))
    }

    fn change(&mut self, author: AuthorId) -> Result<ChangeEntry, BadBatch> {
        let record_type = self.record_type()?.to_owned();
        let form = self.heads.u8()?;
        if form > STUB {
            return Err(Unreadable::Unknown("the form of a change").into());
        }
        let mut stated = if form == PLAIN { None } else { Some(self.header(author)?) };
        if form == STUB {
            let record = RecordId::from_bytes(self.bodies.array()?);
            let header =
                ChangeHeader { hash: ChangeHash(self.bodies.array()?), ..stated.take().ok_or(BadBatch::NoHeader)? };
            self.places.push(None);
            return Ok(ChangeEntry { record_type, record, header });
        }
        let length = self.heads.count(MAX_COMMIT)?;
        let place = self.heads.count(length)?;
        let apart = if place == 0 { Some(self.bodies.array()?) } else { None };
        let body = self.bodies.take(length)?;
        let record = match apart {
            Some(record) => record,
            None => Reader::new(body.get(place - 1..).unwrap_or_default()).array()?,
        };
        let start = self.buffer.len();
        let mut hash = None;
        if form == OPAQUE {
            self.buffer.extend_from_slice(body);
        } else {
            hash = Some(self.rebuild(body));
        }
        let bytes = self.buffer.get(start..).unwrap_or_default();
        let header = match (stated, form) {
            (Some(header), OPAQUE) => ChangeHeader { hash: body_hash(bytes), ..header },
            (Some(header), _) => ChangeHeader { hash: hash.ok_or(BadBatch::NoHeader)?, ..header },
            (None, _) => read_header_hashed(bytes, hash.ok_or(BadBatch::NoHeader)?).map_err(|_| BadBatch::NoHeader)?,
        };
        let position = |at| u32::try_from(at).map_err(|_| BadBatch::TooLarge { limit: usize::MAX >> 32 });
        let chunk = hash.is_some();
        self.places.push(Some(Place { start: position(start)?, end: position(self.buffer.len())?, chunk }));
        Ok(ChangeEntry { record_type, record: RecordId::from_bytes(record), header })
    }

    fn record_type(&mut self) -> Result<&str, BadBatch> {
        let types = &mut self.before.types;
        let number = self.heads.count(types.len())?;
        if number == types.len() {
            let name = self.heads.text(MAX_TYPE_NAME)?;
            differs(number < MAX_BATCH_TYPES && !types.contains(&name))?;
            types.push(name);
        }
        types.get(number).copied().ok_or_else(|| Unreadable::Unknown("a record type").into())
    }

    fn header(&mut self, actor: AuthorId) -> Result<ChangeHeader, BadBatch> {
        let count = self.heads.count(MAX_DEPS)?;
        let deps = (0..count).map(|_| self.heads.array().map(ChangeHash)).collect::<Result<_, _>>()?;
        let (seq, start_op, op_count) = (self.heads.uvarint()?, self.heads.uvarint()?, self.heads.uvarint()?);
        Ok(ChangeHeader { hash: ChangeHash([0; 32]), deps, actor, seq, start_op, op_count })
    }

    /// Puts magic, checksum, type and length back before the body of a chunk; returns its hash.
    fn rebuild(&mut self, body: &[u8]) -> ChangeHash {
        let start = self.buffer.len();
        self.buffer.reserve(CHUNK_FRONT + body.len());
        self.buffer.extend_from_slice(&MAGIC);
        self.buffer.extend_from_slice(&[0, 0, 0, 0, CHANGE_CHUNK]);
        crate::wire::put_uvarint(&mut self.buffer, body.len() as u64);
        self.buffer.extend_from_slice(body);
        let hash = change_hash(self.buffer.get(start..).unwrap_or_default());
        if let Some(checksum) = self.buffer.get_mut(start + 4..start + 8) {
            checksum.iter_mut().zip(hash.0).for_each(|(to, from)| *to = from);
        }
        hash
    }
}

/// Refuses what could have been written shorter.
const fn differs(shortest: bool) -> Result<(), BadBatch> {
    if shortest { Ok(()) } else { Err(BadBatch::Unreadable(Unreadable::Unknown("a field that repeats another"))) }
}
