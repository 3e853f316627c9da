//! What a sync session reads: outgoing runs, positions, seals.

use std::collections::BTreeSet;

use lastmile_log::{Commit, Entry, MAX_RAW, PackError, Seal, Segment, pack, raw_size};
use lastmile_model::{AuthorId, ChainHash, Scope};

use crate::StoreError;
use crate::storage::{StoredSeal, Strand};
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
    /// The seal of its last commit; none where only that of a later batch vouches for it.
    pub seals: Vec<Seal>,
}

/// A segment and positions on its path: commit numbers with their chain hashes.
pub type SegmentPath = (Segment, Vec<(u64, ChainHash)>);

/// Packs as many of these commits as a batch holds; returns the number of the last as well.
fn pack_prefix(commits: &[Commit]) -> Result<(Vec<u8>, u64), StoreError> {
    let mut some = commits;
    loop {
        let last = some.last().map_or(0, |commit| commit.header.seq);
        match pack(&some.iter().collect::<Vec<_>>()) {
            Ok(packed) => return Ok((packed, last)),
            Err(PackError::OutOfBounds { .. }) if some.len() > 1 => some = some.split_at(some.len() / 2).0,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Store {
    /// Reads batches along the path of a segment, from the author's first commit through its parents to the segment's head: those
    /// after commit `after`, up to about this many bytes, at least one. Returns whether nothing lies beyond them.
    ///
    /// Each batch ends with a sealed commit, unless so much lies between two seals that it takes several; one that begins earlier or
    /// ends later than asked may be among them.
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
    /// through it, commits joined up to the next seal. Where these are more than a batch holds it ends before, without a seal: the
    /// one that ends a later batch vouches for it.
    fn batch_from(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        path: &[(u32, u64, u64)],
        next: u64,
    ) -> Result<Outgoing, StoreError> {
        let missing = |seq: u64| StoreError::damaged(format!("commit {seq} of a log is missing"));
        let range = |seq: u64| path.iter().find(|(_, low, high)| (*low..=*high).contains(&seq)).copied();
        let mut commits: Vec<Commit> = Vec::new();
        let mut bytes = 0usize;
        let mut at = next;
        loop {
            let (strand, _, high) = range(at).ok_or_else(|| missing(at))?;
            let run = self.archive.run(self.storage.as_ref(), strand, at)?;
            let end = run.last().min(high);
            let seal = self.storage.last_seal(strand, at, end)?;
            if seal.as_ref().is_some_and(|seal| run.chain_of(seal.seq) != Some(seal.chain)) {
                return Err(StoreError::damaged(format!("a log holds other commits than the seal up to {end} says")));
            }
            let upto = seal.as_ref().map_or(end, |seal| seal.seq);
            let vouched = |seal: StoredSeal| Seal {
                scope: scope.clone(),
                author,
                seq: seal.seq,
                chain: seal.chain,
                signature: seal.signature,
            };
            if commits.is_empty() && upto == run.last() && seal.is_some() {
                let packed = self.storage.blob_with(strand, at)?.ok_or_else(|| missing(at))?.packed;
                if raw_size(&packed).is_some_and(|size| size <= MAX_RAW as u64) {
                    return Ok(Outgoing { last: upto, packed, seals: seal.map(vouched).into_iter().collect() });
                }
            }
            let place = |seq: u64| usize::try_from(seq.saturating_sub(run.first)).ok();
            for commit in (at..=upto).filter_map(|seq| run.to_commit(place(seq)?)) {
                bytes = commit.bodies.iter().flatten().map(Vec::len).fold(bytes, usize::saturating_add);
                commits.push(commit);
            }
            // No use in reading on when it is too much already.
            if seal.is_some() || bytes > MAX_RAW {
                let (packed, last) = pack_prefix(&commits)?;
                return Ok(Outgoing {
                    last,
                    packed,
                    seals: seal.filter(|seal| seal.seq == last).map(vouched).into_iter().collect(),
                });
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
        let Some(no) = self.index.scope_no(scope) else { return Ok(Vec::new()) };
        let heads = self.storage.pending_heads(Some(no))?.into_iter();
        Ok(heads.map(|one| Entry { segment: Segment::trunk(one.author), seq: one.last, chain: one.chain }).collect())
    }

    /// The heads that receipts may be signed for: of each branch of an author held here, the sealed head.
    #[must_use]
    pub fn sealed_heads(&self, scope: &Scope, author: AuthorId) -> Vec<(u64, ChainHash)> {
        let Some(no) = self.index.scope_no(scope) else { return Vec::new() };
        self.index.strands_of(no, author).map(|strand| (strand.sealed, strand.sealed_chain)).collect()
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

    /// Whether a commit is held, sealed or not.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn holds(&mut self, scope: &Scope, author: AuthorId, seq: u64, chain: ChainHash) -> Result<bool, StoreError> {
        let Some(no) = self.index.scope_no(scope) else { return Ok(false) };
        let reaching = |strand: &&Strand| (strand.first..=strand.head).contains(&seq);
        let strands: Vec<u32> = self.index.strands_of(no, author).filter(reaching).map(|strand| strand.no).collect();
        for strand in strands {
            if self.archive.chain_at(self.storage.as_ref(), strand, seq)? == chain {
                return Ok(true);
            }
        }
        Ok(false)
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
}
