//! Catching up, verdicts, rebuilding, checking.

use std::collections::BTreeSet;

use lastmile_log::{Certificate, Seal};
use lastmile_model::{AuthorId, RecordId};

use crate::StoreError;
use crate::ingest::held_of;
use crate::judge::Held;
use crate::storage::Durability;
use crate::store::Store;
use crate::verdicts::Verdicts;

/// Something a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable word: `engine`, `run`, `chain`, `seal`, `counts`.
    pub kind: &'static str,
    /// What and where, without personal data.
    pub text: String,
}

/// The result of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The digest of the views before.
    pub before: [u8; 32],
    /// The digest of the views made anew.
    pub after: [u8; 32],
    /// How many changes were followed.
    pub changes: u64,
}

impl Store {
    /// Reads the verdicts again and settles the records of every commit on which they changed.
    pub(crate) fn apply_verdicts(&mut self) -> Result<(), StoreError> {
        let fresh = Verdicts::load(self.storage.as_ref(), &self.catalogue)?;
        let differences = fresh.differences(&self.verdicts);
        self.verdicts = fresh;
        self.settle_commits(differences)
    }

    /// Settles every record of what came from authors who turn out to be the office's, then whatever their verdicts decide.
    pub(crate) fn apply_office(&mut self, authors: &BTreeSet<AuthorId>) -> Result<(), StoreError> {
        let logs = self.index.by_author.keys().filter(|(_, author)| authors.contains(author));
        let all: Vec<_> = logs.map(|&(scope, author)| (scope, author, 0, u64::MAX)).collect();
        if all.is_empty() {
            return Ok(());
        }
        self.settle_commits(all)?;
        self.apply_verdicts()
    }

    /// Settles the records of commits in these ranges, as far as the views show them.
    fn settle_commits(&mut self, ranges: Vec<(u32, AuthorId, u64, u64)>) -> Result<(), StoreError> {
        for (scope, author, from, to) in ranges {
            let mut concerned: BTreeSet<(usize, RecordId)> = BTreeSet::new();
            let strands: Vec<(u32, u64, u64)> = self
                .index
                .strands_of(scope, author)
                .map(|strand| (strand.no, strand.first.max(from), strand.viewed.min(to)))
                .collect();
            for (strand, first, last) in strands {
                let mut next = first;
                while next <= last {
                    let run = self.archive.run(self.storage.as_ref(), strand, next)?;
                    for commit in run.commits.iter().filter(|commit| (next..=last).contains(&commit.header.seq)) {
                        for entry in &commit.header.changes {
                            concerned.extend(self.catalogue.get(&entry.record_type).map(|(no, _)| (no, entry.record)));
                        }
                    }
                    next = run.last().saturating_add(1);
                }
            }
            for (type_no, record) in concerned {
                self.follower().settle(scope, type_no, record, &[])?;
            }
        }
        Ok(())
    }

    /// Keeps the certificates that records carry; their own signatures say whether they count.
    pub(crate) fn apply_certificates(&mut self, held: &[Held<'_>]) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for one in held.iter().filter(|one| one.entry.record_type == "certificate") {
            let change = one.body.and_then(|body| lastmile_crdt::decode(body).ok());
            for op in change.iter().flat_map(|change| &change.ops).filter(|op| op.key == "cert") {
                if let lastmile_crdt::Action::Set(value) = &op.action
                    && let Some(certificate) = value.as_bytes().and_then(|bytes| Certificate::decode(bytes).ok())
                {
                    found.push(certificate);
                }
            }
        }
        // Anyone may write such a record, so only what leads to root takes room.
        self.keep_grounded(&found, false)
    }

