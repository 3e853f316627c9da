//! Commits made by hand: what a later version, a faulty or a hostile one writes.

use lastmile_crdt::{Action, ChangeHeader, ChangeParts, Edit, Op, encode};
use lastmile_log::{
    AuthorKey, ChangeEntry, Commit, CommitHeader, Deployment, Seal, body_hash, chain_hash, change_hash, pack,
};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope, Value};
use lastmile_store::{Durability, Fate, Incoming, Saved, Store, StoreError, ViewMode};

/// A change made by hand.
pub struct Raw {
    pub entry: ChangeEntry,
    pub body: Vec<u8>,
}

/// A first change of a record with these bytes, whatever they are.
pub fn first(author: AuthorId, record_type: &str, record: RecordId, body: Vec<u8>) -> Raw {
    let header =
        ChangeHeader { hash: body_hash(&body), deps: Vec::new(), actor: author, seq: 1, start_op: 1, op_count: 1 };
    Raw { entry: ChangeEntry { record_type: record_type.to_owned(), record, header }, body }
}

/// A proper change with these fields.
pub fn encoded(
    author: AuthorId,
    record_type: &str,
    record: RecordId,
    deps: Vec<ChangeHash>,
    start_op: u64,
    fields: &[(&str, Value)],
) -> Raw {
    let op = |(key, value): &(&str, Value)| match Edit::set(*key, value.clone()) {
        Edit::Set { key, value } => Op { key, action: Action::Set(value), pred: Vec::new() },
        Edit::Remove { key } => Op { key, action: Action::Delete, pred: Vec::new() },
    };
    let ops: Vec<Op> = fields.iter().map(op).collect();
    let parts =
        ChangeParts { deps: &deps, actor: author, seq: 1, start_op, time: 0, message: None, salt: None, ops: &ops };
    let encoded = encode(&parts).expect("a small change can be written");
    let op_count = ops.len() as u64;
    let header = ChangeHeader { hash: encoded.hash, deps, actor: author, seq: 1, start_op, op_count };
    Raw { entry: ChangeEntry { record_type: record_type.to_owned(), record, header }, body: encoded.bytes }
}

/// Writes over the tail of a change and puts its checksum right again.
pub fn bend(mut raw: Raw, byte: u8) -> Raw {
    if let Some(last) = raw.body.last_mut() {
        *last = byte;
    }
    let checksum = change_hash(&raw.body).0;
    if let (Some(place), Some(sum)) = (raw.body.get_mut(4..8), checksum.get(..4)) {
        place.copy_from_slice(sum);
    }
    raw.entry.header.hash = body_hash(&raw.body);
    raw
}

/// A commit of the later version.
fn commit(scope: &Scope, author: AuthorId, (before, prev): (u64, ChainHash), raw: Raw) -> Commit {
    let header = CommitHeader {
        version: 1,
        scope: scope.clone(),
        author,
        seq: before + 1,
        prev,
        acting: None,
        schema_v: 99,
        hlc: 0,
        wall_ms: 0,
        app: "later".to_owned(),
        extension: b"kept".to_vec(),
        changes: vec![raw.entry],
    };
    Commit { header, bodies: vec![Some(raw.body)] }
}

/// Offers a commit in an author's log, sealed with another key; tells whether the store took it.
pub fn forge(
    store: &mut Store,
    author: AuthorId,
    key: &AuthorKey,
    deployment: &Deployment,
    scope: &Scope,
    raw: Raw,
) -> Result<bool, StoreError> {
    let head = store.sealed_heads(scope, author).first().copied().unwrap_or((0, ChainHash::ZERO));
    let commit = commit(scope, author, head, raw);
    let seal = Seal { author, ..Seal::sign(key, deployment, scope, head.0 + 1, chain_hash(&commit.header)) };
    let incoming = Incoming { packed: pack(&[&commit])?, seals: vec![seal] };
    let outcomes = store.ingest(vec![incoming], ViewMode::Now, Durability::Full)?;
    Ok(outcomes.iter().any(|outcome| matches!(outcome.fate, Fate::Appended { .. })))
}

/// Commits changes at the end of an author's own log, sealed, as its own replica would hold them; nothing when that log has parted.
pub fn inject(
    store: &mut Store,
    key: &AuthorKey,
    deployment: &Deployment,
    scope: &Scope,
    raw: Raw,
) -> Result<Option<Saved>, StoreError> {
    let author = key.author(deployment);
    store.seal(key, scope)?;
    let heads = store.sealed_heads(scope, author);
    if heads.len() > 1 {
        return Ok(None);
    }
    let (before, prev) = heads.first().copied().unwrap_or((0, ChainHash::ZERO));
    let commit = commit(scope, author, (before, prev), raw);
    let chain = chain_hash(&commit.header);
    let seal = Seal::sign(key, deployment, scope, before + 1, chain);
    let incoming = Incoming { packed: pack(&[&commit])?, seals: vec![seal] };
    let outcomes = store.ingest(vec![incoming], ViewMode::Now, Durability::Full)?;
    let taken = outcomes.first().is_some_and(|outcome| matches!(outcome.fate, Fate::Appended { .. }));
    Ok(taken.then_some(Saved { seq: before + 1, chain, changes: 1 }))
}
