//! The frame reader and every payload.
//!
//! Laws: frames come out the same whatever the pieces they came in; what is read is written as the same bytes, or, where it
//! was compressed, reads again as the same; nothing of more than the cap is inflated.

use lastmile_protocol::frame::FrameReader;
use lastmile_protocol::{Frame, limits};

use crate::mutate::Random;
use crate::{cost, frames, tally};

/// Reads a stream of frames, whole and byte by byte.
pub fn run(data: &[u8]) {
    let whole = cost::of(|| read(data, data.len().max(1)));
    let pieces = read(data, 1 + data.len() % 7);
    assert_eq!(whole, pieces, "the pieces decide");
    for raw in whole.0 {
        for cap in [limits::MAX_FRAME_UNAUTHENTICATED, limits::MAX_FRAME] {
            let Ok(Some(frame)) = cost::of(|| Frame::open(&raw, cap)) else { continue };
            tally::note("opened");
            let again = frame.encode().unwrap_or_else(|error| panic!("what was read cannot be written: {error}"));
            if raw.flags() == 0 && frames::raw(&again).is_some_and(|again| again.flags() == 0) {
                assert_eq!(again, raw.wire(), "a frame has two forms");
            } else {
                assert_eq!(frames::open(&again).as_ref(), Some(&frame));
                tally::note("compressed");
            }
        }
    }
}

fn read(
    mut data: &[u8],
    piece: usize,
) -> (Vec<lastmile_protocol::frame::RawFrame>, Option<lastmile_protocol::BadFrame>) {
    let mut reader = FrameReader::new(limits::MAX_FRAME);
    let mut found = Vec::new();
    loop {
        let taken = reader.push(&data[..piece.min(data.len())]);
        data = &data[taken..];
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        if data.is_empty() {
            return (found, None);
        }
    }
}

/// The golden files of the wire format.
pub fn seeds() -> Vec<Vec<u8>> {
    frames::golden()
}

/// Mutates one frame of the stream, or the stream.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    frames::mutate_stream(data, rng)
}
