//! The one binary.

use std::process::ExitCode;

/// Serves many threads without a lock that all wait for; SQLite's memory comes from it as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lastmile_cli::run(std::env::args_os())
}
