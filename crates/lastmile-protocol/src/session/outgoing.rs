//! What goes to the peer: small frames first, then logs in causal order, as far as the credit goes.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::{Certificate, Entry, Receipt, Segment};
use lastmile_model::{AuthorId, ChainHash, Scope};

use super::config::{Access, Carrier};
use super::effect::{Effect, Notice, OutgoingBatch, ReadRequest, ReceiptWant, Token};
use super::held::Held;
use super::logs::LogTask;
use super::state::{Asked, Question, Work};
use super::{Session, SessionError};
use crate::code::Code;
use crate::frame::{BatchFrame, ErrorFrame, Frame, Hello, HelloScope, OwnHead, VectorFrame};
use crate::limits::{MAX_CERTIFICATES, MAX_RECEIPTS};
use crate::plan::{self, LogRange};
use crate::{MAX_VERSION, MIN_VERSION};

/// Bytes are gathered into pieces of about this size.
const SEND_PIECE: usize = 64 << 10;

impl Work {
    /// Notes that receipts of a log are owed, joining what is not asked for yet into one question.
    pub(super) fn want_receipts(&mut self, scope: &Scope, author: AuthorId, above: u64) {
        let want = ReceiptWant { scope: scope.clone(), author, above };
        for question in &mut self.questions {
            if let Question::Receipts(wants) = question {
                match wants.iter_mut().find(|old| old.scope == want.scope && old.author == author) {
                    Some(old) => old.above = old.above.min(above),
                    None => wants.push(want),
                }
                return;
            }
        }
        self.questions.push_back(Question::Receipts(vec![want]));
    }
}

impl Session {
    /// Sends one frame; one that is over a limit is left out and told to the host.
    pub(super) fn send(&mut self, frame: &Frame) -> bool {
        let Ok(bytes) = frame.encode() else {
            if let Some(scope) = frame.scope() {
                self.notice(Notice::NotTaken { scope: scope.clone(), author: None, code: Code::TooLarge });
            }
            return false;
        };
        self.outcome.sent.bytes += bytes.len() as u64;
        if !matches!(frame, Frame::End(_) | Frame::Credit(_)) {
            self.sent_frames += 1;
        }
        if let Frame::Batch(_) = frame {
            self.outcome.sent.batches += 1;
            self.credit = self.credit.saturating_sub(bytes.len() as u64);
        }
        self.send_bytes(bytes);
        true
    }

    pub(super) fn send_bytes(&mut self, bytes: Vec<u8>) {
        match self.effects.back_mut() {
            Some(Effect::Send(piece)) if piece.len() < SEND_PIECE => piece.extend(bytes),
            _ => self.effects.push_back(Effect::Send(bytes)),
        }
    }

    /// Queues an error about a scope or an author.
    pub(super) fn say_error(&mut self, code: Code, arguments: Vec<String>) {
        self.work.control.push_back(Frame::Error(ErrorFrame { code, arguments, retry_after_ms: 0 }));
    }

    /// Says hello over these scopes, as they stand now.
    pub(super) fn send_hello(&mut self, scopes: &[Scope]) {
        let author = self.config.author;
        let mut said = Vec::new();
        for scope in scopes {
            let Some(state) = self.scopes.get_mut(scope) else { continue };
            state.said = state.vector.clone();
            state.vector_sent = false;
            let own = state.head_of(author).map_or_else(OwnHead::default, |head| OwnHead {
                seq: head.seq,
                chain: head.chain,
                receipted: state.receipted.min(head.seq),
            });
            said.push(HelloScope { scope: scope.clone(), digest: state.said.digest(), own });
        }
        let second = self.handshake.is_over();
        let hello = Frame::Hello(Hello {
            min_version: MIN_VERSION,
            max_version: MAX_VERSION,
            deployment: self.config.deployment,
            author,
            epoch: self.config.epoch,
            app: self.config.app.clone(),
            credit: self.config.credit,
            challenge: self.handshake.challenge().filter(|_| !second),
            late_scopes: self.names_scopes_late(),
            scopes: said,
            extension: Vec::new(),
        });
        if !second && let Ok(bytes) = hello.encode() {
            self.handshake.said(&bytes);
        }
        self.send(&hello);
        if self.config.introduce && !second {
            self.send_certificates(&self.config.certificates.clone());
            self.introduced.insert(author);
        }
    }

    pub(super) fn send_vector(&mut self, scope: &Scope) {
        let Some(state) = self.scopes.get_mut(scope) else { return };
        if std::mem::replace(&mut state.vector_sent, true) {
            return;
        }
        let (vector, pending) = (state.vector.to_vector(), state.pending.clone());
        self.send(&Frame::Vector(VectorFrame { scope: scope.clone(), vector, pending }));
    }

    pub(super) fn send_certificates(&mut self, certificates: &[Certificate]) {
        for some in certificates.chunks(MAX_CERTIFICATES) {
            self.send(&Frame::Certificates(some.to_vec()));
        }
    }

    pub(super) fn send_receipts(&mut self, receipts: Vec<Receipt>) {
        let mut receipts = receipts.into_iter().peekable();
        while receipts.peek().is_some() {
            let some: Vec<Receipt> = receipts.by_ref().take(MAX_RECEIPTS).collect();
            self.send(&Frame::Receipts(some));
        }
    }

