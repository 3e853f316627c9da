//! What a sync session reads and writes besides batches: vectors, outgoing runs, seals, receipts.

use std::collections::BTreeMap;

use lastmile_log::{Receipt, Seal, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::StoreError;
use crate::index::Piece;
use crate::storage::{Durability, StoredReceipt};
use crate::store::Store;

/// The key under which the relay's current epoch stands in the settings.
const EPOCH: &str = "relay.epoch";

/// A batch for a peer.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The piece it belongs to.
    pub segment: Segment,
    /// The number of its last commit.
    pub last: u64,
    /// The packed commits.
    pub packed: Vec<u8>,
    /// A seal at or after its last commit.
    pub seals: Vec<Seal>,
}

/// What of an author's own work the relay has not receipted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Commits.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
}

impl Store {
    /// Reads batches of a scope that a peer lacks, office authors' first, up to about this many bytes (at least one batch).
    ///
    /// `after` names, per segment, the last commit the peer holds; segments not named are sent from their start. Returns whether
    /// everything asked for is in the answer.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn outgoing(
        &mut self,
        scope: &Scope,
        after: &[(Segment, u64)],
        limit_bytes: usize,
    ) -> Result<(Vec<Outgoing>, bool), StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok((Vec::new(), true)) };
        let after: BTreeMap<Segment, u64> = after.iter().copied().collect();
        let mut pieces = self.index.pieces_of_scope(no);
        pieces.sort_by_key(|piece| (!self.index.is_office(piece.segment.author), piece.segment.author, piece.first));
        let mut sent = Vec::new();
        let mut bytes = 0usize;
        for piece in pieces {
            let mut next = after.get(&piece.segment).map_or(piece.first, |seq| seq.saturating_add(1)).max(piece.first);
            while next <= piece.last {
                if bytes >= limit_bytes {
                    return Ok((sent, false));
                }
                let outgoing = self.read_out(scope, &piece, next)?;
                bytes = bytes.saturating_add(outgoing.packed.len());
                next = outgoing.last.saturating_add(1);
                sent.push(outgoing);
            }
        }
        Ok((sent, true))
    }

    /// Reads the stored run that holds `from`, cut to the piece, with the seal that vouches for it.
    fn read_out(&mut self, scope: &Scope, piece: &Piece, from: u64) -> Result<Outgoing, StoreError> {
        let strand = self.index.strand(piece.strand)?.clone();
        let missing = || StoreError::damaged(format!("commit {from} of a log is missing"));
        let blob = self.storage.blob_with(piece.strand, from)?.ok_or_else(missing)?;
        let last = blob.last.min(piece.last);
        // The bytes are verified before they leave: rot here must not travel.
        let run = self.archive.run(self.storage.as_ref(), piece.strand, from)?;
        let seals = self.storage.seals(piece.strand)?;
        let seal = seals.iter().find(|seal| seal.seq >= last);
        let (packed, last, seals) = match seal {
            Some(seal) if seal.seq == last || seal.seq <= blob.last => {
                let end = seal.seq.min(blob.last);
                let packed = if blob.first == from && end == blob.last { blob.packed } else { run.repack(from, end)? };
                (packed, end, vec![seal.clone()])
            }
            Some(seal) => {
                // The seal stands after this run: send on to it, so that the receiver can verify.
                let mut commits = Vec::new();
                let mut next = from;
                while next <= seal.seq {
                    let run = self.archive.run(self.storage.as_ref(), piece.strand, next)?;
                    let end = run.last().min(seal.seq);
                    commits.extend((next..=end).filter_map(|seq| {
                        run.to_commit(usize::try_from(seq.saturating_sub(run.first)).ok()?)
                    }));
                    next = end.saturating_add(1);
                }
                let packed = lastmile_log::pack(&commits.iter().collect::<Vec<_>>())?;
                (packed, seal.seq, vec![seal.clone()])
            }
            None => return Err(StoreError::damaged(format!("no seal vouches for commit {last} of a log"))),
        };
        let seals = seals
            .into_iter()
            .map(|seal| Seal {
                scope: scope.clone(),
                author: strand.author,
                seq: seal.seq,
                chain: seal.chain,
                signature: seal.signature,
            })
            .collect();
        Ok(Outgoing { segment: piece.segment, last, packed, seals })
    }

    /// Lists the numbers and chain hashes an author's seals vouch for, all branches together, lowest first.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn seals_of(&self, scope: &Scope, author: AuthorId) -> Result<Vec<(u64, ChainHash)>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for strand in self.index.strands_of(no, author) {
            found.extend(self.storage.seals(strand.no)?.into_iter().map(|seal| (seal.seq, seal.chain)));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Finds the piece that holds a commit by number and chain hash.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn piece_with(&mut self, scope: &Scope, author: AuthorId, seq: u64, chain: ChainHash) -> Result<Option<Segment>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(None) };
        let pieces = self.index.pieces_of_scope(no);
        for piece in pieces.iter().filter(|piece| piece.segment.author == author) {
            if (piece.first..=piece.last).contains(&seq)
                && self.archive.chain_at(self.storage.as_ref(), piece.strand, seq)? == chain
            {
                return Ok(Some(piece.segment));
            }
        }
        Ok(None)
    }

    /// Sets the relay's epoch: receipts of this one count as uploaded.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn set_epoch(&mut self, epoch: AuthorId) -> Result<(), StoreError> {
        self.set_setting(EPOCH, &epoch.0)
    }

    /// The relay's epoch as last known.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn epoch(&self) -> Result<Option<AuthorId>, StoreError> {
        Ok(self.storage.meta(EPOCH)?.and_then(|bytes| AuthorId::from_slice(&bytes)))
    }

    /// Keeps receipts whose signatures verify; returns how many did.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn add_receipts(&mut self, receipts: &[Receipt]) -> Result<usize, StoreError> {
        let Some(trust) = &self.index.trust else { return Ok(0) };
        let deployment = trust.deployment().clone();
        let valid: Vec<&Receipt> = receipts
            .iter()
            .filter(|receipt| {
                trust.is_office(receipt.epoch)
                    && trust.public_key(receipt.epoch).is_some_and(|public| receipt.verify(&public, &deployment))
            })
            .collect();
        if valid.is_empty() {
            return Ok(0);
        }
        self.transaction(Durability::Full, |store| {
            for receipt in &valid {
                let Some(scope) = store.index.scope_no(&receipt.scope) else { continue };
                store.storage.put_receipt(&StoredReceipt {
                    scope,
                    author: receipt.author,
                    epoch: receipt.epoch,
                    seq: receipt.seq,
                    chain: receipt.chain,
                    signature: receipt.signature,
                })?;
            }
            Ok(valid.len())
        })
    }

    /// What the relay of the current epoch has receipted of a scope, by segment.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn receipted(&mut self, scope: &Scope) -> Result<Vector, StoreError> {
        let mut vector = Vector::default();
        let (Some(no), Some(epoch)) = (self.index.scope_no(scope), self.epoch()?) else { return Ok(vector) };
        let receipts = self.storage.receipts()?;
        for piece in self.index.pieces_of_scope(no) {
            let mut best: Option<(u64, ChainHash)> = None;
            for receipt in receipts.iter().filter(|receipt| {
                receipt.scope == no && receipt.epoch == epoch && receipt.author == piece.segment.author
            }) {
                let inside = receipt.seq >= piece.first && receipt.seq <= piece.last;
                if inside
                    && best.is_none_or(|(seq, _)| seq < receipt.seq)
                    && self.archive.chain_at(self.storage.as_ref(), piece.strand, receipt.seq)? == receipt.chain
                {
                    best = Some((receipt.seq, receipt.chain));
                }
            }
            // A receipt on a later piece of the same strand covers this one whole.
            if best.is_none() && self.receipt_covers(no, epoch, &receipts, &piece)? {
                best = Some((piece.last, piece.chain));
            }
            if let Some((seq, chain)) = best {
                vector.insert(piece.segment, seq, chain);
            }
        }
        Ok(vector)
    }

    fn receipt_covers(
        &mut self,
        scope: u32,
        epoch: AuthorId,
        receipts: &[StoredReceipt],
        piece: &Piece,
    ) -> Result<bool, StoreError> {
        for receipt in receipts.iter().filter(|receipt| {
            receipt.scope == scope && receipt.epoch == epoch && receipt.author == piece.segment.author && receipt.seq > piece.last
        }) {
            for strand in self.index.strands_of(scope, piece.segment.author) {
                let through = self.index.path(strand).iter().any(|(no, _, last)| *no == piece.strand && *last >= piece.last);
                if through
                    && let Some(holder) = self.index.holder(strand, receipt.seq)
                    && self.archive.chain_at(self.storage.as_ref(), holder, receipt.seq)? == receipt.chain
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What of an author's own work is not receipted by the current epoch.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn unsent(&mut self, author: AuthorId) -> Result<Unsent, StoreError> {
        let mut unsent = Unsent::default();
        let scopes: Vec<(u32, Scope)> = self.index.scopes.iter().map(|(no, scope)| (*no, scope.clone())).collect();
        for (no, scope) in scopes {
            let receipted = self.receipted(&scope)?;
            let strands: Vec<(u32, u64, u64)> =
                self.index.strands_of(no, author).map(|strand| (strand.no, strand.first, strand.head)).collect();
            for (strand, first, head) in strands {
                let pieces = self.index.pieces(self.index.strand(strand)?);
                let done = pieces.iter().filter_map(|piece| receipted.get(&piece.segment)).map(|(seq, _)| seq).max();
                let mut next = done.map_or(first, |seq| seq.saturating_add(1)).max(first);
                while next <= head {
                    let run = self.archive.run(self.storage.as_ref(), strand, next)?;
                    for commit in run.commits.iter().filter(|commit| commit.header.seq >= next) {
                        unsent.commits = unsent.commits.saturating_add(1);
                        unsent.changes = unsent.changes.saturating_add(commit.header.changes.len() as u64);
                    }
                    next = run.last().saturating_add(1);
                }
            }
        }
        Ok(unsent)
    }
}
