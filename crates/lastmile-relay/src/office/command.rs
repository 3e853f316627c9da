//! What the office can ask for.

use std::path::PathBuf;

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
        /// The device that this one takes the place of: it is revoked when the invite is used.
        #[serde(default)]
        replaces: Option<String>,
    },
    /// Lists the invites that were made.
    Invites,
    /// Takes an invite back that was not used.
    Withdraw {
        /// The invite, as the list names it.
        invite: String,
    },
    /// Lists the devices.
    Devices {
        /// Only devices of places whose code begins so.
        within: Option<String>,
    },
    /// Gives a device another name.
    Rename {
        /// The device's author, in hexadecimal digits.
        author: String,
        /// The name.
        name: String,
    },
    /// Certifies a device anew: for other people, roles, scopes or another time. What is not named stays.
    Reassign {
        /// The device's author, in hexadecimal digits.
        author: String,
        /// Who uses it.
        persons: Option<Vec<Uuid>>,
        /// What they may do: codes of roles.
        roles: Option<Vec<String>>,
        /// The scopes, e.g. `community:430103005010`.
        scopes: Option<Vec<String>>,
        /// Until when it may be used, in milliseconds since 1970; an inner none for as long as nobody says otherwise.
        until_ms: Option<Option<i64>>,
    },
    /// Accepts nothing more of a device, under whatever author it goes on.
    Revoke {
        /// One of its authors, in hexadecimal digits.
        author: String,
        /// Why.
        reason: String,
    },
    /// Gives a person a role in a part of the tree.
    Grant {
        /// The person.
        person: Uuid,
        /// The role's code.
        role: String,
        /// The part, e.g. `430103005` or `street:430103005`.
        scope: String,
        /// From which day, `YYYY-MM-DD`.
        since: Option<String>,
        /// Until which day.
        until: Option<String>,
    },
    /// Ends a person's role in a part of the tree.
    EndGrant {
        /// The person.
        person: Uuid,
        /// The role's code.
        role: String,
        /// The part.
        scope: String,
        /// The last day, `YYYY-MM-DD`; yesterday if none is named.
        until: Option<String>,
    },
    /// Lists what a person was granted.
    Grants {
        /// The person.
        person: Uuid,
    },
    /// Erases what a record says, wherever it is held; of a person also the check-ins and every record that is linked as the same person.
    Erase {
        /// The record's type; `person` if none is named.
        record_type: Option<String>,
        /// The record.
        id: Uuid,
        /// Why.
        reason: String,
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
    /// Takes a backup into a new folder of this computer, while everything goes on.
    Backup {
        /// The folder.
        to: PathBuf,
    },
    /// Tells how things stand.
    Status,
}

impl OfficeCommand {
    /// The stable word for the audit log, and the ids and places that the command names.
    pub(crate) fn audited(&self) -> (&'static str, Vec<String>) {
        let ids = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let which = |which: &Selection| match which {
            Selection::Ids(of) => ids(of),
            Selection::Within(code) => vec![code.clone()],
            Selection::All => vec!["all".to_owned()],
        };
        let within = |within: &Option<String>| within.iter().cloned().collect::<Vec<_>>();
        match self {
            Self::Invite { scopes, roles, persons, replaces, .. } => {
                ("invite", [scopes.clone(), roles.clone(), ids(persons), within(replaces)].concat())
            }
            Self::Invites => ("invites", Vec::new()),
            Self::Withdraw { invite } => ("withdraw", vec![invite.clone()]),
            Self::Devices { within: place } => ("devices", within(place)),
            Self::Rename { author, .. } => ("rename", vec![author.clone()]),
            Self::Reassign { author, persons, roles, scopes, .. } => (
                "reassign",
                [
                    vec![author.clone()],
                    ids(persons.as_deref().unwrap_or_default()),
                    roles.clone().unwrap_or_default(),
                    scopes.clone().unwrap_or_default(),
                ]
                .concat(),
            ),
            Self::Revoke { author, .. } => ("revoke", vec![author.clone()]),
            Self::Grant { person, role, scope, .. } => ("grant", vec![person.to_string(), role.clone(), scope.clone()]),
            Self::EndGrant { person, role, scope, .. } => {
                ("end_grant", vec![person.to_string(), role.clone(), scope.clone()])
            }
            Self::Grants { person } => ("grants", vec![person.to_string()]),
            Self::Erase { id, .. } => ("erase", vec![id.to_string()]),
            Self::Duplicates { within: place, .. } => ("duplicates", within(place)),
            Self::Conflicts { within: place, .. } => ("conflicts", within(place)),
            Self::Resolve { id, field, .. } => ("resolve", vec![id.to_string(), field.clone()]),
            Self::Link { loser, winner, .. } => ("link", ids(&[*loser, *winner])),
            Self::Unlink { loser, winner, .. } => ("unlink", ids(&[*loser, *winner])),
            Self::Confirm { which: of, .. } => ("confirm", which(of)),
            Self::Verify { which: of } => ("verify", which(of)),
            Self::MarkDuplicate { activity, of, .. } => ("mark_duplicate", ids(&[*activity, *of])),
            Self::Return { ids: of, .. } => ("return", ids(of)),
            Self::Move { person, to, .. } => ("move", vec![person.to_string(), to.clone()]),
            Self::Quarantine { scope, author, from, .. } => {
                ("quarantine", vec![scope.clone(), author.clone(), from.to_string()])
            }
            Self::Release { scope, author, from, .. } => {
                ("release", vec![scope.clone(), author.clone(), from.to_string()])
            }
            Self::Tallies { year } => ("tallies", vec![year.to_string()]),
            Self::Backup { to } => ("backup", vec![to.display().to_string()]),
            Self::Status => ("status", Vec::new()),
        }
    }

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
            replaces: None,
        }
    }
}
