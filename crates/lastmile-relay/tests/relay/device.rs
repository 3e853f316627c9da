//! A device without its application, and a relay to meet.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lastmile_crdt::Edit;
use lastmile_log::{AuthorKey, Certificate, Deployment, Invite, Issuer, Receipt, Vector, seal_value};
use lastmile_model::{AuthorId, Catalogue, RecordId, Scope, Value, derive, keys};
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_protocol::request::{AuthoriseRequest, SignRequest, sign_body};
use lastmile_protocol::{
    Access, BatchOutcome, Carrier, Code, Host, LocalScope, OutgoingBatch, ReadRequest, ReceiptWant, Role,
    SegmentPositions, Session, SessionConfig, StoreRequest, Stored, feed, pump,
};
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::{Durability, Fate, Incoming, NewCommit, RecordEdit, Store, StoreError, ViewMode};
use lastmile_web::Limits;
use tempfile::TempDir;

pub const COMMUNITY: &str = "430103005010";
pub const OTHER_COMMUNITY: &str = "430104008008";

/// 2026-03-05 in Shanghai; the clock of relay and devices alike.
pub const NOW: i64 = 1_772_676_000_000;

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// Bytes that were not given before in this process.
pub fn fresh<const N: usize>() -> [u8; N] {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut bytes = [0x5a; N];
    bytes[N - 8..].copy_from_slice(&number);
    bytes
}

pub fn fresh_id() -> RecordId {
    let mut bytes: [u8; 16] = fresh();
    bytes[6] = 0x70;
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    RecordId::from_bytes(bytes)
}

pub fn community(code: &str) -> Scope {
    Scope::community(code).unwrap()
}

pub fn options() -> RelayOptions {
    RelayOptions { clock: Arc::new(|| NOW), ..RelayOptions::default() }
}

pub async fn start(folder: &std::path::Path) -> RunningRelay {
    start_with(folder, &options(), Limits::default()).await
}

pub async fn start_with(folder: &std::path::Path, options: &RelayOptions, limits: Limits) -> RunningRelay {
    let folder = RelayFolder::open_or_create(folder, options).unwrap();
    Relay::start(folder, "127.0.0.1:0".parse().unwrap(), limits).await.unwrap()
}

/// A relay in a folder of its own, gone with it.
pub async fn relay() -> (TempDir, RunningRelay) {
    let folder = TempDir::new().unwrap();
    let relay = start(folder.path()).await;
    (folder, relay)
}

/// Posts a body and returns the response's body.
pub fn post(addr: SocketAddr, path: &str, body: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(addr).unwrap();
    let head = format!("POST {path} HTTP/1.0\r\nhost: relay\r\ncontent-length: {}\r\n\r\n", body.len());
    tcp.write_all(head.as_bytes()).unwrap();
    tcp.write_all(body).unwrap();
    body_of(tcp)
}

pub fn get(addr: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.write_all(format!("GET {path} HTTP/1.0\r\nhost: relay\r\n\r\n").as_bytes()).unwrap();
    String::from_utf8(body_of(tcp)).unwrap()
}

fn body_of(mut tcp: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(at + 4)
}

/// The error that a response tells.
pub fn error_in(response: &[u8]) -> Option<Code> {
    read_enrolled_response(response).ok().and_then(Result::err).map(|error| error.code)
}

pub struct Device {
    pub store: Store,
    pub key: AuthorKey,
    pub author: AuthorId,
    pub deployment: Deployment,
    pub epoch: AuthorId,
    pub office_key: [u8; 32],
    pub scope: Scope,
    /// What its clock says.
    pub now_ms: i64,
    /// Whether it brings its certificates along, because the relay does not know it.
    pub introduces: bool,
    /// Who acts.
    pub acting: Option<uuid::Uuid>,
    pub addr: SocketAddr,
    _folder: TempDir,
}

/// Does the blocking work of a device away from the relay's runtime.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

