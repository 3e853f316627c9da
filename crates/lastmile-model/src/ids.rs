//! Typed identifiers.

use std::fmt;

use uuid::Uuid;

/// Identifies one record: a UUIDv7, or a UUIDv5 where the domain has a natural identity.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub Uuid);

impl RecordId {
    /// Builds an id from its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the 16 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RecordId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Returns the raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the id from a slice of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                if text.len() != 2 * $len || !text.is_ascii() {
                    return Err(NotHex { digits: 2 * $len });
                }
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = text
                        .get(2 * index..2 * index + 2)
                        .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                        .ok_or(NotHex { digits: 2 * $len })?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

/// Says that a text is not the hexadecimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hexadecimal digits")]
pub struct NotHex {
    /// How many digits the id has.
    pub digits: usize,
}

hex_id!(
    /// Identifies an author: the first 16 bytes of SHA-256(deployment, public key). Also its Automerge actor.
    AuthorId, 16
);
hex_id!(
    /// The SHA-256 hash of an Automerge change.
    ChangeHash, 32
);
hex_id!(
    /// The chain hash of a commit: SHA-256 over its header, which names the previous chain hash.
    ChainHash, 32
);

impl ChainHash {
    /// The hash before an author's first commit.
    pub const ZERO: Self = Self([0; 32]);
}
