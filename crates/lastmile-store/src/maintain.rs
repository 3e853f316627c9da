//! Catching up, verdicts, rebuilding, checking.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use lastmile_log::{Certificate, Seal};
use lastmile_model::{AuthorId, RecordId, Scope, planted};

use crate::StoreError;
use crate::ingest::held_of;
use crate::judge::Held;
use crate::storage::Durability;
use crate::store::Store;
use crate::verdicts::Verdicts;

/// Why the views cannot follow a log where following it panicked.
pub(crate) const PANICKED: &str = "following it fails in this version";

/// Something a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable word: `engine`, `run`, `chain`, `seal`, `counts`, `views`.
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

/// A log that the views cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedLog {
    /// The scope.
    pub scope: Scope,
    /// Whose log.
    pub author: AuthorId,
    /// What was found, without personal data.
    pub why: String,
}

impl Store {
    /// Reads the verdicts again and settles the records of every commit on which they changed.
    pub(crate) fn apply_verdicts(&mut self) -> Result<(), StoreError> {
        let fresh = Verdicts::load(self.storage.as_ref(), &self.catalogue, &self.index, &mut self.archive)?;
        let differences = fresh.differences(&self.verdicts, self.trust());
        self.verdicts = fresh;
        if planted!("verdict-looks-ahead") {
            return Ok(());
        }
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

    /// Settles every record of what came from authors who turn out to go on for one that was revoked.
    pub(crate) fn apply_successions(&mut self) -> Result<(), StoreError> {
        let follows = |(scope, author): &&(u32, AuthorId)| self.verdicts.follows_revoked(self.trust(), *scope, *author);
        let logs = self.index.by_author.keys().filter(follows);
        let all: Vec<_> = logs.map(|&(scope, author)| (scope, author, 0, u64::MAX)).collect();
        self.settle_commits(all)
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
    /// A log that cannot be followed because stored commits do not verify, or because following it panics, stays behind until the
    /// replica is opened again, and the others go on: [`Store::skipped`] names it.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn follow_views(&mut self, at_most: u64) -> Result<bool, StoreError> {
        loop {
            let order = self.behind();
            if order.is_empty() {
                return Ok(false);
            }
            let mut under_way = None;
            let followed = catch_unwind(AssertUnwindSafe(|| {
                self.transaction(Durability::Refetchable, |store| store.follow_some(&order, at_most, &mut under_way))
            }));
            match (followed, under_way) {
                (Ok(Err(error)), Some(no)) if error.is_unreadable() => {
                    self.skipped.insert(no, (error.to_string(), false));
                }
                // What it said may hold somebody's data.
                (Err(_), Some(no)) => drop(self.skipped.insert(no, (PANICKED.to_owned(), false))),
                (Err(panic), None) => resume_unwind(panic),
                (Ok(followed), _) => return followed,
            }
        }
    }

    /// The logs that the views do not show whole: the office's first, since what they decide then needs no second look; then by
    /// scope, so that rows land together.
    fn behind(&self) -> Vec<(bool, u32, u32)> {
        let strands = self.index.strands.values();
        let behind = strands.filter(|strand| strand.viewed < strand.head && !self.skipped.contains_key(&strand.no));
        let mut order: Vec<(bool, u32, u32)> =
            behind.map(|strand| (!self.index.is_office(strand.author), strand.scope, strand.no)).collect();
        order.sort_unstable();
        order
    }

    fn follow_some(
        &mut self,
        order: &[(bool, u32, u32)],
        at_most: u64,
        under_way: &mut Option<u32>,
    ) -> Result<bool, StoreError> {
        let mut done = 0u64;
        for &(_, scope, no) in order {
            *under_way = Some(no);
            while self.index.strand(no)?.viewed < self.index.strand(no)?.head {
                if done >= at_most {
                    return Ok(true);
                }
                done = done.saturating_add(self.follow_run(scope, no)?);
            }
        }
        *under_way = None;
        Ok(false)
    }

    /// The logs that the views cannot follow, and why, since this replica was opened.
    pub fn skipped(&self) -> impl Iterator<Item = SkippedLog> {
        self.skipped.iter().filter_map(|(no, (why, _))| self.skipped_log(*no, why))
    }

    /// Those of them that no call has named yet: to be logged once.
    pub fn take_skipped(&mut self) -> Vec<SkippedLog> {
        let new = self.skipped.iter().filter(|(_, (_, told))| !told);
        let new = new.filter_map(|(no, (why, _))| self.skipped_log(*no, why)).collect();
        self.skipped.values_mut().for_each(|(_, told)| *told = true);
        new
    }

    fn skipped_log(&self, no: u32, why: &str) -> Option<SkippedLog> {
        let strand = self.index.strands.get(&no)?;
        let scope = self.index.scopes.get(&strand.scope)?.clone();
        Some(SkippedLog { scope, author: strand.author, why: why.to_owned() })
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
        let mut reader = self.reader()?;
        let before = reader.digest(None)?;
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
        let after = reader.digest(None)?;
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
        let mut reader = self.reader()?;
        match reader.counts(None) {
            Ok(counts) => {
                let held = counts.held().saturating_sub(counts.pending);
                if held != total {
                    let text = format!("{total} changes are held, their states add up to {held}");
                    findings.push(Finding { kind: "counts", text });
                }
            }
            Err(error) if error.is_unreadable() => {
                findings.push(Finding { kind: "counts", text: format!("the changes held cannot be counted: {error}") });
            }
            Err(error) => return Err(error),
        }
        match reader.digest(None) {
            Ok(_) => {}
            Err(error) if error.is_unreadable() || matches!(error, StoreError::Engine { .. }) => {
                findings.push(Finding { kind: "views", text: format!("the rows cannot be read: {error}") });
            }
            Err(error) => return Err(error),
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
