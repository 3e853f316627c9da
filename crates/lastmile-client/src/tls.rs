//! Whom a device believes to be its relay.
//!
//! With a pin from its invite: a chain that ends in a certificate of exactly that key, for the host of the relay's address. Without
//! one: what the system trusts. Never TLS below 1.3, and never a clear connection beyond the own computer.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use lastmile_log::sha256;
use lastmile_model::planted;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ClientError;

/// Why whoever answers is not believed to be the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Its chain does not end in the certificate authority that the invite named.
    #[error(
        "another server answers, or somebody stands in between: its certificate is not by the authority that the invite named; \
         try another network, or ask the office"
    )]
    OtherAuthority,
    /// The system does not know who issued its certificate.
    #[error("this system does not know who issued its certificate; ask the office for an invite that names the issuer")]
    UnknownIssuer,
    /// Its certificate is over, by this device's clock.
    #[error("its certificate is over, by this device's clock; check the clock, then tell the office")]
    Expired,
    /// Its certificate is not valid yet, by this device's clock.
    #[error("its certificate is not valid yet, by this device's clock; set the clock right")]
    NotYetValid,
    /// Its certificate is for another name than the address has.
    #[error("its certificate is for another name than the address has; ask the office for the right address")]
    WrongName,
    /// What answers speaks no TLS.
    #[error(
        "what answers speaks no TLS; a login page of the network may stand before it, or the address has another port"
    )]
    NotTls,
    /// It speaks no TLS 1.3.
    #[error("it speaks no TLS 1.3; a relay does, so something else stands before it")]
    TooOld,
    /// Something else is wrong with its certificate or signature.
    #[error("its certificate or its signature is not right; try another network, or ask the office")]
    Bad,
}

/// The reason for which no certificate was taken: none has the pinned key.
#[derive(Debug)]
struct NotPinned;

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no certificate of the chain has the pinned key")
    }
}

impl Error for NotPinned {}

impl Distrust {
    /// Finds in an error's causes why the other side was not believed; `None` when it was about something else.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(here) = cause {
            if let Some(found) = here.downcast_ref::<rustls::Error>() {
                return Self::of_tls(found);
            }
            // An io::Error hides what it wraps from `source`.
            let inner = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            cause = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| here.source());
        }
        None
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        Some(match error {
            rustls::Error::InvalidCertificate(wrong) => match wrong {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::Other(OtherError(other)) if other.is::<NotPinned>() => Self::OtherAuthority,
                _ => Self::Bad,
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
                Self::TooOld
            }
            // The other side was at a loss itself: that says nothing about who it is.
            rustls::Error::AlertReceived(_) => return None,
            _ => Self::Bad,
        })
    }
}

/// Believes a chain that holds a certificate of the pinned key.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut pinned = RootCertStore::empty();
        for certificate in intermediates {
            let mut one = RootCertStore::empty();
            if one.add(certificate.clone().into_owned()).is_err() {
                continue; // what cannot be read has no key
            }
            let has_key = one.roots.iter().any(|root| sha256(&whole(&root.subject_public_key_info)) == self.pin);
            if has_key || planted!("unpinned-certificate") {
                pinned = one;
            }
        }
        if pinned.is_empty() {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into());
        }
        let shown = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&shown, &pinned, intermediates, now, algorithms).map_err(
            |error| {
                // An authority of the same key that did not sign is somebody else's copy.
                match error {
                    rustls::Error::InvalidCertificate(
                        CertificateError::UnknownIssuer | CertificateError::BadSignature,
                    ) => CertificateError::Other(OtherError(Arc::new(NotPinned))).into(),
                    other => other,
                }
            },
        )?;
        verify_server_name(&shown, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A trust anchor's key as its certificate holds it: with the tag and length of the sequence, which the anchor leaves out.
fn whole(content: &[u8]) -> Vec<u8> {
    let digits = content.len().to_be_bytes();
    let digits: Vec<u8> = digits.into_iter().skip_while(|digit| *digit == 0).collect();
    let mut der = vec![0x30];
    match digits.as_slice() {
        [] => der.push(0),
        [short @ 0..=0x7f] => der.push(*short),
        long => {
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            der.extend(long);
        }
    }
    der.extend(content);
    der
}

/// How a device speaks TLS: believing the pinned authority alone, or else whom the system believes; without client certificates, since
/// requests are signed. Whoever keeps the configuration resumes its sessions.
///
/// # Errors
/// When the system has no list of whom it trusts and no pin stands in for it.
pub(crate) fn client_config(pin: Option<[u8; 32]>) -> Result<ClientConfig, NoTrustStore> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| NoTrustStore { reason: error.to_string() })?;
    let Some(pin) = pin else {
        return Ok(builder.with_root_certificates(system_roots()?).with_no_client_auth());
    };
    let verifier = Arc::new(Pinned { pin, provider });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The system has no usable list of whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NoTrustStore {
    reason: String,
}

