//! Looking up on a device: lists, searches and the columns they show.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lastmile_model::{RecordId, RecordType};
use lastmile_report::lookup::{self, ReadAs};
use lastmile_store::Reader;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell as ViewCell;
use serde_json::json;

use super::device::known_type;
use super::opened::{find_record, reader, store_error};
use super::report::refused;
use super::shown::{cell_json, cell_text, label, state_text};
use crate::args::device::{Find, List, Selection};
use crate::args::values::{Comparison, Condition};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Column, Output, Table};
/// The columns that a list of this type shows when nobody says which.
fn usual_columns(reader: &Reader, record_type: &RecordType) -> Vec<String> {
    let view = reader.views().iter().find(|view| view.type_name == record_type.name);
    let names = view.into_iter().flat_map(|view| &view.columns).map(|column| column.name.clone());
    let hidden = ["created_at", "created_by", "open", "spans", "id_no", "cert"];
    names.filter(|name| !hidden.contains(&name.as_str())).take(8).collect()
}

fn condition(record_type: &RecordType, condition: &Condition) -> Result<(String, Test, ViewCell<'static>), CliError> {
    let value = condition.value.as_str();
    let field = record_type.field(&condition.field).map(|(_, field)| field);
    let is_set = field.is_some_and(|field| field.merge == lastmile_model::Merge::Set);
    let has_part = condition.comparison == Comparison::Contains;
    let kind = field.map(|field| field.kind.clone()).filter(|_| !is_set);
    let cell = match kind {
        Some(lastmile_model::FieldKind::Ref(_)) => value
            .parse::<RecordId>()
            .map(|id| ViewCell::Blob(id.as_bytes().to_vec().into()))
            .map_err(|_| CliError::new(Exit::Refused, key!("error.whole_id")).with("field", &condition.field))?,
        Some(lastmile_model::FieldKind::Bool) => ViewCell::Int(i64::from(matches!(value, "1" | "true" | "是"))),
        Some(lastmile_model::FieldKind::Int { .. }) if !has_part => ViewCell::Int(
            value
                .parse()
                .map_err(|_| CliError::new(Exit::Refused, key!("error.number")).with("field", &condition.field))?,
        ),
        _ if condition.field == "open" => ViewCell::Int(value.parse().unwrap_or(0)),
        _ => ViewCell::Text(value.to_owned().into()),
    };
    let test = match condition.comparison {
        Comparison::Equal if value.is_empty() => Test::IsNull,
        Comparison::NotEqual if value.is_empty() => Test::NotNull,
        Comparison::Equal => Test::Is,
        Comparison::NotEqual => Test::IsNot,
        Comparison::Less | Comparison::AtMost => Test::AtMost,
        Comparison::Greater => Test::Above,
        Comparison::AtLeast => Test::AtLeast,
        Comparison::Contains if is_set => Test::Holds,
        // A reference, a truth value or a count has no parts: it is the one asked for or not.
        Comparison::Contains if !matches!(cell, ViewCell::Text(_)) => Test::Is,
        Comparison::Contains => Test::Contains,
    };
    Ok((condition.field.clone(), test, cell))
}

/// Builds the query that options describe.
pub(super) fn query_of(
    reader: &Reader,
    record_type: &RecordType,
    selection: &Selection,
) -> Result<(Query, Vec<String>), CliError> {
    let type_no = reader.type_no(&record_type.name).map_err(store_error)?;
    let columns =
        if selection.columns.is_empty() { usual_columns(reader, record_type) } else { selection.columns.clone() };
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut query = Query::new(type_no, &names);
    for one in &selection.conditions {
        let (column, test, value) = condition(record_type, one)?;
        // There is no strict "less" in a query: at most, and not equal, says the same.
        if one.comparison == Comparison::Less {
            query = query.filter(&column, Test::IsNot, value.clone());
        }
        query = query.filter(&column, test, value);
    }
    for sort in &selection.sort {
        query = query.order_by(&sort.field, sort.descending);
    }
    if selection.sort.is_empty() {
        query = query.newest_first();
    }
    Ok((query, columns))
}