pub async fn enrolled(relay: &RunningRelay, code: &str) -> Device {
    let invite = relay.invite(InviteOrder::new(vec![community(code)], relay.url())).await.unwrap();
    let addr = relay.addr();
    apart(move || Device::enrol(addr, &invite)).await
}

impl Device {
    pub fn enrol(addr: SocketAddr, invite: &Invite) -> Self {
        let key = AuthorKey::from_seed(&fresh::<32>());
        let body = enrol_request(&key, &invite.deployment, invite.token, "平板", NOW, fresh()).unwrap();
        let chain = read_enrolled_response(&post(addr, "/v1/enrol", &body)).unwrap().unwrap();
        Self::with(addr, invite, key, &chain)
    }

    pub fn with(addr: SocketAddr, invite: &Invite, key: AuthorKey, chain: &[Certificate]) -> Self {
        let folder = TempDir::new().unwrap();
        let catalogue = Catalogue::builtin();
        let storage = sqlite::open(&folder.path().join("device.db"), &OpenOptions::default(), catalogue).unwrap();
        let mut store = Store::new(storage, Arc::new(catalogue.clone())).unwrap();
        store.set_deployment(&invite.deployment).unwrap();
        store.add_certificates(chain).unwrap();
        let epoch = chain[0].author(&invite.deployment);
        store.set_epoch(epoch).unwrap();
        for scope in &invite.scopes {
            store.hold_scope(scope).unwrap();
        }
        Self {
            store,
            author: key.author(&invite.deployment),
            key,
            deployment: invite.deployment,
            epoch,
            office_key: invite.office_key,
            scope: invite.scopes.iter().find(|scope| scope.to_string().starts_with("community")).unwrap().clone(),
            now_ms: NOW,
            introduces: false,
            acting: None,
            addr,
            _folder: folder,
        }
    }

    /// Another process of the same device, with nothing in it yet.
    pub fn twin(&self) -> Self {
        let folder = TempDir::new().unwrap();
        let catalogue = Catalogue::builtin();
        let storage = sqlite::open(&folder.path().join("device.db"), &OpenOptions::default(), catalogue).unwrap();
        let mut store = Store::new(storage, Arc::new(catalogue.clone())).unwrap();
        store.set_deployment(&self.deployment).unwrap();
        let trust = self.store.trust().unwrap();
        store.add_certificates(&trust.chain_of(self.author)).unwrap();
        store.set_epoch(self.epoch).unwrap();
        for (_, scope) in self.store.scopes() {
            store.hold_scope(scope).unwrap();
        }
        Self { store, key: self.key.clone(), scope: self.scope.clone(), _folder: folder, ..*self }
    }

    /// The same device under another author of its own making, with nothing in it yet, as a restored one goes on. The relay does not know it.
    pub fn heir(&self) -> Self {
        let key = AuthorKey::from_seed(&fresh::<32>());
        let trust = self.store.trust().unwrap();
        let before = trust.certificates(self.author).find(|one| !one.scopes.is_empty()).unwrap().clone();
        let certificate = Certificate { public: key.public(), issuer: Issuer::Predecessor(self.author), ..before };
        let mut heir = self.twin();
        heir.store.add_certificates(&[certificate.succeeding(&self.key, &key, &self.deployment)]).unwrap();
        Self { author: key.author(&self.deployment), key, introduces: true, ..heir }
    }

    pub fn save(&mut self, edits: Vec<RecordEdit>) {
        let scope = self.scope.clone();
        self.save_in(&scope, edits);
    }

    /// Saves one commit in a scope and returns its number.
    pub fn save_in(&mut self, scope: &Scope, edits: Vec<RecordEdit>) -> u64 {
        let commit = NewCommit {
            scope: scope.clone(),
            acting: self.acting,
            hlc: lastmile_log::hlc::next(0, self.now_ms),
            wall_ms: self.now_ms,
            app: "test".to_owned(),
            extension: Vec::new(),
            edits,
        };
        self.store.save(&self.key, &[commit], Durability::Full).unwrap()[0].seq
    }

