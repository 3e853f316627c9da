//! A file that only grows: one line of JSON after the other, each naming the hash of the one before.
//!
//! What was written can be read by anybody and altered by nobody unseen: whoever knows the last hash finds every line that was changed,
//! dropped or put in. A last line that a crash cut short was never acknowledged and is taken off when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use lastmile_log::sha256;
use lastmile_model::{ChangeHash, planted};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::RelayError;

/// Where a chain ends: how many lines it has and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// How many lines there are.
    pub lines: u64,
    /// The hash of the last; zeros where there is none.
    pub hash: [u8; 32],
}

impl ChainEnd {
    /// The end of an empty chain.
    pub const NONE: Self = Self { lines: 0, hash: [0; 32] };

    /// Writes it as 40 bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        [&self.lines.to_be_bytes()[..], &self.hash].concat()
    }

    /// Reads what [`ChainEnd::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lines, hash) = bytes.split_at_checked(8)?;
        Some(Self { lines: u64::from_be_bytes(lines.try_into().ok()?), hash: hash.try_into().ok()? })
    }
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    /// Its number, from 1.
    n: u64,
    /// The hash of the line before, as hexadecimal digits.
    prev: String,
    #[serde(flatten)]
    entry: T,
}

/// What reading a chain found.
#[derive(Debug)]
pub(crate) struct Read<T> {
    /// The entries, each with where the chain ends after it.
    pub entries: Vec<(T, ChainEnd)>,
    /// How many bytes the whole lines take.
    bytes: u64,
    /// Whether a last line was cut short.
    pub cut_short: bool,
}

/// Reads a file that continues a chain from `start`; a file that does not exist has no lines.
///
/// # Errors
/// [`RelayError::Chain`] naming the first line that does not continue it.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, start: ChainEnd) -> Result<Read<T>, RelayError> {
    let mut read = Read { entries: Vec::new(), bytes: 0, cut_short: false };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(read),
        Err(error) => return Err(RelayError::file(path, error)),
    };
    let mut reader = BufReader::new(file);
    let mut end = start;
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(|error| RelayError::file(path, error))?;
        let Some(text) = line.strip_suffix(b"\n") else {
            read.cut_short = !line.is_empty();
            return Ok(read);
        };
        let number = end.lines.saturating_add(1);
        let broken = || RelayError::Chain { path: path.to_owned(), line: number };
        let parsed: Line<T> = serde_json::from_slice(text).map_err(|_| broken())?;
        let goes_on = parsed.n == number && parsed.prev == ChangeHash(end.hash).to_string();
        if !goes_on && !planted!("chain-unread") {
            return Err(broken());
        }
        end = ChainEnd { lines: number, hash: sha256(text) };
        read.bytes = read.bytes.saturating_add(line.len() as u64);
        read.entries.push((parsed.entry, end));
    }
}

/// A chain open for appending.
#[derive(Debug)]
pub(crate) struct ChainedFile {
    path: PathBuf,
    file: File,
    /// How long the file is as far as it was acknowledged.
    bytes: u64,
    end: ChainEnd,
}

impl ChainedFile {
    /// Opens a file that continues a chain from `start`, and makes it if need be; returns what it holds as well.
    ///
    /// # Errors
    /// When it cannot be written or does not continue the chain.
    pub fn open<T: DeserializeOwned>(path: &Path, start: ChainEnd) -> Result<(Self, Vec<(T, ChainEnd)>), RelayError> {
        let failed = |error| RelayError::file(path, error);
        let found = read::<T>(path, start)?;
        let new = !path.exists();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failed)?;
        if found.cut_short {
            tracing::warn!(path = %path.display(), "a last line that a crash cut short is taken off");
        }
        file.set_len(found.bytes).map_err(failed)?;
        if new || found.cut_short {
            file.sync_all().map_err(failed)?;
            sync_folder(path).map_err(failed)?;
        }
        let end = found.entries.last().map_or(start, |(_, end)| *end);
        Ok((Self { path: path.to_owned(), file, bytes: found.bytes, end }, found.entries))
    }

    /// Where the chain ends.
    pub const fn end(&self) -> ChainEnd {
        self.end
    }

    /// Appends entries, flushed when this returns.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing of them stays.
    pub fn append<T: Serialize>(&mut self, entries: &[T]) -> Result<ChainEnd, RelayError> {
        let mut end = self.end;
        let mut text = Vec::new();
        for entry in entries {
            let line = Line { n: end.lines.saturating_add(1), prev: ChangeHash(end.hash).to_string(), entry };
            let bytes = serde_json::to_vec(&line)
                .map_err(|error| RelayError::file(&self.path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
            end = ChainEnd { lines: line.n, hash: sha256(&bytes) };
            text.extend(bytes);
            text.push(b'\n');
        }
        if let Err(error) = self.write(&text) {
            // What was begun is taken off, now or at the next opening.
            let _ = self.file.set_len(self.bytes);
            return Err(RelayError::file(&self.path, error));
        }
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.end = end;
        Ok(end)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(text)?;
        self.file.sync_all()
    }
}

/// Makes the name of a new file last.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Entry {
        what: String,
    }

    fn entry(what: &str) -> Entry {
        Entry { what: what.to_owned() }
    }

    fn written(path: &Path) -> ChainEnd {
        let (mut chain, before) = ChainedFile::open::<Entry>(path, ChainEnd::NONE).unwrap();
        assert!(before.is_empty());
        chain.append(&[entry("one"), entry("two")]).unwrap();
        chain.append(&[entry("three")]).unwrap()
    }

    #[test]
    fn goes_on_where_it_ended() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chain.jsonl");
        let end = written(&path);
        assert_eq!(end.lines, 3);
        let (mut chain, before) = ChainedFile::open::<Entry>(&path, ChainEnd::NONE).unwrap();
        assert_eq!(before.iter().map(|(entry, _)| entry.what.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!((chain.end(), ChainEnd::from_bytes(&end.to_bytes())), (end, Some(end)));
        chain.append(&[entry("four")]).unwrap();
        assert_eq!(read::<Entry>(&path, ChainEnd::NONE).unwrap().entries.len(), 4);
    }

    #[test]
    fn every_altered_or_dropped_line_is_found() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chain.jsonl");
        let end = written(&path);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            std::fs::write(&path, &bent).unwrap();
            let found = read::<Entry>(&path, ChainEnd::NONE).ok().filter(|read| !read.cut_short);
            assert!(found.and_then(|read| read.entries.last().map(|(_, end)| *end)) != Some(end), "byte {at}");
        }
        let text = String::from_utf8(whole).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for kept in [[0, 2], [1, 2], [1, 0]] {
            std::fs::write(&path, format!("{}\n{}\n", lines[kept[0]], lines[kept[1]])).unwrap();
            assert!(matches!(read::<Entry>(&path, ChainEnd::NONE), Err(RelayError::Chain { .. })), "{kept:?}");
        }
    }

    #[test]
    fn a_line_that_was_cut_short_is_taken_off() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chain.jsonl");
        written(&path);
        let whole = std::fs::read(&path).unwrap();
        let two = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).nth(1).unwrap();
        for length in two + 1..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (mut chain, before) = ChainedFile::open::<Entry>(&path, ChainEnd::NONE).unwrap();
            assert_eq!(before.len(), 2);
            chain.append(&[entry("again")]).unwrap();
            assert_eq!(read::<Entry>(&path, ChainEnd::NONE).unwrap().entries.len(), 3);
        }
    }
}
