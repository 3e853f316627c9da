//! What can go wrong on a device.

use std::path::PathBuf;

use lastmile_model::Problem;
use lastmile_protocol::Code;
use lastmile_store::StoreError;

use crate::Distrust;

/// Says what the device was doing, why it failed and, where there is one, the cure. No variant carries personal data.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The folder holds no replica.
    #[error("{folder}: holds no replica; make one with an invite")]
    NoReplica {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds a replica already.
    #[error("{folder}: holds a replica already; choose another folder")]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of the folder cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is none that can be attached.
    #[error("not attached: {0}")]
    FileNotTaken(lastmile_media::Refused),
    /// Files are attached to records of a community alone.
    #[error("not attached: files belong to records of a community, and {record_type} records are the city's")]
    NotAttachable {
        /// The type.
        record_type: String,
    },
    /// The key file is not 64 hexadecimal digits.
    #[error("{path}: is not a device key; restore it, or enrol the device anew with an invite")]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The key file belongs to another state of the replica than its database.
    #[error("{path}: is not the key that belongs to this database; put the two back from the same copy")]
    OtherKey {
        /// The key file.
        path: PathBuf,
    },
    /// What was typed does not fit the record type.
    #[error("not saved: {}", list(.0))]
    Invalid(Vec<Problem>),
    /// The record type belongs to another kind of scope than this device holds.
    #[error("{record_type} records do not belong into a scope of this device")]
    NoScopeFor {
        /// The type.
        record_type: String,
    },
    /// The people of this device may not do this.
    #[error("not saved: the roles of this device may not do `{operation}` on {record_type} records; ask the office")]
    NotPermitted {
        /// The type.
        record_type: String,
        /// The operation: `begin`, `edit`, `settle` or the kind of an event.
        operation: String,
    },
    /// The step is not possible in the record's state.
    #[error("`{event}` is not possible while the {record_type} is {state}")]
    NotNow {
        /// The event.
        event: String,
        /// The type.
        record_type: String,
        /// The state it is in.
        state: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The relay cannot be reached.
    #[error("{relay}: cannot be reached ({reason}); what was saved is kept and will be sent")]
    Unreachable {
        /// The relay's address.
        relay: String,
        /// Why.
        reason: String,
        /// Bytes of the request that were on their way; none when nobody was reached.
        sent: u64,
    },
    /// Whoever answers at the relay's address is not believed to be the relay; nothing was said to them.
    #[error("{relay}: is not believed to be the relay: {why}; what was saved is kept")]
    Untrusted {
        /// The relay's address.
        relay: String,
        /// Why.
        why: Distrust,
    },
    /// The address would carry records in clear text beyond this computer.
    #[error("`{0}` would send records in clear text over the network; write https:// and the relay's address")]
    ClearText(String),
    /// The system has no list of whom it trusts, and the invite names no authority.
    #[error(
        "{relay}: cannot be verified, as this system's list of trusted certificates cannot be used ({reason}); ask the office for an invite that names the relay's own authority"
    )]
    NoTrustStore {
        /// The relay's address.
        relay: String,
        /// What is wrong with the list.
        reason: String,
    },
    /// Something else than a relay answered.
    #[error(
        "{relay}: answered with something that is no relay's answer ({found}); a login page of the network may stand before it"
    )]
    NotARelay {
        /// The relay's address.
        relay: String,
        /// What came.
        found: String,
    },
    /// The relay's answer ended in the middle.
    #[error("{relay}: the answer broke off; what came whole is kept, and the next exchange goes on from there")]
    BrokenOff {
        /// The relay's address.
        relay: String,
        /// Batches that came whole.
        batches: u64,
    },
    /// The relay refused the exchange.
    #[error("the relay refused: {code}")]
    Refused {
        /// Its code.
        code: Code,
        /// When to try again at the earliest, in milliseconds.
        retry_after_ms: u64,
    },
    /// The peer broke the protocol.
    #[error("the exchange broke off: {0}")]
    Session(#[from] lastmile_protocol::SessionError),
    /// The address of the relay is no URL.
    #[error("`{0}` is no address of a relay; write e.g. https://relay.example:8440")]
    BadAddress(String),
    /// A value could not be sealed to the office.
    #[error("the office's key for sealed values is damaged; enrol the device anew")]
    OfficeKey,
    /// The kept key of the relay's authority is damaged.
    #[error("the kept key of the relay's authority is damaged; enrol the device anew")]
    BadPin,
    /// The file is no bundle.
    #[error("{path}: is no bundle, or is damaged before its first record")]
    NotABundle {
        /// The file.
        path: PathBuf,
    },
    /// The bundle is damaged.
    #[error("{path}: is damaged; what came whole before that place is kept")]
    DamagedBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: lastmile_protocol::SessionError,
    },
    /// The machine gives no randomness.
    #[error("the system gives no randomness; keys and ids cannot be made")]
    NoRandomness,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ClientError {
    /// Whether trying again later may help without anybody doing anything.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Untrusted { .. }
                | Self::NotARelay { .. }
                | Self::BrokenOff { .. }
                | Self::Refused { .. }
                | Self::Session(_)
        )
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
