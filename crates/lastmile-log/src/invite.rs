//! Invites: what a device needs to join, as one line of text.

use lastmile_model::Scope;

use crate::keys::Deployment;
use crate::wire::{Reader, Unreadable, Writer};

const PREFIX: &str = "lastmile1";
const MAX_URL: usize = 512;
const MAX_SCOPES: usize = 16;

/// A one-time invitation for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where the relay is.
    pub relay: String,
    /// The deployment to join.
    pub deployment: Deployment,
    /// The secret that the relay accepts once.
    pub token: [u8; 16],
    /// The scopes the device will hold.
    pub scopes: Vec<Scope>,
    /// The office's public key for sealed values.
    pub office_key: [u8; 32],
}

/// Says why a text is no invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInvite {
    /// It does not begin as one.
    #[error("an invite begins with `{PREFIX}`; copy the whole line")]
    NotAnInvite,
    /// Its check digits do not match.
    #[error("the invite is damaged or cut off; copy the whole line")]
    Damaged,
    /// Its content is malformed.
    #[error("the invite is malformed: {0}")]
    Unreadable(#[from] Unreadable),
}

impl Invite {
    /// Writes the invite as `lastmile1` and hexadecimal digits, the last eight a checksum.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = Writer::new();
        out.bytes(self.relay.as_bytes());
        out.raw(&self.deployment.id);
        out.raw(&self.deployment.root);
        out.raw(&self.token);
        out.uvarint(self.scopes.len() as u64);
        self.scopes.iter().for_each(|scope| out.scope(scope));
        out.raw(&self.office_key);
        let check = checksum(out.as_slice());
        out.raw(&check);
        let digits: String = out.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{PREFIX}{digits}")
    }

    /// Reads an invite, whatever white space was copied with it.
    ///
    /// # Errors
    /// [`BadInvite`] when it is none, cut off or damaged.
    pub fn from_text(text: &str) -> Result<Self, BadInvite> {
        let plain: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let digits = plain.strip_prefix(PREFIX).ok_or(BadInvite::NotAnInvite)?;
        let bytes = from_hex(digits).ok_or(BadInvite::Damaged)?;
        let split = bytes.len().checked_sub(4).ok_or(BadInvite::Damaged)?;
        let (content, check) = bytes.split_at_checked(split).ok_or(BadInvite::Damaged)?;
        if check != checksum(content) {
            return Err(BadInvite::Damaged);
        }
        let mut reader = Reader::new(content);
        let relay = reader.text(MAX_URL)?.to_owned();
        let deployment = Deployment { id: reader.array()?, root: reader.array()? };
        let token = reader.array()?;
        let count = reader.count(MAX_SCOPES)?;
        let scopes = (0..count).map(|_| reader.scope()).collect::<Result<_, _>>()?;
        let office_key = reader.array()?;
        reader.end()?;
        Ok(Self { relay, deployment, token, scopes, office_key })
    }
}

fn checksum(content: &[u8]) -> [u8; 4] {
    let hash = crate::commit::change_hash(&[&[0; 8], content].concat());
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 != 0 || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_names_damage() {
        let invite = Invite {
            relay: "http://127.0.0.1:8470".to_owned(),
            deployment: Deployment { id: [1; 16], root: [2; 32] },
            token: [3; 16],
            scopes: vec![Scope::community("430103005010").unwrap()],
            office_key: [4; 32],
        };
        let text = invite.to_text();
        assert_eq!(Invite::from_text(&format!("  {text}\n")), Ok(invite));
        assert_eq!(Invite::from_text("hello"), Err(BadInvite::NotAnInvite));
        let cut = text.get(..text.len() - 2).unwrap();
        assert_eq!(Invite::from_text(cut), Err(BadInvite::Damaged));
    }
}
