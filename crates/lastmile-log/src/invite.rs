//! Invites: what a device needs to join, as one line of text.

use std::fmt;

use lastmile_model::Scope;
use zeroize::Zeroize;

use crate::base64url;
use crate::commit::sha256;
use crate::keys::Deployment;
use crate::wire::{Reader, Unreadable, Writer};

/// What the text begins with; the number is the version of what follows.
const PREFIX: &str = "lastmile-invite:1:";
const MAX_URL: usize = 512;
const MAX_SCOPES: usize = 16;
const CHECK: usize = 4;
/// No pin follows.
const NO_PIN: u8 = 0;
/// A pin follows: a SHA-256.
const PIN_SHA256: u8 = 1;
/// The longest text worth looking at.
const MAX_TEXT: usize = 4096;

/// A one-time invitation for one device. Its token is wiped from memory when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where the relay is: its URL, at most 512 bytes.
    pub relay: String,
    /// The deployment to join.
    pub deployment: Deployment,
    /// The secret that the relay accepts once.
    pub token: [u8; 16],
    /// The scopes the device will hold, at most 16.
    pub scopes: Vec<Scope>,
    /// The office's public key for sealed values.
    pub office_key: [u8; 32],
    /// The key of the relay's own certificate authority: the SHA-256 of its SubjectPublicKeyInfo. With it the device trusts no other;
    /// without it, whom its system trusts.
    pub pin: Option<[u8; 32]>,
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("relay", &self.relay).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

impl Drop for Invite {
    fn drop(&mut self) {
        self.token.zeroize();
    }
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
    /// Writes the invite as `lastmile-invite:1:` and base64url digits, the last bytes a checksum.
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
        match &self.pin {
            None => out.u8(NO_PIN),
            Some(pin) => {
                out.u8(PIN_SHA256);
                out.raw(pin);
            }
        }
        out.raw(&checksum(out.as_slice()));
        let mut content = out.finish();
        let text = format!("{PREFIX}{}", base64url::encode(&content));
        content.zeroize();
        text
    }

    /// Reads an invite, whatever white space, line breaks or invisible characters were copied with it.
    ///
    /// # Errors
    /// [`BadInvite`] when it is none, cut off or damaged.
    pub fn from_text(text: &str) -> Result<Self, BadInvite> {
        if text.len() > MAX_TEXT {
            return Err(BadInvite::NotAnInvite);
        }
        let plain: String = text.chars().filter(|letter| letter.is_ascii_graphic()).collect();
        let digits = plain.strip_prefix(PREFIX).ok_or(BadInvite::NotAnInvite)?;
        let content = base64url::decode(digits).ok_or(BadInvite::Damaged)?;
        let split = content.len().checked_sub(CHECK).ok_or(BadInvite::Damaged)?;
        let (content, check) = content.split_at_checked(split).ok_or(BadInvite::Damaged)?;
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
        let pin = match reader.u8()? {
            NO_PIN => None,
            PIN_SHA256 => Some(reader.array()?),
            _ => return Err(Unreadable::Unknown("the pin of an invite").into()),
        };
        reader.end()?;
        Ok(Self { relay, deployment, token, scopes, office_key, pin })
    }
}

fn checksum(content: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, ..] = sha256(content);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        Invite {
            relay: "http://127.0.0.1:8470".to_owned(),
            deployment: Deployment { id: [1; 16], root: [2; 32] },
            token: [3; 16],
            scopes: vec![Scope::community("430103005010").unwrap()],
            office_key: [4; 32],
            pin: None,
        }
    }

    fn pinned() -> Invite {
        let mut pinned = invite();
        pinned.relay = "https://relay.example:8440".to_owned();
        pinned.pin = Some([5; 32]);
        pinned
    }

    #[test]
    fn round_trips_however_it_was_copied() {
        let text = invite().to_text();
        assert!(text.starts_with(PREFIX));
        let (front, back) = text.split_at(40);
        for copied in
            [format!("  {text}\n"), format!("{front}\r\n{back}"), format!("\u{feff}{front}\u{200b}{back}\u{3000}")]
        {
            assert_eq!(Invite::from_text(&copied), Ok(invite()));
        }
    }

    #[test]
    fn a_pin_is_there_or_not_and_nothing_else() {
        assert_eq!(Invite::from_text(&pinned().to_text()), Ok(pinned()));
        let mut content = base64url::decode(invite().to_text().strip_prefix(PREFIX).unwrap()).unwrap();
        content.truncate(content.len() - CHECK);
        *content.last_mut().unwrap() = 2;
        content.extend(checksum(&content));
        let newer = Invite::from_text(&format!("{PREFIX}{}", base64url::encode(&content)));
        assert!(matches!(newer, Err(BadInvite::Unreadable(Unreadable::Unknown(_)))), "{newer:?}");
    }

    #[test]
    fn names_damage() {
        let text = invite().to_text();
        assert_eq!(Invite::from_text("hello"), Err(BadInvite::NotAnInvite));
        assert_eq!(Invite::from_text(&"x".repeat(5000)), Err(BadInvite::NotAnInvite));
        for length in PREFIX.len()..text.len() {
            assert_eq!(Invite::from_text(&text[..length]), Err(BadInvite::Damaged));
        }
        for at in PREFIX.len()..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Invite::from_text(std::str::from_utf8(&bent).unwrap()), Err(BadInvite::Damaged));
        }
    }

    #[test]
    fn never_prints_its_token() {
        let mut secret = invite();
        secret.token = [0xab; 16];
        let shown = format!("{secret:?}");
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }
}
