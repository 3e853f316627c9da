//! The search for the point at which two copies of one author's log part.
//!
//! Each side lists (seq, chain hash) pairs of everything it holds of the author. A pair that stands in both lists proves
//! that the logs agree up to that seq, since a chain hash covers all before it. Sending goes on from the highest such pair.

use std::collections::BTreeSet;

use lastmile_log::{Entry, Segment};
use lastmile_model::ChainHash;

use crate::limits::{MAX_POSITIONS, NEWEST_POSITIONS};
use crate::plan::LogRange;

/// A seq and the chain hash there.
pub type Position = (u64, ChainHash);

/// Positions on the path of one segment: from the author's first commit, through its parents, to its own head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPositions {
    /// The segment whose head ends the path.
    pub segment: Segment,
    /// Any positions on the path, ascending; the more, the less is sent twice. The ends of stored batches, the sealed
    /// positions and every 64th seq make a good list.
    pub positions: Vec<Position>,
}

/// Joins the lists of all segments into one that fits a frame.
///
/// Heads and the newest positions always stay. Of the older ones those stay whose chain hash ends in enough zero bits, so
/// that two replicas, each thinning its own list, keep the same ones.
pub(crate) fn thinned(own: &[SegmentPositions], heads: &[Entry]) -> Vec<Position> {
    let heads: BTreeSet<Position> = heads.iter().map(|head| (head.seq, head.chain)).collect();
    let mut all: BTreeSet<Position> = own.iter().flat_map(|segment| segment.positions.iter().copied()).collect();
    all.extend(heads.iter().copied());
    let newest_first: Vec<Position> = all.into_iter().rev().collect();
    for zeros in 0..=64 {
        let kept: Vec<Position> = newest_first
            .iter()
            .enumerate()
            .filter(|(rank, position)| {
                *rank < NEWEST_POSITIONS || heads.contains(position) || trailing_zeros(&position.1) >= zeros
            })
            .map(|(_, position)| *position)
            .collect();
        if kept.len() <= MAX_POSITIONS {
            return kept.into_iter().rev().collect();
        }
    }
    newest_first.into_iter().take(MAX_POSITIONS).rev().collect()
}

fn trailing_zeros(chain: &ChainHash) -> u32 {
    let tail = chain.as_bytes().last_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(tail).trailing_zeros()
}

/// Finds what to send of an author's segments to a peer that holds `theirs`.
pub(crate) fn ranges(own: &[SegmentPositions], heads: &[Entry], theirs: &BTreeSet<Position>) -> Vec<LogRange> {
    let mut ranges = Vec::new();
    for head in heads {
        if theirs.contains(&(head.seq, head.chain)) {
            continue;
        }
        let path = own.iter().find(|segment| segment.segment == head.segment);
        let after = path
            .map_or(&[][..], |segment| &segment.positions)
            .iter()
            .filter(|position| position.0 < head.seq && theirs.contains(position))
            .map(|position| position.0)
            .max()
            .unwrap_or(0);
        ranges.push(LogRange { segment: head.segment, after, through: head.seq });
    }
    ranges
}

/// Tells whether everything the peer shows of an author is held here as well.
pub(crate) fn all_held(own: &[SegmentPositions], heads: &[Entry], their_heads: &[Position]) -> bool {
    their_heads.iter().all(|theirs| {
        heads.iter().any(|head| (head.seq, head.chain) == *theirs)
            || own.iter().any(|segment| segment.positions.contains(theirs))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastmile_model::AuthorId;

    /// A chain hash that looks like one, so that thinning has something to go by.
    fn chain(seq: u64, branch: u64) -> ChainHash {
        ChainHash(lastmile_log::sha256(&[seq.to_be_bytes(), branch.to_be_bytes()].concat()))
    }

    fn path(shared: u64, branch: u64, head: u64, every: usize) -> (SegmentPositions, Entry) {
        let segment = Segment::trunk(AuthorId([1; 16]));
        let hash = |seq| (seq, chain(seq, if seq <= shared { 0 } else { branch }));
        let positions = (1..=head).step_by(every).map(hash).collect();
        (SegmentPositions { segment, positions }, Entry { segment, seq: head, chain: hash(head).1 })
    }

    #[test]
    fn sending_goes_on_from_the_highest_common_position() {
        let (ours, head) = path(50, 1, 70, 1);
        let (theirs, _) = path(50, 2, 60, 1);
        let theirs: BTreeSet<Position> = theirs.positions.into_iter().collect();
        let found = ranges(std::slice::from_ref(&ours), &[head], &theirs);
        assert_eq!(found, [LogRange { segment: head.segment, after: 50, through: 70 }]);
        let all = ours.positions.iter().copied().collect();
        assert!(ranges(&[ours], &[head], &all).is_empty());
        assert_eq!(ranges(&[], &[head], &theirs)[0].after, 0, "nothing in common: from the beginning");
    }

    #[test]
    fn two_thinned_lists_still_meet() {
        let (ours, our_head) = path(20_000, 1, 21_000, 1);
        let (theirs, their_head) = path(20_000, 2, 24_000, 1);
        let ours_thin = thinned(std::slice::from_ref(&ours), &[our_head]);
        let theirs_thin = thinned(&[theirs], &[their_head]);
        for list in [&ours_thin, &theirs_thin] {
            assert!(list.len() <= MAX_POSITIONS && list.len() > NEWEST_POSITIONS);
            assert!(list.is_sorted());
        }
        assert!(ours_thin.contains(&(our_head.seq, our_head.chain)));
        let after = ranges(&[ours], &[our_head], &theirs_thin.into_iter().collect())[0].after;
        assert!(after > 19_000 && after <= 20_000, "{after}");
        let both = ours_thin.iter().filter(|position| position.0 <= 19_000).count();
        assert!(both > 100, "old positions are thinned, not dropped: {both}");
    }
}
