//! The writer: the one thread that owns the store.
//!
//! Uploads that wait together are taken in one transaction, so that they share one flush; each is answered when it is over. One that
//! brings much is taken in pieces, which take turns with everybody else's work (`fair.rs`). When nothing waits, the views follow the
//! logs, and duplicates that admit no doubt are linked.
//!
//! What goes wrong in there refuses what it went wrong with and nothing else: a panic too.

mod fair;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use lastmile_log::Certificate;
use lastmile_protocol::{BatchOutcome, Code, IncomingBatch, Stored};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::RelayError;
use crate::central::{Central, FOLLOW_STEP};
use crate::meter::thread_time;
use crate::rates::{Cost, Payer, Rates};
use fair::{Pieces, Waiting};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;

/// The most jobs that are looked at before a transaction is begun.
const GATHERED: usize = 1024;

/// How many changes of views one step follows while uploads keep coming, and for how long after the last one that is so.
const SHORT_STEP: u64 = 2_000;
const BUSY_MS: i64 = 2_000;

/// What an upload counts for beside its bytes, where the cost of a transaction is shared out.
const SHARE_OF_EACH: usize = 512;

/// How many persons one idle step fingerprints; while uploads keep coming fewer, since each takes a Diffie-Hellman.
const FINGERPRINT_STEP: usize = 500;
const SHORT_FINGERPRINT_STEP: usize = 25;

/// What the writer is asked to do.
enum Job {
    Upload(Upload),
    Ask(Box<dyn FnOnce(&mut Central) + Send>),
    Stop,
}

/// What one exchange brings to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Brought {
    /// On whose account it goes.
    pub by: Payer,
    /// Certificates that came before or with the batches.
    pub certificates: Vec<Certificate>,
    /// The batches.
    pub batches: Vec<IncomingBatch>,
}

/// What one exchange brings, and who waits for the answer.
pub(crate) struct Upload {
    brought: Brought,
    reply: oneshot::Sender<Result<Stored, Code>>,
}

/// Counts what the writer did since the start.
#[derive(Debug, Default)]
pub struct WriterStats {
    uploads: AtomicU64,
    groups: AtomicU64,
    refused: AtomicU64,
    panics: AtomicU64,
    behind: AtomicU64,
}

impl WriterStats {
    /// Uploads answered.
    #[must_use]
    pub fn uploads(&self) -> u64 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Transactions that took them.
    #[must_use]
    pub fn group_commits(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    /// Uploads that could not be stored.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often work of the writer ended in a panic, which refused that work and nothing else.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whether the views are behind the logs.
    #[must_use]
    pub fn views_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > 0
    }
}

/// Sends jobs to the writer's thread.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    pub stats: Arc<WriterStats>,
}

impl Writer {
    /// Opens the queue, and returns the other end that does the work.
    pub fn new(central: Central, rates: Arc<Rates>) -> (Self, Writing) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writing = Writing::new(central, queue, rates);
        (Self { jobs, stats: Arc::clone(&writing.stats) }, writing)
    }

    /// Stores batches and waits until they are durable.
    pub async fn upload(&self, brought: Brought) -> Result<Stored, Code> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Upload(Upload { brought, reply })).await.map_err(|_| Code::Busy)?;
        answer.await.map_err(|_| Code::Busy)?
    }

    /// Has something done with the store.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Central) -> Result<T, RelayError> + Send + 'static,
    ) -> Result<T, RelayError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Ask(Box::new(move |central| {
            // Whoever asked may have gone; the work is done all the same.
            let _ = reply.send(work(central));
        }));
        self.jobs.send(job).await.map_err(|_| RelayError::Stopping)?;
        answer.await.map_err(|_| RelayError::Stopping)?
    }

    /// Lets the thread end after the jobs that wait already.
    pub async fn stop(&self) {
        // An error says that it has ended.
        let _ = self.jobs.send(Job::Stop).await;
    }
}

/// The other end of the queue, with the store.
pub(crate) struct Writing {
    pub central: Central,
    queue: mpsc::Receiver<Job>,
    waiting: Waiting,
    stats: Arc<WriterStats>,
    rates: Arc<Rates>,
    /// Whether idle work may be left.
    behind: bool,
    /// When uploads were last taken, in milliseconds since 1970.
    taken_ms: i64,
    /// Looks at what is to be stored, for tests of what happens when that panics.
    #[cfg(test)]
    look: Option<fn(&IncomingBatch)>,
}

