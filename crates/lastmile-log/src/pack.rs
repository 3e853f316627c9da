//! Packed batches: runs of one author's commits as they are sent, stored and served.
//!
//! What can be worked out again is left out: a change's hash, and its dependencies, seq, start op and count where the bytes are
//! there and readable; scope, author, number and previous hash of each commit. The rest is laid out so that zstd finds what
//! repeats, and compressed. See `docs/formats.md`.

use std::ops::Range;

use lastmile_crdt::{ChangeHeader, MAX_START_OP, read_header};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use uuid::Uuid;

use crate::commit::{
    COMMIT_VERSION, ChangeEntry, Commit, CommitHeader, MAX_APP, MAX_BODY, MAX_CHANGES, MAX_COMMIT, MAX_DEPS,
    MAX_EXTENSION, MAX_TYPE_NAME, change_hash, hash_header,
};
use crate::wire::{Reader, Unreadable, Writer};

/// The version of the packed form.
const PACK_VERSION: u8 = 1;
/// The zstd level: higher ones cost more than they save on small runs.
const LEVEL: i32 = 3;
/// The largest zstd window a receiver allocates for, as a power of two.
const WINDOW_LOG: u32 = 24;

const ACTING: u8 = 1;
const ACTING_SAME: u8 = 2;
const APP_SAME: u8 = 4;
const SCHEMA_SAME: u8 = 8;
const EXTENSION: u8 = 16;
const KNOWN_FLAGS: u8 = 31;

const PLAIN: u8 = 0;
const EXPLICIT: u8 = 1;
const STUB: u8 = 2;

/// The first bytes of every Automerge change chunk that [`PLAIN`] stands for: magic; then 4 bytes of checksum, and the type.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;

/// Says why commits cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// No commit was given.
    #[error("there is nothing to pack")]
    Empty,
    /// The commits are not consecutive ones of one author and scope.
    #[error("commit {seq} does not follow the one before it")]
    NotConsecutive {
        /// The commit.
        seq: u64,
    },
    /// A part is larger than its limit.
    #[error("{what} of commit {seq}: {found} is over the limit of {limit}")]
    TooLarge {
        /// The commit.
        seq: u64,
        /// What is too large.
        what: &'static str,
        /// How large.
        found: usize,
        /// Its limit.
        limit: usize,
    },
    /// zstd failed.
    #[error("compressing failed")]
    Compress,
}

/// Says why bytes are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    /// zstd cannot inflate them.
    #[error("the batch is not a zstd frame, or is damaged")]
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
    /// A change's bytes are not what its header says.
    #[error("the bytes of a change do not match its header")]
    OtherBytes,
    /// A commit is larger than allowed.
    #[error("a commit is larger than {limit} bytes")]
    CommitTooLarge {
        /// The limit.
        limit: usize,
    },
}

/// A commit as it stands in an unpacked batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedCommit {
    /// The header, worked out again.
    pub header: CommitHeader,
    /// Its chain hash.
    pub chain: ChainHash,
    bodies: Vec<Option<Range<usize>>>,
}

/// An unpacked run of commits whose chain has been worked out from the bytes.
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
    /// The commits.
    pub commits: Vec<UnpackedCommit>,
    buffer: Vec<u8>,
}

