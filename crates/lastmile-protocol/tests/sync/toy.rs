//! A replica in memory, as plain as can be: commits by chain hash, seals, receipts, trust.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_crdt::ChangeHeader;
use lastmile_log::{
    AuthorKey, Certificate, ChangeEntry, Commit, CommitHeader, Deployment, Entry, Issuer, Receipt, Seal, Segment,
    Trust, Vector, chain_hash, pack, sha256, unpack,
};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, RecordId, Scope};
use lastmile_protocol::request::{AuthoriseRequest, SignRequest};
use lastmile_protocol::session::IncomingBatch;
use lastmile_protocol::{
    Access, BatchOutcome, Code, Host, LocalScope, Notice, OutgoingBatch, ReadRequest, ReceiptWant, SegmentPositions,
    StoreRequest, Stored,
};

/// Keys of a small deployment: root, office, and any number of devices.
pub struct World {
    pub deployment: Deployment,
    root: AuthorKey,
    office: AuthorKey,
}

impl World {
    pub fn new() -> Self {
        let root = AuthorKey::from_seed(&[1; 32]);
        let deployment = Deployment { id: [0xd0; 16], root: root.public() };
        Self { deployment, root, office: AuthorKey::from_seed(&[2; 32]) }
    }

    pub fn scope(&self) -> Scope {
        "community:430103005010".parse().unwrap()
    }

    pub fn city(&self) -> Scope {
        "city:4301".parse().unwrap()
    }

    pub fn office(&self) -> AuthorId {
        self.office.author(&self.deployment)
    }

    pub fn device_author(&self, number: u8) -> AuthorId {
        device_key(number).author(&self.deployment)
    }

    fn certificate(&self, key: &AuthorKey, office: bool) -> Certificate {
        let certificate = Certificate {
            public: key.public(),
            device: "tablet".to_owned(),
            persons: Vec::new(),
            roles: vec!["worker".to_owned()],
            scopes: vec![self.scope(), self.city()],
            from_ms: 0,
            until_ms: None,
            issuer: if office { Issuer::Root } else { Issuer::Office(self.office()) },
            signature: [0; 64],
            consent: None,
        };
        certificate.signed(if office { &self.root } else { &self.office }, &self.deployment)
    }

    /// A replica that trusts its own chain and no other device yet.
    pub fn replica(&self, key: AuthorKey, office: bool) -> Replica {
        let mut trust = Trust::new(self.deployment);
        trust.add(self.certificate(&self.office, true));
        let author = key.author(&self.deployment);
        trust.add(self.certificate(&key, office));
        Replica {
            author,
            key,
            deployment: self.deployment,
            epoch: self.office(),
            trust,
            logs: BTreeMap::new(),
            seals: BTreeMap::new(),
            loose_seals: BTreeMap::new(),
            receipts: BTreeMap::new(),
            peer: BTreeMap::new(),
            notices: Vec::new(),
            batch_commits: 8,
            sparse_positions: false,
            quota: None,
            corrupt_seals: 0,
            stores: 0,
            fail_store: false,
        }
    }

    pub fn device(&self, number: u8) -> Replica {
        self.replica(device_key(number), false)
    }

    pub fn relay(&self) -> Replica {
        self.replica(AuthorKey::from_seed(&[2; 32]), true)
    }
}

/// A change of which only the stub is held: 48 bytes that do not compress.
fn stub(actor: AuthorId, seq: u64, salt: u8) -> ChangeEntry {
    let noise = sha256(&[&seq.to_be_bytes()[..], &[salt]].concat());
    let record = RecordId::from_bytes(*noise.first_chunk().unwrap());
    let (hash, deps) = (ChangeHash(sha256(&noise)), Vec::new());
    let header = ChangeHeader { hash, deps, actor, seq: 1, start_op: 1, op_count: 1 };
    ChangeEntry { record_type: "person".to_owned(), record, header }
}

fn device_key(number: u8) -> AuthorKey {
    AuthorKey::from_seed(&[100 + number; 32])
}

type Log = BTreeMap<ChainHash, Commit>;

