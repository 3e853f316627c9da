//! The one path that opens a replica's file.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lastmile_model::Catalogue;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Flushed, Layout, SqliteStorage, explain, migrate, views};
use crate::storage::Storage;
use crate::{StoreError, columns};

/// SQLite before this could corrupt a WAL database when two connections met at a reset.
const NEEDED_SQLITE: (&str, i32) = ("3.51.3", 3_051_003);

/// How often, and after what pauses, the writer's lock is tried for. A program that ends lets go of it in a moment, and so does a child
/// process that has just been begun: until it runs its own program it holds everything that its parent had open.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How long a handle waits for another one's lock.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How a replica's file is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The raw SQLCipher key; `None` for a plain file.
    pub key: Option<[u8; 32]>,
    /// Leaves out the search tables, for measuring.
    pub without_search: bool,
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions").field("encrypted", &self.key.is_some()).finish_non_exhaustive()
    }
}

/// Opens or creates the replica in this file and takes the writer's lock.
///
/// # Errors
/// When another process writes, the folder is not writable, the key is wrong, or the file is newer or no replica.
pub fn open(path: &Path, options: &OpenOptions, catalogue: &Catalogue) -> Result<Box<dyn Storage>, StoreError> {
    let lock = take_lock(path)?;
    let mut connection = connect_writer(path, options)?;
    migrate::migrate(&mut connection, path)?;
    let layout = Arc::new(layout(path, options, catalogue));
    views::prepare_tables(&mut connection, &layout, catalogue)?;
    // SQLite keeps it to itself when its own folding fails, so the storage folds.
    connection
        .execute_batch("PRAGMA wal_autocheckpoint=0")
        .map_err(|error| explain("opening the replica", path, error))?;
    let mut storage = SqliteStorage {
        connection,
        layout,
        lock: Some(lock),
        relaxed: false,
        flushed: Flushed::Whole,
        changed: 0,
        last_recs: HashMap::new(),
    };
    storage.fold_what_was_left();
    Ok(Box::new(storage))
}

/// Connects to write, without the writer's lock.
pub(crate) fn connect_writer(path: &Path, options: &OpenOptions) -> Result<Connection, StoreError> {
    let connection = connect(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // Before the first pragma that writes: another program's file stays as it is.
    migrate::format(&connection, path)?;
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=2000;")
        .map_err(|error| explain("opening the replica", path, error))?;
    Ok(connection)
}

fn layout(path: &Path, options: &OpenOptions, catalogue: &Catalogue) -> Layout {
    let views = columns::views(catalogue);
    let statements = views.iter().map(|view| views::Statements::new(view, options.without_search)).collect();
    Layout { path: path.to_owned(), options: options.clone(), views, statements }
}

/// Opens a reading handle on the file behind another handle.
pub(super) fn reader(layout: &Arc<Layout>) -> Result<Box<dyn Storage>, StoreError> {
    let connection = connect(&layout.path, &layout.options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA query_only=ON")
        .map_err(|error| explain("opening a reader", &layout.path, error))?;
    Ok(Box::new(SqliteStorage {
        connection,
        layout: Arc::clone(layout),
        lock: None,
        relaxed: false,
        flushed: Flushed::Whole,
        changed: 0,
        last_recs: HashMap::new(),
    }))
}

/// Opens a reading handle on a file that this program may have open nowhere else.
pub(super) fn reader_at(
    path: &Path,
    options: &OpenOptions,
    catalogue: &Catalogue,
) -> Result<Box<dyn Storage>, StoreError> {
    let connection = connect(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate::refuse_foreign(&connection, path)?;
    drop(connection);
    reader(&Arc::new(layout(path, options, catalogue)))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn take_lock(path: &Path) -> Result<std::fs::File, StoreError> {
    use std::io::ErrorKind;
    let lock = lock_path(path);
    let file =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(
            |error| match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    StoreError::ReadOnly { path: path.to_owned() }
                }
                ErrorKind::StorageFull => StoreError::DiskFull,
                _ => StoreError::engine("creating the lock file", error),
            },
        )?;
    for tries in 1..=LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if tries == LOCK_TRIES => {}
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(std::fs::TryLockError::Error(error)) => return Err(StoreError::engine("locking the replica", error)),
        }
    }
    Err(StoreError::InUse { path: path.to_owned() })
}

fn connect(path: &Path, options: &OpenOptions, flags: OpenFlags) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < NEEDED_SQLITE.1 {
        return Err(StoreError::OldEngine { found: rusqlite::version().to_owned(), needed: NEEDED_SQLITE.0 });
    }
    let failed = |error| explain("opening the replica", path, error);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    if let Some(key) = &options.key {
        let encrypted: bool = connection
            .query_row("PRAGMA cipher_version", [], |row| row.get::<_, String>(0))
            .is_ok_and(|version| !version.is_empty());
        if !encrypted {
            return Err(StoreError::NoEncryption);
        }
        let hex = lastmile_model::ChangeHash(*key).to_string();
        connection.execute_batch(&format!("PRAGMA key = \"x'{hex}'\";")).map_err(failed)?;
    }
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; \
             PRAGMA cache_size=-16000; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;",
        )
        .map_err(failed)?;
    // Without this, engines built with STAT4 may prepare a statement anew for each value bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    // The first read shows a wrong key or a file that is no database.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}
