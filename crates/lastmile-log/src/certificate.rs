//! Certificates: who an author is, and who says so.

use lastmile_model::{AuthorId, Scope, planted};
use uuid::Uuid;

use crate::keys::{AuthorKey, Deployment, author_id, verify};
use crate::seal::SUITE;
use crate::wire::{Reader, Unreadable, Writer};

/// The largest certificate, in bytes.
pub const MAX_CERTIFICATE: usize = 4096;
/// The longest name of a device, in bytes.
pub const MAX_DEVICE: usize = 128;
/// The most persons, roles or scopes of a certificate.
pub const MAX_LIST: usize = 64;
/// The longest role, in bytes.
pub const MAX_ROLE: usize = 32;

/// The role of an office author that writes erasure orders alone.
pub const ORDERS: &str = "orders";

const LABEL: &[u8] = b"lastmile certificate\0";
const CONSENT: &[u8] = b"lastmile succession\0";
const VERSION: u8 = 1;

/// Who issued a certificate, which says what it makes of its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issuer {
    /// The deployment's root: the author is an office author, one epoch of the relay.
    Root,
    /// An office author: the author is a device.
    Office(AuthorId),
    /// A device that goes on under a new author: same persons, roles, scopes and end. The new author's key signs as well, so nobody can
    /// make another's key its successor.
    Predecessor(AuthorId),
}

impl Issuer {
    /// The issuing author, none for root.
    #[must_use]
    pub const fn author(&self) -> Option<AuthorId> {
        match self {
            Self::Root => None,
            Self::Office(author) | Self::Predecessor(author) => Some(*author),
        }
    }
}

/// Says who an author is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Certificate {
    /// The author's Ed25519 public key.
    pub public: [u8; 32],
    /// What the device is called.
    pub device: String,
    /// The persons who use it, ascending.
    pub persons: Vec<Uuid>,
    /// What they may do, e.g. `worker`, `secretary`, ascending.
    pub roles: Vec<String>,
    /// Where, ascending.
    pub scopes: Vec<Scope>,
    /// From when, in milliseconds since 1970.
    pub from_ms: i64,
    /// Until when, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Who says so.
    pub issuer: Issuer,
    /// The issuer's signature.
    pub signature: [u8; 64],
    /// The signature of a successor's own key; none on any other certificate.
    pub consent: Option<[u8; 64]>,
}

impl Certificate {
    /// Signs this certificate with the issuer's key, its lists sorted first; [`Certificate::check`] says whether they
    /// fit.
    #[must_use]
    pub fn signed(mut self, issuer: &AuthorKey, deployment: &Deployment) -> Self {
        self.persons.sort_unstable();
        self.persons.dedup();
        self.roles.sort_unstable();
        self.roles.dedup();
        self.scopes.sort_unstable();
        self.scopes.dedup();
        self.signature = issuer.sign(self.message(LABEL, deployment).as_slice());
        self.consent = None;
        self
    }

    /// Signs this certificate of a successor with its predecessor's key and its own; otherwise as [`Certificate::signed`].
    #[must_use]
    pub fn succeeding(self, before: &AuthorKey, own: &AuthorKey, deployment: &Deployment) -> Self {
        let mut signed = self.signed(before, deployment);
        signed.consent = Some(own.sign(signed.message(CONSENT, deployment).as_slice()));
        signed
    }

    /// Checks that the certificate can be encoded and read again: its lists are ascending and everything within bounds.
    ///
    /// # Errors
    /// [`Unreadable`] as [`Certificate::decode`] would say.
    pub fn check(&self) -> Result<(), Unreadable> {
        Self::decode(&self.encode()).map(|_| ())
    }

    /// Whether its author, if it is an office author, writes erasure orders and nothing else.
    #[must_use]
    pub fn writes_orders(&self) -> bool {
        self.roles.len() == 1 && self.roles.first().is_some_and(|role| role == ORDERS)
    }

    /// The author whom it certifies.
    #[must_use]
    pub fn author(&self, deployment: &Deployment) -> AuthorId {
        author_id(deployment, &self.public)
    }

