//! Every bound of the protocol, in one place.
//!
//! `docs/protocol.md` repeats this table for authors of other clients.

/// The longest frame, counted after its length prefix: one whole commit of 1 MiB and what stands around it.
pub const MAX_FRAME: usize = (1 << 20) + (128 << 10);

/// The longest frame taken from a peer that has not been authenticated yet; also the cap of what it inflates to.
pub const MAX_FRAME_UNAUTHENTICATED: usize = 64 << 10;

/// How many scopes one hello may name.
pub const MAX_SCOPES: usize = 256;

/// How many entries the vector of one scope may have, and as many pending ranges.
pub const MAX_ENTRIES: usize = 16_384;

/// How many seals one batch may bring along.
pub const MAX_SEALS: usize = 64;

/// How many positions one list of a fork-point search may have.
pub const MAX_POSITIONS: usize = 1_024;

/// How many of the newest positions are never thinned out of such a list.
pub const NEWEST_POSITIONS: usize = 512;

/// How many receipts one frame may bring.
pub const MAX_RECEIPTS: usize = 256;

/// How many certificates one frame may bring.
pub const MAX_CERTIFICATES: usize = 64;

/// How many arguments an error may have.
pub const MAX_ERROR_ARGUMENTS: usize = 8;

/// The longest argument of an error, in bytes.
pub const MAX_ERROR_ARGUMENT: usize = 128;

/// The longest name and version of an application, in bytes.
pub const MAX_APP: usize = 32;

/// The longest device label in an enrolment, in bytes.
pub const MAX_LABEL: usize = 64;

/// The longest extension area of a hello, in bytes.
pub const MAX_EXTENSION: usize = 4_096;

/// How many frames other than batches one session takes from its peer.
pub const MAX_CONTROL_FRAMES: u64 = 65_536;

/// How many frames of any kind a session takes before the peer of a stream is made sure of.
pub const MAX_FRAMES_UNAUTHENTICATED: u64 = 8;

/// How many forked logs one session searches the fork point of.
pub const MAX_FORKS: usize = 64;

/// How many vectors of one scope a session takes.
pub const MAX_VECTORS: u32 = 64;

/// Of how many logs a session takes wants.
pub const MAX_SERVED: usize = 1_024;

/// How many bytes of batches one session gathers before it hands them to the host.
pub const STORE_CHUNK: usize = 2 << 20;

/// How many bytes of batches one question to the host asks for at most.
pub const READ_CHUNK: u64 = 512 << 10;

/// The credit, in bytes of batch frames, that a request may use before the peer has named its own.
pub const INITIAL_CREDIT: u64 = 1 << 20;

/// The most bytes of batch frames in one response, whatever credit the client names: a relay gathers a response before it sends it.
pub const MAX_ANSWER: u64 = 4 << 20;

/// How many requests in a row may bring nothing new before a one-shot exchange gives up for now.
pub const MAX_FRUITLESS_ROUNDS: u32 = 3;

/// How often one author's log is asked for again in one session.
pub const MAX_WANTS: u32 = 4;

/// Payloads shorter than this are never compressed.
pub const MIN_COMPRESSED: usize = 192;

/// How far the clock of a signed request may be from the receiver's, in milliseconds.
pub const AUTH_WINDOW_MS: i64 = 10 * 60 * 1_000;

/// How many branches of one author a replica takes before the office decides.
pub const MAX_BRANCHES: usize = 8;

/// How many hashes of files one frame may name.
pub const MAX_FILES: usize = 256;

/// The most bytes of a file in one frame.
pub const MAX_PIECE: usize = 256 << 10;

/// The longest file, in bytes.
pub const MAX_FILE: u64 = 2 << 20;
