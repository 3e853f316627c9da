//! A device's replica: open, record, find, observe, sync.

mod enrol;
mod exchange;
mod scopes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lastmile_log::{AuthorKey, Deployment, Vector, hlc, seal_value};
use lastmile_model::{AuthorId, Catalogue, RecordId, RecordType, Scope, ScopeKind, planted};
use lastmile_protocol::limits::AUTH_WINDOW_MS;
use lastmile_protocol::{Carrier as CarrierKind, Role, Session, SessionConfig};
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::{Durability, FullRecord, NewCommit, Reader, Saved, Store, StoreError, Touched, Unsent};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use crate::ClientError;
use crate::belief;
use crate::clock::{Clock, SystemClock, random};
use crate::connect::{Connector, Direct};
use crate::draft::Draft;
use crate::folder::{Folder, new_mark};
use crate::host::{Learnt, StoreHost, local_scopes};
use crate::http::Carrier;
use crate::status::{SyncProgress, SyncStatus};
use crate::succession::{has_parted, own_authors, succeed};
use crate::transport::Transport;
use crate::upload::UploadBudget;

const RELAY: &str = "relay.address";
const PIN: &str = "relay.pin";
const OFFICE_KEY: &str = "office.key";
const MARK: &str = "mark";
const LABEL: &str = "device.label";
const LAST_SYNC: &str = "sync.last";
const UPLOAD: &str = "sync.upload";

/// How long the time of the last exchange may be out of date in the file.
const LAST_SYNC_MS: i64 = 60_000;

/// How a replica is opened.
#[derive(Clone)]
pub struct ReplicaOptions {
    /// The raw key of the encrypted file; `None` for a plain one.
    pub key: Option<[u8; 32]>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The app and its version, at most 32 bytes.
    pub app: String,
    /// How long a request may go without anything of it or of its answer moving.
    pub timeout: Duration,
    /// What carries requests to the relay; `None` for HTTP, with TLS beyond this computer.
    pub transport: Option<Arc<dyn Transport>>,
    /// What makes connections that stay; `None` for the way that requests take where `transport` is `None`, and for none otherwise.
    pub connector: Option<Arc<dyn Connector>>,
}

impl std::fmt::Debug for ReplicaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicaOptions").field("encrypted", &self.key.is_some()).finish_non_exhaustive()
    }
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            key: None,
            clock: Arc::new(SystemClock),
            app: concat!("lastmile ", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            transport: None,
            connector: None,
        }
    }
}

