//! A deployment to measure in, and logs as devices write them.

use std::path::Path;
use std::sync::Arc;

use lastmile_log::{AuthorKey, Certificate, Deployment, Issuer, OfficeKey, Segment, hlc, seal_value};
use lastmile_model::{AuthorId, Catalogue, ChangeHash, Places, Scope};
use lastmile_store::memory::MemoryStorage;
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::storage::Storage;
use lastmile_store::{Durability, Incoming, NewCommit, Outgoing, Store};
use lastmile_testkit::Action;

use super::BenchError;
use crate::actions::{commit, random};

/// The app that measured commits name.
const APP: &str = concat!("lastmile ", env!("CARGO_PKG_VERSION"));

/// How many saves share a transaction where that is not what is measured.
const TOGETHER: usize = 500;

/// The communities of the place list, one after the other and over again.
pub fn community(number: usize) -> Result<Scope, BenchError> {
    let places: Vec<_> = Places::changsha().communities().collect();
    let place = places.get(number % places.len().max(1)).ok_or(BenchError::Unexpected("no place list"))?;
    Scope::community(&place.code).map_err(|_| BenchError::Unexpected("a place without a scope"))
}

/// Someone who writes logs, and what others need to believe them.
#[derive(Debug, Clone)]
pub struct Author {
    pub key: AuthorKey,
    pub deployment: Deployment,
    /// The office's public key for sealed values.
    pub office_key: [u8; 32],
    /// The certificates that lead from the root to this author.
    pub chain: Vec<Certificate>,
}

/// One author's log of a scope, packed and sealed.
#[derive(Debug, Clone)]
pub struct Log {
    pub scope: Scope,
    pub author: AuthorId,
    pub batches: Vec<Outgoing>,
    pub changes: u64,
}

impl Log {
    /// The batches as a peer sends them.
    pub fn incoming(&self) -> Vec<Incoming> {
        let batch = |batch: &Outgoing| Incoming { packed: batch.packed.clone(), seals: batch.seals.clone() };
        self.batches.iter().map(batch).collect()
    }
}

/// Turns actions into commits, with the clock running on.
pub fn commits(
    actions: impl IntoIterator<Item = Action>,
    scope: &Scope,
    office_key: &[u8; 32],
) -> Result<Vec<NewCommit>, BenchError> {
    let mut reading = 0;
    let mut commits = Vec::new();
    for action in actions {
        let seal = |plain: &[u8]| {
            seal_value(office_key, plain, random()?)
                .map_err(|_| BenchError::Unexpected("a value that cannot be sealed"))
        };
        let mut one = commit(&action, scope, APP, seal)?;
        reading = hlc::next(reading, one.wall_ms);
        one.hlc = reading;
        commits.push(one);
    }
    Ok(commits)
}

impl Author {
    /// The author's id.
    pub fn id(&self) -> AuthorId {
        self.key.author(&self.deployment)
    }

    /// Opens a store that believes in these certificates.
    pub fn store(&self, storage: Box<dyn Storage>, certificates: &[Certificate]) -> Result<Store, BenchError> {
        let mut store = Store::new(storage, Arc::new(Catalogue::builtin().clone()))?;
        store.set_deployment(&self.deployment)?;
        store.add_certificates(certificates)?;
        Ok(store)
    }

    /// Writes the log that these saves make.
    pub fn log(&self, actions: impl IntoIterator<Item = Action>, scope: &Scope) -> Result<Log, BenchError> {
        let mut store = self.store(Box::new(MemoryStorage::new(Catalogue::builtin())), &self.chain)?;
        for chunk in commits(actions, scope, &self.office_key)?.chunks(TOGETHER) {
            store.save(&self.key, chunk, Durability::Full)?;
        }
        self.sealed_log(&mut store, scope)
    }

    /// Seals and reads out what this author wrote into a store.
    pub fn sealed_log(&self, store: &mut Store, scope: &Scope) -> Result<Log, BenchError> {
        store.seal(&self.key, scope)?;
        let author = self.id();
        let (batches, _) = store.path_batches(scope, &Segment::trunk(author), 0, u64::MAX)?;
        let mut changes = 0u64;
        for batch in &batches {
            let unpacked = lastmile_log::unpack(&batch.packed, lastmile_log::MAX_RAW);
            let unpacked = unpacked.map_err(|_| BenchError::Unexpected("a batch that cannot be read"))?;
            changes += unpacked.commits.iter().map(|commit| commit.header.changes.len() as u64).sum::<u64>();
        }
        Ok(Log { scope: scope.clone(), author, batches, changes })
    }
}

/// A deployment whose keys are at hand.
#[derive(Debug)]
pub struct World {
    pub deployment: Deployment,
    pub office: AuthorKey,
    office_key: [u8; 32],
    office_certificate: Certificate,
}

impl World {
    /// Makes a deployment with its office.
    pub fn new() -> Result<Self, BenchError> {
        let (root, office) = (AuthorKey::from_seed(&random()?), AuthorKey::from_seed(&random()?));
        let deployment = Deployment { id: random()?, root: root.public() };
        let certificate = certificate(&office, Issuer::Root, "central", Vec::new());
        Ok(Self {
            deployment,
            office_key: OfficeKey::from_seed(&random()?).public(),
            office_certificate: certificate.signed(&root, &deployment),
            office,
        })
    }

    /// Certifies a new author for a scope.
    pub fn author(&self, scope: &Scope) -> Result<Author, BenchError> {
        let key = AuthorKey::from_seed(&random()?);
        let issuer = Issuer::Office(self.office.author(&self.deployment));
        let own = certificate(&key, issuer, "worker", vec![scope.clone()]).signed(&self.office, &self.deployment);
        let chain = vec![self.office_certificate.clone(), own];
        Ok(Author { key, deployment: self.deployment, office_key: self.office_key, chain })
    }
}

fn certificate(of: &AuthorKey, issuer: Issuer, role: &str, scopes: Vec<Scope>) -> Certificate {
    Certificate {
        public: of.public(),
        device: "bench".to_owned(),
        persons: Vec::new(),
        roles: vec![role.to_owned()],
        scopes,
        from_ms: 0,
        until_ms: None,
        issuer,
        signature: [0; 64],
        consent: None,
    }
}

/// A new file in a folder, emptied first.
pub fn fresh_file(folder: &Path, name: &str) -> Result<std::path::PathBuf, BenchError> {
    let folder = folder.join(name);
    let failed = |source| BenchError::Folder { path: folder.clone(), source };
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(failed)?;
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder.join("measured.db"))
}

/// Opens a new SQLite file as a replica does.
pub fn sqlite(path: &Path, without_search: bool) -> Result<Box<dyn Storage>, BenchError> {
    let options = OpenOptions { without_search, ..OpenOptions::default() };
    Ok(sqlite::open(path, &options, Catalogue::builtin())?)
}

/// The size of everything in the folder of a closed file.
pub fn size_of_folder(file: &Path) -> Result<u64, BenchError> {
    let folder = file.parent().unwrap_or(file);
    let failed = |source| BenchError::Folder { path: folder.to_owned(), source };
    let mut bytes = 0u64;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(bytes)
}

/// A name that no other run uses.
pub fn unique() -> Result<String, BenchError> {
    Ok(ChangeHash(random()?).to_string().chars().take(12).collect())
}
