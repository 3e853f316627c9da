//! Commits, hash chains, seals, receipts, certificates and version vectors; owns every signature and hash.
//!
//! A [`Commit`] is what one save made. Its [`chain_hash`] covers the header, which names the chain hash before it and
//! the hash of each change, but not the changes' bytes. A [`Seal`] vouches for a log up to a commit, a [`Receipt`]
//! says that the relay durably holds it. [`pack`] and [`unpack`] turn runs of commits into what is sent, stored and
//! served. Whom to believe is worked out by [`Trust`] from [`Certificate`]s that lead to the deployment's root.
//! `docs/formats.md` has every byte.
//!
//! Clocks and randomness are arguments; nothing here does I/O. Every reader is bounded and refuses what its writer
//! would not have written.
//!
//! ```
//! use lastmile_crdt::{Base, Edit, make_change};
//! use lastmile_log::{AuthorKey, ChangeEntry, Commit, CommitHeader, Deployment, MAX_RAW, Seal, pack, unpack};
//! use lastmile_model::{ChainHash, RecordId, Scope};
//!
//! let deployment = Deployment { id: [1; 16], root: AuthorKey::from_seed(&[2; 32]).public() };
//! let key = AuthorKey::from_seed(&[3; 32]);
//! let author = key.author(&deployment);
//! let scope = Scope::community("430103005010")?;
//!
//! let made = make_change(&Base::EMPTY, author, 1_764_000_000, None, &[Edit::set("title", "清洁日")])?;
//! let record = RecordId::from_bytes([4; 16]);
//! let entry = ChangeEntry { record_type: "activity".to_owned(), record, header: made.change.header() };
//! let header = CommitHeader {
//!     version: 1,
//!     scope: scope.clone(),
//!     author,
//!     seq: 1,
//!     prev: ChainHash::ZERO,
//!     acting: None,
//!     schema_v: 1,
//!     hlc: lastmile_log::hlc::next(0, 1_764_000_000_000),
//!     wall_ms: 1_764_000_000_000,
//!     app: "1.0.0".to_owned(),
//!     extension: Vec::new(),
//!     changes: vec![entry],
//! };
//! let packed = pack(&[&Commit { header, bodies: vec![Some(made.encoded.bytes)] }])?;
//!
//! let batch = unpack(&packed, MAX_RAW)?;
//! let seal = Seal::sign(&key, &deployment, &scope, batch.last(), batch.head());
//! assert!(seal.verify(&key.public(), &deployment));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64url;
mod batch;
mod certificate;
mod commit;
mod file_receipt;
pub mod hlc;
mod invite;
mod keys;
mod seal;
mod sealed;
mod trust;
mod vector;
pub mod wire;

pub use batch::{
    BadBatch, MAX_BATCH_CHANGES, MAX_BATCH_COMMITS, MAX_BATCH_TYPES, MAX_RAW, PackError, PackedRun, UnpackedBatch,
    UnpackedCommit, pack, raw_size, unpack,
};
pub use certificate::{Certificate, Issuer, MAX_CERTIFICATE, MAX_DEVICE, MAX_LIST, MAX_ROLE, ORDERS};
pub use commit::{
    COMMIT_VERSION, ChangeEntry, Commit, CommitHeader, MAX_APP, MAX_CHANGES, MAX_COMMIT, MAX_DEPS, MAX_EXTENSION,
    MAX_TYPE_NAME, OutOfBounds, body_hash, chain_hash, change_hash, sha256,
};
pub use file_receipt::{sign_file, verify_file};
pub use invite::{BadInvite, Invite};
pub use keys::{AuthorKey, Deployment, author_id, verify};
pub use seal::{Receipt, SUITE, Seal};
pub use sealed::{NotOpened, OfficeKey, fingerprint, seal_value};
pub use trust::{MAX_WAITING, Standing, Trust};
pub use vector::{Entry, Segment, Vector};
pub use wire::Unreadable;
