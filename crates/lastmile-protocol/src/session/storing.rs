//! Handing received batches to the host, and what its answers lead to.

use std::collections::BTreeSet;

use lastmile_log::{Certificate, Entry, Segment};
use lastmile_model::{AuthorId, Scope};

use super::config::{Carrier, Role, SessionConfig};
use super::effect::{BatchOutcome, Effect, IncomingBatch, Notice, StoreRequest, Stored, Token};
use super::{Session, SessionError};
use crate::code::Code;
use crate::frame::{BatchFrame, Frame, Want};
use crate::limits::{INITIAL_CREDIT, MAX_WANTS, STORE_CHUNK};

/// Batches on their way to the host, and the credit they use.
#[derive(Debug)]
pub(super) struct Inbox {
    batches: Vec<IncomingBatch>,
    certificates: Vec<Certificate>,
    /// Bytes of packed batches waiting.
    bytes: usize,
    /// Bytes of batch frames waiting, and of those with the host.
    frames: u64,
    storing: Option<Storing>,
    /// Bytes of batch frames granted to the peer and not used yet; none on carriers without credit.
    granted: Option<u64>,
    /// Bytes stored since the last grant.
    freed: u64,
}

#[derive(Debug)]
struct Storing {
    token: Token,
    scopes: Vec<Scope>,
    frames: u64,
}

impl Inbox {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let granted = match (config.carrier, config.role) {
            (Carrier::File, _) => None,
            (Carrier::OneShot, Role::Responder) => Some(config.credit.max(INITIAL_CREDIT)),
            _ => Some(config.credit),
        };
        Self { batches: Vec::new(), certificates: Vec::new(), bytes: 0, frames: 0, storing: None, granted, freed: 0 }
    }

    /// Takes a batch, unless no credit was left when it began.
    pub(super) fn add(&mut self, batch: BatchFrame, frame_length: u64) -> bool {
        match &mut self.granted {
            Some(0) => return false,
            Some(granted) => *granted = granted.saturating_sub(frame_length),
            None => {}
        }
        self.bytes += batch.packed.len();
        self.frames += frame_length;
        let BatchFrame { scope, author, seals, packed } = batch;
        self.batches.push(IncomingBatch { scope, author, packed, seals });
        true
    }

    pub(super) fn add_certificates(&mut self, certificates: Vec<Certificate>) {
        self.certificates.extend(certificates);
    }

    /// Certificates that came before the peer was authorised.
    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(super) fn drop_scope(&mut self, scope: &Scope) {
        self.batches.retain(|batch| batch.scope != *scope);
    }

    /// Renews the credit for another response.
    pub(super) fn renew(&mut self, credit: u64) {
        self.granted = Some(credit);
    }

    pub(super) fn is_chunk(&self) -> bool {
        self.bytes >= STORE_CHUNK && self.storing.is_none()
    }

    /// Tells whether frames must wait until the host has stored what it has.
    pub(super) fn is_full(&self) -> bool {
        self.storing.is_some() && (self.bytes >= STORE_CHUNK || self.certificates.len() > 256)
    }

    pub(super) const fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.storing.is_none() && self.batches.is_empty() && self.certificates.is_empty()
    }
}

impl Session {
    /// Hands everything that waits to the host, unless it is still busy with the last request.
    pub(super) fn flush_inbox(&mut self) {
        let inbox = &mut self.inbox;
        let empty = inbox.batches.is_empty() && inbox.certificates.is_empty();
        if inbox.storing.is_some() || empty || !self.handshake.is_complete() {
            return;
        }
        let (batches, withheld): (Vec<_>, Vec<_>) = std::mem::take(&mut inbox.batches)
            .into_iter()
            .partition(|batch| self.scopes.get(&batch.scope).is_some_and(|state| state.is_shared()));
        let certificates = std::mem::take(&mut inbox.certificates);
        let (frames, scopes) = (inbox.frames, batches.iter().map(|batch| batch.scope.clone()).collect());
        (inbox.bytes, inbox.frames) = (0, 0);
        for scope in withheld.into_iter().map(|batch| batch.scope).collect::<BTreeSet<Scope>>() {
            self.not_taken(&scope, None, Code::ScopeRefused);
        }
        if batches.is_empty() && certificates.is_empty() {
            return self.grant_again(frames);
        }
        let token = self.token();
        self.inbox.storing = Some(Storing { token, scopes, frames });
        self.effects.push_back(Effect::Store(StoreRequest { token, certificates, batches }));
    }

