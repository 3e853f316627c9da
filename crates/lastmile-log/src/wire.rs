//! The primitives of every binary form: canonical uvarints, raw bytes, bounded lengths.
//!
//! A uvarint is little-endian base 128, at most ten bytes, in its shortest form; a signed number is zigzagged first.

use lastmile_model::{Scope, ScopeKind};

/// Says why bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They end in the middle of a field.
    #[error("the bytes end early")]
    Truncated,
    /// A number is not in its shortest form or too large.
    #[error("a number is badly encoded")]
    BadNumber,
    /// A length or count exceeds its bound.
    #[error("a length of {length} exceeds {limit}")]
    TooLong {
        /// The length found.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    BadText,
    /// A scope's kind or code is malformed.
    #[error("a scope is malformed")]
    BadScope,
    /// Bytes follow the last field.
    #[error("bytes follow the end")]
    Trailing,
    /// A field holds what this version does not know.
    #[error("{0} is of a newer version or malformed")]
    Unknown(&'static str),
}

/// Writes fields.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins with nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Returns what was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns what was written so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Returns how many bytes were written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Tells whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes one byte.
    pub fn u8(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes a uvarint.
    pub fn uvarint(&mut self, number: u64) {
        put_uvarint(&mut self.bytes, number);
    }

    /// Writes a signed number, zigzagged.
    pub fn ivarint(&mut self, number: i64) {
        self.uvarint(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a length, then the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.uvarint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Writes a scope: kind, then its code with a length.
    pub fn scope(&mut self, scope: &Scope) {
        self.u8(scope.kind() as u8);
        self.bytes(scope.code().as_bytes());
    }
}

/// Appends a uvarint.
#[inline]
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Reads fields, never beyond the end and never allocating from a claimed length.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the start of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Tells whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns what is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`Unreadable::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.bytes.split_first().ok_or(Unreadable::Truncated)?;
        self.bytes = rest;
        Ok(*first)
    }

    /// Reads this many bytes.
    ///
    /// # Errors
    /// [`Unreadable::Truncated`] when fewer are left.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Reads a fixed number of bytes.
    ///
    /// # Errors
    /// [`Unreadable::Truncated`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(Unreadable::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// Reads a uvarint in its shortest form.
    ///
    /// # Errors
    /// [`Unreadable`] when it ends early, is longer than needed or over 64 bits.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u64, Unreadable> {
        let first = self.u8()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.uvarint_tail(first) }
    }

    fn uvarint_tail(&mut self, first: u8) -> Result<u64, Unreadable> {
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Unreadable::BadNumber);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(Unreadable::BadNumber) } else { Ok(number) };
            }
        }
        Err(Unreadable::BadNumber)
    }

    /// Reads a zigzagged signed number.
    ///
    /// # Errors
    /// As [`Reader::uvarint`].
    pub fn ivarint(&mut self) -> Result<i64, Unreadable> {
        let number = self.uvarint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Reads a count or length of at most `limit`.
    ///
    /// # Errors
    /// [`Unreadable::TooLong`] beyond the limit.
    pub fn count(&mut self, limit: usize) -> Result<usize, Unreadable> {
        let length = self.uvarint()?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= limit)
            .ok_or(Unreadable::TooLong { length, limit: limit as u64 })
    }

    /// Reads bytes with a length of at most `limit`.
    ///
    /// # Errors
    /// [`Unreadable`] when too long or cut off.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], Unreadable> {
        let length = self.count(limit)?;
        self.take(length)
    }

    /// Reads a text of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Unreadable`] when too long, cut off or not UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes(limit)?).map_err(|_| Unreadable::BadText)
    }

    /// Reads a scope.
    ///
    /// # Errors
    /// [`Unreadable::BadScope`] when its kind or code is malformed.
    pub fn scope(&mut self) -> Result<Scope, Unreadable> {
        let kind = ScopeKind::from_number(self.u8()?).ok_or(Unreadable::BadScope)?;
        Scope::new(kind, self.text(Scope::MAX_CODE)?).map_err(|_| Unreadable::BadScope)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`Unreadable::Trailing`] when bytes are left.
    pub const fn end(self) -> Result<(), Unreadable> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Unreadable::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_only_in_their_shortest_form() {
        for number in [0, 1, 127, 128, 300, 1 << 40, u64::MAX] {
            let mut out = Writer::new();
            out.uvarint(number);
            assert_eq!(Reader::new(out.as_slice()).uvarint(), Ok(number));
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut out = Writer::new();
            out.ivarint(number);
            assert_eq!(Reader::new(out.as_slice()).ivarint(), Ok(number));
        }
        assert_eq!(Reader::new(&[0x80, 0]).uvarint(), Err(Unreadable::BadNumber));
        assert_eq!(Reader::new(&[0xff; 11]).uvarint(), Err(Unreadable::BadNumber));
        assert_eq!(Reader::new(&[0x80]).uvarint(), Err(Unreadable::Truncated));
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        let mut out = Writer::new();
        out.uvarint(u64::MAX);
        assert!(matches!(Reader::new(out.as_slice()).bytes(10), Err(Unreadable::TooLong { .. })));
    }
}
