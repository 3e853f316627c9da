//! The sync: where it stands, one step of it, and letting it run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lastmile_client::{FileReport, Replica as ClientReplica};

use crate::LastmileError;
use crate::engine::Engine;
use crate::job::{Job, Ticks};
use crate::replica::{Lease, Shared};
use crate::value::instant;

/// Where the sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SyncPhase {
    /// Nothing was tried yet, or what was tried was given up.
    Idle,
    /// An exchange is under way.
    Syncing,
    /// Everything is uploaded and the relay's state is held.
    UpToDate,
    /// The relay cannot be reached.
    Offline,
    /// The relay refused all or part, or something else answers.
    NeedsAttention,
}

/// Something that the relay did not take from this device or does not serve it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Refusal {
    /// The relay's word, e.g. `over_quota`.
    pub code: String,
    /// The scope, where the relay named one.
    pub scope: Option<String>,
    /// The device whose log is meant, in hexadecimal digits; none where it is the scope as a whole.
    pub author: Option<String>,
}

/// What the sync line of an app shows.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SyncState {
    /// Where it stands.
    pub phase: SyncPhase,
    /// Own saves without a receipt of the relay.
    pub unsent_commits: u64,
    /// Changes of records in them.
    pub unsent_changes: u64,
    /// When an exchange last left both sides with the same.
    pub last_success: Option<SystemTime>,
    /// Whether the office has revoked this device: what is unsent is still taken, nothing comes any more.
    pub revoked: bool,
    /// Whether the replica was restored or copied and has to be closed and opened again before it goes on.
    pub needs_reopening: bool,
    /// What the relay refused in the last exchange that was answered.
    pub refused: Vec<Refusal>,
}

/// How far an exchange has got: sums of it while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SyncProgress {
    /// Requests begun.
    pub requests: u32,
    /// Bytes of their bodies.
    pub to_send: u64,
    /// How many of these have left.
    pub sent: u64,
    /// Bytes of answers that have come.
    pub received: u64,
}

/// What a step of the sync did.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// Whether both sides now hold the same records and nothing was refused.
    pub complete: bool,
    /// Requests made for records.
    pub requests: u32,
    /// Bytes of their bodies.
    pub sent_bytes: u64,
    /// Bytes of the answers.
    pub received_bytes: u64,
    /// Receipts that came and verified.
    pub receipts: u64,
    /// Logs that came and could not be taken.
    pub not_taken: u64,
    /// What the relay refused.
    pub refused: Vec<Refusal>,
    /// Files that the relay holds since this step.
    pub sent_files: u64,
    /// Files that are whole here since this step.
    pub fetched_files: u64,
    /// Whether files wait for another step.
    pub files_waiting: bool,
    /// How long the relay asks to be left alone, in milliseconds; 0 for no wish.
    pub retry_after_ms: u64,
}

/// What a step in the background came to, in the words of the platforms' schedulers.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum BackgroundOutcome {
    /// Everything is exchanged.
    Done,
    /// The time was over, or there is more to do: run again when the system allows it.
    More,
    /// It cannot be done now; run again later.
    Retry {
        /// After how many milliseconds at the earliest; 0 where that is left to the system.
        after_ms: u64,
        /// Why.
        code: String,
    },
    /// Running again does not help: a person has to do something.
    NeedsAttention {
        /// Why.
        code: String,
    },
}

const fn phase(of: lastmile_client::SyncPhase) -> SyncPhase {
    match of {
        lastmile_client::SyncPhase::Idle => SyncPhase::Idle,
        lastmile_client::SyncPhase::Syncing => SyncPhase::Syncing,
        lastmile_client::SyncPhase::UpToDate => SyncPhase::UpToDate,
        lastmile_client::SyncPhase::Offline => SyncPhase::Offline,
        lastmile_client::SyncPhase::NeedsAttention => SyncPhase::NeedsAttention,
    }
}

fn refusals(from: &[lastmile_client::Refusal]) -> Vec<Refusal> {
    let one = |from: &lastmile_client::Refusal| Refusal {
        code: from.code.word().to_owned(),
        scope: from.scope.as_ref().map(ToString::to_string),
        author: from.author.map(|author| author.to_string()),
    };
    from.iter().map(one).collect()
}

/// Where the sync stands.
pub(crate) fn state(replica: &ClientReplica) -> Result<SyncState, LastmileError> {
    let status = replica.status()?;
    Ok(SyncState {
        phase: phase(status.phase),
        unsent_commits: status.unsent_commits,
        unsent_changes: status.unsent_changes,
        last_success: status.last_success_ms.map(instant),
        revoked: status.revoked,
        needs_reopening: replica.needs_reopening(),
        refused: refusals(&status.refused),
    })
}

