//! The formats of the log: what is written is read again, and nothing else is.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod chain;
#[path = "../support/corpus.rs"]
mod corpus;
mod golden;
mod mutations;
#[path = "../support/odd.rs"]
mod odd;
mod round_trip;
