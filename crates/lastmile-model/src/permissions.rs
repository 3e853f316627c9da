//! Who may do what, as data: `schema/permissions.toml`.
//!
//! The table says which operations a role may make on records of a type, up to which privacy level its pages show fields, and
//! whether a device may hold a replica for it. Where somebody holds a role is said by certificates and grants; the relay puts the
//! two together for each commit.
//!
//! ```
//! use lastmile_model::permissions::{Operation, Permissions};
//! use lastmile_model::roles::Role;
//!
//! let permissions = Permissions::builtin();
//! assert!(permissions.allows(Role::Secretary, "check_in", Operation::Event("confirm")));
//! assert!(!permissions.allows(Role::Worker, "check_in", Operation::Event("confirm")));
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::catalogue::Level;
use crate::roles::Role;
use crate::{Catalogue, RecordType, planted};

const BUILTIN: &str = include_str!("../../../schema/permissions.toml");
const VERSION: u32 = 1;

const BEGIN: &str = "begin";
const EDIT: &str = "edit";
const SETTLE: &str = "settle";

/// What a change does to a record, as far as permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation<'a> {
    /// It is the record's first change.
    Begin,
    /// It changes fields.
    Edit,
    /// It chooses between values that people entered differently.
    Settle,
    /// It adds an event of this kind.
    Event(&'a str),
    /// It rewrites a part of an event that stands already, or writes a field that is the office's alone: nobody may.
    Alter,
}

impl<'a> Operation<'a> {
    /// Returns the word that the table uses.
    #[must_use]
    pub const fn word(self) -> &'a str {
        match self {
            Self::Begin => BEGIN,
            Self::Edit => EDIT,
            Self::Settle => SETTLE,
            Self::Event(kind) => kind,
            Self::Alter => "alter",
        }
    }

    /// Returns every operation that records of a type know, those that no role may make left out.
    #[must_use]
    pub fn of_type(record_type: &RecordType) -> Vec<Operation<'_>> {
        let fixed = [Operation::Begin, Operation::Edit, Operation::Settle];
        let events = record_type.fields.iter().flat_map(|field| &field.events);
        fixed.into_iter().chain(events.map(|event| Operation::Event(&event.kind))).collect()
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A level of the tree at which a grant stands, or the axis of employers beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeLevel {
    /// A city: 4 digits.
    City,
    /// A district: 6 digits.
    District,
    /// A street: 9 digits.
    Street,
    /// A community: 12 digits.
    Community,
    /// A grid: 15 digits.
    Grid,
    /// An organisation.
    Org,
}

/// What the file says of one role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    replica: bool,
    levels: Vec<TreeLevel>,
    reads: u8,
    on_reason: u8,
    #[serde(default)]
    writes: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    roles: BTreeMap<String, Row>,
}

/// Says why a table of permissions is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPermissions {
    /// It is not the TOML that is expected.
    #[error("the table of permissions cannot be read: {0}")]
    Unreadable(String),
    /// It is of another version.
    #[error("the table of permissions has version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// It names a role that does not exist, or leaves one out.
    #[error("the table of permissions must name each role once; see `{0}`")]
    Role(String),
    /// It names a privacy level that does not exist, or one on a reason below the one without.
    #[error("the role {0} reads levels from 0 to 3, on a reason no fewer than without")]
    Level(String),
    /// It names a type or operation that the catalogue does not have, or one that is the office's alone.
    #[error(
        "the role {role} may not be given `{operation}` on `{record_type}`: the catalogue has no such thing for it"
    )]
    Unknown {
        /// The role.
        role: String,
        /// The type.
        record_type: String,
        /// The operation.
        operation: String,
    },
}

/// The table: what each role may do.
#[derive(Debug, Clone)]
pub struct Permissions {
    rows: BTreeMap<Role, Row>,
}

