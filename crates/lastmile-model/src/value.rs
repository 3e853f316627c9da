//! The scalar values a record holds.

/// One scalar, as Automerge knows them.
///
/// Catalogue kinds map to: text, enum, date (`2026-11-23`), month (`1980-05`), time (`09:30`), decimal (`12.50`) and
/// place code -> `Str`; int -> `Int`; bool and set membership -> `Bool`; instants -> `Timestamp` (milliseconds since
/// 1970 UTC); references and UUIDs -> `Bytes` of length 16; sealed values and keys -> `Bytes`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, said explicitly.
    Null,
    /// A truth value; `true` marks membership in a set.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A floating point number, by its bits: two NaNs with the same bits are equal.
    F64(u64),
    /// A text.
    Str(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// The start value of an Automerge counter; no catalogue field is one.
    Counter(i64),
    /// A scalar type of a later Automerge, kept as it came.
    Unknown {
        /// Automerge's type code, 10 to 15.
        code: u8,
        /// The raw bytes.
        bytes: Vec<u8>,
    },
}

impl Value {
    /// Builds the value of a reference.
    #[must_use]
    pub fn reference(id: crate::RecordId) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }

    /// Returns the text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the signed integer, if this is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the bytes, if these are bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the record a reference names, if this is one.
    #[must_use]
    pub fn as_record(&self) -> Option<crate::RecordId> {
        self.as_bytes()?.try_into().ok().map(crate::RecordId::from_bytes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
