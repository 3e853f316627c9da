//! Excel workbooks.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::panic::catch_unwind;

use calamine::{Data, DataRef, Dimensions, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::cells::{Cell, Content, Grid, GridRow};
use super::{Format, MAX_COLUMNS, MAX_ROWS, Roster, RosterError, roster_of};

/// The most cells that merges may fill, over all of them.
const MAX_FILLED: usize = 1_000_000;

type Workbook<'a> = Xlsx<Cursor<&'a [u8]>>;
/// Rows by number from 0. A sheet may have one cell in its last row and last column: nothing is allocated between.
type Rows = BTreeMap<u32, Vec<Cell>>;

/// Reads a roster from the sheet that was named, or the first visible one that has one.
///
/// Somebody else's file may make its reader panic, e.g. by a row number that overflows: then it is damaged like any other.
pub(super) fn read(bytes: &[u8], sheet: Option<&str>) -> Result<Roster, RosterError> {
    catch_unwind(|| read_workbook(bytes, sheet))
        .unwrap_or_else(|_| Err(damaged(XlsxError::Unexpected("the workbook cannot be read"))))
}

fn read_workbook(bytes: &[u8], sheet: Option<&str>) -> Result<Roster, RosterError> {
    let mut workbook = Workbook::new(Cursor::new(bytes)).map_err(damaged)?;
    let sheets: Vec<(String, bool)> = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
        .collect();
    if let Some(wanted) = sheet {
        if !sheets.iter().any(|(name, _)| name == wanted) {
            return Err(RosterError::NoSheet { sheets: sheets.into_iter().map(|(name, _)| name).collect() });
        }
        return read_sheet(&mut workbook, wanted);
    }
    for (name, _) in sheets.iter().filter(|(_, visible)| *visible) {
        match read_sheet(&mut workbook, name) {
            Err(RosterError::NoHeading) => {}
            found => return found,
        }
    }
    Err(RosterError::NoHeading)
}

fn read_sheet(workbook: &mut Workbook<'_>, name: &str) -> Result<Roster, RosterError> {
    let mut rows = cells(workbook, name)?;
    let merges = workbook.merge_cells_by_sheet_name(name).map_err(damaged)?;
    repeat_merged(&mut rows, &merges);
    let rows = rows
        .into_iter()
        .map(|(number, cells)| GridRow { number: u64::from(number) + 1, cells })
        .filter(|row| !row.is_blank())
        .collect();
    roster_of(&Grid { rows, typed: true }, Format::Sheet { name: name.to_owned() })
}

fn cells(workbook: &mut Workbook<'_>, name: &str) -> Result<Rows, RosterError> {
    let mut reader = workbook.worksheet_cells_reader(name).map_err(damaged)?;
    let mut rows = Rows::new();
    while let Some(cell) = reader.next_cell().map_err(damaged)? {
        let (row, column) = cell.get_position();
        let content = content(cell.get_value());
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if content == Content::Empty || column >= MAX_COLUMNS {
            continue;
        }
        let cells = rows.entry(row).or_default();
        if cells.len() <= column {
            cells.resize(column + 1, Cell::default());
        }
        if let Some(cell) = cells.get_mut(column) {
            cell.content = content;
        }
        if rows.len() > MAX_ROWS {
            return Err(RosterError::TooLarge);
        }
    }
    Ok(rows)
}

fn content(value: &DataRef<'_>) -> Content {
    match Data::from(value.clone()) {
        Data::Empty => Content::Empty,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) if text.is_empty() => Content::Empty,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Content::Text(text),
        Data::Int(number) => Content::Text(number.to_string()),
        Data::Float(number) => Content::Number(number),
        Data::Bool(truth) => Content::Text(truth.to_string()),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            Content::Date { year, month, day }
        }
        Data::DateTime(moment) => Content::Number(moment.as_f64()),
        Data::Error(_) => Content::Fault,
    }
}

/// Repeats the first cell of merged cells in the rows beneath it.
///
/// Only its own column: a value over two columns belongs to the first one's heading, and notes that are merged over a
/// whole row stay one cell.
fn repeat_merged(rows: &mut Rows, merges: &[Dimensions]) {
    let mut left = MAX_FILLED;
    for merge in merges {
        let Ok(column) = usize::try_from(merge.start.1) else { continue };
        let (first, last) = (merge.start.0, merge.end.0);
        let source = rows.get(&first).and_then(|cells| cells.get(column)).cloned().unwrap_or_default();
        if source.content == Content::Empty || last <= first {
            continue;
        }
        for (_, cells) in rows.range_mut(first + 1..=last) {
            if left == 0 {
                return;
            }
            left -= 1;
            if cells.len() <= column {
                cells.resize(column + 1, Cell::default());
            }
            if let Some(cell) = cells.get_mut(column).filter(|cell| cell.content == Content::Empty) {
                *cell = Cell { content: source.content.clone(), continued: true };
            }
        }
    }
}

fn damaged(error: XlsxError) -> RosterError {
    match error {
        XlsxError::Password => RosterError::OldOrLocked,
        error => RosterError::Workbook(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell { content: Content::Text(text.into()), continued: false }
    }

    #[test]
    fn a_merge_fills_its_first_column_in_rows_that_are_there() {
        let mut rows =
            Rows::from([(1, vec![text("a"), text("b")]), (7, vec![Cell::default(), text("c")]), (9, vec![])]);
        repeat_merged(&mut rows, &[Dimensions::new((1, 0), (u32::MAX, 16_383)), Dimensions::new((0, 1), (9, 1))]);
        assert_eq!(rows.len(), 3, "no row is made");
        let content = |row: u32, column: usize| rows[&row].get(column).map(|cell| cell.content.clone());
        assert_eq!(content(7, 0), Some(Content::Text("a".into())));
        assert_eq!(content(9, 0), Some(Content::Text("a".into())));
        assert_eq!(content(9, 1), None, "an empty first cell fills nothing");
        assert!(rows[&9][0].continued && !rows[&1][0].continued);
    }
}
