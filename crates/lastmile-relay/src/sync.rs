//! Who may exchange what: the checks before a session, and enrolment over the same ground.

use std::sync::{Arc, Mutex};

use lastmile_log::{Certificate, Vector};
use lastmile_model::{AuthorId, Scope};
use lastmile_protocol::enrol::{enrolled_response, error_response, read_enrol_request};
use lastmile_protocol::frame::Hello;
use lastmile_protocol::request::{BadRequest, SignedRequest};
use lastmile_protocol::{Access, Carrier, Code, LocalScope, Role, Session, SessionConfig};

use crate::RelayError;
use crate::exchange::Exchange;
use crate::nonces::Seen;
use crate::server::Shared;

/// When a device that met a busy relay comes again.
const RETRY_MS: u64 = 10_000;

/// Why no session was begun.
struct Refusal {
    code: Code,
    arguments: Vec<String>,
    retry_after_ms: u64,
    certificates: Vec<Certificate>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        let retry_after_ms = if matches!(code, Code::Busy | Code::Internal) { RETRY_MS } else { 0 };
        Self { code, arguments: Vec::new(), retry_after_ms, certificates: Vec::new() }
    }
}

impl From<RelayError> for Refusal {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Stopping => Code::Busy.into(),
            other => {
                tracing::error!(error = %other, "a request could not be answered");
                Code::Internal.into()
            }
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        let (code, arguments) = bad.told();
        Self { arguments, ..code.into() }
    }
}

impl Refusal {
    fn with(code: Code, argument: impl ToString) -> Self {
        Self { arguments: vec![argument.to_string()], ..code.into() }
    }

    fn response(&self) -> Vec<u8> {
        error_response(self.code, self.arguments.clone(), self.retry_after_ms, &self.certificates)
    }
}

/// Answers `POST /v1/sync`, and tells the code when the request was refused as a whole.
pub(crate) async fn answer_sync(shared: &Shared, body: &[u8]) -> (Vec<u8>, Option<Code>) {
    match exchange(shared, body).await {
        Ok(answered) => answered,
        Err(refusal) => {
            tracing::info!(code = %refusal.code, "a sync request was refused");
            (refusal.response(), Some(refusal.code))
        }
    }
}

/// Answers `POST /v1/enrol`, and tells the code when it was refused.
pub(crate) async fn answer_enrol(shared: &Shared, body: &[u8]) -> (Vec<u8>, Option<Code>) {
    match enrol(shared, body).await {
        Ok(response) => (response, None),
        Err(refusal) => {
            tracing::info!(code = %refusal.code, "an enrolment was refused");
            (refusal.response(), Some(refusal.code))
        }
    }
}

async fn exchange(shared: &Shared, body: &[u8]) -> Result<(Vec<u8>, Option<Code>), Refusal> {
    let request = SignedRequest::open(body)?;
    let hello = request.hello.clone().ok_or(Code::OutOfOrder)?;
    check_time(shared, &request)?;
    if hello.deployment != shared.deployment.id {
        return Err(Code::WrongDeployment.into());
    }
    if hello.epoch.is_some_and(|epoch| epoch != shared.epoch) {
        let certificates = shared.writer.ask(|central| Ok(central.trust()?.chain_of(central.office))).await?;
        return Err(Refusal { certificates, ..Refusal::with(Code::WrongEpoch, shared.epoch) });
    }
    let certificate = certificate_of(shared, &hello, &request).await?;
    if !request.verify(&certificate.public, &shared.deployment, hello.author, hello.epoch) {
        return Err(Code::BadSignature.into());
    }
    see_nonce(shared, hello.author, request.auth.nonce)?;
    let (config, scopes) = prepare(shared, &hello).await?;
    let mut session = Session::new(config, scopes);
    let exchange = Exchange {
        writer: shared.writer.clone(),
        office: shared.office.clone(),
        deployment: shared.deployment,
        peer: hello.author,
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
    Ok((response, refused))
}

fn check_time(shared: &Shared, request: &SignedRequest<'_>) -> Result<(), Refusal> {
    let now_ms = shared.now_ms();
    request.check_clock(now_ms).map_err(|code| Refusal::with(code, now_ms))
}

fn see_nonce(shared: &Shared, author: AuthorId, nonce: [u8; 16]) -> Result<(), Refusal> {
    match shared.nonces.see(author, nonce, shared.now_ms()) {
        Seen::First => Ok(()),
        Seen::Repeated => Err(Code::Repeated.into()),
        Seen::Full => Err(Code::Busy.into()),
    }
}

/// Finds the speaker's certificate, among those it brings along if need be.
async fn certificate_of(shared: &Shared, hello: &Hello, request: &SignedRequest<'_>) -> Result<Certificate, Refusal> {
    let author = hello.author;
    let known = shared.writer.ask(move |central| Ok(central.trust()?.certificate(author).cloned())).await?;
    if let Some(certificate) = known {
        return Ok(certificate);
    }
    let brought = request.certificates.clone();
    let found = shared.writer.ask(move |central| {
        central.keep_certificates(&brought)?;
        Ok(central.trust()?.certificate(author).cloned())
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
            let access = central.access(author, &scope, now_ms)?;
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
    see_nonce(shared, author, request.auth.nonce)?;
    let answered = shared.writer.ask(move |central| central.enrol(&enrol)).await?;
    let chain = answered.map_err(|(code, arguments)| Refusal { arguments, ..code.into() })?;
    Ok(enrolled_response(chain).map_err(|_| Code::Internal)?)
}
