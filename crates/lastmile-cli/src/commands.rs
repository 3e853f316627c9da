//! The commands, one function each.

mod demo;
mod device;
mod export;
mod import_roster;
mod inspect;
mod maintain;
mod office;
mod opened;
mod refused;
mod relay;
mod report;
mod script;
mod shown;
mod written;

use crate::args::Command;
use crate::args::data::Import;
use crate::error::{CliError, Exit};
use crate::output::Output;

/// Runs a command; returns how it ended where that is no error.
///
/// # Errors
/// Fails with what the user is told.
pub fn dispatch(command: Command, output: &mut Output) -> Result<Exit, CliError> {
    let name = match command {
        Command::Import(Import::Roster(args)) => return import_roster::run(&args, output),
        Command::Demo(args) => return demo::run(&args, output),
        Command::Generate(_) => "generate",
        Command::Relay(command) => return relay::run(&command, output),
        Command::Device(command) => return device::run(&command, output),
        Command::Office(command) => return office::run(&command, output),
        Command::Report(args) => return report::run(&args, output),
        Command::Rebuild(args) => return maintain::rebuild(&args, output),
        Command::Check(args) => return maintain::check(&args, output),
        Command::Inspect(args) => return inspect::run(&args, output),
        Command::Export(command) => return export::run(&command, output),
        Command::Bench(_) => "bench",
    };
    Err(CliError::unavailable(name))
}
