//! The relay's word that it durably holds the bytes of an attachment.

use lastmile_model::{AuthorId, Scope};

use crate::keys::{AuthorKey, Deployment, verify};
use crate::seal::SUITE;
use crate::wire::Writer;

fn message(deployment: &Deployment, scope: &Scope, hash: &[u8; 32], epoch: AuthorId) -> Writer {
    let mut out = Writer::new();
    out.raw(b"lastmile file\0");
    out.u8(SUITE);
    out.raw(&deployment.id);
    out.scope(scope);
    out.raw(hash);
    out.raw(epoch.as_bytes());
    out
}

/// Signs, with the key of the relay's epoch, that the file with this hash is durably held in a scope.
#[must_use]
pub fn sign_file(key: &AuthorKey, deployment: &Deployment, scope: &Scope, hash: &[u8; 32]) -> [u8; 64] {
    key.sign(message(deployment, scope, hash, key.author(deployment)).as_slice())
}

/// Verifies with the epoch's public key that its relay holds the file.
#[must_use]
pub fn verify_file(
    public: &[u8; 32],
    deployment: &Deployment,
    scope: &Scope,
    hash: &[u8; 32],
    signature: &[u8; 64],
) -> bool {
    let epoch = crate::keys::author_id(deployment, public);
    verify(public, message(deployment, scope, hash, epoch).as_slice(), signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_file_in_one_scope() {
        let deployment = Deployment { id: [1; 16], root: AuthorKey::from_seed(&[2; 32]).public() };
        let key = AuthorKey::from_seed(&[3; 32]);
        let scope = Scope::community("430103005010").unwrap();
        let signature = sign_file(&key, &deployment, &scope, &[7; 32]);
        let verified = |scope: &Scope, hash: u8, public: &[u8; 32]| {
            verify_file(public, &deployment, scope, &[hash; 32], &signature)
        };
        assert!(verified(&scope, 7, &key.public()));
        assert!(!verified(&scope, 8, &key.public()));
        assert!(!verified(&Scope::community("430103005011").unwrap(), 7, &key.public()));
        assert!(!verified(&scope, 7, &AuthorKey::from_seed(&[4; 32]).public()));
    }
}
