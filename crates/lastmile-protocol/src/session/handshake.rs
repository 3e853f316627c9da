//! Making sure of the peer of a stream: each side signs the other's challenge and both hellos.

use lastmile_log::Certificate;
use lastmile_model::Scope;

use super::config::{Access, Admission, Carrier, PeerCheck, SessionConfig};
use super::effect::{Effect, Token};
use super::{Session, SessionError};
use crate::code::Code;
use crate::frame::{Auth, Frame, Hello};
use crate::limits::MAX_FRAME;
use crate::request::{AuthoriseRequest, SignRequest};

/// How far the making sure has gone.
#[derive(Debug)]
pub(super) struct Handshake {
    check: Option<([u8; 16], [u8; 32])>,
    /// Whether the peer's hello of this half was taken.
    pub met: bool,
    own_hello: Vec<u8>,
    peer_hello: Vec<u8>,
    signing: Option<Token>,
    authorising: Option<Token>,
    signed: bool,
    authorised: bool,
    /// Whether the peer names its scopes in a second hello, which has not come yet.
    awaits_scopes: bool,
}

impl Handshake {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let check = match config.peer_check {
            PeerCheck::Signed { challenge, binding } if config.carrier == Carrier::Stream => Some((challenge, binding)),
            _ => None,
        };
        Self {
            check,
            met: false,
            own_hello: Vec::new(),
            peer_hello: Vec::new(),
            signing: None,
            authorising: None,
            signed: false,
            authorised: false,
            awaits_scopes: false,
        }
    }

    pub(super) fn challenge(&self) -> Option<[u8; 16]> {
        self.check.map(|(challenge, _)| challenge)
    }

    /// Tells whether nothing stands in the way of the exchange but the peer's hello.
    pub(super) const fn is_complete(&self) -> bool {
        self.check.is_none() || (self.signed && self.authorised)
    }

    /// Tells whether the exchange can go on.
    pub(super) const fn is_ready(&self) -> bool {
        self.met && self.is_complete() && !self.awaits_scopes
    }

    /// Tells whether a hello may come now: the first, or the one that names the scopes of a peer that is made sure of.
    pub(super) const fn takes_hello(&self) -> bool {
        !self.met || self.takes_scopes()
    }

    /// Tells whether the next hello is the one that names the peer's scopes.
    pub(super) const fn takes_scopes(&self) -> bool {
        self.awaits_scopes && self.is_complete()
    }

    /// Tells whether the own hello has been said and signed for, so that a further one only names scopes.
    pub(super) const fn is_over(&self) -> bool {
        self.check.is_some() && self.is_complete()
    }

    /// Notes that the peer has named its scopes.
    pub(super) const fn take_scopes(&mut self) {
        self.awaits_scopes = false;
    }

    /// Forgets the hellos once both sides have signed them.
    fn forget_hellos(&mut self) {
        if self.is_complete() {
            (self.own_hello, self.peer_hello) = (Vec::new(), Vec::new());
        }
    }

    /// Tells whether the host has a question of the handshake open, so that further frames must wait.
    pub(super) const fn is_waiting(&self) -> bool {
        self.signing.is_some() || self.authorising.is_some()
    }

    pub(super) fn said(&mut self, hello: &[u8]) {
        if self.check.is_some() {
            self.own_hello = hello.to_vec();
        }
    }

    pub(super) fn meet(&mut self, wire: &[u8], late_scopes: bool) {
        (self.met, self.awaits_scopes) = (true, late_scopes);
        if self.check.is_some() {
            self.peer_hello = wire.to_vec();
        }
    }
}

impl Session {
    /// Asks the host to sign the peer's challenge; tells whether the hello fits the way this side makes sure of peers.
    pub(super) fn begin_handshake(&mut self, hello: &Hello) -> bool {
        let (Some((_, binding)), Some(nonce)) = (self.handshake.check, hello.challenge) else {
            return self.handshake.check.is_none() && hello.challenge.is_none();
        };
        let token = self.token();
        self.handshake.signing = Some(token);
        self.effects.push_back(Effect::Sign(SignRequest {
            token,
            deployment: self.config.deployment,
            signer: self.config.author,
            audience: hello.author,
            nonce,
            preceding: [&self.handshake.own_hello[..], &self.handshake.peer_hello, &binding].concat(),
        }));
        true
    }

