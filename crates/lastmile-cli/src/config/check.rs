//! Looking at what a configuration names, without starting anything.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use lastmile_relay::{Encryption, Serving};
use lastmile_web::tls::{Authority, Identity};
use serde::Serialize;

use super::relay::{Contradiction, is_near};
use crate::messages::{Key, Messages, key};

/// An expiry that is nearer than this is worth a warning.
const SOON_DAYS: i64 = 21;
const DAY_MS: i64 = 86_400_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// In order.
    Ok,
    /// The relay would start; devices or the operator may run into it.
    Warning,
    /// The relay would not start, or no device would believe it.
    Error,
}

/// What was found at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is, in the user's language.
    pub text: String,
}

/// Gathers findings.
struct Found<'m> {
    messages: &'m Messages,
    list: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, level: Level, key: Key, args: &[(&str, String)]) {
        self.list.push(Finding { level, text: self.messages.text(key, args) });
    }
}

/// Says what contradicts what.
#[must_use]
pub const fn contradiction(why: Contradiction) -> Key {
    match why {
        Contradiction::FilesMissing => key!("config.files_missing"),
        Contradiction::FilesUnused => key!("config.files_unused"),
        Contradiction::ClearText => key!("config.clear_text"),
        Contradiction::ClearUrl => key!("config.clear_url"),
        Contradiction::SameAddress => key!("config.same_address"),
    }
}

/// Looks at files, certificates, addresses and proxies.
#[must_use]
pub fn look(serving: &Serving, folder: &Path, now_ms: i64, messages: &Messages) -> Vec<Finding> {
    let mut found = Found { messages, list: Vec::new() };
    look_at_address(&mut found, serving.listen);
    if let Some(metrics) = serving.metrics {
        look_at_address(&mut found, metrics);
        if !metrics.ip().is_loopback() {
            found.add(Level::Warning, key!("config.check.open_metrics"), &[("address", metrics.to_string())]);
        }
    }
    match &serving.encryption {
        Encryption::Clear => look_at_clear(&mut found, serving),
        Encryption::Own { certificate, key } => look_at_files(&mut found, serving, certificate, key, now_ms),
        Encryption::Private { .. } => look_at_authority(&mut found, folder, now_ms),
    }
    if serving.url.is_none() && serving.listen.ip().is_unspecified() {
        found.add(Level::Warning, key!("config.check.no_url"), &[("address", serving.listen.to_string())]);
    }
    found.list
}

fn look_at_address(found: &mut Found<'_>, addr: SocketAddr) {
    let address = [("address", addr.to_string())];
    match TcpListener::bind(addr) {
        Ok(_) => found.add(Level::Ok, key!("config.check.address"), &address),
        // Its own relay may be running, which is as it should be.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            found.add(Level::Warning, key!("config.check.address_used"), &address);
        }
        Err(error) => {
            let args = [("address", addr.to_string()), ("reason", error.to_string())];
            found.add(Level::Error, key!("config.check.address_failed"), &args);
        }
    }
}

fn look_at_clear(found: &mut Found<'_>, serving: &Serving) {
    let proxies = &serving.limits.proxies;
    if proxies.is_empty() {
        if serving.url.as_deref().is_some_and(|url| !is_near(url)) {
            found.add(Level::Warning, key!("config.check.no_proxy"), &[]);
        }
        return found.add(Level::Ok, key!("config.check.near_only"), &[]);
    }
    for proxy in proxies {
        let args = [("address", proxy.to_string())];
        if proxy.is_unspecified() || proxy.is_multicast() {
            found.add(Level::Error, key!("config.check.no_proxy_address"), &args);
        } else if serving.listen.ip().is_loopback() && !proxy.is_loopback() {
            found.add(Level::Warning, key!("config.check.proxy_out_of_reach"), &args);
        } else {
            found.add(Level::Ok, key!("config.check.proxy"), &args);
        }
    }
    if serving.url.is_none() {
        found.add(Level::Warning, key!("config.check.proxy_without_url"), &[]);
    }
}

fn look_at_files(found: &mut Found<'_>, serving: &Serving, certificate: &Path, key: &Path, now_ms: i64) {
    let identity = match Identity::from_files(certificate, key) {
        Ok(identity) => identity,
        Err(error) => return found.add(Level::Error, key!("config.check.files"), &[("reason", error.to_string())]),
    };
    let file = certificate.display().to_string();
    look_at_time(found, &file, &identity, now_ms);
    let host = serving.url.as_deref().and_then(host);
    if let Some(host) = host.filter(|host| !identity.is_for(host)) {
        found.add(Level::Error, key!("config.check.other_name"), &[("file", file), ("name", host.to_owned())]);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::metadata(key).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
        if open {
            found.add(Level::Warning, key!("config.check.open_key"), &[("file", key.display().to_string())]);
        }
    }
}

fn look_at_time(found: &mut Found<'_>, file: &str, identity: &Identity, now_ms: i64) {
    let days = identity.not_after_ms().saturating_sub(now_ms).div_euclid(DAY_MS);
    let args = [("file", file.to_owned()), ("days", days.to_string())];
    if identity.not_after_ms() < now_ms {
        found.add(Level::Error, key!("config.check.expired"), &args);
    } else if identity.not_before_ms() > now_ms {
        found.add(Level::Error, key!("config.check.not_yet_valid"), &args);
    } else if days < SOON_DAYS {
        found.add(Level::Warning, key!("config.check.expires_soon"), &args);
    } else {
        found.add(Level::Ok, key!("config.check.certificate"), &args);
    }
}

fn look_at_authority(found: &mut Found<'_>, folder: &Path, now_ms: i64) {
    match Authority::find(folder, now_ms) {
        Ok(None) => found.add(Level::Ok, key!("config.check.authority_to_come"), &[]),
        Ok(Some(authority)) => {
            let days = authority.not_after_ms().saturating_sub(now_ms).div_euclid(DAY_MS);
            let file = authority.certificate_file().display().to_string();
            found.add(Level::Ok, key!("config.check.authority"), &[("file", file), ("days", days.to_string())]);
        }
        Err(error) => found.add(Level::Error, key!("config.check.files"), &[("reason", error.to_string())]),
    }
}

/// The host of a URL that was read as one.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next(),
        None => authority.split(':').next(),
    }
}