    /// Plans what to send of a scope to a peer whose vector is known or believed.
    pub(super) fn plan_scope(&mut self, scope: &Scope) -> bool {
        let Some(state) = self.scopes.get(scope) else { return false };
        let nothing = Held::default();
        let peer = state.peer.as_ref().unwrap_or(&nothing);
        let plan = plan::plan(&state.vector, peer, &self.config.office);
        let serves = state.access == Access::Full && !state.refused;
        let heads: BTreeMap<Segment, Entry> = state.vector.entries().map(|head| (head.segment, head)).collect();
        let peer_heads: BTreeSet<(u64, ChainHash)> = peer.entries().map(|head| (head.seq, head.chain)).collect();
        let pending: BTreeMap<Segment, u64> =
            state.peer_pending.iter().map(|entry| (entry.segment, entry.seq)).collect();

        if serves {
            let new: Vec<AuthorId> =
                plan.introduce.iter().copied().filter(|author| self.introduced.insert(*author)).collect();
            for some in new.chunks(MAX_CERTIFICATES) {
                self.work.ask(Question::Certificates(some.to_vec()));
            }
            for mut range in plan.send {
                let Some(head) = heads.get(&range.segment) else { continue };
                let held = pending.get(&range.segment).copied().unwrap_or(0);
                range.after = range.after.max(held.min(range.through.saturating_sub(1)));
                self.add_log(scope, range, head.chain, false);
            }
        }
        for author in plan.parted {
            self.note_fork(scope, author);
            if self.config.carrier != Carrier::File {
                self.need_fork_point(scope, author);
                continue;
            }
            for head in heads.values().filter(|head| head.segment.author == author) {
                if !peer_heads.contains(&(head.seq, head.chain)) {
                    let range = LogRange { segment: head.segment, after: 0, through: head.seq };
                    self.add_log(scope, range, head.chain, false);
                }
            }
        }
        plan.lacking
    }

    /// Queues a log for the peer, unless the peer said that it takes no more of the author.
    pub(super) fn add_log(&mut self, scope: &Scope, range: LogRange, chain: ChainHash, firm: bool) {
        let declined = self.declined.contains(&(scope.clone(), range.segment.author));
        if !declined && range.through > range.after {
            self.work.logs.add(LogTask { scope: scope.clone(), range, chain, firm });
        }
    }

    /// Sends what can be sent now and asks the host the next question, one at a time.
    pub(super) fn do_work(&mut self) {
        while let Some(frame) = self.work.control.pop_front() {
            self.send(&frame);
        }
        if self.work.asked.is_some() {
            return;
        }
        if let Some(question) = self.work.questions.pop_front() {
            let token = self.token();
            self.effects.push_back(match &question {
                Question::Positions { scope, author } => {
                    Effect::ReadPositions { token, scope: scope.clone(), author: *author }
                }
                Question::Receipts(wants) => Effect::ReadReceipts { token, wants: wants.clone() },
                Question::Certificates(authors) => Effect::ReadCertificates { token, authors: authors.clone() },
            });
            self.work.asked = Some((token, Asked::Question(question)));
            return;
        }
        // A fork that is being stored may rename the segment of the next log.
        if self.inbox.is_storing() {
            return;
        }
        self.starved = false;
        let Some(task) = self.work.logs.first() else { return };
        if self.credit == 0 {
            self.starved = true;
            return;
        }
        let (scope, range, chain) = (task.scope.clone(), task.range, task.chain);
        let token = self.token();
        self.work.asked = Some((token, Asked::Log { scope: scope.clone(), segment: range.segment }));
        self.effects.push_back(Effect::Read(ReadRequest {
            token,
            scope,
            segment: range.segment,
            through: (range.through, chain),
            after: range.after,
            limit_bytes: self.credit.min(self.config.read_chunk),
        }));
    }

    /// Sends the batches that were read, and notes how far the log has gone.
    pub(super) fn send_batches(
        &mut self,
        scope: &Scope,
        segment: Segment,
        batches: Vec<OutgoingBatch>,
        exhausted: bool,
    ) {
        let Some(mut task) = self.work.logs.take(scope, segment) else { return };
        let author = segment.author;
        let mut stuck = batches.is_empty();
        let mut cut = false;
        for OutgoingBatch { through, packed, seals } in batches {
            if self.credit == 0 {
                cut = true;
                break;
            }
            if !self.send(&Frame::Batch(BatchFrame { scope: scope.clone(), author, seals, packed })) {
                stuck = true;
                break;
            }
            task.range.after = task.range.after.max(through);
        }
        let complete = task.range.after >= task.range.through;
        if complete && let Some(state) = self.scopes.get_mut(scope) {
            state.peer_holds(Entry { segment, seq: task.range.through, chain: task.chain });
        }
        if !complete && !stuck && (cut || !exhausted) {
            self.work.logs.put_back(task);
        }
    }

    /// Tells whether nothing is left to say, or nothing more can be said for want of credit.
    pub(super) fn is_quiet(&self) -> bool {
        let work = &self.work;
        let small = work.control.is_empty() && work.questions.is_empty() && work.asked.is_none();
        small && (work.logs.is_empty() || self.starved) && self.inbox.is_idle() && !self.handshake.is_waiting()
    }

    pub(super) fn take_asked(&mut self, token: Token) -> Result<Asked, SessionError> {
        let asked = self.work.asked.take_if(|(open, _)| *open == token);
        asked.map(|(_, asked)| asked).ok_or(SessionError::NotAsked(token))
    }

    pub(super) fn put_back(&mut self, token: Token, asked: Asked) -> Result<(), SessionError> {
        self.work.asked = Some((token, asked));
        Err(SessionError::NotAsked(token))
    }
}
