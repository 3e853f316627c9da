//! The device's folder: the replica's file, the device's key, and the mark that shows copies.

use std::path::{Path, PathBuf};

use lastmile_log::{AuthorKey, sha256};
use lastmile_model::ChangeHash;

use crate::ClientError;
use crate::clock::{Clock, random};

/// Where a device keeps itself.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Names the folder; nothing is touched.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SQLite file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("replica.db")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path.join("device.key")
    }

    fn mark_file(&self) -> PathBuf {
        self.path.join("mark")
    }

    /// Whether the folder holds a replica.
    #[must_use]
    pub fn holds_replica(&self) -> bool {
        self.key_file().exists()
    }

    /// Makes the folder, readable by its owner alone.
    pub(crate) fn create(&self) -> Result<(), ClientError> {
        std::fs::create_dir_all(&self.path).map_err(ClientError::file(&self.path))?;
        restrict(&self.path, 0o700)
    }

    /// Reads the device's key.
    pub(crate) fn key(&self) -> Result<AuthorKey, ClientError> {
        let path = self.key_file();
        if !path.exists() {
            return Err(ClientError::NoReplica { folder: self.path.clone() });
        }
        read_key(path)
    }

    /// Keeps a new key in place of the old one: written aside, flushed, then moved over it.
    pub(crate) fn keep_key(&self, key: &AuthorKey) -> Result<(), ClientError> {
        self.replace(&self.key_file(), &written(key))
    }

    /// The file with the key that an invite went out with, named so that each invite has its own.
    fn enrolment_file(&self, token: &[u8; 16]) -> PathBuf {
        let [a, b, c, d, ..] = sha256(token);
        self.path.join(format!("enrolment-{a:02x}{b:02x}{c:02x}{d:02x}.key"))
    }

    /// The key to enrol with by this invite: the one of an earlier try, or a new one that is kept for the next; and whether it is
    /// new.
    pub(crate) fn enrolment_key(&self, token: &[u8; 16], clock: &dyn Clock) -> Result<(AuthorKey, bool), ClientError> {
        let path = self.enrolment_file(token);
        if path.exists() {
            return Ok((read_key(path)?, false));
        }
        let key = AuthorKey::from_seed(&random(clock)?);
        self.replace(&path, &written(&key))?;
        Ok((key, true))
    }

    /// Forgets the key of an enrolment that is over, and the folder with it if that is `new` and empty.
    pub(crate) fn give_up_enrolment(&self, token: &[u8; 16], new: bool) -> Result<(), ClientError> {
        let path = self.enrolment_file(token);
        std::fs::remove_file(&path).map_err(ClientError::file(&path))?;
        if new {
            // Whatever else lies in it keeps it.
            let _ = std::fs::remove_dir(&self.path);
        }
        Ok(())
    }

    /// Reads the mark outside the replica's file.
    pub(crate) fn mark(&self) -> Option<Vec<u8>> {
        std::fs::read(self.mark_file()).ok()
    }

    /// Whether the mark outside is one of those inside the replica's file: the last, and the one it was to replace.
    pub(crate) fn is_marked_by(&self, inside: Option<&[u8]>) -> bool {
        let (Some(inside), Some(outside)) = (inside, self.mark()) else { return false };
        inside.split(|byte| *byte == b' ').any(|mark| mark == outside)
    }

    /// Writes the mark outside the replica's file.
    pub(crate) fn keep_mark(&self, mark: &str) -> Result<(), ClientError> {
        self.replace(&self.mark_file(), mark)
    }

    fn replace(&self, path: &Path, text: &str) -> Result<(), ClientError> {
        use std::io::Write as _;
        let aside = path.with_extension("new");
        let failed = || ClientError::file(path.to_owned());
        let mut file = std::fs::File::create(&aside).map_err(failed())?;
        restrict(&aside, 0o600)?;
        file.write_all(text.as_bytes()).map_err(failed())?;
        file.sync_all().map_err(failed())?;
        std::fs::rename(&aside, path).map_err(failed())?;
        let folder = std::fs::File::open(&self.path).map_err(ClientError::file(&self.path))?;
        folder.sync_all().map_err(ClientError::file(&self.path))
    }
}

fn read_key(path: PathBuf) -> Result<AuthorKey, ClientError> {
    let text = std::fs::read_to_string(&path).map_err(ClientError::file(&path))?;
    let seed: ChangeHash = text.trim().parse().map_err(|_| ClientError::BadKey { path })?;
    Ok(AuthorKey::from_seed(&seed.0))
}

fn written(key: &AuthorKey) -> String {
    format!("{}\n", ChangeHash(key.seed()))
}

/// A new mark as text.
pub(crate) fn new_mark(clock: &dyn Clock) -> Result<String, ClientError> {
    Ok(lastmile_model::AuthorId(random(clock)?).to_string())
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), ClientError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(ClientError::file(path))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> Result<(), ClientError> {
    Ok(())
}
