//! What is known of the files of attachments.

use lastmile_model::AuthorId;

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FileState {
    /// Wanted, and here as far as they came.
    Arriving = 0,
    /// Here, and they are what the hash says.
    Whole = 1,
    /// The same, and the relay does not take them.
    Refused = 2,
    /// Not in this storage: whoever owns it keeps them.
    Elsewhere = 3,
    /// Erased here; whoever kept them elsewhere has still to remove them.
    Gone = 4,
}

impl FileState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 5] = [Self::Arriving, Self::Whole, Self::Refused, Self::Elsewhere, Self::Gone];

    /// Returns the state with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| i64::from(*state as u8) == number)
    }

    /// Returns the word shown to people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Whole => "whole",
            Self::Refused => "refused",
            Self::Elsewhere => "kept",
            Self::Gone => "erased",
        }
    }
}

/// A file of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The scope's local number.
    pub scope: u32,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// How long it is, in bytes.
    pub size: u64,
    /// How many of its first bytes are here.
    pub held: u64,
    /// Where its bytes are.
    pub state: FileState,
    /// The relay epoch that said it holds the file.
    pub epoch: Option<AuthorId>,
}
