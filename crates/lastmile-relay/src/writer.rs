//! The writer: the one thread that owns the store.
//!
//! Uploads that wait together are taken in one transaction, so that they share one flush; each is answered when it is over. When
//! nothing waits, the views follow the logs, and duplicates that admit no doubt are linked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lastmile_log::{Certificate, Deployment, Entry, Issuer, Segment, Standing, Trust};
use lastmile_model::{AuthorId, ChainHash, Scope, ScopeKind};
use lastmile_protocol::{BatchOutcome, Code, IncomingBatch, Stored};
use lastmile_store::{Durability, Fate, Incoming, Outcome, StoreError, ViewMode};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::RelayError;
use crate::central::{Central, FOLLOW_STEP};

/// How many jobs may wait before callers do.
const QUEUE: usize = 1024;

/// The most uploads, and bytes of batches, of one transaction.
const GROUP_UPLOADS: usize = 256;
const GROUP_BYTES: usize = 32 << 20;

/// The most jobs that are looked at before a transaction is begun.
const GATHERED: usize = 1024;

/// How many persons one idle step fingerprints.
const FINGERPRINT_STEP: usize = 500;

/// What the writer is asked to do.
enum Job {
    Upload(Upload),
    Ask(Box<dyn FnOnce(&mut Central) + Send>),
    Stop,
}

/// What one exchange brings to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Brought {
    /// Certificates that came before or with the batches.
    pub certificates: Vec<Certificate>,
    /// The batches.
    pub batches: Vec<IncomingBatch>,
}

/// What one exchange brings, and who waits for the answer.
struct Upload {
    brought: Brought,
    reply: oneshot::Sender<Result<Stored, Code>>,
}

/// Counts what the writer did since the start.
#[derive(Debug, Default)]
pub struct WriterStats {
    uploads: AtomicU64,
    groups: AtomicU64,
    refused: AtomicU64,
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
    pub fn new(central: Central) -> (Self, Writing) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let stats = Arc::new(WriterStats::default());
        let counted = Arc::clone(&stats);
        (Self { jobs, stats }, Writing { central, queue, stats: counted, behind: true })
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
    stats: Arc<WriterStats>,
    /// Whether idle work may be left.
    behind: bool,
}

impl Writing {
    /// Starts the thread; it gives the store back when it ends.
    pub fn start(self) -> Result<thread::JoinHandle<Central>, RelayError> {
        thread::Builder::new()
            .name("relay-writer".to_owned())
            .spawn(move || self.run())
            .map_err(|source| RelayError::file("relay-writer", source))
    }

    fn run(mut self) -> Central {
        while let Some(first) = self.next() {
            if self.round(first) {
                break;
            }
        }
        self.finish();
        self.central
    }

    /// Does what waits, beginning with this job; tells whether to stop.
    fn round(&mut self, first: Job) -> bool {
        let (uploads, stopping) = self.gather(first);
        if !uploads.is_empty() {
            self.take(uploads);
            // Before anybody is served what arrived. Where it fails it is tried again before the views follow, and nobody is.
            if let Err(error) = self.central.check_arrived() {
                tracing::error!(%error, "what arrived cannot be held against permissions yet");
            }
        }
        self.central.publish_grown();
        self.behind = true;
        self.stats.behind.store(1, Ordering::Relaxed);
        stopping
    }

    /// Does what waits, or else a step of what is left to do, and never waits itself; tells whether there was anything.
    #[cfg(feature = "simulator")]
    pub fn turn(&mut self) -> bool {
        match self.queue.try_recv() {
            Ok(job) => {
                self.round(job);
                true
            }
            Err(_) if self.behind => {
                self.behind = self.left_over();
                true
            }
            Err(_) => false,
        }
    }

    /// One step of what is left to do; tells whether there is more.
    fn left_over(&mut self) -> bool {
        let more = self.idle().unwrap_or_else(|error| {
            // Tried again after the next job; until then the logs are safe and the views late.
            tracing::error!(%error, "the views cannot follow");
            false
        });
        self.central.publish_grown();
        more
    }

