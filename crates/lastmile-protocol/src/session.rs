//! One exchange with one peer: bytes in, effects out.
//!
//! A session never waits, reads a clock or draws a random number. The host feeds it bytes, takes its effects in order and
//! answers those that are questions. [`Host`](crate::Host) and [`pump`](crate::pump) do the calling for hosts that answer at
//! once.

mod carrier;
mod config;
mod effect;
mod fork;
mod handshake;
mod held;
mod incoming;
mod logs;
mod outgoing;
mod state;
mod storing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lastmile_log::{Certificate, Receipt};
use lastmile_model::{AuthorId, Scope};

pub use config::{Access, Admission, Carrier, LocalScope, PeerCheck, Role, SessionConfig};
pub use effect::{
    BatchOutcome, Effect, IncomingBatch, Notice, Outcome, OutgoingBatch, ReadRequest, ReceiptWant, StoreRequest,
    Stored, Token, Traffic,
};
pub use held::Held;

use crate::code::Code;
use crate::frame::{End, Frame, FrameReader, Hello};
use crate::limits;
use crate::positions::SegmentPositions;
use handshake::Handshake;
use state::{Asked, Fork, Phase, Question, ScopeState, Wanted, Work};
use storing::Inbox;

/// The most room for effects that a session without any keeps.
const IDLE_EFFECTS: usize = 2;

/// Says why a session cannot go on, or that an answer does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer broke the protocol; the session has ended and told it why.
    #[error("the peer's bytes were refused: {code}: {what}")]
    Refused {
        /// What the peer was told.
        code: Code,
        /// What was wrong and where.
        what: String,
    },
    /// Bytes came after the session had ended.
    #[error("the session is over")]
    Over,
    /// An answer came to a question that is not open.
    #[error("no question {0:?} is open; answer each question once, with its own kind of answer")]
    NotAsked(Token),
    /// The answer to a store request has not one outcome per batch.
    #[error("{expected} batches were to be stored, but the answer speaks of {found}")]
    OutcomeCount {
        /// How many batches the request had.
        expected: usize,
        /// How many outcomes came.
        found: usize,
    },
}

/// One exchange with one peer.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    effects: VecDeque<Effect>,
    next_token: u64,
    /// Boxed, because a node of the map has room for eleven.
    scopes: BTreeMap<Scope, Box<ScopeState>>,
    /// The peer's last hello.
    peer: Option<Hello>,
    handshake: Handshake,

    input: FrameReader,
    input_ended: bool,
    control_frames: u64,
    inbox: Inbox,
    peer_end: Option<End>,
    /// Frames handled and frames sent, ends and credits not counted.
    handled: u64,
    sent_frames: u64,

    work: Work,
    /// Bytes of batches that may still be sent.
    credit: u64,
    /// Whether something was left unsent for want of credit.
    starved: bool,
    /// Whether the peer was asked for something that another round can bring.
    asked_peer: bool,
    /// What the last end frame acknowledged and how many frames had gone before it.
    last_end: Option<(u64, u64)>,
    introduced: BTreeSet<AuthorId>,
    declined: BTreeSet<(Scope, AuthorId)>,
    forks: BTreeMap<(Scope, AuthorId), Fork>,
    wanted: BTreeMap<(Scope, AuthorId), Wanted>,
    /// What the peer asked for again, so that it is not served without end.
    served: BTreeMap<(Scope, AuthorId), Wanted>,
    /// Logs whose parting the host was told of.
    forked: BTreeSet<(Scope, AuthorId)>,
    /// What host and peer were told is not taken, so that they hear it once.
    not_taken: BTreeSet<(Scope, Option<AuthorId>, Code)>,

    outcome: Outcome,
    /// Requests in a row that brought nothing new, and whether the present one did.
    fruitless: u32,
    news: bool,
    /// How many store requests the host has answered.
    answers: u64,
    /// Frames handled and sent when a stream last had nothing more to say.
    done_at: Option<(u64, u64)>,
}