impl UnpackedBatch {
    /// The number of the last commit.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first.saturating_add(self.commits.len() as u64).saturating_sub(1)
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
        let range = self.commits.get(commit)?.bodies.get(change)?.clone()?;
        self.buffer.get(range)
    }

    /// Copies a commit out, by its place in the batch.
    #[must_use]
    pub fn to_commit(&self, place: usize) -> Option<Commit> {
        let commit = self.commits.get(place)?;
        let bodies = (0..commit.header.changes.len()).map(|change| self.body(place, change).map(<[u8]>::to_vec)).collect();
        Some(Commit { header: commit.header.clone(), bodies })
    }

    /// Packs commits `from` to `to` of this batch again.
    ///
    /// # Errors
    /// [`PackError::Empty`] when the range holds none of its commits.
    pub fn repack(&self, from: u64, to: u64) -> Result<Vec<u8>, PackError> {
        let commits: Vec<Commit> =
            (from..=to.min(self.last())).filter_map(|seq| self.to_commit(self.place(seq)?)).collect();
        pack(&commits.iter().collect::<Vec<_>>())
    }

    /// Packs the batch again with the bytes of these changes left out: their stubs keep the chain whole.
    ///
    /// # Errors
    /// [`PackError`] as for [`pack`].
    pub fn strip(&self, erased: &dyn Fn(&ChangeHash) -> bool) -> Result<Vec<u8>, PackError> {
        let mut commits: Vec<Commit> = (0..self.commits.len()).filter_map(|place| self.to_commit(place)).collect();
        for commit in &mut commits {
            for (entry, body) in commit.header.changes.iter().zip(&mut commit.bodies) {
                if erased(&entry.header.hash) {
                    *body = None;
                }
            }
        }
        pack(&commits.iter().collect::<Vec<_>>())
    }
}

fn check_limits(header: &CommitHeader, size: usize) -> Result<(), PackError> {
    let seq = header.seq;
    let within = |what, found, limit| {
        if found <= limit { Ok(()) } else { Err(PackError::TooLarge { seq, what, found, limit }) }
    };
    within("changes", header.changes.len(), MAX_CHANGES)?;
    within("app version", header.app.len(), MAX_APP)?;
    within("extension", header.extension.len(), MAX_EXTENSION)?;
    within("bytes", size, MAX_COMMIT)?;
    for entry in &header.changes {
        within("type name", entry.record_type.len(), MAX_TYPE_NAME)?;
        within("dependencies", entry.header.deps.len(), MAX_DEPS)?;
    }
    Ok(())
}

/// Tells whether a change's bytes can be worked out again from its body and header.
fn is_plain(bytes: &[u8], entry: &ChangeEntry) -> bool {
    read_header(bytes).is_ok_and(|header| header == entry.header)
        && bytes.get(..4) == Some(&MAGIC)
        && bytes.get(8) == Some(&CHANGE_CHUNK)
}

/// Splits a change chunk into its length prefix and the body after it.
fn body_of(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes.get(9..)?);
    let length = reader.uvarint().ok()?;
    (length == reader.len() as u64).then(|| reader.rest())
}

fn write_explicit(header: &ChangeHeader, out: &mut Writer) {
    out.uvarint(header.deps.len() as u64);
    header.deps.iter().for_each(|dep| out.raw(dep.as_bytes()));
    out.uvarint(header.seq);
    out.uvarint(header.start_op);
    out.uvarint(header.op_count);
}

/// What each commit is written relative to.
struct Before<'c> {
    acting: Option<Uuid>,
    schema_v: u32,
    app: &'c str,
    hlc: u64,
}

fn write_commit<'c>(
    commit: &'c Commit,
    before: &mut Before<'c>,
    types: &mut Vec<&'c str>,
    heads: &mut Writer,
    bodies: &mut Writer,
) {
    let header = &commit.header;
    let mut flags = 0;
    if let Some(person) = header.acting {
        flags |= ACTING;
        if before.acting == Some(person) {
            flags |= ACTING_SAME;
        }
    }
    if header.app == before.app {
        flags |= APP_SAME;
    }
    if header.schema_v == before.schema_v {
        flags |= SCHEMA_SAME;
    }
    if !header.extension.is_empty() {
        flags |= EXTENSION;
    }
    heads.u8(flags);
    if let Some(person) = header.acting
        && flags & ACTING_SAME == 0
    {
        heads.raw(person.as_bytes());
        before.acting = Some(person);
    }
    if flags & SCHEMA_SAME == 0 {
        heads.uvarint(u64::from(header.schema_v));
        before.schema_v = header.schema_v;
    }
    heads.ivarint(header.hlc.wrapping_sub(before.hlc).cast_signed());
    before.hlc = header.hlc;
    heads.ivarint(header.wall_ms.wrapping_sub((header.hlc >> 16).cast_signed()));
    if flags & APP_SAME == 0 {
        heads.bytes(header.app.as_bytes());
        before.app = &header.app;
    }
    if flags & EXTENSION != 0 {
        heads.bytes(&header.extension);
    }
    heads.uvarint(header.changes.len() as u64);
    for (entry, body) in header.changes.iter().zip(&commit.bodies) {
        let number = types.iter().position(|&known| known == entry.record_type).unwrap_or(types.len());
        heads.uvarint(number as u64);
        if number == types.len() {
            heads.bytes(entry.record_type.as_bytes());
            types.push(&entry.record_type);
        }
        match body {
            Some(bytes) if is_plain(bytes, entry) => {
                let body = body_of(bytes).unwrap_or_default();
                heads.u8(PLAIN);
                heads.uvarint(body.len() as u64);
                bodies.raw(entry.record.as_bytes());
                bodies.raw(body);
            }
            Some(bytes) => {
                heads.u8(EXPLICIT);
                write_explicit(&entry.header, heads);
                heads.uvarint(bytes.len() as u64);
                bodies.raw(entry.record.as_bytes());
                bodies.raw(bytes);
            }
            None => {
                heads.u8(STUB);
                write_explicit(&entry.header, heads);
                heads.raw(entry.header.hash.as_bytes());
                bodies.raw(entry.record.as_bytes());
            }
        }
    }
}

