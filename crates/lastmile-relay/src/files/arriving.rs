//! Files that have come in part: one growing file each, of one author, until it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use lastmile_log::sha256;
use lastmile_model::{AuthorId, ChangeHash, Scope};

use crate::RelayError;

/// The most files of one author that gather at once; a further one takes the place of the oldest.
const MOST_OF_AUTHOR: usize = 8;

/// The most files that gather at once, of all authors.
const MOST: usize = 1024;

/// A file of which nothing came for so long goes, in milliseconds: a week.
const KEPT_MS: i64 = 7 * 86_400_000;

/// One that stood still for so long makes room where there is none, in milliseconds.
const STILL_MS: i64 = 3_600_000;

/// Of one author, one file in one scope: two authors who bring the same file do not write over each other.
type Key = (AuthorId, ChangeHash);

#[derive(Debug, Clone, Copy)]
struct Begun {
    held: u64,
    touched_ms: i64,
}

/// What has come in part.
#[derive(Debug)]
pub(super) struct Arriving {
    folder: Option<PathBuf>,
    begun: BTreeMap<Key, Begun>,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// So many bytes are held and flushed.
    Held(u64),
    /// The piece did not follow on those held, which are so many: nothing was taken.
    Not(u64),
    /// The last byte came: this is the whole file, whatever is in it.
    All(Vec<u8>),
    /// There is no room for one more.
    Full,
}

fn key_of(author: AuthorId, scope: &Scope, hash: &[u8; 32]) -> Key {
    (author, file_of(scope, hash))
}

fn file_of(scope: &Scope, hash: &[u8; 32]) -> ChangeHash {
    ChangeHash(sha256(&[scope.to_string().as_bytes(), &[0], hash].concat()))
}

fn name_of((author, file): &Key) -> String {
    format!("{author}-{file}")
}

fn key_named(name: &str) -> Option<Key> {
    let (author, file) = name.split_once('-')?;
    let key = (author.parse().ok()?, file.parse().ok()?);
    (name_of(&key) == name).then_some(key)
}

impl Arriving {
    /// For a relay that has no folder.
    pub fn nowhere() -> Self {
        Self { folder: None, begun: BTreeMap::new() }
    }

    /// Finds what came before the last stop. Files of other names are nobody's here and stay.
    pub fn open(folder: &Path, now_ms: i64) -> Result<Self, RelayError> {
        crate::folder::make_folder(folder)?;
        let failed = |error| RelayError::file(folder, error);
        let mut begun = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(key) = entry.file_name().to_str().and_then(key_named) {
                let metadata = entry.metadata().map_err(failed)?;
                let since_1970 = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let touched_ms = since_1970.and_then(|at| i64::try_from(at.as_millis()).ok()).unwrap_or(now_ms);
                begun.insert(key, Begun { held: metadata.len(), touched_ms: touched_ms.min(now_ms) });
            }
        }
        Ok(Self { folder: Some(folder.to_owned()), begun })
    }

    /// How many bytes of a file an author has brought.
    pub fn held(&self, author: AuthorId, scope: &Scope, hash: &[u8; 32]) -> u64 {
        self.begun.get(&key_of(author, scope, hash)).map_or(0, |begun| begun.held)
    }

    /// Takes bytes that follow on those held, and flushes them. Blocks.
    pub fn take(
        &mut self,
        author: AuthorId,
        scope: &Scope,
        hash: &[u8; 32],
        (offset, size): (u64, u64),
        bytes: &[u8],
        now_ms: i64,
    ) -> Result<Taken, RelayError> {
        let Some(folder) = self.folder.clone() else { return Ok(Taken::Full) };
        let key = key_of(author, scope, hash);
        let held = self.begun.get(&key).map_or(0, |begun| begun.held);
        let end = offset.saturating_add(bytes.len() as u64);
        if offset != held || end > size {
            return Ok(Taken::Not(held));
        }
        if held == 0 && end == size {
            return Ok(Taken::All(bytes.to_vec()));
        }
        if !self.begun.contains_key(&key) && !self.make_room(author, now_ms) {
            return Ok(Taken::Full);
        }
        let path = folder.join(name_of(&key));
        let written = append(&path, held, bytes);
        if let Err(error) = written {
            // What counted before still does: the next piece is written over what was left of this one.
            if held == 0 {
                self.forget(&key);
            }
            return Err(RelayError::file(path, error));
        }
        self.begun.insert(key, Begun { held: end, touched_ms: now_ms });
        if end < size {
            return Ok(Taken::Held(end));
        }
        fs::read(&path).map(Taken::All).map_err(|error| RelayError::file(path, error))
    }

    /// Makes room for one more; `false` when there is none.
    fn make_room(&mut self, author: AuthorId, now_ms: i64) -> bool {
        let age = |begun: &Begun| now_ms.saturating_sub(begun.touched_ms);
        let oldest = |own: bool| {
            let of = self.begun.iter().filter(|((by, _), _)| !own || *by == author);
            let count = of.clone().count();
            of.min_by_key(|(_, begun)| begun.touched_ms).map(|(key, begun)| (*key, age(begun), count))
        };
        if let Some((key, _, count)) = oldest(true)
            && count >= MOST_OF_AUTHOR
        {
            self.forget(&key);
        }
        match self.begun.len() {
            count if count < MOST => true,
            _ => {
                let oldest = self.begun.iter().min_by_key(|(_, begun)| begun.touched_ms);
                let still = oldest.filter(|(_, begun)| age(begun) > STILL_MS).map(|(key, _)| *key);
                still.iter().for_each(|key| self.forget(key));
                still.is_some()
            }
        }
    }

    /// Drops those of which nothing came for a week. Blocks.
    pub fn drop_old(&mut self, now_ms: i64) {
        let is_old = |begun: &Begun| now_ms.saturating_sub(begun.touched_ms) > KEPT_MS;
        let old: Vec<Key> = self.begun.iter().filter(|(_, begun)| is_old(begun)).map(|(key, _)| *key).collect();
        old.iter().for_each(|key| self.forget(key));
    }

    /// Drops what came of a file from anybody: it was erased. Blocks.
    pub fn drop_erased(&mut self, scope: &Scope, hash: &[u8; 32]) {
        let erased = file_of(scope, hash);
        let of_file: Vec<Key> = self.begun.keys().filter(|(_, file)| *file == erased).copied().collect();
        of_file.iter().for_each(|key| self.forget(key));
    }

    fn forget(&mut self, key: &Key) {
        self.begun.remove(key);
        if let Some(folder) = &self.folder {
            // What stays is found at the next start.
            let _ = fs::remove_file(folder.join(name_of(key)));
        }
    }

    /// Drops what came of a file: it is kept by now, or is of no use.
    pub fn drop_file(&mut self, author: AuthorId, scope: &Scope, hash: &[u8; 32]) {
        let key = key_of(author, scope, hash);
        if self.begun.contains_key(&key) {
            self.forget(&key);
        }
    }
}

