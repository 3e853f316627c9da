//! One exchange with the relay: requests while they are useful, and what is learnt from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use lastmile_log::Vector;
use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::request::sign_body;
use lastmile_protocol::{Carrier as CarrierKind, Code, Outcome, Role, feed, pump};
use lastmile_store::{Store, StoreError};

use super::{LAST_SYNC, LAST_SYNC_MS, MARK, Replica, UPLOAD, lock, session_error};
use crate::ClientError;
use crate::belief;
use crate::clock::random;
use crate::host::Learnt;
use crate::status::{SyncPhase, SyncProgress, SyncReport};

/// What an exchange came to, for whoever decides when to make the next.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub result: Result<SyncReport, ClientError>,
    /// Whether it brought something new to either side: another may bring more.
    pub news: bool,
    /// How long the relay asks to be left alone.
    pub rest: Duration,
}

/// Says that no exchange is under way once this goes, if the exchange was given up and could not say it itself.
struct GivenUp<'r>(&'r Replica);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let mut status = lock(&self.0.status);
        if status.phase == SyncPhase::Syncing {
            status.phase = SyncPhase::Idle;
            drop(status);
            self.0.status_moved();
        }
    }
}

impl Replica {
    /// Makes one exchange with the relay: uploads what is new here, downloads what is new there.
    ///
    /// # Errors
    /// When the relay cannot be reached or refuses; what came whole before that is kept.
    pub async fn sync(&self) -> Result<SyncReport, ClientError> {
        self.exchanged().await.result
    }

    /// Makes one exchange and says what came of it.
    pub(crate) async fn exchanged(&self) -> Exchanged {
        let _one_at_a_time = self.exchange.lock().await;
        lock(&self.status).phase = SyncPhase::Syncing;
        self.status_moved();
        let _given_up = GivenUp(self);
        self.progress.send_replace(SyncProgress::default());
        let mut learnt = Learnt { peer: lock(&self.peer).clone(), ..Learnt::default() };
        let result = self.exchange(&mut learnt).await.and_then(|report| self.note_success(report));
        self.note_status(&result);
        let retry_after_ms = match &result {
            Ok(report) => report.retry_after_ms,
            Err(ClientError::Refused { retry_after_ms, .. }) => *retry_after_ms,
            Err(_) => 0,
        };
        Exchanged { result, news: learnt.news, rest: Duration::from_millis(retry_after_ms) }
    }

    /// Keeps the time of an exchange that left both sides with the same.
    fn note_success(&self, report: SyncReport) -> Result<SyncReport, ClientError> {
        if report.is_whole() {
            let now_ms = self.now_ms();
            let last = lock(&self.status).last_success_ms;
            if last.is_none_or(|last| last.abs_diff(now_ms) > LAST_SYNC_MS.unsigned_abs()) {
                lock(&self.store).remember(LAST_SYNC, &now_ms.to_be_bytes())?;
            }
            lock(&self.status).last_success_ms = Some(now_ms);
        }
        Ok(report)
    }

    fn note_status(&self, result: &Result<SyncReport, ClientError>) {
        let mut status = lock(&self.status);
        match result {
            Ok(report) => {
                status.phase = match report {
                    report if !report.refused.is_empty() => SyncPhase::NeedsAttention,
                    report if report.equal => SyncPhase::UpToDate,
                    _ => SyncPhase::Idle,
                };
                status.refused.clone_from(&report.refused);
                status.last_error = None;
            }
            // Nothing is wrong: it is a matter of time.
            Err(ClientError::Refused { code: Code::Busy, .. }) => {
                status.phase = SyncPhase::Idle;
                status.last_error = None;
            }
            Err(error) => {
                let offline = matches!(error, ClientError::Unreachable { .. });
                status.phase = if offline { SyncPhase::Offline } else { SyncPhase::NeedsAttention };
                status.last_error = Some(error.to_string());
            }
        }
        drop(status);
        self.status_moved();
    }

