//! A running relay.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lastmile_log::{AuthorKey, Deployment, Invite};
use lastmile_model::{AuthorId, ChangeHash};
use lastmile_protocol::Code;
use lastmile_store::{Counts, Reader};
use lastmile_web::{Connections, Limits, Server, WebError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::central::Central;
use crate::clock::{Chance, Clock, random};
use crate::counted::Counted;
use crate::files::{Files, keep_removing, remove_gone};
use crate::http::{operator_routes, routes};
use crate::intake::Bodies;
use crate::keys::{keep_pin, write_secret};
use crate::live::sessions::Sessions;
use crate::nonces::Nonces;
use crate::office::command::OfficeCommand;
use crate::operation::Operation;
use crate::rates::Rates;
use crate::remote::{ADDRESS_FILE, TOKEN_FILE};
use crate::serving::certified::Certified;
use crate::serving::{NEAR, Serving, host_of};
use crate::vectors::Vectors;
use crate::writer::{Writer, Writing};
use crate::{Bounds, InviteOrder, OfficeAnswer, OfficeError, OfficeHandle, RelayError, RelayFolder, WriterStats};

/// For how long counts are told again without counting.
const COUNTS_MS: i64 = 2_000;

/// What every request needs.
pub(crate) struct Shared {
    pub writer: Writer,
    pub deployment: Deployment,
    pub epoch: AuthorId,
    pub office: AuthorKey,
    pub nonces: Nonces,
    /// Of requests about files, and of enrolments.
    pub file_nonces: Nonces,
    pub enrol_nonces: Nonces,
    /// What devices and addresses have used.
    pub rates: Arc<Rates>,
    /// The memory that large bodies take up.
    pub bodies: Arc<Bodies>,
    pub vectors: Arc<Vectors>,
    /// Who is connected for good.
    pub sessions: Arc<Sessions>,
    pub connections: Connections,
    pub addr: SocketAddr,
    pub admin_token: String,
    pub admin_salt: [u8; 32],
    /// The URL that invites name if nothing else is said.
    pub url: String,
    pub operation: Arc<Operation>,
    /// The files of attachments.
    pub files: Arc<Files>,
    clock: Clock,
    chance: Chance,
    reader: Mutex<(Reader, Option<(i64, Counts)>)>,
}

impl Shared {
    /// What requests need, and the writer that is still to be set going.
    pub fn new(
        central: Central,
        connections: Connections,
        addr: SocketAddr,
        url: String,
        operation: Operation,
        bounds: Bounds,
    ) -> Result<(Arc<Self>, Writing), RelayError> {
        let (deployment, epoch, office) = (central.deployment, central.office, central.keys.office.clone());
        let reader = Mutex::new((central.store.reader()?, None));
        let (admin_token, admin_salt) = (ChangeHash(central.random::<32>()?).to_string(), central.random::<32>()?);
        let (clock, chance, sessions) = (central.clock(), central.chance(), Arc::clone(&central.live));
        let files = Arc::clone(&central.files);
        let rates = Arc::new(Rates::new(bounds.rates));
        let (writer, writing) = Writer::new(central, Arc::clone(&rates));
        let shared = Self {
            writer,
            deployment,
            epoch,
            office,
            nonces: Nonces::of_devices(),
            file_nonces: Nonces::of_devices(),
            enrol_nonces: Nonces::of_enrolments(),
            rates,
            bodies: Arc::new(Bodies::new(bounds.bodies)),
            vectors: Arc::default(),
            sessions,
            chance,
            connections,
            addr,
            admin_token,
            admin_salt,
            url,
            operation: Arc::new(operation),
            files,
            clock,
            reader,
        };
        Ok((Arc::new(shared), writing))
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// An array of randomness.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], RelayError> {
        random(&self.chance)
    }

    /// Runs a command of the office on the writer's thread.
    pub async fn command(&self, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        if let OfficeCommand::Backup { to } = command {
            return self.backup(to).await.map_err(RelayError::into_office);
        }
        let url = self.url.clone();
        let erases = matches!(command, OfficeCommand::Erase { .. });
        let answer = self.writer.ask(move |central| central.run(command, Some(&url))).await;
        if erases && answer.is_ok() {
            // Done before it is answered; where it cannot be, it is tried again until it can.
            if let Err(error) = remove_gone(self).await {
                tracing::error!(%error, "files of erased records cannot be removed yet");
                self.files.wake();
            }
        }
        answer.map_err(RelayError::into_office)
    }

    /// Takes a backup beside the writer, which goes on meanwhile.
    async fn backup(&self, to: PathBuf) -> Result<OfficeAnswer, RelayError> {
        let what = to.display().to_string();
        let opened = self.writer.ask(move |central| {
            central.audit("office", "backup", vec![what], None, "begun")?;
            Ok((central.store.reader()?, central.folder.clone(), central.office, central.now_ms()))
        });
        let (reader, folder, epoch, at_ms) = opened.await?;
        let files = Arc::clone(&self.files);
        let taken = tokio::task::spawn_blocking(move || {
            crate::backup::take(&reader, &folder, files.folder(), &to, epoch, at_ms)
        });
        let backup = taken.await.map_err(|_| RelayError::Stopping)??;
        // The backup is there whatever becomes of the note.
        if let Err(error) = self.writer.ask(move |central| central.note_backup(at_ms)).await {
            tracing::error!(%error, "the time of a backup cannot be remembered");
        }
        self.operation.note_backup(at_ms);
        Ok(OfficeAnswer::BackedUp { bytes: backup.bytes })
    }

    /// Counts the files kept, and their bytes; `None` when the storage fails.
    pub async fn file_totals(self: &Arc<Self>) -> Option<(u64, u64)> {
        let shared = Arc::clone(self);
        let counted = tokio::task::spawn_blocking(move || {
            let inner = shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
            inner.0.file_totals()
        });
        match counted.await {
            Ok(Ok(totals)) => Some(totals),
            Ok(Err(error)) => {
                tracing::error!(%error, "the files kept cannot be counted");
                None
            }
            Err(_) => None,
        }
    }

    /// Counts what is held; `None` when the storage fails.
    pub async fn counts(self: &Arc<Self>) -> Option<Counts> {
        let shared = Arc::clone(self);
        let counted = tokio::task::spawn_blocking(move || {
            let now_ms = shared.now_ms();
            let mut inner = shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let (reader, last) = &mut *inner;
            if let Some((at, counts)) = last
                && now_ms.abs_diff(*at) < COUNTS_MS.unsigned_abs()
            {
                return Ok(*counts);
            }
            let counts = reader.counts(None)?;
            *last = Some((now_ms, counts));
            Ok::<_, lastmile_store::StoreError>(counts)
        });
        match counted.await {
            Ok(Ok(counts)) => Some(counts),
            Ok(Err(error)) => {
                tracing::error!(%error, "the changes held cannot be counted");
                None
            }
            Err(_) => None,
        }
    }
}

/// Starts relays.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Serves a folder on an address in clear text; port 0 lets the system choose one.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn start(folder: RelayFolder, addr: SocketAddr, limits: Limits) -> Result<RunningRelay, RelayError> {
        Self::serve(folder, Serving::new(addr, limits)).await
    }

    /// Serves a folder.
    ///
    /// # Errors
    /// When an address cannot be had, the folder cannot be written, or the certificate cannot be used.
    pub async fn serve(mut folder: RelayFolder, serving: Serving) -> Result<RunningRelay, RelayError> {
        let server = Server::bind(serving.listen, serving.connection_limits()).await?;
        let addr = server.local_addr();
        let path = folder.path().to_owned();
        let now_ms = folder.central.now_ms();
        let certified = Certified::open(&path, &serving, addr, now_ms)?;
        folder.central.keys.pin = certified.as_ref().and_then(Certified::pin);
        keep_pin(&path, folder.central.keys.pin)?;
        let scheme = if certified.is_some() { "https" } else { "http" };
        let url = serving.url.clone().unwrap_or_else(|| format!("{scheme}://{addr}"));
        host_of(&url)?;
        let first_request = u64::from_be_bytes(folder.central.random()?);
        let operation = Operation::new(Some(path.clone()), serving.disk_floor, first_request, now_ms);
        operation.note_backup(folder.central.backed_up_ms()?.unwrap_or_default());
        let (shared, writing) =
            Shared::new(folder.central, server.connections(), addr, url, operation, serving.bounds)?;
        let (stop, stopped) = watch::channel(());
        let mut sides = Vec::new();
        let near = match &certified {
            None => addr,
            // The office's commands come in clear text from this computer, by a door of their own.
            Some(_) => {
                let door = Server::bind(NEAR, Limits::default()).await?;
                let near = door.local_addr();
                let service = Counted::new(warp::service(routes(Arc::clone(&shared))), Arc::clone(&shared.operation));
                sides.push(tokio::spawn(door.serve(service, end(stopped.clone()))));
                near
            }
        };
        let mut metrics = None;
        if let Some(listen) = serving.metrics {
            let door = Server::bind(listen, Limits::default()).await?;
            metrics = Some(door.local_addr());
            let service = warp::service(operator_routes(Arc::clone(&shared)));
            sides.push(tokio::spawn(door.serve(service, end(stopped.clone()))));
        }
        write_secret(&path.join(TOKEN_FILE), &shared.admin_token)?;
        write_secret(&path.join(ADDRESS_FILE), &near.to_string())?;
        let thread = writing.start()?;
        let removing = tokio::spawn(keep_removing(Arc::clone(&shared), stopped.clone()));
        let service = Counted::new(warp::service(routes(Arc::clone(&shared))), Arc::clone(&shared.operation));
        let reload = Arc::new(Notify::new());
        let serving = match certified {
            None => tokio::spawn(server.serve(service, end(stopped))),
            Some(certified) => {
                let tls = certified.tls.clone();
                // Set once, before anything asks.
                let _ = shared.operation.tls.set(tls.clone());
                let every = serving.certificate_check;
                tokio::spawn(certified.keep(Arc::clone(&shared.clock), every, Arc::clone(&reload), stopped.clone()));
                tokio::spawn(server.serve_over(tls, service, end(stopped)))
            }
        };
        tracing::info!(%addr, epoch = %shared.epoch, encrypted = shared.operation.tls.get().is_some(), "the relay serves");
        let stop = Some(stop);
        Ok(RunningRelay { addr, metrics, path, shared, reload, stop, serving, sides, removing, thread: Some(thread) })
    }
}

