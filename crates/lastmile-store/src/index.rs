//! What a handle keeps in memory of a replica: scopes, heads of logs, forks, trust and verdicts.
//!
//! All of it can be read again from storage at any time; a writer does so after every failed transaction, a reader whenever
//! another handle has committed.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::{Certificate, ChangeEntry, Segment, Trust, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::StoreError;
use crate::storage::{Cut, Erased, Storage, Strand};

/// The key under which the deployment stands in the settings.
pub(crate) const DEPLOYMENT: &str = "deployment";

/// A piece of a strand between two forks: what a version vector has an entry for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub segment: Segment,
    pub strand: u32,
    pub first: u64,
    pub last: u64,
    pub chain: ChainHash,
}

/// The in-memory picture.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub scopes: BTreeMap<u32, Scope>,
    pub scope_numbers: BTreeMap<Scope, u32>,
    pub strands: BTreeMap<u32, Strand>,
    pub by_author: BTreeMap<(u32, AuthorId), Vec<u32>>,
    /// The strands of each scope, parents before branches.
    by_scope: BTreeMap<u32, BTreeSet<u32>>,
    pub cuts: BTreeMap<u32, Vec<Cut>>,
    pub trust: Option<Trust>,
    /// The stored bytes that `trust` was made of.
    certificates: BTreeSet<Vec<u8>>,
    /// What erasures name, by scope.
    pub erased: BTreeMap<u32, BTreeSet<Erased>>,
    /// Scopes whose vector has become another one since the writer asked.
    pub grown: BTreeSet<u32>,
}

impl Index {
    /// Reads everything from storage.
    pub fn load(storage: &dyn Storage) -> Result<Self, StoreError> {
        let mut index = Self::default();
        index.reload(storage)?;
        index.grown.clear();
        Ok(index)
    }

    /// Reads everything again. Certificates never change, so those known are not verified a second time.
    pub fn reload(&mut self, storage: &dyn Storage) -> Result<(), StoreError> {
        let mut fresh = Self::default();
        for (no, scope) in storage.scopes()? {
            fresh.scope_numbers.insert(scope.clone(), no);
            fresh.scopes.insert(no, scope);
        }
        for strand in storage.strands()? {
            fresh.keep(strand);
        }
        for cut in storage.cuts()? {
            fresh.cuts.entry(cut.strand).or_default().push(cut);
        }
        for (scope, erased) in storage.erased()? {
            fresh.erased.entry(scope).or_default().insert(erased);
        }
        if let Some(bytes) = storage.meta(DEPLOYMENT)? {
            let deployment = crate::settings::read_deployment(&bytes)?;
            let known = self.trust.take().filter(|trust| *trust.deployment() == deployment);
            if known.is_some() {
                fresh.certificates = std::mem::take(&mut self.certificates);
            }
            let mut trust = known.unwrap_or_else(|| Trust::new(deployment));
            let mut new = Vec::new();
            for bytes in storage.certificates()? {
                if !fresh.certificates.contains(&bytes) {
                    new.push(Certificate::decode(&bytes).map_err(|_| StoreError::damaged("a stored certificate"))?);
                    fresh.certificates.insert(bytes);
                }
            }
            trust.restore(new);
            fresh.trust = Some(trust);
        }
        *self = fresh;
        Ok(())
    }

    /// Notes that a certificate, which `trust` knows, is stored as these bytes.
    pub fn note_stored(&mut self, bytes: Vec<u8>) {
        self.certificates.insert(bytes);
    }

    /// Reads everything for another handle on the same storage, without verifying again what this one has verified.
    pub fn load_beside(&self, storage: &dyn Storage) -> Result<Self, StoreError> {
        let mut index = Self { trust: self.trust.clone(), certificates: self.certificates.clone(), ..Self::default() };
        index.reload(storage)?;
        Ok(index)
    }

    /// Inserts or replaces a strand.
    pub fn keep(&mut self, strand: Strand) {
        let of_author = self.by_author.entry((strand.scope, strand.author)).or_default();
        if !of_author.contains(&strand.no) {
            of_author.push(strand.no);
        }
        self.by_scope.entry(strand.scope).or_default().insert(strand.no);
        let (no, scope, sealed) = (strand.no, strand.scope, strand.sealed);
        if self.strands.insert(no, strand).map_or(0, |before| before.sealed) != sealed {
            self.grown.insert(scope);
        }
    }