/// A device's replica. It may be shared between threads; one process opens a folder at a time.
pub struct Replica {
    folder: Folder,
    options: ReplicaOptions,
    catalogue: Arc<Catalogue>,
    key: AuthorKey,
    deployment: Deployment,
    author: AuthorId,
    store: Mutex<Store>,
    reader: Mutex<Reader>,
    status: Mutex<SyncStatus>,
    peer: Mutex<BTreeMap<Scope, Vector>>,
    upload: Mutex<UploadBudget>,
    saves: AtomicU64,
    /// How far the relay's clock was found to be ahead of this device's, in milliseconds, when they were too far apart.
    ahead_ms: AtomicI64,
    transport: Arc<dyn Transport>,
    connector: Option<Arc<dyn Connector>>,
    relay: String,
    /// The key of the relay's own authority, if the invite named one.
    pin: Option<[u8; 32]>,
    exchange: tokio::sync::Mutex<()>,
    files: tokio::sync::Mutex<()>,
    progress: watch::Sender<SyncProgress>,
    /// Counts what makes [`Replica::status`] say something new.
    status_moves: watch::Sender<u64>,
    changes: broadcast::Sender<Arc<[Touched]>>,
    /// The relay turned out to hold more of this device's log than the device: the next opening goes on as a new author.
    restored: Mutex<bool>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("folder", &self.folder.path())
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

/// What carries requests to a relay, as the options say.
fn transport_to(
    relay: &str,
    pin: Option<[u8; 32]>,
    options: &ReplicaOptions,
) -> Result<Arc<dyn Transport>, ClientError> {
    match &options.transport {
        Some(transport) => Ok(Arc::clone(transport)),
        None => Ok(Arc::new(Carrier::new(relay, pin, options.timeout)?)),
    }
}

/// What makes connections that stay, as the options say.
fn connector_to(
    relay: &str,
    pin: Option<[u8; 32]>,
    options: &ReplicaOptions,
) -> Result<Option<Arc<dyn Connector>>, ClientError> {
    match (&options.connector, &options.transport) {
        (Some(connector), _) => Ok(Some(Arc::clone(connector))),
        (None, Some(_)) => Ok(None),
        (None, None) => Ok(Some(Arc::new(Direct::new(relay, pin)?))),
    }
}

/// A poisoned lock only means that another thread stopped while it held the lock; the store itself rolls back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replica {
    /// Opens the replica of a folder.
    ///
    /// A file that was restored from a copy, or a folder whose copy went on elsewhere, is noticed by its mark where that is possible: the
    /// old log is sealed as it stands and the device goes on as a new author that the old one certifies.
    ///
    /// # Errors
    /// When there is none, it is open elsewhere, damaged, newer, or the key is wrong.
    pub fn open(folder: &Path, options: ReplicaOptions) -> Result<Self, ClientError> {
        let place = Folder::new(folder);
        let key = place.key()?;
        let catalogue = Arc::clone(Catalogue::shared_builtin());
        let open_options = OpenOptions { key: options.key, ..OpenOptions::default() };
        let mut store = Store::new(open(&place.database(), &open_options, &catalogue)?, Arc::clone(&catalogue))?;
        let no_replica = || ClientError::NoReplica { folder: folder.to_owned() };
        let deployment = store.deployment()?.ok_or_else(no_replica)?;
        while store.follow_views(10_000)? {}
        let skipped = store.take_skipped();
        if skipped.is_empty() {
            // Of attachments whose save an end came before.
            store.tidy_files()?;
        }
        for log in skipped {
            let (scope, author, why) = (log.scope, log.author, log.why);
            tracing::error!(%scope, %author, why, "the views cannot follow a log; run `lastmile check`");
        }
        let strange = !place.is_marked_by(store.setting(MARK)?.as_deref()) && !planted!("unread-mark");
        // Whoever brought the other side, the end may have come before it was marked.
        let restored = strange || has_parted(&store, key.author(&deployment));
        let key = if restored { succeed(&place, &mut store, &key, &deployment, options.clock.as_ref())? } else { key };
        rotate_mark(&mut store, &place, options.clock.as_ref())?;
        let relay = String::from_utf8(store.setting(RELAY)?.ok_or_else(no_replica)?).map_err(|_| no_replica())?;
        Self::assemble(place, options, catalogue, key, deployment, store, relay)
    }

    fn assemble(
        folder: Folder,
        options: ReplicaOptions,
        catalogue: Arc<Catalogue>,
        key: AuthorKey,
        deployment: Deployment,
        store: Store,
        relay: String,
    ) -> Result<Self, ClientError> {
        let pin = match store.setting(PIN)? {
            Some(kept) => Some(kept.try_into().map_err(|_| ClientError::BadPin)?),
            None => None,
        };
        let transport = transport_to(&relay, pin, &options)?;
        let connector = connector_to(&relay, pin, &options)?;
        let reader = store.reader()?;
        let author = key.author(&deployment);
        let peer = belief::beliefs(&store)?;
        let last = store.setting(LAST_SYNC)?.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
        let upload = UploadBudget::restore(store.setting(UPLOAD)?);
        let status = SyncStatus { last_success_ms: last, ..SyncStatus::default() };
        Ok(Self {
            folder,
            options,
            catalogue,
            key,
            deployment,
            author,
            store: Mutex::new(store),
            reader: Mutex::new(reader),
            status: Mutex::new(status),
            peer: Mutex::new(peer),
            upload: Mutex::new(upload),
            saves: AtomicU64::new(0),
            ahead_ms: AtomicI64::new(0),
            transport,
            connector,
            relay,
            pin,
            exchange: tokio::sync::Mutex::new(()),
            files: tokio::sync::Mutex::new(()),
            progress: watch::Sender::default(),
            status_moves: watch::Sender::default(),
            changes: broadcast::channel(64).0,
            restored: Mutex::new(false),
        })
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// This device's author.
    #[must_use]
    pub const fn author(&self) -> AuthorId {
        self.author
    }

    /// The relay's address.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// The key of the relay's own certificate authority (SHA-256 of its SubjectPublicKeyInfo), if the invite named one.
    #[must_use]
    pub const fn pin(&self) -> Option<[u8; 32]> {
        self.pin
    }

    /// Moves to another address of the same relay. The authority that the invite named stays the one that is believed.
    ///
    /// # Errors
    /// When the address is none or would carry records in clear text to another computer, or the storage fails.
    pub fn set_relay(&mut self, relay: &str) -> Result<(), ClientError> {
        self.transport = transport_to(relay, self.pin, &self.options)?;
        self.connector = connector_to(relay, self.pin, &self.options)?;
        relay.clone_into(&mut self.relay);
        lock(&self.store).set_setting(RELAY, relay.as_bytes())?;
        Ok(())
    }

    /// The catalogue of record types.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.options.clock.now_ms()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.options.clock.as_ref()
    }

