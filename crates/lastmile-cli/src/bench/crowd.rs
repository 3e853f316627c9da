//! Devices without files: a key, certificates, vectors, and at most one log to bring.

pub(super) mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lastmile_client::{Clock as _, SystemClock};
use lastmile_log::{AuthorKey, Certificate, Invite, Receipt, Segment, Trust, Vector};
use lastmile_model::{AuthorId, Scope};
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_protocol::request::{AuthoriseRequest, SignRequest, sign_body};
use lastmile_protocol::{
    Access, BatchOutcome, Carrier, Code, Host, LocalScope, OutgoingBatch, PeerCheck, ReadRequest, ReceiptWant, Role,
    SegmentPositions, Session, SessionConfig, StoreRequest, Stored, feed, pump,
};
use lastmile_testkit::Action;

use super::BenchError;
use super::world::{Author, Log};
use crate::actions::random;
use wire::{Line, post};

/// One of the crowd.
#[derive(Debug, Clone)]
pub(super) struct Member {
    author: Author,
    scopes: Vec<Scope>,
    epoch: AuthorId,
    log: Option<Log>,
    /// What it holds, and believes that the relay holds, by what both said before.
    held: BTreeMap<Scope, Vector>,
}

/// Why an exchange did not come about.
#[derive(Debug)]
pub(super) enum Failed {
    /// The relay asks to be left alone for a while.
    Later(Duration),
    /// Something else.
    Broken(BenchError),
}

impl From<getrandom::Error> for Failed {
    fn from(error: getrandom::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<BenchError> for Failed {
    fn from(error: BenchError) -> Self {
        Self::Broken(error)
    }
}

/// A member in an exchange: it believes what the relay says and keeps nothing but how far it goes.
struct Side<'m> {
    member: &'m Member,
    trust: Trust,
    vectors: BTreeMap<Scope, Vector>,
    receipts: usize,
}

fn unexpected(_: impl Sized) -> BenchError {
    BenchError::Unexpected("an answer that is none")
}

impl Member {
    /// Enrols with an invite.
    pub fn enrol(relay: SocketAddr, invite: &Invite) -> Result<Self, BenchError> {
        let key = AuthorKey::from_seed(&random()?);
        let now_ms = SystemClock.now_ms();
        let body = enrol_request(&key, &invite.deployment, invite.token, "bench", now_ms, random()?)
            .map_err(|_| BenchError::Unexpected("an enrolment that cannot be written"))?;
        let answer = wire::post_now(relay, "/v1/enrol", &body)?;
        let Ok(Ok(chain)) = read_enrolled_response(&answer) else {
            return Err(BenchError::Unexpected("an enrolment that was refused"));
        };
        let deployment = invite.deployment;
        let epoch = chain.first().map(|office| office.author(&deployment));
        let epoch = epoch.ok_or(BenchError::Unexpected("an enrolment without certificates"))?;
        let author = Author { key, deployment, office_key: invite.office_key, chain };
        Ok(Self { author, scopes: invite.scopes.clone(), epoch, log: None, held: BTreeMap::new() })
    }

    /// Its community.
    pub fn scope(&self) -> &Scope {
        let first = self.scopes.iter().find(|scope| scope.kind() == lastmile_model::ScopeKind::Community);
        first.or_else(|| self.scopes.first()).expect("an invite names a scope")
    }

    /// The same member with something to bring.
    pub fn with_log(&self, actions: impl IntoIterator<Item = Action>) -> Result<Self, BenchError> {
        let log = self.author.log(actions, self.scope())?;
        Ok(Self { log: Some(log), ..self.clone() })
    }

    /// Who it is.
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// Gives it something to bring that goes on where its own log ended before.
    pub fn bring(&mut self, log: Log) {
        self.log = Some(log);
    }

