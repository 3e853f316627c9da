//! Signatures of requests and of streams.
//!
//! A request's last frame is an auth frame. It signs the deployment, the relay epoch that the client talks to, the client's
//! author, its clock, a nonce and the SHA-256 of every byte of the body before it. On a stream the same frame signs the
//! peer's author and challenge, and both hellos. The relay checks a request before it begins a session: certificate,
//! signature, clock, and that the nonce is new. A repeated request would do no harm, since storing is idempotent.

use lastmile_log::wire::Writer;
use lastmile_log::{AuthorKey, Certificate, Deployment, SUITE, sha256, verify};
use lastmile_model::AuthorId;

use crate::code::Code;
use crate::frame::{Auth, BadFrame, Frame, FrameReader, Hello, frame_length};
use crate::limits::{AUTH_WINDOW_MS, MAX_CERTIFICATES, MAX_FRAME, MAX_FRAME_UNAUTHENTICATED};
use crate::session::Token;

const REQUEST_LABEL: &[u8] = b"lastmile request\0";
const STREAM_LABEL: &[u8] = b"lastmile stream\0";

/// What is signed, for requests and streams alike.
struct Statement<'a> {
    label: &'a [u8],
    deployment: &'a [u8; 16],
    audience: Option<AuthorId>,
    signer: AuthorId,
    time_ms: i64,
    nonce: &'a [u8; 16],
    preceding: &'a [u8],
}

impl Statement<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(self.label);
        out.u8(SUITE);
        out.raw(self.deployment);
        out.raw(self.audience.unwrap_or(AuthorId([0; 16])).as_bytes());
        out.raw(self.signer.as_bytes());
        out.uvarint(self.time_ms.max(0).cast_unsigned());
        out.raw(self.nonce);
        out.raw(&sha256(self.preceding));
        out.finish()
    }
}

/// Signs a request body by putting an auth frame at its end.
///
/// `epoch` is the relay epoch that the client knows; none before it has met the relay.
///
/// # Errors
/// Never for a body of whole frames; the type is that of all frame writing.
pub fn sign_body(
    body: &mut Vec<u8>,
    key: &AuthorKey,
    deployment: &Deployment,
    epoch: Option<AuthorId>,
    time_ms: i64,
    nonce: [u8; 16],
) -> Result<(), BadFrame> {
    let statement = Statement {
        label: REQUEST_LABEL,
        deployment: &deployment.id,
        audience: epoch,
        signer: key.author(deployment),
        time_ms,
        nonce: &nonce,
        preceding: body,
    };
    let signature = key.sign(&statement.bytes());
    body.extend(Frame::Auth(Auth { time_ms: time_ms.max(0), nonce, signature }).encode()?);
    Ok(())
}

/// Says why a request cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// A frame is malformed or over a limit.
    #[error("the request has a bad frame")]
    Frame(#[from] BadFrame),
    /// The last frame is no signature, or something follows it.
    #[error("the request is not signed")]
    NotSigned,
    /// The signature does not verify.
    #[error("the signature of the request does not verify")]
    Signature,
    /// It was to be an enrolment, or the answer to one, and is not.
    #[error("the body holds no enrolment")]
    NoEnrolment,
    /// It was to ask one thing about files, or answer it, and does not.
    #[error("the body holds no single question about files, or no answer to one")]
    NoQuestion,
}

impl BadRequest {
    /// Returns the code to tell the peer.
    #[must_use]
    pub fn code(&self) -> Code {
        self.told().0
    }

    /// Returns the code to tell the peer, and its arguments.
    #[must_use]
    pub fn told(&self) -> (Code, Vec<String>) {
        match self {
            Self::Frame(bad) => bad.told(),
            Self::NoEnrolment | Self::NoQuestion => (Code::BadFrame, vec![self.to_string()]),
            Self::NotSigned | Self::Signature => (Code::BadSignature, Vec::new()),
        }
    }
}

/// A request body taken apart as far as is needed to decide who speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedRequest<'b> {
    /// The hello, if the body begins with one.
    pub hello: Option<Hello>,
    /// Certificates that follow the hello directly.
    pub certificates: Vec<Certificate>,
    /// The signature.
    pub auth: Auth,
    frames: &'b [u8],
}

impl<'b> SignedRequest<'b> {
    /// Takes a body apart; only hello, certificates and signature are opened, each at most 64 KiB.
    ///
    /// # Errors
    /// [`BadRequest`] when frames are malformed or the last is no signature.
    pub fn open(body: &'b [u8]) -> Result<Self, BadRequest> {
        let mut hello = None;
        let mut certificates = Vec::new();
        let mut rest = body;
        let mut opening = true;
        loop {
            let (length, prefix) = frame_length(rest)?.ok_or(BadRequest::NotSigned)?;
            let over =
                length > MAX_FRAME || (opening && is_opening(rest, prefix) && length > MAX_FRAME_UNAUTHENTICATED);
            if over {
                return Err(BadFrame::TooLarge { limit: MAX_FRAME_UNAUTHENTICATED, length: length as u64 }.into());
            }
            let (whole, after) = rest.split_at_checked(prefix + length).ok_or(BadRequest::NotSigned)?;
            if after.is_empty() {
                let Some(Frame::Auth(auth)) = open_one(whole)? else { return Err(BadRequest::NotSigned) };
                let frames = body.get(..body.len() - whole.len()).unwrap_or_default();
                return Ok(Self { hello, certificates, auth, frames });
            }
            opening = opening && is_opening(rest, prefix) && certificates.len() <= MAX_CERTIFICATES;
            if opening {
                match open_one(whole)? {
                    Some(Frame::Hello(said)) if hello.is_none() => hello = Some(said),
                    Some(Frame::Certificates(more)) => certificates.extend(more),
                    _ => opening = false,
                }
            }
            rest = after;
        }
    }

