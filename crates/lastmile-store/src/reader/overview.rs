//! A replica as a whole: states, counts, logs, digest.

use std::ops::ControlFlow;

use lastmile_model::{AuthorId, Scope};
use sha2::{Digest, Sha256};

use super::Reader;
use crate::StoreError;
use crate::counts::Counts;
use crate::digest::hash_cell;
use crate::query::Query;
use crate::storage::{ChangeState, Odd};

/// One author's log in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// The scope.
    pub scope: Scope,
    /// The author.
    pub author: AuthorId,
    /// The number of the last commit held.
    pub head: u64,
    /// Changes held.
    pub changes: u64,
    /// The claimed clock of the last commit, in milliseconds since 1970; 0 where that cannot be read.
    pub last_wall_ms: i64,
    /// Whether the log is a branch that left another at a fork.
    pub branch: bool,
}

impl Reader {
    /// Lists the changes that are held but not applied.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn odd(&mut self, scope: Option<&Scope>) -> Result<Vec<(Odd, AuthorId)>, StoreError> {
        self.stable(|reader| reader.odd_now(scope))
    }

    /// Why the office keeps a change out of sight: the rule, if a rule decided, and the reason that a person gave.
    #[must_use]
    pub fn why_quarantined(&self, odd: &Odd, author: AuthorId) -> Option<(String, String)> {
        let trust = self.index.trust.as_ref();
        let why = self.verdicts.why(trust, odd.scope, author, odd.position.seq())?;
        Some((why.0.to_owned(), why.1.to_owned()))
    }

    fn odd_now(&self, scope: Option<&Scope>) -> Result<Vec<(Odd, AuthorId)>, StoreError> {
        let scope = match scope {
            Some(scope) => match self.index.scope_no(scope) {
                Some(no) => Some(no),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let odds = self.storage.odds(scope)?;
        odds.into_iter()
            .map(|odd| {
                let author = self.index.strand(odd.position.strand())?.author;
                Ok((odd, author))
            })
            .collect()
    }

    /// Counts the changes held, by state.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn counts(&mut self, scope: Option<&Scope>) -> Result<Counts, StoreError> {
        self.stable(|reader| reader.counts_now(scope))
    }

    fn counts_now(&mut self, scope: Option<&Scope>) -> Result<Counts, StoreError> {
        let only = scope.map(|scope| self.index.scope_no(scope));
        let wanted = |no: u32| only.is_none_or(|only| only == Some(no));
        let mut counts = Counts::default();
        let mut viewed = 0u64;
        let strands: Vec<_> = self.index.strands.values().filter(|strand| wanted(strand.scope)).cloned().collect();
        for strand in strands {
            let behind = match self.changes_in(strand.no, strand.viewed.saturating_add(1), strand.head) {
                // What the views do not show may be what cannot be read; what they show can.
                Err(error) if error.is_unreadable() => {
                    strand.changes.saturating_sub(self.changes_in(strand.no, strand.first, strand.viewed)?)
                }
                counted => counted?,
            };
            counts.unviewed = counts.unviewed.saturating_add(behind);
            viewed = viewed.saturating_add(strand.changes.saturating_sub(behind));
        }
        let mut odd = 0u64;
        for one in self.storage.odds(None)?.iter().filter(|odd| wanted(odd.scope)) {
            odd = odd.saturating_add(1);
            match one.state {
                ChangeState::Waiting => counts.waiting += 1,
                ChangeState::Quarantined => counts.quarantined += 1,
                ChangeState::Opaque => counts.opaque += 1,
                ChangeState::Erased => counts.erased += 1,
                ChangeState::Applied | ChangeState::Pending => {}
            }
        }
        counts.applied = viewed.saturating_sub(odd);
        let pendings = self.storage.pending_heads(only.flatten())?;
        counts.pending = pendings.iter().filter(|pending| wanted(pending.scope)).map(|pending| pending.changes).sum();
        Ok(counts)
    }

    /// How many changes commits `from` to `to` of a strand hold.
    fn changes_in(&mut self, strand: u32, from: u64, to: u64) -> Result<u64, StoreError> {
        let mut changes = 0u64;
        let mut next = from;
        while next <= to {
            let run = self.archive.run(self.storage.as_ref(), strand, next)?;
            let commits = run.commits.iter().filter(|commit| (next..=to).contains(&commit.header.seq));
            changes = changes.saturating_add(commits.map(|commit| commit.header.changes.len() as u64).sum());
            next = run.last().saturating_add(1);
        }
        Ok(changes)
    }

    /// The state of every log.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn logs(&mut self) -> Result<Vec<LogStatus>, StoreError> {
        self.stable(|reader| reader.logs_now())
    }

    fn logs_now(&mut self) -> Result<Vec<LogStatus>, StoreError> {
        let strands: Vec<_> = self.index.strands.values().cloned().collect();
        let mut logs = Vec::with_capacity(strands.len());
        for strand in strands {
            let known = self.clocks.get(&strand.no).filter(|(head, _)| *head == strand.head).map(|(_, wall)| *wall);
            let last_wall_ms = match known {
                Some(wall) => wall,
                None => {
                    let wall = match self.archive.run(self.storage.as_ref(), strand.no, strand.head) {
                        Ok(run) => run.commits.last().map_or(0, |commit| commit.header.wall_ms),
                        // The other logs have a state still.
                        Err(error) if error.is_unreadable() => 0,
                        Err(error) => return Err(error),
                    };
                    self.clocks.insert(strand.no, (strand.head, wall));
                    wall
                }
            };
            logs.push(LogStatus {
                scope: self.index.scope(strand.scope)?.clone(),
                author: strand.author,
                head: strand.head,
                changes: strand.changes,
                last_wall_ms,
                branch: strand.parent.is_some(),
            });
        }
        Ok(logs)
    }

    /// SHA-256 over all rows of a scope, or of all, in an order that no local number decides: replicas that hold the same commits
    /// have the same digest.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn digest(&mut self, scope: Option<&Scope>) -> Result<[u8; 32], StoreError> {
        self.stable(|reader| reader.digest_now(scope))
    }

    fn digest_now(&self, scope: Option<&Scope>) -> Result<[u8; 32], StoreError> {
        let mut scopes: Vec<(Scope, u32)> = self
            .index
            .scopes
            .iter()
            .filter(|(_, held)| scope.is_none_or(|wanted| wanted == *held))
            .map(|(no, held)| (held.clone(), *no))
            .collect();
        scopes.sort();
        let mut hash = Sha256::new();
        for (scope, no) in scopes {
            hash.update(scope.to_string().as_bytes());
            hash.update([0]);
            for (type_no, view) in self.views.iter().enumerate() {
                let columns: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
                let query = Query::new(type_no, &columns).within(vec![no]).order_by("id", false);
                self.storage.visit(&query, &mut |row| {
                    hash.update([1]);
                    hash.update((type_no as u64).to_be_bytes());
                    hash.update(row.id.as_bytes());
                    row.cells.iter().for_each(|cell| hash_cell(&mut hash, cell));
                    Ok(ControlFlow::Continue(()))
                })?;
            }
        }
        Ok(hash.finalize().into())
    }
}
