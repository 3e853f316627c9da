//! How a relay is served: where, under which limits, and encrypted how.

pub(crate) mod certified;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lastmile_web::Limits;

use crate::{RateLimits, RelayError};

/// How the connections of devices are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Not at all: for this computer alone, and for named proxies that speak TLS to the world.
    #[default]
    Clear,
    /// By the operator's own certificate, in PEM files that are read again when they change.
    Own {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// By a certificate authority of the relay's own, made at the first start in its folder and pinned by its invites.
    Private {
        /// Host names and IP addresses by which devices reach the relay, besides those of its URL and its address.
        names: Vec<String>,
    },
}

/// What devices may ask of a relay, beyond the limits of their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What one device, and one address, may use in a minute.
    pub rates: RateLimits,
    /// The most memory, in bytes, that bodies of requests beyond their first 64 KiB take up; one address takes up a quarter of it at most.
    pub bodies: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { rates: RateLimits::default(), bodies: 256 << 20 }
    }
}

/// How a relay is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Address to listen on; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// The bounds of its connections.
    pub limits: Limits,
    /// What devices may ask.
    pub bounds: Bounds,
    /// How connections are encrypted.
    pub encryption: Encryption,
    /// URL under which devices reach it, for invites; by default the address it listens on.
    pub url: Option<String>,
    /// Address on which metrics are served, in clear text and to whomever reaches it; none for no metrics.
    pub metrics: Option<SocketAddr>,
    /// The relay counts as ready only while so many bytes are free on its disk.
    pub disk_floor: u64,
    /// How often certificates are looked at.
    pub certificate_check: Duration,
}

impl Serving {
    /// Serves on an address in clear text, without metrics.
    #[must_use]
    pub fn new(listen: SocketAddr, limits: Limits) -> Self {
        Self {
            listen,
            limits,
            bounds: Bounds::default(),
            encryption: Encryption::Clear,
            url: None,
            metrics: None,
            disk_floor: 256 << 20,
            certificate_check: Duration::from_secs(60),
        }
    }

    /// The limits that follow from how it is encrypted: in clear text nobody but this computer and the proxies comes in.
    pub(crate) fn connection_limits(&self) -> Limits {
        let clear = self.encryption == Encryption::Clear;
        Limits { proxies_only: self.limits.proxies_only || clear, ..self.limits.clone() }
    }
}

/// Where commands of the office reach a relay whose main address speaks TLS: this computer, a free port.
pub(crate) const NEAR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The host of a URL.
///
/// # Errors
/// When it has none or the scheme does not fit how the relay is served.
pub(crate) fn host_of(url: &str) -> Result<String, RelayError> {
    let bad = || RelayError::BadUrl { url: url.to_owned() };
    let uri: http::Uri = url.parse().map_err(|_| bad())?;
    let known = matches!(uri.scheme_str(), Some("https" | "http"));
    let host = uri.host().filter(|host| known && !host.is_empty()).ok_or_else(bad)?;
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_is_for_this_computer_and_the_proxies_alone() {
        let clear = Serving::new(NEAR, Limits::default());
        assert!(clear.connection_limits().proxies_only);
        let private = Serving { encryption: Encryption::Private { names: Vec::new() }, ..clear };
        assert!(!private.connection_limits().proxies_only);
    }

    #[test]
    fn a_url_has_a_host_and_a_scheme_of_the_web() {
        assert_eq!(host_of("https://relay.example:8440/x").unwrap(), "relay.example");
        assert_eq!(host_of("http://[2001:db8::1]:8440").unwrap(), "2001:db8::1");
        for none in ["relay.example", "ftp://relay.example", "https://", ""] {
            assert!(matches!(host_of(none), Err(RelayError::BadUrl { .. })), "{none}");
        }
    }
}