    /// Gathers the uploads that wait and does what else is asked on the way; tells whether to stop. A job is taken from the queue only
    /// when it is done or gathered here.
    fn gather(&mut self, first: Job) -> (Vec<Upload>, bool) {
        let mut uploads: Vec<Upload> = Vec::new();
        let mut bytes = 0usize;
        let mut job = first;
        for looked_at in 1.. {
            match job {
                Job::Upload(upload) => {
                    bytes = bytes.saturating_add(upload.brought.batches.iter().map(|batch| batch.packed.len()).sum());
                    uploads.push(upload);
                }
                Job::Ask(work) => work(&mut self.central),
                Job::Stop => return (uploads, true),
            }
            if looked_at >= GATHERED || uploads.len() >= GROUP_UPLOADS || bytes >= GROUP_BYTES {
                break;
            }
            let Ok(next) = self.queue.try_recv() else { break };
            job = next;
        }
        (uploads, false)
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

    /// One step of what can wait; tells whether there is more.
    fn idle(&mut self) -> Result<bool, RelayError> {
        self.central.check_arrived()?;
        let more = self.central.store.follow_views(FOLLOW_STEP)?;
        self.central.say_skipped();
        self.central.note_touched();
        if more {
            return Ok(true);
        }
        self.central.scrub_again()?;
        let now_ms = self.central.now_ms();
        if self.central.contacts.is_due(now_ms) {
            self.central.contacts.write(&mut self.central.store, now_ms)?;
        }
        self.central.link_certain(FINGERPRINT_STEP)
    }

    fn finish(&mut self) {
        let now_ms = self.central.now_ms();
        let written = self.central.contacts.write(&mut self.central.store, now_ms);
        let written = written.and(self.central.rights.write(&mut self.central.store, now_ms));
        if let Err(error) = written {
            tracing::error!(%error, "the relay could not finish its work");
        }
    }

    /// Takes uploads in one transaction and answers each.
    fn take(&mut self, uploads: Vec<Upload>) {
        let (requests, replies): (Vec<_>, Vec<_>) =
            uploads.into_iter().map(|upload| (upload.brought, upload.reply)).unzip();
        let answers = match self.central.ingest(requests.clone()) {
            Ok(stored) => stored.into_iter().map(Ok).collect(),
            // One of them may be at fault: each by itself, so that the others are not kept waiting by it.
            Err(error) if requests.len() > 1 && !is_of_the_disk(&error) => {
                tracing::warn!(%error, uploads = requests.len(), "a group of uploads was not taken; each by itself");
                requests.into_iter().map(|brought| self.take_one(brought)).collect::<Vec<_>>()
            }
            Err(error) => {
                tracing::error!(%error, "uploads cannot be stored");
                replies.iter().map(|_| Err(code_of(&error))).collect()
            }
        };
        self.stats.groups.fetch_add(1, Ordering::Relaxed);
        for (reply, answer) in replies.into_iter().zip(answers) {
            self.stats.uploads.fetch_add(1, Ordering::Relaxed);
            self.stats.refused.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
            // Whoever hung up asks again; storing twice does no harm.
            let _ = reply.send(answer);
        }
    }

    fn take_one(&mut self, brought: Brought) -> Result<Stored, Code> {
        let mut stored = self.central.ingest(vec![brought]).map_err(|error| {
            tracing::error!(%error, "an upload cannot be stored");
            code_of(&error)
        })?;
        stored.pop().ok_or(Code::Internal)
    }
}

const fn is_of_the_disk(error: &RelayError) -> bool {
    matches!(error, RelayError::Store(StoreError::DiskFull | StoreError::NoRoom { .. } | StoreError::ReadOnly { .. }))
}

const fn code_of(error: &RelayError) -> Code {
    if is_of_the_disk(error) { Code::CannotStore } else { Code::Internal }
}

/// The most authors that a device may certify to go on for one of its own.
const MOST_SUCCESSORS: usize = 32;

/// Whether an author may be taken for the one that goes on for another: the office has not certified it for itself, and there are not
/// too many.
fn may_succeed(trust: &Trust, deployment: &Deployment, before: AuthorId, new: &Certificate) -> bool {
    let author = new.author(deployment);
    let goes_on = |one: &Certificate| one.issuer == Issuer::Predecessor(before);
    let known = trust.certificates(author).any(|one| !matches!(one.issuer, Issuer::Predecessor(_)));
    let others = trust.authors().filter(|(other, _)| *other != author && trust.certificates(*other).any(goes_on));
    !known && others.count() < MOST_SUCCESSORS
}

/// Whether a batch goes to the store, or why not.
enum Ticket {
    Goes,
    OverQuota,
}

impl Central {
    /// Keeps certificates that count and tell something new; others would only fill the memory.
    pub fn keep_certificates(&mut self, certificates: &[Certificate]) -> Result<(), RelayError> {
        let trust = self.trust()?;
        let is_new = |one: &&Certificate| trust.certificates(one.author(&self.deployment)).all(|known| known != *one);
        let new: Vec<&Certificate> = certificates.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut trial = trust.clone();
        let mut wanted: Vec<Certificate> = Vec::new();
        for one in new {
            if let Issuer::Predecessor(before) = one.issuer
                && !may_succeed(&trial, &self.deployment, before, one)
            {
                continue;
            }
            if trial.add(one.clone()) == Standing::Certified {
                wanted.push(one.clone());
            }
        }
        if wanted.is_empty() { Ok(()) } else { Ok(self.store.add_certificates(&wanted)?) }
    }

