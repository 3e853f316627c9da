//! One exchange with a device: the session's questions, answered by the writer.

use std::sync::{Arc, Mutex, PoisonError};

use lastmile_log::{AuthorKey, Certificate, Deployment, Receipt};
use lastmile_model::{AuthorId, ChainHash, Scope};
use lastmile_protocol::{
    Access, Code, Effect, Notice, Outcome, OutgoingBatch, ReadRequest, ReceiptWant, SegmentPositions, Session,
    SessionError,
};

use crate::RelayError;
use crate::rates::Payer;
use crate::vectors::Vectors;
use crate::writer::{Brought, Writer};

/// When a device that could not be served comes again.
pub(crate) const RETRY_MS: u64 = 5_000;

/// The most sealed places that an exchange remembers of what it was brought.
const BROUGHT: usize = 64;

/// A place in a log that a seal vouches for.
type Place = (Scope, AuthorId, u64, ChainHash);

/// What answers one session.
pub(crate) struct Exchange {
    pub writer: Writer,
    pub office: AuthorKey,
    pub deployment: Deployment,
    /// Who is at the other end.
    pub peer: AuthorId,
    /// On whose account that goes.
    pub payer: Payer,
    /// What devices were seen to hold.
    pub vectors: Arc<Vectors>,
    /// The sealed places of what was brought last.
    pub brought: Mutex<Vec<Place>>,
}

/// Why an exchange went no further; the peer has been told.
enum Ended {
    Session(SessionError),
    Host,
}

impl From<SessionError> for Ended {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl Exchange {
    /// Answers one whole request: the body without its signature in, the response out, and the code if it was refused.
    pub async fn answer(&self, session: &mut Session, body: &[u8]) -> (Vec<u8>, Option<Outcome>, Option<Code>) {
        let mut output = Vec::new();
        let (mut outcome, mut refused): (Option<Outcome>, _) = (None, None);
        if let Err(ended) = self.feed(session, body, &mut output, &mut outcome).await {
            match ended {
                Ended::Session(error) => tracing::info!(author = %self.peer, %error, "an exchange broke the protocol"),
                Ended::Host => tracing::warn!(author = %self.peer, "an exchange could not be answered"),
            }
            flush(session, &mut output, &mut outcome);
            refused = outcome.as_ref().and_then(|outcome| outcome.error);
        }
        (output, outcome, refused)
    }

    async fn feed(
        &self,
        session: &mut Session,
        mut input: &[u8],
        output: &mut Vec<u8>,
        outcome: &mut Option<Outcome>,
    ) -> Result<(), Ended> {
        self.pump(session, output, outcome).await?;
        while !input.is_empty() && !session.is_over() {
            let received = session.receive(input);
            self.pump(session, output, outcome).await?;
            input = input.get(received?..).unwrap_or_default();
        }
        session.end_of_input();
        self.pump(session, output, outcome).await
    }

    /// Answers every open effect.
    async fn pump(
        &self,
        session: &mut Session,
        output: &mut Vec<u8>,
        outcome: &mut Option<Outcome>,
    ) -> Result<(), Ended> {
        while let Some(effect) = session.next_effect() {
            match effect {
                Effect::Send(bytes) => output.extend(bytes),
                Effect::Done(done) => *outcome = Some(done),
                Effect::Notice(notice) => self.note(&notice),
                other => {
                    if let Err(code) = self.serve(session, other).await? {
                        session.abort(code, RETRY_MS);
                        return Err(Ended::Host);
                    }
                }
            }
        }
        Ok(())
    }

    /// Answers one question; the inner error is what the peer is told when it cannot be.
    pub async fn serve(&self, session: &mut Session, effect: Effect) -> Result<Result<(), Code>, SessionError> {
        match effect {
            Effect::Store(request) => {
                let token = request.token;
                let seals =
                    request.batches.iter().flat_map(|batch| batch.seals.iter().map(|seal| (&batch.scope, seal)));
                self.note_brought(seals.map(|(scope, seal)| (scope.clone(), seal.author, seal.seq, seal.chain)));
                let brought = Brought { by: self.payer, certificates: request.certificates, batches: request.batches };
                match self.writer.upload(brought).await {
                    Ok(stored) => session.stored(token, stored)?,
                    Err(code) => return Ok(Err(code)),
                }
            }
            Effect::Read(request) => {
                let (token, scope) = (request.token, request.scope.clone());
                match self.read(request).await {
                    Ok(Some((batches, exhausted))) => session.batches(token, batches, exhausted)?,
                    Ok(None) => {
                        session.set_access(&scope, Access::UploadOnly);
                        session.batches(token, Vec::new(), true)?;
                    }
                    Err(error) => return Ok(Err(failed(&error))),
                }
            }
            Effect::ReadPositions { token, scope, author } => {
                let peer = self.peer;
                let paths = self.writer.ask(move |central| {
                    let takes_part = central.access_now(peer, &scope)?.is_some();
                    Ok(if takes_part { central.store.positions(&scope, author)? } else { Vec::new() })
                });
                match paths.await {
                    Ok(paths) => {
                        let paths =
                            paths.into_iter().map(|(segment, positions)| SegmentPositions { segment, positions });
                        session.positions(token, paths.collect())?;
                    }
                    Err(error) => return Ok(Err(failed(&error))),
                }
            }
            Effect::ReadCertificates { token, authors } => match self.certificates(authors).await {
                Ok(certificates) => session.certificates(token, certificates)?,
                Err(error) => return Ok(Err(failed(&error))),
            },
            Effect::ReadReceipts { token, wants } => match self.receipts(wants).await {
                Ok(receipts) => session.receipts(token, receipts)?,
                Err(error) => return Ok(Err(failed(&error))),
            },
            Effect::PeerVector { scope, vector } => self.vectors.note(self.peer, scope, vector),
            // A relay signs its own receipts, and makes sure of peers before a session.
            Effect::KeepReceipts(_) | Effect::Flush => {}
            Effect::Sign(_) | Effect::Authorise(_) => return Ok(Err(Code::OutOfOrder)),
            Effect::Send(_) | Effect::Done(_) | Effect::Notice(_) => {}
        }
        Ok(Ok(()))
    }

