//! A machine with this disk: counts operations, fails them, forgets what a crash makes it forget.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use libsqlite3_sys as ffi;

use super::locks::{FileLocks, Shared};
use super::platter::{Dirty, File, Platter};
use super::{Fault, HowLong, Moment};

/// SQLite's answers to failures.
pub type Code = c_int;

/// How many machines are in memory.
pub static HELD: AtomicUsize = AtomicUsize::new(0);

/// Counts the machine that holds it.
#[derive(Debug)]
pub struct Counted;

impl Default for Counted {
    fn default() -> Self {
        HELD.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What counts as an operation, and so where power can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Write,
    Truncate,
    Sync,
    Delete,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    from: u64,
    how_long: HowLong,
}

/// What a file that is open shares between the handles on it.
#[derive(Debug, Default)]
pub struct Opened {
    pub locks: FileLocks,
    pub shared: Weak<Shared>,
    handles: BTreeSet<u64>,
    /// Handles that were open when a flush through another one failed: Linux tells each of them once, at its next flush.
    untold: BTreeSet<u64>,
}

#[derive(Debug, Default)]
pub struct Machine {
    pub platter: Platter,
    pub operations: u64,
    pub cut_at: Option<u64>,
    pub off: bool,
    pub lying: bool,
    pub capacity: Option<u64>,
    pub moments: Option<Vec<Moment>>,
    faults: Vec<Planned>,
    /// How often everything died: handles from before are dead.
    generation: u64,
    opened: BTreeMap<u64, Opened>,
    handles: u64,
    _counted: Counted,
}

/// How a file is reached through one of SQLite's handles.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    pub file: u64,
    /// The handle's own number.
    pub handle: u64,
    generation: u64,
    /// A journal or WAL that this handle made: SQLite flushes the directory with its first flush.
    fresh: bool,
}

impl Machine {
    pub fn fail(&mut self, fault: Fault, from: u64, how_long: HowLong) {
        self.faults.push(Planned { fault, from, how_long });
    }

    pub const fn is_failing(&self) -> bool {
        !self.faults.is_empty()
    }

    pub fn cure(&mut self) {
        self.faults.clear();
    }

    /// Everything that runs dies; these files are what is found afterwards.
    pub fn die(&mut self, platter: Platter) {
        self.platter = platter;
        self.generation += 1;
        self.opened.clear();
        self.off = false;
        self.cut_at = None;
    }

    pub fn is_dead(&self, reached: Reached) -> bool {
        self.off || reached.generation != self.generation
    }

    pub fn opened(&mut self, reached: Reached) -> &mut Opened {
        self.opened.entry(reached.file).or_default()
    }

    fn alive(&self, reached: Reached, code: Code) -> Result<(), Code> {
        if self.is_dead(reached) { Err(code) } else { Ok(()) }
    }

    /// Does one operation unless the power is off or it is to fail. An operation in which the power goes may be done in part.
    fn operate(
        &mut self,
        kind: Kind,
        code: Code,
        work: impl FnOnce(&mut Self) -> Result<(), Code>,
    ) -> Result<(), Code> {
        if self.off {
            return Err(code);
        }
        self.operations += 1;
        if self.cut_at.is_some_and(|at| self.operations >= at) {
            if kind != Kind::Sync {
                let _ = work(self);
            }
            self.off = true;
            return Err(code);
        }
        if let Some(code) = self.fault(kind) {
            return Err(code);
        }
        let done = work(self);
        if let Some(moments) = &mut self.moments {
            moments.push(Moment { operation: self.operations, platter: self.platter.clone() });
        }
        done
    }