impl Session {
    /// Begins a session over the scopes that the peer may have a part in.
    ///
    /// Sessions of a relay are given the scopes that the speaker's certificate and grants allow, and no others. A session
    /// takes the first 256 scopes and says which it leaves out; these need a session of their own.
    #[must_use]
    pub fn new(mut config: SessionConfig, local: Vec<LocalScope>) -> Self {
        config.app.truncate(config.app.floor_char_boundary(limits::MAX_APP));
        let handshake = Handshake::new(&config);
        let limit = if handshake.is_complete() { limits::MAX_FRAME } else { limits::MAX_FRAME_UNAUTHENTICATED };
        let mut session = Self {
            phase: Phase::Receiving,
            effects: VecDeque::new(),
            next_token: 1,
            scopes: BTreeMap::new(),
            peer: None,
            input: FrameReader::new(limit),
            input_ended: false,
            control_frames: 0,
            inbox: Inbox::new(&config),
            peer_end: None,
            handled: 0,
            sent_frames: 0,
            work: Work::default(),
            credit: 0,
            starved: false,
            asked_peer: false,
            last_end: None,
            introduced: BTreeSet::new(),
            declined: BTreeSet::new(),
            forks: BTreeMap::new(),
            wanted: BTreeMap::new(),
            served: BTreeMap::new(),
            forked: BTreeSet::new(),
            not_taken: BTreeSet::new(),
            outcome: Outcome::default(),
            fruitless: 0,
            news: false,
            answers: 0,
            done_at: None,
            handshake,
            config,
        };
        session.set_scopes(local);
        session.start();
        session.advance();
        session
    }

    /// Takes the scopes of the session, each once and no more than one hello names.
    fn set_scopes(&mut self, mut local: Vec<LocalScope>) {
        local.sort_by(|a, b| a.scope.cmp(&b.scope));
        local.dedup_by(|a, b| a.scope == b.scope);
        let left_out = local.split_off(local.len().min(limits::MAX_SCOPES));
        self.scopes = local.into_iter().map(ScopeState::new).collect();
        for LocalScope { scope, .. } in left_out {
            self.notice(Notice::NotTaken { scope, author: None, code: Code::OverLimit });
        }
    }