/// Packs consecutive commits of one author in one scope.
///
/// # Errors
/// [`PackError`] when there is none, they do not follow each other or a limit is exceeded.
pub fn pack(commits: &[&Commit]) -> Result<Vec<u8>, PackError> {
    let first = &commits.first().ok_or(PackError::Empty)?.header;
    let mut out = Writer::new();
    out.u8(PACK_VERSION);
    out.scope(&first.scope);
    out.raw(first.author.as_bytes());
    out.uvarint(first.seq);
    out.raw(first.prev.as_bytes());
    out.uvarint(commits.len() as u64);
    let (mut heads, mut bodies, mut room) = (Writer::new(), Writer::new(), Writer::new());
    let mut types: Vec<&str> = Vec::new();
    let mut before = Before { acting: None, schema_v: 0, app: "", hlc: 0 };
    let mut prev = first.prev;
    for (seq, commit) in (first.seq..).zip(commits) {
        let header = &commit.header;
        let follows = header.seq == seq
            && header.prev == prev
            && header.scope == first.scope
            && header.author == first.author
            && header.version == COMMIT_VERSION
            && header.changes.len() == commit.bodies.len();
        if !follows {
            return Err(PackError::NotConsecutive { seq: header.seq });
        }
        let size = commit.bodies.iter().flatten().map(Vec::len).sum::<usize>();
        check_limits(header, size)?;
        write_commit(commit, &mut before, &mut types, &mut heads, &mut bodies);
        prev = hash_header(header, &mut room);
    }
    out.bytes(heads.as_slice());
    out.raw(bodies.as_slice());
    zstd::bulk::compress(out.as_slice(), LEVEL).map_err(|_| PackError::Compress)
}

fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, BadBatch> {
    let claimed = zstd::zstd_safe::get_frame_content_size(packed).map_err(|_| BadBatch::NotZstd)?.ok_or(BadBatch::NotZstd)?;
    let size = usize::try_from(claimed).ok().filter(|&size| size <= limit).ok_or(BadBatch::TooLarge { limit })?;
    // A frame cannot shrink by more than a few thousand times, so a claim far above its size is a lie, not a reason to allocate.
    if size / 4096 > packed.len() {
        return Err(BadBatch::NotZstd);
    }
    let mut inflater = zstd::bulk::Decompressor::new().map_err(|_| BadBatch::NotZstd)?;
    inflater
        .set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(WINDOW_LOG))
        .map_err(|_| BadBatch::NotZstd)?;
    let raw = inflater.decompress(packed, size).map_err(|_| BadBatch::NotZstd)?;
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(packed).is_ok_and(|length| length == packed.len());
    if raw.len() == size && one_frame { Ok(raw) } else { Err(BadBatch::NotZstd) }
}

