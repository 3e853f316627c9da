//! The tests of `lastmile-crdt`, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod export;
mod gate;
mod histories;
mod mutations;
mod node;
mod oracle;
mod rules;
