//! WebP (RFC 9649): RIFF chunks.

use crate::bytes::{Cursor, exif};
use crate::{Parts, Refused};

/// Flags of the extended header: EXIF data, XMP data, moving.
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
const MOVING: u8 = 0x02;

/// Takes a picture apart.
pub(crate) fn parts(bytes: &[u8]) -> Result<Parts, Refused> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(4)?;
    let length = usize::try_from(cursor.le32()?).map_err(|_| Refused::Damaged)?;
    let mut cursor = Cursor::new(cursor.take(length)?);
    cursor.take(4)?;
    let mut chunks = Vec::new();
    let (mut canvas, mut picture, mut orientation) = (None, None, 1);
    while !cursor.rest().is_empty() {
        let kind: [u8; 4] = cursor.array()?;
        let length = usize::try_from(cursor.le32()?).map_err(|_| Refused::Damaged)?;
        let body = cursor.take(length)?;
        // Chunks of odd length are followed by a zero.
        if length % 2 == 1 {
            cursor.take(1)?;
        }
        match &kind {
            b"VP8X" if chunks.is_empty() && canvas.is_none() => {
                let (flags, size) = extended(body)?;
                if flags & MOVING != 0 {
                    return Err(Refused::Moving);
                }
                canvas = Some(size);
                let mut header = body.to_vec();
                header.iter_mut().take(1).for_each(|flags| *flags &= !(EXIF | XMP));
                chunks.push((kind, header));
            }
            b"VP8 " | b"VP8L" if picture.is_none() => {
                picture = Some(if kind == *b"VP8 " { lossy(body)? } else { lossless(body)? });
                chunks.push((kind, body.to_vec()));
            }
            b"ALPH" | b"ICCP" => chunks.push((kind, body.to_vec())),
            b"ANIM" | b"ANMF" => return Err(Refused::Moving),
            b"VP8X" | b"VP8 " | b"VP8L" => return Err(Refused::Damaged),
            b"EXIF" => {
                let tiff = body.strip_prefix(b"Exif\0\0").unwrap_or(body);
                orientation = exif(tiff).map_or(1, |exif| exif.orientation);
            }
            _ => {}
        }
    }
    let picture = picture.ok_or(Refused::Damaged)?;
    // What is decoded has one size, whichever of the two a program goes by.
    if canvas.is_some_and(|canvas| canvas != picture) {
        return Err(Refused::Damaged);
    }
    Ok(Parts { kept: written(&chunks)?, pixels: picture, orientation })
}

fn written(chunks: &[([u8; 4], Vec<u8>)]) -> Result<Vec<u8>, Refused> {
    let mut inner = b"WEBP".to_vec();
    for (kind, body) in chunks {
        inner.extend(kind);
        inner.extend(u32::try_from(body.len()).map_err(|_| Refused::Damaged)?.to_le_bytes());
        inner.extend(body);
        inner.extend([0].iter().take(body.len() % 2));
    }
    let mut out = b"RIFF".to_vec();
    out.extend(u32::try_from(inner.len()).map_err(|_| Refused::Damaged)?.to_le_bytes());
    out.extend(inner);
    Ok(out)
}

/// Flags and size out of the extended header.
fn extended(body: &[u8]) -> Result<(u8, (u32, u32)), Refused> {
    let mut cursor = Cursor::new(body);
    let flags = cursor.u8()?;
    cursor.take(3)?;
    Ok((flags, (cursor.le24()? + 1, cursor.le24()? + 1)))
}

/// The size out of the header of a key frame (RFC 6386).
fn lossy(body: &[u8]) -> Result<(u32, u32), Refused> {
    let mut cursor = Cursor::new(body);
    let tag = cursor.le24()?;
    if tag & 1 != 0 || cursor.take(3)? != [0x9d, 0x01, 0x2a] {
        return Err(Refused::Damaged);
    }
    let sizes = cursor.le32()?;
    Ok((sizes & 0x3fff, (sizes >> 16) & 0x3fff))
}

fn lossless(body: &[u8]) -> Result<(u32, u32), Refused> {
    let mut cursor = Cursor::new(body);
    if cursor.u8()? != 0x2f {
        return Err(Refused::Damaged);
    }
    let sizes = cursor.le32()?;
    Ok(((sizes & 0x3fff) + 1, ((sizes >> 14) & 0x3fff) + 1))
}
