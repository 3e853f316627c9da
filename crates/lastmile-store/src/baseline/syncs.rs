//! Flushes, counted where SQLite asks the system for them.
//!
//! SQLite reaches files through a table of functions, its VFS. A copy of the system's own stands before it here and differs in one
//! thing: the function that flushes a file counts before it does its work.
#![expect(unsafe_code, reason = "SQLite's VFS is a table of C functions; nothing else sees every flush")]

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::ffi;

use crate::StoreError;

thread_local! {
    /// SQLite flushes on the thread that commits, so that what other threads do at the same time stays out of the count.
    static SYNCS: Cell<u64> = const { Cell::new(0) };
}
static ORIGINAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());
static REGISTERED: OnceLock<c_int> = OnceLock::new();
/// The addresses of the tables wrapped so far, each with that of its wrapper. There are a handful, and they live for ever.
static WRAPPED: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// The functions of an open file, followed by those they stand before.
#[repr(C)]
struct Counting {
    methods: ffi::sqlite3_io_methods,
    original: *const ffi::sqlite3_io_methods,
}

/// Counts the flushes of the database files that this process opens from now on.
#[derive(Debug, Clone, Copy)]
pub struct SyncCounter(());

impl SyncCounter {
    /// Begins to count, once for the whole process.
    ///
    /// # Errors
    /// When SQLite has no default VFS or does not take another one.
    pub fn install() -> Result<Self, StoreError> {
        match *REGISTERED.get_or_init(register) {
            ffi::SQLITE_OK => Ok(Self(())),
            code => {
                Err(StoreError::engine("counting flushes", rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)))
            }
        }
    }

    /// How many flushes SQLite has asked for on this thread, of files opened since the counter stands.
    #[must_use]
    pub fn count(self) -> u64 {
        SYNCS.get()
    }
}

fn register() -> c_int {
    // SAFETY: initialising twice is harmless; a null name asks for the default VFS.
    let found = unsafe {
        if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
            return ffi::SQLITE_ERROR;
        }
        ffi::sqlite3_vfs_find(ptr::null())
    };
    if found.is_null() {
        return ffi::SQLITE_ERROR;
    }
    ORIGINAL.store(found, Ordering::SeqCst);
    // SAFETY: SQLite's own VFS is a plain struct that stays where it is.
    let mut vfs = unsafe { *found };
    vfs.pNext = ptr::null_mut();
    vfs.zName = c"lastmile-counting".as_ptr();
    vfs.xOpen = Some(open);
    // SAFETY: the copy is never freed, as SQLite demands of a registered VFS.
    unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1) }
}

/// Opens a file as the original does and puts the counting functions before its own.
unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let original = ORIGINAL.load(Ordering::SeqCst);
    // SAFETY: `original` was set before this function was registered; the arguments are SQLite's own. After a call that left
    // `pMethods` set, the file is open and its functions stay valid as long as it is.
    unsafe {
        let Some(open) = (*original).xOpen else { return ffi::SQLITE_ERROR };
        let code = open(original, name, file, flags, out_flags);
        if code == ffi::SQLITE_OK && !(*file).pMethods.is_null() {
            (*file).pMethods = counting((*file).pMethods);
        }
        code
    }
}

/// The wrapper of a table of functions, made when it is first seen.
unsafe fn counting(original: *const ffi::sqlite3_io_methods) -> *const ffi::sqlite3_io_methods {
    let mut wrapped = WRAPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, wrapper)) = wrapped.iter().find(|(seen, _)| *seen == original as usize) {
        return *wrapper as *const ffi::sqlite3_io_methods;
    }
    // SAFETY: the caller gives the table of an open file.
    let mut methods = unsafe { *original };
    methods.xSync = Some(sync);
    let wrapper = ptr::from_ref(Box::leak(Box::new(Counting { methods, original }))).cast::<ffi::sqlite3_io_methods>();
    wrapped.push((original as usize, wrapper as usize));
    wrapper
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    SYNCS.set(SYNCS.get().wrapping_add(1));
    // SAFETY: only files that `open` wrapped have this function, and their table begins a `Counting`.
    unsafe {
        let counting = (*file).pMethods.cast::<Counting>();
        match (*(*counting).original).xSync {
            Some(sync) => sync(file, flags),
            None => ffi::SQLITE_OK,
        }
    }
}