impl Writing {
    fn new(central: Central, queue: mpsc::Receiver<Job>, rates: Arc<Rates>) -> Self {
        Self {
            central,
            queue,
            waiting: Waiting::default(),
            stats: Arc::default(),
            rates,
            behind: true,
            taken_ms: i64::MIN,
            #[cfg(test)]
            look: None,
        }
    }

    /// Starts the thread; it gives the store back when it ends.
    pub fn start(self) -> Result<thread::JoinHandle<Central>, RelayError> {
        thread::Builder::new()
            .name("relay-writer".to_owned())
            .spawn(move || self.run())
            .map_err(|source| RelayError::file("relay-writer", source))
    }

    fn run(mut self) -> Central {
        let mut stopping = false;
        while !stopping || !self.waiting.is_empty() {
            if self.waiting.is_empty() {
                match self.next() {
                    Some(first) => stopping = self.gather(first),
                    None => break,
                }
            } else if !stopping
                && !self.waiting.is_full()
                && let Ok(first) = self.queue.try_recv()
            {
                stopping = self.gather(first);
            }
            self.round();
        }
        self.finish();
        self.central
    }

    /// Takes a piece of what waits.
    fn round(&mut self) {
        if !self.waiting.is_empty() {
            let began = thread_time();
            let (pieces, shares) = self.take();
            // Before anybody is served what arrived. Where it fails it is tried again before the views follow, and nobody is.
            if let Some(Err(error)) = self.caught(Central::check_arrived) {
                tracing::error!(%error, "what arrived cannot be held against permissions yet");
            }
            self.charge(&shares, thread_time().saturating_sub(began));
            self.answer(pieces);
            self.taken_ms = self.central.now_ms();
        }
        self.central.publish_grown();
        self.behind = true;
        self.stats.behind.store(1, Ordering::Relaxed);
    }

    /// Does what waits, or else a step of what is left to do, and never waits itself; tells whether there was anything.
    #[cfg(feature = "simulator")]
    pub fn turn(&mut self) -> bool {
        match self.queue.try_recv() {
            Ok(job) => {
                self.gather(job);
                self.round();
                while !self.waiting.is_empty() {
                    self.round();
                }
                true
            }
            Err(_) if self.behind => {
                self.behind = self.left_over();
                true
            }
            Err(_) => false,
        }
    }

    /// Does work whose panic ends nothing but itself: the store undoes what it had begun. `None` where it panicked.
    fn caught<T>(&mut self, work: impl FnOnce(&mut Central) -> T) -> Option<T> {
        let central = &mut self.central;
        let done = catch_unwind(AssertUnwindSafe(|| work(central)));
        if done.is_err() {
            // What it said is for the panic hook; it may hold somebody's data.
            self.stats.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a part of the writer's work panicked; it was undone, and the rest goes on");
        }
        done.ok()
    }

    /// One step of what is left to do; tells whether there is more.
    fn left_over(&mut self) -> bool {
        let since = self.central.now_ms().saturating_sub(self.taken_ms);
        let (step, persons) =
            if since < BUSY_MS { (SHORT_STEP, SHORT_FINGERPRINT_STEP) } else { (FOLLOW_STEP, FINGERPRINT_STEP) };
        // Tried again after the next job; until then the logs are safe and the views late.
        let more = match self.caught(|central| central.idle(step, persons)) {
            Some(Ok(more)) => more,
            Some(Err(error)) => {
                tracing::error!(%error, "the views cannot follow");
                false
            }
            None => false,
        };
        self.central.publish_grown();
        more
    }

    /// Lines up the uploads that wait and does what else is asked on the way; tells whether to stop. A job is taken from the queue only
    /// when it is done or lined up here.
    fn gather(&mut self, first: Job) -> bool {
        let mut job = first;
        for looked_at in 1.. {
            match job {
                Job::Upload(upload) => self.waiting.add(upload),
                Job::Ask(work) => drop(self.caught(work)),
                Job::Stop => return true,
            }
            if looked_at >= GATHERED || self.waiting.is_full() {
                break;
            }
            let Ok(next) = self.queue.try_recv() else { break };
            job = next;
        }
        false
    }

