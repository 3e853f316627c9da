//! The one object that an app keeps.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Replica as ClientReplica};
use lastmile_log::Invite;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

use crate::attachments::{self, Attached, Attachment, FetchHandle};
use crate::bundle::{self, BundleReport};
use crate::config::{KeyProvider, ReplicaConfig, key_from};
use crate::edit::{self, RecordEdit, SaveOptions};
use crate::engine::Engine;
use crate::query::{self, ListQuery, Page, QueryStream};
use crate::record::{RecordId, StoredRecord, id_of, stored};
use crate::storage::{self, StorageFigures};
use crate::stream::ChangeStream;
use crate::sync::{self, BackgroundOutcome, SyncHandle, SyncState, SyncStateStream};
use crate::worklist::{self, HeldBack, Outbox};
use crate::{LastmileError, engine};

/// How often it is looked whether a replica is let go of, every two milliseconds.
const LETTING_GO: u32 = 1_000;

/// The version of this library, which the languages' packages compare with their own.
#[uniffi::export]
#[must_use]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// What a replica is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ReplicaInfo {
    /// This device's author, in hexadecimal digits.
    pub author: String,
    /// The relay's address.
    pub relay: String,
    /// The scopes held, e.g. `community:430103005010`.
    pub scopes: Vec<String>,
}

/// The replica as one call uses it; a closing waits for all of them.
pub(crate) struct Lease {
    replica: Arc<ClientReplica>,
    // After the replica: whoever waits for it finds the replica let go of.
    _open: OwnedRwLockReadGuard<()>,
}

impl Deref for Lease {
    type Target = ClientReplica;

    fn deref(&self) -> &ClientReplica {
        &self.replica
    }
}

/// What a replica and its streams share.
pub(crate) struct Shared {
    engine: Engine,
    replica: Mutex<Option<Arc<ClientReplica>>>,
    open: Arc<RwLock<()>>,
    auto: Mutex<Option<AutoSync>>,
    closing: AtomicBool,
    closed: watch::Sender<Option<Result<(), LastmileError>>>,
}

impl Shared {
    fn new(engine: Engine, replica: ClientReplica) -> Arc<Self> {
        Arc::new(Self {
            engine,
            replica: Mutex::new(Some(Arc::new(replica))),
            open: Arc::default(),
            auto: Mutex::default(),
            closing: AtomicBool::new(false),
            closed: watch::Sender::default(),
        })
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The replica for one call, unless it closes.
    pub(crate) fn lease(&self) -> Result<Lease, LastmileError> {
        let replica = self.replica.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let open = Arc::clone(&self.open).try_read_owned().ok();
        match (replica, open) {
            (Some(replica), Some(open)) if !self.engine.is_stopping() => Ok(Lease { replica, _open: open }),
            _ => Err(LastmileError::closed()),
        }
    }

    /// Runs work with the replica on a thread for the disk.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ClientReplica) -> Result<T, LastmileError> + Send + 'static,
    ) -> Result<T, LastmileError> {
        let lease = self.lease()?;
        self.engine.block(move || work(&lease)).await
    }

    /// Closes what is open, once.
    async fn close(self: Arc<Self>) {
        self.engine.stop();
        let auto = self.auto.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(auto) = auto {
            auto.stop().await;
        }
        // Every call that is under way lets go of it.
        let _nobody = Arc::clone(&self.open).write_owned().await;
        let replica = self.replica.lock().unwrap_or_else(PoisonError::into_inner).take();
        let closed = match only(replica).await {
            Some(replica) => tokio::task::spawn_blocking(move || replica.close()).await,
            None => Ok(Ok(())),
        };
        let result = closed.map_err(|_| LastmileError::panic()).and_then(|closed| Ok(closed?));
        self.closed.send_replace(Some(result));
    }
}

