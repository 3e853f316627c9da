//! Run-length columns, read row by row and written in their one canonical form.

use super::Malformed;
use super::reader::Reader;

/// The run-length structure of a column: which rows repeat, which stand alone.
///
/// Nothing is ever expanded from a claimed count: a run is a number that counts down.
#[derive(Debug, Clone, Copy)]
struct Runs {
    repeats: u64,
    literals: u64,
}

/// Says where the next row's value comes from.
enum Next {
    /// It stands in the column here.
    Read,
    /// It is the same as the row before.
    Same,
}

impl Runs {
    const fn new() -> Self {
        Self { repeats: 0, literals: 0 }
    }

    /// Moves on by one row.
    #[inline]
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Next, Malformed> {
        if self.literals > 0 {
            self.literals -= 1;
            return Ok(Next::Read);
        }
        if self.repeats > 0 {
            self.repeats -= 1;
            return Ok(Next::Same);
        }
        if reader.is_empty() {
            return Err(Malformed::BadColumns);
        }
        let count = reader.signed()?;
        match count {
            // A run of nulls: no column of a flat map has one.
            0 => Err(Malformed::NotFlat),
            1.. => {
                self.repeats = count.unsigned_abs() - 1;
                Ok(Next::Read)
            }
            _ => {
                self.literals = count.unsigned_abs() - 1;
                Ok(Next::Read)
            }
        }
    }

    const fn is_done(&self, reader: &Reader<'_>) -> bool {
        self.repeats == 0 && self.literals == 0 && reader.is_empty()
    }
}

/// A column of unsigned numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    reader: Reader<'a>,
    runs: Runs,
    last: u64,
}

impl<'a> Numbers<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), runs: Runs::new(), last: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, Malformed> {
        if let Next::Read = self.runs.next(&mut self.reader)? {
            self.last = self.reader.unsigned()?;
        }
        Ok(self.last)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.runs.is_done(&self.reader)
    }

    /// Counts the rows without expanding them, up to a limit.
    pub(super) fn count_rows(bytes: &[u8], limit: u64) -> Result<u64, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut rows = 0_u64;
        while !reader.is_empty() {
            let count = reader.signed()?;
            let added = match count {
                0 => reader.unsigned()?,
                1.. => {
                    reader.unsigned()?;
                    count.unsigned_abs()
                }
                _ => count.unsigned_abs(),
            };
            rows = rows.saturating_add(added);
            if rows > limit {
                return Err(Malformed::TooManyOps);
            }
            if count < 0 {
                for _ in 0..added {
                    reader.unsigned()?;
                }
            }
        }
        Ok(rows)
    }
}

/// A column of numbers that stores the differences between rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deltas<'a> {
    reader: Reader<'a>,
    runs: Runs,
    step: i64,
    value: i64,
}

impl<'a> Deltas<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), runs: Runs::new(), step: 0, value: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<i64, Malformed> {
        if let Next::Read = self.runs.next(&mut self.reader)? {
            self.step = self.reader.signed()?;
        }
        self.value = self.value.checked_add(self.step).ok_or(Malformed::OutOfBounds)?;
        Ok(self.value)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.runs.is_done(&self.reader)
    }
}

/// A column of texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    reader: Reader<'a>,
    runs: Runs,
}

impl<'a> Texts<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), runs: Runs::new() }
    }

    /// Reads the next text; a repeated one means that two operations are on one key.
    #[inline]
    pub(super) fn next(&mut self) -> Result<&'a str, Malformed> {
        match self.runs.next(&mut self.reader)? {
            Next::Read => self.reader.text(),
            Next::Same => Err(Malformed::DuplicateKey),
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.runs.is_done(&self.reader)
    }
}

/// Writes an unsigned LEB128 number.
#[inline]
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Writes a signed LEB128 number.
#[inline]
pub(super) fn put_signed(out: &mut Vec<u8>, mut number: i64) {
    while !(-0x40..0x40).contains(&number) {
        out.push(low_byte(number.cast_unsigned()) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number.cast_unsigned()) & 0x7f);
}

/// The length of an unsigned LEB128 number, in bytes.
#[inline]
pub(super) const fn unsigned_len(number: u64) -> u64 {
    (64 - (number | 1).leading_zeros() as u64).div_ceil(7)
}

/// The length of a signed LEB128 number, in bytes.
#[inline]
pub(super) const fn signed_len(number: i64) -> u64 {
    let magnitude = if number < 0 { !number } else { number };
    (65 - magnitude.leading_zeros() as u64).div_ceil(7)
}

#[inline]
const fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Writes `len` rows in run-length form: two or more equal rows in sequence are a run, the others literals.
#[inline]
pub(super) fn put_runs<T: Copy + PartialEq>(
    out: &mut Vec<u8>,
    len: usize,
    row: impl Fn(usize) -> T,
    put: impl Fn(&mut Vec<u8>, T),
) {
    let mut literal_from = 0;
    let mut at = 0;
    while at < len {
        let value = row(at);
        let mut end = at + 1;
        while end < len && row(end) == value {
            end += 1;
        }
        if end - at > 1 {
            put_literals(out, literal_from, at, &row, &put);
            put_signed(out, length(end - at));
            put(out, value);
            literal_from = end;
        }
        at = end;
    }
    put_literals(out, literal_from, len, &row, &put);
}

fn put_literals<T>(
    out: &mut Vec<u8>,
    from: usize,
    to: usize,
    row: &impl Fn(usize) -> T,
    put: &impl Fn(&mut Vec<u8>, T),
) {
    if from < to {
        put_signed(out, -length(to - from));
        (from..to).for_each(|index| put(out, row(index)));
    }
}

/// A length as the signed number that run headers want.
pub(super) fn length(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