fn system_roots() -> Result<RootCertStore, NoTrustStore> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _unreadable) = roots.add_parsable_certificates(loaded.certs);
    if taken > 0 {
        return Ok(roots);
    }
    let reason = loaded.errors.first().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
    Err(NoTrustStore { reason })
}

/// Makes encrypted streams to a relay, for carriers of their own; later ones resume the session of the first.
#[derive(Clone)]
pub struct Dialer {
    connector: TlsConnector,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// Believes the pinned authority alone, or else whom the system believes. `relay` is for the error's text.
    ///
    /// # Errors
    /// [`ClientError::NoTrustStore`] when there is no telling whom to believe.
    pub fn new(relay: &str, pin: Option<[u8; 32]>) -> Result<Self, ClientError> {
        let config = client_config(pin)
            .map_err(|error| ClientError::NoTrustStore { relay: relay.to_owned(), reason: error.to_string() })?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Makes a handshake over a connection that stands. It waits as long as the other side does: the caller keeps the time.
    ///
    /// # Errors
    /// [`ClientError::Untrusted`] when the other side cannot show that it is the relay, [`ClientError::Unreachable`] when it goes away,
    /// [`ClientError::BadAddress`] when the address has no host.
    pub async fn greet(&self, relay: &http::Uri, tcp: TcpStream) -> Result<TlsStream<TcpStream>, ClientError> {
        let bad = || ClientError::BadAddress(relay.to_string());
        let host = relay.host().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| bad())?;
        self.connector.connect(name, tcp).await.map_err(|error| match Distrust::of(&error) {
            Some(why) => ClientError::Untrusted { relay: relay.to_string(), why },
            None => ClientError::Unreachable { relay: relay.to_string(), reason: error.to_string(), sent: 0 },
        })
    }
}

/// A configuration for clear connections, which never use it.
pub(crate) fn unused_config() -> Result<ClientConfig, NoTrustStore> {
    client_config(Some([0; 32]))
}

/// Whether a host is this computer itself, so that nothing leaves it.
pub(crate) fn is_own_computer(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_computer() {
        for near in ["127.0.0.1", "127.9.9.9", "[::1]", "LocalHost", "::ffff:127.0.0.1"] {
            assert!(is_own_computer(near), "{near}");
        }
        for far in ["10.0.0.5", "relay.example", "localhost.example", "[2001:db8::1]", "127.0.0.1.example"] {
            assert!(!is_own_computer(far), "{far}");
        }
    }

    #[test]
    fn writes_lengths_as_der_does() {
        for (length, head) in [(5, vec![0x30, 5]), (200, vec![0x30, 0x81, 200]), (300, vec![0x30, 0x82, 1, 44])] {
            let der = whole(&vec![7; length]);
            assert_eq!((&der[..head.len()], der.len()), (head.as_slice(), head.len() + length));
        }
    }
}
