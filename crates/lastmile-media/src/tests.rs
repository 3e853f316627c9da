use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

use super::*;

/// A picture that does not compress to nothing.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_le_bytes();
        Rgb([mixed[0], mixed[1] / 2 + 60, (x % 256) as u8])
    })
}

fn jpeg(width: u32, height: u32, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality);
    encoder.write_image(&picture(width, height), width, height, ExtendedColorType::Rgb8).unwrap();
    out
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(&picture(width, height), width, height, ExtendedColorType::Rgb8).unwrap();
    out
}

/// EXIF data with this orientation and a place; `PLACE` stands where the degrees do.
fn exif_data(orientation: u8) -> Vec<u8> {
    let mut out = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    out.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    out.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0]);
    out.extend(b"GPSLatitude28.19PLACE");
    out
}

/// A JPEG as a phone writes it: EXIF and XMP data, a comment, and another picture behind the end.
fn from_a_phone(orientation: u8) -> Vec<u8> {
    let plain = jpeg(120, 80, 80);
    let mut out = plain[..2].to_vec();
    let mut segment = |marker: u8, body: &[u8]| {
        out.extend([0xff, marker]);
        out.extend((body.len() as u16 + 2).to_be_bytes());
        out.extend(body);
    };
    segment(0xe1, &[b"Exif\0\0".as_slice(), &exif_data(orientation)].concat());
    segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='28,11N PLACE'/>");
    segment(0xed, b"Photoshop 3.0\x008BIM PLACE");
    segment(0xe2, b"MPF\0PLACE");
    segment(0xfe, b"PLACE");
    out.extend(&plain[2..]);
    out.extend(b"behind the end PLACE");
    out
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn png_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    // The check value is nobody's concern before decoding.
    [&(body.len() as u32).to_be_bytes(), kind.as_slice(), body, &[0; 4]].concat()
}

#[test]
fn what_a_phone_writes_beside_the_picture_goes_and_the_picture_stays() {
    let taken = from_a_phone(1);
    assert_eq!(inspect(&taken).map(|found| found.clean), Ok(false));
    let prepared = prepare(&taken).unwrap();
    assert_eq!(prepared.bytes, jpeg(120, 80, 80), "an upright photo is the same to the bit");
    let small = prepared.thumbnail.unwrap().bytes;
    for bytes in [&prepared.bytes, &small] {
        assert!(!holds(bytes, b"PLACE") && !holds(bytes, b"Exif"));
        assert_eq!(inspect(bytes).map(|found| found.clean), Ok(true));
    }
}

#[test]
fn a_photo_on_its_side_is_turned() {
    let prepared = prepare(&from_a_phone(6)).unwrap();
    assert_eq!(inspect(&prepared.bytes).unwrap().pixels, Some((80, 120)));
    assert!(!holds(&prepared.bytes, b"PLACE"));
    assert_eq!(inspect(&prepared.thumbnail.unwrap().bytes).unwrap().pixels, Some((80, 120)));
}

#[test]
fn texts_and_exif_data_go_from_a_png() {
    let plain = png(40, 30);
    let head = 8 + 25;
    let mut taken = plain[..head].to_vec();
    taken.extend(png_chunk(b"eXIf", &exif_data(1)));
    taken.extend(png_chunk(b"tEXt", b"Location\0PLACE"));
    taken.extend(&plain[head..]);
    taken.extend(b"PLACE");
    assert!(!inspect(&taken).unwrap().clean);
    let prepared = prepare(&taken).unwrap();
    assert_eq!((prepared.form, prepared.bytes), (Form::Png, plain));
}

#[test]
fn exif_data_go_from_a_webp_and_moving_ones_are_refused() {
    let mut plain = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut plain)
        .write_image(&picture(33, 21), 33, 21, ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(inspect(&plain), Ok(Inspected { form: Form::Webp, pixels: Some((33, 21)), clean: true }));
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        [kind.as_slice(), &(body.len() as u32).to_le_bytes(), body, &vec![0; body.len() % 2]].concat()
    };
    let whole = |chunks: &[Vec<u8>]| {
        let inner = [b"WEBP".to_vec(), chunks.concat()].concat();
        [b"RIFF".as_slice(), &(inner.len() as u32).to_le_bytes(), &inner].concat()
    };
    let header = |flags: u8| chunk(b"VP8X", &[flags, 0, 0, 0, 32, 0, 0, 20, 0, 0]);
    let picture = plain[12..].to_vec();
    let taken = whole(&[header(0x0c), picture.clone(), chunk(b"EXIF", &exif_data(1)), chunk(b"XMP ", b"PLACE")]);
    assert!(!inspect(&taken).unwrap().clean);
    let prepared = prepare(&taken).unwrap();
    assert!(!holds(&prepared.bytes, b"PLACE"));
    assert!(inspect(&prepared.bytes).unwrap().clean);
    let turned = whole(&[header(0x08), picture.clone(), chunk(b"EXIF", &exif_data(8))]);
    assert_eq!(inspect(&prepare(&turned).unwrap().bytes).unwrap().pixels, Some((21, 33)));
    assert_eq!(inspect(&whole(&[header(0x02), picture.clone()])), Err(Refused::Moving));
    assert_eq!(inspect(&whole(&[chunk(b"VP8X", &[0, 0, 0, 0, 1, 0, 0, 1, 0, 0]), picture])), Err(Refused::Damaged));
}

