//! Taking what exchanges bring into the store: certificates, quota, batches, and the answer in the session's words.

use std::collections::BTreeMap;

use lastmile_log::{Certificate, Deployment, Entry, Issuer, Segment, Standing, Trust};
use lastmile_model::{AuthorId, ChainHash, Scope, ScopeKind, planted};
use lastmile_protocol::{BatchOutcome, Stored};
use lastmile_store::{Durability, Fate, Incoming, Outcome, ViewMode};

use crate::RelayError;
use crate::central::Central;
use crate::writer::Brought;

/// The most authors that a device may certify to go on for one of its own.
const MOST_SUCCESSORS: usize = 32;

/// Whether an author may be taken for the one that goes on for another: the office has not certified it for itself, and there are not
/// too many.
fn may_succeed(trust: &Trust, deployment: &Deployment, before: AuthorId, new: &Certificate) -> bool {
    let author = new.author(deployment);
    let known = trust.certificates(author).any(|one| !matches!(one.issuer, Issuer::Predecessor(_)));
    let others = trust.successors(before).filter(|other| *other != author);
    !known && others.count() < MOST_SUCCESSORS
}

/// Whether a batch goes to the store, or why not.
enum Ticket {
    Goes,
    OverQuota,
}

impl Central {
    /// Keeps certificates that count and tell something new; others would only fill the memory.
    pub fn keep_certificates(&mut self, certificates: &[Certificate]) -> Result<(), RelayError> {
        let trust = self.trust()?;
        let is_new = |one: &&Certificate| trust.certificates(one.author(&self.deployment)).all(|known| known != *one);
        let new: Vec<&Certificate> = certificates.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        // Only of those concerned: an office has thousands of devices, and anybody may bring certificates.
        let concerned = new.iter().flat_map(|one| [Some(one.author(&self.deployment)), one.issuer.author()]);
        let mut trial = trust.about(concerned.flatten());
        let mut wanted: Vec<Certificate> = Vec::new();
        for one in new {
            if let Issuer::Predecessor(before) = one.issuer
                && !may_succeed(&trial, &self.deployment, before, one)
            {
                continue;
            }
            if trial.add(one.clone()) == Standing::Certified {
                wanted.push(one.clone());
            }
        }
        if wanted.is_empty() { Ok(()) } else { Ok(self.store.add_certificates(&wanted)?) }
    }

    /// Stores the batches of several exchanges in one transaction; nothing of it is kept when this fails.
    pub fn ingest(&mut self, requests: Vec<Brought>) -> Result<Vec<Stored>, RelayError> {
        let certificates: Vec<Certificate> =
            requests.iter().flat_map(|request| request.certificates.iter().cloned()).collect();
        self.keep_certificates(&certificates)?;
        let now_ms = self.now_ms();
        let (mut incoming, mut meant, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
        for batches in requests.into_iter().map(|request| request.batches) {
            let mut of_request = Vec::with_capacity(batches.len());
            for batch in batches {
                // Whom a device certifies to go on for it has no day of its own and begins no first import.
                let trust = self.trust()?;
                let device = if planted!("daily-by-author") { batch.author } else { trust.first_of(batch.author) };
                let by_office = trust.certificates(device).filter(|known| matches!(known.issuer, Issuer::Office(_)));
                let since = by_office.map(|known| known.from_ms).min().unwrap_or(i64::MIN);
                let over = self.quota.is_used_up(&batch.scope, device, since, now_ms);
                of_request.push((
                    batch.scope.clone(),
                    batch.author,
                    if over { Ticket::OverQuota } else { Ticket::Goes },
                ));
                if !over {
                    meant.push((batch.scope, (batch.author, device), batch.packed.len() as u64));
                    incoming.push(Incoming { packed: batch.packed, seals: batch.seals });
                }
            }
            tickets.push(of_request);
        }
        let logs: Vec<_> = meant.iter().map(|(scope, (author, _), _)| (scope.clone(), *author)).collect();
        assert!(incoming.is_empty() || !planted!("gate-panics"), "planted");
        let outcomes = self.store.ingest_meant(incoming, &logs, ViewMode::Later, Durability::Full)?;
        for ((scope, (author, device), bytes), outcome) in meant.iter().zip(&outcomes) {
            if let Fate::Appended { commits, .. } = outcome.fate {
                self.quota.took(scope, *device, commits, *bytes, now_ms);
                if scope.kind() == ScopeKind::City {
                    // What was appended is safe; a certificate that could not be written now is written at the next start.
                    if let Err(error) = self.introduce(scope, *author) {
                        tracing::error!(%error, %author, "the author's certificate cannot be passed on yet");
                    }
                }
            }
        }
        let mut outcomes = outcomes.iter();
        let mut answers = Vec::with_capacity(tickets.len());
        for of_request in tickets {
            let mut vectors = BTreeMap::new();
            let mut said = Vec::with_capacity(of_request.len());
            for (scope, author, ticket) in of_request {
                said.push(match ticket {
                    Ticket::OverQuota => BatchOutcome::OverQuota(author),
                    Ticket::Goes => outcomes
                        .next()
                        .map_or(BatchOutcome::Refused { author: Some(author) }, |outcome| self.say(outcome, author)),
                });
                vectors.entry(scope).or_insert(());
            }
            let vectors: Vec<(Scope, _)> =
                vectors.into_keys().map(|scope| (scope.clone(), self.store.vector(&scope))).collect();
            answers.push(Stored { outcomes: said, vectors });
        }
        Ok(answers)
    }

    /// Says in the session's words what became of a batch.
    fn say(&self, outcome: &Outcome, author: AuthorId) -> BatchOutcome {
        let Some((scope, _)) = &outcome.log else { return BatchOutcome::Refused { author: Some(author) } };
        let nowhere = Entry { segment: Segment::trunk(author), seq: 0, chain: ChainHash::ZERO };
        let head = outcome.head.unwrap_or(nowhere);
        match &outcome.fate {
            Fate::Appended { .. } if outcome.forked => BatchOutcome::Fork(head),
            Fate::Appended { .. } => BatchOutcome::Appended(head),
            Fate::Held => BatchOutcome::Duplicate(head),
            Fate::Pending => BatchOutcome::Pending(author),
            Fate::Gap { have } => BatchOutcome::Gap { author, have: *have },
            Fate::OtherPast => BatchOutcome::NeedsForkPoint(author),
            Fate::UnknownAuthor => BatchOutcome::UnknownAuthor(author),
            Fate::BadSeal => {
                let have = self.store.sealed_heads(scope, author).into_iter().map(|(seq, _)| seq).max().unwrap_or(0);
                BatchOutcome::BadSeal { author, have }
            }
            Fate::TooManyBranches => BatchOutcome::TooManyBranches(author),
            Fate::Malformed(_) | Fate::Withheld => BatchOutcome::Refused { author: Some(author) },
        }
    }
}