    /// What makes connections that stay, if anything does.
    pub(crate) fn connector(&self) -> Option<Arc<dyn Connector>> {
        self.connector.clone()
    }

    /// What carries requests to the relay.
    pub(crate) fn transport(&self) -> &dyn Transport {
        self.transport.as_ref()
    }

    pub(crate) const fn key(&self) -> &AuthorKey {
        &self.key
    }

    pub(crate) const fn deployment(&self) -> Deployment {
        self.deployment
    }

    /// Lets one round of the lane for files run at a time.
    pub(crate) const fn files_lane(&self) -> &tokio::sync::Mutex<()> {
        &self.files
    }

    /// Whether an exchange of records is under way.
    pub(crate) fn is_exchanging(&self) -> bool {
        self.exchange.try_lock().is_err()
    }

    /// How long the relay may take to answer.
    pub(crate) const fn patience(&self) -> Duration {
        self.options.timeout
    }

    pub(crate) const fn ahead_ms(&self) -> &AtomicI64 {
        &self.ahead_ms
    }

    pub(crate) fn app(&self) -> &str {
        &self.options.app
    }

    pub(crate) fn record_type(&self, name: &str) -> Result<(usize, &RecordType), ClientError> {
        self.catalogue.get(name).ok_or_else(|| ClientError::Store(StoreError::NoType { name: name.to_owned() }))
    }

    /// The scope of this device in which records of a type live: one that it is to hold, before one that is only kept until it is sent.
    pub(crate) fn scope_for(&self, record_type: &RecordType) -> Result<Scope, ClientError> {
        let kind = record_type.scope_kind.unwrap_or(ScopeKind::Community);
        let store = lock(&self.store);
        let named =
            store.trust().and_then(|trust| trust.in_force(self.author)).map(|own| own.scopes).unwrap_or_default();
        let held = || store.scopes().map(|(_, scope)| scope).filter(|scope| scope.kind() == kind);
        let found = held().find(|scope| named.contains(scope)).or_else(|| held().next()).cloned();
        found.ok_or_else(|| ClientError::NoScopeFor { record_type: record_type.name.clone() })
    }

