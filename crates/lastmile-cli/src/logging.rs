//! The program's own log, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

/// The variable that chooses what is logged, e.g. `LASTMILE_LOG=lastmile_web=debug`.
const VARIABLE: &str = "LASTMILE_LOG";

/// Starts logging: warnings, with `-v` what happens, with `-vv` details, with `-vvv` everything; coloured where errors are.
pub(crate) fn start(verbose: u8, coloured: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_unset| EnvFilter::new(level));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).with_writer(io::stderr).try_init();
}
