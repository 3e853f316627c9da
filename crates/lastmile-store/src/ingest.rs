//! Batches from outside: verified, appended as they came, acknowledged only after the commit.

mod pending;

use lastmile_log::{BadBatch, Deployment, Entry, MAX_RAW, PackedRun, Seal, UnpackedBatch, Unreadable, unpack};
use lastmile_model::{AuthorId, ChainHash, Scope, planted};

use crate::StoreError;
use crate::attach::{Attach, attach};
use crate::judge::Held;
use crate::storage::{Cut, Durability, Position, StoredSeal, Strand};
use crate::store::Store;

pub use pending::{MAX_PENDING_BATCHES, MAX_PENDING_BYTES, MAX_PENDING_IN_SCOPE, MAX_PENDING_RAW};

/// The most branches of one author in one scope that a replica takes on by itself.
pub const MAX_BRANCHES: usize = 8;

/// A batch as a peer sent it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The packed commits.
    pub packed: Vec<u8>,
    /// Seals of the same author and scope.
    pub seals: Vec<Seal>,
}

/// When the views show what was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewMode {
    /// In the same transaction.
    Now,
    /// By [`Store::follow_views`].
    Later,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This many commits were new and are held now.
    Appended {
        /// New commits.
        commits: u64,
        /// New changes.
        changes: u64,
    },
    /// Everything was held already.
    Held,
    /// Kept aside until a seal covers it.
    Pending,
    /// Commits before it are missing.
    Gap {
        /// The log is held up to here.
        have: u64,
    },
    /// It continues another past; the peers must find the last seal they share.
    OtherPast,
    /// No certificate of the author is known.
    UnknownAuthor,
    /// None of its seals verifies.
    BadSeal,
    /// The author has too many branches; the office must decide.
    TooManyBranches,
    /// It lacks the bytes of a change that no erasure known here names. The chain would verify without them, so a carrier could
    /// keep a colleague's work from everyone after it: an erasure comes before the stubs that it makes.
    Withheld,
    /// The bytes are no batch.
    Malformed(BadBatch),
}

impl Fate {
    /// The fate of a batch together with what was appended before it for its sake.
    const fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::Appended { commits, changes }, Self::Appended { commits: more, changes: further }) => {
                Self::Appended { commits: commits.saturating_add(more), changes: changes.saturating_add(further) }
            }
            (_, later) => later,
        }
    }
}

/// What became of a batch, and of whose log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The scope and author, when the bytes could be read.
    pub log: Option<(Scope, AuthorId)>,
    /// What happened.
    pub fate: Fate,
    /// How far of the batch is held now: its last commit, or the sealed head where the batch goes beyond it. What the sender is
    /// known to hold as well.
    pub head: Option<Entry>,
    /// Whether the batch parted from what was held and is kept as a branch.
    pub forked: bool,
}

impl Outcome {
    fn refused(log: Option<(Scope, AuthorId)>, fate: Fate) -> Self {
        Self { log, fate, head: None, forked: false }
    }
}

/// A batch that was read.
struct Verified {
    batch: UnpackedBatch,
    /// Its packed bytes, where they are still what it holds.
    packed: Option<Vec<u8>>,
    /// The highest valid seal that vouches for commits of it: at one of them, or later in the log that it is a part of.
    seal: Option<Seal>,
}

/// What the seals that came with a batch say.
enum Vouched {
    /// This one is valid and vouches for commits of the batch.
    Sealed(Seal),
    /// Nothing yet: those there are vouch for later commits of the log.
    NotYet,
    /// One that should vouch for it does not.
    Wrong,
}

fn vouched(batch: &UnpackedBatch, seals: &[Seal], public: &[u8; 32], deployment: &Deployment) -> Vouched {
    let of_log = |seal: &Seal| seal.scope == batch.scope && seal.author == batch.author;
    let stands = |seal: &&Seal| of_log(seal) && batch.chain_of(seal.seq) == Some(seal.chain);
    let mut candidates: Vec<&Seal> = seals.iter().filter(stands).collect();
    candidates.sort_by_key(|seal| std::cmp::Reverse(seal.seq));
    let later = |seal: &Seal| of_log(seal) && seal.seq > batch.last() && seal.verify(public, deployment);
    match candidates.into_iter().find(|seal| planted!("unchecked-seal") || seal.verify(public, deployment)) {
        Some(seal) => Vouched::Sealed(seal.clone()),
        None if seals.iter().all(later) => Vouched::NotYet,
        None => Vouched::Wrong,
    }
}

