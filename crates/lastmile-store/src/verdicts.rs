//! Which commits the office keeps out of sight.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lastmile_model::{AuthorId, Catalogue, ChainHash};

use crate::StoreError;
use crate::query::Query;
use crate::storage::Storage;

/// One verdict in force on a range of an author's commits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Verdict {
    pub from: u64,
    pub to: u64,
    /// The chain hash of commit `to`; names the branch where the range is one commit.
    pub chain: Option<ChainHash>,
    pub quarantine: bool,
}

/// The verdicts of every scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    by_author: BTreeMap<(u32, AuthorId), Vec<Verdict>>,
}

impl Verdicts {
    /// Reads the verdict rows; of concurrent actions on one range quarantine wins, and an open conflict means just that.
    pub fn load(storage: &dyn Storage, catalogue: &Catalogue) -> Result<Self, StoreError> {
        let mut verdicts = Self::default();
        let Some((type_no, _)) = catalogue.get("verdict") else { return Ok(verdicts) };
        let query = Query::new(type_no, &["author", "from_seq", "to_seq", "chain", "action", "open"]);
        storage.visit(&query, &mut |row| {
            let [author, from, to, chain, action, open] = row.cells else { return Ok(ControlFlow::Continue(())) };
            let author = author.blob().and_then(AuthorId::from_slice);
            let bounds = from
                .int()
                .zip(to.int())
                .and_then(|(from, to)| Some((u64::try_from(from).ok()?, u64::try_from(to).ok()?)));
            if let (Some(author), Some((from, to))) = (author, bounds) {
                let contested = open.int().is_some_and(|open| open > 0);
                verdicts.by_author.entry((row.scope, author)).or_default().push(Verdict {
                    from,
                    to,
                    chain: chain.blob().and_then(ChainHash::from_slice),
                    quarantine: contested || action.text() == Some("quarantine"),
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for of_author in verdicts.by_author.values_mut() {
            of_author.sort_unstable();
        }
        Ok(verdicts)
    }

    /// Tells whether any verdict keeps this commit out of sight.
    pub fn quarantined(&self, scope: u32, author: AuthorId, seq: u64, chain: &ChainHash) -> bool {
        self.by_author.get(&(scope, author)).into_iter().flatten().any(|verdict| {
            let here = match verdict.chain {
                Some(named) if verdict.from == verdict.to => named == *chain,
                _ => true,
            };
            verdict.quarantine && here && (verdict.from..=verdict.to).contains(&seq)
        })
    }

    /// The ranges on which this picture and another differ, as (scope, author, from, to).
    pub fn differences(&self, other: &Self) -> Vec<(u32, AuthorId, u64, u64)> {
        let mut ranges = Vec::new();
        let keys = self.by_author.keys().chain(other.by_author.keys());
        for key in keys.collect::<std::collections::BTreeSet<_>>() {
            let (mine, theirs) = (self.by_author.get(key), other.by_author.get(key));
            let differing = |these: Option<&Vec<Verdict>>, those: Option<&Vec<Verdict>>| {
                these
                    .into_iter()
                    .flatten()
                    .filter(|one| !those.is_some_and(|those| those.contains(one)))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            for verdict in differing(mine, theirs).into_iter().chain(differing(theirs, mine)) {
                ranges.push((key.0, key.1, verdict.from, verdict.to));
            }
        }
        ranges.sort_unstable();
        ranges.dedup();
        ranges
    }
}
