//! What a device does with a file before it is added.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageEncoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use crate::{
    Form, MAX_BYTES, MAX_TAKEN, MAX_THUMBNAIL, Parts, Refused, THUMBNAIL_SIDE, form_of, inspect, parts_of, pdf,
};

/// The most memory that decoding may ask for, in bytes: the largest picture with four channels of two bytes.
const MAX_MEMORY: u64 = 8 * crate::MAX_PIXELS;

/// Longest sides and qualities, from the best on, until a photo is short enough.
const STEPS: [(u32, u8); 5] = [(u32::MAX, 88), (2560, 85), (2048, 80), (1600, 72), (1024, 60)];

/// Qualities of a thumbnail, from the best on.
const THUMBNAIL_STEPS: [u8; 4] = [75, 55, 35, 15];

/// A file as it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its kind, which may be another than the given file's: what is made smaller becomes a JPEG.
    pub form: Form,
    /// Its bytes, clean and within [`MAX_BYTES`].
    pub bytes: Vec<u8>,
    /// Its thumbnail; none for a document.
    pub thumbnail: Option<Thumbnail>,
}

/// A small JPEG of a picture, its sides at most [`THUMBNAIL_SIDE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Its bytes, at most [`MAX_THUMBNAIL`].
    pub bytes: Vec<u8>,
}

/// Makes a file ready to be added: takes out what does not belong in it, turns a photo upright, makes it smaller where it is longer than
/// is kept, and makes its thumbnail. An upright photo within the bounds keeps its picture to the bit. A document stays as it is.
///
/// # Errors
/// [`Refused`] when it is of no kind that is kept, damaged, moving, too large, or a document that is too long or tells a place.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, Refused> {
    let too_long = |limit: usize| Refused::TooLong { bytes: bytes.len(), limit };
    if bytes.len() > MAX_TAKEN {
        return Err(too_long(MAX_TAKEN));
    }
    let form = form_of(bytes)?;
    if form == Form::Pdf {
        return match bytes.len() {
            length if length > MAX_BYTES => Err(too_long(MAX_BYTES)),
            _ if pdf::tells_a_place(bytes) => Err(Refused::Place),
            _ => Ok(Prepared { form, bytes: bytes.to_vec(), thumbnail: None }),
        };
    }
    let parts = parts_of(form, bytes)?;
    let (mut picture, profile) = decoded(form, &parts)?;
    let upright = parts.orientation == 1;
    if let Some(turned) = Orientation::from_exif(parts.orientation).filter(|_| !upright) {
        picture.apply_orientation(turned);
    }
    let thumbnail = Some(thumbnail(&picture)?);
    if upright && parts.kept.len() <= MAX_BYTES {
        return Ok(Prepared { form, bytes: parts.kept, thumbnail });
    }
    Ok(Prepared { form: Form::Jpeg, bytes: made_smaller(&picture, profile)?, thumbnail })
}

/// Decodes a picture whose size was looked at before.
fn decoded(form: Form, parts: &Parts) -> Result<(DynamicImage, Option<Vec<u8>>), Refused> {
    let format = match form {
        Form::Jpeg => ImageFormat::Jpeg,
        Form::Png => ImageFormat::Png,
        Form::Webp => ImageFormat::WebP,
        Form::Pdf => return Err(Refused::Kind),
    };
    let damaged = |_| Refused::Damaged;
    let mut reader = ImageReader::with_format(Cursor::new(parts.kept.as_slice()), format);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(parts.pixels.0), Some(parts.pixels.1));
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    decoder.set_limits(limits).map_err(damaged)?;
    if decoder.dimensions() != parts.pixels {
        return Err(Refused::Damaged);
    }
    let profile = decoder.icc_profile().ok().flatten();
    Ok((DynamicImage::from_decoder(decoder).map_err(damaged)?, profile))
}

/// The picture on white, without transparency, which a JPEG does not have.
fn opaque(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let from = picture.to_rgba8();
    RgbImage::from_fn(from.width(), from.height(), |x, y| {
        let [red, green, blue, alpha] = from.get_pixel(x, y).0;
        let on_white = |channel: u8| {
            let (channel, alpha) = (u32::from(channel), u32::from(alpha));
            u8::try_from((channel * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        Rgb([on_white(red), on_white(green), on_white(blue)])
    })
}

fn encoded(picture: &RgbImage, quality: u8, profile: Option<Vec<u8>>) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, quality);
    if let Some(profile) = profile {
        // A profile too long for a JPEG goes.
        let _ = encoder.set_icc_profile(profile);
    }
    encoder.encode_image(picture).map_err(|_| Refused::Damaged)?;
    Ok(out)
}

fn made_smaller(picture: &DynamicImage, profile: Option<Vec<u8>>) -> Result<Vec<u8>, Refused> {
    let mut shortest = usize::MAX;
    for (side, quality) in STEPS {
        let out = if picture.width().max(picture.height()) > side {
            encoded(&opaque(&picture.resize(side, side, FilterType::Triangle)), quality, profile.clone())?
        } else {
            encoded(&opaque(picture), quality, profile.clone())?
        };
        if inspect(&out).is_ok_and(|found| found.clean) {
            return Ok(out);
        }
        shortest = shortest.min(out.len());
    }
    Err(Refused::TooLong { bytes: shortest, limit: MAX_BYTES })
}

fn thumbnail(picture: &DynamicImage) -> Result<Thumbnail, Refused> {
    let small = if picture.width().max(picture.height()) > THUMBNAIL_SIDE {
        opaque(&picture.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    } else {
        opaque(picture)
    };
    for quality in THUMBNAIL_STEPS {
        let bytes = encoded(&small, quality, None)?;
        if bytes.len() <= MAX_THUMBNAIL {
            return Ok(Thumbnail { bytes });
        }
    }
    Err(Refused::Damaged)
}
