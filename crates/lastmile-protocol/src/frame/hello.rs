//! The hello: who speaks, in which versions, and what it holds in short.

use lastmile_log::wire::Writer;
use lastmile_model::{AuthorId, ChainHash, Scope};

use super::payloads::Fields;
use super::{BadFrame, within};
use crate::limits::{MAX_APP, MAX_EXTENSION, MAX_SCOPES};
use crate::{MAX_VERSION, MIN_VERSION};

/// Flag of a hello: the relay epoch follows.
const HAS_EPOCH: u8 = 1;

/// Flag of a hello: a challenge follows.
const HAS_CHALLENGE: u8 = 2;

/// Flag of a hello: the scopes follow in a second hello.
const LATE_SCOPES: u8 = 4;

/// The first frame of each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The lowest protocol version that the speaker speaks.
    pub min_version: u64,
    /// The highest.
    pub max_version: u64,
    /// The deployment.
    pub deployment: [u8; 16],
    /// The speaker's author.
    pub author: AuthorId,
    /// The relay epoch (its office author) that the speaker knows or is.
    pub epoch: Option<AuthorId>,
    /// The application and its version.
    pub app: String,
    /// How many bytes of batch frames the speaker takes.
    pub credit: u64,
    /// On a stream whose sides sign: 16 random bytes for the other to sign.
    pub challenge: Option<[u8; 16]>,
    /// On a stream whose sides sign: the scopes follow in a second hello, once the other is made sure of.
    pub late_scopes: bool,
    /// The scopes, ascending.
    pub scopes: Vec<HelloScope>,
    /// Kept for later versions; ignored if not known.
    pub extension: Vec<u8>,
}

/// One scope of a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloScope {
    /// The scope.
    pub scope: Scope,
    /// The digest of what the speaker holds.
    pub digest: [u8; 32],
    /// The speaker's own log.
    pub own: OwnHead,
}

/// The head of the speaker's own log in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnHead {
    /// Its last seq; 0 when it wrote nothing there.
    pub seq: u64,
    /// The chain hash there; zeros at seq 0.
    pub chain: ChainHash,
    /// How far the speaker has a receipt of the relay epoch it knows.
    pub receipted: u64,
}

impl Default for OwnHead {
    fn default() -> Self {
        Self { seq: 0, chain: ChainHash::ZERO, receipted: 0 }
    }
}

impl Hello {
    pub(super) fn check(&self, kind: u8) -> Result<(), BadFrame> {
        within(kind, self.app.len(), "bytes of application name", MAX_APP)?;
        within(kind, self.scopes.len(), "scopes", MAX_SCOPES)?;
        within(kind, self.extension.len(), "bytes of extension", MAX_EXTENSION)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.uvarint(self.min_version);
        out.uvarint(self.max_version);
        let epoch = if self.epoch.is_some() { HAS_EPOCH } else { 0 };
        let challenge = if self.challenge.is_some() { HAS_CHALLENGE } else { 0 };
        let late = if self.late_scopes { LATE_SCOPES } else { 0 };
        out.u8(epoch | challenge | late);
        out.raw(&self.deployment);
        out.raw(self.author.as_bytes());
        if let Some(epoch) = &self.epoch {
            out.raw(epoch.as_bytes());
        }
        if let Some(challenge) = &self.challenge {
            out.raw(challenge);
        }
        out.bytes(self.app.as_bytes());
        out.uvarint(self.credit);
        out.uvarint(self.scopes.len() as u64);
        for HelloScope { scope, digest, own } in &self.scopes {
            out.scope(scope);
            out.raw(digest);
            out.uvarint(own.seq);
            if own.seq > 0 {
                out.raw(own.chain.as_bytes());
                out.uvarint(own.receipted);
            }
        }
        out.bytes(&self.extension);
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, BadFrame> {
        let (min_version, max_version) = (fields.uvarint("version")?, fields.uvarint("version")?);
        if min_version > max_version {
            return Err(fields.malformed("version"));
        }
        if min_version > MAX_VERSION || max_version < MIN_VERSION {
            return Err(BadFrame::OtherVersion { min: min_version, max: max_version });
        }
        let flags = fields.u8("flags")?;
        if flags & !(HAS_EPOCH | HAS_CHALLENGE | LATE_SCOPES) != 0 {
            return Err(fields.malformed("flags"));
        }
        let deployment = fields.array("deployment")?;
        let author = AuthorId(fields.array("author")?);
        let epoch = if flags & HAS_EPOCH != 0 { Some(AuthorId(fields.array("epoch")?)) } else { None };
        let challenge = if flags & HAS_CHALLENGE != 0 { Some(fields.array("challenge")?) } else { None };
        let app = fields.text("bytes of application name", MAX_APP)?;
        let credit = fields.uvarint("credit")?;
        let count = fields.count("scopes", MAX_SCOPES)?;
        let mut scopes: Vec<HelloScope> = Vec::new();
        for _ in 0..count {
            let scope = fields.scope()?;
            if scopes.last().is_some_and(|last| last.scope >= scope) {
                return Err(fields.malformed("order of scopes"));
            }
            let digest = fields.array("digest")?;
            let mut own = OwnHead { seq: fields.uvarint("own seq")?, ..OwnHead::default() };
            if own.seq > 0 {
                own.chain = ChainHash(fields.array("own chain hash")?);
                own.receipted = fields.uvarint("receipted seq")?;
            }
            scopes.push(HelloScope { scope, digest, own });
        }
        let extension = fields.bytes("bytes of extension", MAX_EXTENSION)?.to_vec();
        let late_scopes = flags & LATE_SCOPES != 0;
        if late_scopes && (challenge.is_none() || !scopes.is_empty()) {
            return Err(fields.malformed("flags"));
        }
        Ok(Self {
            min_version,
            max_version,
            deployment,
            author,
            epoch,
            app,
            credit,
            challenge,
            late_scopes,
            scopes,
            extension,
        })
    }
}