    /// The failure that strikes an operation of this kind now.
    fn fault(&mut self, kind: Kind) -> Option<Code> {
        let strikes = |planned: &Planned| {
            let meant = match planned.fault {
                Fault::Full => matches!(kind, Kind::Create | Kind::Write),
                Fault::Write => matches!(kind, Kind::Create | Kind::Write | Kind::Truncate | Kind::Delete),
                Fault::Sync(_) => false,
            };
            meant && self.operations >= planned.from
        };
        let place = self.faults.iter().position(strikes)?;
        let code = match (self.faults.get(place)?.fault, kind) {
            (_, Kind::Create) => ffi::SQLITE_CANTOPEN,
            (Fault::Full, _) => ffi::SQLITE_FULL,
            (_, Kind::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
            (_, Kind::Delete) => ffi::SQLITE_IOERR_DELETE,
            _ => ffi::SQLITE_IOERR_WRITE,
        };
        self.strike(place);
        Some(code)
    }

    fn strike(&mut self, place: usize) {
        if self.faults.get(place).is_some_and(|planned| planned.how_long == HowLong::Once) {
            self.faults.remove(place);
        }
    }

    fn sync_fault(&mut self) -> Option<Dirty> {
        let strikes = |planned: &Planned| match planned.fault {
            Fault::Sync(dirty) if self.operations >= planned.from => Some(dirty),
            _ => None,
        };
        let (place, dirty) =
            self.faults.iter().enumerate().find_map(|(place, planned)| Some((place, strikes(planned)?)))?;
        self.strike(place);
        Some(dirty)
    }

    fn file(&mut self, reached: Reached) -> Result<&mut File, Code> {
        self.platter.files.get_mut(&reached.file).ok_or(ffi::SQLITE_IOERR)
    }

    /// Opens a file; `create` where it may be made, `alone` where it must be new, `journal` for a journal or WAL.
    pub fn open(&mut self, name: &str, create: bool, alone: bool, journal: bool) -> Result<Reached, Code> {
        if self.off {
            return Err(ffi::SQLITE_IOERR);
        }
        let found = self.platter.find(name);
        if found.is_some() && alone {
            return Err(ffi::SQLITE_CANTOPEN);
        }
        let file = match found {
            Some(file) => file,
            None if create => {
                let mut made = 0;
                self.operate(Kind::Create, ffi::SQLITE_IOERR, |machine| {
                    made = machine.platter.create(name);
                    Ok(())
                })?;
                made
            }
            None => return Err(ffi::SQLITE_CANTOPEN),
        };
        self.handles += 1;
        self.opened.entry(file).or_default().handles.insert(self.handles);
        let fresh = journal && found.is_none();
        Ok(Reached { file, handle: self.handles, generation: self.generation, fresh })
    }

    pub fn close(&mut self, reached: Reached, level: c_int) {
        if reached.generation != self.generation {
            return;
        }
        let opened = self.opened(reached);
        opened.locks.lower(reached.handle, level, ffi::SQLITE_LOCK_NONE);
        opened.handles.remove(&reached.handle);
        opened.untold.remove(&reached.handle);
        if opened.handles.is_empty() {
            self.opened.remove(&reached.file);
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        let opened = &self.opened;
        self.platter.sweep(|file| opened.contains_key(&file));
    }

    pub fn delete(&mut self, name: &str, sync: bool) -> Result<(), Code> {
        if self.off {
            return Err(ffi::SQLITE_IOERR);
        }
        if self.platter.find(name).is_none() {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        self.operate(Kind::Delete, ffi::SQLITE_IOERR_DELETE, |machine| {
            machine.platter.remove(name);
            Ok(())
        })?;
        if sync {
            // Unlinking and flushing the directory are two operations: power may fail between.
            self.operate(Kind::Sync, ffi::SQLITE_IOERR_DIR_FSYNC, |machine| {
                if machine.sync_fault().is_some() {
                    return Err(ffi::SQLITE_IOERR_DIR_FSYNC);
                }
                if !machine.lying {
                    machine.platter.sync_names();
                }
                Ok(())
            })?;
        }
        self.sweep();
        Ok(())
    }

    pub fn exists(&self, name: &str, with_bytes: bool) -> Result<bool, Code> {
        if self.off {
            return Err(ffi::SQLITE_IOERR_ACCESS);
        }
        let file = self.platter.find(name).and_then(|file| self.platter.files.get(&file));
        Ok(file.is_some_and(|file| !with_bytes || file.current.len() > 0))
    }

    /// Reads, and fills up with zeros where the file ends before.
    pub fn read(&mut self, reached: Reached, at: usize, into: &mut [u8]) -> Result<(), Code> {
        self.alive(reached, ffi::SQLITE_IOERR_READ)?;
        let read = self.file(reached)?.current.read(at, into);
        match into.get_mut(read..) {
            Some([]) | None => Ok(()),
            Some(rest) => {
                rest.fill(0);
                Err(ffi::SQLITE_IOERR_SHORT_READ)
            }
        }
    }

    pub fn write(&mut self, reached: Reached, at: usize, bytes: &[u8]) -> Result<(), Code> {
        self.alive(reached, ffi::SQLITE_IOERR_WRITE)?;
        self.operate(Kind::Write, ffi::SQLITE_IOERR_WRITE, |machine| {
            if let Some(capacity) = machine.capacity {
                let grown = at.saturating_add(bytes.len()).saturating_sub(machine.file(reached)?.current.len());
                if grown > 0 && machine.platter.bytes().saturating_add(grown as u64) > capacity {
                    return Err(ffi::SQLITE_FULL);
                }
            }
            machine.file(reached)?.write(at, bytes);
            Ok(())
        })
    }

    pub fn truncate(&mut self, reached: Reached, len: usize) -> Result<(), Code> {
        self.alive(reached, ffi::SQLITE_IOERR_TRUNCATE)?;
        self.operate(Kind::Truncate, ffi::SQLITE_IOERR_TRUNCATE, |machine| {
            machine.file(reached)?.resize(len);
            Ok(())
        })
    }

    pub fn sync(&mut self, reached: Reached) -> Result<(), Code> {
        self.alive(reached, ffi::SQLITE_IOERR_FSYNC)?;
        self.operate(Kind::Sync, ffi::SQLITE_IOERR_FSYNC, |machine| {
            if let Some(dirty) = machine.sync_fault() {
                machine.file(reached)?.fail_to_sync(dirty);
                let opened = machine.opened(reached);
                opened.untold.extend(opened.handles.iter().filter(|handle| **handle != reached.handle));
                opened.untold.remove(&reached.handle);
                return Err(ffi::SQLITE_IOERR_FSYNC);
            }
            if machine.lying {
                return Ok(());
            }
            machine.file(reached)?.sync();
            if reached.fresh {
                machine.platter.sync_names();
            } else {
                machine.platter.sync_name(reached.file);
            }
            if machine.opened(reached).untold.remove(&reached.handle) {
                return Err(ffi::SQLITE_IOERR_FSYNC);
            }
            Ok(())
        })
    }

    pub fn size(&mut self, reached: Reached) -> Result<usize, Code> {
        self.alive(reached, ffi::SQLITE_IOERR_FSTAT)?;
        Ok(self.file(reached)?.current.len())
    }

    /// The memory that the connections to this file share; the first one makes it.
    pub fn share(&mut self, reached: Reached) -> Result<Arc<Shared>, Code> {
        self.alive(reached, ffi::SQLITE_IOERR_SHMMAP)?;
        let opened = self.opened(reached);
        Ok(opened.shared.upgrade().unwrap_or_else(|| {
            let shared = Arc::new(Shared::default());
            opened.shared = Arc::downgrade(&shared);
            shared
        }))
    }

    /// Whether memory can be shared further: on a real system it is a file, which a full disk does not let grow.
    pub fn may_share_more(&self, reached: Reached) -> Result<(), Code> {
        self.alive(reached, ffi::SQLITE_IOERR_SHMMAP)?;
        let lasts = |planned: &Planned| {
            planned.fault == Fault::Full && planned.how_long == HowLong::UntilCured && self.operations >= planned.from
        };
        if self.faults.iter().any(lasts) { Err(ffi::SQLITE_IOERR_SHMSIZE) } else { Ok(()) }
    }
}
