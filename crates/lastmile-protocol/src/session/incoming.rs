//! What the peer says.

use lastmile_log::{Entry, Receipt, Vector};
use lastmile_model::{AuthorId, Scope};

use super::config::{Access, Carrier, Role};
use super::effect::{Effect, Notice};
use super::held::Held;
use super::state::{Phase, Question, ScopeState};
use super::{Session, SessionError};
use crate::code::Code;
use crate::frame::{BadFrame, End, ErrorFrame, Frame, Hello, RawFrame, VectorFrame, Want};
use crate::limits::{MAX_CONTROL_FRAMES, MAX_FRAMES_UNAUTHENTICATED, MAX_SERVED, MAX_VECTORS, MAX_WANTS};
use crate::plan::{LogRange, of_author};

/// Why a frame ends the session: the code and what is told with it.
struct Violation {
    code: Code,
    arguments: Vec<String>,
    what: String,
}

impl Violation {
    fn new(code: Code, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { code, arguments: vec![what.clone()], what }
    }
}

impl From<BadFrame> for Violation {
    fn from(bad: BadFrame) -> Self {
        let (code, arguments) = bad.told();
        let what = bad.to_string();
        Self { code, arguments, what }
    }
}

impl Session {
    /// Handles every whole frame that may be handled now, and tells how many there were.
    pub(super) fn handle_frames(&mut self) -> Result<u64, SessionError> {
        let mut handled = 0;
        while self.phase != Phase::Over && !self.handshake.is_waiting() && !self.inbox.is_full() {
            let result = match self.input.next_frame() {
                Ok(None) => break,
                Ok(Some(raw)) => self.on_raw(&raw),
                Err(bad) => Err(bad.into()),
            };
            if let Err(Violation { code, arguments, what }) = result {
                // What came whole before it is kept.
                self.flush_inbox();
                self.end_with_error(code, arguments, 0);
                return Err(SessionError::Refused { code, what });
            }
            handled += 1;
            if self.inbox.is_chunk() {
                self.flush_inbox();
            }
        }
        Ok(handled)
    }

    fn on_raw(&mut self, raw: &RawFrame) -> Result<(), Violation> {
        self.outcome.received.bytes += raw.wire().len() as u64;
        let frame = Frame::open(raw, self.input.limit())?;
        if !matches!(frame, Some(Frame::Batch(_))) {
            self.control_frames += 1;
            let complete = self.handshake.is_complete();
            let limit = if complete { MAX_CONTROL_FRAMES } else { MAX_FRAMES_UNAUTHENTICATED };
            if self.control_frames > limit {
                return Err(Violation::new(Code::OverLimit, format!("more than {limit} frames")));
            }
        }
        let Some(frame) = frame else { return Ok(()) };
        self.check_order(&frame)?;
        if !matches!(frame, Frame::End(_) | Frame::Credit(_)) {
            self.handled += 1;
        }
        match frame {
            Frame::Hello(hello) => self.on_hello(hello, raw)?,
            Frame::Vector(vector) => self.on_vector(vector)?,
            Frame::Batch(batch) => {
                self.check_batch_scope(&batch.scope)?;
                if !self.inbox.add(batch, raw.wire().len() as u64) {
                    return Err(Violation::new(Code::OverCredit, "more batches than were granted"));
                }
                self.outcome.received.batches += 1;
            }
            Frame::Receipts(receipts) => self.on_receipts(receipts),
            Frame::Certificates(certificates) => self.inbox.add_certificates(certificates),
            Frame::Seals(seals) => self.on_positions(seals),
            Frame::Want(want) => self.on_want(&want),
            Frame::Credit(bytes) => self.credit = self.credit.saturating_add(bytes),
            Frame::Error(error) => self.on_error(error),
            Frame::End(end) => self.peer_end = Some(end),
            Frame::Auth(auth) => self.on_auth(auth),
            // Refused before: these have endpoints of their own.
            Frame::Enrol(_)
            | Frame::Enrolled(_)
            | Frame::Files(_)
            | Frame::Held(_)
            | Frame::Piece(_)
            | Frame::Fetch(_) => {}
        }
        Ok(())
    }

    /// Refuses a frame that has no place here.
    fn check_order(&mut self, frame: &Frame) -> Result<(), Violation> {
        let out_of_order = || Violation::new(Code::OutOfOrder, frame.name());
        let elsewhere = matches!(
            frame,
            Frame::Enrol(_) | Frame::Enrolled(_) | Frame::Files(_) | Frame::Held(_) | Frame::Piece(_) | Frame::Fetch(_)
        );
        if elsewhere {
            return Err(out_of_order());
        }
        let ended = self.peer_end.is_some();
        if self.config.carrier == Carrier::Stream {
            if ended && !matches!(frame, Frame::End(_) | Frame::Credit(_)) {
                self.peer_end = None;
            }
        } else if ended && !matches!(frame, Frame::Auth(_)) {
            return Err(out_of_order());
        }
        let answer = self.config.carrier == Carrier::OneShot && self.config.role == Role::Initiator;
        let allowed = match frame {
            Frame::Hello(_) => self.handshake.takes_hello(),
            Frame::Error(_) | Frame::End(_) => true,
            Frame::Receipts(_) if answer => true,
            Frame::Certificates(_) => self.handshake.met || answer,
            Frame::Auth(_) => self.handshake.met,
            _ => self.handshake.met && self.handshake.is_complete(),
        };
        if allowed { Ok(()) } else { Err(out_of_order()) }
    }

