//! Small replicas: an office and devices that write, sync and report.

use std::sync::Arc;

use chrono::NaiveDate;
use lastmile_crdt::Edit;
use lastmile_log::{AuthorKey, Certificate, Deployment, Issuer};
use lastmile_model::{Catalogue, RecordId, Scope, Value, derive, keys};
use lastmile_store::memory::MemoryStorage;
use lastmile_store::storage::Storage;
use lastmile_store::{Durability, Incoming, NewCommit, RecordEdit, Store, ViewMode, sqlite};
use uuid::Uuid;

use crate::report::{Amount, Outcome, Report};
use crate::{ReportId, ReportRequest};

/// 宝塔山 in 天心区.
pub const BAOTA: &str = "430103005010";
/// Its neighbour in the same street.
pub const NEXT_DOOR: &str = "430103005011";
/// 富雅坪 in 开福区.
pub const FUYA: &str = "430105004005";
pub const CITY: &str = "4301";

/// 2026-11-24 08:00 in Shanghai.
pub const NOW: i64 = 1_795_478_400_000;
const DAY: i64 = 86_400_000;

pub fn date(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
}

/// The instant of noon of a civil day.
pub fn noon(text: &str) -> i64 {
    date(text).signed_duration_since(date("1970-01-01")).num_days() * DAY + 4 * 3_600_000
}

pub fn id(number: u64) -> RecordId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&0x019a_0000_0000_7000_u64.to_be_bytes());
    bytes[8..].copy_from_slice(&(number | 1 << 63).to_be_bytes());
    RecordId::from_bytes(bytes)
}

/// What runs below the store.
#[derive(Debug, Clone, Copy)]
pub enum Engine {
    Memory,
    Sqlite,
}

/// Runs a test on both engines.
pub fn on_both(test: impl Fn(&mut World)) {
    for engine in [Engine::Memory, Engine::Sqlite] {
        test(&mut World::new(engine));
    }
}

pub struct World {
    deployment: Deployment,
    root: AuthorKey,
    office_key: AuthorKey,
    engine: Engine,
    folder: tempfile::TempDir,
    made: u8,
    certificates: Vec<Certificate>,
}

/// One replica with the author that writes on it.
pub struct Site {
    pub store: Store,
    pub key: AuthorKey,
    /// What its clock says.
    pub now: i64,
    events: u128,
}

impl World {
    pub fn new(engine: Engine) -> Self {
        let root = AuthorKey::from_seed(&[1; 32]);
        let deployment = Deployment { id: [9; 16], root: root.public() };
        let folder = tempfile::tempdir().unwrap();
        let office_key = AuthorKey::from_seed(&[2; 32]);
        Self { deployment, root, office_key, engine, folder, made: 0, certificates: Vec::new() }
    }

    fn storage(&mut self) -> Box<dyn Storage> {
        self.made += 1;
        match self.engine {
            Engine::Memory => Box::new(MemoryStorage::new(Catalogue::builtin())),
            Engine::Sqlite => {
                let path = self.folder.path().join(format!("{}.db", self.made));
                sqlite::open(&path, &sqlite::OpenOptions::default(), Catalogue::builtin()).unwrap()
            }
        }
    }

    fn certificate(&self, key: &AuthorKey, device: &str, scopes: &[&str], issuer: Issuer) -> Certificate {
        let scopes = scopes.iter().map(|code| Scope::community(code).unwrap()).collect();
        let certificate = Certificate {
            public: key.public(),
            device: device.to_owned(),
            persons: Vec::new(),
            roles: vec!["secretary".to_owned()],
            scopes,
            from_ms: 0,
            until_ms: None,
            issuer,
            signature: [0; 64],
            consent: None,
        };
        let signer = if issuer == Issuer::Root { &self.root } else { &self.office_key };
        certificate.signed(signer, &self.deployment)
    }

    fn site(&mut self, key: AuthorKey) -> Site {
        let catalogue = Arc::new(Catalogue::builtin().clone());
        let mut store = Store::new(self.storage(), catalogue).unwrap();
        store.set_deployment(&self.deployment).unwrap();
        store.add_certificates(&self.certificates).unwrap();
        Site { store, key, now: NOW, events: u128::from(self.made) << 64 }
    }

    /// The relay, whose author is the office.
    pub fn office(&mut self) -> Site {
        let key = self.office_key.clone();
        let certificate = self.certificate(&key, "office", &[], Issuer::Root);
        self.certificates.push(certificate);
        self.site(key)
    }

    /// A device for some communities; make it after the office.
    pub fn device(&mut self, number: u8, scopes: &[&str]) -> Site {
        let key = AuthorKey::from_seed(&[number; 32]);
        let issuer = Issuer::Office(self.office_key.author(&self.deployment));
        let certificate = self.certificate(&key, &format!("tablet {number}"), scopes, issuer);
        self.certificates.push(certificate);
        self.site(key)
    }

