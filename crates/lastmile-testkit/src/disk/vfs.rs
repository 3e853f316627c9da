//! The disk as SQLite calls it: the one place with unsafe code.
#![expect(unsafe_code, reason = "SQLite calls a file system through C function pointers")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use libsqlite3_sys as ffi;

use super::claims;
use super::locks::Mapped;
use super::machine::{Code, Machine, Reached};

/// One of SQLite's handles on a file of a disk.
struct Handle {
    machine: Arc<Mutex<Machine>>,
    reached: Reached,
    level: c_int,
    mapped: Option<Mapped>,
    /// To delete when closed.
    fleeting: Option<String>,
}

impl Handle {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What SQLite keeps room for: its own head, then ours.
#[repr(C)]
struct OpenFile {
    head: ffi::sqlite3_file,
    handle: *mut Handle,
}

const METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

static METHODS_AT: ffi::sqlite3_io_methods = METHODS;

/// Makes this file system SQLite's default, once for the process.
pub fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: plain calls into SQLite; finding with a null name gives the default file system, which lives for ever.
        let original = unsafe {
            ffi::sqlite3_initialize();
            ffi::sqlite3_vfs_find(std::ptr::null())
        };
        assert!(!original.is_null(), "SQLite has a default file system");
        // SAFETY: it is not null and nobody changes it. What is not replaced below stays the original's: those functions of the
        // unix file system look at none of the fields that are.
        let mut vfs = unsafe { *original };
        let room = c_int::try_from(size_of::<OpenFile>()).unwrap_or(c_int::MAX);
        vfs.szOsFile = vfs.szOsFile.max(room);
        vfs.pNext = std::ptr::null_mut();
        vfs.zName = c"lastmile-disk".as_ptr();
        vfs.pAppData = original.cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        let vfs: &'static mut ffi::sqlite3_vfs = Box::leak(Box::new(vfs));
        // SAFETY: it lives for ever and its functions keep SQLite's contract.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the file system");
    });
}

/// The file system that was the default before.
fn original(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: SQLite passes what `register` gave it, where this field is the original.
    unsafe { (*vfs).pAppData.cast() }
}

/// The disk that a file lies on, and its name there.
fn claimed(path: *const c_char) -> Option<(Arc<Mutex<Machine>>, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite's file names end with a zero byte.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    claims::find(Path::new(OsStr::from_bytes(bytes)))
}