/// The replica, once nothing else holds it: a task that was ended may need a moment more to let go of what it held.
async fn only(replica: Option<Arc<ClientReplica>>) -> Option<ClientReplica> {
    let mut replica = replica?;
    for _ in 0..LETTING_GO {
        match Arc::try_unwrap(replica) {
            Ok(only) => return Some(only),
            Err(held) => replica = held,
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // What was saved is safe without it.
    None
}

/// A device's replica: open it once, keep it as long as the app runs, close it at the end.
///
/// It may be used from any thread, by any number of calls at once. What is saved survives a power cut when the call returns and never
/// waits for the network.
#[derive(uniffi::Object)]
pub struct Replica {
    shared: Arc<Shared>,
}

/// Waits for an opening. The threads of one that failed have ended when this returns.
async fn opened(
    engine: Engine,
    opening: impl Future<Output = Result<ClientReplica, LastmileError>>,
) -> Result<Arc<Replica>, LastmileError> {
    match opening.await {
        Ok(replica) => Ok(Arc::new(Replica { shared: Shared::new(engine, replica) })),
        Err(error) => {
            engine.end();
            Err(error)
        }
    }
}

#[uniffi::export]
impl Replica {
    /// Opens the replica of a folder, with the key of its file or `None` for a plain one.
    ///
    /// [`LastmileError::NotFound`] with `no_replica` says that there is none: enrol then. A second opening of a folder that is open is
    /// [`LastmileError::AlreadyOpen`].
    #[uniffi::constructor]
    pub async fn open(config: ReplicaConfig, keys: Option<Arc<dyn KeyProvider>>) -> Result<Arc<Self>, LastmileError> {
        let options = config.options(key_from(keys).await?)?;
        let folder = PathBuf::from(config.folder);
        let engine = Engine::start()?;
        let (tell, told) = tokio::sync::oneshot::channel();
        engine.detach(move || drop(tell.send(ClientReplica::open(&folder, options).map_err(LastmileError::from))));
        opened(engine, async { told.await.unwrap_or_else(|_| Err(LastmileError::panic())) }).await
    }

    /// Makes the replica of a folder with an invite from the office, and opens it. It needs the network. `label` is what the office calls
    /// the device. If this fails, the same invite can be tried again with the same folder.
    #[uniffi::constructor]
    pub async fn enrol(
        config: ReplicaConfig,
        invite: String,
        label: String,
        keys: Option<Arc<dyn KeyProvider>>,
    ) -> Result<Arc<Self>, LastmileError> {
        let invite = Invite::from_text(&invite).map_err(|_| LastmileError::not_taken("bad_invite", "no invite"))?;
        let options = config.options(key_from(keys).await?)?;
        let folder = PathBuf::from(config.folder);
        let engine = Engine::start()?;
        let work = async move { Ok(ClientReplica::enrol(&folder, &invite, &label, options).await?) };
        let (tell, told) = tokio::sync::oneshot::channel();
        engine.spawn(async move { drop(tell.send(engine::caught(work).await)) });
        opened(engine, async { told.await.unwrap_or_else(|_| Err(LastmileError::panic())) }).await
    }

    /// Closes the replica: ends the streams and the sync, waits for calls that are under way, and writes what has to be written. When this
    /// returns, nothing of the library calls into the app any more. Closing again waits for the first closing and is no error.
    pub async fn shut_down(&self) -> Result<(), LastmileError> {
        let mut closed = self.shared.closed.subscribe();
        if !self.shared.closing.swap(true, Ordering::SeqCst) {
            self.shared.engine.spawn(Arc::clone(&self.shared).close());
        }
        let result = closed.wait_for(Option::is_some).await.map(|result| result.clone());
        self.shared.engine.end();
        result.ok().flatten().unwrap_or(Ok(()))
    }

    /// What this replica is.
    pub async fn info(&self) -> Result<ReplicaInfo, LastmileError> {
        let info = |replica: &ClientReplica| {
            let scopes = replica.read(lastmile_store::Reader::scopes)?;
            Ok(ReplicaInfo {
                author: replica.author().to_string(),
                relay: replica.relay().to_owned(),
                scopes: scopes.into_iter().map(|(_, scope)| scope.to_string()).collect(),
            })
        };
        self.shared.block(info).await
    }

    /// Saves edits as one commit and returns the record of each. When this returns, they survive a power cut.
    pub async fn save(&self, edits: Vec<RecordEdit>, options: SaveOptions) -> Result<Vec<RecordId>, LastmileError> {
        self.shared.block(move |replica| edit::save(replica, edits, &options)).await
    }

    /// Reads one record.
    pub async fn record(&self, record_type: String, id: String) -> Result<StoredRecord, LastmileError> {
        let read = move |replica: &ClientReplica| {
            let record = replica.record(&record_type, id_of(&id)?)?;
            Ok(stored(&record, replica.catalogue().get(&record_type).map(|(_, known)| known)))
        };
        self.shared.block(read).await
    }

    /// Lists a page of records.
    pub async fn list(&self, query: ListQuery) -> Result<Page, LastmileError> {
        self.shared.block(move |replica| query::list(replica, &query)).await
    }

    /// Finds records of a type by words: characters, words, pinyin initials, the end of a phone number.
    pub async fn find(
        &self,
        record_type: String,
        text: String,
        fields: Vec<String>,
        limit: u32,
    ) -> Result<Page, LastmileError> {
        self.shared.block(move |replica| query::find(replica, record_type, &text, &fields, limit)).await
    }

    /// Follows a list.
    pub fn observe(&self, query: ListQuery) -> Result<Arc<QueryStream>, LastmileError> {
        QueryStream::start(&self.shared, query)
    }

    /// Follows what changes in records of these types, or of all where none is named.
    pub fn changes(&self, record_types: Vec<String>) -> Result<Arc<ChangeStream>, LastmileError> {
        ChangeStream::start(&self.shared, record_types)
    }

    /// Where the sync stands.
    pub async fn sync_state(&self) -> Result<SyncState, LastmileError> {
        self.shared.block(sync::state).await
    }

    /// Follows where the sync stands.
    pub fn sync_states(&self) -> Result<Arc<SyncStateStream>, LastmileError> {
        SyncStateStream::start(&self.shared)
    }

    /// Begins a step of the sync: records, then files. It is given up at the deadline, if there is one.
    pub fn sync_now(&self, deadline: Option<Duration>) -> Result<Arc<SyncHandle>, LastmileError> {
        Ok(SyncHandle::start(&self.shared.engine, self.shared.lease()?, deadline))
    }

    /// Makes a step of the sync within this time, for the platforms' background schedulers; with nothing to do it is one request.
    pub async fn background_step(&self, budget: Duration) -> Result<BackgroundOutcome, LastmileError> {
        let lease = self.shared.lease()?;
        let mut stopping = self.shared.engine.stopping();
        let work = async move {
            tokio::select! {
                outcome = sync::background(&lease, budget) => Ok(outcome),
                _ = stopping.wait_for(|stopping| *stopping) => Err(LastmileError::closed()),
            }
        };
        self.shared.engine.run(work).await
    }

    /// Syncs by itself from now on: at once, after every save, and after failures with growing waits. In the foreground it stays
    /// connected, so that what is new anywhere is there at once. Calling it again only says whether the app is in the foreground.
    pub fn start_auto_sync(&self, foreground: bool) -> Result<(), LastmileError> {
        let lease = self.shared.lease()?;
        let mut auto = self.shared.auto.lock().unwrap_or_else(PoisonError::into_inner);
        let replica = Arc::clone(&lease.replica);
        if auto.is_none() {
            *auto = self.shared.engine.within(|| AutoSync::start(replica, Pace::default()));
        }
        let running = auto.as_ref().ok_or_else(LastmileError::closed)?;
        running.set_foreground(foreground);
        Ok(())
    }

    /// Tries at once, as when the system says that a network appeared. Without the automatic sync it does nothing.
    pub fn network_appeared(&self) {
        if let Some(auto) = self.shared.auto.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            auto.wake();
        }
    }

    /// Stops the automatic sync and waits until it has.
    pub async fn stop_auto_sync(&self) -> Result<(), LastmileError> {
        let _lease = self.shared.lease()?;
        let auto = self.shared.auto.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(auto) = auto else { return Ok(()) };
        self.shared
            .engine
            .run(async move {
                auto.stop().await;
                Ok(())
            })
            .await
    }

    /// What has not reached the relay yet, with the first so many saves.
    pub async fn outbox(&self, limit: u32) -> Result<Outbox, LastmileError> {
        self.shared.block(move |replica| worklist::outbox(replica, limit)).await
    }

    /// Records that were returned to be entered better, at most so many.
    pub async fn returned(&self, limit: u32) -> Result<Vec<RecordId>, LastmileError> {
        self.shared.block(move |replica| worklist::returned(replica, limit)).await
    }

    /// Changes of this device that are kept but not shown, because the office or a rule holds them back.
    pub async fn held_back(&self) -> Result<Vec<HeldBack>, LastmileError> {
        self.shared.block(worklist::held_back).await
    }

    /// Records about which a person has to decide, at most so many, each with its conflicts.
    pub async fn conflicts(&self, limit: u32) -> Result<Vec<StoredRecord>, LastmileError> {
        self.shared.block(move |replica| worklist::conflicts(replica, limit)).await
    }

    /// Attaches the file of a path to a record: what tells where a photo was made is taken out, and it is made smaller where it has to be.
    /// `name` is what people call it; the file's own where there is none.
    pub async fn attach(
        &self,
        record: RecordId,
        path: String,
        name: Option<String>,
        acting: Option<String>,
    ) -> Result<Attached, LastmileError> {
        let work = move |replica: &ClientReplica| {
            attachments::attach(replica, &record, &PathBuf::from(path), name, acting.as_deref())
        };
        self.shared.block(work).await
    }

    /// Lists the files of one record, or of all; thumbnails first.
    pub async fn attachments(&self, record: Option<String>) -> Result<Vec<Attachment>, LastmileError> {
        self.shared.block(move |replica| attachments::list(replica, record.as_deref())).await
    }

    /// Fetches a file by its hash, from this device or from the relay, and writes it to a path.
    pub fn fetch_attachment(
        &self,
        hash: String,
        path: String,
        deadline: Option<Duration>,
    ) -> Result<Arc<FetchHandle>, LastmileError> {
        FetchHandle::start(&self.shared.engine, self.shared.lease()?, &hash, path, deadline)
    }

    /// Writes everything that this device holds into a `.lastmile` file, whole or not at all.
    pub async fn export_bundle(&self, path: String) -> Result<BundleReport, LastmileError> {
        self.shared.block(move |replica| bundle::export(replica, &PathBuf::from(path))).await
    }

    /// Takes everything new out of a `.lastmile` file; what came whole before a damaged place is kept.
    pub async fn import_bundle(&self, path: String) -> Result<BundleReport, LastmileError> {
        self.shared.block(move |replica| bundle::import(replica, &PathBuf::from(path))).await
    }

    /// What the replica takes on its device.
    pub async fn storage_figures(&self) -> Result<StorageFigures, LastmileError> {
        self.shared.block(storage::figures).await
    }
}
