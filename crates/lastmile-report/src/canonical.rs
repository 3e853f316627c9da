//! Which records speak of one thing: components of live merge links.
//!
//! Linked records all stay; readers go through the canonical id, the smallest id of the component. So links may form
//! cycles, may be given in either direction, and unlinking splits a component again.

use std::collections::HashSet;
use std::ops::ControlFlow;

use lastmile_store::query::Query;

use crate::ReportError;
use crate::hash::IdMap;
use crate::read::{Source, flag, id};

/// The components of one record type.
#[derive(Debug, Default, Clone)]
pub struct Canonical {
    /// Every id that is linked to another one, with the smallest id of its component.
    smallest: IdMap<u128>,
}

impl Canonical {
    /// Builds the components of pairs of linked ids.
    #[must_use]
    pub fn of_pairs(pairs: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut parents: IdMap<u128> = IdMap::default();
        for (one, other) in pairs {
            let (one, other) = (root(&mut parents, one), root(&mut parents, other));
            if one != other {
                // The smaller one is the root, so that a root is the smallest of its component.
                parents.insert(one.max(other), one.min(other));
            }
        }
        let ids: Vec<u128> = parents.keys().copied().collect();
        let smallest = ids.into_iter().map(|id| (id, root(&mut parents, id))).collect();
        Self { smallest }
    }

    /// Returns the canonical id of a record.
    #[must_use]
    pub fn of(&self, id: u128) -> u128 {
        if self.smallest.is_empty() {
            return id;
        }
        self.smallest.get(&id).copied().unwrap_or(id)
    }

    /// Whether the record is linked to another one.
    #[must_use]
    pub fn is_linked(&self, id: u128) -> bool {
        self.smallest.contains_key(&id)
    }
}

/// Finds the smallest known id of a component and shortens the way there.
fn root(parents: &mut IdMap<u128>, id: u128) -> u128 {
    let mut top = id;
    while let Some(&next) = parents.get(&top) {
        if next == top {
            break;
        }
        top = next;
    }
    let mut at = id;
    while let Some(next) = parents.insert(at, top) {
        if next == at || next == top {
            break;
        }
        at = next;
    }
    top
}

/// The live links of persons and of activities.
#[derive(Debug, Default, Clone)]
pub struct Links {
    /// Components of persons.
    pub persons: Canonical,
    /// Pairs of linked activities; marks of duplicates join them later.
    pub activity_pairs: Vec<(u128, u128)>,
    /// Pairs that were linked and are so no more, or that the office decided to keep apart; the smaller id first.
    pub apart: HashSet<(u128, u128)>,
}

impl Links {
    /// Reads the links held. A link that stands in several scopes is live only where every copy held says so.
    pub(crate) fn read(source: &Source<'_>) -> Result<Self, ReportError> {
        let mut links: IdMap<(u128, u128, bool, bool)> = IdMap::default();
        let query = Query::new(source.type_no("merge_link")?, &["loser", "winner", "record_type", "live"]);
        source.visit(&query, &mut |row| {
            let [loser, winner, record_type, live] = row.cells else { return Ok(ControlFlow::Continue(())) };
            let is_person = record_type.text() == Some("person");
            let is_activity = record_type.text() == Some("activity");
            if let (Some(loser), Some(winner), true) = (id(loser), id(winner), is_person || is_activity) {
                let live = flag(live).unwrap_or(true);
                let link =
                    links.entry(u128::from_be_bytes(*row.id.as_bytes())).or_insert((loser, winner, is_person, true));
                link.3 &= live;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let live = || links.values().filter(|link| link.3);
        let persons = Canonical::of_pairs(live().filter(|link| link.2).map(|link| (link.0, link.1)));
        let activity_pairs = live().filter(|link| !link.2).map(|link| (link.0, link.1)).collect();
        let apart =
            links.values().filter(|link| !link.3).map(|link| (link.0.min(link.1), link.0.max(link.1))).collect();
        Ok(Self { persons, activity_pairs, apart })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_cycles_and_both_directions_make_one_component() {
        let canonical = Canonical::of_pairs([(5, 3), (3, 9), (9, 5), (20, 21), (21, 9), (40, 41)]);
        for id in [3, 5, 9, 20, 21] {
            assert_eq!(canonical.of(id), 3);
        }
        assert_eq!([canonical.of(41), canonical.of(7)], [40, 7]);
        assert!(canonical.is_linked(3) && !canonical.is_linked(7));
    }

    #[test]
    fn a_link_less_splits_again() {
        let all = Canonical::of_pairs([(1, 2), (2, 3)]);
        assert_eq!(all.of(3), 1);
        let split = Canonical::of_pairs([(2, 3)]);
        assert_eq!([split.of(1), split.of(3)], [1, 2]);
    }

    #[test]
    fn the_order_of_links_does_not_matter() {
        let pairs: Vec<(u128, u128)> = (1..200).map(|n| (n, (n * 7919) % 200)).collect();
        let one = Canonical::of_pairs(pairs.iter().copied());
        let other = Canonical::of_pairs(pairs.iter().rev().map(|&(a, b)| (b, a)));
        assert!((0..200).all(|id| one.of(id) == other.of(id)));
    }
}
