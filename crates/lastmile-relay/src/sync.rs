//! Who may exchange what: the checks before a session, and enrolment over the same ground.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lastmile_log::{Certificate, Vector};
use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::enrol::{enrolled_response, error_response, read_enrol_request};
use lastmile_protocol::frame::Hello;
use lastmile_protocol::request::{BadRequest, SignedRequest};
use lastmile_protocol::{Access, Carrier, Code, LocalScope, Role, Session, SessionConfig};

use crate::RelayError;
use crate::central::Central;
use crate::exchange::Exchange;
use crate::meter::metered;
use crate::nonces::{Nonces, Seen};
use crate::rates::{Cost, Payer};
use crate::server::Shared;

/// When a device that met a busy relay comes again.
const RETRY_MS: u64 = 10_000;

/// Why no session was begun.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub code: Code,
    pub arguments: Vec<String>,
    pub retry_after_ms: u64,
    pub certificates: Vec<Certificate>,
    /// Whether it is the speaker that asks too much, not the relay that is busy.
    pub limited: bool,
}

/// What is answered to a request.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub body: Vec<u8>,
    /// The code, when the request was refused as a whole.
    pub refused: Option<Code>,
    /// When to come again, in milliseconds; 0 for no wish.
    pub retry_after_ms: u64,
    /// Whether it was refused because the speaker asks too much.
    pub limited: bool,
}

/// Who speaks, as far as certificates go.
pub(crate) struct Speaker {
    pub certificate: Certificate,
    /// The first of the authors that went on for one another.
    pub device: AuthorId,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        let retry_after_ms = if matches!(code, Code::Busy | Code::Internal) { RETRY_MS } else { 0 };
        Self { code, arguments: Vec::new(), retry_after_ms, certificates: Vec::new(), limited: false }
    }
}

impl From<RelayError> for Refusal {
    fn from(error: RelayError) -> Self {
        let code = error.code();
        if code != Code::Busy {
            tracing::error!(%error, "a request could not be answered");
        }
        code.into()
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        let (code, arguments) = bad.told();
        Self { arguments, ..code.into() }
    }
}

impl Refusal {
    pub fn with(code: Code, argument: impl ToString) -> Self {
        Self { arguments: vec![argument.to_string()], ..code.into() }
    }

    /// The speaker asks too much, and may come again after so many milliseconds.
    pub fn slower(retry_after_ms: u64) -> Self {
        Self { retry_after_ms, limited: true, ..Code::Busy.into() }
    }

    /// The answer that says so.
    pub fn said(self, what: &'static str) -> Said {
        tracing::info!(code = %self.code, limited = self.limited, "{what} was refused");
        let body = error_response(self.code, self.arguments, self.retry_after_ms, &self.certificates);
        Said { body, refused: Some(self.code), retry_after_ms: self.retry_after_ms, limited: self.limited }
    }
}

/// Answers `POST /v1/sync`.
pub(crate) async fn answer_sync(shared: &Shared, address: Option<IpAddr>, body: &[u8]) -> Said {
    let mut payer = Payer { device: None, address };
    let (answered, cpu) = metered(exchange(shared, &mut payer, body)).await;
    let said = answered.unwrap_or_else(|refusal| refusal.said("a sync request"));
    charge(shared, payer, &said, cpu);
    said
}

/// Answers `POST /v1/enrol`.
pub(crate) async fn answer_enrol(shared: &Shared, address: Option<IpAddr>, body: &[u8]) -> Said {
    let (answered, cpu) = metered(enrol(shared, body)).await;
    let said = match answered {
        Ok(body) => Said { body, ..Said::default() },
        Err(refusal) => refusal.said("an enrolment"),
    };
    charge(shared, Payer { device: None, address }, &said, cpu);
    said
}

