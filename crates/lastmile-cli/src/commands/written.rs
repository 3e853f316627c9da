//! Files that commands write for other programs.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Exit};
use crate::messages::key;

/// Says why a file could not be written.
pub(super) fn writing(path: &Path, source: std::io::Error) -> CliError {
    CliError::new(Exit::Storage, key!("error.write_file"))
        .with("file", path.display())
        .with("reason", source.kind())
        .because(source)
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    replace(path, bytes, File::options().write(true).create(true).truncate(true))
}

/// Writes a file whole or not at all, one that only its owner can read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    replace(path, bytes, &options)
}

fn replace(path: &Path, bytes: &[u8], options: &OpenOptions) -> Result<(), CliError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let aside: PathBuf = path.with_file_name(name);
    // What an earlier try left has the rights of that time.
    let _ = std::fs::remove_file(&aside);
    let written = options.open(&aside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&aside, path)).map_err(|error| {
        // What is left aside is of no use; that it stays would be no second failure.
        let _ = std::fs::remove_file(&aside);
        writing(path, error)
    })
}

/// A table for spreadsheets: a byte order mark, CRLF, guarded cells.
pub(super) struct Sheet {
    writer: csv::Writer<Vec<u8>>,
}

impl Sheet {
    pub fn new() -> Self {
        let writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(b"\xEF\xBB\xBF".to_vec());
        Self { writer }
    }

    /// Adds a line; every line has the same number of cells.
    pub fn line<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> Result<(), CliError> {
        let cells: Vec<Cow<'_, str>> = cells.into_iter().map(guarded).collect();
        self.writer
            .write_record(cells.iter().map(|cell| cell.as_bytes()))
            .map_err(|error| CliError::output(error.into()))
    }

    pub fn finish(self) -> Vec<u8> {
        self.writer.into_inner().unwrap_or_default()
    }
}

/// Makes a text safe for spreadsheets: no formula, and no code that loses digits as a number.
fn guarded(text: &str) -> Cow<'_, str> {
    let Some(first) = text.chars().next() else { return Cow::Borrowed("") };
    let is_number = text.parse::<i64>().is_ok() && text.len() <= 11;
    if matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') && !is_number {
        return Cow::Owned(format!("'{text}"));
    }
    let digits = text.chars().all(|c| c.is_ascii_digit() || ('０'..='９').contains(&c));
    let length = text.chars().count();
    let exponent = text.split_once(['e', 'E']).is_some_and(|(left, right)| {
        let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        numeric(left) && numeric(right)
    });
    if exponent || digits && (length > 11 || length > 1 && text.starts_with(['0', '０'])) {
        return Cow::Owned(format!("\t{text}"));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_formulas_and_codes() {
        for formula in ["=1+1", "+x", "-x", "@SUM(A1)", "＝1", "\t=1"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        assert_eq!(guarded("-3"), "-3");
        assert_eq!(guarded("430103005010"), "\t430103005010");
        assert_eq!(guarded("007"), "\t007");
        assert_eq!(guarded("12E5"), "\t12E5");
        assert_eq!(guarded("张三"), "张三");
        assert_eq!(guarded("2026-11-23"), "2026-11-23");
    }

    #[test]
    fn writes_whole_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        let mut sheet = Sheet::new();
        sheet.line(["a", "b"]).unwrap();
        sheet.line(["=1", "x,y"]).unwrap();
        write_whole(&file, &sheet.finish()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "\u{feff}a,b\r\n'=1,\"x,y\"\r\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_whole(&folder.path().join("no/a.csv"), b"").is_err());
    }
}
