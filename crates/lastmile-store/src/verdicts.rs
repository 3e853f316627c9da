//! Which commits the office keeps out of sight.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lastmile_log::{Issuer, Trust};
use lastmile_model::{AuthorId, Catalogue, ChainHash, planted};

use crate::StoreError;
use crate::history::Archive;
use crate::index::Index;
use crate::judge::Held;
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
    /// The rule that forbids the commits, where it was a rule; empty otherwise.
    pub rule: String,
    /// The reason that a person gave.
    pub reason: String,
}

/// Parts of strands, as (strand, first, last).
type Path = Vec<(u32, u64, u64)>;

/// How far an author is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Revoked {
    through: u64,
    chain: ChainHash,
    /// Where copies of the log have parted and the last accepted commit is held: what leads to it.
    path: Option<Path>,
}

/// The verdicts of every scope, and who was revoked there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    by_author: BTreeMap<(u32, AuthorId), Vec<Verdict>>,
    revoked: BTreeMap<(u32, AuthorId), Revoked>,
}

impl Verdicts {
    /// Reads the verdict rows; of concurrent actions on one range quarantine wins, and an open conflict means just that.
    pub fn load(
        storage: &dyn Storage,
        catalogue: &Catalogue,
        index: &Index,
        archive: &mut Archive,
    ) -> Result<Self, StoreError> {
        let mut verdicts = Self::default();
        verdicts.load_verdicts(storage, catalogue)?;
        verdicts.load_revoked(storage, catalogue)?;
        verdicts.find_sides(index, archive, storage)?;
        Ok(verdicts)
    }

