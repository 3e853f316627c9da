//! The files of attachments at the relay: beside the database, through `object_store`, in a lane that never waits for records nor lets
//! them wait.
//!
//! A file is kept under its scope and the hash of its bytes, and under nothing that anybody sent as a name. It is kept once it is whole,
//! is what its hash and its record say, and is flushed; then the database notes that it is there, and only then is it acknowledged.

mod answer;
mod arriving;
mod gone;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lastmile_model::{AuthorId, ChangeHash, Scope};
use lastmile_store::Store;
use lastmile_store::storage::FileState;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::Semaphore;

use crate::RelayError;
use crate::quota::Quota;

pub(crate) use answer::answer_files;
use arriving::Arriving;
pub(crate) use gone::{keep_removing, remove_gone, remove_gone_here};

/// The folder of files beside the database.
pub(crate) const FOLDER: &str = "attachments";

/// The folder in which files gather until they are whole.
const ARRIVING: &str = "arriving";

/// The setting that keeps where files are kept, for whoever checks the folder later.
const PLACE: &str = "relay.attachments";

/// How many requests about files are answered at once.
const AT_ONCE: usize = 32;

/// Where a relay keeps the files of attachments.
#[derive(Clone, Default)]
pub enum FilePlace {
    /// In the folder `attachments` of the relay's own folder.
    #[default]
    Beside,
    /// In a folder, best on another disk than the database's.
    Folder(PathBuf),
    /// In an S3-compatible store: `s3://bucket/prefix`. Address and credentials come from the environment (`AWS_ENDPOINT`,
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`).
    Bucket(String),
    /// In a store that is given.
    Given(Arc<dyn ObjectStore>),
}

impl fmt::Debug for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside => f.write_str("Beside"),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Bucket(url) => f.debug_tuple("Bucket").field(url).finish(),
            Self::Given(_) => f.write_str("Given"),
        }
    }
}

impl FilePlace {
    /// Reads a place as it is configured: a folder, or a bucket's URL.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.starts_with("s3://") { Self::Bucket(text.to_owned()) } else { Self::Folder(PathBuf::from(text)) }
    }

    /// The folder, where it is one.
    pub(crate) fn folder(&self, relay: &Path) -> Option<PathBuf> {
        match self {
            Self::Beside => Some(relay.join(FOLDER)),
            Self::Folder(path) => Some(path.clone()),
            Self::Bucket(_) | Self::Given(_) => None,
        }
    }
}

/// What the lane did since the start.
#[derive(Debug, Default)]
pub(crate) struct FileStats {
    /// Files that came whole and were kept.
    pub kept: AtomicU64,
    /// Files and pieces that were refused for what they are.
    pub refused: AtomicU64,
    /// Bytes taken and served.
    pub taken: AtomicU64,
    pub served: AtomicU64,
}

/// The files of a relay.
pub(crate) struct Files {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// The folder of the store, where it is one: what is written there is flushed here.
    folder: Option<PathBuf>,
    arriving: Arc<Mutex<Arriving>>,
    /// Held while a file is put or removed and the database told, so that the two agree.
    moving: tokio::sync::Mutex<()>,
    /// Has the erased ones removed at once.
    erased: tokio::sync::Notify,
    places: Semaphore,
    quota: Mutex<Quota>,
    pub stats: FileStats,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}

fn failed(what: &str, error: object_store::Error) -> RelayError {
    RelayError::Files { what: what.to_owned(), source: Box::new(error) }
}

fn flush(path: &Path) -> Result<(), RelayError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| RelayError::file(path, error))
}

#[cfg(feature = "s3")]
fn bucket(url: &str) -> Result<(Arc<dyn ObjectStore>, String), RelayError> {
    let bad = || RelayError::BadUrl { url: url.to_owned() };
    let (name, prefix) =
        url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).ok_or_else(bad)?;
    if name.is_empty() {
        return Err(bad());
    }
    let builder = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(name);
    let store = builder.build().map_err(|error| failed(url, error))?;
    Ok((Arc::new(store), prefix.trim_matches('/').to_owned()))
}

#[cfg(not(feature = "s3"))]
fn bucket(url: &str) -> Result<(Arc<dyn ObjectStore>, String), RelayError> {
    Err(RelayError::NoBuckets { url: url.to_owned() })
}

impl Files {
    /// Keeps files in memory and takes none up that arrive in pieces: for a relay without a folder.
    pub fn nowhere() -> Self {
        Self::with(Arc::new(InMemory::new()), String::new(), None, Arriving::nowhere(), u64::MAX)
    }

    fn with(
        store: Arc<dyn ObjectStore>,
        prefix: String,
        folder: Option<PathBuf>,
        arriving: Arriving,
        daily_bytes: u64,
    ) -> Self {
        Self {
            store,
            prefix,
            folder,
            arriving: Arc::new(Mutex::new(arriving)),
            moving: tokio::sync::Mutex::new(()),
            erased: tokio::sync::Notify::new(),
            places: Semaphore::new(AT_ONCE),
            quota: Mutex::new(Quota::new(u64::MAX, daily_bytes)),
            stats: FileStats::default(),
        }
    }

    /// Opens the store that a relay's folder is to use.
    ///
    /// # Errors
    /// When a folder cannot be made, or the bucket's URL or its environment is wrong.
    pub fn open(relay: &Path, place: &FilePlace, daily_bytes: u64, now_ms: i64) -> Result<Self, RelayError> {
        let folder = place.folder(relay);
        let (store, prefix): (Arc<dyn ObjectStore>, _) = match (place, &folder) {
            (FilePlace::Given(store), _) => (Arc::clone(store), String::new()),
            (FilePlace::Bucket(url), _) => bucket(url)?,
            (_, Some(folder)) => {
                crate::folder::make_folder(folder)?;
                let store = object_store::local::LocalFileSystem::new_with_prefix(folder);
                (Arc::new(store.map_err(|error| failed(&folder.display().to_string(), error))?), String::new())
            }
            (_, None) => (Arc::new(InMemory::new()), String::new()),
        };
        let arriving = Arriving::open(&relay.join(ARRIVING), now_ms)?;
        Ok(Self::with(store, prefix, folder, arriving, daily_bytes))
    }

    /// The name of a file in the store: nothing but what was checked as a scope and a hash enters it.
    fn path(&self, scope: &Scope, hash: &[u8; 32]) -> ObjectPath {
        let parts = [self.prefix.clone(), scope.kind().word().to_owned(), scope.code().to_owned(), hex(hash)];
        ObjectPath::from_iter(parts.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty()))
    }

    /// Keeps a whole file; it is flushed when this returns.
    async fn put(&self, scope: &Scope, hash: &[u8; 32], bytes: Bytes) -> Result<(), RelayError> {
        let path = self.path(scope, hash);
        self.store.put(&path, bytes.into()).await.map_err(|error| failed("keeping a file", error))?;
        let Some(root) = self.folder.clone() else { return Ok(()) };
        let file = root.join(path.as_ref());
        let flushed = tokio::task::spawn_blocking(move || {
            flush(&file)?;
            // The folders above it may be new as well.
            file.ancestors().skip(1).take_while(|above| above.starts_with(&root)).try_for_each(flush)
        });
        flushed.await.map_err(|_| RelayError::Stopping)?
    }

    /// Reads a part of a file; none when it is not there.
    async fn part(&self, scope: &Scope, hash: &[u8; 32], offset: u64, end: u64) -> Result<Option<Bytes>, RelayError> {
        match self.store.get_range(&self.path(scope, hash), offset..end).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("reading a file", error)),
        }
    }

    async fn remove(&self, scope: &Scope, hash: &[u8; 32]) -> Result<(), RelayError> {
        match self.store.delete(&self.path(scope, hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("removing a file", error)),
        }
    }

    /// Whether a device may bring no more into a scope today.
    fn is_used_up(&self, scope: &Scope, device: AuthorId, now_ms: i64) -> bool {
        let quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.is_used_up(scope, device, i64::MIN, now_ms)
    }

    fn took(&self, scope: &Scope, device: AuthorId, bytes: u64, now_ms: i64) {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner).took(scope, device, 0, bytes, now_ms);
        self.stats.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Drops what came in part of a file that was erased. Blocks.
    fn drop_erased(&self, scope: &Scope, hash: &[u8; 32]) {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).drop_erased(scope, hash);
    }

    /// Drops what came in part and stood still for too long. Blocks.
    fn drop_old(&self, now_ms: i64) {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).drop_old(now_ms);
    }

    /// The folder in which files are kept, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Has the files of erased records removed at once.
    pub fn wake(&self) {
        self.erased.notify_one();
    }
}

fn hex(hash: &[u8; 32]) -> String {
    ChangeHash(*hash).to_string()
}

/// Where files were last kept.
fn remembered(store: &Store) -> Result<FilePlace, RelayError> {
    let kept = store.setting(PLACE)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    Ok(if kept.is_empty() { FilePlace::Beside } else { FilePlace::of(&kept) })
}

/// The folder in which a relay keeps its files, as it was last served: `None` where that is a bucket.
///
/// # Errors
/// When the database cannot be read.
pub fn file_folder(relay: &Path, store: &Store) -> Result<Option<PathBuf>, RelayError> {
    Ok(remembered(store)?.folder(relay))
}

/// Where files are to be kept: as it is named, which the database then remembers, or as it remembers.
pub(crate) fn place_of(store: &mut Store, named: Option<&FilePlace>) -> Result<FilePlace, RelayError> {
    let text = match named {
        None => return remembered(store),
        Some(FilePlace::Folder(path)) => path.display().to_string(),
        Some(FilePlace::Bucket(url)) => url.clone(),
        Some(FilePlace::Beside | FilePlace::Given(_)) => String::new(),
    };
    if store.setting(PLACE)?.unwrap_or_default() != text.as_bytes() {
        store.set_setting(PLACE, text.as_bytes())?;
    }
    Ok(named.cloned().unwrap_or_default())
}

/// Looks at every file that a relay's database says is kept in a folder: names the ones that are missing or are not what their hash says.
///
/// # Errors
/// When the database cannot be read.
pub fn check_files(folder: &Path, store: &Store) -> Result<Vec<String>, RelayError> {
    let mut findings = Vec::new();
    for held in store.reader()?.files(None)? {
        if held.file.state != FileState::Elsewhere {
            continue;
        }
        let name = hex(&held.file.hash);
        let path = folder.join(held.scope.kind().word()).join(held.scope.code()).join(&name);
        match std::fs::read(&path) {
            Ok(bytes) if lastmile_log::sha256(&bytes) == held.file.hash => {}
            Ok(_) => findings.push(format!("the file {name} of {} is not what its hash says", held.scope)),
            Err(error) => findings.push(format!("the file {name} of {} cannot be read: {error}", held.scope)),
        }
    }
    Ok(findings)
}
