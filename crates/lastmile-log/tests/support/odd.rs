//! Commits as nobody should write them, but may.

use lastmile_crdt::{Base, ChangeHeader, Edit, make_change, read_header};
use lastmile_log::{ChangeEntry, Commit, CommitHeader, body_hash, chain_hash, change_hash};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use uuid::Uuid;

/// What stands in the place of a change's bytes.
#[derive(Debug, Clone)]
pub enum Body {
    /// A change as the codec writes it.
    Change(String),
    /// A change that no gate of this version accepts, but whose header can be read: a list operation, an unknown
    /// column, runs that could be shorter, a message, bytes after the columns.
    Newer(String),
    /// Such a change by another actor.
    ByAnother(String),
    /// Such a change, but the header says another operation count.
    OtherHeader(String),
    /// Such a change with a wrong checksum.
    BadChecksum(String),
    /// Such a change whose length is not in its shortest form.
    LongLength(String),
    /// A chunk of an Automerge of the future.
    Future(Vec<u8>),
    /// Bytes of any kind.
    Opaque(Vec<u8>),
    /// Nothing: it was erased.
    Stub,
}

/// One change to be.
#[derive(Debug, Clone)]
pub struct Part {
    pub record_type: String,
    pub record: [u8; 16],
    /// For headers that no body decides: dependencies, seq, start op and count.
    pub deps: Vec<[u8; 32]>,
    pub seq: u64,
    pub start_op: u64,
    pub op_count: u64,
    pub body: Body,
}

/// One commit to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub acting: Option<[u8; 16]>,
    pub schema_v: u32,
    pub hlc: u64,
    pub wall_ms: i64,
    pub app: String,
    pub extension: Vec<u8>,
    pub parts: Vec<Part>,
}

/// Turns plans into a log that begins after `seq` commits.
pub fn commits(author: AuthorId, scope: &Scope, seq: u64, plans: &[Plan]) -> Vec<Commit> {
    let mut prev = if seq == 0 { ChainHash::ZERO } else { ChainHash([7; 32]) };
    let mut commits = Vec::new();
    for (seq, plan) in (seq + 1..).zip(plans) {
        let (changes, bodies) = plan.parts.iter().map(|part| part.entry(author)).unzip();
        let header = CommitHeader {
            version: 1,
            scope: scope.clone(),
            author,
            seq,
            prev,
            acting: plan.acting.map(Uuid::from_bytes),
            schema_v: plan.schema_v,
            hlc: plan.hlc,
            wall_ms: plan.wall_ms,
            app: plan.app.clone(),
            extension: plan.extension.clone(),
            changes,
        };
        prev = chain_hash(&header);
        commits.push(Commit { header, bodies });
    }
    commits
}

impl Part {
    fn entry(&self, author: AuthorId) -> (ChangeEntry, Option<Vec<u8>>) {
        let made = |title: &str, actor| {
            let edits =
                [Edit::set("id", lastmile_model::Value::Bytes(self.record.to_vec())), Edit::set("title", title)];
            make_change(&Base::EMPTY, actor, 1_764_000_000, None, &edits).unwrap()
        };
        let (record_type, record) = (self.record_type.clone(), RecordId::from_bytes(self.record));
        let bytes = match &self.body {
            Body::Change(title) => {
                let made = made(title, author);
                return (ChangeEntry { record_type, record, header: made.change.header() }, Some(made.encoded.bytes));
            }
            Body::Newer(message) => {
                let bytes = newer(author, message);
                return (ChangeEntry { record_type, record, header: read_header(&bytes).unwrap() }, Some(bytes));
            }
            Body::ByAnother(title) => Some(made(title, AuthorId([0xee; 16])).encoded.bytes),
            Body::OtherHeader(title) => Some(made(title, author).encoded.bytes),
            Body::BadChecksum(title) => {
                let mut bytes = made(title, author).encoded.bytes;
                bytes[4] ^= 1;
                Some(bytes)
            }
            Body::LongLength(title) => Some(long_length(&made(title, author).encoded.bytes)),
            Body::Future(content) => {
                let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, u8::try_from(content.len()).unwrap()];
                bytes.extend_from_slice(content);
                with_checksum(bytes)
            }
            .into(),
            Body::Opaque(bytes) => Some(bytes.clone()),
            Body::Stub => None,
        };
        let mut deps: Vec<ChangeHash> = self.deps.iter().map(|hash| ChangeHash(*hash)).collect();
        deps.sort_unstable();
        deps.dedup();
        let header = ChangeHeader {
            hash: bytes.as_deref().map_or(ChangeHash([0x5a; 32]), body_hash),
            deps,
            actor: author,
            seq: self.seq,
            start_op: self.start_op,
            op_count: self.op_count,
        };
        (ChangeEntry { record_type, record, header }, bytes)
    }
}

fn newer(author: AuthorId, message: &str) -> Vec<u8> {
    let mut body = [&[1][..], &[0x11; 32], &[16], &author.0, &[5, 9, 0]].concat();
    body.push(u8::try_from(message.len()).unwrap());
    body.extend_from_slice(message.as_bytes());
    body.extend([&[1, 16][..], &[0xee; 16]].concat());
    // Four columns: object, key, action (two runs of one, then two nulls), and one that nobody knows yet.
    body.extend([4, 0x01, 2, 0x15, 2, 0x42, 6, 0x83, 0x01, 1]);
    body.extend([4, 0, 4, 0, 1, 1, 1, 4, 0, 2, 9]);
    body.extend_from_slice(b"later");
    let length = u8::try_from(body.len() % 128).unwrap() | 0x80;
    let front = [0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, length, u8::try_from(body.len() / 128).unwrap()];
    with_checksum([&front, body.as_slice()].concat())
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = change_hash(&bytes);
    bytes[4..8].copy_from_slice(&hash.0[..4]);
    bytes
}

/// Writes the length of a chunk with a needless byte.
fn long_length(bytes: &[u8]) -> Vec<u8> {
    let mut long = bytes[..9].to_vec();
    let mut at = 9;
    while bytes[at] & 0x80 != 0 {
        long.push(bytes[at]);
        at += 1;
    }
    long.extend([bytes[at] | 0x80, 0]);
    long.extend_from_slice(&bytes[at + 1..]);
    with_checksum(long)
}
