//! The rows of the views.

use std::borrow::Cow;
use std::ops::ControlFlow;

use lastmile_model::RecordId;

use super::Position;
use crate::StoreError;

/// What identifies a row of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHead {
    /// Local row number: scope number << 32 | running number.
    pub rec: i64,
    /// Where the record's first known change stands.
    pub position: Position,
    /// Whether there are further changes (listed in [`Storage::extras`](super::Storage::extras)).
    pub more: bool,
}

/// One cell of a view.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A whole number, truth value (0 or 1) or instant in milliseconds.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// Copies the cell so that it owns its content.
    #[must_use]
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Int(number) => Cell::Int(number),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Blob(bytes) => Cell::Blob(Cow::Owned(bytes.into_owned())),
        }
    }

    /// Returns the text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if this is one.
    #[must_use]
    pub const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the bytes, if these are bytes.
    #[must_use]
    pub fn blob(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the record named by a 16-byte cell.
    #[must_use]
    pub fn record(&self) -> Option<RecordId> {
        self.blob()?.try_into().ok().map(RecordId::from_bytes)
    }
}

/// The cells of one view row, in the order of the type's columns (see [`crate::columns`]).
pub type Cells<'a> = [Cell<'a>];

/// What is written for one record.
#[derive(Debug, Clone, Copy)]
pub struct ViewRow<'r, 'a> {
    /// The record.
    pub id: RecordId,
    /// Where its first known change stands.
    pub position: Position,
    /// Whether it has further changes.
    pub more: bool,
    /// The cells.
    pub cells: &'r Cells<'a>,
    /// Words to find it by: characters and words first, pinyin initials second.
    pub search: Option<(&'r str, &'r str)>,
}

/// A row as a query shows it.
#[derive(Debug)]
pub struct FoundRow<'r> {
    /// The scope's local number.
    pub scope: u32,
    /// The record.
    pub id: RecordId,
    /// Its head.
    pub head: RowHead,
    /// The columns asked for, in that order.
    pub cells: &'r Cells<'r>,
}

/// Receives rows one by one; breaking ends the query.
pub type Visitor<'v> = dyn FnMut(&FoundRow<'_>) -> Result<ControlFlow<()>, StoreError> + 'v;
