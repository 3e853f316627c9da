//! Scopes: the unit of replication and permission.

use std::fmt;
use std::str::FromStr;

/// The kind of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ScopeKind {
    /// One community, by its 12-digit place code.
    Community = 1,
    /// Lists shared by a whole city: places, organisations, the catalogue. By its 4-digit code.
    City = 2,
    /// One organisation.
    Org = 3,
    /// What only the office holds; never on a device.
    Office = 4,
}

impl ScopeKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Community, Self::City, Self::Org, Self::Office];

    /// Returns the kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Returns the word used in texts and files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::City => "city",
            Self::Org => "org",
            Self::Office => "office",
        }
    }
}

/// A scope: its kind and a code of 1 to 36 ASCII letters, digits or hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    kind: ScopeKind,
    code: String,
}

impl Scope {
    /// The longest code, in bytes.
    pub const MAX_CODE: usize = 36;

    /// Builds a scope, refusing a code that is empty, too long or not plain ASCII letters, digits and hyphens.
    ///
    /// # Errors
    /// [`BadScope`] when the code has another shape.
    pub fn new(kind: ScopeKind, code: &str) -> Result<Self, BadScope> {
        let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let twelve = kind != ScopeKind::Community || (code.len() == 12 && code.bytes().all(|b| b.is_ascii_digit()));
        if code.is_empty() || code.len() > Self::MAX_CODE || !plain || !twelve {
            return Err(BadScope { text: format!("{}:{code}", kind.word()) });
        }
        Ok(Self { kind, code: code.to_owned() })
    }

    /// The community with this 12-digit place code.
    ///
    /// # Errors
    /// [`BadScope`] when the code is not 12 digits.
    pub fn community(code: &str) -> Result<Self, BadScope> {
        Self::new(ScopeKind::Community, code)
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ScopeKind {
        self.kind
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.word(), self.code)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadScope { text: text.to_owned() };
        let (word, code) = text.split_once(':').ok_or_else(bad)?;
        let kind = ScopeKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(bad)?;
        Self::new(kind, code)
    }
}

/// Says that a text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a scope; write e.g. community:430103005010 or city:4301")]
pub struct BadScope {
    /// The text as given.
    pub text: String,
}
