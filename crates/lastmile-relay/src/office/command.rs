//! What the office can ask for.

use lastmile_model::roles::Role;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How alike two records must be to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same id number.
    Exact,
    /// The same name and one more thing in common.
    #[default]
    Strong,
    /// The same name in one community.
    Weak,
}

/// Which records a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// These.
    Ids(Vec<Uuid>),
    /// Every one that waits, in the places whose code begins so.
    Within(String),
    /// Every one that waits.
    All,
}

/// What a person decided about a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The side with this number, from 1; 0 keeps what shows.
    Take(usize),
    /// Another value, as typed.
    Value(String),
}

/// One piece of the office's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum OfficeCommand {
    /// Makes an invite for one device.
    Invite {
        /// The scopes, e.g. `community:430103005010`.
        scopes: Vec<String>,
        /// What its holders may do: codes of roles.
        roles: Vec<String>,
        /// Who they are, where known.
        persons: Vec<Uuid>,
        /// What the device is called.
        device: String,
        /// Until when the device may be used, in milliseconds since 1970.
        until_ms: Option<i64>,
        /// For how many hours the invite is good.
        valid_hours: u32,
        /// Under which URL devices reach the relay; the address it serves under, if it runs.
        relay: Option<String>,
    },
    /// Lists records that may be one and the same. Persons of one id number and one name are linked on the way.
    Duplicates {
        /// `person` or `activity`; both if none is named.
        record_type: Option<String>,
        /// Only in places whose code begins so.
        within: Option<String>,
        /// At least this alike.
        likeness: Likeness,
        /// The most pairs; 0 for all.
        limit: usize,
    },
    /// Lists what a person must decide.
    Conflicts {
        /// Only records of this type.
        record_type: Option<String>,
        /// Only in places whose code begins so.
        within: Option<String>,
        /// Also what settled itself, such as two notes of which the newest shows; needs a street or community.
        all: bool,
        /// The most; 0 for all.
        limit: usize,
    },
    /// Decides a conflict.
    Resolve {
        /// The record's type, where the id alone is not enough.
        record_type: Option<String>,
        /// The record.
        id: Uuid,
        /// The field, or `state`.
        field: String,
        /// What holds.
        decision: Decision,
        /// Why.
        reason: String,
    },
    /// Says that two records speak of one thing.
    Link {
        /// The one that is read as the other.
        loser: Uuid,
        /// The one that stays.
        winner: Uuid,
        /// Why.
        reason: String,
    },
    /// Says that two records do not speak of one thing; they are not proposed again either.
    Unlink {
        /// One.
        loser: Uuid,
        /// The other.
        winner: Uuid,
        /// Why.
        reason: String,
    },
    /// Confirms check-ins.
    Confirm {
        /// Which.
        which: Selection,
        /// From which day, `YYYY-MM-DD`; today if none is named.
        on: Option<String>,
    },
    /// Verifies activities.
    Verify {
        /// Which.
        which: Selection,
    },
    /// Say that two activities are one session: the first stays and is counted once.
    MarkDuplicate {
        /// The one that is entered twice.
        activity: Uuid,
        /// The one that stays.
        of: Uuid,
        /// Why.
        reason: String,
    },
    /// Gives activities or check-ins back to who made them.
    Return {
        /// Which.
        ids: Vec<Uuid>,
        /// Why.
        why: String,
    },
    /// Moves a person to another community.
    Move {
        /// The person.
        person: Uuid,
        /// The community's place code.
        to: String,
        /// On which day, `YYYY-MM-DD`; today if none is named.
        on: Option<String>,
        /// Why.
        why: String,
    },
    /// Takes commits of one author out of sight.
    Quarantine {
        /// The scope.
        scope: String,
        /// The author, in hexadecimal digits.
        author: String,
        /// The first commit.
        from: u64,
        /// The last; the last one held if none is named.
        to: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Lets quarantined commits count again.
    Release {
        /// The scope.
        scope: String,
        /// The author, in hexadecimal digits.
        author: String,
        /// The first commit of the quarantine.
        from: u64,
        /// Its last.
        to: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Writes each person's yearly count where it changed.
    Tallies {
        /// The year.
        year: i32,
    },
    /// Tells how things stand.
    Status,
}

impl OfficeCommand {
    /// Orders an invite for one device with usual limits.
    #[must_use]
    pub fn invite(scopes: &[&str], role: Role) -> Self {
        Self::Invite {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            roles: vec![role.code().to_owned()],
            persons: Vec::new(),
            device: String::new(),
            until_ms: None,
            valid_hours: 72,
            relay: None,
        }
    }
}