fn read_explicit(heads: &mut Reader<'_>, author: AuthorId) -> Result<ChangeHeader, BadBatch> {
    let count = heads.count(MAX_DEPS)?;
    let mut deps = Vec::new();
    for _ in 0..count {
        let dep = ChangeHash(heads.array()?);
        if deps.last().is_some_and(|last| *last >= dep) {
            return Err(Unreadable::Unknown("the order of dependencies").into());
        }
        deps.push(dep);
    }
    let (seq, start_op, op_count) = (heads.uvarint()?, heads.uvarint()?, heads.uvarint()?);
    if seq == 0 || start_op == 0 || start_op >= MAX_START_OP || op_count > MAX_START_OP {
        return Err(Unreadable::Unknown("a change's counters").into());
    }
    Ok(ChangeHeader { hash: ChangeHash([0; 32]), deps, actor: author, seq, start_op, op_count })
}

/// Reads one batch.
struct Unpacker<'r> {
    heads: Reader<'r>,
    bodies: Reader<'r>,
    types: Vec<&'r str>,
    author: AuthorId,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn change(&mut self) -> Result<(ChangeEntry, Option<Range<usize>>), BadBatch> {
        let number = self.heads.count(self.types.len())?;
        if number == self.types.len() {
            if number >= MAX_CHANGES {
                return Err(Unreadable::Unknown("the number of types").into());
            }
            self.types.push(self.heads.text(MAX_TYPE_NAME)?);
        }
        let record_type = self.types.get(number).copied().unwrap_or_default().to_owned();
        let kind = self.heads.u8()?;
        let (header, range) = match kind {
            PLAIN => {
                let length = self.heads.count(MAX_BODY)?;
                let record = self.bodies.array()?;
                let body = self.bodies.take(length)?;
                let range = self.rebuild(body);
                let bytes = self.buffer.get(range.clone()).unwrap_or_default();
                let header = read_header(bytes).map_err(|_| BadBatch::OtherBytes)?;
                if header.actor != self.author {
                    return Err(BadBatch::OtherBytes);
                }
                return Ok((ChangeEntry { record_type, record: RecordId::from_bytes(record), header }, Some(range)));
            }
            EXPLICIT => {
                let mut header = read_explicit(&mut self.heads, self.author)?;
                let length = self.heads.count(MAX_COMMIT)?;
                let record: [u8; 16] = self.bodies.array()?;
                let body = self.bodies.take(length)?;
                header.hash = change_hash(body);
                let start = self.buffer.len();
                self.buffer.extend_from_slice(body);
                let entry = ChangeEntry { record_type, record: RecordId::from_bytes(record), header };
                if is_plain(body, &entry) {
                    return Err(Unreadable::Unknown("a change that is written the long way").into());
                }
                return Ok((entry, Some(start..self.buffer.len())));
            }
            STUB => {
                let mut header = read_explicit(&mut self.heads, self.author)?;
                header.hash = ChangeHash(self.heads.array()?);
                (header, None)
            }
            _ => return Err(Unreadable::Unknown("the kind of a change").into()),
        };
        let record = RecordId::from_bytes(self.bodies.array()?);
        Ok((ChangeEntry { record_type, record, header }, range))
    }

    /// Puts magic, checksum, type and length back before a change's body.
    fn rebuild(&mut self, body: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&MAGIC);
        self.buffer.extend_from_slice(&[0, 0, 0, 0, CHANGE_CHUNK]);
        let mut length = Writer::new();
        length.uvarint(body.len() as u64);
        self.buffer.extend_from_slice(length.as_slice());
        self.buffer.extend_from_slice(body);
        let range = start..self.buffer.len();
        let hash = change_hash(self.buffer.get(range.clone()).unwrap_or_default());
        if let Some(checksum) = self.buffer.get_mut(start + 4..start + 8) {
            checksum.iter_mut().zip(hash.0).for_each(|(to, from)| *to = from);
        }
        range
    }
}

