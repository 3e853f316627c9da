//! What stands on the disk, and what of it a power cut may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::content::Content;

/// What a disk writes whole or not at all in the best case; here it may tear in the middle as well.
pub const SECTOR: usize = 512;

/// What was done to a file and not flushed.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, Arc<[u8]>),
    Resize(usize),
}

/// What a failed flush does with the bytes that it was to flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dirty {
    /// They wait for the next flush.
    Kept,
    /// They can be read until the power goes, but no later flush writes them (ext4 marks the pages clean).
    Forgotten,
    /// They are gone at once (the pages are thrown out, what was there before is read).
    Reverted,
}

/// One file: as the running machine sees it, as it is certain to survive, and what lies between.
#[derive(Debug, Clone, Default)]
pub struct File {
    pub current: Content,
    synced: Content,
    unsynced: Vec<Change>,
    /// Whether a failed flush left `current` with bytes that will never be written.
    forgot: bool,
}

impl File {
    fn of(content: Content) -> Self {
        Self { synced: content.clone(), current: content, ..Self::default() }
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.current.write(at, bytes);
        self.unsynced.push(Change::Write(at, bytes.into()));
    }

    pub fn resize(&mut self, len: usize) {
        self.current.resize(len);
        self.unsynced.push(Change::Resize(len));
    }

    pub fn sync(&mut self) {
        if self.forgot {
            for change in self.unsynced.drain(..) {
                match change {
                    Change::Write(at, bytes) => self.synced.write(at, &bytes),
                    Change::Resize(len) => self.synced.resize(len),
                }
            }
        } else {
            self.unsynced.clear();
            self.synced = self.current.clone();
        }
    }

    pub fn fail_to_sync(&mut self, dirty: Dirty) {
        match dirty {
            Dirty::Kept => {}
            Dirty::Forgotten => {
                self.forgot |= !self.unsynced.is_empty();
                self.unsynced.clear();
            }
            Dirty::Reverted => {
                self.unsynced.clear();
                self.current = self.synced.clone();
            }
        }
    }

    /// Rot: changes what is read and what survives alike.
    pub fn damage(&mut self, damage: impl Fn(&mut Content)) {
        damage(&mut self.current);
        damage(&mut self.synced);
    }

    fn after_cut(&self, rng: &mut ChaCha8Rng) -> Content {
        let mut content = self.synced.clone();
        if self.unsynced.is_empty() {
            return content;
        }
        // Disks have habits: to lose all that waits, none of it, all from some moment on, or anything.
        let (upto, odds) = match rng.random_range(0..8u8) {
            0 => return content,
            1 => return self.current_unless_forgot(),
            2 => (rng.random_range(0..=self.unsynced.len()), 1.0),
            _ => (self.unsynced.len(), f64::from(rng.random_range(1..20u8)) / 20.0),
        };
        for (no, change) in self.unsynced.iter().enumerate() {
            // In a row that breaks off, the first change that is lost may be lost in part.
            if no > upto {
                break;
            }
            let odds = if no < upto { odds } else { 0.0 };
            match change {
                Change::Write(at, bytes) => write_in_part(&mut content, *at, bytes, odds, rng),
                Change::Resize(len) if rng.random_bool(odds) => content.resize(*len),
                Change::Resize(_) => {}
            }
        }
        // A file that grew may have grown in part. Cutting one short is a single change of its length in every file system that keeps a
        // journal, and SQLite relies on that: a log of which only the end went would lead back to an older state.
        if self.current.len() > self.synced.len() && rng.random_ratio(1, 4) {
            content.resize(rng.random_range(self.synced.len()..=self.current.len()));
        }
        content
    }

    fn current_unless_forgot(&self) -> Content {
        let mut all = self.clone();
        all.sync();
        all.synced
    }
}

/// Writes the sectors of a write that reached the disk: each whole, not, or torn in its middle.
fn write_in_part(content: &mut Content, at: usize, bytes: &[u8], odds: f64, rng: &mut ChaCha8Rng) {
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let (sector, later) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        if rng.random_bool(odds) {
            content.write(at, sector);
        } else if rng.random_ratio(1, 8) {
            let (head, tail) = sector.split_at(rng.random_range(0..=sector.len()));
            if rng.random() {
                content.write(at, head);
            } else {
                content.write(at + head.len(), tail);
            }
        }
        at += sector.len();
        rest = later;
    }
}

/// All files with their names: those that the machine sees and those that are certain to survive.
#[derive(Debug, Clone, Default)]
pub struct Platter {
    pub files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    next: u64,
}

impl Platter {
    pub fn of(files: &BTreeMap<String, Content>) -> Self {
        let mut platter = Self::default();
        for (name, content) in files {
            let no = platter.create(name);
            platter.files.insert(no, File::of(content.clone()));
        }
        platter.sync_names();
        platter
    }

    pub fn find(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub fn create(&mut self, name: &str) -> u64 {
        self.next += 1;
        self.files.insert(self.next, File::default());
        self.names.insert(name.to_owned(), self.next);
        self.next
    }

    pub fn remove(&mut self, name: &str) -> Option<u64> {
        self.names.remove(name)
    }

    /// Makes one file's name survive, or its absence.
    pub fn sync_name(&mut self, no: u64) {
        for (name, _) in self.names.iter().filter(|(_, of)| **of == no) {
            self.durable.insert(name.clone(), no);
        }
    }

    /// Flushes the directory.
    pub fn sync_names(&mut self) {
        self.durable.clone_from(&self.names);
    }

    /// Forgets files that no name leads to, but for those still open.
    pub fn sweep(&mut self, is_open: impl Fn(u64) -> bool) {
        let named: BTreeSet<u64> = self.names.values().chain(self.durable.values()).copied().collect();
        self.files.retain(|no, _| named.contains(no) || is_open(*no));
    }

    /// The bytes of all files as the machine sees them.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.current.len() as u64).sum()
    }

    /// The files as the running machine sees them.
    pub fn seen(&self) -> BTreeMap<String, Content> {
        let seen = self.names.iter().filter_map(|(name, no)| Some((name.clone(), self.files.get(no)?.current.clone())));
        seen.collect()
    }

    /// What may be found after the power went: the same for the same seed.
    pub fn after_cut(&self, seed: u64) -> BTreeMap<String, Content> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut left = BTreeMap::new();
        let names: BTreeSet<&String> = self.names.keys().chain(self.durable.keys()).collect();
        for name in names {
            let (now, before) = (self.names.get(name), self.durable.get(name));
            let which = if now == before || rng.random() { now } else { before };
            if let Some(file) = which.and_then(|no| self.files.get(no)) {
                left.insert(name.clone(), file.after_cut(&mut rng));
            }
        }
        left
    }
}
