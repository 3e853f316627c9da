//! JPEG (ITU-T T.81): a run of marker segments.

use crate::bytes::{Cursor, exif};
use crate::{Parts, Refused};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

/// The most marker segments of one picture: real ones have a few dozen.
const MOST: usize = 4096;

/// Takes a picture apart. Kept are the tables, the frame, the scans, JFIF, the colour profile and Adobe's colour transform; whatever
/// else programs wrote, and everything behind the end, goes.
pub(crate) fn parts(bytes: &[u8]) -> Result<Parts, Refused> {
    let mut cursor = Cursor::new(bytes);
    let mut kept = cursor.take(2)?.to_vec();
    let (mut pixels, mut orientation) = (None, 1);
    for _ in 0..MOST {
        let marker = marker(&mut cursor)?;
        match marker {
            EOI => {
                kept.extend([0xff, EOI]);
                let pixels = pixels.ok_or(Refused::Damaged)?;
                return Ok(Parts { kept, pixels, orientation });
            }
            // Restart markers and the like have no length and no place here.
            SOI | 0x01 | 0xd0..=0xd7 | 0x00 => return Err(Refused::Damaged),
            _ => {}
        }
        let length = cursor.be16()?;
        let body = cursor.take(usize::from(length.checked_sub(2).ok_or(Refused::Damaged)?))?;
        if is_frame(marker) {
            // One frame: a second would have its own size, which nobody looked at.
            if pixels.replace(size(body)?).is_some() {
                return Err(Refused::Damaged);
            }
        }
        if let (APP1, Some(tiff)) = (marker, body.strip_prefix(b"Exif\0\0")) {
            orientation = exif(tiff).map_or(1, |exif| exif.orientation);
        }
        if is_kept(marker, body) {
            kept.extend([0xff, marker]);
            kept.extend(length.to_be_bytes());
            kept.extend(body);
        }
        if marker == SOS {
            if pixels.is_none() {
                return Err(Refused::Damaged);
            }
            let scan = scan_length(cursor.rest())?;
            kept.extend(cursor.take(scan)?);
        }
    }
    Err(Refused::Damaged)
}

/// Reads a marker, past the fill bytes that may stand before it.
fn marker(cursor: &mut Cursor<'_>) -> Result<u8, Refused> {
    if cursor.u8()? != 0xff {
        return Err(Refused::Damaged);
    }
    loop {
        match cursor.u8()? {
            0xff => {}
            marker => return Ok(marker),
        }
    }
}

const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf)
}

/// Width and height out of a frame header.
fn size(body: &[u8]) -> Result<(u32, u32), Refused> {
    let mut cursor = Cursor::new(body);
    cursor.u8()?;
    let height = cursor.be16()?;
    Ok((u32::from(cursor.be16()?), u32::from(height)))
}

/// Whether a segment is needed to show the picture as it is.
fn is_kept(marker: u8, body: &[u8]) -> bool {
    match marker {
        APP0 => body.starts_with(b"JFIF\0") && body.len() == 14,
        APP2 => body.starts_with(b"ICC_PROFILE\0"),
        APP14 => body.starts_with(b"Adobe"),
        // Other applications' segments, extensions and comments.
        0xe3..=0xef | APP1 | 0xf0..=0xfe => false,
        _ => true,
    }
}

/// How long the coded data of a scan are: up to the next marker that is none of theirs.
fn scan_length(rest: &[u8]) -> Result<usize, Refused> {
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += found;
        match rest.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return Ok(at),
            None => break,
        }
    }
    Err(Refused::Damaged)
}