#[derive(Clone)]
pub struct Replica {
    pub author: AuthorId,
    key: AuthorKey,
    pub deployment: Deployment,
    pub epoch: AuthorId,
    pub trust: Trust,
    logs: BTreeMap<(Scope, AuthorId), Log>,
    seals: BTreeMap<(Scope, AuthorId), BTreeMap<(u64, ChainHash), Seal>>,
    loose_seals: BTreeMap<(Scope, AuthorId), BTreeMap<(u64, ChainHash), Seal>>,
    receipts: BTreeMap<(Scope, AuthorId), BTreeMap<u64, Receipt>>,
    pub peer: BTreeMap<Scope, Vector>,
    pub notices: Vec<Notice>,
    /// How many commits go into one batch.
    pub batch_commits: usize,
    /// Whether only sealed positions are given in a fork-point search.
    pub sparse_positions: bool,
    /// The highest seq taken of anyone.
    pub quota: Option<u64>,
    /// How many seals to corrupt when reading.
    pub corrupt_seals: u32,
    pub stores: u32,
    pub fail_store: bool,
}

impl Replica {
    /// Copies the replica, key and all, as restoring a backup on a second device does.
    pub fn cloned(&self) -> Self {
        self.clone()
    }

    /// Writes commits of the own author; `salt` makes their content differ. A seal follows the last.
    pub fn write(&mut self, scope: &Scope, count: u64, salt: u8) {
        for _ in 0..count {
            let head = self.own_head(scope);
            let (seq, prev) = head.map_or((1, ChainHash::ZERO), |head| (head.seq + 1, head.chain));
            let header = CommitHeader {
                version: 1,
                scope: scope.clone(),
                author: self.author,
                seq,
                prev,
                acting: None,
                schema_v: 1,
                hlc: seq << 16,
                wall_ms: i64::try_from(seq).unwrap(),
                app: "toy".to_owned(),
                extension: Vec::new(),
                changes: vec![stub(self.author, seq, salt)],
            };
            let chain = chain_hash(&header);
            let place = (scope.clone(), self.author);
            self.logs.entry(place.clone()).or_default().insert(chain, Commit { header, bodies: vec![None] });
            let seal = Seal::sign(&self.key, &self.deployment, scope, seq, chain);
            // One seal stands for all before it.
            let seals = self.seals.entry(place).or_default();
            if seals.len() > 1 && seq % 8 != 1 {
                seals.pop_last();
            }
            seals.insert((seq, chain), seal);
        }
    }

    fn own_head(&self, scope: &Scope) -> Option<Entry> {
        self.vector(scope).entries().filter(|entry| entry.segment.author == self.author).max_by_key(|entry| entry.seq)
    }

    /// The commits that a seal covers.
    fn sealed(&self, place: &(Scope, AuthorId)) -> BTreeSet<(u64, ChainHash)> {
        let (Some(log), Some(seals)) = (self.logs.get(place), self.seals.get(place)) else { return BTreeSet::new() };
        let mut sealed = BTreeSet::new();
        for (_, chain) in seals.keys() {
            let mut at = *chain;
            while let Some(commit) = log.get(&at) {
                if !sealed.insert((commit.header.seq, at)) {
                    break;
                }
                at = commit.header.prev;
            }
        }
        sealed
    }

    /// The vector, with the names that the set of commits decides.
    pub fn vector(&self, scope: &Scope) -> Vector {
        let mut vector = Vector::default();
        for place in self.logs.keys().filter(|(of, _)| of == scope) {
            let Some(log) = self.logs.get(place) else { continue };
            let sealed = self.sealed(place);
            let children = |of: ChainHash| -> Vec<(u64, ChainHash)> {
                sealed.iter().filter(|(_, chain)| log[chain].header.prev == of).copied().collect()
            };
            let mut open = vec![(Segment::trunk(place.1), 0, ChainHash::ZERO)];
            while let Some((segment, mut seq, mut chain)) = open.pop() {
                loop {
                    let next = children(chain);
                    if let [only] = next.as_slice() {
                        (seq, chain) = *only;
                        continue;
                    }
                    for (start, first) in next {
                        open.push((Segment { author: place.1, start, first }, start, first));
                    }
                    break;
                }
                if seq > 0 {
                    vector.insert(segment, seq, chain);
                }
            }
        }
        vector
    }

    pub fn local(&self, scope: &Scope) -> LocalScope {
        let mut local = LocalScope::new(scope.clone(), self.vector(scope));
        local.peer_has = self.peer.get(scope).cloned();
        let receipts = self.receipts.get(&(scope.clone(), self.author));
        local.receipted = receipts.and_then(|all| all.keys().next_back().copied()).unwrap_or(0);
        local
    }

    pub fn receipted(&self, scope: &Scope) -> u64 {
        self.local(scope).receipted
    }

    fn path(&self, scope: &Scope, segment: Segment) -> Vec<(u64, ChainHash)> {
        let head = self.vector(scope).get(&segment);
        head.map(|(_, head)| self.path_to(scope, segment.author, head)).unwrap_or_default()
    }

