//! Live: a device stays connected and hears of what becomes durable the moment it does.
//!
//! One task serves one socket. It sleeps until the peer says something, a scope has grown that the peer listens to, or it is time for
//! a ping; what it then needs of the store it asks of the writer, as a one-shot exchange does. What a session may see is asked with
//! every frame. Nothing is read for a peer that takes nothing: what was read is written before more is.

mod admission;
pub(crate) mod sessions;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lastmile_model::Scope;
use lastmile_protocol::{
    Access, BatchOutcome, Carrier, Code, Effect, PeerCheck, Role, Session, SessionConfig, SessionError, StoreRequest,
};
use lastmile_web::websocket::{Came, Socket, SocketError};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::RelayError;
use crate::exchange::{Exchange, RETRY_MS};
use crate::meter::metered;
use crate::rates::{Cost, Payer};
use crate::server::Shared;
use crate::writer::Brought;
use sessions::{Listener, Member, Word};

/// The WebSocket subprotocol.
pub(crate) const PROTOCOL: &str = "lastmile.v1";

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The longest rest of a device that asked too much before it is listened to again: shorter than it takes to count as silent.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// How much is read for a device at a time, in bytes of batches: so much, and a batch, waits here for one that takes nothing.
const READ_CHUNK: u64 = 64 << 10;

/// Frames other than batches that a device may say between two pings, on top of the limit of a session.
const FORGIVEN: u64 = 512;

/// Close codes: the standard's, and from 4000 on the protocol's errors and ours.
const GOING_AWAY: u16 = 1001;
const UNSUPPORTED: u16 = 1003;
const TOO_BIG: u16 = 1009;
const ERRORS: u16 = 4000;
const REPLACED: u16 = 4900;
const SILENT: u16 = 4901;
const STALLED: u16 = 4902;

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The peer has gone.
    Gone,
    /// The session is over, and the peer was told why.
    Told(Option<Code>),
    /// The relay cannot go on with it.
    Failed(Code),
    /// The office, or a newer connection, wants it to end.
    Word(Word),
    /// The relay stops.
    Stopping,
    /// Nobody answers.
    Silent,
    /// The peer began something and did not go on: a sign-in, a frame.
    Stalled,
    /// The peer broke the rules of the socket.
    Rules(SocketError),
}

impl From<SocketError> for End {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Broken(_) => Self::Gone,
            other => Self::Rules(other),
        }
    }
}

impl From<SessionError> for End {
    fn from(error: SessionError) -> Self {
        tracing::info!(%error, "a live session broke the protocol");
        Self::Told(None)
    }
}

impl From<RelayError> for End {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Stopping => Self::Stopping,
            other => {
                tracing::error!(error = %other, "a live session could not be served");
                Self::Failed(other.code())
            }
        }
    }
}

/// Serves one socket until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, socket: Socket, address: Option<IpAddr>) {
    let Ok(challenge) = shared.random::<16>() else { return };
    let listener = Arc::new(Listener::default());
    let mut line = Line::new(Arc::clone(&shared), socket, Arc::clone(&listener), challenge);
    line.payer.address = address;
    let end = tokio::select! {
        ended = line.run() => ended.err().unwrap_or(End::Gone),
        word = listener.closed() => End::Word(word),
    };
    Box::pin(line.finish(&end)).await;
}

/// One connection.
struct Line {
    shared: Arc<Shared>,
    socket: Socket,
    session: Session,
    listener: Arc<Listener>,
    /// Who is there, once that is sure.
    member: Option<Member>,
    ticks: Interval,
    /// Pings without an answer.
    unanswered: u32,
    /// Ticks in which a frame that had begun did not go on.
    standing: u32,
    /// On whose account this goes.
    payer: Payer,
    /// Nothing is taken from the peer before this, because it asked too much.
    resumes: Instant,
}

impl Line {
    fn new(shared: Arc<Shared>, socket: Socket, listener: Arc<Listener>, challenge: [u8; 16]) -> Self {
        let options = shared.sessions.options;
        let mut config = SessionConfig::new(Role::Responder, Carrier::Stream, shared.deployment.id, shared.epoch);
        config.epoch = Some(shared.epoch);
        config.peer_check = PeerCheck::Signed { challenge, binding: [0; 32] };
        config.late_scopes = true;
        config.issues_receipts = true;
        config.credit = options.credit;
        config.read_chunk = READ_CHUNK;
        // Until the peer has signed in the first tick is the end.
        let patience = shared.connections.limits().header_timeout;
        let mut ticks = interval_at(Instant::now() + patience, options.ping);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let session = Session::new(config, Vec::new());
        let (payer, resumes) = (Payer::default(), Instant::now());
        Self { shared, socket, session, listener, member: None, ticks, unanswered: 0, standing: 0, payer, resumes }
    }