    pub(super) fn take_signature(
        &mut self,
        token: Token,
        time_ms: i64,
        signature: [u8; 64],
    ) -> Result<(), SessionError> {
        self.handshake.signing.take_if(|open| *open == token).ok_or(SessionError::NotAsked(token))?;
        let Some(nonce) = self.peer.as_ref().and_then(|hello| hello.challenge) else { return Ok(()) };
        self.send(&Frame::Auth(Auth { time_ms: time_ms.max(0), nonce, signature }));
        self.handshake.signed = true;
        self.handshake.forget_hellos();
        self.start_exchange();
        Ok(())
    }

    /// Takes the peer's signature; on carriers other than streams the host has checked it already.
    pub(super) fn on_auth(&mut self, auth: Auth) {
        let (Some((challenge, binding)), Some(peer)) = (self.handshake.check, &self.peer) else { return };
        if self.handshake.authorised || self.handshake.authorising.is_some() {
            return;
        }
        let (signer, epoch) = (peer.author, peer.epoch);
        if auth.nonce != challenge {
            return self.end_with_error(Code::BadSignature, Vec::new(), 0);
        }
        let token = self.token();
        self.handshake.authorising = Some(token);
        self.effects.push_back(Effect::Authorise(AuthoriseRequest {
            token,
            epoch,
            certificates: self.inbox.certificates().to_vec(),
            signed: SignRequest {
                token,
                deployment: self.config.deployment,
                signer,
                audience: self.config.author,
                nonce: auth.nonce,
                preceding: [&self.handshake.peer_hello[..], &self.handshake.own_hello, &binding].concat(),
            },
            auth,
        }));
    }

    pub(super) fn take_authorisation(
        &mut self,
        token: Token,
        answer: Result<Vec<(Scope, Access)>, Code>,
    ) -> Result<(), SessionError> {
        match answer {
            Err(code) => self.refuse(token, code, Vec::new())?,
            Ok(allowed) => {
                self.take_admission(token)?;
                for (scope, state) in &mut self.scopes {
                    match allowed.iter().find(|(allowed, _)| allowed == scope) {
                        Some((_, access)) => state.access = *access,
                        None => state.withheld = true,
                    }
                }
                self.scopes.retain(|_, state| !state.withheld);
                self.begin_authorised(&[]);
            }
        }
        Ok(())
    }

    /// Ends the session because the peer is not who it says, or may have no part.
    pub(super) fn refuse(&mut self, token: Token, code: Code, arguments: Vec<String>) -> Result<(), SessionError> {
        self.take_admission(token)?;
        self.end_with_error(code, arguments, 0);
        Ok(())
    }

    /// Takes the scopes that the peer may have a part in, as they stand now.
    pub(super) fn admit_to(&mut self, token: Token, admission: Admission) -> Result<(), SessionError> {
        self.take_admission(token)?;
        self.config.office = admission.office;
        self.set_scopes(admission.scopes);
        self.begin_authorised(&admission.certificates);
        Ok(())
    }

    fn take_admission(&mut self, token: Token) -> Result<(), SessionError> {
        let open = self.handshake.authorising.take_if(|open| *open == token);
        open.map(|_| ()).ok_or(SessionError::NotAsked(token))
    }

    fn begin_authorised(&mut self, certificates: &[Certificate]) {
        self.handshake.authorised = true;
        self.input.set_limit(MAX_FRAME);
        if self.config.late_scopes {
            let scopes: Vec<Scope> = self.scopes.keys().cloned().collect();
            self.send_hello(&scopes);
            self.send_certificates(certificates);
        }
        self.handshake.forget_hellos();
        self.start_exchange();
    }

    /// Begins the exchange over the scopes that both sides have, once nothing stands in its way.
    pub(super) fn start_exchange(&mut self) {
        if !self.handshake.is_ready() {
            return;
        }
        if let Some(hello) = self.peer.clone() {
            self.match_scopes(&hello);
        }
        self.start_live();
    }
}
