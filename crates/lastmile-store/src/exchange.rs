//! What a sync session reads and writes besides batches: vectors, outgoing runs, seals, receipts.

use std::collections::BTreeSet;

use lastmile_log::{Entry, Receipt, Seal, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::StoreError;
use crate::index::Piece;
use crate::storage::{Durability, StoredReceipt};
use crate::store::Store;

/// The key under which the relay's current epoch stands in the settings.
pub(crate) const EPOCH: &str = "relay.epoch";

/// A batch for a peer.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The number of its last commit.
    pub last: u64,
    /// The packed commits.
    pub packed: Vec<u8>,
    /// The seal of its last commit.
    pub seals: Vec<Seal>,
}

/// A segment and positions on its path: commit numbers with their chain hashes.
pub type SegmentPath = (Segment, Vec<(u64, ChainHash)>);

/// What of an author's own work the relay has not receipted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Commits.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
}

impl Store {
    /// Reads batches along the path of a segment, from the author's first commit through its parents to the segment's head: those
    /// after commit `after`, up to about this many bytes, at least one. Returns whether nothing lies beyond them.
    ///
    /// Each batch ends with a sealed commit; one that begins earlier or ends later than asked may be among them.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify: rot must not travel.
    pub fn path_batches(
        &mut self,
        scope: &Scope,
        segment: &Segment,
        after: u64,
        limit_bytes: u64,
    ) -> Result<(Vec<Outgoing>, bool), StoreError> {
        let mut sent: Vec<Outgoing> = Vec::new();
        let Some(no) = self.index.scope_no(scope) else { return Ok((sent, true)) };
        let pieces = self.index.pieces_of(no, segment.author);
        let Some(piece) = pieces.iter().find(|piece| piece.segment == *segment) else { return Ok((sent, true)) };
        let strand = self.index.strand(piece.strand)?;
        let mut path = self.index.path(strand);
        path.reverse();
        if let Some((.., last)) = path.last_mut() {
            *last = strand.sealed;
        }
        let author = strand.author;
        let (mut next, mut bytes) = (after.saturating_add(1), 0u64);
        while next <= piece.last {
            if bytes >= limit_bytes && !sent.is_empty() {
                return Ok((sent, false));
            }
            let outgoing = self.batch_from(scope, author, &path, next)?;
            bytes = bytes.saturating_add(outgoing.packed.len() as u64);
            next = outgoing.last.saturating_add(1);
            sent.push(outgoing);
        }
        Ok((sent, true))
    }

    /// As [`Store::path_batches`], for the path whose end is commit `through`: a fork stored meanwhile may have given the segment
    /// another name, the commit at its end is what stays.
    ///
    /// # Errors
    /// As [`Store::path_batches`].
    pub fn path_to(
        &mut self,
        scope: &Scope,
        segment: &Segment,
        through: (u64, ChainHash),
        after: u64,
        limit_bytes: u64,
    ) -> Result<(Vec<Outgoing>, bool), StoreError> {
        let now = self.piece_with(scope, segment.author, through.0, through.1)?.unwrap_or(*segment);
        self.path_batches(scope, &now, after, limit_bytes)
    }

    /// Reads one batch that holds commit `next` of a path and ends with a sealed one: the stored run as it is, or, where a fork cuts
    /// through it, commits joined up to the next seal.
    fn batch_from(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        path: &[(u32, u64, u64)],
        next: u64,
    ) -> Result<Outgoing, StoreError> {
        let missing = |seq: u64| StoreError::damaged(format!("commit {seq} of a log is missing"));
        let range = |seq: u64| path.iter().find(|(_, low, high)| (*low..=*high).contains(&seq)).copied();
        let mut commits = Vec::new();
        let mut at = next;
        loop {
            let (strand, _, high) = range(at).ok_or_else(|| missing(at))?;
            let run = self.archive.run(self.storage.as_ref(), strand, at)?;
            let end = run.last().min(high);
            let seal = self.storage.last_seal(strand, at, end)?;
            let upto = seal.as_ref().map_or(end, |seal| seal.seq);
            let whole = commits.is_empty() && upto == run.last();
            if !whole {
                commits.extend(
                    (at..=upto).filter_map(|seq| run.to_commit(usize::try_from(seq.saturating_sub(run.first)).ok()?)),
                );
            }
            if let Some(seal) = seal {
                if run.chain_of(seal.seq) != Some(seal.chain) {
                    return Err(StoreError::damaged(format!("commit {} of a log is not what its seal says", seal.seq)));
                }
                let packed = if whole {
                    self.storage.blob_with(strand, at)?.ok_or_else(|| missing(at))?.packed
                } else {
                    lastmile_log::pack(&commits.iter().collect::<Vec<_>>())?
                };
                let (seq, chain, signature) = (seal.seq, seal.chain, seal.signature);
                let seal = Seal { scope: scope.clone(), author, seq, chain, signature };
                return Ok(Outgoing { last: seq, packed, seals: vec![seal] });
            }
            if whole {
                commits.extend((0..run.commits.len()).filter_map(|place| run.to_commit(place)));
            }
            at = upto.saturating_add(1);
        }
    }

