//! A disk that fails on request: SQLite's files in memory, with power cuts, torn sectors, full and lying devices.
//!
//! The first [`Disk`] makes this SQLite's default file system for the process. It takes the files under the folders that disks were
//! made for; every other file goes to the real one. So the product's own open path meets it unchanged.
//!
//! What the running machine sees and what is certain to survive are kept apart. A file survives as it was flushed last; what was
//! written since may survive in any part: each sector of 512 bytes whole, not, or torn in its middle. A new or deleted name survives once
//! that file or the folder was flushed.
//!
//! Like SQLite's unix file system this one reports `SQLITE_IOCAP_POWERSAFE_OVERWRITE`, since the product runs on that one: SQLite
//! then does not pad a commit to a full sector. So a torn sector is damaged within the write alone, never in bytes beside it.
//!
//! ```
//! use lastmile_testkit::Disk;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let disk = Disk::at(folder.path());
//! disk.cut_at(3);
//! // ... open `folder.path().join("replica.db")` and work until it fails ...
//! disk.power_on(7);
//! ```

mod claims;
mod content;
mod locks;
mod machine;
mod platter;
mod vfs;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claims::Claim;
use content::Content;
use machine::Machine;
use platter::Platter;

pub use platter::{Dirty, SECTOR};

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No space: creating and writing fail with `ENOSPC`.
    Full,
    /// Creating, writing, truncating and deleting fail with `EIO`.
    Write,
    /// Flushing fails with `EIO`, and does this with what was to be flushed.
    Sync(Dirty),
}

/// How long it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowLong {
    /// The first operation that it can strike.
    Once,
    /// Each one until [`Disk::cure`].
    UntilCured,
}

/// The files of a disk at one moment, by their names in its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    files: BTreeMap<String, Content>,
}

impl Snapshot {
    /// The bytes of a file.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.files.get(name).map(Content::to_vec)
    }
}

/// A moment right after an operation, at which the power may have gone.
#[derive(Debug, Clone)]
pub struct Moment {
    operation: u64,
    platter: Platter,
}

impl Moment {
    /// The number of the operation, counted from 1.
    #[must_use]
    pub const fn operation(&self) -> u64 {
        self.operation
    }

    /// What is found when the power went at this moment: the same for the same seed.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Snapshot {
        Snapshot { files: self.platter.after_cut(seed) }
    }
}

/// A disk under a folder. Copies are the same disk; when the last one is dropped the folder is the real file system's again.
#[derive(Debug, Clone)]
pub struct Disk {
    machine: Arc<Mutex<Machine>>,
    _claim: Arc<Claim>,
}

impl Disk {
    /// Makes an empty disk that takes SQLite's files under this folder. The folder need not exist.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        vfs::register();
        let machine = Arc::new(Mutex::new(Machine::default()));
        let claim = Arc::new(Claim::of(folder, &machine));
        Self { machine, _claim: claim }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many disks the process holds in memory: those that are not dropped, and those with files still open.
    #[must_use]
    pub fn held() -> usize {
        machine::HELD.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many operations that change something there were: creating, writing, truncating, flushing, deleting.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.machine().operations
    }

    /// Lets the power go in this operation, counted from 1. From then on everything fails, reading too, until [`Disk::power_on`].
    pub fn cut_at(&self, operation: u64) {
        self.machine().cut_at = Some(operation);
    }

    /// Takes back what [`Disk::cut_at`] asked for and did not happen yet.
    pub fn do_not_cut(&self) {
        self.machine().cut_at = None;
    }

    /// Lets the power go now.
    pub fn cut_now(&self) {
        self.machine().off = true;
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.machine().off
    }

    /// Switches the machine on after a power cut (or pulls the plug and switches it on): what was not flushed survives in part, as this
    /// seed decides. Handles from before stay dead.
    pub fn power_on(&self, seed: u64) {
        let mut machine = self.machine();
        let left = machine.platter.after_cut(seed);
        machine.die(Platter::of(&left));
    }

    /// The process dies as by `kill -9` while the machine runs on: all that was written stays, handles from before are dead.
    pub fn crash_process(&self) {
        let mut machine = self.machine();
        let mut platter = machine.platter.clone();
        platter.sweep(|_| false);
        machine.die(platter);
    }

    /// Lets flushing answer that all is well and do nothing.
    pub fn lie_about_sync(&self, lie: bool) {
        self.machine().lying = lie;
    }

    /// Lets operations fail from this one on, counted from 1: the first that this fault can strike, or all until cured.
    pub fn fail(&self, fault: Fault, from: u64, how_long: HowLong) {
        self.machine().fail(fault, from, how_long);
    }

    /// Whether a failure that was asked for is still to come, or lasts.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.machine().is_failing()
    }

    /// Ends all failures.
    pub fn cure(&self) {
        self.machine().cure();
    }

    /// Limits the bytes of all files together; beyond it writing fails for want of space.
    pub fn capacity(&self, bytes: Option<u64>) {
        self.machine().capacity = bytes;
    }

    /// Keeps every moment from now on.
    pub fn keep_moments(&self) {
        self.machine().moments = Some(Vec::new());
    }

    /// The moments kept so far; none are kept from now on.
    #[must_use]
    pub fn take_moments(&self) -> Vec<Moment> {
        self.machine().moments.take().unwrap_or_default()
    }

    /// Copies all files as the running machine sees them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { files: self.machine().platter.seen() }
    }

    /// Puts these files, flushed, in the place of all there are. Handles from before are dead; the power is on.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.machine().die(Platter::of(&snapshot.files));
    }

    /// Turns a bit (0 to 7) of a file's byte, on the platter too; returns whether that byte is there.
    #[must_use]
    pub fn flip(&self, file: &str, offset: usize, bit: u8) -> bool {
        self.damage(file, |content| {
            let mut byte = [0];
            if content.read(offset, &mut byte) == 1 {
                let [byte] = byte;
                content.write(offset, &[byte ^ (1 << (bit % 8))]);
            }
        })
        .is_some_and(|len| offset < len)
    }

    /// Shortens a file, on the platter too; returns whether it was longer.
    #[must_use]
    pub fn truncate(&self, file: &str, len: usize) -> bool {
        let before = self.damage(file, |content| {
            if len < content.len() {
                content.resize(len);
            }
        });
        before.is_some_and(|before| len < before)
    }

    /// Damages a file; returns how long it was.
    fn damage(&self, file: &str, damage: impl Fn(&mut Content)) -> Option<usize> {
        let mut machine = self.machine();
        let no = machine.platter.find(file)?;
        let file = machine.platter.files.get_mut(&no)?;
        let before = file.current.len();
        file.damage(damage);
        Some(before)
    }

    /// Lists the files with their lengths as the running machine sees them.
    #[must_use]
    pub fn files(&self) -> Vec<(String, u64)> {
        let files = self.machine().platter.seen();
        files.into_iter().map(|(name, content)| (name, content.len() as u64)).collect()
    }
}