    /// Lets every site know every certificate and brings each scope from one to the other and back.
    pub fn sync(&self, one: &mut Site, other: &mut Site) {
        for site in [&mut *one, &mut *other] {
            site.store.add_certificates(&self.certificates).unwrap();
        }
        give(one, other);
        give(other, one);
    }
}

fn give(from: &mut Site, to: &mut Site) {
    let scopes: Vec<Scope> = from.store.scopes().map(|(_, scope)| scope.clone()).collect();
    for scope in scopes {
        from.store.seal(&from.key, &scope).unwrap();
        to.store.hold_scope(&scope).unwrap();
        let theirs = to.store.vector(&scope);
        for entry in from.store.vector(&scope).entries() {
            let have = theirs.get(&entry.segment).map_or(0, |(seq, _)| seq);
            if have < entry.seq {
                let (batches, _) = from.store.path_batches(&scope, &entry.segment, have, u64::MAX).unwrap();
                let batches =
                    batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
                to.store.ingest(batches, ViewMode::Now, Durability::Refetchable).unwrap();
            }
        }
    }
}

impl Site {
    pub fn save(&mut self, scope: &Scope, edits: Vec<RecordEdit>) {
        self.now += 1;
        let commit = NewCommit {
            scope: scope.clone(),
            acting: None,
            hlc: u64::try_from(self.now).unwrap() << 16,
            wall_ms: self.now,
            app: "test".to_owned(),
            extension: Vec::new(),
            edits,
        };
        self.store.save(&self.key, &[commit], Durability::Refetchable).unwrap();
    }

    fn one(&mut self, scope: &Scope, record_type: &str, record: RecordId, create: bool, edits: Vec<Edit>) {
        let edit = RecordEdit { record_type: record_type.to_owned(), record, create, salt: [7; 16], edits };
        self.save(scope, vec![edit]);
    }

    pub fn create(&mut self, scope: &Scope, record_type: &str, record: RecordId, fields: &[(&str, Value)]) {
        let edits = fields.iter().map(|(key, value)| Edit::set(*key, value.clone())).collect();
        self.one(scope, record_type, record, true, edits);
    }

    pub fn set(&mut self, code: &str, record_type: &str, record: RecordId, key: &str, value: impl Into<Value>) {
        self.one(&community(code), record_type, record, false, vec![Edit::set(key, value)]);
    }

    pub fn event(&mut self, scope: &Scope, record_type: &str, record: RecordId, kind: &str, on: &str) {
        self.event_with(scope, record_type, record, kind, on, &[]);
    }

    fn event_with(
        &mut self,
        scope: &Scope,
        record_type: &str,
        record: RecordId,
        kind: &str,
        on: &str,
        parts: &[(&str, Value)],
    ) {
        self.events += 1;
        let event = Uuid::from_u128(self.events);
        let on = (!on.is_empty()).then_some(on);
        let values = keys::event_values(event, kind, on, self.now, None, parts);
        let edits = values.into_iter().map(|(key, value)| Edit::Set { key, value }).collect();
        self.one(scope, record_type, record, false, edits);
    }

    /// A party member with a name.
    pub fn person(&mut self, code: &str, person: u64, name: &str) -> RecordId {
        self.person_of_status(code, person, name, "01")
    }

    pub fn person_of_status(&mut self, code: &str, person: u64, name: &str, status: &str) -> RecordId {
        let fields = [
            ("name", Value::from(name)),
            ("party_status", Value::from(status)),
            ("status", Value::from("active")),
            ("kind/member", Value::Bool(true)),
        ];
        self.create(&community(code), "person", id(person), &fields);
        id(person)
    }

    /// A check-in that waits for confirmation.
    pub fn register(&mut self, code: &str, person: RecordId) -> RecordId {
        let check_in = derive::check_in(person, code);
        let fields = [
            ("person", Value::reference(person)),
            ("community", Value::from(code)),
            ("basis", Value::from("residence")),
        ];
        self.create(&community(code), "check_in", check_in, &fields);
        self.event(&community(code), "check_in", check_in, "register", "");
        check_in
    }

    /// A confirmed check-in.
    pub fn check_in(&mut self, code: &str, person: RecordId, on: &str) -> RecordId {
        let check_in = self.register(code, person);
        self.event(&community(code), "check_in", check_in, "confirm", on);
        check_in
    }

    pub fn move_out(&mut self, code: &str, person: RecordId, on: &str, to: &str) {
        let check_in = derive::check_in(person, code);
        self.event_with(&community(code), "check_in", check_in, "move_out", on, &[("to", Value::from(to))]);
    }

