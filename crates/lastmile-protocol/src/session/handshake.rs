//! Making sure of the peer of a stream: each side signs the other's challenge and both hellos.

use lastmile_model::Scope;

use super::config::{Access, Carrier, PeerCheck, SessionConfig};
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
        self.met && self.is_complete()
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

    pub(super) fn meet(&mut self, wire: &[u8]) {
        self.met = true;
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
        self.handshake.authorising.take_if(|open| *open == token).ok_or(SessionError::NotAsked(token))?;
        match answer {
            Err(code) => self.end_with_error(code, Vec::new(), 0),
            Ok(allowed) => {
                for (scope, state) in &mut self.scopes {
                    match allowed.iter().find(|(allowed, _)| allowed == scope) {
                        Some((_, access)) => state.access = *access,
                        None => state.withheld = true,
                    }
                }
                self.scopes.retain(|_, state| !state.withheld);
                self.handshake.authorised = true;
                self.input.set_limit(MAX_FRAME);
                self.start_exchange();
            }
        }
        Ok(())
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
