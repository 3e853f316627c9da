//! Data to try Lastmile with: deterministic from a seed, the same on every machine, and with its own accounts.
//!
//! [`acceptance`] makes one year of a community, a street or a whole city as the saves of many devices, and a ledger of
//! what every report must show. [`mix`] makes records in the proportions that the benchmarks measure. [`mod@reference`] is
//! the specification of merging and of the figures in code, to hold the engine against.
//!
//! ```
//! use lastmile_testkit::{Scale, generate};
//!
//! let dataset = generate(Scale::Community, 1);
//! let ledger = dataset.ledger();
//! assert_eq!(ledger.city.r2.verified, 120);
//! assert_eq!(ledger.city.r7.verified, 780);
//! for work in dataset.communities() {
//!     for device in &work.devices {
//!         println!("{}: {} saves", device.label, device.actions.len());
//!     }
//! }
//! ```

pub mod acceptance;
mod action;
mod calendar;
#[cfg(feature = "simulator")]
pub mod disk;
mod draw;
mod identity;
pub mod mix;
mod names;
pub mod reference;
#[cfg(feature = "simulator")]
pub mod sim;
mod words;

pub use acceptance::{CommunityWork, Dataset, Ledger, LedgerBuilder, Plan, Scale, Settings, generate};
#[cfg(feature = "simulator")]
pub use disk::Disk;

pub use action::{Action, DeviceWork, EditKind, RecordEdit, User};
pub use mix::{Mix, MixCounts};
