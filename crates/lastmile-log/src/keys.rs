//! Deployments and the keys of authors.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use lastmile_model::AuthorId;
use sha2::{Digest, Sha256};

/// One installation of the whole system: a random id and the public key that certifies its office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deployment {
    /// 16 random bytes, in every invite.
    pub id: [u8; 16],
    /// The root's Ed25519 public key.
    pub root: [u8; 32],
}

/// An Ed25519 secret key. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct AuthorKey(SigningKey);

impl fmt::Debug for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorKey").finish_non_exhaustive()
    }
}

impl AuthorKey {
    /// Makes the key of these 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Returns the 32 secret bytes, for the file or keystore that keeps them; the caller wipes its copy.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Returns the author that this key is in a deployment.
    #[must_use]
    pub fn author(&self, deployment: &Deployment) -> AuthorId {
        author_id(deployment, &self.public())
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Names the author of a public key: the first 16 bytes of SHA-256(deployment id, public key).
#[must_use]
pub fn author_id(deployment: &Deployment, public: &[u8; 32]) -> AuthorId {
    let hash: [u8; 32] = Sha256::new().chain_update(deployment.id).chain_update(public).finalize().into();
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    AuthorId(id)
}

/// Verifies a signature strictly: no small-order keys, no malleable forms.
#[must_use]
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}
