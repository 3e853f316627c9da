//! Reading numbers out of bytes that may end anywhere.

use crate::Refused;

/// A place in bytes that moves on as they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Takes so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'b [u8], Refused> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Refused::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        self.take(N)?.try_into().map_err(|_| Refused::Damaged)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refused> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn be16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn be32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn le32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_le_bytes)
    }

    /// Three bytes, lowest first.
    pub(crate) fn le24(&mut self) -> Result<u32, Refused> {
        self.array().map(|[low, middle, high]: [u8; 3]| u32::from_le_bytes([low, middle, high, 0]))
    }
}

/// The tags of the first directory of EXIF data that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exif {
    pub(crate) orientation: u8,
    pub(crate) place: bool,
}

/// The most entries of a directory that are read; cameras write some twenty. What lies beyond might say a place, so it is taken to.
const MOST_ENTRIES: u16 = 256;

/// Reads EXIF data, which begin with the TIFF header. What cannot be read says nothing.
pub(crate) fn exif(tiff: &[u8]) -> Option<Exif> {
    let little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let first = tiff.get(4..8)?.try_into().ok()?;
    let first = if little { u32::from_le_bytes(first) } else { u32::from_be_bytes(first) };
    let first = usize::try_from(first).ok()?;
    let mut found = Exif { orientation: 1, place: false };
    let entries = u16_at(first)?;
    found.place = entries > MOST_ENTRIES;
    for entry in 0..entries.min(MOST_ENTRIES) {
        let at = first.checked_add(2 + usize::from(entry) * 12)?;
        match u16_at(at) {
            Some(0x0112) => {
                let turned = u16_at(at.checked_add(8)?).and_then(|turned| u8::try_from(turned).ok());
                found.orientation = turned.filter(|turned| (1..=8).contains(turned)).unwrap_or(1);
            }
            Some(0x8825) => found.place = true,
            Some(_) => {}
            None => break,
        }
    }
    Some(found)
}
