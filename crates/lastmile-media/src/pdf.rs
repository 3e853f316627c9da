//! PDF (ISO 32000): kept as it is, so looked at for photographs that say where they were taken.

use crate::bytes::exif;

/// The most photographs that are looked at; a document of 2 MiB with more holds something else, and is taken to say a place.
const MOST_PHOTOS: usize = 1024;

/// Whether a photograph in the document, or the document's own metadata, says where it was taken. Photographs lie in a document as they
/// were; what programs compress once more is not looked into.
pub(crate) fn tells_a_place(bytes: &[u8]) -> bool {
    let after = |mark: &'static [u8]| {
        let found = bytes.windows(mark.len()).enumerate().filter(move |(_, window)| *window == mark);
        found.filter_map(move |(at, _)| bytes.get(at + mark.len()..))
    };
    let says = |(count, tiff): (usize, &[u8])| count >= MOST_PHOTOS || exif(tiff).is_some_and(|exif| exif.place);
    after(b"Exif\0\0").enumerate().any(says) || after(b"GPSLatitude").next().is_some()
}
