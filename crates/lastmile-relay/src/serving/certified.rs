//! The certificate that a relay shows, kept fresh while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lastmile_log::sha256;
use lastmile_web::tls::{Authority, Identity, Tls, TlsError};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::{Encryption, Serving, host_of};
use crate::RelayError;
use crate::clock::Clock;

/// The certificate that is shown, and where the next one comes from.
#[derive(Debug)]
pub(crate) struct Certified {
    pub tls: Tls,
    source: Source,
    /// The state of the files that could not be used, so that it is said once.
    unusable: Option<Stamp>,
}

#[derive(Debug)]
enum Source {
    Own { certificate: PathBuf, key: PathBuf, read: Stamp },
    Private { authority: Box<Authority>, names: Vec<String> },
}

/// When two files last changed, and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    })
}

impl Certified {
    /// Opens what the options say; `None` where connections are clear.
    pub fn open(folder: &Path, serving: &Serving, addr: SocketAddr, now_ms: i64) -> Result<Option<Self>, RelayError> {
        let (identity, source) = match &serving.encryption {
            Encryption::Clear => return Ok(None),
            Encryption::Own { certificate, key } => {
                let read = stamp(certificate, key);
                let identity = Identity::from_files(certificate, key)?;
                if identity.not_after_ms() < now_ms {
                    tracing::error!(file = %certificate.display(), "the certificate is over: devices refuse it");
                }
                (identity, Source::Own { certificate: certificate.clone(), key: key.clone(), read })
            }
            Encryption::Private { names } => {
                let authority = Box::new(Authority::open_or_create(folder, now_ms)?);
                let names = all_names(names, serving.url.as_deref(), addr)?;
                (authority.identity(&names, now_ms)?, Source::Private { authority, names })
            }
        };
        // Half of all connections: peers who begin a handshake and then say nothing leave room for those who go on.
        let tls = Tls::new(identity, serving.limits.connections / 2)?;
        Ok(Some(Self { tls, source, unusable: None }))
    }

    /// What devices know of the authority; `None` where the certificate is the operator's own.
    pub fn pin(&self) -> Option<[u8; 32]> {
        match &self.source {
            Source::Own { .. } => None,
            Source::Private { authority, .. } => Some(sha256(&authority.public_key_info())),
        }
    }

    /// Shows a new certificate where there is one or one is due, or in any case; tells whether it did.
    fn refresh(&mut self, now_ms: i64, in_any_case: bool) -> Result<bool, TlsError> {
        match &mut self.source {
            Source::Own { certificate, key, read } => {
                let found = stamp(certificate, key);
                if found == *read && !in_any_case {
                    return Ok(false);
                }
                if self.unusable == Some(found) && !in_any_case {
                    return Ok(false);
                }
                match Identity::from_files(certificate, key) {
                    Ok(identity) => {
                        *read = found;
                        self.unusable = None;
                        self.tls.replace(identity);
                        Ok(true)
                    }
                    Err(error) => {
                        self.unusable = Some(found);
                        Err(error)
                    }
                }
            }
            Source::Private { authority, names } => {
                if !in_any_case && !Authority::is_due(&self.tls.identity(), now_ms) {
                    return Ok(false);
                }
                self.tls.replace(authority.identity(names, now_ms)?);
                Ok(true)
            }
        }
    }

    /// Looks after the certificate until the relay stops: every so often, and at once when told.
    pub async fn keep(mut self, clock: Clock, every: Duration, told: Arc<Notify>, mut stopped: watch::Receiver<()>) {
        loop {
            let in_any_case = tokio::select! {
                // A dropped sender means the same as a sent word.
                _ = stopped.changed() => return,
                () = told.notified() => true,
                () = sleep(every) => false,
            };
            match self.refresh(clock(), in_any_case) {
                Ok(true) => {
                    tracing::info!(until_ms = self.tls.identity().not_after_ms(), "another certificate is shown")
                }
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the new certificate cannot be used; the former one is shown on"),
            }
        }
    }
}

/// Every name by which the relay may be called, without the addresses that stand for all.
fn all_names(given: &[String], url: Option<&str>, addr: SocketAddr) -> Result<Vec<String>, RelayError> {
    let mut names: BTreeSet<String> = given.iter().cloned().collect();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if !addr.ip().is_unspecified() {
        names.insert(addr.ip().to_string());
    }
    if let Some(url) = url {
        names.insert(host_of(url)?);
    }
    Ok(names.into_iter().collect())
}
