//! Which folders lie on which disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use super::machine::Machine;

static CLAIMS: RwLock<BTreeMap<PathBuf, Weak<Mutex<Machine>>>> = RwLock::new(BTreeMap::new());

/// A folder whose files lie on a disk for as long as this lives.
#[derive(Debug)]
pub struct Claim(pub PathBuf);

impl Claim {
    pub fn of(folder: &Path, machine: &Arc<Mutex<Machine>>) -> Self {
        // As SQLite names files: without symbolic links.
        let folder = folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.into());
        CLAIMS.write().unwrap_or_else(PoisonError::into_inner).insert(folder.clone(), Arc::downgrade(machine));
        Self(folder)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// The disk of a file, and the file's name in its folder.
pub fn find(path: &Path) -> Option<(Arc<Mutex<Machine>>, String)> {
    let claims = CLAIMS.read().unwrap_or_else(PoisonError::into_inner);
    path.ancestors().skip(1).find_map(|folder| {
        let machine = claims.get(folder)?.upgrade()?;
        let name = path.strip_prefix(folder).ok()?.to_string_lossy().into_owned();
        Some((machine, name))
    })
}