    /// Returns the body without its signature: what the session is fed.
    #[must_use]
    pub const fn frames(&self) -> &'b [u8] {
        self.frames
    }

    /// Verifies the signature with the author's public key; `epoch` is the relay's own.
    #[must_use]
    pub fn verify(
        &self,
        public_key: &[u8; 32],
        deployment: &Deployment,
        signer: AuthorId,
        epoch: Option<AuthorId>,
    ) -> bool {
        let statement = Statement {
            label: REQUEST_LABEL,
            deployment: &deployment.id,
            audience: epoch,
            signer,
            time_ms: self.auth.time_ms,
            nonce: &self.auth.nonce,
            preceding: self.frames,
        };
        verify(public_key, &statement.bytes(), &self.auth.signature)
    }

    /// Checks the clock of the request against the receiver's, both in milliseconds.
    ///
    /// # Errors
    /// [`Code::WrongClock`] when they are more than ten minutes apart.
    pub const fn check_clock(&self, now_ms: i64) -> Result<(), Code> {
        if self.auth.time_ms.abs_diff(now_ms) <= AUTH_WINDOW_MS.cast_unsigned() {
            Ok(())
        } else {
            Err(Code::WrongClock)
        }
    }
}

/// Who says to be speaking, by what a body begins with; nothing of it is sure before the signature at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The hello.
    pub hello: Hello,
    /// Certificates that follow it directly, as far as they came.
    pub certificates: Vec<Certificate>,
}

impl Opening {
    /// Reads the beginning of a body of which no more has come than is taken of anybody, [`MAX_FRAME_UNAUTHENTICATED`] bytes or more.
    ///
    /// # Errors
    /// [`BadRequest`] when it does not begin with a whole hello.
    pub fn read(beginning: &[u8]) -> Result<Self, BadRequest> {
        let (mut hello, mut certificates) = (None, Vec::new());
        let mut rest = beginning;
        while let Some((length, prefix)) = frame_length(rest)? {
            if !is_opening(rest, prefix) || length > MAX_FRAME_UNAUTHENTICATED || certificates.len() > MAX_CERTIFICATES
            {
                break;
            }
            let Some((whole, after)) = rest.split_at_checked(prefix + length) else { break };
            match open_one(whole)? {
                Some(Frame::Hello(said)) if hello.is_none() => hello = Some(said),
                Some(Frame::Certificates(more)) => certificates.extend(more),
                _ => break,
            }
            rest = after;
        }
        let limit = MAX_FRAME_UNAUTHENTICATED;
        let hello = hello.ok_or(BadFrame::TooLarge { limit, length: beginning.len() as u64 })?;
        Ok(Self { hello, certificates })
    }
}

/// Tells whether a frame is a hello or certificates.
fn is_opening(bytes: &[u8], prefix: usize) -> bool {
    matches!(bytes.get(prefix), Some(1 | 5))
}

fn open_one(whole: &[u8]) -> Result<Option<Frame>, BadFrame> {
    let mut reader = FrameReader::new(MAX_FRAME_UNAUTHENTICATED);
    reader.push(whole);
    let raw = reader.next_frame()?.ok_or(BadFrame::Truncated)?;
    Frame::open(&raw, MAX_FRAME_UNAUTHENTICATED)
}

/// Asks the host to sign for the peer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    /// The question.
    pub token: Token,
    /// The deployment's id.
    pub deployment: [u8; 16],
    /// Who signs.
    pub signer: AuthorId,
    /// For whom.
    pub audience: AuthorId,
    /// The other's challenge.
    pub nonce: [u8; 16],
    /// The signer's hello, the other's hello, and what ties both to the carrier.
    pub preceding: Vec<u8>,
}

impl SignRequest {
    fn bytes(&self, time_ms: i64) -> Vec<u8> {
        let statement = Statement {
            label: STREAM_LABEL,
            deployment: &self.deployment,
            audience: Some(self.audience),
            signer: self.signer,
            time_ms,
            nonce: &self.nonce,
            preceding: &self.preceding,
        };
        statement.bytes()
    }

    /// Signs, at the present time in milliseconds.
    #[must_use]
    pub fn sign(&self, key: &AuthorKey, time_ms: i64) -> [u8; 64] {
        key.sign(&self.bytes(time_ms))
    }
}

/// Asks the host whether the peer of a stream is who it says, and what it may do.
///
/// The host adds the certificates to what it trusts, looks the signer's public key up, verifies, checks the clock, and
/// names the scopes that the signer's certificate and grants allow.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthoriseRequest {
    /// The question.
    pub token: Token,
    /// The relay epoch that the peer knows or is.
    pub epoch: Option<AuthorId>,
    /// Certificates that the peer brought along.
    pub certificates: Vec<Certificate>,
    /// What was to be signed, and by whom.
    pub signed: SignRequest,
    /// The signature.
    pub auth: Auth,
}

impl AuthoriseRequest {
    /// Verifies the signature with the signer's public key.
    #[must_use]
    pub fn verify(&self, public_key: &[u8; 32]) -> bool {
        verify(public_key, &self.signed.bytes(self.auth.time_ms), &self.auth.signature)
    }
}