fn report(records: &lastmile_client::SyncReport, files: &FileReport) -> SyncReport {
    SyncReport {
        complete: records.is_whole(),
        requests: records.rounds,
        sent_bytes: records.sent_bytes,
        received_bytes: records.received_bytes,
        receipts: records.receipts,
        not_taken: records.not_taken,
        refused: refusals(&records.refused),
        sent_files: files.sent_files,
        fetched_files: files.fetched_files,
        files_waiting: files.more,
        retry_after_ms: records.retry_after_ms,
    }
}

async fn step(replica: &ClientReplica) -> Result<SyncReport, LastmileError> {
    let (records, files) = replica.step().await?;
    Ok(report(&records, &files))
}

/// Makes a step within a budget of time.
pub(crate) async fn background(replica: &ClientReplica, budget: Duration) -> BackgroundOutcome {
    let made = tokio::time::timeout(budget, step(replica)).await;
    if replica.needs_reopening() {
        return BackgroundOutcome::NeedsAttention { code: "needs_reopening".to_owned() };
    }
    match made {
        Err(_) => BackgroundOutcome::More,
        Ok(Ok(report)) => match report.refused.first() {
            Some(refusal) => BackgroundOutcome::NeedsAttention { code: refusal.code.clone() },
            None if !report.complete || report.files_waiting => BackgroundOutcome::More,
            None => BackgroundOutcome::Done,
        },
        Ok(Err(error)) if error.is_passing() => {
            let after_ms = if let LastmileError::Refused { retry_after_ms, .. } = error { retry_after_ms } else { 0 };
            BackgroundOutcome::Retry { after_ms, code: error.code().to_owned() }
        }
        Ok(Err(error)) => BackgroundOutcome::NeedsAttention { code: error.code().to_owned() },
    }
}

/// A step of the sync that is under way: records, then files. It goes on whether or not anybody holds the handle.
#[derive(uniffi::Object)]
pub struct SyncHandle {
    job: Job<SyncReport>,
    progress: tokio::sync::watch::Receiver<lastmile_client::SyncProgress>,
    ticks: Ticks,
}

impl SyncHandle {
    pub(crate) fn start(engine: &Engine, lease: Lease, deadline: Option<Duration>) -> Arc<Self> {
        let progress = lease.progress();
        let job = Job::start(engine, deadline, async move { step(&lease).await });
        let ticks = Ticks::until_ended(engine, &job, progress.clone());
        Arc::new(Self { job, progress, ticks })
    }
}

#[uniffi::export]
impl SyncHandle {
    /// Waits for the end and says what the step did. Giving up this call does not give up the step.
    pub async fn result(&self) -> Result<SyncReport, LastmileError> {
        self.job.result().await
    }

    /// Gives the step up: [`SyncHandle::result`] says so at once, and what came whole is kept.
    pub fn cancel(&self) {
        self.job.cancel();
    }

    /// How far the exchange of records has got.
    pub fn progress(&self) -> SyncProgress {
        let now = *self.progress.borrow();
        SyncProgress { requests: now.requests, to_send: now.to_send, sent: now.sent, received: now.received }
    }

    /// As [`SyncHandle::progress`], once it has moved; `None` at the end.
    pub async fn next_progress(&self) -> Option<SyncProgress> {
        self.ticks.next().await.then(|| self.progress())
    }
}

/// Follows where the sync stands: at once the first time, then whenever it is another state.
#[derive(uniffi::Object)]
pub struct SyncStateStream {
    shared: Arc<Shared>,
    ticks: Ticks,
    shown: tokio::sync::Mutex<Option<SyncState>>,
}

impl SyncStateStream {
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Arc<Self>, LastmileError> {
        let mut moves = shared.lease()?.status_moves();
        let ticks =
            Ticks::start(shared.engine(), |tick| async move { while moves.changed().await.is_ok() && tick.tell() {} });
        Ok(Arc::new(Self { shared: Arc::clone(shared), ticks, shown: tokio::sync::Mutex::default() }))
    }
}

#[uniffi::export]
impl SyncStateStream {
    /// The state, once it is another one. `None` when the stream was cancelled or the replica closes.
    pub async fn next(&self) -> Result<Option<SyncState>, LastmileError> {
        let mut shown = self.shown.lock().await;
        while self.ticks.next().await {
            let now = match self.shared.block(state).await {
                Err(LastmileError::Closed { .. }) => return Ok(None),
                now => now?,
            };
            if shown.as_ref() != Some(&now) {
                *shown = Some(now.clone());
                return Ok(Some(now));
            }
        }
        Ok(None)
    }

    /// Ends the stream.
    pub fn cancel(&self) {
        self.ticks.cancel();
    }
}