    /// Stores the batches of several exchanges in one transaction; nothing of it is kept when this fails.
    fn ingest(&mut self, requests: Vec<Brought>) -> Result<Vec<Stored>, RelayError> {
        let certificates: Vec<Certificate> =
            requests.iter().flat_map(|request| request.certificates.iter().cloned()).collect();
        self.keep_certificates(&certificates)?;
        let now_ms = self.now_ms();
        let (mut incoming, mut meant, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
        for batches in requests.into_iter().map(|request| request.batches) {
            let mut of_request = Vec::with_capacity(batches.len());
            for batch in batches {
                // Of certificates by devices themselves none begins a first import.
                let trust = self.trust()?;
                let by_office =
                    trust.certificates(batch.author).filter(|known| matches!(known.issuer, Issuer::Office(_)));
                let since = by_office.map(|known| known.from_ms).min().unwrap_or(i64::MIN);
                let over = self.quota.is_used_up(&batch.scope, batch.author, since, now_ms);
                of_request.push((
                    batch.scope.clone(),
                    batch.author,
                    if over { Ticket::OverQuota } else { Ticket::Goes },
                ));
                if !over {
                    meant.push((batch.scope, batch.author, batch.packed.len() as u64));
                    incoming.push(Incoming { packed: batch.packed, seals: batch.seals });
                }
            }
            tickets.push(of_request);
        }
        let logs: Vec<_> = meant.iter().map(|(scope, author, _)| (scope.clone(), *author)).collect();
        let outcomes = self.store.ingest_meant(incoming, &logs, ViewMode::Later, Durability::Full)?;
        for ((scope, author, bytes), outcome) in meant.iter().zip(&outcomes) {
            if let Fate::Appended { commits, .. } = outcome.fate {
                self.quota.took(scope, *author, commits, *bytes, now_ms);
                if scope.kind() == ScopeKind::City {
                    // What was appended is safe; a certificate that could not be written now is written at the next start.
                    if let Err(error) = self.introduce(scope, *author) {
                        tracing::error!(%error, %author, "the author's certificate cannot be passed on yet");
                    }
                }
            }
        }
        let mut outcomes = outcomes.iter();
        let mut answers = Vec::with_capacity(tickets.len());
        for of_request in tickets {
            let mut vectors = BTreeMap::new();
            let mut said = Vec::with_capacity(of_request.len());
            for (scope, author, ticket) in of_request {
                said.push(match ticket {
                    Ticket::OverQuota => BatchOutcome::OverQuota(author),
                    Ticket::Goes => outcomes
                        .next()
                        .map_or(BatchOutcome::Refused { author: Some(author) }, |outcome| self.say(outcome, author)),
                });
                vectors.entry(scope).or_insert(());
            }
            let vectors: Vec<(Scope, _)> =
                vectors.into_keys().map(|scope| (scope.clone(), self.store.vector(&scope))).collect();
            answers.push(Stored { outcomes: said, vectors });
        }
        Ok(answers)
    }

    /// Says in the session's words what became of a batch.
    fn say(&self, outcome: &Outcome, author: lastmile_model::AuthorId) -> BatchOutcome {
        let Some((scope, _)) = &outcome.log else { return BatchOutcome::Refused { author: Some(author) } };
        let nowhere = Entry { segment: Segment::trunk(author), seq: 0, chain: ChainHash::ZERO };
        let head = outcome.head.unwrap_or(nowhere);
        match &outcome.fate {
            Fate::Appended { .. } if outcome.forked => BatchOutcome::Fork(head),
            Fate::Appended { .. } => BatchOutcome::Appended(head),
            Fate::Held => BatchOutcome::Duplicate(head),
            Fate::Pending => BatchOutcome::Pending(author),
            Fate::Gap { have } => BatchOutcome::Gap { author, have: *have },
            Fate::OtherPast => BatchOutcome::NeedsForkPoint(author),
            Fate::UnknownAuthor => BatchOutcome::UnknownAuthor(author),
            Fate::BadSeal => {
                let have = self.store.sealed_heads(scope, author).into_iter().map(|(seq, _)| seq).max().unwrap_or(0);
                BatchOutcome::BadSeal { author, have }
            }
            Fate::TooManyBranches => BatchOutcome::TooManyBranches(author),
            Fate::Malformed(_) | Fate::Withheld => BatchOutcome::Refused { author: Some(author) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastmile_crdt::Edit;
    use lastmile_log::{AuthorKey, Issuer};
    use lastmile_model::RecordId;
    use lastmile_store::sqlite::{self, OpenOptions};
    use lastmile_store::{NewCommit, RecordEdit, Store};

    use super::*;
    use crate::{RelayFolder, RelayOptions};

    /// What one new device has to bring: one sealed activity.
    fn upload(folder: &mut RelayFolder, scope: &Scope, byte: u8) -> Brought {
        let central = &mut folder.central;
        let key = AuthorKey::from_seed(&[byte; 32]);
        let certificate = Certificate {
            public: key.public(),
            device: String::new(),
            persons: Vec::new(),
            roles: Vec::new(),
            scopes: vec![scope.clone()],
            from_ms: 0,
            until_ms: None,
            issuer: Issuer::Office(central.office),
            signature: [0; 64],
            consent: None,
        };
        central.certify(&certificate.signed(&central.keys.office, &central.deployment)).unwrap();
        let own = tempfile::TempDir::new().unwrap();
        let storage = sqlite::open(&own.path().join("device.db"), &OpenOptions::default(), &central.catalogue).unwrap();
        let mut store = Store::new(storage, Arc::clone(&central.catalogue)).unwrap();
        store.set_deployment(&central.deployment).unwrap();
        store.add_certificates(&central.trust().unwrap().chain_of(key.author(&central.deployment))).unwrap();
        let edits = vec![Edit::set("title", "清洁日"), Edit::set("date", "2026-03-01"), Edit::set("category", "other")];
        let record = RecordId::from_bytes([byte; 16]);
        let edit = RecordEdit { record_type: "activity".to_owned(), record, create: true, salt: [0; 16], edits };
        let commit = NewCommit {
            scope: scope.clone(),
            acting: None,
            hlc: 1,
            wall_ms: 1,
            app: String::new(),
            extension: Vec::new(),
            edits: vec![edit],
        };
        store.save(&key, &[commit], Durability::Full).unwrap();
        store.seal(&key, scope).unwrap();
        let author = key.author(&central.deployment);
        let (mut batches, _) = store.path_batches(scope, &Segment::trunk(author), 0, 1 << 20).unwrap();
        let batch = batches.remove(0);
        let batch = IncomingBatch { scope: scope.clone(), author, packed: batch.packed, seals: batch.seals };
        Brought { certificates: Vec::new(), batches: vec![batch] }
    }

    #[test]
    fn uploads_that_wait_share_one_transaction() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
        let scope = Scope::community("430103005010").unwrap();
        let (jobs, queue) = mpsc::channel(64);
        let mut answers = Vec::new();
        for byte in 1..=40 {
            let mut brought = upload(&mut folder, &scope, byte);
            if byte == 40 {
                // A batch sent under another name is refused and keeps nobody else waiting.
                brought.batches[0].scope = Scope::community("430104008008").unwrap();
            }
            let (reply, answer) = oneshot::channel();
            jobs.try_send(Job::Upload(Upload { brought, reply })).ok().unwrap();
            answers.push(answer);
        }
        jobs.try_send(Job::Stop).ok().unwrap();
        let stats = Arc::new(WriterStats::default());
        Writing { central: folder.central, queue, stats: Arc::clone(&stats), behind: true }.run();
        assert_eq!((stats.uploads(), stats.group_commits(), stats.refused()), (40, 1, 0));
        let last = answers.pop().unwrap().blocking_recv().unwrap().unwrap();
        assert!(matches!(last.outcomes[0], BatchOutcome::Refused { .. }));
        for answer in answers {
            let stored = answer.blocking_recv().unwrap().unwrap();
            assert!(matches!(stored.outcomes[0], BatchOutcome::Appended(entry) if entry.seq == 1));
        }
    }

    #[test]
    fn no_job_is_lost_where_a_round_of_gathering_ends() {
        let folder = tempfile::TempDir::new().unwrap();
        let folder = RelayFolder::open_or_create(folder.path(), &RelayOptions::default()).unwrap();
        let (jobs, queue) = mpsc::channel(4 * GATHERED);
        let mut answers = Vec::new();
        for number in 0..2 * GATHERED + 3 {
            let (reply, answer) = oneshot::channel();
            let ask = move |_: &mut Central| reply.send(number).unwrap();
            jobs.try_send(Job::Ask(Box::new(ask))).ok().unwrap();
            answers.push(answer);
        }
        jobs.try_send(Job::Stop).ok().unwrap();
        let stats = Arc::new(WriterStats::default());
        Writing { central: folder.central, queue, stats, behind: true }.run();
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.blocking_recv(), Ok(number), "a job was dropped");
        }
    }
}
