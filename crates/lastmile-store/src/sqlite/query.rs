//! Queries as SQL.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use lastmile_model::RecordId;
use rusqlite::types::ValueRef;

use super::views::rec_range;
use super::{SqliteStorage, explain};
use crate::StoreError;
use crate::columns::ViewTable;
use crate::query::{Condition, Query, Test, Within};
use crate::search::SearchPhrase;
use crate::storage::{Cell, FoundRow, Position, RowHead, Visitor};

fn column<'v>(view: &'v ViewTable, name: &str) -> Result<&'v str, StoreError> {
    view.columns
        .iter()
        .map(|column| column.name.as_str())
        .find(|&known| known == name)
        .or_else(|| (name == "id").then_some("_id"))
        .ok_or_else(|| StoreError::NoColumn { record_type: view.type_name.clone(), column: name.to_owned() })
}

pub(super) fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        // No view column holds a float; one that did would be a text to look at.
        ValueRef::Real(number) => Cell::Text(Cow::Owned(number.to_string())),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Cell::Blob(Cow::Borrowed(bytes)),
    }
}

struct Compiled {
    sql: String,
    params: Vec<Cell<'static>>,
}

/// Tells whether the query names one value of an indexed column or an id.
fn seeks(query: &Query, view: &ViewTable) -> bool {
    let indexed = |name: &str| name == "id" || view.columns.iter().any(|column| column.indexed && column.name == name);
    let is_reference = |condition: &Condition| matches!(condition.value, Cell::Blob(_));
    query.conditions.iter().any(|one| one.test == Test::Is && is_reference(one) && indexed(&one.column))
}

/// Tells whether an index by (scope, column) narrows or sorts this query.
fn uses_index(query: &Query, view: &ViewTable) -> bool {
    let indexed = |name: &str| view.columns.iter().any(|column| column.indexed && column.name == name);
    let narrows =
        |condition: &Condition| !matches!(condition.test, Test::IsNot | Test::NotNull | Test::Holds | Test::Contains);
    query.conditions.iter().any(|condition| narrows(condition) && indexed(&condition.column))
        || query.conditions.iter().any(|condition| condition.test == Test::Is && condition.column == "id")
        || query.order.first().is_some_and(|(name, _)| indexed(name))
}

/// The value of a condition as its column is compared; elements have no type of their own.
fn operand(condition: &Condition, view: &ViewTable) -> Cell<'static> {
    let column = view.columns.iter().find(|column| column.name == condition.column);
    match (condition.test, column) {
        (Test::Is | Test::IsNot | Test::AtLeast | Test::AtMost | Test::Above, Some(column)) => {
            column.kind.operand(&condition.value)
        }
        _ => condition.value.clone(),
    }
}

fn compile(query: &Query, view: &ViewTable) -> Result<Compiled, StoreError> {
    let name = &view.type_name;
    let mut params: Vec<Cell<'static>> = Vec::new();
    let mut sql = String::from("SELECT v._scope, v._id, v._rec, v._position, v._more");
    for wanted in &query.columns {
        let _ = write!(sql, ", v.\"{}\"", column(view, wanted)?);
    }
    let _ = write!(sql, " FROM v_{name} AS v");
    let mut conditions: Vec<String> = Vec::new();
    if let Some(text) = &query.find {
        match SearchPhrase::new(text).match_expression() {
            Some(expression) if view.searchable => {
                params.push(Cell::Text(Cow::Owned(expression)));
                conditions.push(format!(
                    "v._rec IN (SELECT rowid FROM find_{name}_words WHERE find_{name}_words MATCH ?{})",
                    params.len()
                ));
            }
            _ => conditions.push("0".to_owned()),
        }
    }
    match &query.within {
        // Every index begins with the scope: one look into each scope is less than a walk over all rows.
        Within::All if query.find.is_none() && seeks(query, view) => {
            conditions.push(format!(
                "v._scope IN (WITH RECURSIVE held (no) AS (SELECT min(_scope) FROM v_{name} UNION ALL \
                 SELECT (SELECT min(_scope) FROM v_{name} WHERE _scope > no) FROM held WHERE no IS NOT NULL) \
                 SELECT no FROM held WHERE no IS NOT NULL)"
            ));
        }
        Within::All => {}
        // A whole scope is one range of row numbers, already in order; the index by id would give it in another one.
        Within::Scopes(scopes) if scopes.len() == 1 && query.find.is_none() && !uses_index(query, view) => {
            let (low, high) = rec_range(scopes.first().copied().unwrap_or_default());
            params.extend([Cell::Int(low), Cell::Int(high)]);
            conditions.push(format!("v._rec BETWEEN ?{} AND ?{}", params.len() - 1, params.len()));
        }
        Within::Scopes(scopes) => {
            // One scope is bound, so that the statement serves every scope.
            let list = match scopes.as_slice() {
                [one] => {
                    params.push(Cell::Int(i64::from(*one)));
                    format!("?{}", params.len())
                }
                many => many.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
            };
            // Few rows hold the words sought: they are looked up, and the scope is checked on each.
            let plain = if query.find.is_some() { "+" } else { "" };
            conditions.push(format!("{plain}v._scope IN ({list})"));
        }
    }
    for condition in &query.conditions {
        let quoted = format!("v.\"{}\"", column(view, &condition.column)?);
        params.push(operand(condition, view));
        let mark = params.len();
        conditions.push(match condition.test {
            Test::Is => format!("{quoted} = ?{mark}"),
            Test::IsNot => format!("{quoted} IS NOT ?{mark}"),
            Test::AtLeast => format!("{quoted} >= ?{mark}"),
            Test::AtMost => format!("{quoted} <= ?{mark}"),
            Test::Above => format!("{quoted} > ?{mark}"),
            Test::Holds => format!("EXISTS (SELECT 1 FROM json_each({quoted}) WHERE json_each.value = ?{mark})"),
            Test::Contains if matches!(condition.value, Cell::Blob(_)) => {
                params.pop();
                "0".to_owned()
            }
            Test::Contains => format!("typeof({quoted}) <> 'blob' AND instr({quoted}, ?{mark}) > 0"),
            Test::IsNull | Test::NotNull => {
                params.pop();
                format!("{quoted} IS {}NULL", if condition.test == Test::NotNull { "NOT " } else { "" })
            }
        });
    }
    if let Some(rec) = query.after {
        params.push(Cell::Int(rec));
        conditions.push(comes_after(query, view, params.len())?);
    }
    if !conditions.is_empty() {
        let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
    }
    // The order is part of the answer: without it rows would come as the index chosen has them.
    sql.push_str(" ORDER BY ");
    for (name, descending) in &query.order {
        let _ = write!(sql, "v.\"{}\"{}, ", column(view, name)?, if *descending { " DESC" } else { "" });
    }
    sql.push_str(if query.newest_first { "v._rec DESC" } else { "v._rec" });
    if query.limit.is_some() || query.offset > 0 {
        let limit = query.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
        let _ = write!(sql, " LIMIT {limit} OFFSET {}", query.offset);
    }
    Ok(Compiled { sql, params })
}

