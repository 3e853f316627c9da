//! Commits, hash chains, seals, receipts, certificates and version vectors; owns every signature and hash.
//!
//! A [`Commit`] is what one save made. Its [`chain_hash`] covers the header, which names the chain hash before it and the hash of
//! each change, but not the changes' bytes. A [`Seal`] vouches for a log up to a commit, a [`Receipt`] says that the relay durably
//! holds it. [`pack`] and [`unpack`] turn runs of commits into what is sent, stored and served. `docs/formats.md` has every byte.
//!
//! Clocks and randomness are arguments; nothing here does I/O.

pub mod certificate;
pub mod commit;
pub mod hlc;
pub mod invite;
pub mod keys;
pub mod pack;
pub mod seal;
pub mod sealed;
pub mod trust;
pub mod vector;
pub mod wire;

pub use certificate::{Certificate, Issuer, MAX_CERTIFICATE};
pub use commit::{ChangeEntry, Commit, CommitHeader, chain_hash, change_hash};
pub use invite::{BadInvite, Invite};
pub use keys::{AuthorKey, Deployment, author_id, verify};
pub use pack::{BadBatch, PackError, UnpackedBatch, UnpackedCommit, pack, unpack};
pub use seal::{Receipt, Seal};
pub use sealed::{NotOpened, OfficeKey, fingerprint, seal_value};
pub use trust::Trust;
pub use vector::{Entry, Segment, Vector};
pub use wire::Unreadable;
