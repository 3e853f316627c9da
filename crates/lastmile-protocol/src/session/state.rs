//! What a session remembers about scopes, forks and work to do.

use std::collections::{BTreeSet, VecDeque};

use lastmile_log::{Entry, Segment, Vector};
use lastmile_model::{AuthorId, Scope};

use super::config::{Access, LocalScope};
use super::effect::{ReceiptWant, Token};
use super::held::Held;
use super::logs::Logs;
use crate::code::Code;
use crate::frame::Frame;
use crate::plan::of_author;
use crate::positions::{Position, SegmentPositions};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// One's own half is being said.
    Sending,
    /// The other's half is awaited.
    Receiving,
    /// Both at once, on a stream.
    Live,
    /// Over.
    Over,
}

/// One scope of the session.
#[derive(Debug, Clone)]
pub(super) struct ScopeState {
    /// What is held here now.
    pub vector: Held,
    /// What is held here without a seal.
    pub pending: Vec<Entry>,
    /// How far the own log is receipted.
    pub receipted: u64,
    /// What the peer may do.
    pub access: Access,
    /// What was held here when the last hello was said.
    pub said: Held,
    /// What the peer holds, as far as known or believed; moved on by what goes across.
    pub peer: Option<Held>,
    /// What the peer has said since its hello that it holds.
    pub claimed: Option<Held>,
    /// Whether `peer` was said by the peer since its hello or proven by its digest, rather than believed.
    pub known: bool,
    /// What the peer holds without a seal.
    pub peer_pending: Vec<Entry>,
    /// The digest of the peer's last hello.
    pub peer_digest: Option<[u8; 32]>,
    /// Whether the own vector was said since the last hello.
    pub vector_sent: bool,
    /// Whether both sides were seen to be equal, so that the scope needs no more rounds.
    pub settled: bool,
    /// Whether the peer refused the scope.
    pub refused: bool,
    /// Whether the host withholds the scope from this peer.
    pub withheld: bool,
    /// How many vectors the peer has said.
    pub vectors: u32,
    /// The digest of what the host was last told that the peer holds, on a stream.
    pub told: Option<[u8; 32]>,
}

impl ScopeState {
    pub(super) fn new(local: LocalScope) -> (Scope, Box<Self>) {
        let state = Self {
            said: local.vector.clone(),
            vector: local.vector,
            pending: local.pending,
            receipted: local.receipted,
            access: local.access,
            peer: local.peer_has.map(Held::from),
            claimed: None,
            known: false,
            peer_pending: Vec::new(),
            peer_digest: None,
            vector_sent: false,
            settled: false,
            refused: false,
            withheld: false,
            vectors: 0,
            told: None,
        };
        (local.scope, Box::new(state))
    }

    /// Tells whether the scope takes part in the exchange with this peer.
    pub(super) const fn is_shared(&self) -> bool {
        self.peer_digest.is_some() && !self.refused
    }

    /// Tells whether both sides hold the same, as far as this one can know.
    pub(super) fn looks_equal(&self) -> bool {
        let digest = self.vector.digest();
        self.peer_digest == Some(digest) || self.peer.as_ref().is_some_and(|peer| peer.digest() == digest)
    }

    /// Takes what the peer is believed to hold as known if it has the digest that the peer's hello said.
    pub(super) fn prove_belief(&mut self) {
        self.known |= self.peer.as_ref().is_some_and(|peer| self.peer_digest == Some(peer.digest()));
    }

    /// Returns the head of the author's own log here.
    pub(super) fn head_of(&self, author: AuthorId) -> Option<Entry> {
        self.vector.entries().filter(|entry| entry.segment.author == author).max_by_key(|entry| entry.seq)
    }

    /// Goes back to what the peer said of an author: what was sent on top did not fit.
    pub(super) fn distrust(&mut self, author: AuthorId) {
        let (Some(peer), Some(claimed)) = (&self.peer, &self.claimed) else { return };
        let others = peer.entries().filter(|entry| entry.segment.author != author);
        self.peer = Some(others.chain(of_author(claimed, author)).collect::<Vector>().into());
    }

    /// Notes that the peer holds this head, having sent or received it.
    pub(super) fn peer_holds(&mut self, entry: Entry) {
        let Some(peer) = &mut self.peer else { return };
        if peer.get(&entry.segment).is_none_or(|(seq, _)| seq < entry.seq) {
            peer.set(entry);
        }
    }
}

/// A question to the host that comes before logs are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    Positions { scope: Scope, author: AuthorId },
    Receipts(Vec<ReceiptWant>),
    Certificates(Vec<AuthorId>),
}

/// What is outstanding with the host on the sending side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Question(Question),
    /// The first of the log tasks.
    Log {
        scope: Scope,
        segment: Segment,
    },
}

/// The work of the sending side.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Small frames that wait until sending is possible.
    pub control: VecDeque<Frame>,
    pub questions: VecDeque<Question>,
    pub logs: Logs,
    pub asked: Option<(Token, Asked)>,
}

impl Work {
    /// Tells whether there is work that is worth another request; telling what is not taken is none.
    pub(super) fn is_pressing(&self) -> bool {
        let says = |frame: &Frame| !matches!(frame, Frame::Error(error) if error.code != Code::AuthorUnknown);
        self.control.iter().any(says) || !self.questions.is_empty() || !self.logs.is_empty()
    }

    /// Follows segments that got another name, because a fork of their log is known now.
    pub(super) fn rename(&mut self, scope: &Scope, vector: &Vector) {
        for (old, new) in self.logs.rename(scope, vector) {
            if let Some((_, Asked::Log { scope: of, segment })) = &mut self.asked
                && of == scope
                && *segment == old
            {
                *segment = new;
            }
        }
    }

    /// Gives room back that is not needed while nothing is said.
    pub(super) fn let_go(&mut self) {
        self.control.shrink_to_fit();
        self.questions.shrink_to_fit();
        self.logs.let_go();
    }

    pub(super) fn ask(&mut self, question: Question) {
        let asked = matches!(&self.asked, Some((_, Asked::Question(same))) if *same == question);
        if !asked && !self.questions.contains(&question) {
            self.questions.push_back(question);
        }
    }
}

/// A log whose copies have parted.
#[derive(Debug, Default)]
pub(super) struct Fork {
    /// Whether this side cannot go on without the point.
    pub needed: bool,
    /// The positions held here, once read.
    pub own: Option<Vec<SegmentPositions>>,
    /// The positions of the peer.
    pub theirs: Option<BTreeSet<Position>>,
    /// Whether the own positions were sent.
    pub sent: bool,
    /// How often the peer sent other positions.
    pub changes: u32,
}

/// How often an author's log was asked for again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// From where, last.
    pub have: u64,
    /// How often.
    pub count: u32,
    /// After how many answers of the host, last.
    pub answers: u64,
}
