//! What a device tells about its sync.

use lastmile_model::{AuthorId, Scope};
use lastmile_protocol::Code;
use serde::ser::SerializeStruct as _;

/// Where the sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPhase {
    /// Nothing was tried yet.
    #[default]
    Idle,
    /// An exchange is under way.
    Syncing,
    /// Everything is uploaded and the relay's state is held.
    UpToDate,
    /// The relay cannot be reached.
    Offline,
    /// The relay refused all or part, or something else answers; see the error and what was refused.
    NeedsAttention,
}

/// What the sync line of an app shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SyncStatus {
    /// Where it stands.
    pub phase: SyncPhase,
    /// Own commits without a receipt of the relay.
    pub unsent_commits: u64,
    /// Changes in them.
    pub unsent_changes: u64,
    /// Whether the office has revoked this device: what is unsent is still taken, nothing comes any more.
    pub revoked: bool,
    /// When an exchange last left both sides with the same, in milliseconds since 1970.
    pub last_success_ms: Option<i64>,
    /// What went wrong last, if it is not mended.
    pub last_error: Option<String>,
    /// What the relay refused in the last exchange that was answered.
    pub refused: Vec<Refusal>,
    /// How far this device's clock is ahead of the relay's in milliseconds, below 0 if it is behind; none while they are near enough. It
    /// changes nothing of what is kept: people are to set the clock right.
    pub clock_off_ms: Option<i64>,
}

/// Something that the relay did not take from this device or does not serve it, though it answered the exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Why; from 100 on.
    pub code: Code,
    /// The scope, where the relay named one.
    pub scope: Option<Scope>,
    /// The author whose log is meant; none where it is the scope as a whole.
    pub author: Option<AuthorId>,
}

/// As `{"code": 104, "word": "over_quota", "scope": "community:430103005010", "author": "6ffa..."}`.
impl serde::Serialize for Refusal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("Refusal", 4)?;
        written.serialize_field("code", &self.code.number())?;
        written.serialize_field("word", self.code.word())?;
        written.serialize_field("scope", &self.scope.as_ref().map(ToString::to_string))?;
        written.serialize_field("author", &self.author.map(|author| author.to_string()))?;
        written.end()
    }
}

/// How far an exchange with the relay has got: events while it is under way, the sums when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct SyncProgress {
    /// Requests begun.
    pub requests: u32,
    /// Bytes of their bodies.
    pub to_send: u64,
    /// How many of these have left.
    pub sent: u64,
    /// Bytes of response bodies that have come.
    pub received: u64,
}

/// What one exchange did.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SyncReport {
    /// Whether both sides now hold the same.
    pub equal: bool,
    /// Requests made.
    pub rounds: u32,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// Batches sent.
    pub sent_batches: u64,
    /// Batches received.
    pub received_batches: u64,
    /// Receipts that came and verified.
    pub receipts: u64,
    /// Logs of other authors that part.
    pub forks: u64,
    /// Logs that came and could not be taken: a gap, a seal that does not verify, damage.
    pub not_taken: u64,
    /// What the relay refused.
    pub refused: Vec<Refusal>,
    /// How long the relay asks to be left alone, in milliseconds; 0 for no wish.
    pub retry_after_ms: u64,
}

impl SyncReport {
    /// Whether everything was exchanged: both sides hold the same and nothing was refused.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.equal && self.refused.is_empty()
    }
}
