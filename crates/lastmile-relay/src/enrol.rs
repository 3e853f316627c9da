//! Invites and enrolment: how a device comes by its certificate.

use lastmile_log::{Certificate, Invite, Issuer, fingerprint};
use lastmile_model::roles::Role;
use lastmile_model::{AuthorId, ChangeHash, Scope, keys, planted};
use lastmile_protocol::Code;
use lastmile_protocol::frame::Enrol;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::central::{Central, with_cities};
use crate::{InviteView, OfficeError, RelayError};

/// The most scopes that an invite names, cities included.
pub(crate) const MAX_SCOPES: usize = 16;

/// What the settings that keep invites begin with.
const PREFIX: &str = "invite/";

/// How many digits of its key name an invite to people.
const NAMED: usize = 12;

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
    /// The device that this one takes the place of, which is revoked when the invite is used.
    pub replaces: Option<AuthorId>,
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
            replaces: None,
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
    /// The author that is revoked when it is used.
    #[serde(default)]
    replaces: Option<String>,
    /// Whether it was taken back.
    #[serde(default)]
    withdrawn: bool,
    /// The certificate that it gave, in hexadecimal digits: whoever repeats the request with the same key gets it again.
    used: Option<String>,
}

/// Why an enrolment was refused, in the protocol's words.
pub(crate) type Refused = (Code, Vec<String>);

impl Central {
    fn invite_key(&self, token: &[u8; 16]) -> String {
        format!("{PREFIX}{}", ChangeHash(fingerprint(&self.keys.fingerprint, token)))
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
            replaces: order.replaces.map(|author| author.to_string()),
            withdrawn: false,
            used: None,
        };
        self.keep_invite(&token, &kept)?;
        Ok(Invite {
            relay: order.relay.clone(),
            deployment: self.deployment,
            token,
            scopes,
            office_key: self.keys.value.public(),
            // A pin says nothing where there is no TLS.
            pin: self.keys.pin.filter(|_| order.relay.starts_with("https://")),
        })
    }

    /// Whether a device was revoked already.
    fn is_ended(&self, author: Option<&str>) -> bool {
        let author = author.and_then(|text| text.parse::<AuthorId>().ok());
        let certificate = author.and_then(|author| self.store.trust()?.certificate(author));
        certificate.is_none_or(|certificate| certificate.scopes.is_empty())
    }

    /// The invites, those that end last first.
    pub fn invites(&self) -> Result<Vec<InviteView>, RelayError> {
        let kept = self.store.settings(PREFIX)?.into_iter();
        let mut invites: Vec<InviteView> = kept
            .filter_map(|(key, json)| {
                let kept: Kept = serde_json::from_slice(&json).ok()?;
                Some(InviteView {
                    invite: key.strip_prefix(PREFIX)?.get(..NAMED)?.to_owned(),
                    device: kept.device,
                    scopes: kept.scopes,
                    roles: kept.roles,
                    persons: kept.persons,
                    expires_ms: kept.expires_ms,
                    used: kept.used.is_some(),
                    withdrawn: kept.withdrawn,
                })
            })
            .collect();
        invites.sort_by_key(|invite| std::cmp::Reverse(invite.expires_ms));
        Ok(invites)
    }

    /// Takes back an invite that was not used.
    pub fn withdraw(&mut self, invite: &str) -> Result<(), RelayError> {
        let none = || OfficeError::NoInvite { text: invite.chars().take(40).collect() };
        if invite.len() < NAMED || !invite.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none().into());
        }
        let found = self.store.settings(&format!("{PREFIX}{invite}"))?;
        let [(key, json)] = found.as_slice() else { return Err(none().into()) };
        let mut kept: Kept = serde_json::from_slice(json).map_err(|_| none())?;
        if kept.used.is_some() {
            return Err(none().into());
        }
        kept.withdrawn = true;
        Ok(self.store.set_setting(key, &serde_json::to_vec(&kept).unwrap_or_default())?)
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
        let certificate = match kept.used.as_deref().filter(|_| !planted!("invites-serve-again")).map(from_hex) {
            Some(given) => match given.and_then(|bytes| Certificate::decode(&bytes).ok()) {
                Some(certificate) if certificate.public == enrol.public_key => certificate,
                _ => return bad(),
            },
            None if kept.expires_ms < now_ms && !planted!("invites-never-end") => return bad(),
            None if kept.withdrawn && !planted!("withdrawn-invites-serve") => return bad(),
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
                    consent: None,
                };
                certificate.signed(&self.keys.office, &self.deployment)
            }
        };
        let author = certificate.author(&self.deployment);
        let first = kept.used.is_none();
        if first {
            kept.used = Some(keys::bytes_element(&certificate.encode()));
            self.keep_invite(&enrol.token, &kept)?;
        }
        self.certify(&certificate)?;
        if first {
            // Not again when the request is repeated: a grant may have been ended since.
            self.grant_persons(&certificate)?;
        }
        if let Some(replaced) = kept.replaces.as_deref().filter(|_| !self.is_ended(kept.replaces.as_deref())) {
            self.revoke(replaced, "replaced")?;
        }
        let about = [vec![author.to_string()], kept.scopes.clone()].concat();
        if first {
            self.audit(&format!("device {author}"), "enrol", about, None, "done")?;
        }
        self.contacts.heard(author, now_ms);
        tracing::info!(%author, scopes = certificate.scopes.len(), "a device enrolled");
        Ok(Ok(self.trust()?.chain_of(author)))
    }
}

/// Cuts a device's name to what a certificate holds.
pub(crate) fn cut(name: &str) -> String {
    let mut name = name.trim().to_owned();
    while name.len() > MAX_DEVICE {
        name.pop();
    }
    name
}

pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at.checked_add(2)?)?, 16).ok()).collect()
}