    async fn exchange(&self, learnt: &mut Learnt) -> Result<SyncReport, ClientError> {
        let mut report = SyncReport::default();
        let (mut introduce, mut adopted) = (false, false);
        let mut told = false;
        let ended = loop {
            let ended = self.rounds(learnt, &mut report, introduce).await;
            match ended.as_ref().map(|outcome| outcome.error) {
                // The relay has not heard of this author: it is a new one, or the relay was put back from an older copy.
                Ok(Some(Code::UnknownAuthor)) if !introduce => introduce = true,
                // The relay goes on under a new key.
                Ok(Some(Code::WrongEpoch)) if !adopted && self.adopt_told(learnt)? => adopted = true,
                // This device's clock is wrong. Requests are signed by the relay's from now on; nothing else believes it.
                Ok(Some(Code::WrongClock)) if !told && let Some(time) = learnt.told_time.take() => {
                    told = true;
                    self.ahead_ms.store(time.saturating_sub(self.now_ms()), Ordering::Relaxed);
                }
                _ => break ended,
            }
        };
        // What was learnt holds however the exchange ended.
        self.keep_learnt(learnt)?;
        let outcome = ended?;
        report.receipts = learnt.receipts;
        report.forks = learnt.forks;
        report.not_taken = learnt.not_taken;
        report.refused = learnt.refused.iter().cloned().collect();
        report.equal = outcome.equal;
        report.rounds = outcome.rounds;
        report.sent_batches = outcome.sent.batches;
        report.received_batches = outcome.received.batches;
        report.retry_after_ms = outcome.retry_after_ms;
        let relay = || self.relay.clone();
        match outcome.error {
            Some(code) => Err(ClientError::Refused { code, retry_after_ms: outcome.retry_after_ms }),
            None if learnt.cut_short && outcome.received.bytes == 0 => Err(ClientError::NotARelay {
                relay: relay(),
                found: "nothing that begins as an answer does".to_owned(),
            }),
            None if learnt.cut_short => {
                Err(ClientError::BrokenOff { relay: relay(), batches: outcome.received.batches })
            }
            None => Ok(report),
        }
    }

    /// Makes requests while they are useful; with the certificates that lead to this author, if it is to be introduced.
    async fn rounds(
        &self,
        learnt: &mut Learnt,
        report: &mut SyncReport,
        introduce: bool,
    ) -> Result<Outcome, ClientError> {
        let (mut session, epoch) = self.begin_session(Role::Initiator, CarrierKind::OneShot, introduce)?;
        learnt.introduced = BTreeSet::new();
        let mut body = Vec::new();
        let mut driven = {
            let mut store = lock(&self.store);
            pump(&mut session, &mut self.host(&mut store, learnt), &mut body).map_err(session_error)?
        };
        while driven.flushed {
            let mut request = std::mem::take(&mut body);
            let now_ms = self.relay_now_ms();
            sign_body(&mut request, &self.key, &self.deployment, epoch, now_ms, random(self.clock())?)
                .map_err(|error| ClientError::NotARelay { relay: self.relay.clone(), found: error.to_string() })?;
            let length = request.len() as u64;
            report.sent_bytes = report.sent_bytes.saturating_add(length);
            let posted = self.transport.post("/v1/sync", request, &self.progress).await;
            session.limit_uploads(self.note_upload(length, &posted)?);
            let answer = posted?;
            report.received_bytes = report.received_bytes.saturating_add(answer.len() as u64);
            let mut store = lock(&self.store);
            let mut host = self.host(&mut store, learnt);
            driven = feed(&mut session, &mut host, &answer, &mut body).map_err(session_error)?;
            session.end_of_input();
            let ended = pump(&mut session, &mut host, &mut body).map_err(session_error)?;
            driven.flushed |= ended.flushed;
            driven.done = ended.done.or(driven.done);
            self.announce(&mut store);
            drop(store);
            if driven.done.as_ref().is_some_and(|done| done.error == Some(Code::Busy)) {
                // A relay that has no room for long requests takes short ones.
                self.shorten_uploads(length)?;
            }
        }
        Ok(driven.done.unwrap_or_default())
    }