    /// Lets the views follow logs that were appended with [`ViewMode::Later`](crate::ViewMode::Later), in one transaction of about
    /// this many changes. Returns whether there is more to do.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn follow_views(&mut self, at_most: u64) -> Result<bool, StoreError> {
        let behind: Vec<(bool, u32)> = self
            .index
            .strands
            .values()
            .filter(|strand| strand.viewed < strand.head)
            .map(|strand| (!self.index.is_office(strand.author), strand.no))
            .collect();
        if behind.is_empty() {
            return Ok(false);
        }
        // The office's logs first: what they decide then needs no second look. By scope, so that rows land together.
        let mut order: Vec<(bool, u32, u32)> =
            behind.iter().filter_map(|(late, no)| Some((*late, self.index.strands.get(no)?.scope, *no))).collect();
        order.sort_unstable();
        self.transaction(Durability::Refetchable, |store| {
            let mut done = 0u64;
            for (_, scope, no) in order {
                while store.index.strand(no)?.viewed < store.index.strand(no)?.head {
                    if done >= at_most {
                        return Ok(true);
                    }
                    done = done.saturating_add(store.follow_run(scope, no)?);
                }
            }
            Ok(false)
        })
    }

    /// Lets the views follow the next run of a log; returns how many changes it holds.
    pub(crate) fn follow_run(&mut self, scope: u32, no: u32) -> Result<u64, StoreError> {
        let mut strand = self.index.strand(no)?.clone();
        let from = strand.viewed.saturating_add(1);
        let run = self.archive.run(self.storage.as_ref(), no, from)?;
        let to = run.last().min(strand.head);
        let held = held_of(&run, no, from, to);
        strand.viewed = to;
        self.storage.put_strand(&strand)?;
        self.index.keep(strand);
        self.follow_here(scope, &held)?;
        Ok(held.len() as u64)
    }

    /// Drops every view and makes it again from the logs; `progress` hears changes done and in all.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify; then the old views stay.
    pub fn rebuild(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Rebuilt, StoreError> {
        let before = self.reader()?.digest(None)?;
        let total: u64 = self.index.strands.values().map(|strand| strand.changes).sum();
        let changes = self.transaction(Durability::Full, |store| {
            store.storage.clear_views()?;
            store.verdicts = Verdicts::default();
            let mut order: Vec<(bool, u32, u32)> = Vec::new();
            for strand in store.index.strands.values_mut() {
                strand.viewed = strand.first.saturating_sub(1);
            }
            for strand in store.index.strands.values() {
                order.push((!store.index.is_office(strand.author), strand.scope, strand.no));
            }
            order.sort_unstable();
            let mut done = 0u64;
            for (_, scope, no) in order {
                let head = store.index.strand(no)?.head;
                let mut next = store.index.strand(no)?.first;
                while next <= head {
                    let run = store.archive.run(store.storage.as_ref(), no, next)?;
                    let to = run.last().min(head);
                    let held = held_of(&run, no, next, to);
                    let mut strand = store.index.strand(no)?.clone();
                    strand.viewed = to;
                    store.storage.put_strand(&strand)?;
                    store.index.keep(strand);
                    store.follow_here(scope, &held)?;
                    done = done.saturating_add(held.len() as u64);
                    progress(done, total);
                    next = to.saturating_add(1);
                }
            }
            Ok(done)
        })?;
        let after = self.reader()?.digest(None)?;
        Ok(Rebuilt { before, after, changes })
    }

    /// Checks the engine's structures, every stored run, every chain and seal, and the balance of the counts.
    ///
    /// # Errors
    /// When the storage fails so that nothing can be said.
    pub fn check(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Finding>, StoreError> {
        let mut findings: Vec<Finding> =
            self.storage.integrity()?.into_iter().map(|text| Finding { kind: "engine", text }).collect();
        self.archive.clear();
        let strands: Vec<_> = self.index.strands.values().cloned().collect();
        let total: u64 = strands.iter().map(|strand| strand.changes).sum();
        let mut seen = 0u64;
        for strand in &strands {
            let name = format!("the log of {} in {}", strand.author, self.index.scope(strand.scope)?);
            let mut prev = strand.prev;
            let mut next = strand.first;
            let mut changes = 0u64;
            while next <= strand.head {
                let run = match self.archive.run(self.storage.as_ref(), strand.no, next) {
                    Ok(run) => run,
                    Err(error) => {
                        findings.push(Finding { kind: "run", text: format!("{name}, commit {next}: {error}") });
                        break;
                    }
                };
                if run.prev != prev && run.first == next {
                    findings
                        .push(Finding { kind: "chain", text: format!("{name} does not continue at commit {next}") });
                }
                changes =
                    changes.saturating_add(run.commits.iter().map(|commit| commit.header.changes.len() as u64).sum());
                prev = run.commits.last().map_or(prev, |commit| commit.chain);
                next = run.last().saturating_add(1);
                progress(seen.saturating_add(changes), total);
            }
            seen = seen.saturating_add(changes);
            if next > strand.head && (prev != strand.chain || changes != strand.changes) {
                findings.push(Finding { kind: "chain", text: format!("{name} ends otherwise than its head says") });
            }
            self.check_seals(strand, &name, &mut findings)?;
        }
        let counts = self.reader()?.counts(None)?;
        let held = counts.held().saturating_sub(counts.pending);
        if held != total {
            findings.push(Finding {
                kind: "counts",
                text: format!("{total} changes are held, their states add up to {held}"),
            });
        }
        Ok(findings)
    }

    fn check_seals(
        &mut self,
        strand: &crate::storage::Strand,
        name: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let Some(trust) = &self.index.trust else { return Ok(()) };
        let Some(public) = trust.public_key(strand.author) else {
            findings.push(Finding { kind: "seal", text: format!("{name}: no certificate of its author is held") });
            return Ok(());
        };
        let deployment = *trust.deployment();
        let scope = self.index.scope(strand.scope)?.clone();
        for seal in self.storage.seals(strand.no)? {
            let stands = self
                .archive
                .chain_at(self.storage.as_ref(), strand.no, seal.seq)
                .is_ok_and(|chain| chain == seal.chain);
            let signed = Seal {
                scope: scope.clone(),
                author: strand.author,
                seq: seal.seq,
                chain: seal.chain,
                signature: seal.signature,
            };
            if !stands || !signed.verify(&public, &deployment) {
                findings.push(Finding {
                    kind: "seal",
                    text: format!("{name}: the seal at commit {} does not verify", seal.seq),
                });
            }
        }
        Ok(())
    }
}
