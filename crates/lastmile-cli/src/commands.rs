//! The commands, one function each.

mod attachments;
mod bench;
mod demo;
mod device;
mod exchanged;
mod export;
mod generate;
mod import_roster;
mod inspect;
mod listed;
mod maintain;
mod office;
mod opened;
mod refused;
mod relay;
mod report;
mod rights;
mod script;
mod shown;
mod similar;
mod sync;
mod watch;
mod written;

pub(crate) use opened::store_error;

use crate::args::data::Import;
use crate::args::{Command, Global};
use crate::error::{CliError, Exit};
use crate::output::Output;

/// Runs a command; returns how it ended where that is no error.
///
/// # Errors
/// Fails with what the user is told.
pub fn dispatch(command: Command, global: &Global, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        Command::Import(Import::Roster(args)) => import_roster::run(&args, output),
        Command::Demo(args) => demo::run(&args, output),
        Command::Generate(args) => generate::run(&args, output),
        Command::Relay(command) => relay::run(&command, global, output),
        Command::Device(command) => device::run(&command, output),
        Command::Office(command) => office::run(&command, output),
        Command::Report(args) => report::run(&args, output),
        Command::Rebuild(args) => maintain::rebuild(&args, output),
        Command::Check(args) => maintain::check(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Export(command) => export::run(&command, output),
        Command::Bench(args) => bench::run(&args, output),
    }
}