    /// A request that would be served but for its signature, which is another's.
    pub fn forged(&self) -> Result<Vec<u8>, BenchError> {
        let mut side = self.side();
        let mut session = self.session(&side, Carrier::OneShot)?;
        let mut body = Vec::new();
        pump(&mut session, &mut side, &mut body).map_err(unexpected)?;
        let (author, stranger) = (&self.author, AuthorKey::from_seed(&random()?));
        sign_body(&mut body, &stranger, &author.deployment, Some(self.epoch), SystemClock.now_ms(), random()?)
            .map_err(unexpected)?;
        Ok(body)
    }

    /// How many changes it brings.
    pub fn changes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.changes)
    }

    fn side(&self) -> Side<'_> {
        let mut trust = Trust::new(self.author.deployment);
        trust.restore(self.author.chain.clone());
        let mut side = Side { member: self, trust, vectors: self.held.clone(), receipts: 0 };
        let last = self.log.as_ref().and_then(|log| log.batches.last());
        if let Some((seq, chain)) = last.and_then(|batch| head_of(&batch.packed)) {
            let vector = side.vectors.entry(self.scope().clone()).or_default();
            vector.insert(Segment::trunk(self.author.id()), seq, chain);
        }
        side
    }

    fn session(&self, side: &Side<'_>, carrier: Carrier) -> Result<Session, BenchError> {
        let mut config = SessionConfig::new(Role::Initiator, carrier, self.author.deployment.id, self.author.id());
        config.epoch = Some(self.epoch);
        if carrier == Carrier::Stream {
            config.peer_check = PeerCheck::Signed { challenge: random()?, binding: [0; 32] };
        }
        let local = self.scopes.iter().map(|scope| {
            let mut local = LocalScope::new(scope.clone(), side.vectors.get(scope).cloned().unwrap_or_default());
            // As one that knows what the relay lacks of it.
            let believed = || self.held.get(scope).cloned().unwrap_or_default();
            local.peer_has = (carrier == Carrier::OneShot).then(believed);
            local
        });
        Ok(Session::new(config, local.collect()))
    }

    /// Connects from this address, signs in and takes everything; the connection is idle then.
    pub async fn stay(&self, from: IpAddr, relay: SocketAddr) -> Result<Line, BenchError> {
        let mut side = self.side();
        let mut session = self.session(&side, Carrier::Stream)?;
        let mut line = Line::open(from, relay).await?;
        let mut out = Vec::new();
        pump(&mut session, &mut side, &mut out).map_err(unexpected)?;
        loop {
            if !out.is_empty() {
                line.say(&out).await?;
            }
            out = Vec::new();
            let bytes = line.next().await?;
            let driven = feed(&mut session, &mut side, &bytes, &mut out).map_err(unexpected)?;
            if driven.done.is_some_and(|done| done.equal) {
                line.say(&out).await?;
                return Ok(line);
            }
        }
    }

    /// Makes one exchange by requests, until what it has to bring is receipted.
    pub async fn exchange(&self, relay: SocketAddr) -> Result<(), BenchError> {
        match self.exchanged(None, relay).await {
            Ok(_) => Ok(()),
            Err(Failed::Broken(error)) => Err(error),
            Err(Failed::Later(_)) => Err(BenchError::Unexpected("a relay that is busy")),
        }
    }

    /// Makes one exchange as a device that was here before and remembers what it holds; from this address of the loopback network.
    pub async fn exchange_on(&mut self, from: IpAddr, relay: SocketAddr) -> Result<(), Failed> {
        self.held = self.exchanged(Some(from), relay).await?;
        self.log = None;
        Ok(())
    }

    /// Makes one exchange; returns what it holds since.
    async fn exchanged(&self, from: Option<IpAddr>, relay: SocketAddr) -> Result<BTreeMap<Scope, Vector>, Failed> {
        let mut side = self.side();
        let mut session = self.session(&side, Carrier::OneShot)?;
        let mut body = Vec::new();
        let mut driven = pump(&mut session, &mut side, &mut body).map_err(unexpected)?;
        while driven.flushed {
            let mut request = std::mem::take(&mut body);
            let (author, now_ms) = (&self.author, SystemClock.now_ms());
            sign_body(&mut request, &author.key, &author.deployment, Some(self.epoch), now_ms, random::<16>()?)
                .map_err(unexpected)?;
            let answer = post(from, relay, "/v1/sync", &request).await?;
            driven = feed(&mut session, &mut side, &answer, &mut body).map_err(unexpected)?;
            session.end_of_input();
            let ended = pump(&mut session, &mut side, &mut body).map_err(unexpected)?;
            driven.flushed |= ended.flushed;
            driven.done = ended.done.or(driven.done);
        }
        let done = driven.done.unwrap_or_default();
        if done.error == Some(Code::Busy) {
            return Err(Failed::Later(Duration::from_millis(done.retry_after_ms)));
        }
        // Others bring their own meanwhile, so that the two sides need not be equal at the end.
        let receipted = self.log.is_none() || side.receipts > 0;
        if done.error.is_none() && receipted {
            Ok(side.vectors)
        } else {
            Err(BenchError::Unexpected("an exchange that failed").into())
        }
    }
}

