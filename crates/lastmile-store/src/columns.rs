//! The columns of each record type's view, derived from the catalogue.

use std::borrow::Cow;

use lastmile_model::{Catalogue, FieldKind, Merge, RecordType};

use crate::storage::Cell;

/// What a column is meant to hold; values of another kind stay what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Blob,
}

/// The number of the rules by which rows are worked out of changes. Raise it with every change of the gate, of what judges changes,
/// of a state machine, of a field's merge letter or of what a cell says of a value: views made by other rules are made anew when
/// the replica is opened.
pub const EVALUATION: u32 = 2;

impl ColumnKind {
    /// A value as it is compared with such columns: a text of digits asks for the number, a number for its digits. What is stored
    /// stays as it is, whatever its kind.
    #[must_use]
    pub fn operand(self, value: &Cell<'_>) -> Cell<'static> {
        match (self, value) {
            (Self::Text, Cell::Int(number)) => Cell::Text(Cow::Owned(number.to_string())),
            (Self::Int, Cell::Text(text)) => {
                let number = text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']).parse();
                number.map_or_else(|_| value.clone().into_owned(), Cell::Int)
            }
            _ => value.clone().into_owned(),
        }
    }
}

/// Where a column's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The shown value of the field with this place in the type.
    Field(usize),
    /// The elements of the set field with this place, as a sorted JSON array.
    Set(usize),
    /// How many held conflicts, corrections and opposed transitions are open.
    Open,
    /// The folded state.
    State,
    /// The first day ever confirmed.
    FirstConfirmed,
    /// The first day of the last confirmed span.
    ConfirmedFrom,
    /// The first day after the last confirmed span, if it ended.
    ConfirmedTo,
    /// All confirmed spans as a JSON array of [from, until], when there is more than one.
    Spans,
}

/// One column of a view.
#[derive(Debug, Clone)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// How it is stored.
    pub kind: ColumnKind,
    /// Whether an index by (scope, column) stands.
    pub indexed: bool,
    /// Where its content comes from.
    pub source: Source,
}

/// The view of one record type.
#[derive(Debug, Clone)]
pub struct ViewTable {
    /// The type's name.
    pub type_name: String,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// Whether rows carry search words.
    pub searchable: bool,
    /// The places of the columns that the search words are made of.
    pub searched: Vec<usize>,
}

impl ViewTable {
    /// Returns the place of a column.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Fields every document has that the views do not repeat: they stand in the row's head, the scope or the log.
const NOT_COLUMNS: [&str; 5] = ["id", "type", "schema_v", "place_code", "device"];

fn stored_as(kind: &FieldKind) -> ColumnKind {
    match kind {
        FieldKind::Int { .. } | FieldKind::Bool | FieldKind::Instant => ColumnKind::Int,
        FieldKind::Ref(_) | FieldKind::Bytes { .. } | FieldKind::IdNumber => ColumnKind::Blob,
        _ => ColumnKind::Text,
    }
}

fn view_of(record_type: &RecordType) -> ViewTable {
    let computed = |name: &str, kind, source| Column { name: name.to_owned(), kind, indexed: false, source };
    let mut columns = vec![computed("open", ColumnKind::Int, Source::Open)];
    if record_type.states.is_some() {
        columns.push(computed("state", ColumnKind::Text, Source::State));
    }
    if record_type.states.as_deref() == Some("check_in") {
        columns.push(computed("first_confirmed", ColumnKind::Text, Source::FirstConfirmed));
        columns.push(computed("confirmed_from", ColumnKind::Text, Source::ConfirmedFrom));
        columns.push(computed("confirmed_to", ColumnKind::Text, Source::ConfirmedTo));
        columns.push(computed("spans", ColumnKind::Text, Source::Spans));
    }
    for (index, field) in record_type.fields.iter().enumerate() {
        if NOT_COLUMNS.contains(&field.name.as_str()) {
            continue;
        }
        let (kind, source) = match field.merge {
            Merge::Immutable | Merge::Register | Merge::Question | Merge::Sealed => {
                (stored_as(&field.kind), Source::Field(index))
            }
            Merge::Set => (ColumnKind::Text, Source::Set(index)),
            Merge::Event | Merge::Computed => continue,
        };
        columns.push(Column { name: field.name.clone(), kind, indexed: field.indexed, source });
    }
    let searchable = record_type.fields.iter().any(|field| field.search);
    let is_searched = |column: &Column| match column.source {
        Source::Field(place) | Source::Set(place) => record_type.fields.get(place).is_some_and(|field| field.search),
        _ => false,
    };
    let searched = columns.iter().enumerate().filter(|(_, column)| is_searched(column)).map(|(at, _)| at).collect();
    ViewTable { type_name: record_type.name.clone(), columns, searchable, searched }
}

/// Returns the views of a catalogue, in the order of its types.
#[must_use]
pub fn views(catalogue: &Catalogue) -> Vec<ViewTable> {
    catalogue.types().iter().map(view_of).collect()
}
