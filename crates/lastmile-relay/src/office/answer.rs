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
    /// Who uses it, where known.
    #[serde(default)]
    pub persons: Vec<Uuid>,
    /// Whether the office revoked it.
    #[serde(default)]
    pub revoked: bool,
    /// Until when it may be used.
    pub until_ms: Option<i64>,
    /// When it was last heard, in milliseconds since 1970.
    pub last_contact_ms: Option<i64>,
    /// How far ahead of now the time lies that its last save claims, in milliseconds, where that is more than ten minutes. It decides nothing.
    #[serde(default)]
    pub clock_ahead_ms: Option<i64>,
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
    /// The rule that keeps it out of sight, or what a person said, where a verdict does.
    #[serde(default)]
    pub why: String,
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

/// An invite that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteView {
    /// By what it is named here; nobody can enrol with it.
    pub invite: String,
    /// What the device is to be called.
    pub device: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// The persons.
    pub persons: Vec<Uuid>,
    /// Until when it can be used, in milliseconds since 1970.
    pub expires_ms: i64,
    /// Whether a device enrolled with it.
    pub used: bool,
    /// Whether it was taken back.
    pub withdrawn: bool,
}

/// A person's role in a part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// The record.
    pub id: Uuid,
    /// The person.
    pub person: Uuid,
    /// The role.
    pub role: String,
    /// The part, e.g. `street:430103005`.
    pub scope: String,
    /// The first day.
    pub since: Option<String>,
    /// The last day.
    pub until: Option<String>,
    /// The scope that holds the record.
    pub held_in: String,
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
    /// The invites.
    Invites {
        /// One for each, those made last first.
        invites: Vec<InviteView>,
    },
    /// An invite was taken back.
    Withdrawn {
        /// Which.
        invite: String,
    },
    /// The devices.
    Devices {
        /// One for each author.
        devices: Vec<DeviceView>,
    },
    /// A device was certified anew.
    Device {
        /// Its author.
        author: String,
        /// What it is called.
        device: String,
    },
    /// A device was revoked.
    Revoked {
        /// Every author that it has been.
        authors: Vec<String>,
    },
    /// A role was given or ended.
    Granted {
        /// The person.
        person: Uuid,
        /// The role.
        role: String,
        /// The part of the tree.
        scope: String,
        /// The last day, if there is one.
        until: Option<String>,
    },
    /// What a person was granted.
    Grants {
        /// The grants.
        grants: Vec<GrantView>,
    },
    /// Records were erased.
    Erased {
        /// Scope, type and id of each.
        records: Vec<(String, String, Uuid)>,
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
    /// A backup was taken.
    BackedUp {
        /// Bytes of the database.
        bytes: u64,
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

impl OfficeAnswer {
    /// How many records it shows or tells of, for the audit log.
    pub(crate) fn count(&self) -> Option<u64> {
        let count = match self {
            Self::Invites { invites } => invites.len(),
            Self::Devices { devices } => devices.len(),
            Self::Grants { grants } => grants.len(),
            Self::Revoked { authors } => authors.len(),
            Self::Erased { records } => records.len(),
            Self::Duplicates { persons, activities, .. } => persons.len().saturating_add(activities.len()),
            Self::Conflicts { conflicts, .. } => conflicts.len(),
            Self::Done { done, .. } => *done,
            Self::Tallies { written, .. } => *written,
            _ => return None,
        };
        u64::try_from(count).ok()
    }
}