/// The number and chain hash of a batch's last commit.
fn head_of(packed: &[u8]) -> Option<(u64, lastmile_model::ChainHash)> {
    let batch = lastmile_log::unpack(packed, lastmile_log::MAX_RAW).ok()?;
    Some((batch.last(), batch.head()))
}

impl Host for Side<'_> {
    type Error = std::convert::Infallible;

    fn store(&mut self, request: StoreRequest) -> Result<Stored, Self::Error> {
        let mut stored = Stored::default();
        for batch in request.batches {
            let Some((seq, chain)) = head_of(&batch.packed) else {
                stored.outcomes.push(BatchOutcome::Refused { author: Some(batch.author) });
                continue;
            };
            let segment = Segment::trunk(batch.author);
            self.vectors.entry(batch.scope.clone()).or_default().insert(segment, seq, chain);
            stored.outcomes.push(BatchOutcome::Appended(lastmile_log::Entry { segment, seq, chain }));
        }
        stored.vectors = self.vectors.iter().map(|(scope, vector)| (scope.clone(), vector.clone())).collect();
        Ok(stored)
    }

    fn read(&mut self, _request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), Self::Error> {
        let batches = self.member.log.iter().flat_map(|log| &log.batches).map(|batch| OutgoingBatch {
            through: batch.last,
            packed: batch.packed.clone(),
            seals: batch.seals.clone(),
        });
        Ok((batches.collect(), true))
    }

    fn positions(&mut self, _: &Scope, _: AuthorId) -> Result<Vec<SegmentPositions>, Self::Error> {
        Ok(Vec::new())
    }

    fn certificates(&mut self, _: &[AuthorId]) -> Result<Vec<Certificate>, Self::Error> {
        Ok(self.member.author.chain.clone())
    }

    fn receipts(&mut self, _: &[ReceiptWant]) -> Result<Vec<Receipt>, Self::Error> {
        Ok(Vec::new())
    }

    fn keep_receipts(&mut self, receipts: Vec<Receipt>) -> Result<(), Self::Error> {
        self.receipts += receipts.iter().filter(|receipt| receipt.author == self.member.author.id()).count();
        Ok(())
    }

    fn sign(&mut self, request: &SignRequest) -> Option<(i64, [u8; 64])> {
        let now_ms = SystemClock.now_ms();
        Some((now_ms, request.sign(&self.member.author.key, now_ms)))
    }

    fn authorise(&mut self, request: &AuthoriseRequest) -> Result<Vec<(Scope, Access)>, Code> {
        let public = self.trust.public_key(request.signed.signer).ok_or(Code::UnknownAuthor)?;
        if request.signed.signer != self.member.epoch || !request.verify(&public) {
            return Err(Code::BadSignature);
        }
        Ok(self.member.scopes.iter().map(|scope| (scope.clone(), Access::Full)).collect())
    }
}
