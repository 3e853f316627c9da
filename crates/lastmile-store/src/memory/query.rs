//! Queries over the rows, answered as SQL answers them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::ControlFlow;

use serde_json::Value;

use super::views::{Row, View};
use crate::StoreError;
use crate::columns::{ColumnKind, ViewTable};
use crate::query::{Query, Test, Within};
use crate::search::SearchPhrase;
use crate::storage::{Cell, FoundRow, Visitor};

/// A column that a query may name.
#[derive(Debug, Clone, Copy)]
enum Column {
    Id,
    At(usize, ColumnKind),
}

impl Column {
    fn named(table: &ViewTable, name: &str) -> Result<Self, StoreError> {
        let found = table.columns.iter().enumerate().find(|(_, column)| column.name == name);
        found
            .map(|(place, column)| Self::At(place, column.kind))
            .or_else(|| (name == "id").then_some(Self::Id))
            .ok_or_else(|| StoreError::NoColumn { record_type: table.type_name.clone(), column: name.to_owned() })
    }

    fn cell(self, row: &Row) -> Cell<'_> {
        match self {
            Self::Id => Cell::Blob(Cow::Borrowed(row.id.as_bytes())),
            Self::At(place, _) => match row.cells.get(place) {
                None | Some(Cell::Null) => Cell::Null,
                Some(Cell::Int(number)) => Cell::Int(*number),
                Some(Cell::Text(text)) => Cell::Text(Cow::Borrowed(text)),
                Some(Cell::Blob(bytes)) => Cell::Blob(Cow::Borrowed(bytes)),
            },
        }
    }

    /// The value as it is compared with this column.
    fn operand(self, value: &Cell<'static>) -> Cell<'static> {
        match self {
            Self::Id => value.clone(),
            Self::At(_, kind) => kind.operand(value),
        }
    }
}

/// Orders cells: nothing, then numbers, then texts by their bytes, then byte strings.
fn compare(left: &Cell<'_>, right: &Cell<'_>) -> Ordering {
    const fn class(cell: &Cell<'_>) -> u8 {
        match cell {
            Cell::Null => 0,
            Cell::Int(_) => 1,
            Cell::Text(_) => 2,
            Cell::Blob(_) => 3,
        }
    }
    match (left, right) {
        (Cell::Int(left), Cell::Int(right)) => left.cmp(right),
        (Cell::Text(left), Cell::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Cell::Blob(left), Cell::Blob(right)) => left.cmp(right),
        _ => class(left).cmp(&class(right)),
    }
}

struct Check {
    column: Column,
    test: Test,
    value: Cell<'static>,
}

impl Check {
    fn passes(&self, row: &Row) -> Result<bool, StoreError> {
        let cell = self.column.cell(row);
        let is_null = matches!(cell, Cell::Null);
        let order = compare(&cell, &self.value);
        // A comparison with nothing, on either side, is never true.
        let known = !is_null && !matches!(self.value, Cell::Null);
        Ok(match self.test {
            Test::Is => known && order.is_eq(),
            Test::IsNot => order.is_ne(),
            Test::AtLeast => known && order.is_ge(),
            Test::AtMost => known && order.is_le(),
            Test::Above => known && order.is_gt(),
            Test::IsNull => is_null,
            Test::NotNull => !is_null,
            Test::Holds => holds(&cell, &self.value)?,
            Test::Contains => match (as_text(&cell), as_text(&self.value)) {
                (Some(whole), Some(part)) => whole.contains(part.as_ref()),
                _ => false,
            },
        })
    }
}

/// The text in which parts are sought.
fn as_text<'c>(cell: &'c Cell<'_>) -> Option<Cow<'c, str>> {
    match cell {
        Cell::Text(text) => Some(Cow::Borrowed(text.as_ref())),
        Cell::Int(number) => Some(Cow::Owned(number.to_string())),
        Cell::Null | Cell::Blob(_) => None,
    }
}

/// Tells whether the JSON in a cell has this element: an array or object any of its values, anything else itself.
fn holds(cell: &Cell<'_>, element: &Cell<'_>) -> Result<bool, StoreError> {
    let Cell::Text(text) = cell else { return Ok(matches!(cell, Cell::Int(_)) && cell == element) };
    let json: Value = serde_json::from_str(text).map_err(|error| StoreError::engine("querying a view", error))?;
    let same = |json: &Value| match (json, element) {
        (Value::String(held), Cell::Text(sought)) => held == sought,
        (Value::Number(held), Cell::Int(sought)) => held.as_i64() == Some(*sought),
        (Value::Bool(held), Cell::Int(sought)) => i64::from(*held) == *sought,
        _ => false,
    };
    Ok(match &json {
        Value::Array(elements) => elements.iter().any(same),
        Value::Object(members) => members.values().any(same),
        single => same(single),
    })
}

