//! The tables of the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lastmile_model::{AuthorId, ChainHash, RecordId, Scope};

use super::Refused;
use crate::storage::{
    Blob, Cut, Erased, FileState, Odd, Pending, PendingHead, Position, StoredFile, StoredReceipt, StoredSeal, Strand,
};

/// What tells receipts apart: scope, author, epoch, commit, chain.
type ReceiptKey = (u32, AuthorId, AuthorId, u64, ChainHash);

/// A file of a scope.
type FileKey = (u32, [u8; 32]);

const fn receipt_key(receipt: &StoredReceipt) -> ReceiptKey {
    (receipt.scope, receipt.author, receipt.epoch, receipt.seq, receipt.chain)
}

#[derive(Debug, Clone)]
struct Packed {
    last: u64,
    bytes: Arc<[u8]>,
}

/// Everything but the views. Each map is in the order in which its rows are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Logs {
    meta: BTreeMap<String, Vec<u8>>,
    scopes: BTreeMap<u32, Scope>,
    strands: BTreeMap<u32, Strand>,
    cuts: BTreeMap<(u32, u64), Cut>,
    blobs: BTreeMap<(u32, u64), Packed>,
    seals: BTreeMap<(u32, u64), StoredSeal>,
    receipts: BTreeMap<ReceiptKey, [u8; 64]>,
    /// By scope, author and first commit; several of the same stand in the order they came.
    pendings: BTreeMap<(u32, AuthorId, u64), Vec<Arc<Pending>>>,
    certificates: BTreeSet<(AuthorId, Arc<[u8]>)>,
    odds: BTreeMap<(u32, Position), Odd>,
    extras: BTreeSet<(u32, RecordId, Position)>,
    erased: BTreeSet<(u32, Erased)>,
    /// With the bytes held.
    files: BTreeMap<FileKey, (StoredFile, Arc<Vec<u8>>)>,
}

const FIRST: Position = Position(i64::MIN);
const LAST: Position = Position(i64::MAX);

impl Logs {
    fn needs_scope(&self, no: u32) -> Result<(), Refused> {
        if self.scopes.contains_key(&no) { Ok(()) } else { Err(Refused::Dangling { table: "scope", no }) }
    }

    fn needs_strand(&self, no: u32) -> Result<(), Refused> {
        if self.strands.contains_key(&no) { Ok(()) } else { Err(Refused::Dangling { table: "strand", no }) }
    }

    pub(super) fn meta(&self, key: &str) -> Option<Vec<u8>> {
        self.meta.get(key).cloned()
    }

