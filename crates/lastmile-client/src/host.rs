//! Answers a sync session from a replica's store.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_log::{AuthorKey, Certificate, Entry, Receipt, Segment, Vector};
use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::frame::ErrorFrame;
use lastmile_protocol::{
    Access, BatchOutcome, Code, Host, LocalScope, Notice, OutgoingBatch, ReadRequest, ReceiptWant, SegmentPositions,
    StoreRequest, Stored, request,
};
use lastmile_store::{Durability, Fate, Incoming, Outcome, Store, StoreError, ViewMode};

use crate::status::Refusal;

/// What a session learnt that outlives it.
#[derive(Debug, Default, Clone)]
pub struct Learnt {
    /// What the peer holds, by scope.
    pub peer: BTreeMap<Scope, Vector>,
    /// The relay's epoch, when it is another than known.
    pub epoch: Option<AuthorId>,
    /// The epoch that a relay says it has, which refused the one known here; to be believed by its certificates alone.
    pub told_epoch: Option<AuthorId>,
    /// The relay's time, when it refused a request because the clocks are too far apart.
    pub told_time: Option<i64>,
    /// Whether a peer holds more of this device's own log than the device: it was restored or copied.
    pub own_log_ahead: bool,
    /// Logs that part.
    pub forks: u64,
    /// Receipts that verified.
    pub receipts: u64,
    /// Whether something came that was not held, or a receipt of something that had none.
    pub news: bool,
    /// Logs that were received and could not be taken.
    pub not_taken: u64,
    /// Whether the peer's bytes ended early.
    pub cut_short: bool,
    /// What the peer refused of single scopes and authors.
    pub refused: BTreeSet<Refusal>,
    /// Authors that the present session introduced because the peer did not know them.
    pub introduced: BTreeSet<Refusal>,
}

impl Learnt {
    /// Notes what the peer refused; what ends the exchange stands in its outcome.
    fn note_refusal(&mut self, error: &ErrorFrame) {
        if error.code == Code::WrongEpoch {
            self.told_epoch = error.arguments.first().and_then(|text| text.parse().ok());
        }
        if error.code == Code::WrongClock {
            self.told_time = error.arguments.first().and_then(|text| text.parse().ok());
        }
        let refusal = Refusal {
            code: error.code,
            scope: error.arguments.first().and_then(|text| text.parse().ok()),
            author: error.arguments.get(1).and_then(|text| text.parse().ok()),
        };
        tracing::warn!(code = %error.code, scope = ?refusal.scope, author = ?refusal.author, "the peer reports an error");
        // An author that the peer does not know is introduced to it; only if it then still does not is something refused.
        let answered = error.code == Code::AuthorUnknown && self.introduced.insert(refusal.clone());
        if !error.code.is_fatal() && !answered {
            self.refused.insert(refusal);
        }
    }
}

/// A store as a session's host.
pub struct StoreHost<'s> {
    /// The replica.
    pub store: &'s mut Store,
    /// The device's key, to sign for a peer.
    pub key: &'s AuthorKey,
    /// The present time, in milliseconds since 1970.
    pub now_ms: i64,
    /// How sure received batches must be: those from the relay can be fetched again.
    pub durability: Durability,
    /// Whether the peer of a stream has to be the relay itself.
    pub relay_only: bool,
    /// What is learnt.
    pub learnt: &'s mut Learnt,
}

/// Describes the scopes of a store for a session with a peer that is believed to hold `peer`. The device is the first of
/// `own`; the others are authors that it was before.
///
/// # Errors
/// When the storage fails.
pub fn local_scopes(
    store: &mut Store,
    own: &[AuthorId],
    peer: &BTreeMap<Scope, Vector>,
) -> Result<Vec<LocalScope>, StoreError> {
    let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
    // A hello asks for receipts of the speaker's own log alone. What it wrote as another author is offered until there is a receipt, even if
    // the peer is known to hold it.
    let mut owed = false;
    for former in own.iter().skip(1) {
        owed = owed || store.unsent(*former)?.commits > 0;
    }
    let mut local = Vec::with_capacity(scopes.len());
    for scope in scopes {
        let receipted = store.receipted(&scope)?;
        let mut one = LocalScope::new(scope.clone(), store.vector(&scope));
        one.pending = store.pending_heads(&scope)?;
        one.receipted = own.first().map_or(Ok(0), |author| store.own_receipted(&scope, *author))?;
        one.peer_has = Some(peer.get(&scope).filter(|_| !owed).cloned().unwrap_or(receipted));
        local.push(one);
    }
    Ok(local)
}

