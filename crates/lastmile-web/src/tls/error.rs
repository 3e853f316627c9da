//! What can be wrong with keys and certificates.

use std::io;
use std::path::PathBuf;

/// Says which file is wrong, why, and what to do. No variant carries key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error(
        "{path}: holds no certificate in PEM; give the chain as `-----BEGIN CERTIFICATE-----` blocks, the server's own first"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of the file cannot be read.
    #[error("{path}: holds a certificate that cannot be read; write the file anew")]
    BadCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error("{path}: holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not under a passphrase)")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot be used.
    #[error("{path}: holds a key that cannot be used; make an ECDSA P-256, Ed25519 or RSA key of 2048 bits or more")]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error("{key}: is not the key of the certificate in {certificate}; put the two of one issue together")]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The private authority's key is gone, and devices know it.
    #[error("{path}: is missing, and devices were invited with it; put it back from where the keys are kept")]
    AuthorityKeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// A name can stand in no certificate.
    #[error("`{name}` is no host name and no IP address that a certificate can hold")]
    BadName {
        /// The name.
        name: String,
    },
    /// The cryptography failed.
    #[error("a certificate could not be made: {reason}")]
    Making {
        /// Why.
        reason: String,
    },
}

impl TlsError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(super) fn making(error: impl ToString) -> Self {
        Self::Making { reason: error.to_string() }
    }
}