    pub(super) fn take_stored(&mut self, token: Token, answer: Stored) -> Result<(), SessionError> {
        let Some(storing) = self.inbox.storing.take_if(|storing| storing.token == token) else {
            return Err(SessionError::NotAsked(token));
        };
        if storing.scopes.len() != answer.outcomes.len() {
            let (expected, found) = (storing.scopes.len(), answer.outcomes.len());
            self.inbox.storing = Some(storing);
            return Err(SessionError::OutcomeCount { expected, found });
        }
        self.answers += 1;
        for (scope, vector) in answer.vectors {
            if let Some(state) = self.scopes.get_mut(&scope) {
                self.work.rename(&scope, &vector);
                state.vector = vector.into();
            }
        }
        for (scope, outcome) in storing.scopes.iter().zip(answer.outcomes) {
            self.on_outcome(scope, outcome);
        }
        self.grant_again(storing.frames);
        Ok(())
    }

    /// Returns credit to the peer of a stream once half of it is used and stored.
    fn grant_again(&mut self, stored: u64) {
        if self.config.carrier != Carrier::Stream {
            return;
        }
        self.inbox.freed += stored;
        if self.inbox.freed > 0 && self.inbox.freed >= self.config.credit / 2 {
            let bytes = std::mem::take(&mut self.inbox.freed);
            self.inbox.granted = self.inbox.granted.map(|granted| granted.saturating_add(bytes));
            self.send(&Frame::Credit(bytes));
        }
    }

    fn on_outcome(&mut self, scope: &Scope, outcome: BatchOutcome) {
        match outcome {
            BatchOutcome::Appended(entry) => self.on_held(scope, entry, true),
            BatchOutcome::Duplicate(entry) => self.on_held(scope, entry, false),
            BatchOutcome::Fork(entry) => {
                self.note_fork(scope, entry.segment.author);
                self.on_held(scope, entry, true);
            }
            BatchOutcome::Pending(_) => {}
            BatchOutcome::Gap { author, have } => self.want(scope, author, have, Code::BatchRefused),
            BatchOutcome::BadSeal { author, have } => self.want(scope, author, have, Code::BadSeal),
            BatchOutcome::NeedsForkPoint(author) if self.config.carrier == Carrier::File => {
                self.not_taken(scope, Some(author), Code::NoForkPoint);
            }
            BatchOutcome::NeedsForkPoint(author) => self.need_fork_point(scope, author),
            BatchOutcome::UnknownAuthor(author) => self.not_taken(scope, Some(author), Code::AuthorUnknown),
            BatchOutcome::OverQuota(author) => self.not_taken(scope, Some(author), Code::OverQuota),
            BatchOutcome::TooManyBranches(author) => self.not_taken(scope, Some(author), Code::TooManyBranches),
            BatchOutcome::Refused { author } => self.not_taken(scope, author, Code::BatchRefused),
        }
    }

    fn on_held(&mut self, scope: &Scope, entry: Entry, new: bool) {
        if new {
            self.outcome.appended += 1;
            self.news = true;
            // The surest sign that this side was restored or copied: its own log, sealed by its own key, and new to it.
            if entry.segment.author == self.config.author {
                self.notice(Notice::OwnLogAhead { scope: scope.clone(), entry });
            }
        }
        if let Some(state) = self.scopes.get_mut(scope) {
            state.peer_holds(entry);
        }
        if self.config.issues_receipts {
            self.work.want_receipts(scope, entry.segment.author, 0);
        }
    }

    /// Asks for an author's log again from what is held, but not twice from the same point.
    fn want(&mut self, scope: &Scope, author: AuthorId, have: u64, otherwise: Code) {
        let wanted = self.wanted.entry((scope.clone(), author)).or_default();
        if wanted.count > 0 && wanted.have == have {
            if otherwise == Code::BadSeal && wanted.answers != self.answers {
                self.not_taken(scope, Some(author), otherwise);
            }
            return;
        }
        if wanted.count >= MAX_WANTS || self.config.carrier == Carrier::File {
            self.not_taken(scope, Some(author), otherwise);
            return;
        }
        (wanted.have, wanted.count, wanted.answers) = (have, wanted.count + 1, self.answers);
        let theirs = self.scopes.get(scope).and_then(|state| {
            let peer = state.peer.as_ref()?;
            let mut segments = peer.entries().filter(|entry| entry.segment.author == author).map(|entry| entry.segment);
            let only = segments.next()?;
            segments.next().is_none().then_some(only)
        });
        let segment = theirs.unwrap_or_else(|| Segment::trunk(author));
        self.work.control.push_back(Frame::Want(Want { scope: scope.clone(), segment, after: have }));
        self.asked_peer = true;
    }

    /// Tells host and peer, once, that an author's log is not taken until the exchange ends.
    fn not_taken(&mut self, scope: &Scope, author: Option<AuthorId>, code: Code) {
        if !self.not_taken.insert((scope.clone(), author, code)) {
            return;
        }
        self.notice(Notice::NotTaken { scope: scope.clone(), author, code });
        let mut arguments = vec![scope.to_string()];
        arguments.extend(author.map(|author| author.to_string()));
        if self.config.carrier != Carrier::File {
            self.say_error(code, arguments);
        }
        self.asked_peer |= code == Code::AuthorUnknown;
    }
}
