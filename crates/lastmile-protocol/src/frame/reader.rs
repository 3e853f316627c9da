//! Cutting a stream of bytes into frames, within bounds.

use super::BadFrame;

/// The longest length prefix: four bytes of uvarint, enough for the longest frame.
const MAX_PREFIX: usize = 4;

/// The most that a reader without bytes keeps of its buffer.
const IDLE_BUFFER: usize = 1 << 10;

/// One whole frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    wire: Vec<u8>,
    /// Where type and flags stand: after the length prefix.
    body: usize,
}

impl RawFrame {
    /// Returns all bytes of the frame, the length prefix included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Returns the type number.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.wire.get(self.body).copied().unwrap_or_default()
    }

    /// Returns the flags.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.wire.get(self.body + 1).copied().unwrap_or_default()
    }

    /// Returns the payload as it came, perhaps compressed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.wire.get(self.body + 2..).unwrap_or_default()
    }
}

/// Gathers bytes and gives whole frames.
///
/// It never holds more than one frame of the greatest length and its prefix.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
    expected: &'static [u8],
}

impl FrameReader {
    /// Builds a reader that refuses frames longer than `limit`.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, limit, expected: &[] }
    }

    /// Makes the reader expect these bytes before the first frame.
    pub const fn expect_start(&mut self, start: &'static [u8]) {
        self.expected = start;
    }

    /// Returns the length of the longest frame taken.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the length of the longest frame taken.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes as many bytes as there is room for, and tells how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let held = self.buffer.len() - self.start;
        let room = (self.limit + MAX_PREFIX).saturating_sub(held);
        let some = bytes.get(..room).unwrap_or(bytes);
        if some.is_empty() {
            return 0;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(some);
        some.len()
    }

    /// Takes the next whole frame out.
    ///
    /// # Errors
    /// [`BadFrame`] when the length is not canonical, too short or over the limit. The reader is of no use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, BadFrame> {
        let held = self.buffer.get(self.start..).unwrap_or_default();
        if !self.expected.is_empty() {
            let seen = held.len().min(self.expected.len());
            if held.get(..seen) != self.expected.get(..seen) {
                return Err(BadFrame::NotABundle);
            }
            if seen < self.expected.len() {
                return Ok(None);
            }
            self.start += seen;
            self.expected = &[];
            return self.next_frame();
        }
        let Some((length, prefix)) = frame_length(held)? else { return Ok(None) };
        if length > self.limit {
            return Err(BadFrame::TooLarge { limit: self.limit, length: length as u64 });
        }
        if length < 2 {
            return Err(BadFrame::Truncated);
        }
        let Some(wire) = held.get(..prefix + length) else { return Ok(None) };
        let frame = RawFrame { wire: wire.to_vec(), body: prefix };
        self.start += prefix + length;
        if self.start == self.buffer.len() {
            self.let_go();
        }
        Ok(Some(frame))
    }

    /// Empties the buffer, and gives a large one back: a stream may be idle for hours after its one large frame.
    fn let_go(&mut self) {
        self.start = 0;
        if self.buffer.capacity() > IDLE_BUFFER {
            self.buffer = Vec::new();
        } else {
            self.buffer.clear();
        }
    }

    /// Tells whether the bytes so far end in the middle of a frame.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.buffer.len() > self.start
    }

    /// Forgets everything held.
    pub fn clear(&mut self) {
        self.let_go();
    }
}

/// Reads the canonical uvarint length of a frame, if all of it is there: the length and how many bytes it took.
///
/// # Errors
/// [`BadFrame::LengthPrefix`] when it is not canonical or longer than four bytes.
pub fn frame_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadFrame> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(MAX_PREFIX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let canonical = *byte != 0 || index == 0;
            return if canonical { Ok(Some((length, index + 1))) } else { Err(BadFrame::LengthPrefix) };
        }
    }
    if bytes.len() < MAX_PREFIX { Ok(None) } else { Err(BadFrame::LengthPrefix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whatever_the_pieces() {
        let stream = [&[3, 10, 0, 1][..], &[2, 8, 0], &[5, 8, 0, 1, 2, 3]].concat();
        for size in 1..=stream.len() {
            let mut reader = FrameReader::new(100);
            let mut kinds = Vec::new();
            for piece in stream.chunks(size) {
                assert_eq!(reader.push(piece), piece.len());
                while let Some(frame) = reader.next_frame().unwrap() {
                    kinds.push((frame.kind(), frame.payload().to_vec()));
                }
            }
            assert_eq!(kinds, [(10, vec![1]), (8, vec![]), (8, vec![1, 2, 3])]);
            assert!(!reader.is_partial());
        }
    }

    #[test]
    fn bad_lengths_are_refused() {
        for (bytes, found) in [
            (&[0x81, 0x00][..], BadFrame::LengthPrefix),
            (&[0xff, 0xff, 0xff, 0xff], BadFrame::LengthPrefix),
            (&[1, 10], BadFrame::Truncated),
            (&[101, 1], BadFrame::TooLarge { limit: 100, length: 101 }),
        ] {
            let mut reader = FrameReader::new(100);
            reader.push(bytes);
            assert_eq!(reader.next_frame(), Err(found));
        }
    }

    #[test]
    fn no_more_is_held_than_one_frame() {
        let mut reader = FrameReader::new(100);
        assert_eq!(reader.push(&[0x64; 300]), 104);
        assert_eq!(reader.push(&[0; 300]), 0);
    }
}