    /// Reads what is to be sent; none if the peer may not read the scope any more. It is asked each time, not when the exchange began.
    async fn read(&self, request: ReadRequest) -> Result<Option<(Vec<OutgoingBatch>, bool)>, RelayError> {
        let peer = self.peer;
        let read = self.writer.ask(move |central| {
            let ReadRequest { scope, segment, through, after, limit_bytes, .. } = request;
            if central.access_now(peer, &scope)? != Some(Access::Full) {
                return Ok(None);
            }
            Ok(Some(central.store.path_to(&scope, &segment, through, after, limit_bytes)?))
        });
        let Some((batches, exhausted)) = read.await? else { return Ok(None) };
        let batch =
            |one: lastmile_store::Outgoing| OutgoingBatch { through: one.last, packed: one.packed, seals: one.seals };
        Ok(Some((batches.into_iter().map(batch).collect(), exhausted)))
    }

    async fn certificates(&self, authors: Vec<AuthorId>) -> Result<Vec<Certificate>, RelayError> {
        self.writer
            .ask(move |central| {
                let trust = central.trust()?;
                let mut all: Vec<Certificate> = Vec::new();
                for certificate in authors.iter().flat_map(|author| trust.chain_of(*author)) {
                    if !all.contains(&certificate) {
                        all.push(certificate);
                    }
                }
                Ok(all)
            })
            .await
    }

    fn note_brought(&self, places: impl Iterator<Item = Place>) {
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        brought.extend(places);
        let over = brought.len().saturating_sub(BROUGHT);
        brought.drain(..over);
    }

    /// Signs what is durable here: the writer shows a log only after its transaction.
    ///
    /// Whoever is served nothing may hold less of a log than there is here, as a copy of a revoked device does: the receipt of what lies
    /// beyond says nothing to it, so it has one of what it brought as well.
    async fn receipts(&self, wants: Vec<ReceiptWant>) -> Result<Vec<Receipt>, RelayError> {
        let peer = self.peer;
        let brought = std::mem::take(&mut *self.brought.lock().unwrap_or_else(PoisonError::into_inner));
        let heads = self.writer.ask(move |central| {
            let mut heads = Vec::new();
            for want in wants {
                let mut held = central.store.sealed_heads(&want.scope, want.author);
                if central.access(peer, &want.scope, central.now_ms())? != Some(Access::Full) {
                    for (scope, author, seq, chain) in &brought {
                        let of_want = (scope, author) == (&want.scope, &want.author) && !held.contains(&(*seq, *chain));
                        if of_want && central.store.holds(scope, *author, *seq, *chain)? {
                            held.push((*seq, *chain));
                        }
                    }
                }
                let of_use = held.into_iter().filter(|(seq, _)| *seq > want.above);
                heads.extend(of_use.map(|(seq, chain)| (want.scope.clone(), want.author, seq, chain)));
            }
            Ok(heads)
        });
        let sign =
            |(scope, author, seq, chain)| Receipt::sign(&self.office, &self.deployment, &scope, author, seq, chain);
        Ok(heads.await?.into_iter().map(sign).collect())
    }

    pub fn note(&self, notice: &Notice) {
        match notice {
            Notice::Forked { scope, author } => {
                tracing::warn!(%scope, %author, "copies of a log have parted; both are kept")
            }
            Notice::NotTaken { scope, author, code } => {
                tracing::warn!(%scope, ?author, %code, peer = %self.peer, "a batch was not taken");
            }
            Notice::OwnLogAhead { scope, entry } => {
                tracing::error!(%scope, seq = entry.seq, peer = %self.peer,
                    "a device holds more of the office's log than this relay: was it restored from a backup?");
            }
            Notice::PeerBehindItself { scope, .. } => {
                tracing::warn!(%scope, peer = %self.peer, "a device was restored or copied");
            }
            Notice::PeerError(error) => {
                tracing::warn!(peer = %self.peer, code = %error.code, "a device reports an error")
            }
            Notice::Met { .. } | Notice::OtherEpoch(_) | Notice::CutShort => {}
        }
    }
}

fn failed(error: &RelayError) -> Code {
    tracing::error!(%error, "an exchange's question could not be answered");
    error.code()
}

/// Takes what the session still has to say.
fn flush(session: &mut Session, output: &mut Vec<u8>, outcome: &mut Option<Outcome>) {
    while let Some(effect) = session.next_effect() {
        match effect {
            Effect::Send(bytes) => output.extend(bytes),
            Effect::Done(done) => *outcome = Some(done),
            _ => {}
        }
    }
}