/// Puts what an answer took on the accounts of whoever asked.
pub(crate) fn charge(shared: &Shared, payer: Payer, said: &Said, cpu: Duration) {
    shared.rates.charge(payer, Cost { requests: 0, bytes: said.body.len() as u64, cpu }, shared.now_ms());
}

/// Finds out whether whoever says to be speaking may be served, as far as that can be told before the signature.
pub(crate) async fn admit(shared: &Shared, hello: &Hello, certificates: Vec<Certificate>) -> Result<Speaker, Refusal> {
    if hello.deployment != shared.deployment.id {
        return Err(Code::WrongDeployment.into());
    }
    if hello.epoch.is_some_and(|epoch| epoch != shared.epoch) {
        let certificates = shared.writer.ask(|central| Ok(central.trust()?.chain_of(central.office))).await?;
        return Err(Refusal { certificates, ..Refusal::with(Code::WrongEpoch, shared.epoch) });
    }
    speaker(shared, hello.author, certificates).await
}

/// Makes sure of who sent a request: certificate, signature, clock, and that it is new; and has the device pay for it.
pub(crate) async fn signed<'b>(
    shared: &Shared,
    nonces: &Nonces,
    payer: &mut Payer,
    body: &'b [u8],
) -> Result<(SignedRequest<'b>, Hello), Refusal> {
    let request = SignedRequest::open(body)?;
    let hello = request.hello.clone().ok_or(Code::OutOfOrder)?;
    check_time(shared, &request)?;
    let Speaker { certificate, device } = admit(shared, &hello, request.certificates.clone()).await?;
    let genuine = request.verify(&certificate.public, &shared.deployment, hello.author, hello.epoch);
    if !genuine && !planted!("anybody-signs") {
        return Err(Code::BadSignature.into());
    }
    if nonces.knows(hello.author, request.auth.nonce) && !planted!("replays-served") {
        return Err(Code::Repeated.into());
    }
    // Only now: nobody else is to use up the device's account.
    let cost = Cost { requests: 1, bytes: body.len() as u64, cpu: Duration::ZERO };
    shared.rates.take_of_device(device, cost, shared.now_ms()).map_err(Refusal::slower)?;
    payer.device = Some(device);
    see_nonce(shared, nonces, hello.author, &request)?;
    Ok((request, hello))
}

async fn exchange(shared: &Shared, payer: &mut Payer, body: &[u8]) -> Result<Said, Refusal> {
    let (request, hello) = signed(shared, &shared.nonces, payer, body).await?;
    let (config, scopes) = prepare(shared, &hello).await?;
    let mut session = Session::new(config, scopes);
    let exchange = Exchange {
        writer: shared.writer.clone(),
        office: shared.office.clone(),
        deployment: shared.deployment,
        peer: hello.author,
        payer: *payer,
        vectors: Arc::clone(&shared.vectors),
        brought: Mutex::default(),
    };
    let (response, outcome, refused) = exchange.answer(&mut session, request.frames()).await;
    if let Some(outcome) = outcome {
        tracing::debug!(
            author = %hello.author, equal = outcome.equal, appended = outcome.appended,
            received = outcome.received.bytes, sent = outcome.sent.bytes, "an exchange ended"
        );
    }
    let retry_after_ms = if refused.is_some() { RETRY_MS } else { 0 };
    Ok(Said { body: response, refused, retry_after_ms, limited: false })
}

fn check_time(shared: &Shared, request: &SignedRequest<'_>) -> Result<(), Refusal> {
    let now_ms = shared.now_ms();
    request.check_clock(now_ms).map_err(|code| Refusal::with(code, now_ms))
}

fn see_nonce(shared: &Shared, nonces: &Nonces, author: AuthorId, request: &SignedRequest<'_>) -> Result<(), Refusal> {
    match nonces.see(author, request.auth.nonce, request.auth.time_ms, shared.now_ms()) {
        Seen::First => Ok(()),
        Seen::Repeated if planted!("replays-served") => Ok(()),
        Seen::Repeated => Err(Code::Repeated.into()),
        Seen::Full => Err(Code::Busy.into()),
    }
}

