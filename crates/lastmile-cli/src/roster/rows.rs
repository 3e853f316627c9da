//! The rows beneath the headings.

use std::collections::{BTreeMap, HashMap};

use super::cells::{Cell, Grid, GridRow, code};
use super::heading::{Headings, Use, meaning};
use super::values::{self, Value, add_to_list};
use super::{BadReason, BadRow, Heading, RosterRow};

/// Words that begin a line which is about nobody.
const NOTES: &[&str] = &[
    "合计",
    "总计",
    "小计",
    "共计",
    "备注",
    "说明",
    "注意",
    "填表",
    "制表",
    "填报",
    "审核",
    "负责人",
    "经办",
    "联系人",
    "单位盖章",
    "盖章",
    "日期",
    "以上",
    "以下",
    "TOTAL",
    "NOTE:",
];

type Fields = BTreeMap<&'static str, String>;

/// What was read beneath the headings.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub rows: Vec<RosterRow>,
    pub bad: Vec<BadRow>,
    pub skipped: Vec<u64>,
}

/// Reads the rows beneath the headings.
pub(super) fn read(grid: &Grid, headings: &Headings) -> Body {
    let mut body = Body::default();
    // Where an id number stood first; looked up, never iterated.
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut last_was_taken = false;
    for row in grid.rows.iter().skip(headings.body) {
        match kind_of(row, headings) {
            Kind::Blank => {}
            Kind::Note => body.skipped.push(row.number),
            Kind::More => {
                if let Some(last) = body.rows.last_mut().filter(|_| last_was_taken) {
                    add_more(&mut last.fields, row, headings, grid.typed);
                }
            }
            Kind::Person => {
                let taken = person(row, headings, grid.typed).and_then(|fields| {
                    match first_with_same_id(&fields, row.number, &mut seen) {
                        Some(first) => Err(vec![bad_field(row, headings, "id_no", BadReason::Repeated { first })]),
                        None => Ok(fields),
                    }
                });
                last_was_taken = taken.is_ok();
                match taken {
                    Ok(fields) => body.rows.push(RosterRow { row_number: row.number, fields }),
                    Err(bad) => body.bad.extend(bad),
                }
            }
        }
    }
    body
}

enum Kind {
    /// Nothing but numbers typed ahead for rows to come, or merged cells.
    Blank,
    /// About nobody, or the headings once more.
    Note,
    /// A second row of the person above, whose name is merged over both.
    More,
    Person,
}

fn kind_of(row: &GridRow, headings: &Headings) -> Kind {
    let name = row.cell(headings.name).filter(|cell| !cell.content.is_empty());
    if name.is_some_and(|name| name.continued) {
        return Kind::More;
    }
    if name.is_some_and(|name| meaning(&name.content.shown()) == Use::Field("name")) {
        return Kind::Note;
    }
    let own: Vec<(usize, &Cell)> =
        row.cells.iter().enumerate().filter(|(_, cell)| !cell.continued && !cell.content.is_empty()).collect();
    let Some((column, first)) = own.first() else { return Kind::Blank };
    if *column <= headings.name && is_note(&first.content.shown()) {
        return Kind::Note;
    }
    let has_digits = |cell: &Cell| cell.content.shown().bytes().any(|byte| byte.is_ascii_digit());
    let is_wanted =
        |column: usize| headings.columns.iter().any(|heading| heading.column == column && heading.is_field());
    if !own.iter().any(|(column, _)| is_wanted(*column)) {
        return if own.iter().all(|(_, cell)| has_digits(cell)) { Kind::Blank } else { Kind::Note };
    }
    // One text alone and no name: the title of a part, such as 第一党支部.
    if name.is_none() && own.len() == 1 && !has_digits(first) {
        return Kind::Note;
    }
    Kind::Person
}

fn is_note(text: &str) -> bool {
    let word = code(text);
    word.contains(':') || NOTES.iter().any(|note| word.starts_with(note))
}

fn person(row: &GridRow, headings: &Headings, typed: bool) -> Result<Fields, Vec<BadRow>> {
    let mut fields = Fields::new();
    let mut bad = Vec::new();
    let mut unclear = Vec::new();
    for (heading, field, value) in cells_of(row, headings, typed) {
        match value {
            Value::Nothing => {}
            Value::Text(text) => put(&mut fields, field, text),
            Value::Unclear(year) => unclear.push((heading, field, year)),
            Value::Bad(reason) => bad.push(bad_cell(row, heading, reason)),
        }
    }
    for (heading, field, year) in unclear {
        let id = fields.get("id_no").filter(|_| field == "birth_ym");
        match id.and_then(|id| values::month_of(id, year)) {
            Some(month) => put(&mut fields, field, month),
            None => bad.push(bad_cell(row, heading, BadReason::MonthUnclear)),
        }
    }
    let name = bad_field(row, headings, "name", BadReason::NoName);
    if !fields.contains_key("name") && !bad.iter().any(|bad| bad.heading == name.heading) {
        bad.insert(0, name);
    }
    if bad.is_empty() { Ok(fields) } else { Err(bad) }
}

fn cells_of<'a>(
    row: &'a GridRow,
    headings: &'a Headings,
    typed: bool,
) -> impl Iterator<Item = (&'a Heading, &'static str, Value)> {
    headings.columns.iter().filter_map(move |heading| {
        let Use::Field(field) = heading.taken_as else { return None };
        Some((heading, field, values::read(field, &row.cell(heading.column)?.content, typed)))
    })
}

/// Puts a value into its field: lists grow, of other fields the first column counts.
fn put(fields: &mut Fields, field: &'static str, text: String) {
    if values::is_set(field) {
        let list = fields.entry(field).or_default();
        text.split(';').for_each(|part| add_to_list(list, part));
    } else {
        fields.entry(field).or_insert(text);
    }
}

/// Adds what a person's second row says to fields of several values: another phone number.
fn add_more(fields: &mut Fields, row: &GridRow, headings: &Headings, typed: bool) {
    for (_, field, value) in cells_of(row, headings, typed) {
        if let Value::Text(text) = value
            && values::is_set(field)
        {
            put(fields, field, text);
        }
    }
}

fn first_with_same_id(fields: &Fields, row: u64, seen: &mut HashMap<String, u64>) -> Option<u64> {
    let id = fields.get("id_no")?;
    match seen.get(id) {
        Some(first) => Some(*first),
        None => {
            seen.insert(id.clone(), row);
            None
        }
    }
}

fn bad_cell(row: &GridRow, heading: &Heading, reason: BadReason) -> BadRow {
    BadRow { row_number: row.number, heading: heading.text.clone(), reason }
}

fn bad_field(row: &GridRow, headings: &Headings, field: &str, reason: BadReason) -> BadRow {
    let heading = headings.columns.iter().find(|heading| matches!(heading.taken_as, Use::Field(name) if name == field));
    BadRow { row_number: row.number, heading: heading.map(|heading| heading.text.clone()).unwrap_or_default(), reason }
}