    fn path_to(&self, scope: &Scope, author: AuthorId, head: ChainHash) -> Vec<(u64, ChainHash)> {
        let log = &self.logs[&(scope.clone(), author)];
        let mut path = Vec::new();
        let mut at = head;
        while let Some(commit) = log.get(&at) {
            path.push((commit.header.seq, at));
            at = commit.header.prev;
        }
        path.reverse();
        path
    }

    fn segment_of(&self, scope: &Scope, author: AuthorId, position: (u64, ChainHash)) -> Option<Segment> {
        let segments = self.vector(scope).entries().map(|entry| entry.segment).collect::<Vec<_>>();
        let mut of_author = segments.into_iter().filter(|segment| segment.author == author);
        of_author.find(|segment| self.path(scope, *segment).contains(&position))
    }

    fn store_one(&mut self, batch: &IncomingBatch) -> BatchOutcome {
        let author = batch.author;
        let place = (batch.scope.clone(), author);
        let Ok(run) = unpack(&batch.packed, 8 << 20) else { return BatchOutcome::Refused { author: Some(author) } };
        if run.scope != batch.scope || run.author != author {
            return BatchOutcome::Refused { author: Some(author) };
        }
        let Some(public) = self.trust.public_key(author) else { return BatchOutcome::UnknownAuthor(author) };
        if self.quota.is_some_and(|quota| run.last() > quota) {
            return BatchOutcome::OverQuota(author);
        }
        let sealed = self.sealed(&place);
        let have = sealed.last().map_or(0, |(seq, _)| *seq);
        let log = self.logs.entry(place.clone()).or_default();
        if run.first > 1 && !log.contains_key(&run.prev) {
            let top = log.values().map(|commit| commit.header.seq).max().unwrap_or(0);
            return if top < run.first - 1 {
                BatchOutcome::Gap { author, have }
            } else {
                BatchOutcome::NeedsForkPoint(author)
            };
        }
        let last = (run.last(), run.commits.last().unwrap().chain);
        let forks = (0..run.commits.len()).any(|at| {
            let commit = &run.commits[at];
            let new = !log.contains_key(&commit.chain);
            new && log.values().any(|other| other.header.prev == commit.header.prev)
        });
        for (at, commit) in run.commits.iter().enumerate() {
            log.entry(commit.chain).or_insert_with(|| run.to_commit(at).unwrap());
        }
        for seal in &batch.seals {
            if !seal.verify(&public, &self.deployment) {
                let kept: BTreeSet<ChainHash> = sealed.iter().map(|(_, chain)| *chain).collect();
                log.retain(|chain, _| kept.contains(chain));
                return BatchOutcome::BadSeal { author, have };
            }
            self.loose_seals.entry(place.clone()).or_default().insert((seal.seq, seal.chain), seal.clone());
        }
        let log = &self.logs[&place];
        let loose = self.loose_seals.entry(place.clone()).or_default();
        for (position, seal) in std::mem::take(loose) {
            if log.get(&position.1).is_some_and(|commit| commit.header.seq == position.0) {
                self.seals.entry(place.clone()).or_default().insert(position, seal);
            } else {
                loose.insert(position, seal);
            }
        }
        let now = self.sealed(&place);
        let Some(segment) = self.segment_of(&batch.scope, author, last) else { return BatchOutcome::Pending(author) };
        let entry = Entry { segment, seq: last.0, chain: last.1 };
        match (now.len() > sealed.len(), forks) {
            (true, true) => BatchOutcome::Fork(entry),
            (true, false) => BatchOutcome::Appended(entry),
            _ => BatchOutcome::Duplicate(entry),
        }
    }
}

impl Host for Replica {
    type Error = &'static str;

    fn store(&mut self, request: StoreRequest) -> Result<Stored, Self::Error> {
        if self.fail_store {
            return Err("disk full");
        }
        self.stores += 1;
        for certificate in request.certificates {
            self.trust.add(certificate);
        }
        let outcomes = request.batches.iter().map(|batch| self.store_one(batch)).collect();
        let scopes: BTreeSet<Scope> = request.batches.into_iter().map(|batch| batch.scope).collect();
        let vectors = scopes.into_iter().map(|scope| (scope.clone(), self.vector(&scope))).collect();
        Ok(Stored { outcomes, vectors })
    }