    async fn run(&mut self) -> Result<(), End> {
        let connections = self.shared.connections.clone();
        let mut stopping = std::pin::pin!(connections.stopping());
        self.answer().await?;
        loop {
            let rests = self.resumes > Instant::now();
            tokio::select! {
                // What it goes on sending meanwhile waits in its own buffers.
                () = sleep_until(self.resumes), if rests => {}
                came = self.socket.receive(), if !rests => {
                    self.unanswered = 0;
                    match came? {
                        Came::Bytes(bytes) => Box::pin(self.pay(&bytes)).await?,
                        Came::Sign => self.listener.heard(self.shared.now_ms()),
                        Came::Closed => return Err(End::Gone),
                    }
                }
                grown = self.listener.grown(), if self.member.is_some() => Box::pin(self.offer(grown)).await?,
                _ = self.ticks.tick() => self.beat().await?,
                () = stopping.as_mut() => return Err(End::Stopping),
            }
        }
    }

    /// Takes what came on the account of device and address, and lets them rest when it is overdrawn.
    async fn pay(&mut self, bytes: &[u8]) -> Result<(), End> {
        let (taken, cpu) = metered(self.take(bytes)).await;
        let (rates, now_ms) = (&self.shared.rates, self.shared.now_ms());
        rates.charge(self.payer, Cost { requests: 0, bytes: bytes.len() as u64, cpu }, now_ms);
        let of_address = rates.take_of_address(self.payer.address, Cost::default(), now_ms);
        let of_device =
            self.payer.device.map_or(Ok(()), |device| rates.take_of_device(device, Cost::default(), now_ms));
        if let Err(wait) = of_device.and(of_address) {
            self.resumes = Instant::now() + Duration::from_millis(wait).min(LONGEST_REST);
        }
        taken
    }