    /// Takes bytes from the peer and tells how many were taken.
    ///
    /// Fewer than given are taken while the host has open questions to answer: answer them, then give the rest again.
    ///
    /// # Errors
    /// [`SessionError::Refused`] when the peer breaks the protocol; the remaining effects tell it why and end the session.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, SessionError> {
        if self.phase == Phase::Over {
            return Err(SessionError::Over);
        }
        let mut taken = 0;
        loop {
            let more = self.input.push(bytes.get(taken..).unwrap_or_default());
            taken += more;
            let handled = self.handle_frames()?;
            if more == 0 && handled == 0 {
                break;
            }
        }
        self.flush_inbox();
        self.advance();
        Ok(taken)
    }

    /// Tells that no more bytes will come: the end of a response, a request, a file or a connection.
    pub fn end_of_input(&mut self) {
        self.input_ended = true;
        self.flush_inbox();
        self.advance();
    }

    /// Returns the next thing for the host to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front();
        if effect.is_none() && self.effects.capacity() > IDLE_EFFECTS {
            self.effects = VecDeque::new();
        }
        effect
    }

    /// Tells whether the session is over; a stream's session only ends with the connection or an error.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Answers a [`StoreRequest`], when everything that its outcomes claim is durable.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] and [`SessionError::OutcomeCount`] when the answer does not fit the request.
    pub fn stored(&mut self, token: Token, answer: Stored) -> Result<(), SessionError> {
        self.take_stored(token, answer)?;
        self.after_answer()
    }

    /// Answers a [`ReadRequest`]: batches in order; `exhausted` when the path holds nothing beyond them.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn batches(&mut self, token: Token, batches: Vec<OutgoingBatch>, exhausted: bool) -> Result<(), SessionError> {
        match self.take_asked(token)? {
            Asked::Log { scope, segment } => self.send_batches(&scope, segment, batches, exhausted),
            other => return self.put_back(token, other),
        }
        self.after_answer()
    }

    /// Answers [`Effect::ReadPositions`] with the paths of all segments of the author.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn positions(&mut self, token: Token, paths: Vec<SegmentPositions>) -> Result<(), SessionError> {
        match self.take_asked(token)? {
            Asked::Question(Question::Positions { scope, author }) => self.own_positions(scope, author, paths),
            other => return self.put_back(token, other),
        }
        self.after_answer()
    }

    /// Answers [`Effect::ReadCertificates`], issuers before those whom they certify.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn certificates(&mut self, token: Token, certificates: Vec<Certificate>) -> Result<(), SessionError> {
        match self.take_asked(token)? {
            Asked::Question(Question::Certificates(_)) => self.send_certificates(&certificates),
            other => return self.put_back(token, other),
        }
        self.after_answer()
    }

    /// Answers [`Effect::ReadReceipts`]; what is not there to give is left out.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn receipts(&mut self, token: Token, receipts: Vec<Receipt>) -> Result<(), SessionError> {
        match self.take_asked(token)? {
            Asked::Question(Question::Receipts(_)) => self.send_receipts(receipts),
            other => return self.put_back(token, other),
        }
        self.after_answer()
    }

    /// Answers [`Effect::Sign`].
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn signed(&mut self, token: Token, time_ms: i64, signature: [u8; 64]) -> Result<(), SessionError> {
        self.take_signature(token, time_ms, signature)?;
        self.after_answer()
    }

    /// Answers [`Effect::Authorise`]: the scopes that the peer may have a part in, or why it is refused.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn authorised(&mut self, token: Token, answer: Result<Vec<(Scope, Access)>, Code>) -> Result<(), SessionError> {
        self.take_authorisation(token, answer)?;
        self.after_answer()
    }

    /// Answers [`Effect::Authorise`] in a session that names its scopes late.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn admitted(&mut self, token: Token, admission: Admission) -> Result<(), SessionError> {
        self.admit_to(token, admission)?;
        self.after_answer()
    }

    /// Answers [`Effect::Authorise`] by turning the peer away, with the arguments that belong to the code.
    ///
    /// # Errors
    /// [`SessionError::NotAsked`] when the question is not open.
    pub fn turned_away(&mut self, token: Token, code: Code, arguments: Vec<String>) -> Result<(), SessionError> {
        self.refuse(token, code, arguments)?;
        self.after_answer()
    }

    /// Tells that a scope has grown by the host's own doing; on a stream the peer is sent what is new.
    pub fn offer(&mut self, scope: &Scope, vector: impl Into<Held>) {
        let vector = vector.into();
        let Some(state) = self.scopes.get_mut(scope) else { return };
        self.work.rename(scope, &vector);
        state.vector = vector;
        if self.phase == Phase::Live && self.handshake.is_complete() && state.is_shared() && state.peer.is_some() {
            self.plan_scope(scope);
            self.advance();
        }
    }

    /// Changes what the peer may do in a scope from now on.
    pub fn set_access(&mut self, scope: &Scope, access: Access) {
        let Some(state) = self.scopes.get_mut(scope).filter(|state| state.access != access) else { return };
        state.access = access;
        if access == Access::UploadOnly {
            self.work.logs.drop_of(scope, None);
            self.say_error(Code::UploadOnly, vec![scope.to_string()]);
            self.advance();
        }
    }

    /// Lets the peer say so many more frames than the limit of a session. A stream may stay for days: its host calls this now and
    /// then, so that the limit bounds how fast frames come and not how many.
    pub const fn forgive(&mut self, frames: u64) {
        self.control_frames = self.control_frames.saturating_sub(frames);
    }

    /// The scopes that the peer's last hello named.
    pub fn peer_scopes(&self) -> impl Iterator<Item = &Scope> {
        self.peer.iter().flat_map(|hello| hello.scopes.iter().map(|named| &named.scope))
    }

    /// Tells whether the peer's bytes so far end in the middle of a frame.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.input.is_partial()
    }

    /// Takes a grant away in the midst of an exchange: nothing more of the scope is served or taken.
    pub fn close_scope(&mut self, scope: &Scope) {
        if self.scopes.remove(scope).is_some() {
            self.work.logs.drop_of(scope, None);
            self.inbox.drop_scope(scope);
            self.say_error(Code::ScopeRefused, vec![scope.to_string()]);
            self.advance();
        }
    }

    /// Changes how many bytes of batches the requests after the present one bring at most.
    pub const fn limit_uploads(&mut self, bytes: u64) {
        self.config.upload_limit = bytes;
    }

    /// Ends the session because the host cannot go on, and tells the peer.
    pub fn abort(&mut self, code: Code, retry_after_ms: u64) {
        self.end_with_error(code, Vec::new(), retry_after_ms);
    }

    /// Goes on after an answer: frames may have waited for it.
    fn after_answer(&mut self) -> Result<(), SessionError> {
        self.handle_frames()?;
        self.flush_inbox();
        self.advance();
        Ok(())
    }

    fn token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    fn notice(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Notice(notice));
    }

    /// Ends the session for good.
    fn finish(&mut self) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.effects.push_back(Effect::Done(self.outcome.clone()));
        }
    }

    /// Ends the session with an error of this side's finding.
    fn end_with_error(&mut self, code: Code, arguments: Vec<String>, retry_after_ms: u64) {
        if self.phase == Phase::Over {
            return;
        }
        let heard = match self.config.carrier {
            Carrier::Stream => true,
            Carrier::OneShot => self.config.role == Role::Responder,
            Carrier::File => false,
        };
        if heard {
            self.send(&Frame::Error(crate::frame::ErrorFrame { code, arguments, retry_after_ms }));
            self.send(&Frame::End(End { equal: false, more: true, handled: self.handled }));
        }
        self.outcome.error = Some(code);
        self.outcome.more = true;
        self.finish();
    }
}
