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
    begin(level, coloured, false);
}

/// Starts the log of a service at its configured level, which `-v` and the variable stand above; `json` for one object a line, with the
/// request's id among its fields.
pub(crate) fn start_service(verbose: u8, coloured: bool, configured: &str, json: bool) {
    let level = match verbose {
        0 => configured,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    begin(level, coloured, json);
}

fn begin(level: &str, coloured: bool, json: bool) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_unset| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured && !json).with_writer(io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if json { log.json().flatten_event(true).with_span_list(false).try_init() } else { log.try_init() };
}

/// Lets a panic be logged by where it happened alone: what it says may hold somebody's data.
pub fn name_panics_by_place() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a part of the program panicked; this is a fault of the program, please report it");
    }));
}
