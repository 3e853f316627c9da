//! A relay on the loopback interface, with devices made of a store and a session.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod device;
mod files;
mod folder;
mod live;
mod merging;
mod office;
mod permission;
mod rights;
mod sync;
mod twin;