/// A query with its names looked up.
struct Resolved<'q> {
    columns: Vec<Column>,
    checks: Vec<Check>,
    order: Vec<(Column, bool)>,
    within: &'q Within,
    /// The words to find; the inner `None` finds nothing.
    find: Option<Option<SearchPhrase>>,
}

impl<'q> Resolved<'q> {
    fn new(table: &ViewTable, query: &'q Query) -> Result<Self, StoreError> {
        let columns = query.columns.iter().map(|name| Column::named(table, name)).collect::<Result<_, _>>()?;
        let mut checks = Vec::with_capacity(query.conditions.len());
        for condition in &query.conditions {
            let column = Column::named(table, &condition.column)?;
            // Elements and parts have no type of their own, so what is sought among them is taken as it is.
            let sought = matches!(condition.test, Test::Holds | Test::Contains);
            let value = if sought { condition.value.clone() } else { column.operand(&condition.value) };
            checks.push(Check { column, test: condition.test, value });
        }
        let order = query.order.iter().map(|(name, descending)| Ok((Column::named(table, name)?, *descending)));
        let order = order.collect::<Result<_, StoreError>>()?;
        let phrase = |text: &String| Some(SearchPhrase::new(text)).filter(|_| table.searchable);
        let find = query.find.as_ref().map(phrase);
        Ok(Self { columns, checks, order, within: &query.within, find })
    }

    fn finds(&self, row: &Row) -> Result<bool, StoreError> {
        let within = match self.within {
            Within::All => true,
            Within::Scopes(scopes) => scopes.contains(&row.scope),
        };
        let found = self.find.as_ref().is_none_or(|phrase| match (phrase, &row.search) {
            (Some(phrase), Some((words, initials))) => phrase.finds(words, initials),
            _ => false,
        });
        if !within || !found {
            return Ok(false);
        }
        for check in &self.checks {
            if !check.passes(row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn compare(&self, left: &Row, right: &Row) -> Ordering {
        self.order.iter().fold(Ordering::Equal, |order, (column, descending)| {
            order.then_with(|| {
                let order = compare(&column.cell(left), &column.cell(right));
                if *descending { order.reverse() } else { order }
            })
        })
    }

    fn show(&self, rec: i64, row: &Row, visitor: &mut Visitor<'_>) -> Result<ControlFlow<()>, StoreError> {
        let cells: Vec<Cell<'_>> = self.columns.iter().map(|column| column.cell(row)).collect();
        visitor(&FoundRow { scope: row.scope, id: row.id, head: row.head(rec), cells: &cells })
    }
}

/// Runs a query over the rows of one record type.
pub(super) fn visit(
    view: &View,
    table: &ViewTable,
    query: &Query,
    visitor: &mut Visitor<'_>,
) -> Result<(), StoreError> {
    let resolved = Resolved::new(table, query)?;
    let limit = query.limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(());
    }
    let after = match query.after {
        None => None,
        Some(rec) => match view.rows.get(&rec) {
            Some(row) => Some((rec, row.as_ref())),
            None => return Ok(()),
        },
    };
    let comes_after = |(rec, row): (i64, &Row)| {
        after.is_none_or(|(last, known)| {
            let by_number = if query.newest_first { last.cmp(&rec) } else { rec.cmp(&last) };
            resolved.compare(row, known).then(by_number).is_gt()
        })
    };
    let rising = view.rows.iter().map(|(rec, row)| (*rec, row.as_ref()));
    let rows: Box<dyn Iterator<Item = (i64, &Row)>> =
        if query.newest_first { Box::new(rising.rev()) } else { Box::new(rising) };
    let found = rows.filter(|row| comes_after(*row)).filter_map(|(rec, row)| match resolved.finds(row) {
        Ok(true) => Some(Ok((rec, row))),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    });
    if resolved.order.is_empty() {
        for row in found.skip(query.offset).take(limit) {
            let (rec, row) = row?;
            if resolved.show(rec, row, visitor)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    let mut found = found.collect::<Result<Vec<_>, StoreError>>()?;
    // The sort is stable, so ties stay in the order of their row numbers, up or down.
    found.sort_by(|(_, left), (_, right)| resolved.compare(left, right));
    for (rec, row) in found.into_iter().skip(query.offset).take(limit) {
        if resolved.show(rec, row, visitor)?.is_break() {
            break;
        }
    }
    Ok(())
}
