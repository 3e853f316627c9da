//! The command line.

pub mod attachments;
pub mod data;
pub mod device;
pub mod office;
pub mod relay;
pub mod report;
pub mod rights;
pub mod trial;
pub mod values;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::dirs::{self, Holder};
use crate::error::EXITS;
use crate::messages::Language;

/// Lastmile 最后一公里: offline-first record keeping for community work.
///
/// Devices record without a network and sync when a path appears; the office sees one merged set of figures.
#[derive(Debug, Parser)]
#[command(name = "lastmile", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Language of messages and tables: zh-CN or en [default: that of the system]
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<Language>,
    /// Show results as JSON, and errors as JSON on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Show results only: no notes, no progress bars
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log what happens to standard error; repeat for more, or set LASTMILE_LOG
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: a relay and two devices on this computer, with made-up data
    Demo(trial::Demo),
    /// Make data sets of made-up people, the same for the same seed
    Generate(trial::Generate),
    /// Run the relay, invite devices
    #[command(subcommand)]
    Relay(relay::Relay),
    /// Record and look up on a device
    #[command(subcommand)]
    Device(device::Device),
    /// Decide, confirm and verify at the office
    #[command(subcommand)]
    Office(office::Office),
    /// Show the reports R1 to R20
    Report(report::Report),
    /// Build the views anew from the logs
    Rebuild(data::Rebuild),
    /// Check a replica for damage
    Check(data::Check),
    /// Look inside a replica, a bundle or a change
    Inspect(data::Inspect),
    /// Write records or tables to files
    #[command(subcommand)]
    Export(data::Export),
    /// Read files of an office
    #[command(subcommand)]
    Import(data::Import),
    /// Measure this computer
    Bench(trial::Bench),
}

/// Where the data of a device or of the relay lies.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Folder of the data [default: LASTMILE_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// File with the key of an encrypted device: 64 hexadecimal digits [default: LASTMILE_KEY_FILE, else not encrypted]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl DataDir {
    /// Returns the folder, if one was named or the system has a place for it.
    #[must_use]
    pub fn resolve(&self, holder: Holder) -> Option<PathBuf> {
        dirs::resolve(self.dir.clone(), holder)
    }

    /// Returns the file with a device's key, if one was named.
    #[must_use]
    pub fn key_file(&self) -> Option<PathBuf> {
        self.key_file.clone().or_else(dirs::key_file)
    }
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// Fails with clap's own error, which prints itself; also for help and version.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// Returns the command tree with the table of exit codes in its help.
#[must_use]
pub fn command() -> clap::Command {
    let mut exits = String::from("Exit codes:\n");
    for (exit, _, meaning) in EXITS {
        let _ = writeln!(exits, "  {:>2}  {meaning}", exit.code()); // writing to a string does not fail
    }
    Cli::command().after_help(exits)
}

#[cfg(test)]
mod tests;