fn receipts_of(store: &Store, logs: &BTreeSet<(&Scope, AuthorId)>) -> Result<Vec<Receipt>, StoreError> {
    let mut found = Vec::new();
    for (scope, author) in logs {
        found.extend(store.receipts_of(scope, *author)?);
    }
    Ok(found)
}

/// Says in the session's words what became of a batch.
#[must_use]
pub fn outcome_for(store: &Store, outcome: &Outcome) -> BatchOutcome {
    let Some((scope, author)) = &outcome.log else { return BatchOutcome::Refused { author: None } };
    let author = *author;
    let head = outcome.head.unwrap_or(Entry {
        segment: Segment::trunk(author),
        seq: 0,
        chain: lastmile_model::ChainHash::ZERO,
    });
    let have = || store.sealed_heads(scope, author).into_iter().map(|(seq, _)| seq).max().unwrap_or(0);
    match &outcome.fate {
        Fate::Appended { .. } if outcome.forked => BatchOutcome::Fork(head),
        Fate::Appended { .. } => BatchOutcome::Appended(head),
        Fate::Held => BatchOutcome::Duplicate(head),
        Fate::Pending => BatchOutcome::Pending(author),
        Fate::Gap { have } => BatchOutcome::Gap { author, have: *have },
        Fate::OtherPast => BatchOutcome::NeedsForkPoint(author),
        Fate::UnknownAuthor => BatchOutcome::UnknownAuthor(author),
        Fate::BadSeal => BatchOutcome::BadSeal { author, have: have() },
        Fate::TooManyBranches => BatchOutcome::TooManyBranches(author),
        Fate::Malformed(_) | Fate::Withheld => BatchOutcome::Refused { author: Some(author) },
    }
}

