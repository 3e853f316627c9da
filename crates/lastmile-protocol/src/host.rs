//! The host's side of a session as a trait, for hosts that answer at once.

use lastmile_log::{Certificate, Receipt, Vector};
use lastmile_model::{AuthorId, Scope};

use crate::code::Code;
use crate::positions::SegmentPositions;
use crate::request::{AuthoriseRequest, SignRequest};
use crate::session::{
    Access, Effect, Notice, Outcome, OutgoingBatch, ReadRequest, ReceiptWant, Session, SessionError, StoreRequest,
    Stored,
};

/// Who answers a session: a store, keys and trust.
pub trait Host {
    /// What goes wrong on the host's side, e.g. a full disk.
    type Error;

    /// Stores certificates and batches; what the answer claims is durable when it returns.
    ///
    /// # Errors
    /// When storing failed; the exchange is given up and the peer told to repeat it.
    fn store(&mut self, request: StoreRequest) -> Result<Stored, Self::Error>;

    /// Reads batches along the path of a segment, and tells whether nothing lies beyond them.
    ///
    /// # Errors
    /// When reading failed.
    fn read(&mut self, request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), Self::Error>;

    /// Reads positions of all segments of an author.
    ///
    /// # Errors
    /// When reading failed.
    fn positions(&mut self, scope: &Scope, author: AuthorId) -> Result<Vec<SegmentPositions>, Self::Error>;

    /// Reads the certificates that lead from these authors to root, issuers first.
    ///
    /// # Errors
    /// When reading failed.
    fn certificates(&mut self, authors: &[AuthorId]) -> Result<Vec<Certificate>, Self::Error>;

    /// Signs receipts (a relay) or reads those of a relay (a device).
    ///
    /// # Errors
    /// When reading failed.
    fn receipts(&mut self, wants: &[ReceiptWant]) -> Result<Vec<Receipt>, Self::Error>;

    /// Verifies and keeps receipts.
    ///
    /// # Errors
    /// When storing failed.
    fn keep_receipts(&mut self, receipts: Vec<Receipt>) -> Result<(), Self::Error>;

    /// Remembers what the peer holds.
    ///
    /// # Errors
    /// When storing failed.
    fn peer_vector(&mut self, scope: Scope, vector: Vector) -> Result<(), Self::Error> {
        let _ = (scope, vector);
        Ok(())
    }

    /// Signs for the peer of a stream, at the present time in milliseconds; none when this host has no key for it.
    fn sign(&mut self, request: &SignRequest) -> Option<(i64, [u8; 64])> {
        let _ = request;
        None
    }

    /// Decides whether the peer of a stream is who it says and what it may do.
    ///
    /// # Errors
    /// The code that the peer is told.
    fn authorise(&mut self, request: &AuthoriseRequest) -> Result<Vec<(Scope, Access)>, Code> {
        let _ = request;
        Err(Code::UnknownAuthor)
    }

    /// Returns what the peer is told when this host fails, and when to come again, in milliseconds.
    fn failure(&self, error: &Self::Error) -> (Code, u64) {
        let _ = error;
        (Code::Internal, 0)
    }

    /// Takes note of something.
    fn notice(&mut self, notice: Notice) {
        let _ = notice;
    }
}

/// Why driving a session stopped.
#[derive(Debug, thiserror::Error)]
pub enum DriveError<E> {
    /// The host failed; the peer was told to come again.
    #[error("the host could not answer the session")]
    Host(#[source] E),
    /// The session ended with an error.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What came of driving a session as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Driven {
    /// Whether the request is complete and waits for its response.
    pub flushed: bool,
    /// How the exchange ended, if it did.
    pub done: Option<Outcome>,
}

/// Answers every open effect; bytes for the peer go to `output`.
///
/// # Errors
/// [`DriveError::Host`] when the host fails: the session has then been aborted, and `output` tells the peer.
pub fn pump<H: Host>(
    session: &mut Session,
    host: &mut H,
    output: &mut Vec<u8>,
) -> Result<Driven, DriveError<H::Error>> {
    let mut driven = Driven::default();
    while let Some(effect) = session.next_effect() {
        match answer(session, host, output, &mut driven, effect) {
            Err(DriveError::Host(error)) => {
                let (code, retry_after_ms) = host.failure(&error);
                session.abort(code, retry_after_ms);
                while let Some(effect) = session.next_effect() {
                    if let Effect::Send(bytes) = effect {
                        output.extend(bytes);
                    }
                }
                return Err(DriveError::Host(error));
            }
            other => other?,
        }
    }
    Ok(driven)
}

fn answer<H: Host>(
    session: &mut Session,
    host: &mut H,
    output: &mut Vec<u8>,
    driven: &mut Driven,
    effect: Effect,
) -> Result<(), DriveError<H::Error>> {
    match effect {
        Effect::Send(bytes) => output.extend(bytes),
        Effect::Flush => driven.flushed = true,
        Effect::Store(request) => {
            let token = request.token;
            let stored = host.store(request).map_err(DriveError::Host)?;
            session.stored(token, stored)?;
        }
        Effect::Read(request) => {
            let (batches, exhausted) = host.read(&request).map_err(DriveError::Host)?;
            session.batches(request.token, batches, exhausted)?;
        }
        Effect::ReadPositions { token, scope, author } => {
            session.positions(token, host.positions(&scope, author).map_err(DriveError::Host)?)?;
        }
        Effect::ReadCertificates { token, authors } => {
            session.certificates(token, host.certificates(&authors).map_err(DriveError::Host)?)?;
        }
        Effect::ReadReceipts { token, wants } => {
            session.receipts(token, host.receipts(&wants).map_err(DriveError::Host)?)?;
        }
        Effect::KeepReceipts(receipts) => host.keep_receipts(receipts).map_err(DriveError::Host)?,
        Effect::PeerVector { scope, vector } => host.peer_vector(scope, vector).map_err(DriveError::Host)?,
        Effect::Sign(request) => match host.sign(&request) {
            Some((time_ms, signature)) => session.signed(request.token, time_ms, signature)?,
            None => session.abort(Code::UnknownAuthor, 0),
        },
        Effect::Authorise(request) => session.authorised(request.token, host.authorise(&request))?,
        Effect::Notice(notice) => host.notice(notice),
        Effect::Done(outcome) => driven.done = Some(outcome),
    }
    Ok(())
}

/// Feeds bytes to a session and answers every effect on the way.
///
/// # Errors
/// As [`pump`], and [`DriveError::Session`] when the peer breaks the protocol: `output` then tells it why.
pub fn feed<H: Host>(
    session: &mut Session,
    host: &mut H,
    mut input: &[u8],
    output: &mut Vec<u8>,
) -> Result<Driven, DriveError<H::Error>> {
    let mut driven = pump(session, host, output)?;
    while !input.is_empty() && !session.is_over() {
        let received = session.receive(input);
        let step = pump(session, host, output)?;
        driven.flushed |= step.flushed;
        driven.done = step.done.or(driven.done);
        input = input.get(received?..).unwrap_or_default();
    }
    Ok(driven)
}

/// Answers one whole request: the body without its signature in, the response out.
///
/// # Errors
/// As [`feed`]; `output` holds a response for the peer in any case.
pub fn answer_request<H: Host>(
    session: &mut Session,
    host: &mut H,
    body: &[u8],
    output: &mut Vec<u8>,
) -> Result<Outcome, DriveError<H::Error>> {
    let driven = feed(session, host, body, output)?;
    session.end_of_input();
    let ended = pump(session, host, output)?;
    Ok(ended.done.or(driven.done).unwrap_or_default())
}
