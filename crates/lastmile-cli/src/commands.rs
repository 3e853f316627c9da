//! The commands, one function each.

mod demo;
mod device;
mod import_roster;
mod opened;
mod script;
mod shown;

use crate::args::Command;
use crate::args::data::{Export, Import};
use crate::args::office::Office;
use crate::args::relay::Relay;
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
        Command::Relay(Relay::Serve(_)) => "relay serve",
        Command::Relay(Relay::Invite(_)) => "relay invite",
        Command::Device(command) => return device::run(&command, output),
        Command::Office(command) => match command {
            Office::Duplicates(_) => "office duplicates",
            Office::Conflicts(_) => "office conflicts",
            Office::Resolve(_) => "office resolve",
            Office::Link(_) => "office link",
            Office::Unlink(_) => "office unlink",
            Office::Confirm(_) => "office confirm",
            Office::Verify(_) => "office verify",
            Office::Return(_) => "office return",
            Office::Move(_) => "office move",
            Office::Quarantine(_) => "office quarantine",
            Office::Release(_) => "office release",
        },
        Command::Report(_) => "report",
        Command::Rebuild(_) => "rebuild",
        Command::Check(_) => "check",
        Command::Inspect(_) => "inspect",
        Command::Export(Export::Record(_)) => "export record",
        Command::Export(Export::Table(_)) => "export table",
        Command::Bench(_) => "bench",
    };
    Err(CliError::unavailable(name))
}