    fn load_verdicts(&mut self, storage: &dyn Storage, catalogue: &Catalogue) -> Result<(), StoreError> {
        let Some((type_no, _)) = catalogue.get("verdict") else { return Ok(()) };
        let query = Query::new(type_no, &["author", "from_seq", "to_seq", "chain", "action", "open", "rule", "reason"]);
        storage.visit(&query, &mut |row| {
            let [author, from, to, chain, action, open, rule, reason] = row.cells else {
                return Ok(ControlFlow::Continue(()));
            };
            let author = author.blob().and_then(AuthorId::from_slice);
            let bounds = from
                .int()
                .zip(to.int())
                .and_then(|(from, to)| Some((u64::try_from(from).ok()?, u64::try_from(to).ok()?)));
            if let (Some(author), Some((from, to))) = (author, bounds) {
                let contested = open.int().is_some_and(|open| open > 0);
                self.by_author.entry((row.scope, author)).or_default().push(Verdict {
                    from,
                    to,
                    chain: chain.blob().and_then(ChainHash::from_slice),
                    quarantine: contested || action.text() == Some("quarantine"),
                    rule: rule.text().unwrap_or_default().to_owned(),
                    reason: reason.text().unwrap_or_default().to_owned(),
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.by_author.values_mut().for_each(|of_author| of_author.sort_unstable());
        Ok(())
    }

    fn load_revoked(&mut self, storage: &dyn Storage, catalogue: &Catalogue) -> Result<(), StoreError> {
        let Some((type_no, _)) = catalogue.get("revocation") else { return Ok(()) };
        let query = Query::new(type_no, &["author", "through_seq", "chain"]);
        storage.visit(&query, &mut |row| {
            if let [author, through, chain] = row.cells
                && let Some(author) = author.blob().and_then(AuthorId::from_slice)
            {
                // What cannot be read accepts nothing.
                let through = through.int().and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
                let chain = chain.blob().and_then(ChainHash::from_slice).unwrap_or(ChainHash::ZERO);
                self.revoked.insert((row.scope, author), Revoked { through, chain, path: None });
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Finds, for revoked authors of whose logs copies have parted, which side was accepted.
    fn find_sides(&mut self, index: &Index, archive: &mut Archive, storage: &dyn Storage) -> Result<(), StoreError> {
        for ((scope, author), revoked) in &mut self.revoked {
            revoked.path = side_of(index, archive, storage, (*scope, *author), (revoked.through, revoked.chain))?;
        }
        Ok(())
    }

    /// Whether anybody in a scope was revoked who is this author, or certified it as a successor.
    pub fn is_revoked(&self, trust: Option<&Trust>, scope: u32, author: AuthorId) -> bool {
        self.revoked.contains_key(&(scope, author)) || self.follows_revoked(trust, scope, author)
    }

    /// Whether a log is one that a revocation speaks of by name.
    pub fn names(&self, scope: u32, author: AuthorId) -> bool {
        self.revoked.contains_key(&(scope, author))
    }

    /// Whether the author goes on for one that was revoked.
    pub fn follows_revoked(&self, trust: Option<&Trust>, scope: u32, author: AuthorId) -> bool {
        let Some(trust) = trust.filter(|_| !self.revoked.is_empty() && !planted!("successor-goes-free")) else {
            return false;
        };
        let (mut seen, mut open) = (BTreeSet::from([author]), vec![author]);
        while let Some(author) = open.pop() {
            for certificate in trust.certificates(author) {
                if let Issuer::Predecessor(before) = certificate.issuer
                    && seen.insert(before)
                {
                    if self.revoked.contains_key(&(scope, before)) {
                        return true;
                    }
                    open.push(before);
                }
            }
        }
        false
    }

    /// Whether a revocation keeps a commit out of sight.
    fn beyond(&self, trust: Option<&Trust>, scope: u32, held: &Held<'_>) -> bool {
        match self.revoked.get(&(scope, held.author)) {
            Some(_) if planted!("revoked-counts") => false,
            Some(revoked) if held.seq > revoked.through => true,
            Some(Revoked { path: Some(path), .. }) => !path
                .iter()
                .any(|(strand, first, last)| *strand == held.position.strand() && (*first..=*last).contains(&held.seq)),
            Some(_) => false,
            None => self.follows_revoked(trust, scope, held.author),
        }
    }

    /// Tells whether the office keeps a change's commit out of sight: by a verdict on it, or because its author was revoked before
    /// and no verdict released it.
    pub fn quarantined(&self, trust: Option<&Trust>, scope: u32, held: &Held<'_>) -> bool {
        let of_author = self.by_author.get(&(scope, held.author)).into_iter().flatten();
        let speaks = |verdict: &&Verdict| {
            let here = match verdict.chain {
                Some(named) if verdict.from == verdict.to => named == held.chain,
                _ => true,
            };
            here && (verdict.from..=verdict.to).contains(&held.seq)
        };
        let mut released = false;
        for verdict in of_author.filter(speaks) {
            if verdict.quarantine {
                return true;
            }
            // Only the commit that it names by its hash is let out of a revocation: a range speaks of other sides of a fork as well.
            released |= verdict.from == verdict.to;
        }
        !released && self.beyond(trust, scope, held)
    }

    /// Why a commit number is out of sight: the rule and the reason of a verdict in force, or that its author was revoked.
    pub fn why(&self, trust: Option<&Trust>, scope: u32, author: AuthorId, seq: u64) -> Option<(&str, &str)> {
        let of_author = self.by_author.get(&(scope, author)).into_iter().flatten();
        let mut in_force = of_author.filter(|verdict| verdict.quarantine && (verdict.from..=verdict.to).contains(&seq));
        match in_force.next() {
            Some(verdict) => Some((&verdict.rule, &verdict.reason)),
            None if self.is_revoked(trust, scope, author) => Some(("revoked", "")),
            None => None,
        }
    }

    /// The verdicts in force or lifted that speak of a commit: one that names it, or a range that holds it.
    pub fn speaking_of(
        &self,
        scope: u32,
        author: AuthorId,
        seq: u64,
        chain: ChainHash,
    ) -> impl Iterator<Item = &Verdict> {
        let of_author = self.by_author.get(&(scope, author)).into_iter().flatten();
        of_author.filter(move |verdict| {
            let here = verdict.from != verdict.to || verdict.chain.is_none_or(|named| named == chain);
            here && (verdict.from..=verdict.to).contains(&seq)
        })
    }

    /// The ranges on which this picture and another differ, as (scope, author, from, to); of an author revoked in one alone, everything,
    /// and of those who go on for it.
    pub fn differences(&self, other: &Self, trust: Option<&Trust>) -> Vec<(u32, AuthorId, u64, u64)> {
        let mut ranges = Vec::new();
        let of_either: BTreeSet<_> = self.revoked.keys().chain(other.revoked.keys()).collect();
        for key in of_either.into_iter().filter(|key| self.revoked.get(key) != other.revoked.get(key)) {
            let (scope, author) = *key;
            let goes_on = |successor: &AuthorId| self.follows_revoked(trust, scope, *successor);
            let successors = trust.into_iter().flat_map(Trust::authors).map(|(author, _)| author).filter(goes_on);
            ranges.extend(successors.chain([author]).map(|author| (scope, author, 0, u64::MAX)));
        }
        let keys = self.by_author.keys().chain(other.by_author.keys());
        for key in keys.collect::<BTreeSet<_>>() {
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

/// The parts of strands that lead to a commit, where an author's log has several sides and it is held.
fn side_of(
    index: &Index,
    archive: &mut Archive,
    storage: &dyn Storage,
    (scope, author): (u32, AuthorId),
    (seq, chain): (u64, ChainHash),
) -> Result<Option<Path>, StoreError> {
    let strands: Vec<_> = index.strands_of(scope, author).collect();
    if seq == 0 || strands.len() < 2 {
        return Ok(None);
    }
    for strand in strands.into_iter().filter(|strand| (strand.first..=strand.head).contains(&seq)) {
        let here = match archive.chain_at(storage, strand.no, seq) {
            // A damaged run is found by a check, and by whoever follows it.
            Err(error) if error.is_unreadable() => continue,
            read => read?,
        };
        if here == chain {
            let path = index.path(strand).into_iter().map(|(no, first, last)| (no, first, last.min(seq)));
            return Ok(Some(path.filter(|(_, first, last)| first <= last).collect()));
        }
    }
    Ok(None)
}
