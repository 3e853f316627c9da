//! Values that go to the office and are never read back: suite, key id, ciphertext.
//!
//! The ciphertext is a sealed box: an ephemeral X25519 key, then XSalsa20-Poly1305 under a nonce derived from both public keys.

use std::fmt;

use crypto_box::aead::rand_core::{CryptoRng, RngCore};
use crypto_box::{PublicKey, SecretKey};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

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

/// The office's secret key for sealed values; kept outside the database.
#[derive(Clone)]
pub struct OfficeKey(SecretKey);

impl fmt::Debug for OfficeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfficeKey").finish_non_exhaustive()
    }
}

impl OfficeKey {
    /// Makes the key of these 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SecretKey::from_bytes(*seed))
    }

    /// Returns the 32 secret bytes.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Returns the public key that devices seal to.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().to_bytes()
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
        if id != key_id(&self.public()) {
            return Err(NotOpened::OtherKey);
        }
        self.0.unseal(ciphertext).map_err(|_| NotOpened::Altered)
    }
}

fn key_id(public: &[u8; 32]) -> [u8; KEY_ID] {
    let hash: [u8; 32] = Sha256::digest(public).into();
    let mut id = [0; KEY_ID];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    id
}

/// Seals a value to the office's public key, with the caller's randomness.
///
/// # Errors
/// [`NotOpened::Malformed`] when the public key is no key.
pub fn seal_value(public: &[u8; 32], plain: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<u8>, NotOpened> {
    let sealed = PublicKey::from_bytes(*public).seal(rng, plain).map_err(|_| NotOpened::Malformed)?;
    let mut out = Vec::with_capacity(1 + KEY_ID + sealed.len());
    out.push(SUITE);
    out.extend_from_slice(&key_id(public));
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// A keyed fingerprint by which the office judges equality: HMAC-SHA256 under a key that never leaves it.
#[must_use]
pub fn fingerprint(key: &[u8; 32], value: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(value);
        mac.finalize().into_bytes().into()
    })
}