#[test]
fn a_small_file_of_many_pixels_is_refused_before_it_is_decoded() {
    let mut bomb = png(8, 8);
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let refused = Err(Refused::TooLarge { pixels: 65_535 * 65_535, limit: MAX_PIXELS });
    assert_eq!(inspect(&bomb), refused);
    assert_eq!(prepare(&bomb).map(drop), refused.map(drop));
    let mut bomb = jpeg(16, 16, 50);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(matches!(inspect(&bomb), Err(Refused::TooLarge { .. })));
    // A frame header behind the first would count for some programs and not for others.
    let plain = jpeg(16, 16, 50);
    let twice = [&plain[..frame + 19], &plain[frame..]].concat();
    assert_eq!(inspect(&twice), Err(Refused::Damaged));
}

#[test]
fn a_long_photo_is_made_smaller_and_a_long_document_refused() {
    let taken = jpeg(2600, 1900, 98);
    assert!(taken.len() > MAX_BYTES, "{}", taken.len());
    let prepared = prepare(&taken).unwrap();
    assert!(prepared.bytes.len() <= MAX_BYTES);
    assert!(inspect(&prepared.bytes).unwrap().clean);
    let document = [b"%PDF-1.4".as_slice(), &vec![b' '; MAX_BYTES]].concat();
    assert!(matches!(prepare(&document), Err(Refused::TooLong { limit: MAX_BYTES, .. })));
}

#[test]
fn a_document_that_tells_a_place_is_not_taken() {
    let with = |body: &[u8]| [b"%PDF-1.4 ".as_slice(), body, b" %%EOF"].concat();
    assert_eq!(prepare(&with(b"nothing")).map(|prepared| prepared.form), Ok(Form::Pdf));
    let photo = [b"Exif\0\0".as_slice(), &exif_data(1)[..40]].concat();
    assert_eq!(prepare(&with(&photo)), Err(Refused::Place));
    assert_eq!(inspect(&with(&photo)).map(|found| found.clean), Ok(false));
    assert_eq!(prepare(&with(b"<exif:GPSLatitude>")), Err(Refused::Place));
}

#[test]
fn other_kinds_are_refused_whatever_they_are_called() {
    for other in [b"GIF89a".as_slice(), b"PK\x03\x04", b"<svg", b"MZ", b"", b"\xff\xd8", b"RIFF\0\0\0\0WAVE"] {
        assert_eq!(inspect(other), Err(Refused::Kind));
        assert_eq!(prepare(other), Err(Refused::Kind));
    }
    for cut in [&jpeg(20, 20, 70)[..90], &png(20, 20)[..60]] {
        assert_eq!(inspect(cut), Err(Refused::Damaged));
    }
}

#[test]
fn no_bytes_make_it_stop_and_what_is_clean_stays_clean() {
    let mut seeds = vec![jpeg(24, 16, 60), png(24, 16), from_a_phone(6)];
    seeds.push(b"%PDF-1.4 Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff".to_vec());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = next(256) as u8,
                1 => bytes.truncate(at.max(12)),
                _ => bytes.insert(at, next(256) as u8),
            }
        }
        if let (Ok(form), true) = (form_of(&bytes), bytes.len() > 4)
            && form != Form::Pdf
            && let Ok(parts) = parts_of(form, &bytes)
        {
            assert!(inspect(&parts.kept).is_ok_and(|found| found.clean), "taking out twice is taking out once");
        }
        let _ = inspect(&bytes);
        if round % 40 == 0 {
            let _ = prepare(&bytes);
        }
    }
}

#[test]
fn a_document_of_endless_directories_is_refused() {
    // Each mark is followed by a directory of 65,535 entries, none of which says a place.
    let mut pdf = b"%PDF-1.7\n".to_vec();
    while pdf.len() + 16 < MAX_BYTES {
        pdf.extend(b"Exif\0\0II*\0\x08\0\0\0\xff\xff");
    }
    assert!(crate::pdf::tells_a_place(&pdf));
    let one = [b"%PDF-1.7\nExif\0\0II*\0\x08\0\0\0\x01\x01".as_slice(), &[0; 257 * 12]].concat();
    assert!(crate::pdf::tells_a_place(&one), "what lies beyond the entries that are read");
    // Many photographs that say none are too many to be looked at; a few are not.
    let few = b"Exif\0\0II*\0\x08\0\0\0\0\0".repeat(1_000);
    assert!(!crate::pdf::tells_a_place(&few));
    assert!(crate::pdf::tells_a_place(&few.repeat(2)));
}
