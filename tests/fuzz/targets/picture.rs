//! Files of attachments, by their bytes alone.
//!
//! Laws: what is cleaned is clean, of the same kind and size, and no longer than it was; nothing of a place is left in what is; what
//! passes is within the bounds.

use lastmile_media::{Form, MAX_BYTES, MAX_PIXELS, cleaned, inspect};
use rand::Rng;

use crate::mutate::{self, Random};
use crate::{cost, tally};

/// Looks at a file, and takes out what is taken out.
pub fn run(data: &[u8]) {
    cost::of(|| look(data));
}

fn look(data: &[u8]) {
    let found = match inspect(data) {
        Ok(found) => found,
        Err(refused) => return tally::note(refused.word()),
    };
    tally::note(found.form.code());
    assert!(data.len() <= MAX_BYTES);
    let Some((width, height)) = found.pixels else {
        assert_eq!(found.form, Form::Pdf);
        return;
    };
    assert!((1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))));
    let kept = cleaned(data).unwrap();
    assert_eq!(found.clean, kept == data);
    assert!(kept.len() <= data.len(), "taking out made it longer");
    let again = inspect(&kept).unwrap();
    assert!(again.clean && again.form == found.form && again.pixels == found.pixels);
    if !found.clean {
        tally::note("taken out");
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

fn jpeg() -> Vec<u8> {
    let frame = [8, 0, 20, 0, 30, 1, 1, 0x11, 0];
    let mut out = vec![0xff, 0xd8];
    out.extend(segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"));
    out.extend(segment(0xe1, b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0"));
    out.extend(segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"));
    out.extend(segment(0xc0, &frame));
    out.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    out.extend([0x12, 0xff, 0, 0x34, 0xff, 0xd0, 0x56]);
    out.extend(segment(0xfe, b"a comment"));
    out.extend([0xff, 0xd9]);
    out.extend(b"behind the end");
    out
}

fn png() -> Vec<u8> {
    let chunk = |kind: &[u8], body: &[u8]| [&(body.len() as u32).to_be_bytes()[..], kind, body, &[1, 2, 3, 4]].concat();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 7, 8, 2, 0, 0, 0]));
    out.extend(chunk(b"tEXt", b"Location\0here"));
    out.extend(chunk(b"IDAT", b"coded"));
    out.extend(chunk(b"IEND", b""));
    out
}

fn webp() -> Vec<u8> {
    let chunk =
        |kind: &[u8], body: &[u8]| [kind, &(body.len() as u32).to_le_bytes(), body, &vec![0; body.len() % 2]].concat();
    let inner = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[0x0c, 0, 0, 0, 9, 0, 0, 6, 0, 0]),
        chunk(b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 10, 0, 7, 0, 1, 2, 3]),
        chunk(b"EXIF", b"II\x2a\0\x08\0\0\0\0\0"),
    ]
    .concat();
    [b"RIFF".as_slice(), &(inner.len() as u32).to_le_bytes(), &inner].concat()
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let document = b"%PDF-1.4 Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\0\0\0\0 %%EOF".to_vec();
    vec![jpeg(), png(), webp(), document, b"%PDF-1.7\n%%EOF".to_vec(), b"GIF89a".to_vec()]
}

/// Bends bytes, and now and then a whole part.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let mut bytes = data.to_vec();
    match rng.random_range(0..4) {
        0 if bytes.len() > 4 => {
            let at = rng.random_range(2..bytes.len());
            let body: Vec<u8> = (0..rng.random_range(0..40)).map(|_| rng.random()).collect();
            drop(bytes.splice(at..at, segment(rng.random_range(0xc0..0xff), &body)));
        }
        1 if bytes.len() > 12 => {
            let (from, to) = (rng.random_range(0..bytes.len()), rng.random_range(0..bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            let at = rng.random_range(0..bytes.len());
            drop(bytes.splice(at..at, part));
        }
        _ => mutate::bytes(&mut bytes, rng),
    }
    bytes
}