    /// A person who is on the books.
    pub fn member(&mut self, code: &str, person: u64, name: &str, on: &str) -> RecordId {
        let person = self.person(code, person, name);
        self.check_in(code, person, on);
        person
    }

    /// An activity that was submitted.
    pub fn submitted(&mut self, code: &str, activity: u64, on: &str, served: i64) -> RecordId {
        let fields = [
            ("title", Value::from("清洁日")),
            ("category", Value::from("environment")),
            ("date", Value::from(on)),
            ("beneficiaries", Value::Int(served)),
        ];
        self.create(&community(code), "activity", id(activity), &fields);
        self.event(&community(code), "activity", id(activity), "submit", "");
        id(activity)
    }

    pub fn verify(&mut self, code: &str, activity: RecordId) {
        self.event(&community(code), "activity", activity, "verify", "");
    }

    /// An activity that counts.
    pub fn verified(&mut self, code: &str, activity: u64, on: &str, served: i64) -> RecordId {
        let activity = self.submitted(code, activity, on, served);
        self.verify(code, activity);
        activity
    }

    pub fn took_part(&mut self, code: &str, activity: RecordId, person: RecordId, minutes: i64) -> RecordId {
        let part = derive::participation(activity, person);
        let fields = [
            ("activity", Value::reference(activity)),
            ("person", Value::reference(person)),
            ("minutes", Value::Int(minutes)),
            ("source", Value::from("list")),
            ("attended", Value::Bool(true)),
        ];
        self.create(&community(code), "participation", part, &fields);
        part
    }

    /// Links or unlinks two records, in one scope.
    pub fn link(&mut self, code: &str, record_type: &str, loser: RecordId, winner: RecordId, live: bool) {
        let values = [Value::reference(loser), Value::reference(winner)];
        let link = derive::record_id("merge_link", &[&values[0], &values[1]]).unwrap();
        let [loser, winner] = values;
        let fields = [
            ("loser", loser),
            ("winner", winner),
            ("record_type", Value::from(record_type)),
            ("live", Value::Bool(live)),
        ];
        self.create(&community(code), "merge_link", link, &fields);
    }

    pub fn mark_duplicate(&mut self, code: &str, activity: RecordId, original: RecordId) {
        let to = [("to", Value::reference(original))];
        self.event_with(&community(code), "activity", activity, "duplicate", "", &to);
    }

    pub fn place(&mut self, code: &str, name: &str, level: &str) {
        let parent = match code.len() {
            4 => "",
            6 => &code[..4],
            9 => &code[..6],
            _ => &code[..9],
        };
        let fields = [
            ("code", Value::from(code)),
            ("name", Value::from(name)),
            ("level", Value::from(level)),
            ("parent", Value::from(parent)),
        ];
        self.create(&city(), "place", derive::place(code), &fields);
    }

    /// Runs a report over a period.
    pub fn report(&mut self, report: ReportId, scope: &str, from: &str, to: &str) -> Report {
        self.run(&ReportRequest::new(report, scope, date(from), date(to), NOW))
    }

    pub fn run(&mut self, request: &ReportRequest) -> Report {
        let mut reader = self.store.reader().unwrap();
        let short = crate::run(&mut reader, request).unwrap();
        let long = crate::run(&mut reader, &request.clone().with_list()).unwrap();
        for report in [&short, &long] {
            for check in &report.checks {
                assert_ne!(check.outcome, Outcome::Broken, "{} {}: {check:?}", report.report, report.scope.code);
            }
        }
        assert!(long.list.is_some());
        assert_eq!(short.figures, long.figures);
        long
    }

    /// Both columns of the figure that gives a report its name, over 2026.
    pub fn figure(&mut self, report: ReportId, scope: &str) -> (i64, i64) {
        let report = self.report(report, scope, "2026-01-01", "2026-12-31");
        let figure = report.figures.first().unwrap();
        (figure.verified.count(), figure.with_pending.count())
    }
}

/// Both columns of a figure.
pub fn pair(report: &Report, key: &str) -> (i64, i64) {
    let figure = report.figure(key).unwrap();
    (figure.verified.count(), figure.with_pending.count())
}

/// The whole of a share, both columns.
pub fn whole(report: &Report, key: &str) -> (i64, i64) {
    let of = |amount| match amount {
        Amount::Share { whole, .. } => whole,
        other => panic!("{other:?} is no share"),
    };
    let figure = report.figure(key).unwrap();
    (of(figure.verified), of(figure.with_pending))
}

pub fn community(code: &str) -> Scope {
    Scope::community(code).unwrap()
}

pub fn city() -> Scope {
    "city:4301".parse().unwrap()
}