    /// Takes the hello in which a peer that is made sure of names its scopes.
    fn on_second_hello(&mut self, hello: Hello) -> Result<(), Violation> {
        let same = self.peer.as_ref().is_some_and(|first| {
            first.author == hello.author && first.deployment == hello.deployment && first.epoch == hello.epoch
        });
        if !same || hello.challenge.is_some() {
            return Err(Violation::new(Code::OutOfOrder, "the second hello speaks for another"));
        }
        self.handshake.take_scopes();
        self.credit = hello.credit;
        self.peer = Some(Hello { extension: Vec::new(), ..hello });
        self.start_exchange();
        Ok(())
    }

    fn on_hello(&mut self, hello: Hello, raw: &RawFrame) -> Result<(), Violation> {
        if self.handshake.takes_scopes() {
            return self.on_second_hello(hello);
        }
        if hello.deployment != self.config.deployment {
            return Err(Violation {
                code: Code::WrongDeployment,
                arguments: Vec::new(),
                what: "the peer belongs to another deployment".to_owned(),
            });
        }
        self.notice(Notice::Met { author: hello.author, epoch: hello.epoch, app: hello.app.clone() });
        if let (Some(theirs), Some(ours)) = (hello.epoch, self.config.epoch)
            && theirs != ours
        {
            self.notice(Notice::OtherEpoch(theirs));
        }
        self.handshake.meet(raw.wire(), hello.late_scopes);
        if !self.begin_handshake(&hello) {
            return Err(Violation::new(
                Code::BadSignature,
                "one side wants signatures on this stream, the other does not",
            ));
        }
        if self.config.carrier == Carrier::Stream {
            self.credit = hello.credit;
        }
        self.peer = Some(hello);
        self.start_exchange();
        Ok(())
    }

    /// Notes what the hello says of each scope.
    pub(super) fn match_scopes(&mut self, hello: &Hello) {
        let mut notices = Vec::new();
        for theirs in &hello.scopes {
            let Some(state) = self.scopes.get_mut(&theirs.scope) else {
                if self.config.carrier != Carrier::File {
                    self.say_error(Code::ScopeRefused, vec![theirs.scope.to_string()]);
                }
                continue;
            };
            state.peer_digest = Some(theirs.digest);
            state.known = false;
            state.prove_belief();
            if state.said.digest() == theirs.digest {
                (state.peer, state.known) = (Some(state.said.clone()), true);
            }
            let upload_only = state.access == Access::UploadOnly && self.config.carrier != Carrier::File;
            if let Some(entry) = state.head_of(hello.author) {
                let own = theirs.own;
                if entry.seq > own.seq || (entry.seq == own.seq && entry.chain != own.chain) {
                    notices.push(Notice::PeerBehindItself { scope: theirs.scope.clone(), entry });
                }
                let gives = self.config.issues_receipts || self.config.carrier == Carrier::Stream;
                if gives && entry.seq > own.receipted {
                    self.work.want_receipts(&theirs.scope, hello.author, own.receipted);
                }
            }
            if upload_only {
                self.say_error(Code::UploadOnly, vec![theirs.scope.to_string()]);
            }
        }
        for notice in notices {
            self.notice(notice);
        }
    }

    /// Refuses batches of scopes that the hello did not name; those of scopes not shared are dropped on storing.
    fn check_batch_scope(&self, scope: &Scope) -> Result<(), Violation> {
        let named = self.peer.iter().any(|hello| hello.scopes.iter().any(|theirs| theirs.scope == *scope));
        if named {
            Ok(())
        } else {
            Err(Violation::new(Code::OutOfOrder, "a batch of a scope that the hello does not name"))
        }
    }

    fn on_vector(&mut self, frame: VectorFrame) -> Result<(), Violation> {
        let VectorFrame { scope, vector, pending } = frame;
        let Some(state) = self.scopes.get_mut(&scope).filter(|state| state.is_shared()) else { return Ok(()) };
        state.vectors += 1;
        if state.vectors > MAX_VECTORS {
            return Err(Violation::new(Code::OverLimit, format!("more than {MAX_VECTORS} vectors of a scope")));
        }
        if !state.known || state.peer.as_deref() != Some(&vector) {
            self.news = true;
        }
        let own = state.head_of(self.config.author);
        let ahead = vector
            .entries()
            .filter(|theirs| theirs.segment.author == self.config.author)
            .find(|theirs| is_beyond(theirs, own.as_ref(), &state.vector));
        let held = Held::from(vector.clone());
        (state.peer, state.known, state.peer_pending) = (Some(held.clone()), true, pending);
        state.claimed = Some(held);
        // Anybody can write a vector into a file; there only a batch under the own seal counts as a sign.
        if let Some(entry) = ahead.filter(|_| self.config.carrier != Carrier::File) {
            self.notice(Notice::OwnLogAhead { scope: scope.clone(), entry });
        }
        self.effects.push_back(Effect::PeerVector { scope: scope.clone(), vector });
        if self.phase == Phase::Live {
            self.plan_scope(&scope);
        }
        Ok(())
    }