    /// Verifies the signature with the issuer's public key, and a successor's own.
    #[must_use]
    pub fn verify(&self, issuer: &[u8; 32], deployment: &Deployment) -> bool {
        let consents = match (self.issuer, &self.consent) {
            (Issuer::Predecessor(_), Some(own)) => {
                planted!("nobody-asked") || verify(&self.public, self.message(CONSENT, deployment).as_slice(), own)
            }
            (Issuer::Predecessor(_), None) => false,
            (_, own) => own.is_none(),
        };
        consents && verify(issuer, self.message(LABEL, deployment).as_slice(), &self.signature)
    }

    /// Tells whether this can be the certificate of the other's successor: same persons, roles, scopes and end.
    #[must_use]
    pub fn continues(&self, before: &Self) -> bool {
        self.persons == before.persons
            && self.roles == before.roles
            && self.scopes == before.scopes
            && self.until_ms == before.until_ms
    }

    fn message(&self, label: &[u8], deployment: &Deployment) -> Writer {
        let mut out = Writer::new();
        out.raw(label);
        out.raw(&deployment.id);
        self.write_body(&mut out);
        out
    }

    fn write_body(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.u8(SUITE);
        out.raw(&self.public);
        out.bytes(self.device.as_bytes());
        out.uvarint(self.persons.len() as u64);
        self.persons.iter().for_each(|person| out.raw(person.as_bytes()));
        out.uvarint(self.roles.len() as u64);
        self.roles.iter().for_each(|role| out.bytes(role.as_bytes()));
        out.uvarint(self.scopes.len() as u64);
        self.scopes.iter().for_each(|scope| out.scope(scope));
        out.ivarint(self.from_ms);
        match self.until_ms {
            Some(until) => {
                out.u8(1);
                out.ivarint(until);
            }
            None => out.u8(0),
        }
        match self.issuer {
            Issuer::Root => out.u8(0),
            Issuer::Office(author) => {
                out.u8(1);
                out.raw(author.as_bytes());
            }
            Issuer::Predecessor(author) => {
                out.u8(2);
                out.raw(author.as_bytes());
            }
        }
    }

    /// Writes the certificate with its signature.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write_body(&mut out);
        out.raw(&self.signature);
        if let Some(consent) = &self.consent {
            out.raw(consent);
        }
        out.finish()
    }

    /// Reads what [`Certificate::encode`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`] when malformed, too long, out of order or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(Unreadable::TooLong { length: bytes.len() as u64, limit: MAX_CERTIFICATE as u64 });
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION || reader.u8()? != SUITE {
            return Err(Unreadable::Unknown("the version of a certificate"));
        }
        let public = reader.array()?;
        let device = reader.text(MAX_DEVICE)?.to_owned();
        let persons = read_list(&mut reader, |reader| reader.array().map(Uuid::from_bytes))?;
        let roles = read_list(&mut reader, |reader| reader.text(MAX_ROLE).map(str::to_owned))?;
        let scopes = read_list(&mut reader, Reader::scope)?;
        let from_ms = reader.ivarint()?;
        let until_ms = match reader.u8()? {
            0 => None,
            1 => Some(reader.ivarint()?),
            _ => return Err(Unreadable::Unknown("the end of a certificate")),
        };
        let issuer = match reader.u8()? {
            0 => Issuer::Root,
            1 => Issuer::Office(AuthorId(reader.array()?)),
            2 => Issuer::Predecessor(AuthorId(reader.array()?)),
            _ => return Err(Unreadable::Unknown("the issuer of a certificate")),
        };
        let signature = reader.array()?;
        let consent = matches!(issuer, Issuer::Predecessor(_)).then(|| reader.array()).transpose()?;
        reader.end()?;
        Ok(Self { public, device, persons, roles, scopes, from_ms, until_ms, issuer, signature, consent })
    }
}

/// Reads a list in strictly ascending order.
fn read_list<'r, T: Ord>(
    reader: &mut Reader<'r>,
    read: impl Fn(&mut Reader<'r>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let count = reader.count(MAX_LIST)?;
    let list: Vec<T> = (0..count).map(|_| read(reader)).collect::<Result<_, _>>()?;
    if list.is_sorted_by(|earlier, later| earlier < later) {
        Ok(list)
    } else {
        Err(Unreadable::Unknown("the order of a list"))
    }
}
