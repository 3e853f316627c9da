//! Invites and enrolment: how a device comes by its certificate.

use lastmile_log::{Certificate, Invite, Issuer, fingerprint};
use lastmile_model::roles::Role;
use lastmile_model::{ChangeHash, Scope};
use lastmile_protocol::Code;
use lastmile_protocol::frame::Enrol;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::central::{Central, with_cities};
use crate::{OfficeError, RelayError};

/// The most scopes that an invite names, cities included.
const MAX_SCOPES: usize = 16;

/// The longest device name in a certificate, in bytes.
const MAX_DEVICE: usize = 128;

/// What an invite is to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteOrder {
    /// The scopes the device will hold. With a community come the shared lists of its city.
    pub scopes: Vec<Scope>,
    /// What its holders may do.
    pub roles: Vec<Role>,
    /// Who they are, where known.
    pub persons: Vec<Uuid>,
    /// What the device is called; if empty, as it calls itself.
    pub device: String,
    /// Until when the device may be used, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// How long the invite itself is good for, in milliseconds.
    pub valid_ms: i64,
    /// Under which URL devices reach the relay.
    pub relay: String,
}

impl InviteOrder {
    /// Orders an invite for a worker's device, good for three days.
    #[must_use]
    pub fn new(scopes: Vec<Scope>, relay: impl Into<String>) -> Self {
        Self {
            scopes,
            roles: vec![Role::Worker],
            persons: Vec::new(),
            device: String::new(),
            until_ms: None,
            valid_ms: 72 * 3_600_000,
            relay: relay.into(),
        }
    }
}

/// An invite as the relay keeps it, under the keyed hash of its token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    scopes: Vec<String>,
    roles: Vec<String>,
    persons: Vec<Uuid>,
    device: String,
    until_ms: Option<i64>,
    expires_ms: i64,
    /// The certificate that it gave, in hexadecimal digits: whoever repeats the request with the same key gets it again.
    used: Option<String>,
}

/// Why an enrolment was refused, in the protocol's words.
pub(crate) type Refused = (Code, Vec<String>);

impl Central {
    fn invite_key(&self, token: &[u8; 16]) -> String {
        format!("invite/{}", ChangeHash(fingerprint(&self.keys.fingerprint, token)))
    }

    /// Makes an invite; its token is kept only as a keyed hash.
    pub fn invite(&mut self, order: &InviteOrder) -> Result<Invite, RelayError> {
        let scopes = with_cities(&order.scopes);
        if order.scopes.is_empty() || scopes.len() > MAX_SCOPES {
            return Err(OfficeError::BadScopes { most: MAX_SCOPES }.into());
        }
        if order.roles.is_empty() {
            return Err(OfficeError::NoRole.into());
        }
        let token = self.random::<16>()?;
        let kept = Kept {
            scopes: scopes.iter().map(Scope::to_string).collect(),
            roles: order.roles.iter().map(|role| role.code().to_owned()).collect(),
            persons: order.persons.clone(),
            device: cut(&order.device),
            until_ms: order.until_ms,
            expires_ms: self.now_ms().saturating_add(order.valid_ms),
            used: None,
        };
        self.keep_invite(&token, &kept)?;
        Ok(Invite {
            relay: order.relay.clone(),
            deployment: self.deployment,
            token,
            scopes,
            office_key: self.keys.value.public(),
        })
    }

    fn keep_invite(&mut self, token: &[u8; 16], kept: &Kept) -> Result<(), RelayError> {
        let key = self.invite_key(token);
        let json = serde_json::to_vec(kept).unwrap_or_default();
        Ok(self.store.set_setting(&key, &json)?)
    }

    /// Certifies a device whose request was verified; returns the certificates that lead from it to root.
    ///
    /// The invite is marked as used before anything else, so that it never counts twice; the same key may ask again.
    pub fn enrol(&mut self, enrol: &Enrol) -> Result<Result<Vec<Certificate>, Refused>, RelayError> {
        let bad = || Ok(Err((Code::BadToken, Vec::new())));
        let stored = self.store.setting(&self.invite_key(&enrol.token))?;
        let Some(mut kept) = stored.and_then(|json| serde_json::from_slice::<Kept>(&json).ok()) else { return bad() };
        let now_ms = self.now_ms();
        let certificate = match kept.used.as_deref().map(from_hex) {
            Some(given) => match given.and_then(|bytes| Certificate::decode(&bytes).ok()) {
                Some(certificate) if certificate.public == enrol.public_key => certificate,
                _ => return bad(),
            },
            None if kept.expires_ms < now_ms => return bad(),
            None => {
                let device = if kept.device.is_empty() { cut(&enrol.device) } else { kept.device.clone() };
                let certificate = Certificate {
                    public: enrol.public_key,
                    device,
                    persons: kept.persons.clone(),
                    roles: kept.roles.clone(),
                    scopes: kept.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
                    from_ms: now_ms,
                    until_ms: kept.until_ms,
                    issuer: Issuer::Office(self.office),
                    signature: [0; 64],
                };
                certificate.signed(&self.keys.office, &self.deployment)
            }
        };
        let author = certificate.author(&self.deployment);
        if kept.used.is_none() {
            kept.used = Some(certificate.encode().iter().map(|byte| format!("{byte:02x}")).collect());
            self.keep_invite(&enrol.token, &kept)?;
        }
        self.certify(&certificate)?;
        self.contacts.heard(author, now_ms);
        tracing::info!(%author, scopes = certificate.scopes.len(), "a device enrolled");
        Ok(Ok(self.trust()?.chain_of(author)))
    }
}

/// Cuts a device's name to what a certificate holds.
fn cut(name: &str) -> String {
    let mut name = name.trim().to_owned();
    while name.len() > MAX_DEVICE {
        name.pop();
    }
    name
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at.checked_add(2)?)?, 16).ok()).collect()
}
