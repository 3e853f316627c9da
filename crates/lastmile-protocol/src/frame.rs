//! The frames, byte by byte.
//!
//! A frame is a uvarint length, then that many bytes: type, flags, payload. `docs/protocol.md` lays the payloads out, and
//! `schema/wire/v1` holds one golden file for each.

mod files;
mod hello;
mod payloads;
mod reader;

use lastmile_log::wire::Writer;
use lastmile_log::{Certificate, Receipt};
use lastmile_model::Scope;

pub use files::{FetchFrame, FileState, FilesFrame, HeldFile, HeldFrame, PieceFrame};
pub use hello::{Hello, HelloScope, OwnHead};
pub use payloads::{Auth, BatchFrame, End, Enrol, ErrorFrame, SealsFrame, VectorFrame, Want};
pub use reader::{FrameReader, RawFrame, frame_length};

use crate::code::Code;
use crate::limits::{MAX_CERTIFICATES, MAX_FRAME, MAX_RECEIPTS, MIN_COMPRESSED};
use crate::{MAX_VERSION, MIN_VERSION};

/// Flag: the payload is one zstd frame that states its inflated length.
pub const COMPRESSED: u8 = 1;

/// Flag: a receiver that does not know the type skips the frame.
pub const IGNORABLE: u8 = 0x80;

/// One thing that one side says to the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Who speaks, and a digest of each scope.
    Hello(Hello),
    /// What the speaker holds of a scope.
    Vector(VectorFrame),
    /// Commits of one author.
    Batch(BatchFrame),
    /// What is durably held at the relay.
    Receipts(Vec<Receipt>),
    /// Certificates, issuers before those whom they certify.
    Certificates(Vec<Certificate>),
    /// Positions of one author's log, to find where copies part.
    Seals(SealsFrame),
    /// Asks for a log again.
    Want(Want),
    /// Grants so many more bytes of batch frames.
    Credit(u64),
    /// What was wrong.
    Error(ErrorFrame),
    /// Nothing more to say for now.
    End(End),
    /// The signature of a request, or of a stream's hellos.
    Auth(Auth),
    /// Asks for a certificate.
    Enrol(Enrol),
    /// The certificates that lead from the new author to root.
    Enrolled(Vec<Certificate>),
    /// Asks what is held of files.
    Files(FilesFrame),
    /// What is held of files.
    Held(HeldFrame),
    /// Bytes of a file.
    Piece(PieceFrame),
    /// Asks for bytes of a file.
    Fetch(FetchFrame),
}