/// The condition that a row comes, in the order asked for, after the row whose number is bound at this mark.
fn comes_after(query: &Query, view: &ViewTable, mark: usize) -> Result<String, StoreError> {
    let name = &view.type_name;
    let mut either = Vec::with_capacity(query.order.len() + 1);
    // Equal up to a column, and further on in it.
    let mut equal = String::new();
    for (wanted, descending) in &query.order {
        let column = column(view, wanted)?;
        let (own, other) =
            (format!("v.\"{column}\""), format!("(SELECT \"{column}\" FROM v_{name} WHERE _rec = ?{mark})"));
        // Nothing sorts before everything else, and compares with nothing.
        let further = if *descending {
            format!("({own} < {other} OR ({own} IS NULL AND {other} IS NOT NULL))")
        } else {
            format!("({own} > {other} OR ({own} IS NOT NULL AND {other} IS NULL))")
        };
        either.push(format!("{equal}{further}"));
        let _ = write!(equal, "{own} IS {other} AND ");
    }
    let sign = if query.newest_first { '<' } else { '>' };
    either.push(format!("{equal}v._rec {sign} ?{mark}"));
    Ok(format!("EXISTS (SELECT 1 FROM v_{name} WHERE _rec = ?{mark}) AND ({})", either.join(" OR ")))
}

impl SqliteStorage {
    pub(super) fn run_query(&self, query: &Query, visitor: &mut Visitor<'_>) -> Result<(), StoreError> {
        let failed = |error| explain("querying a view", &self.layout.path, error);
        let view = self
            .layout
            .views
            .get(query.type_no)
            .ok_or_else(|| StoreError::NoType { name: format!("number {}", query.type_no) })?;
        let compiled = compile(query, view)?;
        let mut statement = self.connection.prepare_cached(&compiled.sql).map_err(failed)?;
        let mut rows = statement.query(rusqlite::params_from_iter(&compiled.params)).map_err(failed)?;
        let wanted = query.columns.len();
        while let Some(row) = rows.next().map_err(failed)? {
            let id = row.get_ref(1).map_err(failed)?;
            let id = match id {
                ValueRef::Blob(bytes) => bytes.try_into().ok(),
                _ => None,
            };
            let id = RecordId::from_bytes(id.ok_or_else(|| StoreError::damaged("a view row without an id"))?);
            let head = RowHead {
                rec: row.get(2).map_err(failed)?,
                position: Position(row.get(3).map_err(failed)?),
                more: row.get(4).map_err(failed)?,
            };
            let mut cells = Vec::with_capacity(wanted);
            for index in 0..wanted {
                cells.push(cell(row.get_ref(index + 5).map_err(failed)?));
            }
            let found = FoundRow { scope: row.get(0).map_err(failed)?, id, head, cells: &cells };
            if visitor(&found)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}