    /// Begins a save by this person.
    #[must_use]
    pub fn draft(&self, acting: Option<Uuid>) -> Draft<'_> {
        Draft::new(self, acting)
    }

    /// Seals a value to the office.
    ///
    /// # Errors
    /// When the office's key is missing or damaged.
    pub fn seal_value(&self, plain: &[u8]) -> Result<Vec<u8>, ClientError> {
        if planted!("number-in-clear") {
            // As long as what is sealed, so that only what is looked for tells it.
            return Ok(plain.repeat(4));
        }
        let stored = lock(&self.store).setting(OFFICE_KEY)?;
        let public: [u8; 32] = stored.and_then(|bytes| bytes.try_into().ok()).ok_or(ClientError::OfficeKey)?;
        seal_value(&public, plain, random(self.clock())?).map_err(|_| ClientError::OfficeKey)
    }

    /// 16 random bytes for a change of a salted type.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn salt(&self) -> Result<[u8; 16], ClientError> {
        random(self.clock())
    }

    /// Saves commits in one transaction; when this returns they survive a power cut. The hybrid clock is set here.
    ///
    /// # Errors
    /// When the storage fails; nothing is saved then.
    pub fn save(&self, mut commits: Vec<NewCommit>) -> Result<Vec<Saved>, ClientError> {
        let mut store = lock(&self.store);
        self.permit(&store, &commits)?;
        let mut reading = store.last_hlc(self.author)?;
        for commit in &mut commits {
            reading = hlc::next(reading, commit.wall_ms);
            commit.hlc = reading;
        }
        let saved = store.save(&self.key, &commits, Durability::Full)?;
        self.saves.fetch_add(1, Ordering::Relaxed);
        self.announce(&mut store);
        self.status_moved();
        Ok(saved)
    }

    /// How often something was saved since the opening.
    pub(crate) fn saves(&self) -> u64 {
        self.saves.load(Ordering::Relaxed)
    }

    fn announce(&self, store: &mut Store) {
        let touched = store.take_touched();
        if !touched.is_empty() {
            // Nobody may be listening.
            let _ = self.changes.send(touched.into());
        }
    }

    fn status_moved(&self) {
        self.status_moves.send_modify(|moves| *moves = moves.wrapping_add(1));
    }

    /// Hears when [`Replica::status`] may say something new: something was saved, or an exchange begins or ended, begun by whomever.
    #[must_use]
    pub fn status_moves(&self) -> watch::Receiver<u64> {
        self.status_moves.subscribe()
    }

    /// Hears how an exchange with the relay gets on, begun by whomever.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<SyncProgress> {
        self.progress.subscribe()
    }

    /// Hears which rows change; one that falls behind is told so and reads again.
    #[must_use]
    pub fn observe(&self) -> broadcast::Receiver<Arc<[Touched]>> {
        self.changes.subscribe()
    }

    /// Reads with the replica's reader.
    pub fn read<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        work(&mut lock(&self.reader))
    }

    /// Works with the store itself, e.g. to rebuild or check it.
    pub fn with_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = lock(&self.store);
        let result = work(&mut store);
        self.announce(&mut store);
        result
    }

    /// Reads a record with its conflicts and events.
    ///
    /// # Errors
    /// When it is not here or the storage fails.
    pub fn record(&self, record_type: &str, id: RecordId) -> Result<FullRecord, ClientError> {
        Ok(self.read(|reader| reader.record(record_type, id, None))?)
    }

    /// Tells where the sync stands.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn status(&self) -> Result<SyncStatus, ClientError> {
        let mut unsent = Unsent::default();
        let revoked;
        {
            let mut store = lock(&self.store);
            revoked = self.is_revoked(&store);
            for author in own_authors(&store, self.author) {
                let of_author = store.unsent(author)?;
                unsent.commits = unsent.commits.saturating_add(of_author.commits);
                unsent.changes = unsent.changes.saturating_add(of_author.changes);
            }
        }
        if planted!("uploaded-without-receipt") && self.progress.borrow().sent > 0 {
            unsent = Unsent::default();
        }
        let mut status = lock(&self.status).clone();
        status.unsent_commits = unsent.commits;
        status.unsent_changes = unsent.changes;
        status.revoked = revoked;
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        let is_off = ahead_ms.unsigned_abs() > AUTH_WINDOW_MS.unsigned_abs();
        status.clock_off_ms = is_off.then(|| ahead_ms.saturating_neg());
        Ok(status)
    }

    fn host<'s>(&'s self, store: &'s mut Store, learnt: &'s mut Learnt) -> StoreHost<'s> {
        StoreHost {
            store,
            key: &self.key,
            now_ms: self.now_ms(),
            durability: Durability::Refetchable,
            relay_only: false,
            learnt,
        }
    }

    /// Seals what stands loose and begins a session over every scope held, with the certificates that lead to this author if asked
    /// to.
    pub(crate) fn begin_session(
        &self,
        role: Role,
        carrier: CarrierKind,
        introduce: bool,
    ) -> Result<(Session, Option<AuthorId>), ClientError> {
        self.begin_bound_session(role, carrier, introduce, [0; 32])
    }

    /// As [`Replica::begin_session`]; `binding` ties the signatures of a stream to its carrier.
    pub(crate) fn begin_bound_session(
        &self,
        role: Role,
        carrier: CarrierKind,
        introduce: bool,
        binding: [u8; 32],
    ) -> Result<(Session, Option<AuthorId>), ClientError> {
        let mut store = lock(&self.store);
        let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
        for scope in &scopes {
            store.seal(&self.key, scope)?;
        }
        let epoch = store.epoch()?;
        let peer = if carrier == CarrierKind::OneShot { lock(&self.peer).clone() } else { BTreeMap::new() };
        let mut config = SessionConfig::new(role, carrier, self.deployment.id, self.author);
        config.epoch = epoch;
        config.upload_limit = lock(&self.upload).bytes();
        self.options.app.clone_into(&mut config.app);
        if let Some(trust) = store.trust() {
            config.certificates = trust.chain_of(self.author);
            config.office = trust.office_authors();
        }
        config.introduce = introduce;
        if carrier == CarrierKind::Stream {
            config.peer_check = lastmile_protocol::PeerCheck::Signed { challenge: random(self.clock())?, binding };
        }
        let own = own_authors(&store, self.author);
        let mut local = local_scopes(&mut store, &own, &peer)?;
        if carrier != CarrierKind::OneShot {
            local.iter_mut().for_each(|scope| scope.peer_has = None);
        }
        Ok((Session::new(config, local), epoch))
    }

    /// Works with what a session needs of this device, for carriers of its own.
    pub(crate) fn drive<T>(&self, learnt: &mut Learnt, work: impl FnOnce(&mut StoreHost<'_>) -> T) -> T {
        let mut store = lock(&self.store);
        let mut host = self.host(&mut store, learnt);
        host.durability = Durability::Full;
        let result = work(&mut host);
        self.announce(&mut store);
        result
    }

    /// As [`Replica::drive`], for a stream to the relay: what it brings can be fetched again.
    pub(crate) fn drive_live<T>(&self, learnt: &mut Learnt, work: impl FnOnce(&mut StoreHost<'_>) -> T) -> T {
        let mut store = lock(&self.store);
        let mut host = self.host(&mut store, learnt);
        host.relay_only = true;
        host.now_ms = self.relay_now_ms();
        let result = work(&mut host);
        self.announce(&mut store);
        result
    }

    /// Seals what stands loose, and returns what each scope holds.
    pub(crate) fn sealed_vectors(&self) -> Result<Vec<(Scope, Vector)>, ClientError> {
        let mut store = lock(&self.store);
        let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
        for scope in &scopes {
            store.seal(&self.key, scope)?;
        }
        Ok(scopes.into_iter().map(|scope| (scope.clone(), store.vector(&scope))).collect())
    }

    /// Whether a peer holds more of this device's log than the device does; opening it again mends that.
    #[must_use]
    pub fn needs_reopening(&self) -> bool {
        *lock(&self.restored)
    }

    /// Closes the replica: seals what stands loose and rotates the mark.
    ///
    /// # Errors
    /// When the storage fails; what was saved is safe all the same.
    pub fn close(self) -> Result<(), ClientError> {
        let mut store = self.store.into_inner().unwrap_or_else(PoisonError::into_inner);
        let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
        for scope in &scopes {
            store.seal(&self.key, scope)?;
        }
        if !*lock(&self.restored) {
            rotate_mark(&mut store, &self.folder, self.options.clock.as_ref())?;
        }
        Ok(())
    }
}

/// Writes a new mark into the file and beside it. The file keeps the one beside it as well, so that an end between the two, by a crash
/// or for want of room, looks like neither a copy nor a restoration: a file that is older than its mark has neither.
fn rotate_mark(store: &mut Store, place: &Folder, clock: &dyn Clock) -> Result<(), ClientError> {
    let mark = new_mark(clock)?;
    let mut inside = mark.clone().into_bytes();
    inside.extend(place.mark().into_iter().flat_map(|before| [b" ".to_vec(), before].concat()));
    store.set_setting(MARK, &inside)?;
    place.keep_mark(&mark)
}

pub(crate) fn session_error(error: lastmile_protocol::DriveError<StoreError>) -> ClientError {
    match error {
        lastmile_protocol::DriveError::Host(error) => ClientError::Store(error),
        lastmile_protocol::DriveError::Session(error) => ClientError::Session(error),
    }
}