    pub fn local(&mut self) -> Vec<LocalScope> {
        let scopes: Vec<Scope> = self.store.scopes().map(|(_, scope)| scope.clone()).collect();
        let mut all = Vec::new();
        for scope in scopes {
            self.store.seal(&self.key, &scope).unwrap();
            let mut local = LocalScope::new(scope.clone(), self.store.vector(&scope));
            let receipted = self.store.receipted(&scope).unwrap();
            local.receipted = receipted.get(&lastmile_log::Segment::trunk(self.author)).map_or(0, |(seq, _)| seq);
            local.peer_has = Some(receipted);
            all.push(local);
        }
        all
    }

    /// The body of this device's next request.
    pub fn request(&mut self) -> (Session, Vec<u8>) {
        let mut config = SessionConfig::new(Role::Initiator, Carrier::OneShot, self.deployment.id, self.author);
        config.epoch = Some(self.epoch);
        config.introduce = self.introduces;
        config.certificates = self.store.trust().unwrap().chain_of(self.author);
        let mut session = Session::new(config, self.local());
        let mut body = Vec::new();
        assert!(pump(&mut session, self, &mut body).unwrap().flushed);
        (session, body)
    }

    pub fn signed(&self, body: &mut Vec<u8>) {
        sign_body(body, &self.key, &self.deployment, Some(self.epoch), self.now_ms, fresh()).unwrap();
    }

    /// Exchanges everything with the relay; the error that ended it, if one did.
    pub fn sync(&mut self) -> Option<Code> {
        let (mut session, mut body) = self.request();
        loop {
            self.signed(&mut body);
            let response = post(self.addr, "/v1/sync", &body);
            body = Vec::new();
            let fed = feed(&mut session, self, &response, &mut body).unwrap();
            session.end_of_input();
            let ended = pump(&mut session, self, &mut body).unwrap();
            if let Some(outcome) = ended.done.or(fed.done) {
                return outcome.error;
            }
            assert!(ended.flushed || fed.flushed);
        }
    }

    pub fn unsent(&mut self) -> u64 {
        self.store.unsent(self.author).unwrap().commits
    }

    pub fn value(&self, record_type: &str, id: RecordId, field: &str) -> Option<Value> {
        let record = self.store.reader().unwrap().record(record_type, id, None).ok()?;
        record.values.get(field).cloned()
    }

    pub fn state(&self, record_type: &str, id: RecordId) -> Option<String> {
        self.store.reader().unwrap().record(record_type, id, None).ok()?.state
    }

    pub fn sealed(&self, id_no: &str) -> Value {
        Value::Bytes(seal_value(&self.office_key, id_no.as_bytes(), fresh()).unwrap())
    }

    pub fn person(&self, id: RecordId, name: &str, id_no: Option<&str>) -> RecordEdit {
        let mut fields = vec![
            Edit::set("name", name),
            Edit::set("party_status", "01"),
            Edit::set("status", "active"),
            Edit::set(keys::element("kind", "member"), true),
        ];
        if let Some(id_no) = id_no {
            fields.push(Edit::set("id_no", self.sealed(id_no)));
        }
        create("person", id, fields)
    }

    pub fn check_in(&self, person: RecordId) -> RecordEdit {
        let code = self.scope.code();
        let mut fields = vec![
            Edit::set("person", Value::reference(person)),
            Edit::set("community", code),
            Edit::set("basis", "residence"),
        ];
        fields.extend(event("register", Some("2026-03-01")));
        create("check_in", derive::check_in(person, code), fields)
    }
}

pub fn create(record_type: &str, record: RecordId, edits: Vec<Edit>) -> RecordEdit {
    RecordEdit { record_type: record_type.to_owned(), record, create: true, salt: fresh(), edits }
}

pub fn change(record_type: &str, record: RecordId, edits: Vec<Edit>) -> RecordEdit {
    RecordEdit { create: false, ..create(record_type, record, edits) }
}

pub fn event(kind: &str, on: Option<&str>) -> Vec<Edit> {
    let values = keys::event_values(fresh_id().0, kind, on, NOW, None, &[]);
    values.into_iter().map(|(key, value)| Edit::set(key, value)).collect()
}

