//! What arrived and is not shown yet, for whoever decides what its author may do before anybody sees it.

use lastmile_crdt::{Change, decode, decode_hashed};
use lastmile_log::{ChangeEntry, CommitHeader, UnpackedBatch};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::StoreError;
use crate::maintain::PANICKED;
use crate::store::Store;

/// A log that the views do not show whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its local number.
    pub strand: u32,
    /// The scope.
    pub scope: Scope,
    /// Whose log.
    pub author: AuthorId,
    /// The last commit that is shown.
    pub viewed: u64,
    /// The last commit that is held.
    pub head: u64,
}

/// A commit as a log holds it.
#[derive(Debug, Clone, Copy)]
pub struct ArrivedCommit<'r> {
    run: &'r UnpackedBatch,
    place: usize,
    /// What it says of itself.
    pub header: &'r CommitHeader,
    /// Its chain hash.
    pub chain: ChainHash,
}

impl<'r> ArrivedCommit<'r> {
    /// Its changes, each decoded where its bytes are here and this version reads them.
    pub fn changes(&self) -> impl Iterator<Item = (&'r ChangeEntry, Option<Change>)> + use<'r> {
        let (run, place) = (self.run, self.place);
        self.header.changes.iter().enumerate().map(move |(index, entry)| {
            let change = run.body(place, index).and_then(|body| {
                let read = if run.is_hashed_chunk(place, index) {
                    decode_hashed(body, entry.header.hash)
                } else {
                    decode(body)
                };
                read.ok()
            });
            (entry, change)
        })
    }
}

impl Store {
    /// The logs that the views do not show whole, those left out that they cannot follow.
    #[must_use]
    pub fn logs_behind(&self) -> Vec<Behind> {
        self.behind_but(|_| true)
    }

    /// The logs that the views do not show whole, as far as they can be read: those at which the views panicked among them, since what
    /// is not shown is served all the same.
    #[must_use]
    pub fn logs_arrived(&self) -> Vec<Behind> {
        self.behind_but(|why| why != PANICKED)
    }

    /// The logs that the views do not show whole, but for those that were skipped for such a reason.
    fn behind_but(&self, left_out: impl Fn(&str) -> bool) -> Vec<Behind> {
        let strands = self.index.strands.values();
        let is_out = |no: &u32| self.skipped.get(no).is_some_and(|(why, _)| left_out(why));
        let behind = strands.filter(|strand| strand.viewed < strand.head && !is_out(&strand.no));
        let known = behind.filter_map(|strand| {
            let scope = self.index.scopes.get(&strand.scope)?.clone();
            let (viewed, head) = (strand.viewed, strand.head);
            Some(Behind { strand: strand.no, scope, author: strand.author, viewed, head })
        });
        known.collect()
    }

    /// Shows commits `from` to `to` of a log, in order.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn visit_commits(
        &mut self,
        strand: u32,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(&ArrivedCommit<'_>),
    ) -> Result<(), StoreError> {
        let mut next = from;
        while next <= to {
            let run = self.archive.run(self.storage.as_ref(), strand, next)?;
            for (place, commit) in run.commits.iter().enumerate() {
                if (next..=to).contains(&commit.header.seq) {
                    visit(&ArrivedCommit { run: &run, place, header: &commit.header, chain: commit.chain });
                }
            }
            next = run.last().saturating_add(1);
        }
        Ok(())
    }

    /// Whether a verdict has spoken of a commit already: it keeps it out of sight, or it let it go. A range that was let go speaks of
    /// the side of a fork that holds its last commit alone.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn has_verdict(&mut self, strand: u32, seq: u64, chain: ChainHash) -> Result<bool, StoreError> {
        let log = self.index.strand(strand)?.clone();
        let mut ends: Vec<(u64, ChainHash)> = Vec::new();
        for verdict in self.verdicts.speaking_of(log.scope, log.author, seq, chain) {
            match verdict.chain {
                Some(end) if !verdict.quarantine && verdict.from != verdict.to => ends.push((verdict.to, end)),
                _ => return Ok(true),
            }
        }
        for (to, end) in ends {
            let holder = self.index.holder(&log, to);
            if let Some(holder) = holder
                && self.archive.chain_at(self.storage.as_ref(), holder, to)? == end
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
