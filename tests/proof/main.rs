//! What breaks the engine on purpose, and shows that nothing is lost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]

#[path = "../../crates/lastmile-relay/tests/relay/device.rs"]
#[expect(dead_code, reason = "the proofs need less of it than the relay's own tests")]
mod bare;
mod device;
mod disk;
mod doors;
mod failing;
mod files;
mod limits;
mod live;
mod path;
mod planted;
mod power;
mod rights;
mod rot;
mod rules;
mod secrets;
mod simulator;
#[path = "../../crates/lastmile-store/tests/support/mod.rs"]
#[expect(dead_code, reason = "the proofs need less of it than the laws")]
mod support;

/// The one that the program runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
