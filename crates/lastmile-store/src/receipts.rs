//! Receipts: what the relay has said that it holds.
//!
//! A receipt speaks of everything up to its commit, so of each branch the highest is kept and no other.

use std::ops::ControlFlow;

use lastmile_log::{CommitHeader, Receipt, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope, planted};

use crate::StoreError;
use crate::index::Piece;
use crate::storage::{Durability, StoredReceipt, Strand};
use crate::store::Store;

/// What of an author's own work the relay has not receipted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Commits.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
}

/// How many changes stand in the commits of a strand after `from` up to `upto`: what is stored of a strand does not change, it grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    from: u64,
    upto: u64,
    changes: u64,
}

impl Store {
    /// Reads the receipts kept for an author's log in a scope, of the current epoch.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn receipts_of(&self, scope: &Scope, author: AuthorId) -> Result<Vec<Receipt>, StoreError> {
        let (Some(no), Some(epoch)) = (self.index.scope_no(scope), self.epoch()?) else { return Ok(Vec::new()) };
        let stored = self.storage.receipts(Some(no))?;
        let wanted = stored.into_iter().filter(|one| one.author == author && one.epoch == epoch);
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

    /// Keeps receipts whose signatures verify, the highest of each branch; returns how many did.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn add_receipts(&mut self, receipts: &[Receipt]) -> Result<usize, StoreError> {
        let Some(trust) = &self.index.trust else { return Ok(0) };
        let deployment = *trust.deployment();
        let valid: Vec<&Receipt> = receipts
            .iter()
            .filter(|receipt| {
                planted!("unchecked-receipt")
                    || trust.is_office(receipt.epoch)
                        && trust.public_key(receipt.epoch).is_some_and(|public| receipt.verify(&public, &deployment))
            })
            .collect();
        if valid.is_empty() {
            return Ok(0);
        }
        let durability = if planted!("receipt-in-the-air") { Durability::Refetchable } else { Durability::Full };
        self.transaction(durability, |store| {
            for receipt in &valid {
                let Some(scope) = store.index.scope_no(&receipt.scope) else { continue };
                store.keep_receipt(&StoredReceipt {
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

    /// Keeps a receipt, and drops those that it makes needless.
    fn keep_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), StoreError> {
        for known in self.storage.receipts(Some(receipt.scope))? {
            if known.author != receipt.author || known.epoch != receipt.epoch || known.seq == receipt.seq {
                continue;
            }
            let later = known.seq > receipt.seq;
            let (low, high) = if later { (receipt, &known) } else { (&known, receipt) };
            if !self.leads_to(low, high)? {
                continue;
            }
            if later {
                return Ok(());
            }
            self.storage.remove_receipt(&known)?;
        }
        self.storage.put_receipt(receipt)
    }

    /// Whether a path held here goes through the commit of one receipt on to that of the other.
    fn leads_to(&mut self, low: &StoredReceipt, high: &StoredReceipt) -> Result<bool, StoreError> {
        let strands: Vec<u32> = self.index.strands_of(high.scope, high.author).map(|strand| strand.no).collect();
        for no in strands {
            if self.stands_on(no, high.seq, high.chain)? && self.stands_on(no, low.seq, low.chain)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the path of a strand has this chain hash at this commit.
    fn stands_on(&mut self, no: u32, seq: u64, chain: ChainHash) -> Result<bool, StoreError> {
        let strand = self.index.strand(no)?;
        if seq == strand.head || seq == strand.sealed {
            return Ok(chain == if seq == strand.head { strand.chain } else { strand.sealed_chain });
        }
        let Some(holder) = self.index.holder(strand, seq) else { return Ok(false) };
        Ok(self.archive.chain_at(self.storage.as_ref(), holder, seq)? == chain)
    }

    /// What the relay of the current epoch has receipted of a scope, by segment.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn receipted(&mut self, scope: &Scope) -> Result<Vector, StoreError> {
        let mut vector = Vector::default();
        let (Some(no), Some(epoch)) = (self.index.scope_no(scope), self.epoch()?) else { return Ok(vector) };
        let mut receipts = self.storage.receipts(Some(no))?;
        receipts.retain(|receipt| receipt.epoch == epoch || planted!("any-epoch"));
        // From the highest down: the first that stands on a piece says all there is to say.
        receipts.sort_by_key(|receipt| std::cmp::Reverse(receipt.seq));
        for piece in self.index.pieces_of_scope(no) {
            let of_author = receipts.iter().filter(|receipt| receipt.author == piece.segment.author);
            let (beyond, within): (Vec<&StoredReceipt>, Vec<_>) =
                of_author.filter(|receipt| receipt.seq >= piece.first).partition(|receipt| receipt.seq > piece.last);
            if let Some((seq, chain)) = self.receipted_of(no, &piece, &beyond, &within)? {
                vector.insert(piece.segment, seq, chain);
            }
        }
        Ok(vector)
    }

    fn receipted_of(
        &mut self,
        scope: u32,
        piece: &Piece,
        beyond: &[&StoredReceipt],
        within: &[&StoredReceipt],
    ) -> Result<Option<(u64, ChainHash)>, StoreError> {
        // A receipt of what comes after this piece covers it whole.
        for receipt in beyond {
            let through = |strand: &&Strand| {
                let path = self.index.path(strand);
                path.iter().any(|(holder, _, last)| *holder == piece.strand && *last >= piece.last)
            };
            let strands = self.index.strands_of(scope, piece.segment.author).filter(through);
            for no in strands.map(|strand| strand.no).collect::<Vec<_>>() {
                if self.stands_on(no, receipt.seq, receipt.chain)? {
                    return Ok(Some((piece.last, piece.chain)));
                }
            }
        }
        for receipt in within {
            let here = if receipt.seq == piece.last {
                piece.chain
            } else {
                self.archive.chain_at(self.storage.as_ref(), piece.strand, receipt.seq)?
            };
            if here == receipt.chain {
                return Ok(Some((receipt.seq, receipt.chain)));
            }
        }
        Ok(None)
    }

    /// The strands that an author wrote here, with their first and last numbers. Branches of the same author were made by copies of
    /// this device and came from elsewhere.
    fn own_strands(&self, scope: u32, author: AuthorId) -> Vec<(u32, u64, u64)> {
        let own = self.index.strands_of(scope, author).filter(|strand| strand.parent.is_none());
        own.map(|strand| (strand.no, strand.first, strand.head)).collect()
    }

    /// Up to which commit a strand is receipted; 0 for none of it.
    fn receipted_on(&self, strand: u32, receipted: &Vector) -> Result<u64, StoreError> {
        let pieces = self.index.pieces(self.index.strand(strand)?);
        Ok(pieces.iter().filter_map(|piece| receipted.get(&piece.segment)).map(|(seq, _)| seq).max().unwrap_or(0))
    }

    /// Up to which commit what an author wrote here is receipted by the current epoch, whatever there is for the logs of its copies.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn own_receipted(&mut self, scope: &Scope, author: AuthorId) -> Result<u64, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(0) };
        let receipted = self.receipted(scope)?;
        let mut lowest = None;
        for (strand, ..) in self.own_strands(no, author) {
            let done = self.receipted_on(strand, &receipted)?;
            lowest = Some(lowest.map_or(done, |lowest: u64| lowest.min(done)));
        }
        Ok(lowest.unwrap_or(0))
    }

    /// What of an author's own work is not receipted by the current epoch.
    ///
    /// # Errors
    /// When the storage fails or what it holds does not verify.
    pub fn unsent(&mut self, author: AuthorId) -> Result<Unsent, StoreError> {
        let mut unsent = Unsent::default();
        if planted!("forgotten-outbox") {
            return Ok(unsent);
        }
        let scopes: Vec<Scope> = self.index.scopes.values().cloned().collect();
        for scope in scopes {
            let here = self.unsent_in(&scope, author)?;
            unsent.commits = unsent.commits.saturating_add(here.commits);
            unsent.changes = unsent.changes.saturating_add(here.changes);
        }
        Ok(unsent)
    }

    /// What of an author's own work in one scope is not receipted by the current epoch.
    ///
    /// # Errors
    /// As [`Store::unsent`].
    pub fn unsent_in(&mut self, scope: &Scope, author: AuthorId) -> Result<Unsent, StoreError> {
        let mut unsent = Unsent::default();
        let Some(no) = self.index.scope_no(scope) else { return Ok(unsent) };
        for (strand, from, head) in self.unsent_ranges(scope, no, author)? {
            unsent.commits = unsent.commits.saturating_add(head.saturating_sub(from));
            unsent.changes = unsent.changes.saturating_add(self.changes_within(strand, from, head)?);
        }
        Ok(unsent)
    }

    /// How many changes stand in the commits of a strand after `from` up to `head`. Whoever watches a device asks at each save, so
    /// only what came since the last time is read.
    fn changes_within(&mut self, strand: u32, from: u64, head: u64) -> Result<u64, StoreError> {
        let known = self.counted.get(&strand).filter(|known| known.from == from && known.upto <= head);
        let (upto, mut changes) = known.map_or((from, 0), |known| (known.upto, known.changes));
        self.visit(strand, upto, head, &mut |commit| {
            changes = changes.saturating_add(commit.changes.len() as u64);
            ControlFlow::Continue(())
        })?;
        self.counted.insert(strand, Counted { from, upto: head, changes });
        Ok(changes)
    }

    /// The strands that an author wrote here, with the commit up to which each is receipted and its last.
    fn unsent_ranges(&mut self, scope: &Scope, no: u32, author: AuthorId) -> Result<Vec<(u32, u64, u64)>, StoreError> {
        let receipted = self.receipted(scope)?;
        let range = |(strand, first, head): (u32, u64, u64)| {
            let done = self.receipted_on(strand, &receipted)?;
            Ok((strand, done.max(first.saturating_sub(1)), head))
        };
        self.own_strands(no, author).into_iter().map(range).collect()
    }

    /// Shows the commits of a strand after `from` up to `head`, in the order of their numbers; `false` when the visitor had enough.
    fn visit(
        &mut self,
        strand: u32,
        from: u64,
        head: u64,
        visitor: &mut dyn FnMut(&CommitHeader) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        let mut next = from.saturating_add(1);
        while next <= head {
            let run = self.archive.run(self.storage.as_ref(), strand, next)?;
            for commit in run.commits.iter().filter(|commit| commit.header.seq >= next) {
                if visitor(&commit.header).is_break() {
                    return Ok(false);
                }
            }
            next = run.last().saturating_add(1);
        }
        Ok(true)
    }

    /// Shows the commits of an author in one scope that the current epoch has not receipted, in the order of their numbers.
    ///
    /// # Errors
    /// As [`Store::unsent`].
    pub fn visit_unsent(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        visitor: &mut dyn FnMut(&CommitHeader) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(()) };
        for (strand, from, head) in self.unsent_ranges(scope, no, author)? {
            if !self.visit(strand, from, head, visitor)? {
                break;
            }
        }
        Ok(())
    }
}
