//! The one binary.

use std::process::ExitCode;

/// Serves many threads without a lock that all wait for, and gives back what a storm of devices took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lastmile_cli::run(std::env::args_os())
}
