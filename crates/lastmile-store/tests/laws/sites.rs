//! Replicas by name, over either engine, that can be closed and opened again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lastmile_model::Catalogue;
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::storage::Storage;
use lastmile_store::{Counts, Reader, Store};

use crate::kept::Kept;
use crate::support;

/// Where replicas live.
pub enum Sites {
    Files(tempfile::TempDir),
    Memory(BTreeMap<String, Kept>),
}

impl Sites {
    pub fn files() -> Self {
        Self::Files(tempfile::tempdir().unwrap())
    }

    pub fn memory() -> Self {
        Self::Memory(BTreeMap::new())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Files(folder) => folder.path().join(name),
            Self::Memory(_) => PathBuf::new(),
        }
    }

    fn storage(&mut self, name: &str, catalogue: &Catalogue) -> Box<dyn Storage> {
        match self {
            Self::Files(folder) => open(&folder.path().join(name), &OpenOptions::default(), catalogue).unwrap(),
            Self::Memory(kept) => Box::new(kept.entry(name.to_owned()).or_insert_with(Kept::new).clone()),
        }
    }

    /// A new replica, with the deployment, certificates and the scope.
    pub fn open(&mut self, name: &str) -> Store {
        support::store(self.storage(name, Catalogue::builtin()))
    }

    /// The replica as it was left.
    pub fn again(&mut self, name: &str) -> Store {
        self.again_with(name, Catalogue::builtin())
    }

    /// The replica as it was left, opened by a version with another catalogue.
    pub fn again_with(&mut self, name: &str, catalogue: &Catalogue) -> Store {
        Store::new(self.storage(name, catalogue), Arc::new(catalogue.clone())).unwrap()
    }

    /// Copies a replica that no store has open.
    pub fn copy(&mut self, from: &str, to: &str) {
        match self {
            Self::Files(folder) => {
                std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
            }
            Self::Memory(kept) => {
                let copy = kept[from].copied();
                kept.insert(to.to_owned(), copy);
            }
        }
    }
}

pub fn counts(store: &Store) -> Counts {
    reader(store).counts(None).unwrap()
}

pub fn reader(store: &Store) -> Reader {
    store.reader().unwrap()
}