    /// The strands of a scope, parents before branches.
    pub fn strands_in(&self, scope: u32) -> impl Iterator<Item = &Strand> {
        self.by_scope.get(&scope).into_iter().flatten().filter_map(|no| self.strands.get(no))
    }

    /// The number for the next strand.
    pub fn next_strand(&self) -> u32 {
        self.strands.last_key_value().map_or(1, |(no, _)| no.saturating_add(1))
    }

    pub fn scope(&self, no: u32) -> Result<&Scope, StoreError> {
        self.scopes.get(&no).ok_or_else(|| StoreError::damaged(format!("scope number {no} is unknown")))
    }

    pub fn scope_no(&self, scope: &Scope) -> Option<u32> {
        self.scope_numbers.get(scope).copied()
    }

    pub fn strand(&self, no: u32) -> Result<&Strand, StoreError> {
        self.strands.get(&no).ok_or_else(|| StoreError::damaged(format!("strand number {no} is unknown")))
    }

    pub fn strands_of(&self, scope: u32, author: AuthorId) -> impl Iterator<Item = &Strand> {
        self.by_author.get(&(scope, author)).into_iter().flatten().filter_map(|no| self.strands.get(no))
    }

    pub fn is_office(&self, author: AuthorId) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.is_office(author))
    }

    /// Whether an erasure leaves nothing of this change: it names the change, or the record and the author is none of the office's,
    /// who alone restates what remains.
    pub fn is_erased(&self, scope: u32, author: AuthorId, entry: &ChangeEntry) -> bool {
        self.erased.get(&scope).is_some_and(|erased| {
            erased.contains(&Erased::Change(entry.header.hash))
                || (erased.contains(&Erased::Record(entry.record)) && !self.is_office(author))
        })
    }

    /// Cuts a strand into the pieces between forks, up to its last sealed commit.
    pub fn pieces(&self, strand: &Strand) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(1);
        let trunk = Segment { author: strand.author, start: 0, first: ChainHash::ZERO };
        let mut segment = trunk;
        let mut first = strand.first;
        for cut in self.cuts.get(&strand.no).into_iter().flatten() {
            if cut.seq > first {
                pieces.push(Piece {
                    segment,
                    strand: strand.no,
                    first,
                    last: cut.seq.saturating_sub(1),
                    chain: cut.before,
                });
            }
            segment = Segment { author: strand.author, start: cut.seq, first: cut.at };
            first = cut.seq;
        }
        pieces.push(Piece { segment, strand: strand.no, first, last: strand.sealed, chain: strand.sealed_chain });
        pieces.retain(|piece| piece.last >= piece.first && piece.last <= strand.sealed);
        pieces
    }

    /// The pieces of every strand of a scope, in the order in which they can be applied: parents before branches.
    pub fn pieces_of_scope(&self, scope: u32) -> Vec<Piece> {
        self.strands_in(scope).flat_map(|strand| self.pieces(strand)).collect()
    }

    /// The pieces of an author's strands in a scope, parents before branches.
    pub fn pieces_of(&self, scope: u32, author: AuthorId) -> Vec<Piece> {
        self.strands_of(scope, author).flat_map(|strand| self.pieces(strand)).collect()
    }

    /// The version vector of a scope.
    pub fn vector(&self, scope: u32) -> Vector {
        let mut vector = Vector::default();
        for piece in self.pieces_of_scope(scope) {
            vector.insert(piece.segment, piece.last, piece.chain);
        }
        vector
    }

    /// Follows the parents of a strand down to its trunk: the strand that holds each range of the path, newest first.
    ///
    /// Returns (strand, first, last) triples whose ranges together cover 1 to the strand's head.
    pub fn path(&self, strand: &Strand) -> Vec<(u32, u64, u64)> {
        let mut path = vec![(strand.no, strand.first, strand.head)];
        let mut current = strand;
        while let Some(parent) = current.parent.and_then(|no| self.strands.get(&no)) {
            let last = current.first.saturating_sub(1);
            path.push((parent.no, parent.first, last.min(parent.head)));
            current = parent;
        }
        path
    }

    /// The strand of a path that holds this commit.
    pub fn holder(&self, strand: &Strand, seq: u64) -> Option<u32> {
        self.path(strand).into_iter().find(|(_, first, last)| (*first..=*last).contains(&seq)).map(|(no, _, _)| no)
    }
}