impl Permissions {
    /// Returns the table compiled in, which fits the built-in catalogue.
    #[must_use]
    #[expect(clippy::panic, reason = "the file is compiled in, and a test reads it")]
    pub fn builtin() -> &'static Self {
        static TABLE: LazyLock<Permissions> =
            LazyLock::new(|| match Permissions::parse(BUILTIN, Catalogue::builtin()) {
                Ok(table) => table,
                Err(error) => panic!("schema/permissions.toml: {error}"),
            });
        &TABLE
    }

    /// Reads a table for a catalogue.
    ///
    /// # Errors
    /// [`BadPermissions`] naming what does not fit.
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Self, BadPermissions> {
        let file: File = toml::from_str(text).map_err(|error| BadPermissions::Unreadable(error.to_string()))?;
        if file.version != VERSION {
            return Err(BadPermissions::Version(file.version));
        }
        let mut rows = BTreeMap::new();
        for (code, row) in file.roles {
            let role: Role = code.parse().map_err(|_| BadPermissions::Role(code.clone()))?;
            if row.reads > row.on_reason || level(row.on_reason).is_none() {
                return Err(BadPermissions::Level(code));
            }
            for (record_type, operations) in &row.writes {
                let known = catalogue.get(record_type).map(|(_, known)| known).filter(|known| !known.office_only);
                let words: BTreeSet<&str> =
                    known.map(Operation::of_type).into_iter().flatten().map(Operation::word).collect();
                if let Some(operation) = operations.iter().find(|word| !words.contains(word.as_str())) {
                    let (record_type, operation) = (record_type.clone(), operation.clone());
                    return Err(BadPermissions::Unknown { role: code, record_type, operation });
                }
            }
            rows.insert(role, row);
        }
        match Role::ALL.iter().find(|role| !rows.contains_key(role)) {
            Some(missing) => Err(BadPermissions::Role(missing.code().to_owned())),
            None => Ok(Self { rows }),
        }
    }

    /// Whether a role may make an operation on records of a type.
    #[must_use]
    pub fn allows(&self, role: Role, record_type: &str, operation: Operation<'_>) -> bool {
        if operation == Operation::Alter {
            return false;
        }
        let operations = self.rows.get(&role).and_then(|row| row.writes.get(record_type));
        operations.is_some_and(|operations| operations.contains(operation.word())) || planted!("roles-unread")
    }

    /// Whether any role may make any operation on records of a type: types that nobody is given belong to a newer version.
    #[must_use]
    pub fn knows(&self, record_type: &str) -> bool {
        self.rows.values().any(|row| row.writes.contains_key(record_type))
    }

    /// Whether a device may hold a replica for a role.
    #[must_use]
    pub fn replica(&self, role: Role) -> bool {
        self.rows.get(&role).is_some_and(|row| row.replica)
    }

    /// At which levels a grant of a role stands.
    #[must_use]
    pub fn levels(&self, role: Role) -> &[TreeLevel] {
        self.rows.get(&role).map_or(&[], |row| &row.levels)
    }

    /// Up to which privacy level a role sees fields in clear, once a reason is given or without one.
    #[must_use]
    pub fn reads(&self, role: Role, with_reason: bool) -> Level {
        let shown = self.rows.get(&role).map(|row| if with_reason { row.on_reason } else { row.reads });
        shown.and_then(level).unwrap_or(Level::Public)
    }
}

const fn level(number: u8) -> Option<Level> {
    match number {
        0 => Some(Level::Public),
        1 => Some(Level::Internal),
        2 => Some(Level::Personal),
        3 => Some(Level::Sensitive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::Machine;

    #[test]
    fn the_table_fits_the_catalogue_and_the_machines() {
        let (table, catalogue) = (Permissions::builtin(), Catalogue::builtin());
        for record_type in catalogue.types() {
            for operation in Operation::of_type(record_type) {
                let holders = Role::ALL.into_iter().filter(|role| table.allows(*role, &record_type.name, operation));
                assert_eq!(holders.count() > 0, !record_type.office_only, "{} {operation}", record_type.name);
            }
            let machine = record_type.states.as_deref().and_then(Machine::named);
            for kind in machine.into_iter().flat_map(Machine::events) {
                assert!(record_type.event(kind).is_some(), "{} {kind}", record_type.name);
            }
        }
    }

    #[test]
    fn workers_enter_and_secretaries_judge() {
        let table = Permissions::builtin();
        assert!(table.allows(Role::Worker, "activity", Operation::Begin));
        assert!(!table.allows(Role::Worker, "activity", Operation::Event("verify")));
        assert!(!table.allows(Role::Worker, "activity", Operation::Settle));
        assert!(table.allows(Role::Street, "check_in", Operation::Event("return")));
        assert!(!table.allows(Role::Central, "verdict", Operation::Begin));
        for role in Role::ALL {
            assert!(!table.allows(role, "activity", Operation::Alter));
            assert!(table.reads(role, true) >= table.reads(role, false));
            assert!(!table.levels(role).is_empty());
        }
        assert!(!table.replica(Role::Auditor) && table.replica(Role::Worker));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let parse = |text: &str| Permissions::parse(text, Catalogue::builtin()).map(drop);
        assert!(matches!(parse("version = 1\nworker = 3"), Err(BadPermissions::Unreadable(_))));
        assert_eq!(parse(&BUILTIN.replace("version = 1", "version = 9")), Err(BadPermissions::Version(9)));
        assert_eq!(parse(&BUILTIN.replace("[auditor]", "[king]")), Err(BadPermissions::Role("king".to_owned())));
        assert_eq!(parse("version = 1"), Err(BadPermissions::Role("worker".to_owned())));
        assert_eq!(
            parse(&BUILTIN.replacen("reads = 3", "reads = 4", 1)),
            Err(BadPermissions::Level("worker".to_owned()))
        );
        for (record_type, operation) in [("activity", "dance"), ("verdict", "begin"), ("ghost", "begin")] {
            let text = format!("{BUILTIN}\n[auditor.writes]\n{record_type} = [\"{operation}\"]\n");
            assert!(matches!(parse(&text), Err(BadPermissions::Unknown { .. })), "{record_type} {operation}");
        }
    }
}