fn show_rows(
    reader: &mut Reader,
    record_type: &RecordType,
    (query, columns): (&Query, &[String]),
    (all, limit): (bool, Option<usize>),
    output: &mut Output,
) -> Result<usize, CliError> {
    let read_as = ReadAs::of(reader, &record_type.name).map_err(refused)?;
    let reader = &*reader;
    let mut left_out = 0u64;
    let language = output.messages().language();
    let field = |name: &str| record_type.field(name).map(|(_, field)| field);
    let mut table = vec![Column::text("id")];
    table.extend(columns.iter().map(|name| Column::text(label(record_type, name, language))));
    let mut table = Table::new(table);
    let mut objects = Vec::new();
    reader
        .query(query, &mut |row| {
            let mut object = serde_json::Map::new();
            object.insert("id".to_owned(), json!(row.id.to_string()));
            let mut cells = vec![row.id.to_string()];
            if !all && read_as.other(reader, row.id)?.is_some() {
                left_out += 1;
                return Ok(ControlFlow::Continue(()));
            }
            for (name, cell) in columns.iter().zip(row.cells) {
                object.insert(name.clone(), cell_json(cell, field(name)));
                cells.push(match cell.text().filter(|_| name == "state") {
                    Some(code) => state_text(record_type, code, language),
                    None => cell_text(cell, field(name), language),
                });
            }
            objects.push(object);
            table.row(cells.into_iter().map(Into::into));
            // Counted here, so that what is left out takes no room of what is shown.
            let full = limit.is_some_and(|limit| objects.len() >= limit);
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .map_err(store_error)?;
    let count = objects.len();
    output.json(&json!({"type": record_type.name, "count": count, "left_out": left_out, "records": objects}))?;
    if count > 0 {
        output.table(&table)?;
    }
    if left_out > 0 {
        output.note(key!("device.left_out"), &[("count", left_out.to_string())]);
    }
    Ok(count)
}

/// Finds records by words.
pub(super) fn find(args: &Find, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader(&args.data, Holder::Device)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    if let Some(name) = &args.record_type {
        known_type(&reader, &catalogue, name)?;
    }
    let text = args.text.join(" ");
    let mut objects = Vec::new();
    let language = output.messages().language();
    let mut table = Table::new(vec![
        Column::text("id"),
        Column::text(output.messages().plain(key!("device.type"))),
        Column::text(output.messages().plain(key!("device.found"))),
    ]);
    let views = reader.views().to_vec();
    for (type_no, view) in views.iter().enumerate() {
        let wanted = args.record_type.as_ref().is_none_or(|name| *name == view.type_name);
        let Some((_, record_type)) = catalogue.get(&view.type_name).filter(|_| wanted && view.searchable) else {
            continue;
        };
        let columns: Vec<&str> =
            record_type.fields.iter().filter(|field| field.search).map(|field| field.name.as_str()).collect();
        let columns: Vec<&str> = columns.into_iter().filter(|name| view.position(name).is_some()).collect();
        let found = lookup::find(&mut reader, &view.type_name, &text, args.limit).map_err(refused)?;
        let of_id = |id: RecordId| {
            Query::new(type_no, &columns).filter("id", Test::Is, ViewCell::Blob(id.as_bytes().to_vec().into()))
        };
        let rows = found.into_iter().map(|id| reader.rows(&of_id(id))).collect::<Result<Vec<_>, _>>();
        for row in rows.map_err(store_error)?.into_iter().filter_map(|rows| rows.into_iter().next()) {
            let field = |name: &str| record_type.field(name).map(|(_, field)| field);
            let shown: BTreeMap<&str, serde_json::Value> =
                columns.iter().zip(&row.cells).map(|(name, cell)| (*name, cell_json(cell, field(name)))).collect();
            let words: Vec<String> =
                columns.iter().zip(&row.cells).map(|(name, cell)| cell_text(cell, field(name), language)).collect();
            table.row([row.id.to_string().into(), view.type_name.as_str().into(), words.join(" ").as_str().into()]);
            objects.push(json!({"type": view.type_name, "id": row.id.to_string(), "fields": shown}));
        }
    }
    output.json(&json!({"count": objects.len(), "records": objects}))?;
    if objects.is_empty() {
        output.say::<&str>(key!("device.none"), &[])?;
    } else {
        output.table(&table)?;
    }
    Ok(Exit::Done)
}

/// Lists the records of a type.
pub(super) fn list(args: &List, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader(&args.data, Holder::Device)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let known = known_type(&reader, &catalogue, &args.record_type)?;
    let (mut query, columns) = query_of(&reader, known, &args.selection)?;
    if let Some(after) = &args.after {
        let last = find_record(&mut reader, after, Some(&args.record_type))?.id;
        query.after = last_row(&reader, &query, last)?;
    }
    let limit = (args.limit > 0).then_some(args.limit);
    if show_rows(&mut reader, known, (&query, &columns), (args.all, limit), output)? == 0 {
        output.say::<&str>(key!("device.none"), &[])?;
    }
    Ok(Exit::Done)
}

/// The row of a record that a list goes on after: of copies in several scopes the one that stands last in its order.
fn last_row(reader: &Reader, query: &Query, id: RecordId) -> Result<Option<i64>, CliError> {
    let id = ViewCell::Blob(id.as_bytes().to_vec().into());
    let copies =
        Query { order: query.order.clone(), newest_first: query.newest_first, ..Query::new(query.type_no, &[]) };
    let mut last = None;
    reader
        .query(&copies.filter("id", Test::Is, id), &mut |row| {
            last = Some(row.head.rec);
            Ok(ControlFlow::Continue(()))
        })
        .map_err(store_error)?;
    Ok(last)
}
