//! CSV files and their relatives.

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::cells::{Cell, Content, Grid, GridRow};
use super::{Encoding, Format, MAX_COLUMNS, MAX_ROWS, Roster, RosterError, heading, roster_of};

/// The characters that may stand between cells, likelier ones first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// How many rows are read to find the delimiter.
const SAMPLE: usize = 40;
/// More lines than this in one cell mean that a quotation mark was never closed.
const MAX_LINES: usize = 30;

/// Reads a roster from text.
pub(super) fn read(bytes: &[u8], encoding: Encoding) -> Result<Roster, RosterError> {
    let (text, encoding) = decode(bytes, encoding)?;
    let mut best = (0, b',');
    let mut open_quote = None;
    for delimiter in DELIMITERS {
        match grid(&text, delimiter, SAMPLE) {
            Ok(sample) => {
                let score = heading::find(&sample).map_or(0, |found| found.score());
                if score > best.0 {
                    best = (score, delimiter);
                }
            }
            Err(error) => open_quote = open_quote.or(Some(error)),
        }
    }
    match (best, open_quote) {
        ((0, _), Some(error)) => Err(error),
        ((0, _), None) => Err(RosterError::NoHeading),
        ((_, delimiter), _) => {
            let format = Format::Text { encoding, delimiter: char::from(delimiter) };
            roster_of(&grid(&text, delimiter, MAX_ROWS + 1)?, format)
        }
    }
}

fn decode(bytes: &[u8], encoding: Encoding) -> Result<(String, &'static str), RosterError> {
    let candidates: &[(&'static encoding_rs::Encoding, &'static str)] = match (encoding, bytes) {
        (_, [0xEF, 0xBB, 0xBF, ..]) => &[(UTF_8, "UTF-8")],
        (_, [0xFF, 0xFE, ..]) => &[(UTF_16LE, "UTF-16")],
        (_, [0xFE, 0xFF, ..]) => &[(UTF_16BE, "UTF-16")],
        (Encoding::Auto, _) => &[(UTF_8, "UTF-8"), (GB18030, "GB18030")],
        (Encoding::Utf8, _) => &[(UTF_8, "UTF-8")],
        (Encoding::Gb18030, _) => &[(GB18030, "GB18030")],
    };
    for (encoding, name) in candidates {
        let (bytes, _) = (encoding_rs::Encoding::for_bom(bytes))
            .map_or((bytes, 0), |(_, length)| (bytes.get(length..).unwrap_or_default(), length));
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return Ok((text.into_owned(), name));
        }
    }
    Err(RosterError::Encoding)
}

fn grid(text: &str, delimiter: u8, limit: usize) -> Result<Grid, RosterError> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut grid = Grid::default();
    let mut record = csv::StringRecord::new();
    let mut lines = Lines::new(text);
    while grid.rows.len() < limit {
        if !reader.read_record(&mut record).map_err(RosterError::Csv)? {
            break;
        }
        let start = record.position().map_or(0, csv::Position::byte);
        let number = lines.row_at(usize::try_from(start).unwrap_or(usize::MAX));
        for field in &record {
            let inner = line_breaks(field.as_bytes());
            if inner > MAX_LINES {
                return Err(RosterError::OpenQuote { row: number });
            }
            lines.inner += inner as u64;
        }
        let cells: Vec<Cell> = record
            .iter()
            .take(MAX_COLUMNS)
            .map(|field| Cell { content: Content::Text(field.to_owned()), continued: false })
            .collect();
        let row = GridRow { number, cells };
        if !row.is_blank() {
            grid.rows.push(row);
        }
    }
    if grid.rows.len() > MAX_ROWS {
        return Err(RosterError::TooLarge);
    }
    Ok(grid)
}

/// Finds the row numbers that a spreadsheet program would show: blank lines count, line breaks within cells do not.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    breaks: u64,
    /// Line breaks within the cells of the rows so far.
    inner: u64,
}

impl<'a> Lines<'a> {
    const fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, breaks: 0, inner: 0 }
    }

    /// Returns the number of the row that begins at or after the blank lines at `start`.
    fn row_at(&mut self, start: usize) -> u64 {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let end = start + blank;
        self.breaks += line_breaks(self.bytes.get(self.at..end).unwrap_or_default()) as u64;
        self.at = end;
        1 + self.breaks.saturating_sub(self.inner)
    }
}

/// Counts line ends: `\n`, `\r\n` and a bare `\r`.
fn line_breaks(bytes: &[u8]) -> usize {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let bare = bytes
        .iter()
        .zip(bytes.iter().skip(1).map(Some).chain([None]))
        .filter(|(byte, next)| **byte == b'\r' && *next != Some(&b'\n'))
        .count();
    feeds + bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<u64> {
        grid(text, b',', 1000).unwrap().rows.iter().map(|row| row.number).collect()
    }

    #[test]
    fn numbers_rows_as_a_spreadsheet_does() {
        assert_eq!(numbers("a,b\nc,d\n"), [1, 2]);
        assert_eq!(numbers("a,b\r\n\r\n\r\nc,d\r\n,\r\ne,f"), [1, 4, 6]);
        assert_eq!(numbers("\n\na\nb\n"), [3, 4]);
        assert_eq!(numbers("a,\"x\r\ny\nz\",b\r\nc\r\n"), [1, 2]);
        assert_eq!(numbers("a\rb\r\rc"), [1, 2, 4]);
    }

    #[test]
    fn finds_a_quotation_mark_that_never_closes() {
        let text = format!("姓名,电话\n张三,1\n\"李四,2\n{}", "王五,3\n".repeat(100));
        assert!(matches!(grid(&text, b',', 1000), Err(RosterError::OpenQuote { row: 3 })));
    }

    #[test]
    fn decodes_by_mark_then_by_fit() {
        let decoded = |bytes: &[u8]| decode(bytes, Encoding::Auto).unwrap();
        assert_eq!(decoded(b"\xEF\xBB\xBF\xE5\xBC\xA0"), ("张".into(), "UTF-8"));
        assert_eq!(decoded("张".as_bytes()), ("张".into(), "UTF-8"));
        assert_eq!(decoded(&[0xD5, 0xC5]), ("张".into(), "GB18030"));
        assert_eq!(decoded(&[0xFF, 0xFE, 0x20, 0x5F]), ("张".into(), "UTF-16"));
        assert!(matches!(decode(&[0xD5, 0xC5], Encoding::Utf8), Err(RosterError::Encoding)));
        assert!(matches!(decode(&[0xFF, 0x41], Encoding::Auto), Err(RosterError::Encoding)));
    }
}