const fn code_of(result: Result<(), Code>) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(code) => code,
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let Some((machine, name)) = claimed(name) else {
        let original = original(vfs);
        // SAFETY: it is the original's own function with what SQLite passed, and `szOsFile` leaves room enough for its file.
        return unsafe {
            (*original).xOpen.map_or(ffi::SQLITE_ERROR, |open| open(original, name, file, flags, out_flags))
        };
    };
    let file: *mut OpenFile = file.cast();
    // SAFETY: SQLite gives `szOsFile` bytes, aligned for anything; a null here says that there is nothing to close.
    unsafe { (*file).head.pMethods = std::ptr::null() };
    let has = |flag: c_int| flags & flag != 0;
    let journal =
        has(ffi::SQLITE_OPEN_MAIN_JOURNAL) || has(ffi::SQLITE_OPEN_WAL) || has(ffi::SQLITE_OPEN_SUPER_JOURNAL);
    let reached = {
        let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.open(&name, has(ffi::SQLITE_OPEN_CREATE), has(ffi::SQLITE_OPEN_EXCLUSIVE), journal)
    };
    let reached = match reached {
        Ok(reached) => reached,
        Err(code) => return code,
    };
    let fleeting = has(ffi::SQLITE_OPEN_DELETEONCLOSE).then_some(name);
    let handle = Handle { machine, reached, level: ffi::SQLITE_LOCK_NONE, mapped: None, fleeting };
    // SAFETY: as above; `out_flags` may be null and is checked.
    unsafe {
        (*file).handle = Box::into_raw(Box::new(handle));
        (*file).head.pMethods = &raw const METHODS_AT;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    match claimed(name) {
        Some((machine, name)) => {
            code_of(machine.lock().unwrap_or_else(PoisonError::into_inner).delete(&name, sync_dir != 0))
        }
        None => {
            let original = original(vfs);
            // SAFETY: the original's own function with what SQLite passed.
            unsafe { (*original).xDelete.map_or(ffi::SQLITE_ERROR, |delete| delete(original, name, sync_dir)) }
        }
    }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    let Some((machine, name)) = claimed(name) else {
        let original = original(vfs);
        // SAFETY: the original's own function with what SQLite passed.
        return unsafe { (*original).xAccess.map_or(ffi::SQLITE_ERROR, |access| access(original, name, flags, out)) };
    };
    // Asked for existence, the unix file system does not see empty files.
    let with_bytes = flags == ffi::SQLITE_ACCESS_EXISTS;
    match machine.lock().unwrap_or_else(PoisonError::into_inner).exists(&name, with_bytes) {
        Ok(there) => {
            // SAFETY: SQLite passes a place for the answer.
            unsafe { *out = c_int::from(there) };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

/// The handle behind one of SQLite's files.
fn handle<'h>(file: *mut ffi::sqlite3_file) -> &'h mut Handle {
    // SAFETY: only files that `open` filled in have our methods, their handle lives until `close`, and SQLite calls the methods of
    // one file from one thread at a time.
    unsafe { &mut *(*file.cast::<OpenFile>()).handle }
}

fn offset(at: ffi::sqlite3_int64) -> usize {
    usize::try_from(at).unwrap_or(0)
}

fn amount(n: c_int) -> usize {
    usize::try_from(n).unwrap_or(0)
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `open` made it with `Box::into_raw`, and SQLite closes a file once.
    let mut handle = unsafe { Box::from_raw((*file.cast::<OpenFile>()).handle) };
    handle.mapped = None;
    let mut machine = handle.machine();
    if let Some(name) = handle.fleeting.as_deref().filter(|_| !machine.is_dead(handle.reached)) {
        let _ = machine.delete(name, false);
    }
    machine.close(handle.reached, handle.level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, n: c_int, at: ffi::sqlite3_int64) -> c_int {
    let handle = handle(file);
    // SAFETY: SQLite passes room for `n` bytes; they are plain bytes that it means to be written.
    let into = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), amount(n)) };
    code_of(handle.machine().read(handle.reached, offset(at), into))
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    n: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let handle = handle(file);
    // SAFETY: SQLite passes `n` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), amount(n)) };
    code_of(handle.machine().write(handle.reached, offset(at), bytes))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    let handle = handle(file);
    code_of(handle.machine().truncate(handle.reached, offset(len)))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    let handle = handle(file);
    code_of(handle.machine().sync(handle.reached))
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    let handle = handle(file);
    match handle.machine().size(handle.reached) {
        Ok(size) => {
            // SAFETY: SQLite passes a place for the answer.
            unsafe { *out = i64::try_from(size).unwrap_or(i64::MAX) };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let handle = handle(file);
    let mut machine = handle.machine.lock().unwrap_or_else(PoisonError::into_inner);
    if machine.is_dead(handle.reached) {
        return ffi::SQLITE_IOERR_LOCK;
    }
    let (reached, code) = machine.opened(handle.reached).locks.raise(handle.reached.handle, handle.level, level);
    handle.level = reached;
    code
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let handle = handle(file);
    if handle.level <= level {
        return ffi::SQLITE_OK;
    }
    let mut machine = handle.machine.lock().unwrap_or_else(PoisonError::into_inner);
    if !machine.is_dead(handle.reached) {
        machine.opened(handle.reached).locks.lower(handle.reached.handle, handle.level, level);
    }
    handle.level = level;
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    let handle = handle(file);
    let mut machine = handle.machine();
    if machine.is_dead(handle.reached) {
        return ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
    }
    let reserved = machine.opened(handle.reached).locks.is_reserved();
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *out = c_int::from(reserved) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _op: c_int, _arg: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    c_int::try_from(super::platter::SECTOR).unwrap_or(c_int::MAX)
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let handle = handle(file);
    let shared = match &handle.mapped {
        Some(mapped) => Arc::clone(&mapped.shared),
        None => match handle.machine().share(handle.reached) {
            Ok(shared) => shared,
            Err(code) => return code,
        },
    };
    if handle.mapped.is_none() {
        handle.mapped = Some(Mapped::new(Arc::clone(&shared)));
    }
    let region = amount(region);
    if extend != 0
        && !shared.has(region)
        && let Err(code) = handle.machine().may_share_more(handle.reached)
    {
        return code;
    }
    let at = shared.region(region, amount(size), extend != 0);
    // SAFETY: SQLite passes a place for the address. The region is made of atomics, so writing through it is sound, and it lives as
    // long as this handle has it mapped.
    unsafe { *out = at };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, first: c_int, n: c_int, flags: c_int) -> c_int {
    let handle = handle(file);
    // Nobody waits for the locks of what is dead, and what is dead must not find any.
    if flags & ffi::SQLITE_SHM_LOCK != 0 && handle.machine().is_dead(handle.reached) {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    handle.mapped.as_mut().map_or(ffi::SQLITE_IOERR_SHMLOCK, |mapped| mapped.lock(amount(first), amount(n), flags))
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    handle(file).mapped = None;
    ffi::SQLITE_OK
}