impl Store {
    /// Takes batches in one transaction; nothing may be acknowledged before this returns.
    ///
    /// # Errors
    /// When the storage fails; then nothing of the call is kept. What is wrong with a batch stands in its [`Outcome`].
    pub fn ingest(
        &mut self,
        batches: Vec<Incoming>,
        mode: ViewMode,
        durability: Durability,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.ingest_meant(batches, &[], mode, durability)
    }

    /// Takes batches like [`Store::ingest`], each only if it speaks of the log it was meant for: `meant` names them in the same
    /// order; batches beyond its end may speak of any.
    ///
    /// # Errors
    /// As [`Store::ingest`].
    pub fn ingest_meant(
        &mut self,
        batches: Vec<Incoming>,
        meant: &[(Scope, AuthorId)],
        mode: ViewMode,
        durability: Durability,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.transaction(durability, |store| {
            let mut outcomes = Vec::with_capacity(batches.len());
            for (place, incoming) in batches.into_iter().enumerate() {
                outcomes.push(store.take(incoming, meant.get(place), mode)?);
            }
            Ok(outcomes)
        })
    }

    fn take(
        &mut self,
        incoming: Incoming,
        meant: Option<&(Scope, AuthorId)>,
        mode: ViewMode,
    ) -> Result<Outcome, StoreError> {
        let batch = match unpack(&incoming.packed, MAX_RAW) {
            Ok(batch) => batch,
            Err(error) => return Ok(Outcome::refused(None, Fate::Malformed(error))),
        };
        if meant.is_some_and(|(scope, author)| *scope != batch.scope || *author != batch.author) {
            let elsewhere = BadBatch::Unreadable(Unreadable::Unknown("the log that the batch speaks of"));
            return Ok(Outcome::refused(None, Fate::Malformed(elsewhere)));
        }
        let log = Some((batch.scope.clone(), batch.author));
        let Some(trust) = &self.index.trust else { return Ok(Outcome::refused(log, Fate::UnknownAuthor)) };
        let Some(public) = trust.public_key(batch.author) else {
            return Ok(Outcome::refused(log, Fate::UnknownAuthor));
        };
        let seal = match vouched(&batch, &incoming.seals, &public, trust.deployment()) {
            Vouched::Sealed(seal) => Some(seal),
            Vouched::NotYet => None,
            Vouched::Wrong => {
                if let Some(scope) = self.index.scope_no(&batch.scope) {
                    self.storage.remove_pending(scope, batch.author)?;
                }
                return Ok(Outcome::refused(log, Fate::BadSeal));
            }
        };
        let scope = self.scope_in_transaction(&batch.scope)?;
        let (batch, packed) = if planted!("erased-comes-back") {
            (batch, Some(incoming.packed))
        } else {
            self.without_erased(scope, batch, incoming.packed)
        };
        let author = batch.author;
        let (first, last) = (batch.first, batch.last());
        let chains = (batch.chain_of(first), batch.chain_of(last));
        let strands = self.index.strands_of(scope, author).count();
        let fate = self.place(scope, Verified { batch, packed, seal }, mode)?;
        let forked = strands > 0 && self.index.strands_of(scope, author).count() > strands;
        let head = match fate {
            Fate::Appended { .. } | Fate::Held => self.head_with(scope, author, (first, last), chains)?,
            _ => None,
        };
        if matches!(fate, Fate::Appended { .. })
            && let Some((_, author)) = &log
        {
            self.retry_pending(scope, *author, mode)?;
        }
        Ok(Outcome { log, fate, head, forked })
    }

    /// The place of the last held commit of a batch.
    fn head_with(
        &mut self,
        scope: u32,
        author: AuthorId,
        (first, last): (u64, u64),
        chains: (Option<ChainHash>, Option<ChainHash>),
    ) -> Result<Option<Entry>, StoreError> {
        let pieces = self.index.pieces_of(scope, author);
        for (seq, chain) in [(last, chains.1), (first, chains.0)] {
            for piece in pieces.iter().filter(|piece| (piece.first..=piece.last).contains(&seq)) {
                let here = if seq == piece.last {
                    piece.chain
                } else {
                    self.archive.chain_at(self.storage.as_ref(), piece.strand, seq)?
                };
                if Some(here) == chain {
                    // Held further than the batch goes, the rest is what the sender may lack.
                    let (seq, chain) = if seq == last { (last, here) } else { (piece.last, piece.chain) };
                    return Ok(Some(Entry { segment: piece.segment, seq, chain }));
                }
            }
        }
        Ok(None)
    }

