//! Real processes and real sockets: killed, paused, out of room, with failing disks and over poor paths, nothing is lost.
//!
//! The binary starts itself as device and relay ([`child`]); the parent notes what they print ([`ledger`]), and only that counts as
//! saved or uploaded. Longer runs, by the environment:
//!
//! | variable | what |
//! |---|---|
//! | `LASTMILE_KILLS=10000` | so many kills (300); `LASTMILE_FROM=n` begins with the n-th hundred |
//! | `LASTMILE_PAUSES=200` | so many pauses (12) |
//! | `LASTMILE_INJECT=100` | faults at so many places of each kind (8) |
//! | `LASTMILE_WEATHER=20` | every path so often (2G, stairwell and login page once), cuts at every byte of a small exchange |
//! | `LASTMILE_NETNS=1` | the lossy line between network namespaces |
//! | `LASTMILE_SEED=n` | other moments, other jitter (1) |
//! | `LASTMILE_NO_SKIP=1` | what cannot run here fails instead of being skipped |
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]

mod beginnings;
mod chains;
mod child;
mod full_disk;
mod ground;
mod injected;
mod kills;
mod ledger;
mod namespaces;
mod pauses;
mod process;
mod weather;

use std::io::Write as _;

/// A number from the environment, or this one.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Says something past the capture of the test runner.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says that a test proved nothing here and why; `LASTMILE_NO_SKIP` makes that a failure.
fn skip(test: &str, why: &str) {
    say(&format!("\n==== SKIPPED: {test}: {why} ====\n"));
    assert!(std::env::var_os("LASTMILE_NO_SKIP").is_none(), "{test} may not be skipped: {why}");
}
