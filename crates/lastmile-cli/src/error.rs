//! The one error of the program, and what its exit codes mean.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::messages::{Key, Language, Messages, key};

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Something unexpected failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Input was refused; nothing was saved.
    Refused = 3,
    /// A record, file, author or device that was named does not exist.
    NotFound = 4,
    /// The relay or another device cannot be reached.
    Network = 5,
    /// The storage cannot be used.
    Storage = 6,
    /// Damage was found.
    Damage = 7,
    /// A person must decide something first.
    Undecided = 8,
    /// Not permitted.
    NotPermitted = 9,
    /// Done in part.
    Partial = 10,
}

/// Every way to end, with its name in JSON and its meaning, in the order of the codes. `lastmile --help` shows it.
pub const EXITS: &[(Exit, &str, &str)] = &[
    (Exit::Done, "done", "done; also when there was nothing to do"),
    (Exit::Failed, "failed", "unexpected failure, probably a bug"),
    (Exit::Usage, "usage", "wrong command line"),
    (Exit::Refused, "refused", "input refused, nothing saved"),
    (Exit::NotFound, "not_found", "no such record, file, author or device"),
    (Exit::Network, "network", "relay or device out of reach; work is kept and sent later"),
    (Exit::Storage, "storage", "storage unusable: full, read-only, locked or of a newer version"),
    (Exit::Damage, "damage", "a check found damage"),
    (Exit::Undecided, "undecided", "a person must decide first: an open conflict or duplicate"),
    (Exit::NotPermitted, "not_permitted", "not permitted for this role or device, or the device is locked"),
    (Exit::Partial, "partial", "done in part: what was refused is listed, the rest is saved"),
];

impl Exit {
    /// Returns the exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        EXITS.iter().find(|(exit, ..)| *exit == self).map_or("failed", |(_, name, _)| name)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked: how to exit, what to say, and what the user can do.
///
/// Its texts never hold personal data: arguments are names of files, fields, types and commands, and ids.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    key: Key,
    args: Vec<(&'static str, String)>,
    cure: Option<Key>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// Builds an error that says `key`.
    #[must_use]
    pub const fn new(exit: Exit, key: Key) -> Self {
        Self { exit, key, args: Vec::new(), cure: None, source: None }
    }

    /// Sets a placeholder of the message and of the cure.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub const fn cure(mut self, cure: Key) -> Self {
        self.cure = Some(cure);
        self
    }

    /// Keeps the cause, for `-v`.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that this build does not have a command.
    #[must_use]
    pub fn unavailable(command: &str) -> Self {
        Self::new(Exit::Failed, key!("error.unavailable")).with("command", command)
    }

    /// Says that results could not be written to standard output.
    #[must_use]
    pub fn output(source: io::Error) -> Self {
        Self::new(Exit::Failed, key!("error.output")).because(source)
    }

    /// Says why a file could not be read.
    #[must_use]
    pub fn reading(path: &std::path::Path, source: io::Error) -> Self {
        let error = match source.kind() {
            io::ErrorKind::NotFound => Self::new(Exit::NotFound, key!("error.no_file")).cure(key!("cure.no_file")),
            _ => Self::new(Exit::Storage, key!("error.read_file")).with("reason", source.kind()),
        };
        error.with("file", path.display()).because(source)
    }

    /// Returns how the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns the message's key.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Returns what to say.
    #[must_use]
    pub fn message(&self, messages: &Messages) -> String {
        messages.text(self.key, &self.args)
    }

    /// Returns what the user can do.
    #[must_use]
    pub fn cure_text(&self, messages: &Messages) -> Option<String> {
        self.cure.map(|cure| messages.text(cure, &self.args))
    }

    /// Returns whether the reader of our results went away, which is no fault.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let source = self.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        self.key == key!("error.output") && source.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Messages::of(Language::English)))
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_code_once_in_order() {
        for (index, (exit, name, meaning)) in EXITS.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), index);
            assert_eq!(exit.name(), *name);
            assert!(!meaning.is_empty());
        }
        assert_eq!(EXITS.len(), usize::from(Exit::Partial.code()) + 1);
    }

    #[test]
    fn knows_a_closed_pipe() {
        assert!(CliError::output(io::ErrorKind::BrokenPipe.into()).is_closed_pipe());
        assert!(!CliError::output(io::ErrorKind::StorageFull.into()).is_closed_pipe());
        assert!(!CliError::reading("a".as_ref(), io::ErrorKind::BrokenPipe.into()).is_closed_pipe());
    }

    #[test]
    fn says_what_and_which() {
        let error = CliError::reading("roster.csv".as_ref(), io::ErrorKind::NotFound.into());
        assert_eq!(error.exit(), Exit::NotFound);
        assert!(error.to_string().contains("roster.csv"), "{error}");
        assert!(error.message(Messages::of(Language::Chinese)).contains("roster.csv"));
    }
}
