//! The office at work: on a running relay, or on its folder while none runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lastmile_store::{Reader, StoreError};

use crate::files::remove_gone_here;
use crate::folder::DATABASE;
use crate::office::command::OfficeCommand;
use crate::server::Shared;
use crate::{OfficeAnswer, OfficeError, RelayError, RelayFolder, RelayOptions, RemoteOffice};

/// The office within the process of a running relay.
#[derive(Clone)]
pub struct OfficeHandle {
    shared: Arc<Shared>,
}

impl fmt::Debug for OfficeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfficeHandle").field("epoch", &self.shared.epoch).finish_non_exhaustive()
    }
}

impl OfficeHandle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs a command; devices receive what it wrote with their next exchange.
    ///
    /// # Errors
    /// Why nothing was done.
    pub async fn run(&self, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        self.shared.command(command).await
    }
}

/// The office on a folder that no relay serves.
#[derive(Debug)]
pub struct OfficeDesk {
    folder: RelayFolder,
}

impl OfficeDesk {
    /// Opens the folder of a relay that is not running.
    ///
    /// # Errors
    /// [`RelayError::NoRelay`] when there is none; otherwise as [`RelayFolder::open_or_create`].
    pub fn open(path: impl AsRef<Path>, options: &RelayOptions) -> Result<Self, RelayError> {
        let path = path.as_ref();
        if !path.join(DATABASE).is_file() {
            return Err(RelayError::NoRelay { path: path.to_owned() });
        }
        Ok(Self { folder: RelayFolder::open_or_create(path, options)? })
    }

    /// Takes a folder that is open already.
    #[must_use]
    pub const fn of(folder: RelayFolder) -> Self {
        Self { folder }
    }

    /// Gives the folder back.
    #[must_use]
    pub fn into_folder(self) -> RelayFolder {
        self.folder
    }

    /// Runs a command.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(&mut self, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        let erases = matches!(command, OfficeCommand::Erase { .. });
        let central = &mut self.folder.central;
        let answer = central.run(command, None).map_err(RelayError::into_office)?;
        if erases {
            remove_gone_here(central).map_err(RelayError::into_office)?;
        }
        Ok(answer)
    }

    /// Opens a reading handle.
    ///
    /// # Errors
    /// When the storage cannot open one.
    pub fn reader(&self) -> Result<Reader, RelayError> {
        self.folder.reader()
    }
}

/// The office wherever it is: for a command line that does not know whether the relay runs.
#[derive(Debug)]
pub enum Office {
    /// No relay runs; the folder is open here.
    Desk(Box<OfficeDesk>),
    /// A relay runs on this computer.
    Running(RemoteOffice),
}

impl Office {
    /// Opens the folder, or finds the relay that has it open.
    ///
    /// # Errors
    /// As [`OfficeDesk::open`], and when the process that has it open is no relay that answers here.
    pub fn open(path: impl AsRef<Path>, options: &RelayOptions) -> Result<Self, RelayError> {
        match OfficeDesk::open(path.as_ref(), options) {
            Ok(desk) => Ok(Self::Desk(Box::new(desk))),
            Err(RelayError::Store(in_use @ StoreError::InUse { .. })) => {
                RemoteOffice::find(path.as_ref())?.map(Self::Running).ok_or(RelayError::Store(in_use))
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a command.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(&mut self, command: OfficeCommand) -> Result<OfficeAnswer, OfficeError> {
        match self {
            Self::Desk(desk) => desk.run(command),
            Self::Running(office) => office.run(&command),
        }
    }
}
