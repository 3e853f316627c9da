//! A relay's folder: its database and its keys.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastmile_log::{Certificate, Deployment, Issuer, ORDERS};
use lastmile_model::permissions::Permissions;
use lastmile_model::{AuthorId, Catalogue};
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::{Reader, Store};
use uuid::Uuid;

use crate::RelayError;
use crate::central::Central;
use crate::clock::{Chance, Clock, random, system_chance, system_clock};
use crate::files::{FilePlace, Files, place_of};
use crate::keys::{Keys, write_secret};
use crate::live::sessions::LiveOptions;

/// The database's file.
pub(crate) const DATABASE: &str = "relay.db";

/// A file that stands beside a database with a deployment from its first start on. A folder with it and without the database has lost
/// that one; keys alone may be what a first start left that was interrupted.
const BEGUN: &str = "deployment.id";

/// How a folder is opened.
#[derive(Clone)]
pub struct RelayOptions {
    /// Tells the time.
    pub clock: Clock,
    /// Gives randomness.
    pub chance: Chance,
    /// The record types; the built-in ones by default.
    pub catalogue: Arc<Catalogue>,
    /// Who may do what; the built-in table, which fits the built-in record types, by default.
    pub permissions: Arc<Permissions>,
    /// Where the register of revocations and erasures is kept; `register.jsonl` in the folder if nothing is named. It belongs on another
    /// disk than the database.
    pub register: Option<PathBuf>,
    /// Versions of apps, as commits name them, whose work is held back from now on; those that the folder remembers if nothing is named.
    pub stopped_versions: Option<BTreeSet<String>>,
    /// The most commits of one author taken in one scope and day.
    pub daily_commits: u64,
    /// The most bytes of one author taken in one scope and day.
    pub daily_bytes: u64,
    /// How live connections are kept.
    pub live: LiveOptions,
    /// Where the files of attachments are kept; where the folder remembers it if nothing is named, at first beside the database.
    pub files: Option<FilePlace>,
    /// The most bytes of files of one author taken in one scope and day.
    pub daily_file_bytes: u64,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            clock: system_clock(),
            chance: system_chance(),
            catalogue: Arc::clone(Catalogue::shared_builtin()),
            permissions: Arc::new(Permissions::builtin().clone()),
            register: None,
            stopped_versions: None,
            daily_commits: 20_000,
            daily_bytes: 50 << 20,
            live: LiveOptions::default(),
            files: None,
            daily_file_bytes: 200 << 20,
        }
    }
}

impl fmt::Debug for RelayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayOptions").field("daily_commits", &self.daily_commits).finish_non_exhaustive()
    }
}

/// An open folder. One process has it open at a time.
pub struct RelayFolder {
    path: PathBuf,
    pub(crate) central: Central,
}

impl fmt::Debug for RelayFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayFolder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RelayFolder {
    /// Opens a relay's folder; the first time makes the database, the keys and the deployment.
    ///
    /// # Errors
    /// When the folder cannot be written, is open in another process, was written by a newer version, or lacks a key or its database.
    pub fn open_or_create(path: impl AsRef<Path>, options: &RelayOptions) -> Result<Self, RelayError> {
        let path = path.as_ref();
        make_folder(path)?;
        let storage = sqlite::open(&path.join(DATABASE), &OpenOptions::default(), &options.catalogue)?;
        let mut store = Store::new(storage, Arc::clone(&options.catalogue))?;
        let known = store.deployment()?;
        let begun = path.join(BEGUN);
        if known.is_none() && begun.exists() {
            return Err(RelayError::DatabaseMissing { path: path.join(DATABASE) });
        }
        let keys = Keys::load(path, known.as_ref(), &options.chance)?;
        if known.is_none() {
            let root = keys.root.as_ref().ok_or_else(|| RelayError::KeyMissing { path: path.join("root.key") })?;
            store.set_deployment(&Deployment { id: random::<16>(&options.chance)?, root: root.public() })?;
        }
        let deployment = store.deployment()?.ok_or(RelayError::Stopping)?;
        let office = keys.office.author(&deployment);
        for (key, device, role) in [(&keys.office, "office", "central"), (&keys.orders, "orders", ORDERS)] {
            if store.trust().is_some_and(|trust| trust.is_office(key.author(&deployment))) {
                continue;
            }
            let root = keys.root.as_ref().ok_or_else(|| RelayError::KeyMissing { path: path.join("root.key") })?;
            let certificate = Certificate {
                public: key.public(),
                device: device.to_owned(),
                persons: Vec::new(),
                roles: vec![role.to_owned()],
                scopes: Vec::new(),
                from_ms: (options.clock)(),
                until_ms: None,
                issuer: Issuer::Root,
                signature: [0; 64],
                consent: None,
            };
            store.add_certificates(&[certificate.signed(root, &deployment)])?;
        }
        if store.epoch()? != Some(office) {
            store.set_epoch(office)?;
        }
        if !begun.exists() {
            write_secret(&begun, &format!("{}\n", Uuid::from_bytes(deployment.id)))?;
        }
        let mut central = Central::new(store, keys, deployment, options)?;
        path.clone_into(&mut central.folder);
        let place = place_of(&mut central.store, options.files.as_ref())?;
        central.files = Arc::new(Files::open(path, &place, options.daily_file_bytes, central.now_ms())?);
        central.recover()?;
        central.open_audit(path)?;
        central.replay_register(path, options.register.as_ref())?;
        Ok(Self { path: path.to_owned(), central })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The deployment.
    #[must_use]
    pub const fn deployment(&self) -> Deployment {
        self.central.deployment
    }

    /// The relay's epoch: its office author.
    #[must_use]
    pub const fn epoch(&self) -> AuthorId {
        self.central.office
    }

    /// The office's public key for sealed values.
    #[must_use]
    pub fn value_key(&self) -> [u8; 32] {
        self.central.keys.value.public()
    }

    /// Opens a reading handle.
    ///
    /// # Errors
    /// When the storage cannot open one.
    pub fn reader(&self) -> Result<Reader, RelayError> {
        Ok(self.central.store.reader()?)
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), RelayError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| RelayError::file(path, error))
}
