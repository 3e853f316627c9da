//! What the program shows: results on standard output, everything else on standard error.

mod printable;
mod progress;
mod style;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::args::{Color, Global};
use crate::error::CliError;
use crate::messages::{Key, Language, Messages, key};

pub use printable::printable;
pub use progress::Progress;
pub use style::{Style, Tone};
pub use table::{Align, Cell, Column, Table};

/// Where a command shows its results.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    json: bool,
    quiet: bool,
    messages: &'static Messages,
    out_style: Style,
    err_style: Style,
    bars: bool,
    terminal: bool,
}

impl Output {
    /// Shows results as the global arguments and the terminal ask.
    #[must_use]
    pub fn of_terminal(global: &Global) -> Self {
        let colored = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && Style::wanted_by_environment(),
        };
        let (out, err) = (io::stdout(), io::stderr());
        let (out_terminal, err_terminal) = (out.is_terminal(), err.is_terminal());
        Self {
            out: Box::new(BufWriter::new(out)),
            err: Box::new(err),
            json: global.json,
            quiet: global.quiet,
            messages: Messages::of(global.lang.unwrap_or_else(Language::of_environment)),
            out_style: Style::new(colored(out_terminal)),
            err_style: Style::new(colored(err_terminal)),
            bars: err_terminal && !global.quiet && !global.json,
            terminal: out_terminal && !global.json,
        }
    }

    /// Shows results through other writers, without colour and progress bars.
    #[must_use]
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, language: Language, json: bool) -> Self {
        let (out_style, err_style) = (Style::new(false), Style::new(false));
        Self {
            out,
            err,
            json,
            quiet: false,
            messages: Messages::of(language),
            out_style,
            err_style,
            bars: false,
            terminal: false,
        }
    }

    /// Returns the messages of the user's language.
    #[must_use]
    pub const fn messages(&self) -> &'static Messages {
        self.messages
    }

    /// Returns whether a person sees the results as they come.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Returns whether results go out as JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Shows a sentence among the results; nothing in JSON mode.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn say<V: AsRef<str>>(&mut self, key: Key, args: &[(&str, V)]) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        let text = self.messages.text(key, args);
        writeln!(self.out, "{}", printable(&text)).map_err(CliError::output)
    }

    /// Shows a table; nothing in JSON mode.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn table(&mut self, table: &Table) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        self.out.write_all(table.render(self.out_style).as_bytes()).map_err(CliError::output)
    }

    /// Shows a line that is data, not a message; nothing in JSON mode.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out, "{}", printable(text)).map_err(CliError::output)
    }

    /// Shows a blank line between parts of a result; nothing in JSON mode.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn gap(&mut self) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out).map_err(CliError::output)
    }

    /// Shows a result as one JSON document, in JSON mode only.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn json(&mut self, result: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        serde_json::to_writer_pretty(&mut self.out, result).map_err(|error| CliError::output(error.into()))?;
        writeln!(self.out).map_err(CliError::output)
    }

    /// Shows one line of a stream of JSON documents, in JSON mode only, and sends it off at once.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn json_line(&mut self, event: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, event).map_err(|error| CliError::output(error.into()))?;
        writeln!(self.out).map_err(CliError::output)?;
        self.flush()
    }

    /// Tells something on the side, on standard error; not with `--quiet`.
    pub fn note<V: AsRef<str>>(&mut self, key: Key, args: &[(&str, V)]) {
        if !self.quiet {
            let text = self.messages.text(key, args);
            // Where standard error is gone there is nobody left to tell.
            let _ = writeln!(self.err, "{}", printable(&text));
        }
    }

    /// Returns whether what goes to standard error is coloured.
    #[must_use]
    pub const fn colours_errors(&self) -> bool {
        self.err_style.is_colored()
    }

    /// Shows why a command failed, and what can be done; as JSON on standard error in JSON mode.
    pub fn error(&mut self, error: &CliError) {
        let _ = self.out.flush();
        let message = error.message(self.messages);
        let cure = error.cure_text(self.messages);
        let _ = if self.json {
            let (exit, key) = (error.exit(), error.key().name());
            let document = json!({"error": {
                "code": exit.name(), "exit": exit.code(), "key": key, "message": message, "cure": cure,
            }});
            writeln!(self.err, "{document}")
        } else {
            let label = self.err_style.paint(&self.messages.plain(key!("output.error")), Tone::Bad);
            // Only a list of faults has lines of its own.
            let shown = if error.key() == key!("error.invalid") {
                message.lines().map(printable).collect::<Vec<_>>().join("\n")
            } else {
                printable(&message).into_owned()
            };
            let lines = std::iter::once(format!("{label}{shown}"));
            let cure = cure.map(|cure| {
                let label = self.err_style.paint(&self.messages.plain(key!("output.cure")), Tone::Dim);
                format!("{label}{}", printable(&cure))
            });
            let text: Vec<String> = lines.chain(cure).collect();
            writeln!(self.err, "{}", text.join("\n"))
        };
    }

    /// Starts a progress bar; it shows on a terminal only.
    #[must_use]
    pub fn progress<V: AsRef<str>>(&self, total: Option<u64>, key: Key, args: &[(&str, V)]) -> Progress {
        Progress::start(self.bars, total, printable(&self.messages.text(key, args)).into_owned())
    }

    /// Sends off what is still in memory.
    ///
    /// # Errors
    /// Fails if standard output does.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::output)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::error::Exit;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns an output and what it shows on standard output and standard error.
    fn captured(language: Language, json: bool) -> (Output, Shared, Shared) {
        let (out, err) = (Shared::default(), Shared::default());
        (Output::to(Box::new(out.clone()), Box::new(err.clone()), language, json), out, err)
    }

    fn failure() -> CliError {
        CliError::reading("名册.csv".as_ref(), io::ErrorKind::NotFound.into())
    }

    #[test]
    fn shows_either_text_or_json() {
        let (mut output, out, _) = captured(Language::English, false);
        output.json(&json!({"a": 1})).unwrap();
        output.gap().unwrap();
        assert_eq!(out.text(), "\n");
        let (mut output, out, _) = captured(Language::English, true);
        output.gap().unwrap();
        output.say::<&str>(key!("output.error"), &[]).unwrap();
        output.json_line(&json!({"a": 1})).unwrap();
        assert_eq!(out.text(), "{\"a\":1}\n");
    }

    #[test]
    fn tells_errors_on_standard_error_with_a_cure() {
        let (mut output, out, err) = captured(Language::Chinese, false);
        output.error(&failure());
        assert_eq!(out.text(), "");
        let text = err.text();
        assert!(text.contains("名册.csv") && text.lines().count() == 2, "{text}");

        let (mut output, _, err) = captured(Language::English, true);
        output.error(&failure());
        let document: serde_json::Value = serde_json::from_str(&err.text()).unwrap();
        assert_eq!(document["error"]["exit"], u64::from(Exit::NotFound.code()));
        assert_eq!(document["error"]["key"], "error.no_file");
    }
}
