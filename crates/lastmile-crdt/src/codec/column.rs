//! Run-length columns, read row by row and written in their one canonical form.

use lastmile_model::planted;

use super::Malformed;
use super::reader::Reader;

/// How the row before was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Run,
    Literal,
}

/// The run-length structure of a column of numbers: which rows repeat, which stand alone.
///
/// It accepts the canonical form alone: two or more equal rows in sequence are a run, the others literals, as few parts
/// as possible. Nothing is ever expanded from a claimed count: a run is a number that counts down.
#[derive(Debug, Clone, Copy)]
struct Runs<'a, T> {
    reader: Reader<'a>,
    repeats: u64,
    literals: u64,
    part: Part,
    last: T,
}

impl<'a, T: Copy + PartialEq> Runs<'a, T> {
    const fn new(bytes: &'a [u8], zero: T) -> Self {
        Self { reader: Reader::new(bytes), repeats: 0, literals: 0, part: Part::Nothing, last: zero }
    }

    /// Returns the next row; `read` reads a value where one stands.
    #[inline]
    fn next(&mut self, read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>) -> Result<T, Malformed> {
        if self.repeats > 0 {
            self.repeats -= 1;
            return Ok(self.last);
        }
        let before = self.part;
        if self.literals > 0 {
            self.literals -= 1;
        } else {
            self.begin_part()?;
        }
        let value = read(&mut self.reader)?;
        if before != Part::Nothing && value == self.last && !planted!("loose-gate") {
            return Err(Malformed::NotCanonical);
        }
        self.last = value;
        Ok(value)
    }

    fn begin_part(&mut self) -> Result<(), Malformed> {
        if self.reader.is_empty() {
            return Err(Malformed::BadColumns);
        }
        match self.reader.signed()? {
            // A run of nulls: no column of a flat map has one.
            0 => return Err(Malformed::NotFlat),
            1 => return Err(Malformed::NotCanonical),
            count @ 2.. => {
                self.repeats = count.unsigned_abs() - 1;
                self.part = Part::Run;
            }
            count => {
                if self.part == Part::Literal {
                    return Err(Malformed::NotCanonical);
                }
                self.literals = count.unsigned_abs() - 1;
                self.part = Part::Literal;
            }
        }
        Ok(())
    }

    const fn is_done(&self) -> bool {
        self.repeats == 0 && self.literals == 0 && self.reader.is_empty()
    }
}

/// A column of unsigned numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a>(Runs<'a, u64>);

impl<'a> Numbers<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(Runs::new(bytes, 0))
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, Malformed> {
        self.0.next(Reader::unsigned)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.0.is_done()
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
    steps: Runs<'a, i64>,
    value: i64,
}

impl<'a> Deltas<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { steps: Runs::new(bytes, 0), value: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<i64, Malformed> {
        let step = self.steps.next(Reader::signed)?;
        self.value = self.value.checked_add(step).ok_or(Malformed::OutOfBounds)?;
        Ok(self.value)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.steps.is_done()
    }
}

/// The column of keys. They all differ, so its canonical form is one part of literals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a>(Reader<'a>);

impl<'a> Keys<'a> {
    /// Reads the header of a column of this many keys.
    pub(super) fn new(bytes: &'a [u8], count: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = reader.signed()?;
        if header.unsigned_abs() == count && header < 0 {
            return Ok(Self(reader));
        }
        Err(match header {
            0 => Malformed::NotFlat,
            1 => Malformed::NotCanonical,
            2.. => Malformed::DuplicateKey,
            _ if header.unsigned_abs() < count => Malformed::NotCanonical,
            _ => Malformed::BadColumns,
        })
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<&'a str, Malformed> {
        self.0.text()
    }

    pub(super) const fn is_done(&self) -> bool {
        self.0.is_empty()
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
