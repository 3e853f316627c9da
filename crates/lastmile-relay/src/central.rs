//! The store with the office's keys: what both the running relay and the office's desk work on.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use lastmile_crdt::Edit;
use lastmile_log::{Certificate, Deployment, Trust, hlc};
use lastmile_model::{AuthorId, Catalogue, RecordId, Scope, ScopeKind, Value, keys};
use lastmile_protocol::Held;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{Durability, NewCommit, Reader, RecordEdit, Saved, Store};
use uuid::Uuid;

use crate::RelayError;
use crate::audit::Audit;
use crate::clock::{Chance, Clock, civil_date, new_id, random};
use crate::contacts::Contacts;
use crate::files::Files;
use crate::fingerprints::Fingerprints;
use crate::folder::RelayOptions;
use crate::keys::Keys;
use crate::live::sessions::Sessions;
use crate::quota::Quota;
use crate::register::Register;
use crate::rights::{Rights, stopped_versions};

/// How many changes of views one step follows.
pub(crate) const FOLLOW_STEP: u64 = 20_000;

/// The application that the office's commits name.
const APP: &str = concat!("relay ", env!("CARGO_PKG_VERSION"));

/// The longest device name that a certificate's record repeats, in characters.
const DEVICE_NAME: usize = 60;

/// The one place that writes as the office.
pub(crate) struct Central {
    pub store: Store,
    pub reader: Reader,
    pub keys: Keys,
    pub deployment: Deployment,
    pub office: AuthorId,
    pub catalogue: Arc<Catalogue>,
    pub fingerprints: Fingerprints,
    pub quota: Quota,
    pub contacts: Contacts,
    pub rights: Rights,
    /// The relay's folder.
    pub folder: PathBuf,
    pub register: Option<Register>,
    pub audit: Option<Audit>,
    /// Whether something was erased that may still stand in the database's files.
    pub scrub_due: bool,
    /// The files of attachments.
    pub files: Arc<Files>,
    /// Who is connected, to be told what has grown, or to be closed.
    pub live: Arc<Sessions>,
    /// Scopes in which something arrived that could not be judged.
    pub unjudged: BTreeSet<Scope>,
    /// What scopes hold, shared by all who ask.
    held: HashMap<Scope, Held>,
    clock: Clock,
    chance: Chance,
    last_hlc: u64,
    /// Authors whose certificates are known to stand in a city's scope.
    introduced: BTreeSet<(Scope, AuthorId)>,
}

impl Central {
    pub fn new(
        mut store: Store,
        keys: Keys,
        deployment: Deployment,
        options: &RelayOptions,
    ) -> Result<Self, RelayError> {
        let contacts = Contacts::load(&store)?;
        let stopped = stopped_versions(&mut store, options.stopped_versions.as_ref())?;
        let rights = Rights::load(&store, Arc::clone(&options.permissions), stopped)?;
        Ok(Self {
            reader: store.reader()?,
            office: keys.office.author(&deployment),
            catalogue: Arc::clone(store.catalogue()),
            fingerprints: Fingerprints::default(),
            quota: Quota::new(options.daily_commits, options.daily_bytes),
            contacts,
            rights,
            folder: PathBuf::new(),
            register: None,
            audit: None,
            scrub_due: false,
            files: Arc::new(Files::nowhere()),
            live: Arc::new(Sessions::new(options.live)),
            unjudged: BTreeSet::new(),
            held: HashMap::new(),
            clock: Arc::clone(&options.clock),
            chance: Arc::clone(&options.chance),
            last_hlc: 0,
            introduced: BTreeSet::new(),
            store,
            keys,
            deployment,
        })
    }