/// Says what is wrong with the bytes of a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The frame, or what it inflates to, is too long.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The length found.
        length: u64,
    },
    /// The length prefix is not a canonical uvarint of at most four bytes.
    #[error("the length prefix is malformed")]
    LengthPrefix,
    /// The frame ends in the middle of a field.
    #[error("the frame is too short")]
    Truncated,
    /// The file does not begin as a bundle does.
    #[error("not a bundle of a form known here")]
    NotABundle,
    /// A flag is set that this version does not know.
    #[error("frame type {kind} has unknown flags {flags:#04x}")]
    UnknownFlags {
        /// The type.
        kind: u8,
        /// The flags.
        flags: u8,
    },
    /// A frame that must be understood has a type that this version does not know.
    #[error("frame type {kind} needs a newer version")]
    UnknownType {
        /// The type.
        kind: u8,
    },
    /// The hello names only versions not spoken here; what follows in it cannot be read.
    #[error("the peer speaks versions {min} to {max}")]
    OtherVersion {
        /// The lowest.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// The compressed payload is not one zstd frame of the stated length.
    #[error("the compressed payload of frame type {kind} is damaged")]
    Compression {
        /// The type.
        kind: u8,
    },
    /// A field is malformed.
    #[error("frame type {kind}: {what} is malformed")]
    Field {
        /// The type.
        kind: u8,
        /// Which field.
        what: &'static str,
    },
    /// A list or text is longer than allowed.
    #[error("frame type {kind}: more than {limit} {what}")]
    TooMany {
        /// The type.
        kind: u8,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Bytes follow the last field.
    #[error("frame type {kind} has trailing bytes")]
    Trailing {
        /// The type.
        kind: u8,
    },
}

impl BadFrame {
    /// Returns the code to tell the peer, and its arguments.
    #[must_use]
    pub fn told(&self) -> (Code, Vec<String>) {
        match self {
            Self::TooLarge { limit, .. } => (Code::TooLarge, vec![limit.to_string()]),
            Self::UnknownType { kind } => (Code::UnknownFrame, vec![kind.to_string(), MAX_VERSION.to_string()]),
            Self::OtherVersion { .. } => {
                (Code::VersionMismatch, vec![MIN_VERSION.to_string(), MAX_VERSION.to_string()])
            }
            _ => (Code::BadFrame, vec![self.to_string()]),
        }
    }
}

impl Frame {
    /// Returns the type number.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Vector(_) => 2,
            Self::Batch(_) => 3,
            Self::Receipts(_) => 4,
            Self::Certificates(_) => 5,
            Self::Seals(_) => 6,
            Self::Want(_) => 7,
            Self::Credit(_) => 8,
            Self::Error(_) => 9,
            Self::End(_) => 10,
            Self::Auth(_) => 11,
            Self::Enrol(_) => 12,
            Self::Enrolled(_) => 13,
            Self::Files(_) => 14,
            Self::Held(_) => 15,
            Self::Piece(_) => 16,
            Self::Fetch(_) => 17,
        }
    }

    /// Returns the name used in texts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Vector(_) => "vector",
            Self::Batch(_) => "batch",
            Self::Receipts(_) => "receipts",
            Self::Certificates(_) => "certificates",
            Self::Seals(_) => "seals",
            Self::Want(_) => "want",
            Self::Credit(_) => "credit",
            Self::Error(_) => "error",
            Self::End(_) => "end",
            Self::Auth(_) => "auth",
            Self::Enrol(_) => "enrol",
            Self::Enrolled(_) => "enrolled",
            Self::Files(_) => "files",
            Self::Held(_) => "held",
            Self::Piece(_) => "piece",
            Self::Fetch(_) => "fetch",
        }
    }

    /// Returns the scope that the frame speaks of, if it speaks of one.
    #[must_use]
    pub const fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Vector(VectorFrame { scope, .. })
            | Self::Batch(BatchFrame { scope, .. })
            | Self::Seals(SealsFrame { scope, .. })
            | Self::Want(Want { scope, .. })
            | Self::Files(FilesFrame { scope, .. })
            | Self::Held(HeldFrame { scope, .. })
            | Self::Piece(PieceFrame { scope, .. })
            | Self::Fetch(FetchFrame { scope, .. }) => Some(scope),
            _ => None,
        }
    }

    /// Writes the frame with its length prefix; long payloads are compressed where that makes them shorter.
    ///
    /// # Errors
    /// [`BadFrame`] when the frame is over a limit, so that no peer would take it.
    pub fn encode(&self) -> Result<Vec<u8>, BadFrame> {
        self.check()?;
        let mut payload = self.payload();
        let mut flags = 0;
        if !matches!(self, Self::Batch(_) | Self::Piece(_)) && payload.len() >= MIN_COMPRESSED {
            let compressed = zstd::bulk::compress(&payload, 3).unwrap_or_default();
            if !compressed.is_empty() && compressed.len() + compressed.len() / 16 < payload.len() {
                if payload.len() > MAX_FRAME {
                    return Err(BadFrame::TooLarge { limit: MAX_FRAME, length: payload.len() as u64 });
                }
                (payload, flags) = (compressed, COMPRESSED);
            }
        }
        envelope(self.kind(), flags, &payload)
    }

    /// Reads a frame; none when its type is not known and may be skipped.
    ///
    /// # Errors
    /// [`BadFrame`] when it is malformed, inflates beyond `cap` bytes or needs a newer version.
    pub fn open(raw: &RawFrame, cap: usize) -> Result<Option<Self>, BadFrame> {
        let (kind, flags) = (raw.kind(), raw.flags());
        if !(1..=17).contains(&kind) {
            return if flags & IGNORABLE == 0 { Err(BadFrame::UnknownType { kind }) } else { Ok(None) };
        }
        if flags & !(COMPRESSED | IGNORABLE) != 0 {
            return Err(BadFrame::UnknownFlags { kind, flags });
        }
        if flags & COMPRESSED == 0 {
            return Self::read_payload(kind, raw.payload()).map(Some);
        }
        let inflated = inflate(kind, raw.payload(), cap)?;
        Self::read_payload(kind, &inflated).map(Some)
    }

    /// Refuses what is over a limit, before it is written.
    fn check(&self) -> Result<(), BadFrame> {
        let kind = self.kind();
        match self {
            Self::Hello(hello) => hello.check(kind),
            Self::Vector(frame) => frame.check(kind),
            Self::Batch(frame) => frame.check(kind),
            Self::Receipts(list) => within(kind, list.len(), "receipts", MAX_RECEIPTS),
            Self::Certificates(list) | Self::Enrolled(list) => {
                within(kind, list.len(), "certificates", MAX_CERTIFICATES)
            }
            Self::Seals(frame) => frame.check(kind),
            Self::Error(frame) => frame.check(kind),
            Self::Enrol(frame) => frame.check(kind),
            Self::Files(frame) => frame.check(kind),
            Self::Held(frame) => frame.check(kind),
            Self::Piece(frame) => frame.check(kind),
            Self::Want(_) | Self::Credit(_) | Self::End(_) | Self::Auth(_) | Self::Fetch(_) => Ok(()),
        }
    }
}

/// Puts length, type and flags before a payload.
fn envelope(kind: u8, flags: u8, payload: &[u8]) -> Result<Vec<u8>, BadFrame> {
    let length = payload.len() + 2;
    if length > MAX_FRAME {
        return Err(BadFrame::TooLarge { limit: MAX_FRAME, length: length as u64 });
    }
    let mut out = Writer::new();
    out.uvarint(length as u64);
    out.u8(kind);
    out.u8(flags);
    out.raw(payload);
    Ok(out.finish())
}

/// Inflates a payload whose zstd frame states its length, so that nothing is allocated beyond the cap.
fn inflate(kind: u8, payload: &[u8], cap: usize) -> Result<Vec<u8>, BadFrame> {
    let damaged = BadFrame::Compression { kind };
    let Ok(Some(stated)) = zstd::zstd_safe::get_frame_content_size(payload) else { return Err(damaged) };
    let length = usize::try_from(stated).ok().filter(|length| *length <= cap);
    let Some(length) = length else { return Err(BadFrame::TooLarge { limit: cap, length: stated }) };
    let whole = zstd::zstd_safe::find_frame_compressed_size(payload).is_ok_and(|size| size == payload.len());
    let inflated = zstd::bulk::decompress(payload, length).map_err(|_| damaged.clone())?;
    if whole && inflated.len() == length { Ok(inflated) } else { Err(damaged) }
}

/// Refuses a list that is too long.
fn within(kind: u8, count: usize, what: &'static str, limit: usize) -> Result<(), BadFrame> {
    if count > limit { Err(BadFrame::TooMany { kind, what, limit }) } else { Ok(()) }
}
