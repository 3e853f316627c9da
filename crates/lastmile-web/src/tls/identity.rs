//! A certificate chain with its key, ready to be shown to clients.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::der::facts;
use super::{TlsError, provider};

/// What the server shows: a certificate chain, and the key that belongs to it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(super) shown: Arc<CertifiedKey>,
    not_before_ms: i64,
    not_after_ms: i64,
}

impl Identity {
    /// Reads the operator's own certificate chain and key from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read, holds nothing of the kind, or the two do not belong together. An expired certificate is none:
    /// [`not_after_ms`](Self::not_after_ms) tells.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let text = std::fs::read(certificate).map_err(TlsError::file(certificate))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|_| TlsError::BadCertificate { path: certificate.to_owned() })?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { path: certificate.to_owned() });
        }
        let text = std::fs::read(key).map_err(TlsError::file(key))?;
        let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
        Self::new(chain, private).map_err(|error| match error {
            Unfit::Certificate => TlsError::BadCertificate { path: certificate.to_owned() },
            Unfit::Key => TlsError::BadKey { path: key.to_owned() },
            Unfit::Mismatch => TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() },
        })
    }

    pub(super) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, Unfit> {
        let (not_before_ms, not_after_ms) = {
            let facts = chain.first().and_then(|first| facts(first)).ok_or(Unfit::Certificate)?;
            (facts.not_before_ms, facts.not_after_ms)
        };
        let shown = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Unfit::Mismatch,
            rustls::Error::InvalidCertificate(_) => Unfit::Certificate,
            _ => Unfit::Key,
        })?;
        Ok(Self { shown: Arc::new(shown), not_before_ms, not_after_ms })
    }

    /// Whether its certificate is for this host name or IP address.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let first = self.shown.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok());
        first.is_some_and(|first| verify_server_name(&first, &name).is_ok())
    }

    /// From when its certificate counts, in milliseconds since 1970 UTC.
    #[must_use]
    pub const fn not_before_ms(&self) -> i64 {
        self.not_before_ms
    }

    /// Until when its certificate counts, in milliseconds since 1970 UTC.
    #[must_use]
    pub const fn not_after_ms(&self) -> i64 {
        self.not_after_ms
    }
}

/// Why a chain and a key make no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Certificate,
    Key,
    Mismatch,
}