    /// Does what an interrupted run may have left: views that lag, office commits without a seal.
    pub fn recover(&mut self) -> Result<(), RelayError> {
        let scopes: Vec<Scope> = self.store.scopes().map(|(_, scope)| scope.clone()).collect();
        if let Some(own) = self.trust()?.certificate(self.office).cloned() {
            for scope in &scopes {
                self.write_certificate(scope, &own)?;
            }
        }
        for scope in scopes.iter().filter(|scope| scope.kind() == ScopeKind::City) {
            let authors: BTreeSet<AuthorId> =
                self.store.vector(scope).entries().map(|entry| entry.segment.author).collect();
            for author in authors {
                self.introduce(scope, author)?;
            }
        }
        for scope in &scopes {
            self.store.seal(&self.keys.office, scope)?;
            self.store.seal(&self.keys.orders, scope)?;
        }
        self.check_arrived()
    }

    pub fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    pub fn chance(&self) -> Chance {
        Arc::clone(&self.chance)
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    pub fn today(&self) -> chrono::NaiveDate {
        civil_date(self.now_ms())
    }

    /// An array of randomness.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], RelayError> {
        random(&self.chance)
    }

    pub fn new_id(&self) -> Result<Uuid, RelayError> {
        new_id(&self.chance, self.now_ms())
    }

    /// What is held of a scope.
    pub fn held(&mut self, scope: &Scope) -> Held {
        let store = &self.store;
        self.held.entry(scope.clone()).or_insert_with(|| store.vector(scope).into()).clone()
    }

    /// Tells whoever is connected and concerned which scopes have grown.
    pub fn publish_grown(&mut self) {
        for scope in self.store.take_grown() {
            self.held.remove(&scope);
            self.live.grown(&scope);
        }
    }

    /// When an author was last heard, in milliseconds since 1970.
    pub fn last_contact(&self, author: AuthorId) -> Option<i64> {
        self.contacts.last(author).max(self.live.last_heard(author))
    }

    /// What certificates say; a folder always has a deployment.
    pub fn trust(&self) -> Result<&Trust, RelayError> {
        self.store.trust().ok_or(RelayError::Stopping)
    }

    /// Lets the views follow to the end: what the office decides upon is what devices sent.
    pub fn follow(&mut self) -> Result<(), RelayError> {
        self.check_arrived()?;
        while self.store.follow_views(FOLLOW_STEP)? {}
        self.say_skipped();
        Ok(())
    }

    /// Says once of each log that the views cannot follow it.
    pub fn say_skipped(&mut self) {
        for log in self.store.take_skipped() {
            let (scope, author, why) = (log.scope, log.author, log.why);
            tracing::error!(%scope, %author, why, "the views cannot follow a log; run `lastmile check`");
        }
    }

    /// An edit of the office's, with fresh salt.
    pub fn edit(
        &self,
        record_type: &str,
        record: RecordId,
        create: bool,
        edits: Vec<Edit>,
    ) -> Result<RecordEdit, RelayError> {
        Ok(RecordEdit { record_type: record_type.to_owned(), record, create, salt: self.random::<16>()?, edits })
    }

    /// A commit of the office's; `note` is kept in its extension, for the record's history.
    pub fn commit(&mut self, scope: &Scope, note: &str, edits: Vec<RecordEdit>) -> NewCommit {
        let wall_ms = self.now_ms();
        self.last_hlc = hlc::next(self.last_hlc, wall_ms);
        NewCommit {
            scope: scope.clone(),
            acting: None,
            hlc: self.last_hlc,
            wall_ms,
            app: APP.to_owned(),
            extension: note.as_bytes().to_vec(),
            edits,
        }
    }

    /// Saves commits of the office, sealed, in one transaction; settings that belong to them are written in it.
    pub fn save(&mut self, commits: &[NewCommit], settings: &[(&str, &[u8])]) -> Result<Vec<Saved>, RelayError> {
        for commit in commits {
            self.hold(&commit.scope)?;
        }
        Ok(self.store.publish(&self.keys.office, commits, settings, Durability::Full)?)
    }