    /// Learns from a request what the path carries, and returns how much the next may bring.
    fn note_upload<T>(&self, length: u64, posted: &Result<T, ClientError>) -> Result<u64, ClientError> {
        let before = *lock(&self.upload);
        let mut budget = before;
        match posted {
            Ok(_) => budget.passed(length),
            // A proxy or the relay's own guard answers in its own words when a request is too long or too slow for it.
            Err(ClientError::Unreachable { sent: 1.., .. } | ClientError::NotARelay { .. }) => budget.broke(length),
            Err(_) => {}
        }
        if budget != before {
            *lock(&self.upload) = budget;
            lock(&self.store).remember(UPLOAD, &budget.bytes().to_be_bytes())?;
        }
        Ok(budget.bytes())
    }

    /// Brings less with the next request than with this one.
    fn shorten_uploads(&self, length: u64) -> Result<(), ClientError> {
        let mut budget = *lock(&self.upload);
        budget.broke(length);
        *lock(&self.upload) = budget;
        Ok(lock(&self.store).remember(UPLOAD, &budget.bytes().to_be_bytes())?)
    }

    /// Adopts the epoch that the relay said it has, if the certificates that came lead from it to root; tells whether it did.
    fn adopt_told(&self, learnt: &mut Learnt) -> Result<bool, ClientError> {
        let Some(epoch) = learnt.told_epoch.take() else { return Ok(false) };
        let mut store = lock(&self.store);
        if !adopt(&mut store, epoch)? {
            return Ok(false);
        }
        learnt.peer.clear();
        learnt.news = true;
        self.believe(&mut store, BTreeMap::new())?;
        tracing::warn!(%epoch, "the relay has a new epoch; what it holds is found out anew");
        Ok(true)
    }

    /// Keeps what an exchange with the relay taught: what it holds, its epoch, and whether it knows more of the own log.
    fn keep_learnt(&self, learnt: &Learnt) -> Result<(), ClientError> {
        let mut store = lock(&self.store);
        let other_epoch = match learnt.epoch {
            Some(epoch) => adopt(&mut store, epoch)?,
            None => false,
        };
        let mut peer = if other_epoch { BTreeMap::new() } else { learnt.peer.clone() };
        for gone in self.settle_scopes(&mut store)? {
            peer.remove(&gone);
        }
        self.believe(&mut store, peer)?;
        drop(store);
        self.keep_own_log_ahead(learnt)
    }

    /// Keeps what a live connection taught so far; it goes on.
    pub(crate) fn keep_live(&self, learnt: &mut Learnt, report: &SyncReport) -> Result<(), ClientError> {
        let peer = std::mem::take(&mut learnt.peer);
        if !peer.is_empty() {
            let mut known = lock(&self.peer).clone();
            known.extend(peer);
            self.believe(&mut lock(&self.store), known)?;
        }
        let report = self.note_success(report.clone());
        self.note_status(&report);
        report.map(drop)
    }

    /// As [`Self::keep_own_log_ahead`], on a stream where the sign may be seen many times.
    pub(crate) fn keep_own_log_ahead_once(&self, learnt: &Learnt) -> Result<(), ClientError> {
        if self.needs_reopening() { Ok(()) } else { self.keep_own_log_ahead(learnt) }
    }

    /// Believes this of the relay from now on.
    fn believe(&self, store: &mut Store, peer: BTreeMap<Scope, Vector>) -> Result<(), ClientError> {
        let mut before = lock(&self.peer);
        belief::keep(store, &before, &peer)?;
        *before = peer;
        Ok(())
    }

    /// Remembers that somebody else writes under this device's author, if a peer showed so.
    pub(crate) fn keep_own_log_ahead(&self, learnt: &Learnt) -> Result<(), ClientError> {
        if learnt.own_log_ahead && !planted!("unwatched-log") {
            *lock(&self.restored) = true;
            lock(&self.store).set_setting(MARK, b"restored")?;
        }
        Ok(())
    }
}

/// Sets another epoch that is root's; tells whether it did.
fn adopt(store: &mut Store, epoch: AuthorId) -> Result<bool, StoreError> {
    let believed = store.trust().is_some_and(|trust| trust.is_office(epoch));
    if !believed || store.epoch()? == Some(epoch) {
        return Ok(false);
    }
    store.set_epoch(epoch)?;
    Ok(true)
}
