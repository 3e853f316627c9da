//! What can go wrong with a relay as a whole.

use std::io;
use std::path::PathBuf;

use lastmile_model::Scope;
use lastmile_protocol::Code;
use lastmile_store::StoreError;
use lastmile_web::WebError;

use crate::OfficeError;

/// Says why the relay could not do something, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The folder cannot be written.
    #[error("{path}: cannot be written; check who owns the folder and its permissions")]
    ReadOnly {
        /// The folder or file.
        path: PathBuf,
    },
    /// A file of the folder cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file does not hold a key.
    #[error("{path}: does not hold a key of 64 hexadecimal digits; put it back from where the keys are kept")]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// A key that belongs to the database is not there.
    #[error("{path}: is missing, and the database was made with it; put it back from where the keys are kept")]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// What arrived in a scope could not be judged yet, so nobody is served of it.
    #[error("what arrived in {scope} cannot be held against permissions yet; it is tried again with each request")]
    Unjudged {
        /// The scope.
        scope: Scope,
    },
    /// The database of a deployment that began here is not there.
    #[error("{path}: is missing, and a deployment began here with it; put it back, or restore a backup")]
    DatabaseMissing {
        /// The file.
        path: PathBuf,
    },
    /// A key file holds a key of another deployment.
    #[error("{path}: is the key of another deployment than the database's; put the right one back")]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// A chained file does not hold together.
    #[error(
        "{path}: line {line} does not follow the one before; the file was altered or damaged, put it back from a copy"
    )]
    Chain {
        /// The file.
        path: PathBuf,
        /// The first line that does not fit.
        line: u64,
    },
    /// The register is another, or shorter, than the database knows.
    #[error(
        "{path}: does not hold the {lines} entries that the database knows of; put the register back, or name where it is"
    )]
    RegisterShort {
        /// The file.
        path: PathBuf,
        /// How many entries it must have.
        lines: u64,
    },
    /// The folder holds no backup.
    #[error("{path}: holds no backup; name a folder that `lastmile relay backup` made")]
    NoBackup {
        /// The folder.
        path: PathBuf,
    },
    /// The database of a backup is another than the backup says.
    #[error("{path}: is damaged, or of another backup; take an older one")]
    DamagedBackup {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds no relay.
    #[error("{path}: holds no relay; start one there first with `lastmile relay serve`")]
    NoRelay {
        /// The folder.
        path: PathBuf,
    },
    /// The database failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server could not start or go on.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] lastmile_web::tls::TlsError),
    /// The files of attachments could not be kept, read or removed.
    #[error("{what}: {source}; look at the folder or the bucket of `attachments.store`")]
    Files {
        /// What was being done.
        what: String,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This build keeps files in folders alone.
    #[error("`{url}`: this build knows no buckets; build with the feature `s3`, or name a folder")]
    NoBuckets {
        /// What was given.
        url: String,
    },
    /// The URL under which devices are to reach the relay is none.
    #[error("`{url}` is no URL of a relay; write e.g. https://relay.example:8440")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness; keys cannot be made")]
    NoRandomness,
    /// The writer has ended.
    #[error("the relay is stopping; try again when it runs")]
    Stopping,
    /// The office's command was refused.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

impl RelayError {
    /// Sorts what the system said about a file.
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::File { path, source },
        }
    }

    /// The code by which a peer hears of it.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Stopping => Code::Busy,
            Self::Unjudged { .. } => Code::CannotStore,
            error if error.is_of_the_disk() => Code::CannotStore,
            _ => Code::Internal,
        }
    }

    /// Whether the disk has no room or cannot be written.
    pub(crate) const fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Store(StoreError::DiskFull | StoreError::NoRoom { .. } | StoreError::ReadOnly { .. }))
    }

    /// Says it in the words of the office's errors.
    pub(crate) fn into_office(self) -> OfficeError {
        match self {
            Self::Office(error) => error,
            Self::Stopping => OfficeError::Stopping,
            other => OfficeError::Failed { text: other.to_string() },
        }
    }
}