    /// Holds a scope; the first time the office's own certificate is written there.
    pub fn hold(&mut self, scope: &Scope) -> Result<(), RelayError> {
        if self.store.scopes().any(|(_, held)| held == scope) {
            return Ok(());
        }
        self.store.hold_scope(scope)?;
        if let Some(own) = self.trust()?.certificate(self.office).cloned() {
            self.write_certificate(scope, &own)?;
        }
        Ok(())
    }

    /// Certifies an author: in the store, and as a record in every scope the certificate speaks of.
    pub fn certify(&mut self, certificate: &Certificate) -> Result<(), RelayError> {
        self.store.add_certificates(std::slice::from_ref(certificate))?;
        for scope in &certificate.scopes {
            self.hold(scope)?;
        }
        for scope in written_at_once(certificate) {
            self.write_certificate(scope, certificate)?;
        }
        Ok(())
    }

    /// Sees to it that a scope holds the certificate of an author who writes there; devices then receive it before the author's work.
    pub fn introduce(&mut self, scope: &Scope, author: AuthorId) -> Result<(), RelayError> {
        if self.trust()?.is_office(author) || self.introduced.contains(&(scope.clone(), author)) {
            return Ok(());
        }
        if let Some(certificate) = self.trust()?.certificate(author).cloned() {
            self.write_certificate(scope, &certificate)?;
            self.introduced.insert((scope.clone(), author));
        }
        Ok(())
    }

    /// Writes a certificate's record into a scope, unless it stands there.
    pub(crate) fn write_certificate(&mut self, scope: &Scope, certificate: &Certificate) -> Result<(), RelayError> {
        let author = certificate.author(&self.deployment);
        let no = self.store.hold_scope(scope)?;
        let encoded = certificate.encode();
        let query = Query::new(self.reader.type_no("certificate")?, &["cert"])
            .filter("author", Test::Is, Cell::Blob(author.as_bytes().to_vec().into()))
            .within(vec![no]);
        if self.reader.rows(&query)?.iter().any(|row| row.cells.iter().any(|cell| cell.blob() == Some(&encoded))) {
            return Ok(());
        }
        let mut edits = vec![
            Edit::set("author", Value::Bytes(author.as_bytes().to_vec())),
            Edit::set("cert", Value::Bytes(encoded)),
            Edit::set("valid_from", Value::Timestamp(certificate.from_ms)),
        ];
        if !certificate.device.is_empty() {
            let name: String = certificate.device.chars().take(DEVICE_NAME).collect();
            edits.push(Edit::set("device_name", name));
        }
        if let Some(until) = certificate.until_ms {
            edits.push(Edit::set("valid_until", Value::Timestamp(until)));
        }
        edits.extend(certificate.roles.iter().map(|role| Edit::set(keys::element("roles", role), true)));
        edits.extend(certificate.scopes.iter().map(|of| Edit::set(keys::element("scopes", &of.to_string()), true)));
        let record = RecordId(self.new_id()?);
        let edit = self.edit("certificate", record, true, edits)?;
        let commit = self.commit(scope, "", vec![edit]);
        self.store.publish(&self.keys.office, &[commit], &[], Durability::Full)?;
        Ok(())
    }
}

/// The scopes that hold a certificate from the start. A city's shared lists are read by every device and written by few: there it
/// follows with the author's first commit, so that a phone does not carry the certificates of the whole city.
fn written_at_once(certificate: &Certificate) -> impl Iterator<Item = &Scope> {
    let is_city = |scope: &Scope| scope.kind() == ScopeKind::City;
    let only_cities = certificate.scopes.iter().all(is_city);
    certificate.scopes.iter().filter(move |scope| only_cities || !is_city(scope))
}

/// The scopes with, for each community, the shared lists of its city.
pub(crate) fn with_cities(scopes: &[Scope]) -> Vec<Scope> {
    let mut all: BTreeSet<Scope> = scopes.iter().cloned().collect();
    for scope in scopes.iter().filter(|scope| scope.kind() == ScopeKind::Community) {
        all.extend(scope.code().get(..4).and_then(|code| Scope::new(ScopeKind::City, code).ok()));
    }
    all.into_iter().collect()
}
