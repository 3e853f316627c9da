//! Making sure of a device that opened a connection, before anything else is taken from it.

use std::collections::BTreeSet;

use lastmile_log::Certificate;
use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::request::AuthoriseRequest;
use lastmile_protocol::{Access, Admission, Code, LocalScope, limits};

use super::{End, Line};
use crate::server::Shared;

/// The most certificates that are looked at for a stranger: a chain is shorter.
const MOST_CERTIFICATES: usize = 16;

/// Why somebody is turned away: the code and its arguments.
type Refused = (Code, Vec<String>);

impl Line {
    /// Answers whether the peer is who it says, and lets it into its scopes.
    pub(super) async fn admit(&mut self, request: AuthoriseRequest) -> Result<(), End> {
        let author = request.signed.signer;
        match certificate_of(&self.shared, &request).await? {
            Err((code, arguments)) => {
                tracing::info!(%code, "a live connection was refused");
                Ok(self.session.turned_away(request.token, code, arguments)?)
            }
            Ok(()) => {
                let admission = self.enter(author).await?;
                Ok(self.session.admitted(request.token, admission)?)
            }
        }
    }

    /// Lets a device in: it hears of its scopes from now on, and then reads where they stand.
    async fn enter(&mut self, author: AuthorId) -> Result<Admission, End> {
        let now_ms = self.shared.now_ms();
        let named: BTreeSet<Scope> = self.session.peer_scopes().cloned().collect();
        let allowed = self.shared.writer.ask(move |central| {
            let mut allowed = Vec::new();
            for scope in named {
                if central.access_now(author, &scope)?.is_some() {
                    allowed.push(scope);
                }
            }
            Ok(allowed)
        });
        let scopes = allowed.await?;
        self.listener.heard(now_ms);
        self.member = Some(self.shared.sessions.join(author, scopes.clone(), &self.listener));
        self.unanswered = 0;
        let ping = self.shared.sessions.options.ping;
        self.ticks.reset_after(ping);
        let admission = self.shared.writer.ask(move |central| {
            central.contacts.heard(author, now_ms);
            let device = central.trust()?.first_of(author);
            let mut admission = Admission { office: central.trust()?.office_authors(), ..Admission::default() };
            for scope in scopes {
                // Asked after it has joined: whoever takes something away now closes it as well.
                let Some(access) = central.access_now(author, &scope)? else { continue };
                if access != Access::Full && admission.certificates.is_empty() {
                    // Who is served less than it asks for hears why: its own certificates say so.
                    admission.certificates = central.trust()?.chain_of(author);
                }
                let mut local = LocalScope::new(scope.clone(), central.held(&scope));
                local.pending = central.store.pending_heads(&scope)?;
                local.access = access;
                admission.scopes.push(local);
            }
            Ok((admission, device))
        });
        let (admission, device) = admission.await?;
        self.payer.device = Some(device);
        Ok(admission)
    }
}

/// Finds the certificate of whoever signed, among those brought along if need be.
async fn certificate_of(shared: &Shared, request: &AuthoriseRequest) -> Result<Result<(), Refused>, End> {
    let (author, now_ms) = (request.signed.signer, shared.now_ms());
    if request.auth.time_ms.abs_diff(now_ms) > limits::AUTH_WINDOW_MS.unsigned_abs() {
        return Ok(Err((Code::WrongClock, vec![now_ms.to_string()])));
    }
    if request.epoch.is_some_and(|epoch| epoch != shared.epoch) {
        return Ok(Err((Code::WrongEpoch, vec![shared.epoch.to_string()])));
    }
    let unknown = || Ok(Err((Code::UnknownAuthor, vec![author.to_string()])));
    let known = shared.writer.ask(move |central| Ok(central.trust()?.certificate(author).cloned())).await?;
    let key = known.as_ref().map(|certificate| certificate.public);
    let brought = request.certificates.iter().take(MOST_CERTIFICATES);
    let of_author = |one: &&Certificate| one.author(&shared.deployment) == author;
    let Some(public) = key.or_else(|| brought.clone().find(of_author).map(|one| one.public)) else {
        return unknown();
    };
    if !request.verify(&public) && !planted!("live-unsigned") {
        return Ok(Err((Code::BadSignature, Vec::new())));
    }
    if known.is_some() {
        return Ok(Ok(()));
    }
    let brought: Vec<Certificate> = brought.cloned().collect();
    let found = shared.writer.ask(move |central| {
        central.keep_certificates(&brought)?;
        Ok(central.trust()?.certificate(author).cloned())
    });
    match found.await? {
        Some(_) => Ok(Ok(())),
        None => unknown(),
    }
}
