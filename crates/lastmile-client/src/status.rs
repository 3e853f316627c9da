//! What a device tells about its sync.

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
    /// The relay refused, or something else answers; see the error.
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
    /// When the last exchange ended well, in milliseconds since 1970.
    pub last_success_ms: Option<i64>,
    /// What went wrong last, if it is not mended.
    pub last_error: Option<String>,
}

/// What one exchange did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
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
}
