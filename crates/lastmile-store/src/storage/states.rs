//! What is known of changes that are not applied.

use lastmile_model::{ChangeHash, RecordId};

use super::Position;

/// The state of a change that is held but not applied (design: "The states of a change").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChangeState {
    /// Evaluated and shown.
    Applied = 0,
    /// A dependency is unknown.
    Waiting = 1,
    /// A verdict keeps it out of sight.
    Quarantined = 2,
    /// Not accepted by this version's gate.
    Opaque = 3,
    /// Its bytes were erased; only its place in the chain is left.
    Erased = 4,
    /// Arrived without a seal.
    Pending = 5,
}

impl ChangeState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Applied, Self::Waiting, Self::Quarantined, Self::Opaque, Self::Erased, Self::Pending];

    /// Returns the state with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| i64::from(*state as u8) == number)
    }

    /// Returns the word shown to people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::Quarantined => "quarantined",
            Self::Opaque => "opaque",
            Self::Erased => "erased",
            Self::Pending => "pending",
        }
    }
}

/// A change that is held but not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// The scope's local number.
    pub scope: u32,
    /// Where it stands.
    pub position: Position,
    /// Its state; never [`ChangeState::Applied`].
    pub state: ChangeState,
    /// Why, as a stable word.
    pub reason: String,
    /// The record's type as the commit header names it.
    pub record_type: String,
    /// The record.
    pub record: RecordId,
}

/// What an erasure names in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Erased {
    /// One change.
    Change(ChangeHash),
    /// A record: whatever devices still write about it.
    Record(RecordId),
}