pub fn activity(id: RecordId, title: &str, beneficiaries: i64) -> RecordEdit {
    let mut fields = vec![
        Edit::set("title", title),
        Edit::set("category", "environment"),
        Edit::set("kind", "service"),
        Edit::set("date", "2026-03-01"),
        Edit::set("beneficiaries", beneficiaries),
    ];
    fields.extend(event("submit", Some("2026-03-02")));
    create("activity", id, fields)
}

pub fn participation(activity: RecordId, person: RecordId) -> RecordEdit {
    let fields = vec![
        Edit::set("activity", Value::reference(activity)),
        Edit::set("person", Value::reference(person)),
        Edit::set("source", "list"),
        Edit::set("attended", true),
        Edit::set("minutes", 60),
    ];
    create("participation", derive::participation(activity, person), fields)
}

impl Host for Device {
    type Error = StoreError;

    fn store(&mut self, request: StoreRequest) -> Result<Stored, StoreError> {
        self.store.add_certificates(&request.certificates)?;
        let scopes: Vec<Scope> = request.batches.iter().map(|batch| batch.scope.clone()).collect();
        let incoming = request.batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals });
        let outcomes = self.store.ingest(incoming.collect(), ViewMode::Now, Durability::Full)?;
        let outcomes = outcomes.into_iter().map(|outcome| match outcome.fate {
            Fate::Appended { .. } => BatchOutcome::Appended(outcome.head.unwrap()),
            Fate::Held => BatchOutcome::Duplicate(outcome.head.unwrap()),
            Fate::Gap { have } => BatchOutcome::Gap { author: outcome.log.unwrap().1, have },
            other => panic!("{other:?}"),
        });
        let outcomes = outcomes.collect();
        let vectors: BTreeMap<Scope, Vector> =
            scopes.into_iter().map(|scope| (scope.clone(), self.store.vector(&scope))).collect();
        Ok(Stored { outcomes, vectors: vectors.into_iter().collect() })
    }

    fn read(&mut self, request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), StoreError> {
        let (batches, whole) =
            self.store.path_batches(&request.scope, &request.segment, request.after, request.limit_bytes)?;
        let batch =
            |one: lastmile_store::Outgoing| OutgoingBatch { through: one.last, packed: one.packed, seals: one.seals };
        Ok((batches.into_iter().map(batch).collect(), whole))
    }

    fn positions(&mut self, scope: &Scope, author: AuthorId) -> Result<Vec<SegmentPositions>, StoreError> {
        let paths = self.store.positions(scope, author)?;
        Ok(paths.into_iter().map(|(segment, positions)| SegmentPositions { segment, positions }).collect())
    }

    fn certificates(&mut self, authors: &[AuthorId]) -> Result<Vec<Certificate>, StoreError> {
        let trust = self.store.trust().unwrap();
        Ok(authors.iter().flat_map(|author| trust.chain_of(*author)).collect())
    }

    fn receipts(&mut self, _wants: &[ReceiptWant]) -> Result<Vec<Receipt>, StoreError> {
        Ok(Vec::new())
    }

    fn keep_receipts(&mut self, receipts: Vec<Receipt>) -> Result<(), StoreError> {
        self.store.add_receipts(&receipts).map(drop)
    }

    fn sign(&mut self, request: &SignRequest) -> Option<(i64, [u8; 64])> {
        Some((self.now_ms, request.sign(&self.key, self.now_ms)))
    }

    fn authorise(&mut self, request: &AuthoriseRequest) -> Result<Vec<(Scope, Access)>, Code> {
        let public = self.store.trust().and_then(|trust| trust.public_key(request.signed.signer));
        let is_relay = request.signed.signer == self.epoch && public.is_some_and(|public| request.verify(&public));
        let scopes = self.store.scopes().map(|(_, scope)| (scope.clone(), Access::Full)).collect();
        if is_relay { Ok(scopes) } else { Err(Code::BadSignature) }
    }
}