    fn read(&mut self, request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), Self::Error> {
        let place = (request.scope.clone(), request.segment.author);
        let path: Vec<(u64, ChainHash)> = self.path_to(&request.scope, request.segment.author, request.through.1);
        let path: Vec<_> = path.into_iter().filter(|(seq, _)| *seq > request.after).collect();
        let mut batches = Vec::new();
        let mut bytes = 0;
        let mut given = 0;
        for run in path.chunks(self.batch_commits) {
            if bytes > 0 && bytes >= request.limit_bytes {
                break;
            }
            let log = &self.logs[&place];
            let commits: Vec<&Commit> = run.iter().map(|(_, chain)| &log[chain]).collect();
            let packed = pack(&commits).unwrap();
            let last = *run.last().unwrap();
            let seals = &self.seals[&place];
            // The seal that vouches for the end of a trunk may stand on any of its branches.
            let covers = |seal: &&Seal| {
                let mut at = seal.chain;
                while at != last.1 && log[&at].header.seq > last.0 {
                    at = log[&at].header.prev;
                }
                at == last.1
            };
            let mut seal = seals.values().find(covers).cloned().unwrap();
            if self.corrupt_seals > 0 {
                self.corrupt_seals -= 1;
                seal.signature[0] ^= 1;
            }
            bytes += packed.len() as u64;
            given += run.len();
            batches.push(OutgoingBatch { through: last.0, packed, seals: vec![seal] });
        }
        Ok((batches, given == path.len()))
    }

    fn positions(&mut self, scope: &Scope, author: AuthorId) -> Result<Vec<SegmentPositions>, Self::Error> {
        let segments: Vec<Segment> = self
            .vector(scope)
            .entries()
            .map(|entry| entry.segment)
            .filter(|segment| segment.author == author)
            .collect();
        let seals = self.seals.get(&(scope.clone(), author)).cloned().unwrap_or_default();
        Ok(segments
            .into_iter()
            .map(|segment| {
                let mut positions = self.path(scope, segment);
                if self.sparse_positions {
                    positions.retain(|position| seals.contains_key(position));
                }
                SegmentPositions { segment, positions }
            })
            .collect())
    }

    fn certificates(&mut self, authors: &[AuthorId]) -> Result<Vec<Certificate>, Self::Error> {
        let mut chains: Vec<Certificate> = Vec::new();
        for certificate in authors.iter().flat_map(|author| self.trust.chain_of(*author)) {
            if !chains.contains(&certificate) {
                chains.push(certificate);
            }
        }
        Ok(chains)
    }

    fn receipts(&mut self, wants: &[ReceiptWant]) -> Result<Vec<Receipt>, Self::Error> {
        let mut receipts = Vec::new();
        for want in wants {
            let held = self.receipts.get(&(want.scope.clone(), want.author));
            receipts
                .extend(held.iter().flat_map(|all| all.range(want.above + 1..)).map(|(_, receipt)| receipt.clone()));
            if self.author == self.epoch {
                for head in self.vector(&want.scope).entries().filter(|head| head.segment.author == want.author) {
                    let (seq, chain) = (head.seq, head.chain);
                    receipts.push(Receipt::sign(&self.key, &self.deployment, &want.scope, want.author, seq, chain));
                }
            }
        }
        Ok(receipts)
    }

    fn keep_receipts(&mut self, receipts: Vec<Receipt>) -> Result<(), Self::Error> {
        for receipt in receipts {
            let key = self.trust.public_key(receipt.epoch).unwrap();
            assert!(receipt.verify(&key, &self.deployment));
            let log = self.receipts.entry((receipt.scope.clone(), receipt.author)).or_default();
            log.insert(receipt.seq, receipt);
        }
        Ok(())
    }

    fn peer_vector(&mut self, scope: Scope, vector: Vector) -> Result<(), Self::Error> {
        self.peer.insert(scope, vector);
        Ok(())
    }

    fn sign(&mut self, request: &SignRequest) -> Option<(i64, [u8; 64])> {
        Some((1_000, request.sign(&self.key, 1_000)))
    }

    fn authorise(&mut self, request: &AuthoriseRequest) -> Result<Vec<(Scope, Access)>, Code> {
        for certificate in &request.certificates {
            self.trust.add(certificate.clone());
        }
        let signer = request.signed.signer;
        let key = self.trust.public_key(signer).ok_or(Code::UnknownAuthor)?;
        if !request.verify(&key) {
            return Err(Code::BadSignature);
        }
        let certificate = self.trust.certificate(signer).ok_or(Code::UnknownAuthor)?;
        Ok(certificate.scopes.iter().map(|scope| (scope.clone(), Access::Full)).collect())
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}
