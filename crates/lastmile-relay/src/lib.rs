//! The central side: enrolment, receipts, merging, the office's work.
//!
//! A [`RelayFolder`] is a folder with the relay's database and its keys; it needs no set-up. [`Relay::start`] serves it: devices
//! enrol with an invite and exchange logs over `POST /v1/sync`. One thread, the writer, owns the store; uploads that wait
//! together share one transaction and one flush, and are receipted after it.
//!
//! The office's work is data: an [`OfficeCommand`] goes in, an [`OfficeAnswer`] comes out, whether the relay runs
//! ([`OfficeHandle`], or `POST /v1/office` from this computer) or not ([`OfficeDesk`]). [`Office`] finds out which.
//!
//! Clock and randomness live here. Logs name ids, never people.

mod audit;
mod backup;
#[cfg(feature = "simulator")]
pub mod by_hand;
mod central;
mod chained;
mod clock;
mod contacts;
mod counted;
mod desk;
mod enrol;
mod error;
mod exchange;
mod files;
mod fingerprints;
mod folder;
mod http;
mod ingest;
mod intake;
mod keys;
mod live;
mod meter;
mod metrics;
mod nonces;
mod office;
mod operation;
mod quota;
mod rates;
mod register;
mod remote;
mod rights;
mod server;
mod serving;
mod sync;
mod vectors;
mod writer;

pub use audit::{AuditEntry, audit_setting, check_audit, read_audit};
pub use backup::{Backup, restore};
pub use chained::ChainEnd;
pub use clock::{Chance, Clock, civil_date, system_chance, system_clock};
pub use desk::{Office, OfficeDesk, OfficeHandle};
pub use enrol::InviteOrder;
pub use error::RelayError;
pub use files::{FilePlace, check_files, file_folder};
pub use folder::{RelayFolder, RelayOptions};
pub use live::sessions::LiveOptions;
pub use office::answer::{
    ActivityPairView, ConflictView, DeviceView, GrantView, InviteView, LinkView, LogView, OddView, OfficeAnswer,
    PersonPairView, Side, SideView, SkippedRecord, StatusView,
};
pub use office::command::{Decision, Likeness, OfficeCommand, Selection};
pub use office::refusal::OfficeError;
pub use rates::{Allowance, RateLimits};
pub use register::Registered;
pub use remote::RemoteOffice;
pub use server::{Relay, RunningRelay};
pub use serving::{Bounds, Encryption, Serving};
pub use writer::WriterStats;
