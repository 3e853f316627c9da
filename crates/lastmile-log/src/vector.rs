//! Version vectors: what a replica holds of a scope.

use std::collections::BTreeMap;

use lastmile_model::{AuthorId, ChainHash, planted};
use sha2::{Digest, Sha256};

use crate::wire::{Reader, Unreadable, Writer};

/// The most entries of one vector.
pub const MAX_ENTRIES: usize = 100_000;

/// What the hashed bytes of a digest begin with.
const DIGEST_LABEL: &[u8] = b"lastmile vector 1\0";

/// An author's log, or a branch of it: who, from which commit, and that commit's chain hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The author.
    pub author: AuthorId,
    /// 0 for the trunk, otherwise the number of the branch's first commit.
    pub start: u64,
    /// [`ChainHash::ZERO`] for the trunk, otherwise the chain hash of the branch's first commit.
    pub first: ChainHash,
}

impl Segment {
    /// The unforked log of an author.
    #[must_use]
    pub const fn trunk(author: AuthorId) -> Self {
        Self { author, start: 0, first: ChainHash::ZERO }
    }
}

/// How far a segment is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The segment.
    pub segment: Segment,
    /// The number of the last commit held.
    pub seq: u64,
    /// Its chain hash.
    pub chain: ChainHash,
}

/// What a replica holds of a scope: a claim about itself alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vector(BTreeMap<Segment, (u64, ChainHash)>);

impl Vector {
    /// Sets how far a segment is held.
    pub fn insert(&mut self, segment: Segment, seq: u64, chain: ChainHash) {
        self.0.insert(segment, (seq, chain));
    }

    /// Returns how far a segment is held.
    #[must_use]
    pub fn get(&self, segment: &Segment) -> Option<(u64, ChainHash)> {
        self.0.get(segment).copied()
    }

    /// Forgets a segment.
    pub fn remove(&mut self, segment: &Segment) {
        self.0.remove(segment);
    }

    /// The entries, sorted by segment.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> {
        self.0.iter().map(|(segment, (seq, chain))| Entry { segment: *segment, seq: *seq, chain: *chain })
    }

    /// Returns how many segments are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 over the sorted entries: equal for replicas that hold the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut out = Writer::new();
        self.write(&mut out);
        if planted!("hashed-order") {
            let hashed: std::collections::HashMap<_, _> = self.0.iter().collect();
            hashed.values().for_each(|(_, chain)| out.raw(chain.as_bytes()));
        }
        Sha256::new().chain_update(DIGEST_LABEL).chain_update(out.as_slice()).finalize().into()
    }

    /// Writes a count, then each entry: author, start, first hash unless the trunk, seq, chain hash.
    pub fn write(&self, out: &mut Writer) {
        out.uvarint(self.0.len() as u64);
        for (segment, (seq, chain)) in &self.0 {
            out.raw(segment.author.as_bytes());
            out.uvarint(segment.start);
            if segment.start > 0 {
                out.raw(segment.first.as_bytes());
            }
            out.uvarint(*seq);
            out.raw(chain.as_bytes());
        }
    }

    /// Reads what [`Vector::write`] wrote; entries must be sorted.
    ///
    /// # Errors
    /// [`Unreadable`] when cut off, too many, out of order or an entry ends before it starts.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let count = reader.count(MAX_ENTRIES)?;
        let mut vector = Self::default();
        for _ in 0..count {
            let author = AuthorId(reader.array()?);
            let start = reader.uvarint()?;
            let first = if start > 0 { ChainHash(reader.array()?) } else { ChainHash::ZERO };
            let segment = Segment { author, start, first };
            let entry = (reader.uvarint()?, ChainHash(reader.array()?));
            if entry.0 < start.max(1) || vector.0.last_key_value().is_some_and(|(last, _)| *last >= segment) {
                return Err(Unreadable::Unknown("an entry of a vector"));
            }
            vector.0.insert(segment, entry);
        }
        Ok(vector)
    }
}

impl FromIterator<Entry> for Vector {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().map(|entry| (entry.segment, (entry.seq, entry.chain))).collect())
    }
}
