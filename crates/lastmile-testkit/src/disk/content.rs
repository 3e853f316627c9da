//! The bytes of one file, cheap to copy.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// How much is copied when a byte of a shared copy changes.
const CHUNK: usize = 8 << 10;

static ZEROS: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| Arc::new(vec![0; CHUNK]));

/// A file's bytes: copies share what they have in common. Bytes beyond the end are zero, so that growing shows zeros.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    chunks: Vec<Arc<Vec<u8>>>,
    len: usize,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Content {
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes from a place on and returns how many there were.
    pub fn read(&self, at: usize, into: &mut [u8]) -> usize {
        let wanted = into.len().min(self.len.saturating_sub(at));
        let mut done = 0;
        while done < wanted {
            let (chunk, within) = (at.saturating_add(done) / CHUNK, at.saturating_add(done) % CHUNK);
            let n = (wanted - done).min(CHUNK - within);
            let from = self.chunks.get(chunk).and_then(|bytes| bytes.get(within..within + n));
            if let (Some(from), Some(into)) = (from, into.get_mut(done..done + n)) {
                into.copy_from_slice(from);
            }
            done += n;
        }
        wanted
    }

    /// Writes bytes at a place, past the end too.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        if end > self.len {
            self.resize(end);
        }
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let within = at % CHUNK;
            let (now, later) = rest.split_at(rest.len().min(CHUNK - within));
            let chunk = self.chunks.get_mut(at / CHUNK).map(Arc::make_mut);
            if let Some(place) = chunk.and_then(|chunk| chunk.get_mut(within..within + now.len())) {
                place.copy_from_slice(now);
            }
            at += now.len();
            rest = later;
        }
    }

    /// Shortens, or lengthens with zeros.
    pub fn resize(&mut self, len: usize) {
        self.chunks.resize(len.div_ceil(CHUNK), Arc::clone(&ZEROS));
        if len < self.len && !len.is_multiple_of(CHUNK) {
            let last = self.chunks.last_mut().map(Arc::make_mut);
            if let Some(beyond) = last.and_then(|last| last.get_mut(len % CHUNK..)) {
                beyond.fill(0);
            }
        }
        self.len = len;
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.read(0, &mut bytes);
        bytes
    }
}
