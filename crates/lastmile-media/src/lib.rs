//! What a photo or file is, by its bytes and never by its name.
//!
//! [`inspect`] says whether bytes are of one of the four kinds that are kept, how large the picture in them is, and whether anything
//! stands in them that a device takes out: places, cameras, comments, whatever follows the picture. It reads headers and lengths and
//! decodes nothing, so it may be given bytes from anybody. [`prepare`] is for the device that adds a file: it takes out what does not
//! belong, makes a photo smaller where it is too long, and makes its thumbnail.
//!
//! ```
//! use lastmile_media::{Form, Refused, inspect};
//!
//! assert_eq!(inspect(b"%PDF-1.7\n%%EOF\n").unwrap().form, Form::Pdf);
//! assert_eq!(inspect(b"MZ\x90\x00"), Err(Refused::Kind));
//! ```

mod bytes;
mod jpeg;
mod pdf;
mod png;
mod prepare;
mod webp;

pub use prepare::{Prepared, Thumbnail, prepare};

/// The longest file that is kept, in bytes: 2 MiB.
pub const MAX_BYTES: usize = 2 << 20;

/// The longest thumbnail, in bytes.
pub const MAX_THUMBNAIL: usize = 64 << 10;

/// The largest picture, in pixels: 12 Mi, so that 4032 x 3024 and 4096 x 3072 pass.
pub const MAX_PIXELS: u64 = 12 << 20;

/// The longest side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;

/// The longest file that a device looks at before it makes it smaller, in bytes: 32 MiB.
pub const MAX_TAKEN: usize = 32 << 20;

/// The kinds of files that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, not moving.
    Webp,
    /// PDF.
    Pdf,
}

impl Form {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Jpeg, Self::Png, Self::Webp, Self::Pdf];

    /// The code that attachment records use.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Pdf => "pdf",
        }
    }

    /// The kind with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.code() == code)
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }
}

/// What bytes were found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    /// The kind.
    pub form: Form,
    /// Width and height in pixels; none for a document.
    pub pixels: Option<(u32, u32)>,
    /// Whether it holds nothing that a device takes out.
    pub clean: bool,
}

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is of no kind that is kept.
    #[error("only JPEG, PNG and WebP pictures and PDF documents are kept")]
    Kind,
    /// It begins as such a file does, and then does not go on as one.
    #[error("the file is damaged")]
    Damaged,
    /// It is longer than is kept.
    #[error("the file has {bytes} bytes; at most {limit} are kept")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The picture has more pixels than are kept.
    #[error("the picture has {pixels} pixels; at most {limit} are kept")]
    TooLarge {
        /// Its pixels.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// It moves.
    #[error("moving pictures are not kept")]
    Moving,
    /// A document holds a photograph that says where it was taken, and is not taken apart.
    #[error("the document holds a photograph that says where it was taken")]
    Place,
}

impl Refused {
    /// A stable word, which programs and translations use as a key.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Damaged => "damaged",
            Self::TooLong { .. } => "too_long",
            Self::TooLarge { .. } => "too_large",
            Self::Moving => "moving",
            Self::Place => "place",
        }
    }
}

/// What taking a file apart gives: what is left of it, and the size of its picture.
struct Parts {
    /// The file without what a device takes out.
    kept: Vec<u8>,
    pixels: (u32, u32),
    /// By how much the picture is to be turned, as EXIF numbers it: 1 for not at all.
    orientation: u8,
}

fn form_of(bytes: &[u8]) -> Result<Form, Refused> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Ok(Form::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Ok(Form::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Form::Webp),
        [b'%', b'P', b'D', b'F', b'-', ..] => Ok(Form::Pdf),
        _ => Err(Refused::Kind),
    }
}

/// Takes a picture apart by the lengths that stand in it; nothing is decoded.
fn parts_of(form: Form, bytes: &[u8]) -> Result<Parts, Refused> {
    let parts = match form {
        Form::Jpeg => jpeg::parts(bytes),
        Form::Png => png::parts(bytes),
        Form::Webp => webp::parts(bytes),
        Form::Pdf => return Err(Refused::Kind),
    }?;
    let (width, height) = parts.pixels;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(Refused::Damaged);
    }
    if pixels > MAX_PIXELS {
        return Err(Refused::TooLarge { pixels, limit: MAX_PIXELS });
    }
    Ok(parts)
}

/// Says what bytes are, without decoding anything.
///
/// # Errors
/// [`Refused`] when they are of no kind that is kept, damaged, or beyond [`MAX_BYTES`] or [`MAX_PIXELS`].
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(Refused::TooLong { bytes: bytes.len(), limit: MAX_BYTES });
    }
    let form = form_of(bytes)?;
    if form == Form::Pdf {
        return Ok(Inspected { form, pixels: None, clean: !pdf::tells_a_place(bytes) });
    }
    let parts = parts_of(form, bytes)?;
    Ok(Inspected { form, pixels: Some(parts.pixels), clean: parts.kept == bytes })
}

/// What is left of a picture once everything is taken out that a device takes out; nothing is decoded, and nothing turned.
///
/// # Errors
/// As [`inspect`], however long it is; [`Refused::Kind`] for a document, which is not taken apart.
pub fn cleaned(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    Ok(parts_of(form_of(bytes)?, bytes)?.kept)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test cuts numbers into bytes on purpose")]
mod tests;