    fn on_receipts(&mut self, receipts: Vec<Receipt>) {
        for receipt in receipts.iter().filter(|receipt| receipt.author == self.config.author) {
            if let Some(state) = self.scopes.get_mut(&receipt.scope)
                && receipt.seq > state.receipted
            {
                state.receipted = receipt.seq;
                self.news = true;
            }
        }
        self.effects.push_back(Effect::KeepReceipts(receipts));
    }

    fn on_want(&mut self, want: &Want) {
        let author = want.segment.author;
        let serves = |state: &&mut Box<ScopeState>| state.access == Access::Full && state.is_shared();
        let Some(state) = self.scopes.get_mut(&want.scope).filter(serves) else { return };
        let place = (want.scope.clone(), author);
        if self.served.len() >= MAX_SERVED && !self.served.contains_key(&place) {
            return;
        }
        let served = self.served.entry(place).or_default();
        if served.count >= MAX_WANTS || (served.count > 1 && served.have == want.after) {
            self.declined.insert((want.scope.clone(), author));
            return;
        }
        (served.have, served.count) = (want.after, served.count + 1);
        self.news = true;
        state.distrust(author);
        let mut entries = of_author(&state.vector, author);
        if entries.iter().any(|entry| entry.segment == want.segment) {
            entries.retain(|entry| entry.segment == want.segment);
        }
        for entry in entries {
            let range = LogRange { segment: entry.segment, after: want.after, through: entry.seq };
            self.add_log(&want.scope, range, entry.chain, true);
        }
    }

    fn on_error(&mut self, error: ErrorFrame) {
        let ErrorFrame { code, retry_after_ms, .. } = error;
        let named = scope_and_author(&error);
        self.notice(Notice::PeerError(error));
        self.outcome.retry_after_ms = self.outcome.retry_after_ms.max(retry_after_ms);
        if code.is_fatal() {
            self.outcome.error = Some(code);
            self.outcome.more = true;
            let more_follows = self.config.carrier == Carrier::OneShot && self.config.role == Role::Initiator;
            if !more_follows {
                self.finish();
            }
            return;
        }
        let Some((scope, author)) = named else { return };
        match (code, author) {
            (Code::ScopeRefused, _) => {
                if let Some(state) = self.scopes.get_mut(&scope) {
                    state.refused = true;
                }
                self.work.logs.drop_of(&scope, None);
            }
            (Code::UploadOnly, _) | (_, None) => {}
            (Code::AuthorUnknown, Some(author)) if self.introduced.insert(author) => {
                self.introduce_again(&scope, author)
            }
            (_, Some(author)) => {
                self.work.logs.drop_of(&scope, Some(author));
                self.declined.insert((scope, author));
            }
        }
    }

    /// Sends an author's certificates, then its log from where the peer says it stands.
    fn introduce_again(&mut self, scope: &Scope, author: AuthorId) {
        let serves = |state: &&mut Box<ScopeState>| state.access == Access::Full && state.is_shared();
        let Some(state) = self.scopes.get_mut(scope).filter(serves) else { return };
        if of_author(&state.vector, author).is_empty() {
            return;
        }
        self.news = true;
        self.work.ask(Question::Certificates(vec![author]));
        state.distrust(author);
        let theirs = state.claimed.as_ref().map(|claimed| of_author(claimed, author)).unwrap_or_default();
        let after = theirs.iter().map(|entry| entry.seq).min().unwrap_or(0);
        for entry in of_author(&state.vector, author) {
            let range = LogRange { segment: entry.segment, after, through: entry.seq };
            self.add_log(scope, range, entry.chain, true);
        }
    }

    /// Tells whether the vector of a scope goes into a request. The first request of an exchange is likely settled by the digests:
    /// the peer knows vectors that it has met, and what is uploaded on top.
    pub(super) fn vector_is_worth_it(&self, scope: &Scope) -> bool {
        self.outcome.rounds > 1 || self.scopes.get(scope).is_some_and(|state| state.peer.is_none())
    }

    pub(super) fn end_now(&self, equal: bool, more: bool) -> Frame {
        Frame::End(End { equal, more, handled: self.handled })
    }
}

/// Tells whether the peer's entry shows commits of an own log that are not held here.
fn is_beyond(theirs: &Entry, own: Option<&Entry>, held: &Vector) -> bool {
    let known = held.entries().any(|entry| entry.seq == theirs.seq && entry.chain == theirs.chain);
    !known && own.is_none_or(|own| theirs.seq >= own.seq)
}

/// Reads the arguments that every error about a scope or an author begins with.
fn scope_and_author(error: &ErrorFrame) -> Option<(Scope, Option<AuthorId>)> {
    let scope = error.arguments.first()?.parse().ok()?;
    let author = error.arguments.get(1).and_then(|text| text.parse().ok());
    Some((scope, author))
}
