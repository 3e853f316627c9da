//! Why a command of the office was refused, and what to do about it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Says why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum OfficeError {
    /// No record with this id is here.
    #[error("no {what} {id} is here; look the id up again, or wait until its device has synced")]
    NotFound {
        /// What was looked for.
        what: String,
        /// Its id.
        id: Uuid,
    },
    /// The catalogue has no such record type, or it cannot be asked for here.
    #[error("`{name}` cannot be asked for here; use one of: {known}")]
    BadType {
        /// The name given.
        name: String,
        /// Those that can.
        known: String,
    },
    /// Nothing of the record's field is open.
    #[error("nothing is open in `{field}` of {id}; see `office conflicts` for what is")]
    NothingOpen {
        /// The record.
        id: Uuid,
        /// The field.
        field: String,
    },
    /// The conflict has no such side.
    #[error("there is no side {number}; choose 1 to {sides}, or 0 to keep what shows")]
    NoSuchSide {
        /// The number given.
        number: usize,
        /// How many there are.
        sides: usize,
    },
    /// The value was not understood or is not allowed.
    #[error("{text}")]
    BadValue {
        /// What is wrong with it, in English.
        text: String,
        /// The same in zh-CN.
        zh: String,
    },
    /// A conflict of this kind cannot be decided by giving a value.
    #[error("`{field}` is decided by choosing one of its sides, not by a value")]
    ChooseASide {
        /// The field.
        field: String,
    },
    /// A field that never changes after the first writing.
    #[error("`{field}` can never change; if the record is wrong, end it and make another")]
    Fixed {
        /// The field.
        field: String,
    },
    /// The two are one record.
    #[error("both ids name the same record; give two different ones")]
    SameRecord,
    /// The two are records of different types.
    #[error("{one} is a {one_type} and {other} a {other_type}; only records of one type are linked")]
    OtherType {
        /// One.
        one: Uuid,
        /// Its type.
        one_type: String,
        /// The other.
        other: Uuid,
        /// Its type.
        other_type: String,
    },
    /// A reason must be given.
    #[error("say why; everyone who holds the record can read it")]
    NoReason,
    /// A text is too long.
    #[error("the reason is longer than {most} characters; shorten it")]
    LongReason {
        /// The longest.
        most: usize,
    },
    /// The record is in a state that does not allow this.
    #[error("{id} is {state}; `{event}` is not possible then")]
    WrongState {
        /// The record.
        id: Uuid,
        /// Its state.
        state: String,
        /// What was to happen.
        event: String,
    },
    /// A text is no date, or one that lies ahead.
    #[error("`{text}` is not a day up to today; write e.g. 2026-11-23")]
    BadDay {
        /// The text.
        text: String,
    },
    /// A text names no scope that is held here.
    #[error("`{text}` is no scope held here; write e.g. community:430103005010")]
    BadScope {
        /// The text.
        text: String,
    },
    /// What settled itself is only looked for in a street or community.
    #[error("name a street or a community, by 9 or 12 digits, to see what settled itself")]
    WidePlace,
    /// A text is no community's code.
    #[error("`{text}` is no community; give its 12-digit code")]
    BadCommunity {
        /// The text.
        text: String,
    },
    /// A text names no author whose log is held here.
    #[error("`{text}` is no author with a log in {scope}; see `status` for the devices")]
    BadAuthor {
        /// The text.
        text: String,
        /// The scope.
        scope: String,
    },
    /// The office's own commits take no verdict.
    #[error("these commits are the office's own; they cannot be quarantined")]
    OfficeCommit,
    /// The range is not in the log.
    #[error("the log holds commits 1 to {head}; give a range within it")]
    BadRange {
        /// The last commit held.
        head: u64,
    },
    /// Nothing is quarantined by exactly this range.
    #[error("no quarantine covers exactly that range; in force are: {in_force}")]
    NotQuarantined {
        /// The ranges.
        in_force: String,
    },
    /// The person is on the books nowhere.
    #[error("{person} has no check-in to move; confirm one first")]
    NoCheckIn {
        /// The person.
        person: Uuid,
    },
    /// The person is there already.
    #[error("{person} is on the books there already")]
    AlreadyThere {
        /// The person.
        person: Uuid,
    },
    /// An invite names too many scopes, or none.
    #[error("name 1 to {most} scopes, cities included; give a further device the rest")]
    BadScopes {
        /// The most.
        most: usize,
    },
    /// An invite names no role, or an unknown one.
    #[error("name a role: worker, secretary, street, district, central, liaison, member or auditor")]
    NoRole,
    /// A text names no device.
    #[error("`{text}` is no device known here; see `office devices`")]
    NoDevice {
        /// The text.
        text: String,
    },
    /// The device was revoked before.
    #[error("the device was revoked; invite it anew instead")]
    Revoked,
    /// A device's name is empty.
    #[error("give the device a name")]
    NoName,
    /// A text names no invite that can be taken back.
    #[error("`{text}` is no invite that could still be used; see `office invites`")]
    NoInvite {
        /// The text.
        text: String,
    },
    /// A role does not stand at this level of the tree.
    #[error("the role {role} does not stand at {scope}; see schema/permissions.toml for its levels")]
    WrongLevel {
        /// The role.
        role: String,
        /// The part of the tree.
        scope: String,
    },
    /// A person does not have the role there, or it ends before.
    #[error("{person} does not hold the role {role} at {scope} beyond that day")]
    NoGrant {
        /// The person.
        person: Uuid,
        /// The role.
        role: String,
        /// The part of the tree.
        scope: String,
    },
    /// An invite needs the relay's address.
    #[error("the relay is not running; name the URL under which devices will reach it")]
    NoAddress,
    /// The relay is stopping, or not there.
    #[error("the relay is stopping; try again when it runs")]
    Stopping,
    /// Whoever asked may not.
    #[error("this is not permitted; run it as the relay's user on the relay's computer")]
    NotPermitted,
    /// The request could not be read.
    #[error("the request could not be read: {text}")]
    BadRequest {
        /// What was wrong.
        text: String,
    },
    /// Something failed on the relay's side.
    #[error("{text}")]
    Failed {
        /// What failed.
        text: String,
    },
}
