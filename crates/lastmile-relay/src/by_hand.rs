//! A relay without sockets and threads: whoever drives it brings the requests, and says when the writer takes a turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use lastmile_log::Invite;
use lastmile_model::AuthorId;
use lastmile_store::{Reader, Store};
use lastmile_web::{Connections, Limits};

use crate::files::answer_files;
use crate::office::command::OfficeCommand;
use crate::operation::Operation;
use crate::server::Shared;
use crate::sync::{answer_enrol, answer_sync};
use crate::writer::Writing;
use crate::{Bounds, InviteOrder, OfficeAnswer, OfficeError, RateLimits, RelayError, RelayFolder};

/// An answer that comes once the writer has had its turns.
pub type Answer = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// A relay that is driven by hand.
pub struct HandRelay {
    shared: Arc<Shared>,
    writing: Writing,
}

impl std::fmt::Debug for HandRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandRelay").field("epoch", &self.shared.epoch).finish_non_exhaustive()
    }
}

impl HandRelay {
    /// Takes an open folder.
    ///
    /// # Errors
    /// When the storage cannot open a reader.
    pub fn new(folder: RelayFolder) -> Result<Self, RelayError> {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (url, operation) = (format!("http://{nowhere}"), Operation::new(None, 0, 0, folder.central.now_ms()));
        let connections = Connections::new(Limits::default());
        // What a processor takes is no part of a simulated history.
        let bounds = Bounds { rates: RateLimits::UNLIMITED, ..Bounds::default() };
        let (shared, writing) = Shared::new(folder.central, connections, nowhere, url, operation, bounds)?;
        Ok(Self { shared, writing })
    }

    /// Begins to answer a request to this path, as it came.
    #[must_use]
    pub fn request(&self, path: &str, body: Vec<u8>) -> Answer {
        let shared = Arc::clone(&self.shared);
        let path = path.to_owned();
        Box::pin(async move {
            let said = match path.as_str() {
                "/v1/enrol" => answer_enrol(&shared, None, &body).await,
                "/v1/files" => answer_files(&shared, None, &body).await,
                _ => answer_sync(&shared, None, &body).await,
            };
            said.body
        })
    }

    /// Lets the writer do what waits, or a step of what is left to do; tells whether there was anything.
    pub fn turn(&mut self) -> bool {
        self.writing.turn()
    }

    /// The relay's epoch.
    #[must_use]
    pub fn epoch(&self) -> AuthorId {
        self.shared.epoch
    }

    /// Makes an invite for one device.
    ///
    /// # Errors
    /// When the order names no scope or role, or the storage fails.
    pub fn invite(&mut self, order: &InviteOrder) -> Result<Invite, RelayError> {
        self.writing.central.invite(order)
    }

    /// Runs a command of the office.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn office(&mut self, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        self.writing.central.run(command, None).map_err(RelayError::into_office)
    }

    /// Works with the store itself.
    pub fn with_store<T>(&mut self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut self.writing.central.store)
    }

    /// Opens a reading handle.
    ///
    /// # Errors
    /// When the storage cannot open one.
    pub fn reader(&self) -> Result<Reader, RelayError> {
        Ok(self.writing.central.store.reader()?)
    }
}
