//! The one binary `lastmile`: arguments, messages, output and the commands.
//!
//! Help is in English with Chinese in the examples; everything said at run time comes from `messages/zh-CN.toml` or
//! `messages/en.toml`. Standard output carries results only, standard error everything else, so that results can be
//! piped; `--json` makes results machine-readable. Exit codes are in [`EXITS`].

pub mod actions;
pub mod args;
pub mod bench;
pub mod commands;
pub mod config;
pub mod demo;
pub mod dirs;
pub mod error;
pub mod given;
mod logging;
pub mod messages;
pub mod output;
pub mod roster;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

pub use error::{CliError, EXITS, Exit};

use crate::args::Cli;
use crate::output::Output;

/// Runs the program with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match args::parse(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own words: help and version go to standard output, mistakes to standard error.
            let shown = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked && shown.is_ok() { Exit::Done.into() } else { Exit::Usage.into() };
        }
    };
    let mut output = Output::of_terminal(&cli.global);
    // A relay that serves logs as its configuration says, which it reads first.
    if !matches!(cli.command, args::Command::Relay(args::relay::Relay::Serve(_))) {
        logging::start(cli.global.verbose, output.colours_errors());
    }
    let Cli { command, global } = cli;
    match commands::dispatch(command, &global, &mut output).and_then(|exit| output.flush().map(|()| exit)) {
        Ok(exit) => exit.into(),
        Err(error) if error.is_closed_pipe() => Exit::Done.into(), // `lastmile ... | head` has seen enough
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}
