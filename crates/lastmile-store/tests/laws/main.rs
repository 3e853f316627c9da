//! The laws of a replica: every state of a change in every situation, and histories at random whose replicas must agree.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod certificates;
mod damage;
mod erasure;
mod fixtures;
mod floods;
mod grown;
mod histories;
mod kept;
mod log;
mod model;
mod raw;
mod readers;
mod receipts;
mod sites;
mod states;
mod story;
mod trouble;
