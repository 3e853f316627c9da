//! A device's own hand, with which it writes what its program never would.

use lastmile_client::Replica;
use lastmile_crdt::{Base, ChangeHeader, Edit, make_change};
use lastmile_log::{
    AuthorKey, COMMIT_VERSION, ChangeEntry, Commit, CommitHeader, Deployment, Seal, Segment, body_hash, chain_hash,
    pack, sha256,
};
use lastmile_model::{ChainHash, ChangeHash, RecordId};
use lastmile_protocol::frame::{BatchFrame, End, FrameReader, Hello, RawFrame};
use lastmile_protocol::{Frame, bundle, limits};
use lastmile_store::{Durability, Fate, Incoming, ViewMode};
use uuid::Uuid;

use crate::field::scope;

/// A record id made from a number, as a UUIDv7 looks.
pub fn id(number: u8) -> RecordId {
    let mut bytes = [number; 16];
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    RecordId(Uuid::from_bytes(bytes))
}

/// A device's key and deployment, and the commits made with them.
pub struct Hand {
    key: AuthorKey,
    deployment: Deployment,
}

impl Hand {
    /// The hand of a replica's own device.
    pub fn of(replica: &Replica) -> Self {
        let seed = std::fs::read_to_string(replica.path().join("device.key")).unwrap();
        let seed: ChangeHash = seed.trim().parse().unwrap();
        let deployment = replica.with_store(|store| store.deployment()).unwrap().unwrap();
        Self { key: AuthorKey::from_seed(&seed.0), deployment }
    }

    pub const fn key(&self) -> &AuthorKey {
        &self.key
    }

    /// The next commit of a device whose log stands at this head, with these changes.
    pub fn commit(&self, (seq, prev): (u64, ChainHash), schema_v: u32, changes: Vec<(ChangeEntry, Vec<u8>)>) -> Commit {
        let wall_ms = 1_764_000_000_000;
        let (entries, bodies): (Vec<_>, Vec<_>) = changes.into_iter().map(|(entry, body)| (entry, Some(body))).unzip();
        let header = CommitHeader {
            version: COMMIT_VERSION,
            scope: scope(),
            author: self.key.author(&self.deployment),
            seq: seq + 1,
            prev,
            acting: None,
            schema_v,
            hlc: lastmile_log::hlc::next(0, wall_ms),
            wall_ms,
            app: "by hand".to_owned(),
            extension: Vec::new(),
            changes: entries,
        };
        Commit { header, bodies }
    }

    /// A change with these bytes, whatever they are.
    pub fn raw_change(&self, record: RecordId, bytes: &[u8]) -> (ChangeEntry, Vec<u8>) {
        let actor = self.key.author(&self.deployment);
        let header = ChangeHeader { hash: body_hash(bytes), deps: Vec::new(), actor, seq: 1, start_op: 1, op_count: 1 };
        (ChangeEntry { record_type: "activity".to_owned(), record, header }, bytes.to_vec())
    }

    /// A first change of a record of any type, known here or not.
    pub fn first_change(&self, record_type: &str, record: RecordId, edits: &[Edit]) -> (ChangeEntry, Vec<u8>) {
        let mut all = vec![
            Edit::set("id", lastmile_model::Value::reference(record)),
            Edit::set("type", record_type),
            Edit::set("schema_v", 99),
            Edit::set("place_code", scope().code()),
            Edit::set("created_at", lastmile_model::Value::Timestamp(1_764_000_000_000)),
            Edit::set("device", lastmile_model::Value::Bytes(self.key.author(&self.deployment).0.to_vec())),
        ];
        all.extend(edits.iter().cloned());
        let actor = self.key.author(&self.deployment);
        let made = make_change(&Base { changes: &[], own_last: None }, actor, 1_764_000_000, None, &all).unwrap();
        let entry = ChangeEntry { record_type: record_type.to_owned(), record, header: made.change.header() };
        (entry, made.encoded.bytes)
    }

    /// Packs commits and seals their end.
    pub fn sealed(&self, commits: &[&Commit]) -> (Vec<u8>, Seal) {
        let last = commits.last().unwrap();
        let chain = chain_hash(&last.header);
        (pack(commits).unwrap(), Seal::sign(&self.key, &self.deployment, &scope(), last.header.seq, chain))
    }

    /// Puts a commit into the device's own log, as if its program had saved it.
    pub fn write(&self, replica: &Replica, schema_v: u32, changes: Vec<(ChangeEntry, Vec<u8>)>) {
        let commit = self.commit(head(replica, &self.key), schema_v, changes);
        let (packed, seal) = self.sealed(&[&commit]);
        let incoming = Incoming { packed, seals: vec![seal] };
        let outcome = replica
            .with_store(|store| store.ingest(vec![incoming], ViewMode::Now, Durability::Full))
            .unwrap()
            .remove(0);
        assert!(matches!(outcome.fate, Fate::Appended { commits: 1, .. }), "{outcome:?}");
    }

    /// A bundle with these batches.
    pub fn bundle(&self, batches: Vec<(Vec<u8>, Seal)>) -> Vec<u8> {
        let author = self.key.author(&self.deployment);
        let hello = Hello {
            min_version: 1,
            max_version: 1,
            deployment: self.deployment.id,
            author,
            epoch: None,
            app: "by hand".to_owned(),
            credit: 1 << 20,
            challenge: None,
            late_scopes: false,
            scopes: vec![lastmile_protocol::frame::HelloScope {
                scope: scope(),
                digest: [9; 32],
                own: lastmile_protocol::frame::OwnHead { seq: 0, chain: ChainHash::ZERO, receipted: 0 },
            }],
            extension: Vec::new(),
        };
        let mut bytes = bundle::START.to_vec();
        bytes.extend(Frame::Hello(hello).encode().unwrap());
        for (packed, seal) in batches {
            let batch = BatchFrame { scope: scope(), author, seals: vec![seal], packed };
            bytes.extend(Frame::Batch(batch).encode().unwrap());
        }
        bytes.extend(Frame::End(End { equal: false, more: false, handled: 0 }).encode().unwrap());
        bytes
    }
}

/// Where the device's own log stands, sealed.
pub fn head(replica: &Replica, key: &AuthorKey) -> (u64, ChainHash) {
    replica
        .with_store(|store| {
            store.seal(key, &scope())?;
            Ok::<_, lastmile_store::StoreError>(store.vector(&scope()).get(&Segment::trunk(replica.author())))
        })
        .unwrap()
        .unwrap_or((0, ChainHash::ZERO))
}

/// The frames of a bundle, each with the place at which it begins.
pub fn frames(bundle: &[u8]) -> Vec<(usize, RawFrame)> {
    let mut reader = FrameReader::new(limits::MAX_FRAME);
    let mut all = Vec::new();
    let mut place = bundle::START.len();
    let mut rest = &bundle[place..];
    loop {
        let taken = reader.push(rest);
        rest = &rest[taken..];
        while let Some(frame) = reader.next_frame().unwrap() {
            let length = frame.wire().len();
            all.push((place, frame));
            place += length;
        }
        if rest.is_empty() {
            return all;
        }
    }
}

/// A change chunk around a body, with the right length and checksum.
pub fn chunk(body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![1, u8::try_from(body.len()).unwrap()];
    hashed.extend(body);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend(&sha256(&hashed)[..4]);
    chunk.extend(hashed);
    chunk
}
