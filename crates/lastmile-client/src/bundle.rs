//! Exchange through a file: what a colleague or the relay lacks, written here and read there.

use std::io::{Read as _, Write as _};
use std::path::Path;

use lastmile_protocol::bundle::START;
use lastmile_protocol::{Carrier, Role, feed, pump};

use crate::ClientError;
use crate::host::Learnt;
use crate::replica::{Replica, session_error};

/// What a bundle brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct BundleReport {
    /// Bytes of the file.
    pub bytes: u64,
    /// Batches in it.
    pub batches: u64,
    /// Batches that brought something new here.
    pub appended: u64,
    /// Logs that could not be taken: a gap, a seal that does not verify, damage.
    pub not_taken: u64,
    /// Whether the file is there to its end.
    pub whole: bool,
}

impl Replica {
    /// Writes everything this device holds into a file, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written or the storage fails.
    pub fn export_bundle(&self, path: &Path) -> Result<BundleReport, ClientError> {
        let (mut session, _) = self.begin_session(Role::Initiator, Carrier::File, true)?;
        let mut learnt = Learnt::default();
        let mut bytes = Vec::new();
        let driven = self.drive(&mut learnt, |host| pump(&mut session, host, &mut bytes)).map_err(session_error)?;
        let aside = path.with_extension("lastmile.new");
        let mut file = std::fs::File::create(&aside).map_err(ClientError::file(&aside))?;
        file.write_all(&bytes).map_err(ClientError::file(&aside))?;
        file.sync_all().map_err(ClientError::file(&aside))?;
        std::fs::rename(&aside, path).map_err(ClientError::file(path))?;
        let batches = driven.done.map_or(0, |outcome| outcome.sent.batches);
        Ok(BundleReport { bytes: bytes.len() as u64, batches, appended: 0, not_taken: 0, whole: true })
    }

    /// Takes everything new out of a file; what came whole before a damaged place is kept.
    ///
    /// # Errors
    /// When the file cannot be read, is no bundle, or is damaged; then what came before the damage is kept.
    pub fn import_bundle(&self, path: &Path) -> Result<BundleReport, ClientError> {
        let mut bytes = Vec::new();
        let mut file = std::fs::File::open(path).map_err(ClientError::file(path))?;
        file.read_to_end(&mut bytes).map_err(ClientError::file(path))?;
        if !bytes.starts_with(START) {
            return Err(ClientError::NotABundle { path: path.to_owned() });
        }
        let (mut session, _) = self.begin_session(Role::Responder, Carrier::File, true)?;
        let mut learnt = Learnt::default();
        let mut nowhere = Vec::new();
        let outcome = self
            .drive(&mut learnt, |host| {
                let driven = feed(&mut session, host, &bytes, &mut nowhere)?;
                session.end_of_input();
                let ended = pump(&mut session, host, &mut nowhere)?;
                Ok::<_, lastmile_protocol::DriveError<_>>(ended.done.or(driven.done).unwrap_or_default())
            })
            .map_err(|error| match session_error(error) {
                ClientError::Session(source) => ClientError::DamagedBundle { path: path.to_owned(), source },
                other => other,
            });
        // A colleague's file says nothing about the relay: neither what it holds nor its epoch.
        self.keep_own_log_ahead(&learnt)?;
        let outcome = outcome?;
        Ok(BundleReport {
            bytes: bytes.len() as u64,
            batches: outcome.received.batches,
            appended: outcome.appended,
            not_taken: learnt.not_taken,
            whole: !learnt.cut_short,
        })
    }
}