    pub(super) fn metas(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let from = self.meta.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        from.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn put_meta(&mut self, key: &str, value: &[u8]) {
        self.meta.insert(key.to_owned(), value.to_vec());
    }

    pub(super) fn scopes(&self) -> Vec<(u32, Scope)> {
        self.scopes.iter().map(|(no, scope)| (*no, scope.clone())).collect()
    }

    pub(super) fn add_scope(&mut self, scope: &Scope) -> u32 {
        if let Some((no, _)) = self.scopes.iter().find(|(_, known)| *known == scope) {
            return *no;
        }
        let no = self.scopes.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.scopes.insert(no, scope.clone());
        no
    }

    pub(super) fn strands(&self) -> Vec<Strand> {
        self.strands.values().cloned().collect()
    }

    /// Of a strand that is there only what grows is replaced; where it began is settled.
    pub(super) fn put_strand(&mut self, strand: &Strand) -> Result<(), Refused> {
        if let Some(held) = self.strands.get_mut(&strand.no) {
            held.head = strand.head;
            held.chain = strand.chain;
            held.sealed = strand.sealed;
            held.sealed_chain = strand.sealed_chain;
            held.viewed = strand.viewed;
            held.changes = strand.changes;
            return Ok(());
        }
        self.needs_scope(strand.scope)?;
        if let Some(parent) = strand.parent.filter(|parent| *parent != strand.no) {
            self.needs_strand(parent)?;
        }
        self.strands.insert(strand.no, strand.clone());
        Ok(())
    }

    pub(super) fn cuts(&self) -> Vec<Cut> {
        self.cuts.values().cloned().collect()
    }

    pub(super) fn put_cut(&mut self, cut: &Cut) -> Result<(), Refused> {
        self.needs_strand(cut.strand)?;
        self.cuts.entry((cut.strand, cut.seq)).or_insert_with(|| cut.clone());
        Ok(())
    }

    pub(super) fn put_blob(&mut self, strand: u32, first: u64, last: u64, packed: &[u8]) {
        self.blobs.insert((strand, first), Packed { last, bytes: packed.into() });
    }

    pub(super) fn remove_blob(&mut self, strand: u32, first: u64) {
        self.blobs.remove(&(strand, first));
    }

    pub(super) fn blob_with(&self, strand: u32, seq: u64) -> Option<Blob> {
        let (&(_, first), packed) = self.blobs.range((strand, 0)..=(strand, seq)).next_back()?;
        let holds = packed.last >= seq;
        holds.then(|| Blob { strand, first, last: packed.last, packed: packed.bytes.to_vec() })
    }

    pub(super) fn blob_list(&self, strand: u32) -> Vec<(u64, u64, u64)> {
        let blobs = self.blobs.range((strand, 0)..=(strand, u64::MAX));
        let size = |packed: &Packed| u64::try_from(packed.bytes.len()).unwrap_or(u64::MAX);
        blobs.map(|(&(_, first), packed)| (first, packed.last, size(packed))).collect()
    }

    pub(super) fn put_seal(&mut self, seal: &StoredSeal) -> Result<(), Refused> {
        self.needs_strand(seal.strand)?;
        self.seals.insert((seal.strand, seal.seq), seal.clone());
        Ok(())
    }

    pub(super) fn last_seal(&self, strand: u32, low: u64, high: u64) -> Option<StoredSeal> {
        // A range that ends before it begins holds nothing; the map would not have it.
        let mut within = (low <= high).then(|| self.seals.range((strand, low)..=(strand, high)))?;
        within.next_back().map(|(_, seal)| seal.clone())
    }

    pub(super) fn seals(&self, strand: u32) -> Vec<StoredSeal> {
        self.seals.range((strand, 0)..=(strand, u64::MAX)).map(|(_, seal)| seal.clone()).collect()
    }

    pub(super) fn put_receipt(&mut self, receipt: &StoredReceipt) -> Result<(), Refused> {
        self.needs_scope(receipt.scope)?;
        self.receipts.insert(receipt_key(receipt), receipt.signature);
        Ok(())
    }

    pub(super) fn remove_receipt(&mut self, receipt: &StoredReceipt) {
        self.receipts.remove(&receipt_key(receipt));
    }

    pub(super) fn receipts(&self, scope: Option<u32>) -> Vec<StoredReceipt> {
        let receipts = self.receipts.iter().filter(|(key, _)| scope.is_none_or(|scope| scope == key.0));
        receipts
            .map(|(&(scope, author, epoch, seq, chain), &signature)| StoredReceipt {
                scope,
                author,
                epoch,
                seq,
                chain,
                signature,
            })
            .collect()
    }

    pub(super) fn put_pending(&mut self, pending: &Pending) -> Result<(), Refused> {
        self.needs_scope(pending.scope)?;
        let key = (pending.scope, pending.author, pending.first);
        self.pendings.entry(key).or_default().push(Arc::new(pending.clone()));
        Ok(())
    }

    pub(super) fn pending_heads(&self, scope: Option<u32>) -> Vec<PendingHead> {
        let (low, high) = scope.map_or((0, u32::MAX), |scope| (scope, scope));
        let range = (low, AuthorId([0; 16]), 0)..=(high, AuthorId([0xff; 16]), u64::MAX);
        self.pendings.range(range).flat_map(|(_, pendings)| pendings).map(|pending| pending.head()).collect()
    }

    pub(super) fn pendings_of(&self, scope: u32, author: AuthorId) -> Vec<Pending> {
        let of_author = self.pendings.range((scope, author, 0)..=(scope, author, u64::MAX));
        of_author.flat_map(|(_, pendings)| pendings).map(|pending| Pending::clone(pending)).collect()
    }

    pub(super) fn remove_pending(&mut self, scope: u32, author: AuthorId) {
        self.pendings.retain(|&(of_scope, of_author, _), _| (of_scope, of_author) != (scope, author));
    }

    pub(super) fn put_certificate(&mut self, author: AuthorId, bytes: &[u8]) {
        self.certificates.insert((author, bytes.into()));
    }

    pub(super) fn certificates(&self) -> Vec<Vec<u8>> {
        self.certificates.iter().map(|(_, bytes)| bytes.to_vec()).collect()
    }

    pub(super) fn put_odd(&mut self, odd: &Odd) -> Result<(), Refused> {
        self.needs_scope(odd.scope)?;
        self.odds.insert((odd.scope, odd.position), odd.clone());
        Ok(())
    }

    pub(super) fn remove_odd(&mut self, scope: u32, position: Position) {
        self.odds.remove(&(scope, position));
    }

    pub(super) fn odds(&self, scope: Option<u32>) -> Vec<Odd> {
        let (low, high) = scope.map_or((0, u32::MAX), |scope| (scope, scope));
        self.odds.range((low, FIRST)..=(high, LAST)).map(|(_, odd)| odd.clone()).collect()
    }

    pub(super) fn put_erased(&mut self, scope: u32, erased: &Erased) -> Result<(), Refused> {
        self.needs_scope(scope)?;
        self.erased.insert((scope, *erased));
        Ok(())
    }

    pub(super) fn erased(&self) -> Vec<(u32, Erased)> {
        self.erased.iter().copied().collect()
    }

    pub(super) fn put_extra(&mut self, scope: u32, record: RecordId, position: Position) -> Result<(), Refused> {
        self.needs_scope(scope)?;
        self.extras.insert((scope, record, position));
        Ok(())
    }

    pub(super) fn extras(&self, scope: u32, record: RecordId) -> Vec<Position> {
        self.extras.range((scope, record, FIRST)..=(scope, record, LAST)).map(|&(_, _, position)| position).collect()
    }

    pub(super) fn has_extras(&self, scope: u32) -> bool {
        let (low, high) = (RecordId::from_bytes([0; 16]), RecordId::from_bytes([0xff; 16]));
        self.extras.range((scope, low, FIRST)..=(scope, high, LAST)).next().is_some()
    }

    /// Drops a scope with everything held in it.
    pub(super) fn put_file(&mut self, file: &StoredFile) -> Result<(), Refused> {
        self.needs_scope(file.scope)?;
        let fresh = || (StoredFile { held: 0, ..file.clone() }, Arc::default());
        let (held, _) = self.files.entry((file.scope, file.hash)).or_insert_with(fresh);
        let bytes = held.held;
        held.clone_from(file);
        held.held = bytes;
        Ok(())
    }

    pub(super) fn file(&self, scope: u32, hash: &[u8; 32]) -> Option<StoredFile> {
        self.files.get(&(scope, *hash)).map(|(file, _)| file.clone())
    }

    pub(super) fn files(&self, scope: Option<u32>) -> Vec<StoredFile> {
        let asked = |file: &&StoredFile| scope.is_none_or(|scope| file.scope == scope);
        self.files.values().map(|(file, _)| file).filter(asked).cloned().collect()
    }

    pub(super) fn file_totals(&self) -> (u64, u64) {
        let whole = |state| matches!(state, FileState::Whole | FileState::Refused | FileState::Elsewhere);
        let whole = self.files.values().filter(|(file, _)| whole(file.state));
        whole.fold((0, 0), |(count, bytes), (file, _)| (count + 1, file.size.saturating_add(bytes)))
    }

    pub(super) fn add_piece(&mut self, scope: u32, hash: &[u8; 32], bytes: &[u8]) -> Result<(), Refused> {
        let (file, held) = self.files.get_mut(&(scope, *hash)).ok_or(Refused::NoFile)?;
        Arc::make_mut(held).extend_from_slice(bytes);
        file.held = held.len() as u64;
        Ok(())
    }

    pub(super) fn file_bytes(&self, scope: u32, hash: &[u8; 32], offset: u64, limit: u64) -> Vec<u8> {
        let Some((_, held)) = self.files.get(&(scope, *hash)) else { return Vec::new() };
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(held.len());
        held.get(place(offset)..place(offset.saturating_add(limit))).unwrap_or_default().to_vec()
    }

    pub(super) fn remove_file(&mut self, scope: u32, hash: &[u8; 32]) {
        self.files.remove(&(scope, *hash));
    }

    pub(super) fn remove_scope(&mut self, scope: u32) {
        let of_scope: BTreeSet<u32> =
            self.strands.values().filter(|strand| strand.scope == scope).map(|strand| strand.no).collect();
        self.blobs.retain(|(strand, _), _| !of_scope.contains(strand));
        self.seals.retain(|(strand, _), _| !of_scope.contains(strand));
        self.cuts.retain(|(strand, _), _| !of_scope.contains(strand));
        self.strands.retain(|_, strand| strand.scope != scope);
        for strand in self.strands.values_mut().filter(|strand| strand.parent.is_some_and(|no| of_scope.contains(&no)))
        {
            strand.parent = None;
        }
        self.receipts.retain(|(of, ..), _| *of != scope);
        self.pendings.retain(|(of, ..), _| *of != scope);
        self.odds.retain(|(of, _), _| *of != scope);
        self.extras.retain(|(of, ..)| *of != scope);
        self.erased.retain(|(of, _)| *of != scope);
        self.files.retain(|(of, _), _| *of != scope);
        self.scopes.remove(&scope);
    }

    /// Drops what follows from the logs, and takes every strand back to before its first commit.
    pub(super) fn forget_derived(&mut self) {
        self.odds.clear();
        self.extras.clear();
        for strand in self.strands.values_mut() {
            strand.viewed = strand.first.saturating_sub(1);
        }
    }

    /// Bytes of the things that can be large.
    pub(super) fn size(&self) -> usize {
        let meta = self.meta.iter().map(|(key, value)| key.len().saturating_add(value.len()));
        let blobs = self.blobs.values().map(|packed| packed.bytes.len());
        let pendings = self.pendings.values().flatten().map(|pending| pending.packed.len());
        let certificates = self.certificates.iter().map(|(_, bytes)| bytes.len());
        let files = self.files.values().map(|(_, bytes)| bytes.len());
        let signatures = self.seals.len().saturating_add(self.receipts.len()).saturating_mul(64);
        meta.chain(blobs).chain(pendings).chain(certificates).chain(files).fold(signatures, usize::saturating_add)
    }
}