    /// Feeds what came to the session and answers what it asks.
    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        self.standing = 0;
        self.listener.heard(self.shared.now_ms());
        while !bytes.is_empty() && !self.session.is_over() {
            let taken = self.session.receive(bytes);
            self.answer().await?;
            bytes = bytes.get(taken?..).unwrap_or_default();
        }
        Ok(())
    }

    /// Answers every open effect. What is to be sent is written before anything more is read for the peer.
    async fn answer(&mut self) -> Result<(), End> {
        let mut over = None;
        while let Some(effect) = self.session.next_effect() {
            match effect {
                Effect::Send(bytes) => self.socket.send(Bytes::from(bytes)).await?,
                Effect::Done(outcome) => over = Some(outcome.error),
                Effect::Sign(request) => {
                    let now_ms = self.shared.now_ms();
                    self.session.signed(request.token, now_ms, request.sign(&self.shared.office, now_ms))?;
                }
                Effect::Authorise(request) => Box::pin(self.admit(request)).await?,
                Effect::Store(request) => Box::pin(self.store(request)).await?,
                other => Box::pin(self.serve(other)).await?,
            }
        }
        match over {
            Some(error) if self.session.is_over() => Err(End::Told(error)),
            _ => Ok(()),
        }
    }

    fn exchange(&self) -> Result<Exchange, End> {
        let member = self.member.as_ref().ok_or(End::Failed(Code::OutOfOrder))?;
        Ok(Exchange {
            writer: self.shared.writer.clone(),
            office: self.shared.office.clone(),
            deployment: self.shared.deployment,
            peer: member.author,
            payer: self.payer,
            vectors: Arc::clone(&self.shared.vectors),
            brought: Mutex::default(),
        })
    }

    async fn serve(&mut self, effect: Effect) -> Result<(), End> {
        if let Effect::Notice(notice) = &effect {
            if let Ok(exchange) = self.exchange() {
                exchange.note(notice);
            }
            return Ok(());
        }
        let exchange = self.exchange()?;
        match exchange.serve(&mut self.session, effect).await {
            Ok(served) => served.map_err(End::Failed),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores what the peer may bring now; of scopes that it has no part in any more nothing is taken.
    async fn store(&mut self, request: StoreRequest) -> Result<(), End> {
        let exchange = self.exchange()?;
        let author = exchange.peer;
        let named: BTreeSet<Scope> = request.batches.iter().map(|batch| batch.scope.clone()).collect();
        let denied = self.shared.writer.ask(move |central| {
            let mut denied = BTreeSet::new();
            for scope in named {
                if central.access_now(author, &scope)?.is_none() {
                    denied.insert(scope);
                }
            }
            Ok(denied)
        });
        let denied = denied.await?;
        let refused: Vec<bool> = request.batches.iter().map(|batch| denied.contains(&batch.scope)).collect();
        let batches = request.batches.into_iter().filter(|batch| !denied.contains(&batch.scope)).collect();
        let brought = Brought { by: self.payer, certificates: request.certificates, batches };
        self.shared.rates.charge(self.payer, Cost::REQUEST, self.shared.now_ms());
        let mut stored = self.shared.writer.upload(brought).await.map_err(End::Failed)?;
        let mut taken = std::mem::take(&mut stored.outcomes).into_iter();
        let nobody = || BatchOutcome::Refused { author: None };
        stored.outcomes = refused
            .into_iter()
            .map(|refused| if refused { nobody() } else { taken.next().unwrap_or_else(nobody) })
            .collect();
        for scope in &denied {
            self.session.close_scope(scope);
        }
        Ok(self.session.stored(request.token, stored)?)
    }

    /// Offers what scopes hold by now, as far as the peer may see it now.
    async fn offer(&mut self, grown: BTreeSet<Scope>) -> Result<(), End> {
        let Some(author) = self.member.as_ref().map(|member| member.author) else { return Ok(()) };
        let asked = self.shared.writer.ask(move |central| {
            let mut states = Vec::with_capacity(grown.len());
            for scope in grown {
                let access = central.access_now(author, &scope)?;
                let vector = central.held(&scope);
                states.push((scope, access, vector));
            }
            Ok(states)
        });
        for (scope, access, vector) in asked.await? {
            match access {
                Some(Access::Full) => {
                    self.session.set_access(&scope, Access::Full);
                    self.session.offer(&scope, vector);
                }
                Some(access) => self.session.set_access(&scope, access),
                None => self.session.close_scope(&scope),
            }
        }
        self.answer().await
    }

    /// Pings, unless nobody answers any more.
    async fn beat(&mut self) -> Result<(), End> {
        if self.member.is_none() {
            return Err(End::Stalled);
        }
        if self.unanswered >= 2 {
            return Err(End::Silent);
        }
        self.standing = if self.session.is_mid_frame() { self.standing.saturating_add(1) } else { 0 };
        if self.standing > 2 {
            return Err(End::Stalled);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.session.forgive(FORGIVEN);
        Ok(self.socket.ping().await?)
    }

    /// Tells the peer why, if it can still be told, and keeps when it was last heard.
    async fn finish(mut self, end: &End) {
        let author = self.member.take().map(|member| member.author);
        tracing::debug!(?author, ?end, "a live connection ends");
        let told = timeout(FAREWELL, self.farewell(end)).await;
        if told.is_err() {
            tracing::debug!(?author, "the peer took no farewell");
        }
        if let Some(author) = author {
            let heard_ms = self.listener.last_heard();
            let kept = self.shared.writer.ask(move |central| {
                if central.contacts.last(author).is_none_or(|last| last < heard_ms) {
                    central.contacts.heard(author, heard_ms);
                }
                Ok(())
            });
            // A relay that stops has kept it before.
            let _ = kept.await;
        }
    }

    async fn farewell(&mut self, end: &End) -> Result<(), SocketError> {
        let code_of = |code: Code| (ERRORS.saturating_add(code.number()), code.word());
        let (error, (code, reason)) = match end {
            End::Gone => return Ok(()),
            End::Told(error) => (None, error.map_or((1000, "over"), code_of)),
            End::Failed(code) | End::Word(Word::Code(code)) => (Some(*code), code_of(*code)),
            End::Word(Word::Replaced) => (None, (REPLACED, "replaced")),
            End::Stopping => (None, (GOING_AWAY, "stopping")),
            End::Silent => (None, (SILENT, "silent")),
            End::Stalled => (None, (STALLED, "stalled")),
            End::Rules(SocketError::TooLarge) => (None, (TOO_BIG, "too_large")),
            End::Rules(_) => (None, (UNSUPPORTED, "binary messages only")),
        };
        if self.socket.is_mid_message() {
            // What is not written is not sent any more, least of all to somebody who was revoked.
            return Ok(());
        }
        if let Some(code) = error {
            let passing = matches!(code, Code::Busy | Code::Internal | Code::CannotStore);
            self.session.abort(code, if passing { RETRY_MS } else { 0 });
            while let Some(effect) = self.session.next_effect() {
                if let Effect::Send(bytes) = effect {
                    self.socket.send(Bytes::from(bytes)).await?;
                }
            }
        }
        self.socket.close(code, reason).await
    }
}