    /// Finds where the sealed part belongs and appends it, after what waits before it for the same seal.
    fn place(&mut self, scope: u32, verified: Verified, mode: ViewMode) -> Result<Fate, StoreError> {
        let Verified { batch, packed, seal } = verified;
        let chains: Vec<ChainHash> = batch.commits.iter().map(|commit| commit.chain).collect();
        let plan = {
            let (archive, storage) = (&mut self.archive, self.storage.as_ref());
            let mut chain_at = |strand, seq| archive.chain_at(storage, strand, seq);
            attach(&self.index, scope, batch.author, batch.first, batch.prev, &chains, &mut chain_at)?
        };
        match &plan {
            Attach::Held => {
                return self.keep_seal_of_held(scope, &batch, seal.as_ref());
            }
            Attach::Gap { have } => {
                let have = *have;
                let Some(seal) = seal else {
                    let follows = self.waits_before(scope, &batch)? && !self.withholds(scope, &batch, batch.first);
                    let first = batch.first;
                    return if follows {
                        self.keep_pending(scope, batch, packed, first)
                    } else {
                        Ok(Fate::Gap { have })
                    };
                };
                // What waits is appended only if the batch follows it: the seal stands at its end.
                if self.withholds(scope, &batch, batch.first) {
                    return Ok(Fate::Withheld);
                }
                let Some(before) = self.place_before(scope, &batch, &seal, mode)? else {
                    return Ok(Fate::Gap { have });
                };
                let fate = self.place(scope, Verified { batch, packed, seal: Some(seal) }, mode)?;
                return Ok(before.and(fate));
            }
            Attach::OtherPast => return Ok(Fate::OtherPast),
            _ => {}
        }
        let from = match plan {
            Attach::Extend { from, .. } | Attach::Fork { from, .. } => from,
            _ => batch.first,
        };
        if self.withholds(scope, &batch, from) {
            return Ok(Fate::Withheld);
        }
        // A seal before that vouches only for what is held; the rest waits for its own.
        let Some(seal) = seal.filter(|seal| seal.seq >= from) else {
            return self.keep_pending(scope, batch, packed, from);
        };
        let mut strand = match plan {
            Attach::Extend { strand, .. } => self.index.strand(strand)?.clone(),
            Attach::Fork { strand, .. } => {
                if planted!("dropped-branch") {
                    return Ok(Fate::Held);
                }
                if self.index.strands_of(scope, batch.author).count() >= MAX_BRANCHES {
                    return Ok(Fate::TooManyBranches);
                }
                self.fork(scope, &batch, strand, from)?
            }
            _ => self.first_strand(scope, batch.author),
        };
        // A seal beyond the batch came with the commits that follow it.
        let (to, chain) = if seal.seq < batch.last() { (seal.seq, seal.chain) } else { (batch.last(), batch.head()) };
        let whole = from == batch.first && to == batch.last();
        let stored = match packed.filter(|_| whole) {
            Some(packed) => vec![PackedRun { first: from, last: to, packed }],
            None => batch.repack_in_runs(from, to)?,
        };
        let new = batch.commits.iter().filter(|commit| (from..=to).contains(&commit.header.seq));
        let changes: u64 = new.map(|commit| commit.header.changes.len() as u64).sum();
        (strand.head, strand.chain) = (to, chain);
        (strand.sealed, strand.sealed_chain) = (to, chain);
        strand.changes = strand.changes.saturating_add(changes);
        let follow = mode == ViewMode::Now && strand.viewed == from.saturating_sub(1);
        if follow {
            strand.viewed = strand.head;
        }
        let no = strand.no;
        self.storage.put_strand(&strand)?;
        for run in &stored {
            self.storage.put_blob(no, run.first, run.last, &run.packed)?;
        }
        if seal.seq == to {
            self.storage.put_seal(&StoredSeal { strand: no, seq: to, chain, signature: seal.signature })?;
        }
        self.index.keep(strand);
        if self.verdicts.names(scope, batch.author) && self.index.strands_of(scope, batch.author).count() > 1 {
            // Which side of a log that parted was accepted may only be known with this.
            self.apply_verdicts()?;
        }
        if follow {
            let held = held_of(&batch, no, from, to);
            self.follow_here(scope, &held)?;
        }
        if to < batch.last() {
            self.keep_pending(scope, batch, None, to.saturating_add(1))?;
        } else if whole && !follow && stored.len() == 1 {
            self.archive.keep(no, batch);
        }
        Ok(Fate::Appended { commits: to.saturating_sub(from).saturating_add(1), changes })
    }

