//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    lastmile_cli::run(std::env::args_os())
}
