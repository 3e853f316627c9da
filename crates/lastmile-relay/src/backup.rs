//! Backups: a copy of the database taken while the relay works, with the register and the audit log of the time after it.
//!
//! The database is copied first and the register last, so that a register is never older than the database beside it. Keys are not in
//! a backup: who has both has everything.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use lastmile_log::sha256;
use lastmile_model::{AuthorId, ChangeHash};
use lastmile_store::Reader;
use serde::{Deserialize, Serialize};

use crate::RelayError;
use crate::audit::FOLDER as AUDIT;
use crate::central::Central;
use crate::clock::random;
use crate::files::FOLDER as FILES;
use crate::folder::DATABASE;
use crate::keys::write_secret;
use crate::register::{FILE as REGISTER, place};
use crate::{RelayFolder, RelayOptions};

/// What a backup says of itself.
const MANIFEST: &str = "backup.json";

/// The setting that remembers when the last backup was taken.
const TAKEN: &str = "relay.backup";

/// What is read of a file at a time.
const PIECE: usize = 1 << 20;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The layout of the backup.
    pub version: u32,
    /// When it was taken, in milliseconds since 1970.
    pub at_ms: i64,
    /// The relay's epoch.
    pub epoch: String,
    /// Bytes of the database.
    pub bytes: u64,
    /// A hash of its pieces, in hexadecimal digits.
    pub hash: String,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RelayError {
    let path = path.to_owned();
    move |error| RelayError::file(path, error)
}

/// Hashes a file piece by piece; returns its length as well.
fn hash_of(path: &Path) -> Result<(u64, String), RelayError> {
    let mut file = File::open(path).map_err(failed(path))?;
    let (mut bytes, mut running) = (0u64, [0; 32]);
    let mut piece = vec![0; PIECE];
    loop {
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest).map_err(failed(path))? {
                0 => break,
                read => filled += read,
            }
        }
        let Some(taken) = piece.get(..filled).filter(|taken| !taken.is_empty()) else { break };
        running = sha256(&[&running[..], taken].concat());
        bytes = bytes.saturating_add(filled as u64);
    }
    Ok((bytes, ChangeHash(running).to_string()))
}

/// Copies a file and makes the copy last.
fn copy(from: &Path, to: &Path) -> Result<(), RelayError> {
    fs::copy(from, to).map_err(failed(to))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(failed(to))
}

/// Copies the files of a folder that is there; files that stand in the target stay.
fn copy_new(from: &Path, to: &Path) -> Result<(), RelayError> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let target = to.join(entry.file_name());
        if entry.path().is_file() && !target.exists() {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies the files of attachments, two folders deep as they are kept; files that stand in the target stay.
fn copy_files(from: &Path, to: &Path) -> Result<(), RelayError> {
    for kind in folders_of(from)? {
        for scope in folders_of(&from.join(&kind))? {
            copy_new(&from.join(&kind).join(&scope), &to.join(&kind).join(&scope))?;
        }
    }
    Ok(())
}

fn folders_of(folder: &Path) -> Result<Vec<OsString>, RelayError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        if entry.path().is_dir() {
            found.push(entry.file_name());
        }
    }
    Ok(found)
}

