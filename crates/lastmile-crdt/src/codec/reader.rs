//! A cursor over bytes that can only fail, never panic.

use super::Malformed;

/// Reads bytes from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns everything that is left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads an unsigned LEB128 number in its shortest form.
    #[inline]
    pub(super) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.unsigned_tail(first)
    }

    fn unsigned_tail(&mut self, first: u8) -> Result<u64, Malformed> {
        let mut number = u64::from(first & 0x7f);
        let mut shift = 7_u32;
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed::BadNumber);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(Malformed::BadNumber) } else { Ok(number) };
            }
            shift += 7;
        }
    }

    /// Reads a signed LEB128 number in its shortest form.
    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let first = self.byte()?;
        if first < 0x80 {
            // Bit 6 is the sign.
            return Ok(i64::from(first) - if first & 0x40 == 0 { 0 } else { 0x80 });
        }
        self.signed_tail(first)
    }

    fn signed_tail(&mut self, first: u8) -> Result<i64, Malformed> {
        let mut number = i64::from(first & 0x7f);
        let mut shift = 7_u32;
        let mut previous = first;
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                return Err(Malformed::BadNumber);
            }
            number |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                let negative = previous & 0x40 != 0;
                if (byte == 0 && !negative) || (byte == 0x7f && negative) {
                    return Err(Malformed::BadNumber);
                }
                if shift < 64 && byte & 0x40 != 0 {
                    number |= -1 << shift;
                }
                return Ok(number);
            }
            previous = byte;
        }
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count()?;
        self.take(len)
    }

    /// Reads a count of things that each take at least one byte, so no more than are left.
    #[inline]
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.unsigned()?;
        usize::try_from(count).ok().filter(|count| *count <= self.rest.len()).ok_or(Malformed::Truncated)
    }

    /// Reads a length-prefixed text.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.prefixed()?).map_err(|_| Malformed::BadUtf8)
    }
}
