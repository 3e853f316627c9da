//! What the office is answered. Names of people stand here masked.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A record in a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The record.
    pub id: Uuid,
    /// The scope that holds it.
    pub scope: String,
    /// A masked name, or a title.
    pub label: String,
}

/// Two persons that may be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonPairView {
    /// The smaller id.
    pub one: Side,
    /// The other.
    pub other: Side,
    /// How sure it is: `exact`, `same-id-other-name`, `strong`, `weak`.
    pub grade: String,
    /// What they have in common.
    pub reason: String,
}

/// Two activities that may be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityPairView {
    /// The smaller id.
    pub one: Side,
    /// The other.
    pub other: Side,
    /// The date of both.
    pub date: String,
    /// Why.
    pub reason: String,
}

/// A link that was made or undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The link's record.
    pub id: Uuid,
    /// The one that is read as the other.
    pub loser: Uuid,
    /// The one that stays.
    pub winner: Uuid,
    /// The scopes in which it stands.
    pub scopes: Vec<String>,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideView {
    /// The value; none where it was removed.
    pub value: Option<String>,
    /// Who wrote it.
    pub author: String,
    /// What the device is called.
    pub device: String,
    /// The person who acted.
    pub acting: Option<Uuid>,
    /// When, by the device's clock, in milliseconds since 1970.
    pub wall_ms: i64,
}

/// Values that do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictView {
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub id: Uuid,
    /// The scope.
    pub scope: String,
    /// A masked name, or a title.
    pub label: String,
    /// The field, or `state`, or `check_in`.
    pub field: String,
    /// `held`, `correction`, `transition`, `two_communities` (of a person's `check_in`), or what settled itself: `listed`,
    /// `immutable`, `sealed`.
    pub kind: String,
    /// The sides, in the order by which `resolve` numbers them from 1.
    pub sides: Vec<SideView>,
    /// What shows meanwhile.
    pub shown: Option<String>,
    /// What showed before the sides parted.
    pub base: Option<String>,
}

/// A record that a command left as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRecord {
    /// The record.
    pub id: Uuid,
    /// Its state.
    pub state: String,
}

/// One device's log in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// The scope.
    pub scope: String,
    /// The last commit held.
    pub head: u64,
    /// Changes held.
    pub changes: u64,
    /// The claimed clock of the last commit, in milliseconds since 1970.
    pub last_wall_ms: i64,
    /// Whether it is a branch that left another history of the same author.
    pub branch: bool,
}

/// One certified device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its author.
    pub author: String,
    /// What it is called.
    pub device: String,
    /// What its holders may do.
    pub roles: Vec<String>,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Until when it may be used.
    pub until_ms: Option<i64>,
    /// When it was last heard, in milliseconds since 1970.
    pub last_contact_ms: Option<i64>,
    /// Its logs.
    pub logs: Vec<LogView>,
}

/// A change that is held and not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddView {
    /// The scope.
    pub scope: String,
    /// Whose it is.
    pub author: String,
    /// The commit.
    pub seq: u64,
    /// `waiting`, `quarantined`, `opaque` or `erased`.
    pub state: String,
    /// Why, as a stable word.
    pub reason: String,
    /// The record's type.
    pub record_type: String,
    /// The record.
    pub record: Uuid,
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The deployment's id, in hexadecimal digits.
    pub deployment: String,
    /// The relay's epoch.
    pub epoch: String,
    /// The scopes held.
    pub scopes: Vec<String>,
    /// Bytes of the database.
    pub bytes: u64,
    /// Changes that show.
    pub applied: u64,
    /// Changes whose dependency is unknown.
    pub waiting: u64,
    /// Changes out of sight by a verdict.
    pub quarantined: u64,
    /// Changes that this version does not accept.
    pub opaque: u64,
    /// Changes whose bytes were erased.
    pub erased: u64,
    /// Changes that arrived without a seal.
    pub pending: u64,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
    /// The devices.
    pub devices: Vec<DeviceView>,
    /// Changes that do not show, at most a thousand.
    pub odd: Vec<OddView>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum OfficeAnswer {
    /// An invite, as the line of text to hand over.
    Invite {
        /// The line.
        text: String,
        /// The scopes.
        scopes: Vec<String>,
    },
    /// Pairs that may be one.
    Duplicates {
        /// Links made just now, since nothing spoke against them.
        linked: Vec<LinkView>,
        /// Persons for a person to decide.
        persons: Vec<PersonPairView>,
        /// Activities likewise.
        activities: Vec<ActivityPairView>,
        /// How many there are in all.
        found: usize,
    },
    /// What a person must decide.
    Conflicts {
        /// The conflicts.
        conflicts: Vec<ConflictView>,
        /// How many records have any.
        records: usize,
    },
    /// A conflict was decided.
    Resolved {
        /// The record.
        id: Uuid,
        /// The field.
        field: String,
        /// What shows now.
        shown: Option<String>,
    },
    /// A link was made.
    Linked(LinkView),
    /// A link was undone.
    Unlinked {
        /// The links between the two.
        links: Vec<LinkView>,
        /// Whether the two are still one through other links.
        still_joined: bool,
    },
    /// Records were confirmed, verified or returned.
    Done {
        /// How many.
        done: usize,
        /// Those that were left as they were.
        skipped: Vec<SkippedRecord>,
    },
    /// A person was moved.
    Moved {
        /// The person.
        person: Uuid,
        /// The number of the move.
        number: u64,
        /// The scope left.
        from: String,
        /// The new home.
        to: String,
        /// The check-in there.
        check_in: Uuid,
    },
    /// A verdict was written.
    Verdict {
        /// The verdict's record.
        id: Uuid,
        /// The first commit.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Tallies were written.
    Tallies {
        /// Persons counted.
        counted: usize,
        /// Tallies that changed.
        written: usize,
    },
    /// How things stand.
    Status(Box<StatusView>),
}