    /// Lists, for each segment of an author, the sealed positions on its path from the first commit to its head, ascending.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn positions(&self, scope: &Scope, author: AuthorId) -> Result<Vec<SegmentPath>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        for piece in self.index.pieces_of(no, author) {
            let mut positions: BTreeSet<(u64, ChainHash)> = BTreeSet::from([(piece.last, piece.chain)]);
            for (strand, low, high) in self.index.path(self.index.strand(piece.strand)?) {
                let high = high.min(piece.last);
                let seals = self.storage.seals(strand)?;
                let inside = seals.into_iter().filter(|seal| (low..=high).contains(&seal.seq));
                positions.extend(inside.map(|seal| (seal.seq, seal.chain)));
                let cuts = self.index.cuts.get(&strand).into_iter().flatten();
                positions.extend(
                    cuts.filter(|cut| cut.seq > low && cut.seq <= high.saturating_add(1))
                        .map(|cut| (cut.seq - 1, cut.before)),
                );
            }
            paths.push((piece.segment, positions.into_iter().collect()));
        }
        Ok(paths)
    }

    /// Lists the heads of what arrived without a seal in a scope.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn pending_heads(&self, scope: &Scope) -> Result<Vec<Entry>, StoreError> {
        let no = self.index.scope_no(scope);
        let pendings = self.storage.pendings()?;
        let entry = |one: &crate::storage::Pending| Entry {
            segment: Segment::trunk(one.author),
            seq: one.last,
            chain: one.chain,
        };
        Ok(pendings.iter().filter(|one| Some(one.scope) == no).map(entry).collect())
    }

    /// The heads that receipts may be signed for: of each branch of an author held here, the sealed head.
    #[must_use]
    pub fn sealed_heads(&self, scope: &Scope, author: AuthorId) -> Vec<(u64, ChainHash)> {
        let Some(no) = self.index.scope_no(scope) else { return Vec::new() };
        self.index.strands_of(no, author).map(|strand| (strand.sealed, strand.sealed_chain)).collect()
    }

    /// Reads the receipts kept for an author's log in a scope, of the current epoch.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn receipts_of(&self, scope: &Scope, author: AuthorId) -> Result<Vec<Receipt>, StoreError> {
        let (Some(no), Some(epoch)) = (self.index.scope_no(scope), self.epoch()?) else { return Ok(Vec::new()) };
        let stored = self.storage.receipts()?;
        let wanted = stored.into_iter().filter(|one| one.scope == no && one.author == author && one.epoch == epoch);
        Ok(wanted
            .map(|one| Receipt {
                epoch,
                scope: scope.clone(),
                author,
                seq: one.seq,
                chain: one.chain,
                signature: one.signature,
            })
            .collect())
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
    pub fn piece_with(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        seq: u64,
        chain: ChainHash,
    ) -> Result<Option<Segment>, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(None) };
        for piece in self.index.pieces_of(no, author) {
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
        let deployment = *trust.deployment();
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
            receipt.scope == scope
                && receipt.epoch == epoch
                && receipt.author == piece.segment.author
                && receipt.seq > piece.last
        }) {
            for strand in self.index.strands_of(scope, piece.segment.author) {
                let through =
                    self.index.path(strand).iter().any(|(no, _, last)| *no == piece.strand && *last >= piece.last);
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
            // Branches of the same author were made by copies of this device and came from elsewhere.
            let own = self.index.strands_of(no, author).filter(|strand| strand.parent.is_none());
            let strands: Vec<(u32, u64, u64)> = own.map(|strand| (strand.no, strand.first, strand.head)).collect();
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
