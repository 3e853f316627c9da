//! Values that go to the office and are never read back: suite, key id, ciphertext.
//!
//! The ciphertext is a sealed box: an ephemeral X25519 key, then XSalsa20-Poly1305 under a nonce derived from both
//! public keys.

use std::fmt;

use crypto_box::aead::rand_core::{self, CryptoRng, RngCore};
use crypto_box::{PublicKey, SecretKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::commit::sha256;

/// X25519 sealed boxes with XSalsa20-Poly1305.
const SUITE: u8 = 1;
const KEY_ID: usize = 8;

/// Says why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// It is of another suite or too short.
    #[error("the sealed value is malformed or of a newer version")]
    Malformed,
    /// It was sealed to another key.
    #[error("the value was sealed to another office key")]
    OtherKey,
    /// It was changed.
    #[error("the sealed value was altered")]
    Altered,
}

/// The office's secret key for sealed values; kept outside the database, wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct OfficeKey {
    secret: SecretKey,
    public: [u8; 32],
    id: [u8; KEY_ID],
}

impl fmt::Debug for OfficeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfficeKey").finish_non_exhaustive()
    }
}

impl OfficeKey {
    /// Makes the key of these 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = SecretKey::from_bytes(*seed);
        let public = secret.public_key().to_bytes();
        Self { secret, public, id: key_id(&public) }
    }

    /// Returns the 32 secret bytes, for the file or keystore that keeps them; the caller wipes its copy.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.secret.to_bytes()
    }

    /// Returns the public key that devices seal to.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`NotOpened`] when it is malformed, altered or for another key.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (suite, rest) = sealed.split_first().ok_or(NotOpened::Malformed)?;
        let (id, ciphertext) = rest.split_at_checked(KEY_ID).ok_or(NotOpened::Malformed)?;
        if *suite != SUITE {
            return Err(NotOpened::Malformed);
        }
        if id != self.id {
            return Err(NotOpened::OtherKey);
        }
        self.secret.unseal(ciphertext).map_err(|_| NotOpened::Altered)
    }
}

fn key_id(public: &[u8; 32]) -> [u8; KEY_ID] {
    let mut id = [0; KEY_ID];
    id.iter_mut().zip(sha256(public)).for_each(|(to, from)| *to = from);
    id
}

/// Seals a value to the office's public key, with 32 secret random bytes that the caller uses once and never again.
///
/// The box binds nothing but the key: who may write a record may copy a sealed value from another.
///
/// # Errors
/// [`NotOpened::Malformed`] when the cipher refuses, which it does for texts of gigabytes only.
pub fn seal_value(public: &[u8; 32], plain: &[u8], random: [u8; 32]) -> Result<Vec<u8>, NotOpened> {
    let mut random = Given { bytes: random, used: 0 };
    let sealed = PublicKey::from_bytes(*public).seal(&mut random, plain).map_err(|_| NotOpened::Malformed)?;
    let mut out = Vec::with_capacity(1 + KEY_ID + sealed.len());
    out.push(SUITE);
    out.extend_from_slice(&key_id(public));
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Random bytes given by the caller, as the generator that the cipher asks; more than were given follow by hashing.
struct Given {
    bytes: [u8; 32],
    used: usize,
}

impl Drop for Given {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl RngCore for Given {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.bytes.len() {
                self.bytes = sha256(&self.bytes);
                self.used = 0;
            }
            *byte = self.bytes.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Given {}

/// A keyed fingerprint by which the office judges equality: HMAC-SHA256 under a key that never leaves it.
#[must_use]
pub fn fingerprint(key: &[u8; 32], value: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(value);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_the_office_alone_and_shows_tampering() {
        let (office, other) = (OfficeKey::from_seed(&[1; 32]), OfficeKey::from_seed(&[2; 32]));
        let sealed = seal_value(&office.public(), b"990101198001010013", [3; 32]).unwrap();
        assert_eq!(office.open(&sealed).unwrap(), b"990101198001010013");
        assert_eq!(other.open(&sealed), Err(NotOpened::OtherKey));
        let mut bent = sealed.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(office.open(&bent), Err(NotOpened::Altered));
        assert_eq!(office.open(&[]), Err(NotOpened::Malformed));
        assert_ne!(sealed, seal_value(&office.public(), b"990101198001010013", [4; 32]).unwrap());
    }

    #[test]
    fn fingerprints_need_the_key() {
        assert_eq!(fingerprint(&[1; 32], b"x"), fingerprint(&[1; 32], b"x"));
        assert_ne!(fingerprint(&[1; 32], b"x"), fingerprint(&[2; 32], b"x"));
    }
}