/// Takes a backup of a relay's folder into a folder that does not exist yet.
pub(crate) fn take(
    reader: &Reader,
    folder: &Path,
    files: Option<&Path>,
    to: &Path,
    epoch: AuthorId,
    at_ms: i64,
) -> Result<Backup, RelayError> {
    if to.exists() {
        return Err(RelayError::file(to, io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(to).map_err(failed(to))?;
    let database = to.join(DATABASE);
    reader.copy_to(&database)?;
    File::open(&database).and_then(|file| file.sync_all()).map_err(failed(&database))?;
    let register = place(folder, None)?;
    if register.exists() {
        copy(&register, &to.join(REGISTER))?;
    }
    copy_new(&folder.join(AUDIT), &to.join(AUDIT))?;
    // After the database, so that it names none that is not here.
    if let Some(files) = files {
        copy_files(files, &to.join(FILES))?;
    }
    let (bytes, hash) = hash_of(&database)?;
    let backup = Backup { version: 1, at_ms, epoch: epoch.to_string(), bytes, hash };
    // Written last: a folder without it is no backup.
    write_secret(&to.join(MANIFEST), &serde_json::to_string_pretty(&backup).unwrap_or_default())?;
    Ok(backup)
}

impl Central {
    /// Remembers when the last backup was taken.
    pub fn note_backup(&mut self, at_ms: i64) -> Result<(), RelayError> {
        Ok(self.store.set_setting(TAKEN, &at_ms.to_be_bytes())?)
    }

    /// When the last backup was taken, in milliseconds since 1970.
    pub fn backed_up_ms(&self) -> Result<Option<i64>, RelayError> {
        let kept = self.store.setting(TAKEN)?;
        Ok(kept.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes))
    }
}

/// Reads what a backup says of itself and checks that the database is the one it speaks of.
fn checked(from: &Path) -> Result<Backup, RelayError> {
    let manifest = from.join(MANIFEST);
    let no_backup = || RelayError::NoBackup { path: from.to_owned() };
    let text = match fs::read_to_string(&manifest) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_backup()),
        Err(error) => return Err(RelayError::file(manifest, error)),
    };
    let backup: Backup = serde_json::from_str(&text).map_err(|_| no_backup())?;
    let database = from.join(DATABASE);
    if backup.version != 1 || hash_of(&database)? != (backup.bytes, backup.hash.clone()) {
        return Err(RelayError::DamagedBackup { path: database });
    }
    Ok(backup)
}

/// Puts a backup back into a relay's folder that no relay serves. What stands there is moved aside, the register and the audit log stay where
/// they are newer, and the relay goes on under a new epoch: devices notice it and bring what the backup does not know.
///
/// # Errors
/// When the backup is none or damaged, the folder is in use, or a key is missing: the root's is needed to certify the new epoch.
pub fn restore(from: &Path, folder: &Path, options: &RelayOptions) -> Result<(Backup, RelayFolder), RelayError> {
    let backup = checked(from)?;
    for key in ["root.key", "value.key", "fingerprint.key"] {
        if !folder.join(key).is_file() {
            return Err(RelayError::KeyMissing { path: folder.join(key) });
        }
    }
    // Copied first: where there is no room for it everything stays as it is.
    let begun = folder.join("relay.db.new");
    copy(&from.join(DATABASE), &begun)?;
    let database = folder.join(DATABASE);
    if database.exists() {
        // Opening it takes its lock, and empties what a crash left beside it into it.
        drop(lastmile_store::sqlite::open(
            &database,
            &lastmile_store::sqlite::OpenOptions::default(),
            &options.catalogue,
        )?);
        let aside = folder.join(format!("relay.db.before-{}", (options.clock)()));
        fs::rename(&database, &aside).map_err(failed(&database))?;
        tracing::warn!(aside = %aside.display(), "the present database is moved aside");
    }
    for ending in ["-wal", "-shm"] {
        let beside = folder.join(format!("{DATABASE}{ending}"));
        if beside.exists() {
            fs::remove_file(&beside).map_err(failed(&beside))?;
        }
    }
    let register = place(folder, options.register.as_ref())?;
    if !register.exists() && from.join(REGISTER).exists() {
        copy(&from.join(REGISTER), &register)?;
    }
    copy_new(&from.join(AUDIT), &folder.join(AUDIT))?;
    let office = folder.join("office.key");
    if office.exists() {
        let kept: PathBuf = folder.join(format!("office.key.before-{}", (options.clock)()));
        fs::rename(&office, &kept).map_err(failed(&office))?;
    }
    write_secret(&office, &format!("{}\n", ChangeHash(random::<32>(&options.chance)?)))?;
    fs::rename(&begun, &database).map_err(failed(&database))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    let opened = RelayFolder::open_or_create(folder, options)?;
    if let Some(files) = opened.central.files.folder() {
        copy_files(&from.join(FILES), files)?;
    }
    Ok((backup, opened))
}
