//! Commits made by hand: what another version, a faulty or a hostile one, would write.

use lastmile_crdt::{ChangeHeader, ChangeParts, Edit, Op, encode};
use lastmile_log::{ChangeEntry, Commit, CommitHeader, Seal, body_hash, chain_hash, pack};
use lastmile_model::{ChainHash, ChangeHash, RecordId, Value};
use lastmile_store::{Durability, Fate, Incoming, Saved, Store, ViewMode};

use crate::support::{author, deployment, key, scope};

/// A change made by hand.
#[derive(Debug, Clone)]
pub struct Raw {
    pub entry: ChangeEntry,
    pub body: Vec<u8>,
}

/// A first change of a record with these bytes, whatever they are.
pub fn first(by: u8, record_type: &str, record: RecordId, body: &[u8]) -> Raw {
    let header =
        ChangeHeader { hash: body_hash(body), deps: Vec::new(), actor: author(by), seq: 1, start_op: 1, op_count: 1 };
    Raw { entry: ChangeEntry { record_type: record_type.to_owned(), record, header }, body: body.to_vec() }
}

/// A proper change with these fields.
pub fn encoded(
    by: u8,
    record_type: &str,
    record: RecordId,
    deps: &[ChangeHash],
    start_op: u64,
    fields: &[(&str, Value)],
) -> Raw {
    let op = |(key, value): &(&str, Value)| match Edit::set(*key, value.clone()) {
        Edit::Set { key, value } => Op { key, action: lastmile_crdt::Action::Set(value), pred: Vec::new() },
        Edit::Remove { .. } => unreachable!("a field is set"),
    };
    let ops: Vec<Op> = fields.iter().map(op).collect();
    let parts =
        ChangeParts { deps, actor: author(by), seq: 1, start_op, time: 0, message: None, salt: None, ops: &ops };
    let encoded = encode(&parts).unwrap();
    let header = ChangeHeader {
        hash: encoded.hash,
        deps: deps.to_vec(),
        actor: author(by),
        seq: 1,
        start_op,
        op_count: ops.len() as u64,
    };
    Raw { entry: ChangeEntry { record_type: record_type.to_owned(), record, header }, body: encoded.bytes }
}

/// The fields of a first change that make it one.
pub fn identity(record_type: &str, record: RecordId) -> Vec<(&'static str, Value)> {
    vec![("id", Value::reference(record)), ("type", record_type.into())]
}

/// Writes over the tail of a change chunk and puts its checksum right again.
pub fn bend(raw: &Raw, from_end: usize, byte: u8) -> Raw {
    let mut body = raw.body.clone();
    let at = body.len() - from_end;
    body[at] = byte;
    let hash = lastmile_log::change_hash(&body);
    body[4..8].copy_from_slice(&hash.0[..4]);
    let mut bent = Raw { entry: raw.entry.clone(), body };
    bent.entry.header.hash = body_hash(&bent.body);
    bent
}

fn commit(by: u8, seq: u64, prev: ChainHash, changes: &[Raw]) -> Commit {
    Commit {
        header: CommitHeader {
            version: 1,
            scope: scope(),
            author: author(by),
            seq,
            prev,
            acting: None,
            schema_v: 99,
            hlc: 0,
            wall_ms: 0,
            app: "later".to_owned(),
            extension: b"kept".to_vec(),
            changes: changes.iter().map(|raw| raw.entry.clone()).collect(),
        },
        bodies: changes.iter().map(|raw| Some(raw.body.clone())).collect(),
    }
}

/// A log of an author from its first commit, which holds the first of these changes.
pub fn log_of(by: u8, commits: &[Vec<Raw>]) -> Vec<Commit> {
    let mut log: Vec<Commit> = Vec::with_capacity(commits.len());
    for (seq, changes) in (1..).zip(commits) {
        let prev = log.last().map_or(ChainHash::ZERO, |before| chain_hash(&before.header));
        log.push(commit(by, seq, prev, changes));
    }
    log
}

/// Commits changes at the end of an author's own log, sealed, as its own replica would hold them.
pub fn inject(store: &mut Store, by: u8, changes: &[Raw]) -> Saved {
    store.seal(&key(by), &scope()).unwrap();
    let heads = store.sealed_heads(&scope(), author(by));
    let (seq, prev) = heads.first().copied().unwrap_or((0, ChainHash::ZERO));
    let commit = commit(by, seq + 1, prev, changes);
    let chain = chain_hash(&commit.header);
    let seal = Seal::sign(&key(by), &deployment(), &scope(), seq + 1, chain);
    let incoming = Incoming { packed: pack(&[&commit]).unwrap(), seals: vec![seal] };
    let outcomes = store.ingest(vec![incoming], ViewMode::Now, Durability::Full).unwrap();
    assert!(matches!(outcomes[0].fate, Fate::Appended { commits: 1, .. }), "{:?}", outcomes[0].fate);
    Saved { seq: seq + 1, chain, changes: changes.len() }
}