/// Waits for the word to stop; a dropped sender means the same.
async fn end(mut stopped: watch::Receiver<()>) {
    let _ = stopped.changed().await;
}

/// A relay that serves until it is stopped or dropped.
pub struct RunningRelay {
    addr: SocketAddr,
    metrics: Option<SocketAddr>,
    path: PathBuf,
    shared: Arc<Shared>,
    reload: Arc<Notify>,
    stop: Option<watch::Sender<()>>,
    serving: JoinHandle<Result<(), WebError>>,
    sides: Vec<JoinHandle<Result<(), WebError>>>,
    removing: JoinHandle<()>,
    thread: Option<thread::JoinHandle<Central>>,
}

impl fmt::Debug for RunningRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningRelay").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl RunningRelay {
    /// The address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address on which metrics are served.
    #[must_use]
    pub const fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Reads the certificate's files again, or has the private authority issue a new one; connections that stand go on.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// A handle on the devices' connections, which tells after the end how many were cut.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.shared.connections.clone()
    }

    /// The URL under which devices reach it.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.url.clone()
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.shared.deployment
    }

    /// The relay's epoch: its office author.
    #[must_use]
    pub fn epoch(&self) -> AuthorId {
        self.shared.epoch
    }

    /// What the writer has done.
    #[must_use]
    pub fn stats(&self) -> Arc<WriterStats> {
        Arc::clone(&self.shared.writer.stats)
    }

    /// Makes an invite for one device.
    ///
    /// # Errors
    /// When the order names no scope or role, or the storage fails.
    pub async fn invite(&self, order: InviteOrder) -> Result<Invite, RelayError> {
        self.shared.writer.ask(move |central| central.invite(&order)).await
    }

    /// Ends every live connection of an author at once; returns how many there were.
    pub fn disconnect(&self, author: AuthorId, code: Code) -> usize {
        self.shared.sessions.close(author, code)
    }

    /// How many devices are connected for good.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.shared.sessions.count()
    }

    /// The office's work on the running relay.
    #[must_use]
    pub fn office(&self) -> OfficeHandle {
        OfficeHandle::new(Arc::clone(&self.shared))
    }

    /// Opens a reading handle.
    ///
    /// # Errors
    /// When the storage cannot open one.
    pub async fn reader(&self) -> Result<Reader, RelayError> {
        self.shared.writer.ask(|central| Ok(central.store.reader()?)).await
    }

    /// Waits until the views show everything that was receipted so far, and what follows from it is linked.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn settle(&self) -> Result<(), RelayError> {
        self.shared
            .writer
            .ask(|central| {
                central.follow()?;
                while central.link_certain(usize::MAX)? {}
                Ok(())
            })
            .await
    }

    /// Waits until it has stopped by itself, which it does only when its listening socket breaks.
    ///
    /// # Errors
    /// Why it stopped.
    pub async fn broken(&mut self) -> Result<(), RelayError> {
        match (&mut self.serving).await {
            Ok(served) => Ok(served?),
            Err(_) => Err(RelayError::Stopping),
        }
    }

    /// Stops: takes no more connections, finishes requests under way, lets the writer end and closes the database.
    ///
    /// # Errors
    /// When the listening socket had broken before.
    pub async fn stop(mut self) -> Result<(), RelayError> {
        drop(self.stop.take());
        let served = if self.serving.is_finished() { Ok(Ok(())) } else { (&mut self.serving).await };
        for side in std::mem::take(&mut self.sides) {
            // What the side doors broke of is no reason to stop.
            let _ = side.await;
        }
        // A removal under way ends by itself; one that panicked is made up for at the next start.
        let _ = (&mut self.removing).await;
        self.shared.writer.stop().await;
        if let Some(thread) = self.thread.take() {
            // The store closes where it is dropped, away from the runtime's own threads.
            let ended = tokio::task::spawn_blocking(move || thread.join().map(drop).is_ok());
            if !ended.await.unwrap_or(false) {
                tracing::error!("the writer ended in a panic; what was receipted is safe");
            }
        }
        for file in [TOKEN_FILE, ADDRESS_FILE] {
            // A file that stays says nothing: its address answers no more.
            let _ = fs::remove_file(self.path.join(file));
        }
        let cut = self.shared.connections.load().cut;
        tracing::info!(addr = %self.addr, cut, "the relay stopped");
        match served {
            Ok(served) => Ok(served?),
            Err(_) => Err(RelayError::Stopping),
        }
    }
}
