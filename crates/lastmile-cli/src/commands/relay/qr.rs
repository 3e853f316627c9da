//! An invitation as a QR code: in the terminal, as SVG, as PNG.

use std::path::Path;

use qrcode::{Color, EcLevel, QrCode};

use super::super::written::write_private;
use crate::error::{CliError, Exit};
use crate::messages::key;

/// The quiet zone around a code, in modules, as ISO/IEC 18004 demands.
const QUIET: usize = 4;
/// Pixels of a module in a PNG.
const SCALE: usize = 8;
/// Beyond this version (modules a side: 17 + 4 x version) phones no longer read a code from a screen with ease.
const MOST: i16 = 25;

/// A code with its quiet zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    side: usize,
    dark: Vec<bool>,
}

impl Code {
    /// Encodes a text; a long one with less redundancy.
    pub fn of(text: &str) -> Result<Self, CliError> {
        let too_long = || CliError::new(Exit::Refused, key!("relay.qr_too_long")).cure(key!("relay.cure.qr_too_long"));
        let levels = [EcLevel::M, EcLevel::L];
        let code = levels.into_iter().find_map(|level| {
            let code = QrCode::with_error_correction_level(text, level).ok()?;
            matches!(code.version(), qrcode::Version::Normal(version) if version <= MOST).then_some(code)
        });
        let code = code.ok_or_else(too_long)?;
        let (width, colours) = (code.width(), code.to_colors());
        let side = width.saturating_add(2 * QUIET);
        let mut dark = vec![false; side * side];
        for (at, _) in colours.iter().enumerate().filter(|(_, colour)| **colour == Color::Dark) {
            let place = (at / width + QUIET) * side + at % width + QUIET;
            if let Some(module) = dark.get_mut(place) {
                *module = true;
            }
        }
        Ok(Self { side, dark })
    }

    fn is_dark(&self, row: usize, column: usize) -> bool {
        self.dark.get(row * self.side + column).copied().unwrap_or(false)
    }

    /// Two rows of modules a line, in half blocks: light modules are drawn, as terminals are dark.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.side).step_by(2).map(|row| {
            let below = row + 1 < self.side;
            let pair = |column| (!self.is_dark(row, column), below && !self.is_dark(row + 1, column));
            (0..self.side)
                .map(|column| match pair(column) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect()
        })
    }

    fn svg(&self) -> String {
        use std::fmt::Write as _;
        let side = self.side;
        let mut path = String::new();
        for row in 0..side {
            for column in (0..side).filter(|column| self.is_dark(row, *column)) {
                let _ = write!(path, "M{column} {row}h1v1h-1z"); // writing to a string does not fail
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>\n"
        )
    }

    /// A PNG of one bit a pixel, its data stored as it is: a code is small enough.
    fn png(&self) -> Vec<u8> {
        let pixels = self.side * SCALE;
        let mut rows = Vec::new();
        for row in 0..pixels {
            rows.push(0); // no filter
            for eight in (0..pixels).step_by(8) {
                let byte = (0..8).fold(0_u8, |byte, bit| {
                    let column = eight + bit;
                    let light = column < pixels && !self.is_dark(row / SCALE, column / SCALE);
                    byte << 1 | u8::from(light)
                });
                rows.push(byte);
            }
        }
        let side = u32::try_from(pixels).unwrap_or(u32::MAX).to_be_bytes();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        // Depth 1, greyscale, the one compression and filter there are, not interlaced.
        chunk(&mut png, b"IHDR", &[side.as_slice(), &side, &[1, 0, 0, 0, 0]].concat());
        chunk(&mut png, b"IDAT", &stored(&rows));
        chunk(&mut png, b"IEND", &[]);
        png
    }

    /// Writes the code to a file of its owner's alone, since it is the invitation: PNG or SVG, as its name ends.
    pub fn write(&self, file: &Path) -> Result<(), CliError> {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "svg" => write_private(file, self.svg().as_bytes()),
            "png" => write_private(file, &self.png()),
            _ => Err(CliError::new(Exit::Usage, key!("relay.qr_kind")).with("file", file.display())),
        }
    }
}

/// A zlib stream of blocks that are stored as they are (RFC 1950, RFC 1951).
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    stream.extend((high << 16 | low).to_be_bytes());
    stream
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    png.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    let begins = png.len();
    png.extend(kind);
    png.extend(content);
    let checked = png.get(begins..).unwrap_or_default();
    let crc = !checked.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    png.extend(crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_standards() {
        let mut png = Vec::new();
        chunk(&mut png, b"IEND", &[]);
        assert_eq!(png, [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
        assert_eq!(stored(b"Wikipedia")[16..], 0x11e6_0398_u32.to_be_bytes());
    }

    #[test]
    fn the_three_forms_show_the_same_modules() {
        let code = Code::of("lastmile-invite:1:AAAA").unwrap();
        assert!((0..code.side).all(|at| !code.is_dark(0, at) && !code.is_dark(at, code.side - 1)), "a quiet zone");
        assert!(code.is_dark(QUIET, QUIET) && !code.is_dark(QUIET + 1, QUIET + 1), "a finder pattern");
        let dark = code.dark.iter().filter(|dark| **dark).count();
        assert_eq!(code.svg().matches("h1v1h-1z").count(), dark);
        let drawn: usize = code
            .lines()
            .flat_map(|line| line.chars().collect::<Vec<_>>())
            .map(|half| match half {
                '█' => 2,
                '▀' | '▄' => 1,
                _ => 0,
            })
            .sum();
        assert_eq!(drawn, code.side * code.side - dark);
        assert_eq!(code.lines().count(), code.side.div_ceil(2));
    }

    #[test]
    fn a_usual_invitation_is_small_and_an_endless_one_refused() {
        // An https address, two scopes and a pin make about 280 characters.
        assert!(Code::of(&"x".repeat(300)).unwrap().side <= 17 + 4 * 14 + 2 * QUIET);
        assert!(Code::of(&"x".repeat(1_200)).is_ok());
        assert!(Code::of(&"x".repeat(2_000)).is_err());
    }
}
