//! The device side: a replica to record in, query, observe and sync.
//!
//! A [`Replica`] is a folder with one SQLite file and the device's key. Saving never waits for the network; [`Replica::sync`] makes one
//! exchange with the relay, [`AutoSync`] makes them whenever the relay can be reached, and in the foreground stays connected. What is saved survives a power cut when the call
//! returns; what is uploaded has the relay's signed receipt.

pub mod auto;
pub mod backoff;
mod belief;
pub mod bundle;
pub mod clock;
pub mod connect;
pub mod draft;
pub mod error;
mod fetch;
pub mod files;
pub mod folder;
pub mod host;
pub mod http;
pub mod listing;
pub mod live;
pub mod peer;
pub mod replica;
pub mod status;
mod step;
mod succession;
pub mod tls;
pub mod transport;
mod upload;
pub mod worklist;

pub use auto::AutoSync;
pub use clock::{Clock, SystemClock};
pub use connect::Connector;
pub use draft::Draft;
pub use error::ClientError;
pub use files::{Attached, Attachment, FileBudget, FileReport, FileStanding};
pub use listing::{Page, StorageFigures};
pub use live::LivePace;
pub use replica::{Replica, ReplicaOptions};
pub use status::{Refusal, SyncPhase, SyncProgress, SyncReport, SyncStatus};
pub use tls::Distrust;
pub use transport::Transport;
pub use worklist::{HeldBack, UnsentCommit};
