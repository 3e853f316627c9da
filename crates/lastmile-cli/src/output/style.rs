//! Colour, where it is wanted.

/// What a piece of text means; colour only repeats what the words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Dim,
    /// In order.
    Good,
    /// Wants attention.
    Warn,
    /// Failed.
    Bad,
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colored: bool,
}

impl Style {
    /// Colours text, or not.
    #[must_use]
    pub const fn new(colored: bool) -> Self {
        Self { colored }
    }

    /// Returns whether text is coloured.
    #[must_use]
    pub const fn is_colored(self) -> bool {
        self.colored
    }

    /// Returns whether the environment lets a terminal have colour: `NO_COLOR` unset or empty, `TERM` not `dumb`.
    #[must_use]
    pub fn wanted_by_environment() -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Colours a text by its tone.
    #[must_use]
    pub fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        if self.colored { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
