//! Maps keyed by record ids.
//!
//! Ids are random or hashed already, so one multiplication spreads them. The seed differs from process to process, so
//! that ids made to collide on one machine do not on another; no order of these maps ever reaches an output.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map by record id.
pub(crate) type IdMap<V> = HashMap<u128, V, Ids>;
/// A set of record ids.
pub(crate) type IdSet = HashSet<u128, Ids>;

/// Builds the hasher of [`IdMap`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids(u64);

impl Default for Ids {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Ids {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(self.0)
    }
}

/// Folds one 128-bit key into a hash by a multiplication.
#[derive(Debug)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u128(u128::from(byte));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of a product are what is wanted")]
    fn write_u128(&mut self, id: u128) {
        let low = (id as u64) ^ self.0;
        let high = ((id >> 64) as u64) ^ 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(low) * u128::from(high);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

/// Numbers record ids from 0 in the order they are met, so that sets of them are bits.
///
/// Views are read in the order rows were made, so the id after the one last asked for is tried before the map.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    numbers: IdMap<u32>,
    ids: Vec<u128>,
    next: Cell<u32>,
}

impl Interner {
    /// Returns the number of an id, a new one if it is new.
    pub(crate) fn number(&mut self, id: u128) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(id).or_insert_with(|| {
            self.ids.push(id);
            next
        })
    }

    /// Returns the number of an id met before.
    pub(crate) fn get(&self, id: u128) -> Option<u32> {
        let guess = self.next.get();
        let found = if self.ids.get(guess as usize) == Some(&id) { guess } else { *self.numbers.get(&id)? };
        self.next.set(found.saturating_add(1));
        Some(found)
    }

    /// Returns the id with this number.
    pub(crate) fn id(&self, number: u32) -> u128 {
        self.ids.get(number as usize).copied().unwrap_or_default()
    }

    /// How many ids have been met.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// A set of small numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds a number; returns whether it is new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = ((number / 64) as usize, 1_u64 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let Some(place) = self.words.get_mut(word) else { return false };
        let new = *place & bit == 0;
        *place |= bit;
        new
    }

    /// Whether the number is in it.
    pub(crate) fn has(&self, number: u32) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// How many numbers are in it.
    pub(crate) fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bits() {
        let mut interner = Interner::default();
        assert_eq!([7, 9, 7].map(|id| interner.number(id)), [0, 1, 0]);
        assert_eq!([7, 9, 8, 9, 7, 7].map(|id| interner.get(id)), [Some(0), Some(1), None, Some(1), Some(0), Some(0)]);
        assert_eq!((interner.id(1), interner.len()), (9, 2));
        let mut bits = Bits::default();
        assert!(bits.insert(70) && !bits.insert(70) && bits.insert(0));
        assert!(bits.has(70) && !bits.has(69) && !bits.has(700));
        assert_eq!(bits.len(), 2);
    }

    #[test]
    fn hashes_spread_ids_that_differ_little() {
        let build = Ids::default();
        let mut low: HashSet<u64> = HashSet::new();
        for id in 0..10_000_u128 {
            low.insert(build.hash_one(id) & 0xffff);
        }
        // 10,000 balls in 65,536 boxes fill about 9,280 of them.
        assert!(low.len() > 6_000, "{}", low.len());
    }
}
