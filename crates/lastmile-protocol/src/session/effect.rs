//! What a session asks of its host, and the answers.

use lastmile_log::{Certificate, Entry, Receipt, Seal, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::code::Code;
use crate::frame::ErrorFrame;
use crate::request::{AuthoriseRequest, SignRequest};

/// Names one question, so that its answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

/// Something the host is to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Bytes for the peer.
    Send(Vec<u8>),
    /// The request is complete: sign it, post it, feed the response to the session, then tell the end of input.
    Flush,
    /// Batches and certificates to store; answered by [`Session::stored`](crate::Session::stored).
    Store(StoreRequest),
    /// Batches to read; answered by [`Session::batches`](crate::Session::batches).
    Read(ReadRequest),
    /// Positions of an author's log; answered by [`Session::positions`](crate::Session::positions).
    ReadPositions {
        /// The question.
        token: Token,
        /// The scope.
        scope: Scope,
        /// The author.
        author: AuthorId,
    },
    /// Certificates that lead from these authors to root; answered by [`Session::certificates`](crate::Session::certificates).
    ReadCertificates {
        /// The question.
        token: Token,
        /// The authors.
        authors: Vec<AuthorId>,
    },
    /// Receipts to sign or to pass on; answered by [`Session::receipts`](crate::Session::receipts).
    ReadReceipts {
        /// The question.
        token: Token,
        /// The logs in question.
        wants: Vec<ReceiptWant>,
    },
    /// Receipts from the peer: verify, keep.
    KeepReceipts(Vec<Receipt>),
    /// What the peer holds of a scope, as it says or as equal digests show: the hint for the next session.
    PeerVector {
        /// The scope.
        scope: Scope,
        /// The peer's vector.
        vector: Vector,
    },
    /// A signature for the peer of a stream; answered by [`Session::signed`](crate::Session::signed).
    Sign(SignRequest),
    /// Whether the peer of a stream is who it says; answered by [`Session::authorised`](crate::Session::authorised).
    Authorise(AuthoriseRequest),
    /// Something that the host may want to act upon or show.
    Notice(Notice),
    /// The exchange is over; on a stream: everything is said for now.
    Done(Outcome),
}

/// A batch as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingBatch {
    /// The scope it came for; the host checks that the batch says the same.
    pub scope: Scope,
    /// The author it came for; likewise.
    pub author: AuthorId,
    /// The packed batch; not looked into by the session.
    pub packed: Vec<u8>,
    /// Seals that vouch for it.
    pub seals: Vec<Seal>,
}

/// Batches and certificates to store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreRequest {
    /// The question.
    pub token: Token,
    /// Certificates that came before or with the batches: add them first.
    pub certificates: Vec<Certificate>,
    /// The batches, in the order they came.
    pub batches: Vec<IncomingBatch>,
}

/// The answer to a [`StoreRequest`], given when everything in it is durable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored {
    /// What became of each batch, in the order of the request.
    pub outcomes: Vec<BatchOutcome>,
    /// The vectors of the scopes that changed, as they stand now.
    pub vectors: Vec<(Scope, Vector)>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Something of it was new and is held now; the entry is the head it reached.
    Appended(Entry),
    /// All of it was held already; the entry is the batch's own head.
    Duplicate(Entry),
    /// It parted from what was held and is kept as a branch; the entry is the branch's head.
    Fork(Entry),
    /// It is kept, but no seal covers it yet.
    Pending(AuthorId),
    /// It begins after what is held.
    Gap {
        /// The author.
        author: AuthorId,
        /// The highest seq held.
        have: u64,
    },
    /// Its previous chain hash is not known here.
    NeedsForkPoint(AuthorId),
    /// No certificate of its author is known.
    UnknownAuthor(AuthorId),
    /// A seal does not verify or does not fit; what was pending of the author is dropped.
    BadSeal {
        /// The author.
        author: AuthorId,
        /// The sealed seq held.
        have: u64,
    },
    /// The author is over its quota; no more is taken today.
    OverQuota(AuthorId),
    /// The author has too many branches; no more is taken until the office decides.
    TooManyBranches(AuthorId),
    /// The envelope is bad.
    Refused {
        /// The author, where it could be read.
        author: Option<AuthorId>,
    },
}

/// Batches to read along the path of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// The question.
    pub token: Token,
    /// The scope.
    pub scope: Scope,
    /// The segment whose head ends the path; the path begins at the author's first commit.
    pub segment: Segment,
    /// The commit at which the path ends, by seq and chain hash. It decides the path: the segment may have got another name
    /// since, by a fork that was stored meanwhile.
    pub through: (u64, ChainHash),
    /// Commits after this seq are wanted; a stored batch that begins earlier may be given whole.
    pub after: u64,
    /// About how many bytes may be given; one batch may be given however long it is.
    pub limit_bytes: u64,
}

/// A batch for the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingBatch {
    /// The seq of its last commit.
    pub through: u64,
    /// The packed batch.
    pub packed: Vec<u8>,
    /// Seals of the same author that vouch for it: at least one at its end or, if that is not sealed, the next one after it.
    pub seals: Vec<Seal>,
}

/// A log whose receipts the peer lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptWant {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// Receipts beyond this seq are of use.
    pub above: u64,
}

/// Something that the host may want to act upon or show.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The peer's hello was accepted.
    Met {
        /// The peer's author.
        author: AuthorId,
        /// The relay epoch that it knows or is.
        epoch: Option<AuthorId>,
        /// Its application and version.
        app: String,
    },
    /// The peer knows or is another relay epoch than this side.
    OtherEpoch(AuthorId),
    /// The peer shows more of this side's own log than is held here, or brought it under this side's own seal. What a file
    /// shows counts for nothing; what it brings does.
    OwnLogAhead {
        /// The scope.
        scope: Scope,
        /// What the peer shows or brought.
        entry: Entry,
    },
    /// The peer holds less of its own log than is held here: it was restored or cloned.
    PeerBehindItself {
        /// The scope.
        scope: Scope,
        /// What is held here of the peer's log.
        entry: Entry,
    },
    /// Copies of an author's log have parted.
    Forked {
        /// The scope.
        scope: Scope,
        /// The author.
        author: AuthorId,
    },
    /// What was received of an author could not be taken.
    NotTaken {
        /// The scope.
        scope: Scope,
        /// The author, where known.
        author: Option<AuthorId>,
        /// Why.
        code: Code,
    },
    /// The peer reports an error.
    PeerError(ErrorFrame),
    /// The input ended in the middle of a frame or without its end frame; what arrived whole is kept.
    CutShort,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Whether both sides are known to hold the same in every scope they share.
    pub equal: bool,
    /// Whether another exchange is useful at once.
    pub more: bool,
    /// The error that ended the exchange, on either side.
    pub error: Option<Code>,
    /// When to try again at the earliest, where the peer said so; in milliseconds.
    pub retry_after_ms: u64,
    /// What was sent.
    pub sent: Traffic,
    /// What was received.
    pub received: Traffic,
    /// How many batches brought something new here.
    pub appended: u64,
    /// How many requests were made; 0 on other carriers.
    pub rounds: u32,
}

/// Counts of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// All bytes of frames.
    pub bytes: u64,
    /// Batches among them.
    pub batches: u64,
}
