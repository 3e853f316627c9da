//! The keys of a relay, each in a file of its own that only its owner reads.

use std::fs;
use std::io;
use std::path::Path;

use lastmile_log::{AuthorKey, Deployment, OfficeKey, fingerprint};
use lastmile_model::ChangeHash;

use crate::RelayError;
use crate::clock::{Chance, random};

const ROOT: &str = "root.key";
const OFFICE: &str = "office.key";
const VALUE: &str = "value.key";
const FINGERPRINT: &str = "fingerprint.key";
const PIN: &str = "tls.pin";

/// The secrets of one relay.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Certifies office authors. It may be kept elsewhere once the office author is certified.
    pub root: Option<AuthorKey>,
    /// Signs what the office writes, and receipts.
    pub office: AuthorKey,
    /// Signs erasure orders, which stand in logs of their own. Follows from the office's key.
    pub orders: AuthorKey,
    /// Opens sealed values.
    pub value: OfficeKey,
    /// Makes fingerprints of id numbers and of invites' tokens.
    pub fingerprint: [u8; 32],
    /// What devices know of the relay's own certificate authority, where it serves under one; it is no secret.
    pub pin: Option<[u8; 32]>,
}

impl Keys {
    /// Reads the keys; makes those that are missing if there is no database yet.
    pub fn load(folder: &Path, deployment: Option<&Deployment>, chance: &Chance) -> Result<Self, RelayError> {
        let fresh = deployment.is_none();
        let root = match read(&folder.join(ROOT))? {
            Some(seed) => Some(AuthorKey::from_seed(&seed)),
            None if fresh => Some(AuthorKey::from_seed(&make(&folder.join(ROOT), chance)?)),
            None => None,
        };
        if let (Some(root), Some(deployment)) = (&root, deployment)
            && root.public() != deployment.root
        {
            return Err(RelayError::OtherKey { path: folder.join(ROOT) });
        }
        let needed = |name: &str| -> Result<[u8; 32], RelayError> {
            let path = folder.join(name);
            match read(&path)? {
                Some(seed) => Ok(seed),
                None if fresh => make(&path, chance),
                None => Err(RelayError::KeyMissing { path }),
            }
        };
        let office = AuthorKey::from_seed(&needed(OFFICE)?);
        Ok(Self {
            root,
            orders: AuthorKey::from_seed(&fingerprint(&office.seed(), b"lastmile orders")),
            office,
            value: OfficeKey::from_seed(&needed(VALUE)?),
            fingerprint: needed(FINGERPRINT)?,
            pin: read(&folder.join(PIN))?,
        })
    }
}

/// Keeps what invites tell of the relay's own certificate authority, for the office's commands while no relay runs.
pub(crate) fn keep_pin(folder: &Path, pin: Option<[u8; 32]>) -> Result<(), RelayError> {
    let path = folder.join(PIN);
    match pin {
        Some(pin) => write_secret(&path, &format!("{}\n", ChangeHash(pin))),
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RelayError::file(path, error)),
            _ => Ok(()),
        },
    }
}

fn read(path: &Path) -> Result<Option<[u8; 32]>, RelayError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let seed = text.trim().parse::<ChangeHash>().map_err(|_| RelayError::BadKey { path: path.to_owned() })?;
            Ok(Some(seed.0))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RelayError::file(path, error)),
    }
}

fn make(path: &Path, chance: &Chance) -> Result<[u8; 32], RelayError> {
    let seed = random::<32>(chance)?;
    write_secret(path, &format!("{}\n", ChangeHash(seed)))?;
    Ok(seed)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), RelayError> {
    lastmile_web::write_secret(path, text).map_err(|error| RelayError::file(path, error))
}
