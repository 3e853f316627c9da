//! PNG (ISO/IEC 15948): a signature and chunks.

use crate::bytes::Cursor;
use crate::{Parts, Refused};

const SIGNATURE: usize = 8;

/// The chunks that are needed to show the picture as it is. Not among them: texts, times, EXIF data, and colour profiles, which are
/// compressed and so would have to be inflated to know what they hold.
const KEPT: [&[u8; 4]; 10] = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD"];

/// Takes a picture apart.
pub(crate) fn parts(bytes: &[u8]) -> Result<Parts, Refused> {
    let mut cursor = Cursor::new(bytes);
    let mut kept = cursor.take(SIGNATURE)?.to_vec();
    let mut pixels = None;
    loop {
        let whole = cursor.rest();
        let length = usize::try_from(cursor.be32()?).map_err(|_| Refused::Damaged)?;
        let kind: [u8; 4] = cursor.array()?;
        let body = cursor.take(length)?;
        cursor.take(4)?;
        let is_head = kind == *b"IHDR";
        if is_head != pixels.is_none() {
            return Err(Refused::Damaged);
        }
        if is_head {
            let mut head = Cursor::new(body);
            pixels = Some((head.be32()?, head.be32()?));
        }
        if KEPT.contains(&&kind) {
            kept.extend(whole.get(..length + 12).ok_or(Refused::Damaged)?);
        }
        if kind == *b"IEND" {
            return Ok(Parts { kept, pixels: pixels.ok_or(Refused::Damaged)?, orientation: 1 });
        }
    }
}
