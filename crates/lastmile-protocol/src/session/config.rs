//! What a session is told at its start.

use std::collections::BTreeMap;

use lastmile_log::{Certificate, Entry, Vector};
use lastmile_model::{AuthorId, Scope};

use super::held::Held;
use crate::limits::READ_CHUNK;

/// Which side of an exchange a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Speaks first: the client of a request, the side that connects, the writer of a file.
    Initiator,
    /// Answers: the relay, the side that was connected to, the reader of a file.
    Responder,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// One request body and one response body at a time (`POST /v1/sync`).
    OneShot,
    /// A live stream of bytes both ways: two devices, or a WebSocket.
    Stream,
    /// A `.lastmile` file: one side's half alone.
    File,
}

/// How the peer of a stream is made sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerCheck {
    /// Both sides sign the other's challenge before anything but hellos and certificates goes across.
    Signed {
        /// 16 random bytes that were never used before.
        challenge: [u8; 16],
        /// What ties the signature to the carrier, e.g. a TLS exporter value; zeros where there is none.
        binding: [u8; 32],
    },
    /// The host has made sure of the peer already: a signed request, an authenticated carrier, a file.
    ByHost,
}

/// What the peer may do in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Receive and send.
    Full,
    /// Only bring what it holds, as a revoked device may; it is served nothing.
    UploadOnly,
}

/// The settings of one session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Which side this is.
    pub role: Role,
    /// How the bytes travel.
    pub carrier: Carrier,
    /// How the peer of a stream is made sure of; of no account for other carriers.
    pub peer_check: PeerCheck,
    /// The id of the deployment.
    pub deployment: [u8; 16],
    /// The speaker's own author.
    pub author: AuthorId,
    /// The relay epoch (its office author) that the speaker knows or is.
    pub epoch: Option<AuthorId>,
    /// The application and its version, e.g. `lastmile 0.1.0`, at most 32 bytes.
    pub app: String,
    /// How many bytes of batches may be on their way here: per request on one-shot carriers, at a time on streams.
    pub credit: u64,
    /// How many bytes of batches one request brings at most, whatever credit the relay gives: no more than the path carries in one
    /// go, since a request counts only as a whole. [`Session::limit_uploads`](crate::Session::limit_uploads) changes it.
    pub upload_limit: u64,
    /// About how many bytes of batches one question to the host asks for.
    pub read_chunk: u64,
    /// How many bytes of batches a file may take at most; none for no limit.
    pub file_limit: Option<u64>,
    /// Whether the scopes of a stream are named only once the peer is made sure of, in a second hello: a relay does not know who
    /// connects, and says nothing of what it holds to strangers. Of account only where the sides sign.
    pub late_scopes: bool,
    /// Authors known to be office authors: their logs go first, those of a lower rank before the others.
    pub office: BTreeMap<AuthorId, u8>,
    /// The certificates that lead from the speaker's own author to root.
    pub certificates: Vec<Certificate>,
    /// Whether to send these certificates right after the hello, as at a first meeting.
    pub introduce: bool,
    /// Whether this side signs receipts: the relay.
    pub issues_receipts: bool,
    /// How many requests a one-shot exchange makes at most.
    pub max_rounds: u32,
}

impl SessionConfig {
    /// Returns settings with ordinary limits: 4 MiB of credit, 64 requests, no certificates.
    #[must_use]
    pub fn new(role: Role, carrier: Carrier, deployment: [u8; 16], author: AuthorId) -> Self {
        Self {
            role,
            carrier,
            peer_check: PeerCheck::ByHost,
            deployment,
            author,
            epoch: None,
            app: concat!("lastmile ", env!("CARGO_PKG_VERSION")).to_owned(),
            credit: 4 << 20,
            upload_limit: u64::MAX,
            read_chunk: READ_CHUNK,
            file_limit: None,
            late_scopes: false,
            office: BTreeMap::new(),
            certificates: Vec::new(),
            introduce: false,
            issues_receipts: false,
            max_rounds: 64,
        }
    }
}

/// What a peer that was made sure of is let into.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The scopes that it named and may have a part in, as they stand now.
    pub scopes: Vec<LocalScope>,
    /// Certificates to be sent with the scopes, at most those of one frame.
    pub certificates: Vec<Certificate>,
    /// Authors known to be office authors: their logs go first, those of a lower rank before the others.
    pub office: BTreeMap<AuthorId, u8>,
}

/// One scope as it stands here when the session begins.
#[derive(Debug, Clone)]
pub struct LocalScope {
    /// The scope.
    pub scope: Scope,
    /// What is held of it.
    pub vector: Held,
    /// Ranges that arrived without a seal: their segment, last seq and last chain hash.
    pub pending: Vec<Entry>,
    /// What the peer is believed to hold, from receipts or an earlier exchange. It decides what is offered, never what is
    /// thought to be safe.
    pub peer_has: Option<Vector>,
    /// How far the speaker's own log has a receipt of the epoch it knows.
    pub receipted: u64,
    /// What the peer may do here.
    pub access: Access,
}

impl LocalScope {
    /// Returns a scope that the peer may read and write, of which nothing more is known.
    #[must_use]
    pub fn new(scope: Scope, vector: impl Into<Held>) -> Self {
        Self { scope, vector: vector.into(), pending: Vec::new(), peer_has: None, receipted: 0, access: Access::Full }
    }
}
