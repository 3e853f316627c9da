//! What connections of one process share besides bytes: the locks of a file and the memory of a WAL's index.

use std::ffi::{c_int, c_void};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use libsqlite3_sys as ffi;

/// The locks that connections hold on a file, as SQLite's five levels want them.
#[derive(Debug, Default)]
pub struct FileLocks {
    shared: usize,
    /// Who means to write: a handle with at least a reserved lock, and its level.
    writer: Option<(u64, c_int)>,
}

impl FileLocks {
    /// Raises a handle's lock; gives its new level and SQLite's answer.
    pub fn raise(&mut self, handle: u64, level: c_int, wanted: c_int) -> (c_int, c_int) {
        if level >= wanted {
            return (level, ffi::SQLITE_OK);
        }
        let other = self.writer.filter(|(writer, _)| *writer != handle);
        if wanted == ffi::SQLITE_LOCK_SHARED {
            if self.writer.is_some_and(|(_, level)| level >= ffi::SQLITE_LOCK_PENDING) {
                return (level, ffi::SQLITE_BUSY);
            }
            self.shared += 1;
            return (wanted, ffi::SQLITE_OK);
        }
        if other.is_some() {
            return (level, ffi::SQLITE_BUSY);
        }
        let waits = wanted == ffi::SQLITE_LOCK_EXCLUSIVE && self.shared > 1;
        let reached = if waits { ffi::SQLITE_LOCK_PENDING } else { wanted };
        self.writer = Some((handle, reached));
        (reached, if waits { ffi::SQLITE_BUSY } else { ffi::SQLITE_OK })
    }

    /// Lowers a handle's lock to shared or none.
    pub fn lower(&mut self, handle: u64, level: c_int, to: c_int) {
        if to <= ffi::SQLITE_LOCK_SHARED && self.writer.is_some_and(|(writer, _)| writer == handle) {
            self.writer = None;
        }
        if to == ffi::SQLITE_LOCK_NONE && level > ffi::SQLITE_LOCK_NONE {
            self.shared = self.shared.saturating_sub(1);
        }
    }

    pub const fn is_reserved(&self) -> bool {
        self.writer.is_some()
    }
}

const SLOTS: usize = ffi::SQLITE_SHM_NLOCK as usize;

/// The memory that the connections to a WAL share. It lives as long as any of them has it mapped, also one that a crash left dead.
#[derive(Debug, Default)]
pub struct Shared {
    regions: Mutex<Vec<Box<[AtomicU64]>>>,
    /// For each lock, how many hold it shared, or -1 for one that holds it alone.
    slots: Mutex<[i32; SLOTS]>,
}

impl Shared {
    /// The address of a region; null when it is not there and none is to be made.
    pub fn region(&self, no: usize, bytes: usize, make: bool) -> *mut c_void {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if make && regions.len() <= no {
            let zeros = || (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
            regions.resize_with(no.saturating_add(1), zeros);
        }
        regions.get(no).map_or(std::ptr::null_mut(), |region| region.as_ptr().cast::<c_void>().cast_mut())
    }

    pub fn has(&self, no: usize) -> bool {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).len() > no
    }
}

/// What one connection holds of that memory's locks.
#[derive(Debug)]
pub struct Mapped {
    pub shared: std::sync::Arc<Shared>,
    held: [Held; SLOTS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    Shared,
    Alone,
}

impl Mapped {
    pub const fn new(shared: std::sync::Arc<Shared>) -> Self {
        Self { shared, held: [Held::No; SLOTS] }
    }

    /// Takes or gives back locks, all or none of them; answers as SQLite's `xShmLock` does.
    pub fn lock(&mut self, offset: usize, n: usize, flags: c_int) -> c_int {
        let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (take, alone) = (flags & ffi::SQLITE_SHM_LOCK != 0, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0);
        let range = offset..offset.saturating_add(n);
        let (Some(slots), Some(held)) = (slots.get_mut(range.clone()), self.held.get_mut(range)) else {
            return ffi::SQLITE_IOERR_SHMLOCK;
        };
        let free = |(slot, held): (&i32, &Held)| match held {
            Held::No => *slot == 0 || (!alone && *slot > 0),
            Held::Shared => !alone || *slot == 1,
            Held::Alone => true,
        };
        if take && !slots.iter().zip(held.iter()).all(free) {
            return ffi::SQLITE_BUSY;
        }
        for (slot, held) in slots.iter_mut().zip(held) {
            match (take, *held) {
                (true, Held::No) if alone => (*slot, *held) = (-1, Held::Alone),
                (true, Held::Shared) if alone => (*slot, *held) = (-1, Held::Alone),
                (true, Held::No) => (*slot, *held) = (*slot + 1, Held::Shared),
                (false, Held::Shared) => (*slot, *held) = (*slot - 1, Held::No),
                (false, Held::Alone) => (*slot, *held) = (0, Held::No),
                _ => {}
            }
        }
        ffi::SQLITE_OK
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.lock(0, SLOTS, ffi::SQLITE_SHM_UNLOCK);
    }
}
