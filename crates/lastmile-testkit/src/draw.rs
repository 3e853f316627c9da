//! Seeded draws: every random choice of the generators, the same on every machine.
//!
//! Only whole numbers are drawn, so no rounding of a platform's mathematics enters. Each part of the data draws from a
//! stream of its own, named by what it is about, so that a part can be made without those before it.

use lastmile_model::RecordId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use uuid::{Builder, Uuid};

/// What a stream of draws is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Stream {
    /// The global plan.
    Plan = 1,
    /// One person, by community and place in it.
    Person = 2,
    /// A second record of one person.
    Duplicate = 3,
    /// The saves of one community.
    Community = 4,
    /// What the city office records.
    City = 5,
    /// The record mix of the benchmarks.
    Mix = 6,
}

/// A source of draws.
#[derive(Debug, Clone)]
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// Opens the stream about `stream`, number `one`, part `two`.
    pub(crate) fn new(seed: u64, stream: Stream, one: u64, two: u64) -> Self {
        let mut key = [0; 32];
        for (chunk, word) in key.chunks_exact_mut(8).zip([seed, stream as u64, one, two]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Draws a number below `bound`; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.0.next_u32()) * u64::from(bound);
        // The high word is below the bound, which fits.
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// Draws a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Says yes `per_mille` times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// Draws one of a list; the default of the type if it is empty.
    pub(crate) fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        self.pick_index(list.len()).and_then(|index| list.get(index)).copied().unwrap_or_default()
    }

    /// Draws an index into a list of this length.
    pub(crate) fn pick_index(&mut self, length: usize) -> Option<usize> {
        if length == 0 {
            return None;
        }
        usize::try_from(self.below(u32::try_from(length).unwrap_or(u32::MAX))).ok()
    }

    /// Draws a place in a list of ascending sums of weights.
    pub(crate) fn weighted(&mut self, sums: &[u32]) -> usize {
        let drawn = self.below(sums.last().copied().unwrap_or(0));
        sums.partition_point(|sum| *sum <= drawn)
    }

    /// Draws random bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Makes a UUIDv7 that claims this instant.
    pub(crate) fn uuid(&mut self, at_ms: i64) -> Uuid {
        let millis = u64::try_from(at_ms).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// Makes the id of a record that claims to be made at this instant.
    pub(crate) fn record(&mut self, at_ms: i64) -> RecordId {
        RecordId(self.uuid(at_ms))
    }
}

/// Shares a whole number out in proportion to weights: the shares add up to it exactly.
///
/// `phase` (0 to 999) says where within a step the first share begins, so that what is left over by rounding does not always fall
/// on the same ones.
pub(crate) fn share_out(total: u64, weights: &[u32], phase: u32) -> Vec<u32> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let step = |before: u128| (before * u128::from(total) + sum * u128::from(phase % 1000) / 1000) / sum;
    let mut before = 0;
    weights
        .iter()
        .map(|weight| {
            let low = step(before);
            before += u128::from(*weight);
            u32::try_from(step(before) - low).unwrap_or(u32::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for phase in [0, 1, 499, 999] {
            for total in [0, 1, 7, 1000, 89_000] {
                let shares = share_out(total, &[3, 0, 5, 900, 1, 1], phase);
                assert_eq!(shares.iter().map(|share| u64::from(*share)).sum::<u64>(), total);
                assert_eq!(shares[1], 0);
            }
        }
        assert_eq!(share_out(5, &[0, 0], 3), [0, 0]);
        assert_eq!(share_out(9, &[1, 1, 1], 500), [3, 3, 3]);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |stream, one| Draw::new(7, stream, one, 0).bytes::<16>();
        assert_eq!(first(Stream::Person, 1), first(Stream::Person, 1));
        assert_ne!(first(Stream::Person, 1), first(Stream::Person, 2));
        assert_ne!(first(Stream::Person, 1), first(Stream::Community, 1));
    }

    #[test]
    fn draws_stay_in_bounds() {
        let mut draw = Draw::new(1, Stream::Plan, 0, 0);
        for _ in 0..1000 {
            assert!(draw.below(3) < 3);
            assert!((5..=6).contains(&draw.between(5, 6)));
            assert!(draw.weighted(&[1, 1, 4]) != 1);
        }
        assert_eq!(draw.below(0), 0);
        assert_eq!(draw.pick::<u8>(&[]), 0);
    }

    #[test]
    fn ids_carry_their_instant() {
        let id = Draw::new(1, Stream::Plan, 0, 0).uuid(1_735_689_600_000);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().unwrap().to_unix().0, 1_735_689_600);
    }
}
