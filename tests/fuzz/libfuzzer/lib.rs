//! The targets of `tests/fuzz` under libFuzzer: one binary each, with the same structure-aware mutation.
//!
//! `./run TARGET [SECONDS]` in this folder builds on stable Rust with coverage instrumentation and runs one.
#![allow(dead_code, reason = "each binary uses one target, and the runner of the ordinary tests is not used here")]

#[path = "../change_form.rs"]
mod change_form;
#[path = "../commits.rs"]
mod commits;
#[path = "../cost.rs"]
mod cost;
#[path = "../frames.rs"]
mod frames;
#[path = "../../../crates/lastmile-store/tests/laws/kept.rs"]
mod kept;
#[path = "../mutate.rs"]
pub mod mutate;
#[path = "../oracle.rs"]
mod oracle;
#[path = "../run.rs"]
mod run;
#[path = "../../../crates/lastmile-store/tests/support/mod.rs"]
mod support;
#[path = "../tally.rs"]
mod tally;
#[path = "../targets"]
pub mod targets {
    //! The targets, as `targets.rs` names them.
    pub mod batch;
    pub mod catalogue;
    pub mod change;
    pub mod entry;
    pub mod export;
    pub mod frame;
    pub mod history;
    pub mod invite;
    pub mod picture;
    pub mod relay;
    pub mod request;
    pub mod roster;
    pub mod session;
    pub mod statement;
    pub mod store;
    pub mod word;
}
#[path = "../world.rs"]
mod world;

use rand::{Rng, SeedableRng};

/// Mutates an input in place for libFuzzer: by its structure mostly, by libFuzzer's own means else; returns the new length.
pub fn mutate_in_place(
    mutate: fn(&[u8], &mut mutate::Random) -> Vec<u8>,
    seeds: fn() -> Vec<Vec<u8>>,
    data: &mut [u8],
    size: usize,
    most: usize,
    seed: u32,
) -> usize {
    let mut rng = mutate::Random::seed_from_u64(u64::from(seed));
    let bent = match rng.random_range(0..20) {
        0..4 => return libfuzzer_sys::fuzzer_mutate(data, size, most),
        4 => {
            let all = seeds();
            all.get(rng.random_range(0..all.len().max(1))).cloned().unwrap_or_default()
        }
        _ => mutate(&data[..size], &mut rng),
    };
    let length = bent.len().min(most);
    data[..length].copy_from_slice(&bent[..length]);
    length
}

/// Makes the binary of one target.
#[macro_export]
macro_rules! fuzz {
    ($name:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::targets::$name::run(data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
            let target = ($crate::targets::$name::mutate, $crate::targets::$name::seeds);
            $crate::mutate_in_place(target.0, target.1, data, size, most, seed)
        });
    };
}