    /// Waits for a job; works on what is left to do meanwhile.
    fn next(&mut self) -> Option<Job> {
        loop {
            if !self.behind {
                self.stats.behind.store(0, Ordering::Relaxed);
                return self.queue.blocking_recv();
            }
            match self.queue.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.behind = self.left_over(),
            }
        }
    }

    fn finish(&mut self) {
        let now_ms = self.central.now_ms();
        let written = self.central.contacts.write(&mut self.central.store, now_ms);
        let written = written.and(self.central.rights.write(&mut self.central.store, now_ms));
        if let Err(error) = written {
            tracing::error!(%error, "the relay could not finish its work");
        }
    }

    /// Takes the next pieces in one transaction; returns them with what became of each, and who shares the cost.
    fn take(&mut self) -> (Pieces, Vec<(Payer, usize)>) {
        let mut pieces = self.waiting.next_pieces();
        let brought: Vec<Brought> = pieces.iter_mut().map(|piece| piece.take()).collect();
        let size = |one: &Brought| one.batches.iter().map(|batch| batch.packed.len()).sum::<usize>();
        let shares = brought.iter().map(|one| (one.by, size(one).saturating_add(SHARE_OF_EACH))).collect();
        let stored = self.store(brought);
        self.stats.groups.fetch_add(1, Ordering::Relaxed);
        for (piece, stored) in pieces.iter_mut().zip(stored) {
            piece.note(stored);
        }
        (pieces, shares)
    }

    /// Puts the processor time of a transaction on the accounts of those whose work it was.
    fn charge(&self, shares: &[(Payer, usize)], spent: Duration) {
        let whole = shares.iter().map(|(_, size)| *size).sum::<usize>().max(1) as f64;
        let now_ms = self.central.now_ms();
        for (payer, size) in shares {
            self.rates.charge(*payer, Cost::of_cpu(spent.mul_f64(*size as f64 / whole)), now_ms);
        }
    }

    /// Answers the uploads that are over, and lines up the others again.
    fn answer(&mut self, pieces: Pieces) {
        for piece in pieces {
            if piece.is_unfinished() {
                self.waiting.add_again(piece);
                continue;
            }
            let (answer, reply) = piece.over(&self.central.store);
            self.stats.uploads.fetch_add(1, Ordering::Relaxed);
            self.stats.refused.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
            // Whoever hung up asks again; storing twice does no harm.
            let _ = reply.send(answer);
        }
    }

    /// Stores what several uploads bring. Where that fails they are taken each by itself, and at last each batch by itself, so that
    /// nobody is kept waiting by another's fault.
    fn store(&mut self, requests: Vec<Brought>) -> Vec<Result<Stored, Code>> {
        let alone = requests.len() == 1;
        #[cfg(test)]
        let look = self.look;
        let copy = requests.clone();
        let stored = self.caught(|central| {
            #[cfg(test)]
            copy.iter().flat_map(|one| &one.batches).for_each(|batch| look.iter().for_each(|look| look(batch)));
            central.ingest(copy)
        });
        match stored {
            Some(Ok(stored)) => return stored.into_iter().map(Ok).collect(),
            Some(Err(error)) if alone || error.is_of_the_disk() => {
                tracing::error!(%error, "uploads cannot be stored");
                return requests.iter().map(|_| Err(error.code())).collect();
            }
            Some(Err(error)) => {
                tracing::warn!(%error, uploads = requests.len(), "a group of uploads was not taken; each by itself")
            }
            None => {}
        }
        if !alone {
            return requests.into_iter().flat_map(|one| self.store(vec![one])).collect();
        }
        requests.into_iter().map(|one| self.each_batch(one)).collect()
    }

    /// Stores the batches of one upload that panicked, each by itself; the one at fault is refused.
    fn each_batch(&mut self, brought: Brought) -> Result<Stored, Code> {
        let Brought { by, certificates, mut batches } = brought;
        if batches.is_empty() {
            return Err(Code::Internal);
        }
        if batches.len() == 1 {
            let author = batches.pop().map(|batch| batch.author);
            return Ok(Stored { outcomes: vec![BatchOutcome::Refused { author }], ..Stored::default() });
        }
        let mut all = Stored::default();
        for batch in batches {
            let one = Brought { by, certificates: certificates.clone(), batches: vec![batch] };
            for stored in self.store(vec![one]) {
                all.outcomes.extend(stored?.outcomes);
            }
        }
        Ok(all)
    }
}

impl Central {
    /// One step of what can wait; tells whether there is more.
    fn idle(&mut self, step: u64, persons: usize) -> Result<bool, RelayError> {
        self.check_arrived()?;
        let more = self.store.follow_views(step)?;
        self.say_skipped();
        self.note_touched();
        if more {
            return Ok(true);
        }
        self.scrub_again()?;
        let now_ms = self.now_ms();
        if self.contacts.is_due(now_ms) {
            self.contacts.write(&mut self.store, now_ms)?;
        }
        self.link_certain(persons)
    }
}

#[cfg(test)]
mod tests;
