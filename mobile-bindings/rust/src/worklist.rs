//! What waits for somebody.

use std::time::SystemTime;

use lastmile_client::Replica as ClientReplica;

use crate::LastmileError;
use crate::record::{RecordId, StoredRecord, stored};
use crate::value::instant;

/// A save that the relay has not receipted.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct UnsentCommit {
    /// The scope.
    pub scope: String,
    /// When it was saved, by this device's clock.
    pub at: SystemTime,
    /// The records that it changes.
    pub records: Vec<RecordId>,
}

/// What has not reached the relay yet.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Outbox {
    /// How many saves.
    pub commits: u64,
    /// How many changes of records in them.
    pub changes: u64,
    /// The first of them, in the order of their saving.
    pub first: Vec<UnsentCommit>,
}

/// A change of this device that is kept but not shown, because the office or a rule holds it back.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HeldBack {
    /// The record.
    pub record: RecordId,
    /// The rule that decided; empty where a person did.
    pub rule: String,
    /// The reason that a person gave, to show to the user; empty where none was given.
    pub reason: String,
}

fn named((record_type, id): (String, lastmile_model::RecordId)) -> RecordId {
    RecordId { record_type, id: id.to_string() }
}

fn most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What is unsent, with the first so many saves.
pub(crate) fn outbox(replica: &ClientReplica, limit: u32) -> Result<Outbox, LastmileError> {
    let status = replica.status()?;
    let first = replica.unsent_commits(most(limit))?.into_iter().map(|commit| UnsentCommit {
        scope: commit.scope.to_string(),
        at: instant(commit.wall_ms),
        records: commit.records.into_iter().map(named).collect(),
    });
    Ok(Outbox { commits: status.unsent_commits, changes: status.unsent_changes, first: first.collect() })
}

/// Records that were returned to be entered better.
pub(crate) fn returned(replica: &ClientReplica, limit: u32) -> Result<Vec<RecordId>, LastmileError> {
    Ok(replica.returned(most(limit))?.into_iter().map(named).collect())
}

/// Changes of this device that are held back.
pub(crate) fn held_back(replica: &ClientReplica) -> Result<Vec<HeldBack>, LastmileError> {
    let held = replica.held_back()?.into_iter().map(|one| HeldBack {
        record: named((one.record_type, one.record)),
        rule: one.rule,
        reason: one.reason,
    });
    Ok(held.collect())
}

/// Records about which a person has to decide.
pub(crate) fn conflicts(replica: &ClientReplica, limit: u32) -> Result<Vec<StoredRecord>, LastmileError> {
    let records = replica.undecided(most(limit))?;
    let with_type = |name: &str| replica.catalogue().get(name).map(|(_, known)| known);
    Ok(records.iter().map(|record| stored(record, with_type(&record.record_type))).collect())
}