/// Finds the speaker's certificate, among those it brings along if need be.
async fn speaker(shared: &Shared, author: AuthorId, brought: Vec<Certificate>) -> Result<Speaker, Refusal> {
    let find = move |central: &Central| {
        let trust = central.trust()?;
        let certificate = trust.certificate(author).cloned();
        Ok::<_, RelayError>(certificate.map(|certificate| Speaker { certificate, device: trust.first_of(author) }))
    };
    if let Some(known) = shared.writer.ask(move |central| find(central)).await? {
        return Ok(known);
    }
    let found = shared.writer.ask(move |central| {
        central.keep_certificates(&brought)?;
        find(central)
    });
    found.await?.ok_or_else(|| Refusal::with(Code::UnknownAuthor, author))
}

/// Reads where the scopes stand that the speaker names and may have a part in.
async fn prepare(shared: &Shared, hello: &Hello) -> Result<(SessionConfig, Vec<LocalScope>), Refusal> {
    let now_ms = shared.now_ms();
    let named: Vec<(Scope, Option<Vector>)> = hello
        .scopes
        .iter()
        .map(|named| (named.scope.clone(), shared.vectors.find(hello.author, &named.scope, named.digest)))
        .collect();
    let (author, introduce) = (hello.author, hello.epoch.is_none());
    let prepared = shared.writer.ask(move |central| {
        central.contacts.heard(author, now_ms);
        let mut scopes = Vec::with_capacity(named.len());
        // Who asks for less than it was given, or is served less than it asks for, hears why: its own certificates say so.
        let own = central.trust()?.in_force(author).map(|own| own.scopes).unwrap_or_default();
        let mut introduce = introduce || own.iter().any(|scope| named.iter().all(|(of, _)| of != scope));
        for (scope, peer_has) in named {
            let told = planted!("forbidden-is-told") && central.store.scopes().any(|(_, held)| *held == scope);
            let access = central.access(author, &scope, now_ms)?.or(told.then_some(Access::UploadOnly));
            introduce |= access != Some(Access::Full);
            // Whether there is such a scope is nobody's business who has no part in it.
            let Some(access) = access else { continue };
            let mut local = LocalScope::new(scope.clone(), central.store.vector(&scope));
            local.peer_has = peer_has;
            local.pending = central.store.pending_heads(&scope)?;
            local.access = access;
            scopes.push(local);
        }
        let trust = central.trust()?;
        let mut config = SessionConfig::new(Role::Responder, Carrier::OneShot, central.deployment.id, central.office);
        config.epoch = Some(central.office);
        config.office = trust.office_authors();
        config.certificates = trust.chain_of(central.office);
        if introduce {
            let known = config.certificates.clone();
            config.certificates.extend(trust.chain_of(author).into_iter().filter(|one| !known.contains(one)));
        }
        config.introduce = introduce;
        config.issues_receipts = true;
        Ok((config, scopes))
    });
    Ok(prepared.await?)
}

async fn enrol(shared: &Shared, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (enrol, author, request) = read_enrol_request(body, &shared.deployment)?;
    check_time(shared, &request)?;
    if shared.enrol_nonces.knows(author, request.auth.nonce) {
        return Err(Code::Repeated.into());
    }
    let answered = shared.writer.ask(move |central| central.enrol(&enrol)).await?;
    let chain = answered.map_err(|(code, arguments)| Refusal { arguments, ..code.into() })?;
    // Only now, so that who has no invite fills nothing. Who has one gets the same certificate however often it asks, so that a full
    // table shuts nobody out.
    match see_nonce(shared, &shared.enrol_nonces, author, &request) {
        Err(refusal) if refusal.code != Code::Busy => return Err(refusal),
        _ => {}
    }
    Ok(enrolled_response(chain).map_err(|_| Code::Internal)?)
}
