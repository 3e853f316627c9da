//! The tests of `lastmile-crdt`, in one binary.

#[path = "../support/mod.rs"]
mod support;

mod export;
mod gate;
mod histories;
mod mutations;
mod oracle;
mod rules;