/// Writes behind the bytes that count, whatever else a crash left there, and flushes.
fn append(path: &Path, held: u64, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.set_len(held)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if held == 0
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::community("430103005010").unwrap()
    }

    const ONE: AuthorId = AuthorId([1; 16]);

    #[test]
    fn pieces_follow_on_each_other_also_after_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let mut arriving = Arriving::open(folder.path(), 0).unwrap();
        let mut take = |offset, bytes: &[u8]| arriving.take(ONE, &scope(), &[7; 32], (offset, 6), bytes, 0).unwrap();
        assert_eq!(take(1, b"x"), Taken::Not(0));
        assert_eq!(take(0, b"ab"), Taken::Held(2));
        assert_eq!(take(0, b"ab"), Taken::Not(2), "again is as once");
        assert_eq!(take(2, b"cdefg"), Taken::Not(2), "no file is longer than it is");
        let mut arriving = Arriving::open(folder.path(), 0).unwrap();
        assert_eq!(arriving.held(ONE, &scope(), &[7; 32]), 2);
        assert_eq!(arriving.held(AuthorId([2; 16]), &scope(), &[7; 32]), 0, "another's is another's");
        let all = arriving.take(ONE, &scope(), &[7; 32], (2, 6), b"cdef", 0).unwrap();
        assert_eq!(all, Taken::All(b"abcdef".to_vec()));
        arriving.drop_file(ONE, &scope(), &[7; 32]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_erased_or_stood_still_for_a_week_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut arriving = Arriving::open(folder.path(), 0).unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for by in 1..=3 {
            arriving.take(AuthorId([by; 16]), &scope(), &[7; 32], (0, 9), b"begun", 0).unwrap();
        }
        arriving.take(ONE, &scope(), &[8; 32], (0, 9), b"begun", 0).unwrap();
        arriving.drop_erased(&scope(), &[7; 32]);
        assert_eq!((names(), arriving.held(ONE, &scope(), &[8; 32])), (1, 5));
        arriving.drop_old(KEPT_MS);
        assert_eq!(names(), 1);
        arriving.drop_old(KEPT_MS + 1);
        assert_eq!(names(), 0);
        // A start does not give it its time anew.
        arriving.take(ONE, &scope(), &[8; 32], (0, 9), b"begun", 0).unwrap();
        let modified = fs::metadata(folder.path().join(name_of(&key_of(ONE, &scope(), &[8; 32])))).unwrap().modified();
        let made_ms = i64::try_from(modified.unwrap().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let mut arriving = Arriving::open(folder.path(), made_ms + 2 * KEPT_MS).unwrap();
        arriving.drop_old(made_ms + 2 * KEPT_MS);
        assert_eq!(names(), 0);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("somebody's"), b"x").unwrap();
        let mut arriving = Arriving::open(folder.path(), 0).unwrap();
        let mut begin = |by: AuthorId, file: u8, now_ms: i64| {
            arriving.take(by, &scope(), &[file; 32], (0, 9), b"begun", now_ms).unwrap()
        };
        for file in 0..20 {
            assert_eq!(begin(ONE, file, i64::from(file)), Taken::Held(5));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MOST_OF_AUTHOR + 1, "the oldest made room");
        for by in 2..=127 {
            (0..8).for_each(|file| drop(begin(AuthorId([by; 16]), file, 30)));
        }
        (0..8).for_each(|file| drop(begin(AuthorId([128; 16]), file, 30)));
        assert_eq!(begin(AuthorId([129; 16]), 1, 40), Taken::Full);
        assert_eq!(begin(AuthorId([129; 16]), 1, 40 + STILL_MS), Taken::Held(5));
    }
}