    fn first_strand(&self, scope: u32, author: AuthorId) -> Strand {
        Strand {
            no: self.index.next_strand(),
            scope,
            author,
            first: 1,
            prev: ChainHash::ZERO,
            parent: None,
            head: 0,
            chain: ChainHash::ZERO,
            sealed: 0,
            sealed_chain: ChainHash::ZERO,
            viewed: 0,
            changes: 0,
        }
    }

    /// Starts the strand of a branch and cuts the strand that it leaves.
    fn fork(&mut self, scope: u32, batch: &UnpackedBatch, parent: u32, from: u64) -> Result<Strand, StoreError> {
        let missing = || StoreError::damaged("the place of a fork is missing");
        let before = if from == batch.first { Some(batch.prev) } else { batch.chain_of(from.saturating_sub(1)) };
        let before = before.ok_or_else(missing)?;
        let theirs = batch.chain_of(from).ok_or_else(missing)?;
        let mine = self.archive.chain_at(self.storage.as_ref(), parent, from)?;
        let strand = Strand {
            no: self.index.next_strand(),
            scope,
            author: batch.author,
            first: from,
            prev: before,
            parent: Some(parent),
            head: from.saturating_sub(1),
            chain: before,
            sealed: from.saturating_sub(1),
            sealed_chain: before,
            viewed: from.saturating_sub(1),
            changes: 0,
        };
        self.storage.put_strand(&strand)?;
        for cut in [
            Cut { strand: parent, seq: from, before, at: mine },
            Cut { strand: strand.no, seq: from, before, at: theirs },
        ] {
            let cuts = self.index.cuts.entry(cut.strand).or_default();
            if !cuts.contains(&cut) {
                self.storage.put_cut(&cut)?;
                cuts.push(cut);
                cuts.sort_by_key(|cut| cut.seq);
            }
        }
        Ok(strand)
    }

    /// A duplicate may bring a seal for commits of ours that had none.
    fn keep_seal_of_held(
        &mut self,
        scope: u32,
        batch: &UnpackedBatch,
        seal: Option<&Seal>,
    ) -> Result<Fate, StoreError> {
        if let Some(seal) = seal {
            let found = self
                .index
                .strands_of(scope, batch.author)
                .find(|strand| strand.head == seal.seq && strand.chain == seal.chain && strand.sealed < seal.seq);
            if let Some(mut strand) = found.cloned() {
                strand.sealed = seal.seq;
                strand.sealed_chain = seal.chain;
                let signature = seal.signature;
                self.storage.put_seal(&StoredSeal {
                    strand: strand.no,
                    seq: seal.seq,
                    chain: seal.chain,
                    signature,
                })?;
                self.storage.put_strand(&strand)?;
                self.index.keep(strand);
            }
        }
        Ok(Fate::Held)
    }

    /// Lets the views follow changes that arrived, then whatever verdicts among them decide.
    pub(crate) fn follow_here(&mut self, scope: u32, held: &[Held<'_>]) -> Result<(), StoreError> {
        self.follower().follow(scope, held)?;
        if held.iter().any(|held| matches!(held.entry.record_type.as_str(), "verdict" | "revocation")) {
            self.apply_verdicts()?;
        }
        if held.iter().any(|held| held.entry.record_type == "certificate") {
            self.apply_certificates(held)?;
        }
        if held.iter().any(|held| held.entry.record_type == "erasure") {
            self.apply_erasures(scope)?;
        }
        Ok(())
    }
}

/// The changes of commits `from` to `to` of a batch, as they will stand on a strand.
pub(crate) fn held_of(batch: &UnpackedBatch, strand: u32, from: u64, to: u64) -> Vec<Held<'_>> {
    let mut held = Vec::new();
    for (place, commit) in batch.commits.iter().enumerate() {
        let seq = commit.header.seq;
        if !(from..=to).contains(&seq) {
            continue;
        }
        for (index, entry) in commit.header.changes.iter().enumerate() {
            let Some(position) = Position::new(strand, seq, index) else { continue };
            held.push(Held {
                position,
                author: batch.author,
                seq,
                chain: commit.chain,
                entry,
                body: batch.body(place, index),
                hashed: batch.is_hashed_chunk(place, index),
            });
        }
    }
    held
}
