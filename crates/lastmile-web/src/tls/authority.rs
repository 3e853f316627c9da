//! A private certificate authority of one relay: made at its first start, known to devices by the hash of its key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use super::der::facts;
use super::{Identity, TlsError, pem};
use crate::secret::write_secret;

/// The file of the authority's key.
const KEY: &str = "ca.key";
/// The file of its certificate.
const CERTIFICATE: &str = "ca.crt";
/// Its name; a server's certificate names its issuer by it, so it must never change.
const NAME: &str = "Lastmile relay authority";
/// How long the authority's certificate counts.
const AUTHORITY_DAYS: i64 = 30 * 365;
/// How long a server's certificate counts from its making on.
const SERVER_DAYS: i64 = 90;
/// So long before its making a certificate counts already: devices' clocks are slow at times.
const BACKDATED_DAYS: i64 = 30;
/// A server's certificate is made anew when it has less than this left.
const RENEWED_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

/// The authority: its key, and the certificate that servers show with their own.
pub struct Authority {
    key: KeyPair,
    certificate: CertificateDer<'static>,
    path: PathBuf,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority of a folder: `ca.key` and `ca.crt`, which only their owner can read. Makes both the first time; the
    /// certificate alone is made anew from the key, which is what devices know.
    ///
    /// # Errors
    /// When a file cannot be read or written, holds something else, or the key of a certificate that is there is missing.
    pub fn open_or_create(folder: &Path, now_ms: i64) -> Result<Self, TlsError> {
        let (key_path, path) = (folder.join(KEY), folder.join(CERTIFICATE));
        let key = match read(&key_path)? {
            Some(text) => {
                let der =
                    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NoKey { path: key_path.clone() })?;
                KeyPair::try_from(&der).map_err(|_| TlsError::BadKey { path: key_path.clone() })?
            }
            None if path.exists() => return Err(TlsError::AuthorityKeyMissing { path: key_path }),
            None => {
                let key = KeyPair::generate().map_err(TlsError::making)?;
                write_secret(&key_path, &pem::encode("PRIVATE KEY", &key.serialize_der()))
                    .map_err(TlsError::file(&key_path))?;
                key
            }
        };
        let certificate = match read(&path)? {
            Some(text) => {
                let bad = || TlsError::BadCertificate { path: path.clone() };
                let certificate = CertificateDer::from_pem_slice(&text).map_err(|_| bad())?;
                if facts(&certificate).ok_or_else(bad)?.public_key_info != key.subject_public_key_info() {
                    return Err(TlsError::Mismatch { certificate: path, key: key_path });
                }
                certificate
            }
            None => {
                let made = authority_params(now_ms)?.self_signed(&key).map_err(TlsError::making)?;
                write_secret(&path, &pem::encode("CERTIFICATE", made.der())).map_err(TlsError::file(&path))?;
                made.der().clone()
            }
        };
        Ok(Self { key, certificate, path })
    }

    /// Opens the authority of a folder if there is one; nothing is made.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create).
    pub fn find(folder: &Path, now_ms: i64) -> Result<Option<Self>, TlsError> {
        let there = [KEY, CERTIFICATE].iter().any(|name| folder.join(name).exists());
        if there { Self::open_or_create(folder, now_ms).map(Some) } else { Ok(None) }
    }

    /// Its SubjectPublicKeyInfo in DER: devices know the authority by the SHA-256 of these bytes.
    #[must_use]
    pub fn public_key_info(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    /// The file of its certificate, for other programs.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.path
    }

    /// Until when its certificate counts, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn not_after_ms(&self) -> i64 {
        facts(&self.certificate).map_or(0, |facts| facts.not_after_ms)
    }

    /// Makes a new key and certificate for a server of these names: host names and IP addresses.
    ///
    /// # Errors
    /// When a name can stand in no certificate, or the system gives no randomness.
    pub fn identity(&self, names: &[String], now_ms: i64) -> Result<Identity, TlsError> {
        let mut params = CertificateParams::default();
        for name in names {
            let one = CertificateParams::new(vec![name.clone()]);
            let one = one.map_err(|_| TlsError::BadName { name: name.clone() })?;
            params.subject_alt_names.extend(one.subject_alt_names);
        }
        params.distinguished_name = named("Lastmile relay");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = period(now_ms, SERVER_DAYS)?;
        let issuer = Issuer::new(authority_params(now_ms)?, &self.key);
        let key = KeyPair::generate().map_err(TlsError::making)?;
        let made = params.signed_by(&key, &issuer).map_err(TlsError::making)?;
        let chain = vec![made.der().clone(), self.certificate.clone()];
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Identity::new(chain, private).map_err(|why| TlsError::making(format!("{why:?}")))
    }

    /// Whether a certificate of this authority is to be made anew.
    #[must_use]
    pub const fn is_due(identity: &Identity, now_ms: i64) -> bool {
        identity.not_after_ms().saturating_sub(now_ms) < RENEWED_DAYS * DAY_MS
    }
}

fn authority_params(now_ms: i64) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = period(now_ms, AUTHORITY_DAYS)?;
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn period(now_ms: i64, days: i64) -> Result<(OffsetDateTime, OffsetDateTime), TlsError> {
    let now = OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1000)).map_err(TlsError::making)?;
    let from = now.checked_sub(Duration::days(BACKDATED_DAYS));
    let until = now.checked_add(Duration::days(days));
    from.zip(until).ok_or_else(|| TlsError::making("the clock is far from any date"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsError::file(path)(error)),
    }
}