impl Host for StoreHost<'_> {
    type Error = StoreError;

    fn store(&mut self, request: StoreRequest) -> Result<Stored, StoreError> {
        if !request.certificates.is_empty() {
            self.store.add_certificates(&request.certificates)?;
        }
        let meant: Vec<(Scope, AuthorId)> =
            request.batches.iter().map(|batch| (batch.scope.clone(), batch.author)).collect();
        let incoming =
            request.batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect();
        let mode = if planted!("late-views") { ViewMode::Later } else { ViewMode::Now };
        let outcomes = self.store.ingest_meant(incoming, &meant, mode, self.durability)?;
        self.learnt.news |= outcomes.iter().any(|outcome| matches!(outcome.fate, Fate::Appended { .. }));
        let outcomes = outcomes.iter().map(|outcome| outcome_for(self.store, outcome)).collect();
        let mut vectors: BTreeMap<Scope, Vector> = BTreeMap::new();
        for (scope, _) in meant {
            let vector = self.store.vector(&scope);
            vectors.insert(scope, vector);
        }
        Ok(Stored { outcomes, vectors: vectors.into_iter().collect() })
    }

    fn read(&mut self, request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), StoreError> {
        let (batches, whole) = self.store.path_to(
            &request.scope,
            &request.segment,
            request.through,
            request.after,
            request.limit_bytes,
        )?;
        let batches = batches
            .into_iter()
            .map(|batch| OutgoingBatch { through: batch.last, packed: batch.packed, seals: batch.seals })
            .collect();
        Ok((batches, whole))
    }

    fn positions(&mut self, scope: &Scope, author: AuthorId) -> Result<Vec<SegmentPositions>, StoreError> {
        let paths = self.store.positions(scope, author)?;
        Ok(paths.into_iter().map(|(segment, positions)| SegmentPositions { segment, positions }).collect())
    }

    fn certificates(&mut self, authors: &[AuthorId]) -> Result<Vec<Certificate>, StoreError> {
        let mut chain: Vec<Certificate> = Vec::new();
        if let Some(trust) = self.store.trust() {
            for author in authors {
                for certificate in trust.chain_of(*author) {
                    if !chain.contains(&certificate) {
                        chain.push(certificate);
                    }
                }
            }
        }
        Ok(chain)
    }

    fn receipts(&mut self, wants: &[ReceiptWant]) -> Result<Vec<Receipt>, StoreError> {
        let mut found = Vec::new();
        for want in wants {
            let kept = self.store.receipts_of(&want.scope, want.author)?;
            found.extend(kept.into_iter().filter(|receipt| receipt.seq > want.above));
        }
        Ok(found)
    }

    fn keep_receipts(&mut self, receipts: Vec<Receipt>) -> Result<(), StoreError> {
        let logs: BTreeSet<(&Scope, AuthorId)> =
            receipts.iter().map(|receipt| (&receipt.scope, receipt.author)).collect();
        let before = receipts_of(self.store, &logs)?;
        let kept = self.store.add_receipts(&receipts)?;
        self.learnt.news |= receipts_of(self.store, &logs)? != before;
        self.learnt.receipts = self.learnt.receipts.saturating_add(kept as u64);
        Ok(())
    }

    fn peer_vector(&mut self, scope: Scope, vector: Vector) -> Result<(), StoreError> {
        self.learnt.peer.insert(scope, vector);
        Ok(())
    }

    fn sign(&mut self, request: &request::SignRequest) -> Option<(i64, [u8; 64])> {
        Some((self.now_ms, request.sign(self.key, self.now_ms)))
    }

    fn authorise(&mut self, request: &request::AuthoriseRequest) -> Result<Vec<(Scope, Access)>, Code> {
        self.store.add_certificates(&request.certificates).map_err(|_| Code::Internal)?;
        let trust = self.store.trust().ok_or(Code::UnknownAuthor)?;
        let signer = request.signed.signer;
        let public = trust.public_key(signer).ok_or(Code::UnknownAuthor)?;
        if !request.verify(&public) {
            return Err(Code::BadSignature);
        }
        if request.auth.time_ms.abs_diff(self.now_ms) > lastmile_protocol::limits::AUTH_WINDOW_MS.cast_unsigned() {
            return Err(Code::WrongClock);
        }
        if self.relay_only {
            // A colleague's device, or a relay of a former epoch, is not whom this device means to talk to.
            let epoch = self.store.epoch().map_err(|_| Code::Internal)?;
            if !trust.is_office(signer) || epoch.is_some_and(|known| known != signer) {
                return Err(Code::WrongEpoch);
            }
        }
        let certificate = trust.in_force(signer).ok_or(Code::UnknownAuthor)?;
        if certificate.until_ms.is_some_and(|until| until < self.now_ms) && !planted!("meets-anybody") {
            return Err(Code::UnknownAuthor);
        }
        let whole = trust.is_office(signer);
        let named = |scope: &Scope| whole || trust.certificates(signer).any(|one| one.scopes.contains(scope));
        let access = |scope: &Scope| {
            let now = whole || (certificate.scopes.contains(scope) && !self.store.is_revoked(scope, signer));
            // Whoever was revoked or moved away may bring what it holds, and is given nothing.
            if now || planted!("meets-anybody") { Access::Full } else { Access::UploadOnly }
        };
        let mine = self.store.scopes().map(|(_, scope)| scope.clone());
        Ok(mine.filter(named).map(|scope| (scope.clone(), access(&scope))).collect())
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Met { epoch, .. } => self.learnt.epoch = epoch.or(self.learnt.epoch),
            Notice::OtherEpoch(epoch) => self.learnt.epoch = Some(epoch),
            Notice::OwnLogAhead { .. } => self.learnt.own_log_ahead = true,
            Notice::Forked { scope, author } => {
                self.learnt.forks = self.learnt.forks.saturating_add(1);
                tracing::warn!(%scope, %author, "copies of a log have parted; both are kept");
            }
            Notice::PeerError(error) => self.learnt.note_refusal(&error),
            Notice::NotTaken { scope, author, code } => {
                self.learnt.not_taken = self.learnt.not_taken.saturating_add(1);
                tracing::warn!(%scope, ?author, %code, "a batch was not taken");
            }
            Notice::PeerBehindItself { scope, .. } => tracing::info!(%scope, "the peer was restored or copied"),
            Notice::CutShort => {
                self.learnt.cut_short = true;
                tracing::info!("the peer's bytes ended early; what came whole is kept");
            }
        }
    }
}
