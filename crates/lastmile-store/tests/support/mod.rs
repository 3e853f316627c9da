//! A deployment with an office and devices, over any storage.

use std::sync::{Arc, LazyLock};

use lastmile_crdt::Edit;
use lastmile_log::{AuthorKey, Certificate, Deployment, Issuer, Seal};
use lastmile_model::{AuthorId, Catalogue, RecordId, Scope, Value};
use lastmile_store::storage::Storage;
use lastmile_store::{Durability, Fate, Incoming, NewCommit, Outgoing, RecordEdit, Saved, Store, ViewMode};
use uuid::Uuid;

pub const COMMUNITY: &str = "430103005010";

pub fn scope() -> Scope {
    Scope::community(COMMUNITY).unwrap()
}

/// The keys of root, the office and devices with the authors that they are, worked out once.
static KEYS: LazyLock<(Deployment, Vec<(AuthorKey, AuthorId)>)> = LazyLock::new(|| {
    let keys: Vec<AuthorKey> = (0..10).map(|byte| AuthorKey::from_seed(&[byte; 32])).collect();
    let deployment = Deployment { id: [7; 16], root: keys[0].public() };
    let with_author = |key: AuthorKey| (key.clone(), key.author(&deployment));
    (deployment, keys.into_iter().map(with_author).collect())
});

pub fn key(byte: u8) -> AuthorKey {
    KEYS.1[usize::from(byte)].0.clone()
}

pub fn deployment() -> Deployment {
    KEYS.0
}

pub const OFFICE: u8 = 1;

fn certificate(of: &AuthorKey, issuer: Issuer) -> Certificate {
    Certificate {
        public: of.public(),
        device: "test".to_owned(),
        persons: Vec::new(),
        roles: vec!["worker".to_owned()],
        scopes: vec![scope()],
        from_ms: 0,
        until_ms: None,
        issuer,
        signature: [0; 64],
        consent: None,
    }
}

/// Certificates of the office and of devices 2 to 9.
pub fn certificates() -> Vec<Certificate> {
    let deployment = deployment();
    let office = key(OFFICE);
    let mut all = vec![certificate(&office, Issuer::Root).signed(&key(0), &deployment)];
    let by_office = Issuer::Office(office.author(&deployment));
    all.extend((2..10).map(|byte| certificate(&key(byte), by_office).signed(&office, &deployment)));
    all
}

pub fn store(storage: Box<dyn Storage>) -> Store {
    let mut store = Store::new(storage, Arc::new(Catalogue::builtin().clone())).unwrap();
    store.set_deployment(&deployment()).unwrap();
    store.add_certificates(&certificates()).unwrap();
    store.hold_scope(&scope()).unwrap();
    store
}

pub fn author(byte: u8) -> AuthorId {
    KEYS.1[usize::from(byte)].1
}

/// An id made from a number, as a UUIDv7 would look.
pub fn id(number: u32) -> RecordId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    RecordId::from_bytes(bytes)
}

pub fn commit(edits: Vec<RecordEdit>, wall_ms: i64) -> NewCommit {
    NewCommit {
        scope: scope(),
        acting: Some(Uuid::from_bytes([5; 16])),
        hlc: lastmile_log::hlc::next(0, wall_ms),
        wall_ms,
        app: "test".to_owned(),
        extension: Vec::new(),
        edits,
    }
}

pub fn create(record_type: &str, record: RecordId, fields: &[(&str, Value)]) -> RecordEdit {
    let edits = fields.iter().map(|(key, value)| Edit::set(*key, value.clone())).collect();
    RecordEdit { record_type: record_type.to_owned(), record, create: true, salt: [3; 16], edits }
}

pub fn edit(record_type: &str, record: RecordId, fields: &[(&str, Value)]) -> RecordEdit {
    RecordEdit { create: false, ..create(record_type, record, fields) }
}

pub fn activity(number: u32, title: &str, beneficiaries: i64) -> RecordEdit {
    create(
        "activity",
        id(number),
        &[
            ("title", title.into()),
            ("category", "01".into()),
            ("kind", "service".into()),
            ("date", "2025-03-05".into()),
            ("beneficiaries", beneficiaries.into()),
        ],
    )
}

pub fn event(record_type: &str, record: RecordId, number: u8, kind: &str, on: &str) -> RecordEdit {
    let event = Uuid::from_bytes([number; 16]);
    let key = |part: &str| lastmile_model::keys::event(event, part);
    RecordEdit {
        record_type: record_type.to_owned(),
        record,
        create: false,
        salt: [number; 16],
        edits: vec![Edit::set(key("kind"), kind), Edit::set(key("on"), on)],
    }
}

pub fn save(store: &mut Store, by: u8, edits: Vec<RecordEdit>) -> Saved {
    let new = commit(edits, 1_740_000_000_000);
    store.save(&key(by), &[new], Durability::Full).unwrap().remove(0)
}

pub fn seal(store: &mut Store, by: u8) {
    store.seal(&key(by), &scope()).unwrap();
}

/// Sends everything `from` holds to `to`; returns what became of each batch.
pub fn send(from: &mut Store, to: &mut Store, mode: ViewMode) -> Vec<Fate> {
    let batches = outgoing(from, to);
    let incoming: Vec<Incoming> =
        batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
    let outcomes = to.ingest(incoming, mode, Durability::Full).unwrap();
    outcomes.into_iter().map(|outcome| outcome.fate).collect()
}

/// What `to` lacks of the logs of `from`: beyond its heads where those are shared, otherwise beyond the last seal that both know.
pub fn outgoing(from: &mut Store, to: &mut Store) -> Vec<Outgoing> {
    let mut batches = Vec::new();
    let mut heads: Vec<_> = from.vector(&scope()).entries().collect();
    heads.sort_by_key(|entry| (entry.segment.author != author(OFFICE), entry.segment.start));
    for entry in heads {
        let mine = from.positions(&scope(), entry.segment.author).unwrap();
        let theirs = to.positions(&scope(), entry.segment.author).unwrap();
        let known = |position: &(u64, _)| theirs.iter().any(|(_, path)| path.contains(position));
        if known(&(entry.seq, entry.chain)) {
            continue;
        }
        let path = &mine.iter().find(|(segment, _)| *segment == entry.segment).unwrap().1;
        let after = path.iter().filter(|position| known(position)).map(|position| position.0).max().unwrap_or(0);
        let (read, whole) = from.path_batches(&scope(), &entry.segment, after, u64::MAX).unwrap();
        assert!(whole);
        batches.extend(read);
    }
    batches
}

pub fn digest(store: &Store) -> [u8; 32] {
    store.reader().unwrap().digest(None).unwrap()
}

/// A seal by anyone over anything.
pub fn forged_seal(by: u8, seq: u64, chain: lastmile_model::ChainHash) -> Seal {
    Seal::sign(&key(by), &deployment(), &scope(), seq, chain)
}