/// Unpacks a batch, working out every header, hash and the chain from the bytes.
///
/// Nothing is allocated beyond `limit_raw` and a small multiple of what is really there.
///
/// # Errors
/// [`BadBatch`] when the bytes are not exactly what [`pack`] writes for some commits.
pub fn unpack(packed: &[u8], limit_raw: usize) -> Result<UnpackedBatch, BadBatch> {
    let raw = inflate(packed, limit_raw)?;
    let mut reader = Reader::new(&raw);
    if reader.u8()? != PACK_VERSION {
        return Err(Unreadable::Unknown("the batch's version").into());
    }
    let scope = reader.scope()?;
    let author = AuthorId(reader.array()?);
    let first = reader.uvarint()?;
    let prev = ChainHash(reader.array()?);
    let count = reader.count(raw.len())?;
    if first == 0 || count == 0 || (first == 1) != (prev == ChainHash::ZERO) || first.checked_add(count as u64).is_none() {
        return Err(Unreadable::Unknown("the batch's first number").into());
    }
    let heads = Reader::new(reader.bytes(limit_raw)?);
    let buffer = Vec::with_capacity(raw.len() + raw.len() / 8);
    let mut unpacker = Unpacker { heads, bodies: reader, types: Vec::new(), author, buffer };
    let mut commits: Vec<UnpackedCommit> = Vec::new();
    let mut room = Writer::new();
    let (mut acting_before, mut schema_before, mut app_before, mut hlc_before) = (None, 0u32, String::new(), 0u64);
    let mut chain = prev;
    for seq in (first..).take(count) {
        let flags = unpacker.heads.u8()?;
        if flags & !KNOWN_FLAGS != 0 || (flags & ACTING == 0 && flags & ACTING_SAME != 0) {
            return Err(Unreadable::Unknown("a commit's flags").into());
        }
        let acting = match (flags & ACTING != 0, flags & ACTING_SAME != 0) {
            (false, _) => None,
            (true, true) => Some(acting_before.ok_or(Unreadable::Unknown("a commit's flags"))?),
            (true, false) => {
                let person = Uuid::from_bytes(unpacker.heads.array()?);
                if acting_before == Some(person) {
                    return Err(Unreadable::Unknown("a commit's flags").into());
                }
                acting_before = Some(person);
                Some(person)
            }
        };
        if flags & SCHEMA_SAME == 0 {
            let schema_v =
                u32::try_from(unpacker.heads.uvarint()?).map_err(|_| Unreadable::Unknown("a schema version"))?;
            if schema_v == schema_before {
                return Err(Unreadable::Unknown("a commit's flags").into());
            }
            schema_before = schema_v;
        }
        let hlc = hlc_before.wrapping_add(unpacker.heads.ivarint()?.cast_unsigned());
        hlc_before = hlc;
        let wall_ms = unpacker.heads.ivarint()?.wrapping_add((hlc >> 16).cast_signed());
        if flags & APP_SAME == 0 {
            let app = unpacker.heads.text(MAX_APP)?;
            if app == app_before {
                return Err(Unreadable::Unknown("a commit's flags").into());
            }
            app.clone_into(&mut app_before);
        }
        let extension = if flags & EXTENSION != 0 { unpacker.heads.bytes(MAX_EXTENSION)?.to_vec() } else { Vec::new() };
        if flags & EXTENSION != 0 && extension.is_empty() {
            return Err(Unreadable::Unknown("a commit's flags").into());
        }
        let changes = unpacker.heads.count(MAX_CHANGES)?;
        let (mut entries, mut bodies) = (Vec::new(), Vec::new());
        let before = unpacker.buffer.len();
        for _ in 0..changes {
            let (entry, range) = unpacker.change()?;
            entries.push(entry);
            bodies.push(range);
        }
        if unpacker.buffer.len() - before > MAX_COMMIT + MAX_CHANGES * 16 {
            return Err(BadBatch::CommitTooLarge { limit: MAX_COMMIT });
        }
        let header = CommitHeader {
            version: COMMIT_VERSION,
            scope: scope.clone(),
            author,
            seq,
            prev: chain,
            acting,
            schema_v: schema_before,
            hlc,
            wall_ms,
            app: app_before.clone(),
            extension,
            changes: entries,
        };
        chain = hash_header(&header, &mut room);
        commits.push(UnpackedCommit { header, chain, bodies });
    }
    unpacker.heads.end()?;
    unpacker.bodies.end()?;
    let buffer = unpacker.buffer;
    Ok(UnpackedBatch { scope, author, first, prev, commits, buffer })
}
