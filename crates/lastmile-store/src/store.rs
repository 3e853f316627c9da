//! The one writer of a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use lastmile_log::{Certificate, Deployment, Issuer, Standing, Trust, Vector};
use lastmile_model::{AuthorId, Catalogue, Scope, planted};

use crate::StoreError;
use crate::columns::{ViewTable, views};
use crate::exchange::EPOCH;
use crate::follow::{Follower, Touched, TouchedRows};
use crate::history::Archive;
use crate::index::{DEPLOYMENT, Index};
use crate::reader::Reader;
use crate::receipts::Counted;
use crate::settings::write_deployment;
use crate::storage::{Durability, Storage};
use crate::verdicts::Verdicts;

/// What a new replica begins with.
#[derive(Debug, Clone, Copy)]
pub struct SetUp<'s> {
    /// The deployment whose root key certifies everything in it.
    pub deployment: &'s Deployment,
    /// Certificates that lead from root to its author.
    pub certificates: &'s [Certificate],
    /// The scopes it replicates.
    pub scopes: &'s [Scope],
    /// The relay's epoch, where known.
    pub epoch: Option<AuthorId>,
    /// Named settings of whoever owns it.
    pub settings: &'s [(&'s str, &'s [u8])],
}

/// A replica open for writing. There is one per file.
pub struct Store {
    pub(crate) storage: Box<dyn Storage>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) views: Arc<Vec<ViewTable>>,
    pub(crate) index: Index,
    pub(crate) archive: Archive,
    pub(crate) verdicts: Verdicts,
    pub(crate) touched: TouchedRows,
    /// Strands that the views cannot follow, why, and whether somebody was told.
    pub(crate) skipped: BTreeMap<u32, (String, bool)>,
    /// What was counted of the strands written here, for [`Store::unsent`].
    pub(crate) counted: BTreeMap<u32, Counted>,
    pub(crate) last_hlc: u64,
    /// Whether something was erased that may still stand in the storage's files.
    pub(crate) scrub_due: bool,
    /// Whether the picture in memory may be ahead of what is stored.
    stale: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("strands", &self.index.strands.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// Takes a storage and reads what it holds; the views follow when they are told to.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    pub fn new(storage: Box<dyn Storage>, catalogue: Arc<Catalogue>) -> Result<Self, StoreError> {
        let index = Index::load(storage.as_ref())?;
        let mut archive = Archive::default();
        let verdicts = Verdicts::load(storage.as_ref(), &catalogue, &index, &mut archive)?;
        let mut views = views(&catalogue);
        if !storage.keeps_words() {
            views.iter_mut().for_each(|view| view.searchable = false);
        }
        let views = Arc::new(views);
        Ok(Self {
            storage,
            catalogue,
            views,
            index,
            archive,
            verdicts,
            touched: TouchedRows::default(),
            skipped: BTreeMap::new(),
            counted: BTreeMap::new(),
            last_hlc: 0,
            scrub_due: false,
            stale: false,
        })
    }

    /// Opens a reading handle that sees what has been committed.
    ///
    /// # Errors
    /// When the storage cannot open one.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::beside(self.storage.reader()?, Arc::clone(&self.catalogue), &self.index)
    }

    /// The catalogue of record types.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Reads a named setting.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.meta(key)
    }

    /// Reads the settings whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.storage.metas(prefix)
    }

    /// Writes a named setting, durably.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn set_setting(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.transaction(Durability::Full, |store| store.storage.put_meta(key, value))
    }

    /// Sets a setting that a power cut may take back, because it can be learnt again.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn remember(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.transaction(Durability::Refetchable, |store| store.storage.put_meta(key, value))
    }

    /// Sets the deployment whose root key certifies everything here.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn set_deployment(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        self.set_setting(DEPLOYMENT, &write_deployment(deployment))?;
        self.index = Index::load(self.storage.as_ref())?;
        Ok(())
    }

    /// The deployment, once set.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    pub fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.storage.meta(DEPLOYMENT)?.map(|bytes| crate::settings::read_deployment(&bytes)).transpose()
    }

    /// Makes a new replica ready in one transaction.
    ///
    /// # Errors
    /// When the storage fails; then nothing of it is kept.
    pub fn set_up(&mut self, set_up: &SetUp<'_>) -> Result<(), StoreError> {
        self.transaction(Durability::Full, |store| {
            store.storage.put_meta(DEPLOYMENT, &write_deployment(set_up.deployment))?;
            store.index = Index::load(store.storage.as_ref())?;
            store.keep_certificates(set_up.certificates)?;
            for scope in set_up.scopes {
                store.scope_in_transaction(scope)?;
            }
            for (key, value) in set_up.settings {
                store.storage.put_meta(key, value)?;
            }
            set_up.epoch.map_or(Ok(()), |epoch| store.storage.put_meta(EPOCH, &epoch.0))
        })
    }

    /// Keeps certificates, whether their issuers are known yet or not.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn add_certificates(&mut self, certificates: &[Certificate]) -> Result<(), StoreError> {
        self.transaction(Durability::Full, |store| store.keep_certificates(certificates))
    }

    /// Keeps certificates inside a transaction.
    pub(crate) fn keep_certificates(&mut self, certificates: &[Certificate]) -> Result<(), StoreError> {
        self.keep_grounded(certificates, true)
    }

    /// Keeps certificates inside a transaction: those that count and, where wanted, those that wait for their issuer's. Any others
    /// that wait are known until this handle is closed, and kept once they count.
    pub(crate) fn keep_grounded(&mut self, certificates: &[Certificate], waiting: bool) -> Result<(), StoreError> {
        let (mut raised, mut succeeds) = (BTreeSet::new(), false);
        for certificate in certificates {
            let Some(trust) = &mut self.index.trust else { return Ok(()) };
            let deployment = *trust.deployment();
            let before = trust.is_office(certificate.author(&deployment));
            let (standing, counting) = trust.admit(certificate.clone());
            if trust.is_office(certificate.author(&deployment)) != before {
                raised.insert(certificate.author(&deployment));
            }
            let this = standing == Standing::Certified || (waiting && standing == Standing::Waiting);
            succeeds |= counting.iter().any(|kept| matches!(kept.issuer, Issuer::Predecessor(_)));
            for kept in counting.iter().chain(Some(certificate).filter(|_| this)) {
                let bytes = kept.encode();
                self.storage.put_certificate(kept.author(&deployment), &bytes)?;
                self.index.note_stored(bytes);
            }
        }
        self.apply_office(&raised)?;
        if succeeds { self.apply_successions() } else { Ok(()) }
    }

    /// Who may sign what; `None` before a deployment is set.
    #[must_use]
    pub const fn trust(&self) -> Option<&Trust> {
        self.index.trust.as_ref()
    }

    /// Whether the office has revoked an author in a scope, or one that certified it as its successor.
    #[must_use]
    pub fn is_revoked(&self, scope: &Scope, author: AuthorId) -> bool {
        self.index.scope_no(scope).is_some_and(|no| self.verdicts.is_revoked(self.trust(), no, author))
    }

    /// Registers a scope to replicate.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn hold_scope(&mut self, scope: &Scope) -> Result<u32, StoreError> {
        if let Some(no) = self.index.scope_no(scope) {
            return Ok(no);
        }
        self.transaction(Durability::Full, |store| store.scope_in_transaction(scope))
    }

    /// Removes a scope with everything held in it, in one transaction, and leaves nothing of it in the storage's files: `false` while a
    /// reader holds an older state, until [`Store::scrub`] succeeds. What was not receipted is gone too, so whoever calls asks before.
    ///
    /// # Errors
    /// When the storage fails; then everything stays.
    pub fn forget_scope(&mut self, scope: &Scope) -> Result<bool, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(true) };
        self.transaction(Durability::Full, |store| {
            store.storage.remove_scope(no)?;
            for type_no in 0..store.catalogue.types().len() {
                store.storage.scrub_words(type_no)?;
            }
            store.archive.clear();
            store.skipped.clear();
            store.reload()
        })?;
        self.scrub()
    }

    pub(crate) fn scope_in_transaction(&mut self, scope: &Scope) -> Result<u32, StoreError> {
        if let Some(no) = self.index.scope_no(scope) {
            return Ok(no);
        }
        let no = self.storage.add_scope(scope)?;
        self.index.scopes.insert(no, scope.clone());
        self.index.scope_numbers.insert(scope.clone(), no);
        Ok(no)
    }

    /// The scopes held, with their local numbers.
    pub fn scopes(&self) -> impl Iterator<Item = (u32, &Scope)> {
        self.index.scopes.iter().map(|(no, scope)| (*no, scope))
    }

    /// What this replica holds of a scope, sealed.
    #[must_use]
    pub fn vector(&self, scope: &Scope) -> Vector {
        self.index.scope_no(scope).map_or_else(Vector::default, |no| self.index.vector(no))
    }

    /// Drains the scopes of which more is held, sealed and committed, than at the last call.
    pub fn take_grown(&mut self) -> Vec<Scope> {
        let grown = std::mem::take(&mut self.index.grown);
        grown.into_iter().filter_map(|no| self.index.scopes.get(&no).cloned()).collect()
    }

    /// Drains the rows that changed since the last call.
    pub fn take_touched(&mut self) -> Vec<Touched> {
        self.touched.take()
    }

    /// The size of the storage in bytes.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.storage.size()
    }

    /// Runs `work` in one transaction; after an error the picture in memory is read again. A panic of `work` undoes it like an error and
    /// goes on to whoever catches it.
    pub(crate) fn transaction<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.stale {
            self.reload()?;
        }
        self.storage.begin(durability)?;
        let worked = match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(worked) => worked,
            Err(panic) => {
                self.undo();
                resume_unwind(panic)
            }
        };
        let result = worked.and_then(|value| match self.storage.commit() {
            Err(_) if planted!("swallowed-error") => Ok(value),
            committed => committed.map(|()| value),
        });
        if result.is_err() {
            self.undo();
        } else if self.scrub_due {
            // A reader in the way only puts it off until the next transaction.
            self.scrub_due = !self.scrub().unwrap_or(false);
        }
        result
    }

    /// Undoes an open transaction, and reads the picture in memory again.
    fn undo(&mut self) {
        self.storage.rollback();
        self.archive.clear();
        // Whatever made the work fail may make reading fail as well: then it is read before the next work, and the first error told.
        self.stale = true;
        let _ = self.reload();
    }

    /// Reads the picture in memory again.
    fn reload(&mut self) -> Result<(), StoreError> {
        // What had grown before was committed. To name a scope in vain costs whoever asks a look.
        let grown = std::mem::take(&mut self.index.grown);
        self.index = Index::load(self.storage.as_ref())?;
        self.index.grown = grown;
        self.verdicts = Verdicts::load(self.storage.as_ref(), &self.catalogue, &self.index, &mut self.archive)?;
        self.counted.clear();
        self.stale = false;
        Ok(())
    }

    /// Borrows what following needs.
    pub(crate) fn follower(&mut self) -> Follower<'_> {
        Follower {
            storage: self.storage.as_mut(),
            index: &self.index,
            catalogue: &self.catalogue,
            views: &self.views,
            archive: &mut self.archive,
            verdicts: &self.verdicts,
            touched: &mut self.touched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;
    use crate::sqlite::{self, OpenOptions};

    #[test]
    fn a_panic_undoes_the_transaction_and_the_next_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::clone(Catalogue::shared_builtin());
        let file = sqlite::open(&folder.path().join("panic.db"), &OpenOptions::default(), &catalogue).unwrap();
        let storages: [Box<dyn Storage>; 2] = [file, Box::new(MemoryStorage::new(&catalogue))];
        for storage in storages {
            let mut store = Store::new(storage, Arc::clone(&catalogue)).unwrap();
            let scope = Scope::community("430103005010").unwrap();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                store.transaction::<()>(Durability::Full, |store| {
                    store.scope_in_transaction(&scope)?;
                    store.storage.put_meta("half", b"done")?;
                    panic!("planted")
                })
            }));
            assert!(panicked.is_err());
            assert_eq!((store.setting("half").unwrap(), store.scopes().count()), (None, 0));
            store.set_setting("whole", b"done").unwrap();
            assert_eq!(store.setting("whole").unwrap().as_deref(), Some(&b"done"[..]));
        }
    }
}
