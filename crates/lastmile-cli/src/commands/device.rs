//! `device`: recording and looking up on one device.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use lastmile_client::{ClientError, Replica, ReplicaOptions, SyncReport};
use lastmile_log::Invite;
use lastmile_model::check::CheckContext;
use lastmile_model::input::{Entered, Entry};
use lastmile_model::{Places, RecordId, RecordType, input};
use lastmile_report::lookup::{self, ReadAs};
use lastmile_store::Reader;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell as ViewCell;
use serde_json::json;

use super::exchanged::say_what_is_left;
use super::opened::{client_error, find_record, folder, reader, replica, replica_options, runtime, store_error};
use super::report::refused;
use super::shown::{
    cell_json, cell_text, instant, label, origin_json, record_json, state_text, value_json, value_text,
};
use super::similar::similar_persons;
use crate::args::device::{Add, Device, Edit, Find, History, Init, List, Selection, Show, Status, Sync};
use crate::args::values::{Comparison, Condition, FieldEdit};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::{Language, key};
use crate::output::{Column, Output, Table};

/// Runs a device command.
pub(super) fn run(command: &Device, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        Device::Init(args) => init(args, output),
        Device::Add(args) => add(args, output),
        Device::Edit(args) => edit(args, output),
        Device::Find(args) => find(args, output),
        Device::List(args) => list(args, output),
        Device::Show(args) => show(args, output),
        Device::History(args) => history(args, output),
        Device::Status(args) => status(args, output),
        Device::Sync(args) => sync(args, output),
        Device::Watch(args) => super::watch::run(args, output),
        Device::Script(args) => super::script::run(args, output),
    }
}

fn read_text(path: &Path) -> Result<String, CliError> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| CliError::reading(path, error))?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|error| CliError::reading(path, error))
}

fn init(args: &Init, output: &mut Output) -> Result<Exit, CliError> {
    let text = match (&args.invite, &args.invite_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => read_text(file)?,
        (None, None) => String::new(),
    };
    let invite = Invite::from_text(&text)
        .map_err(|error| CliError::new(Exit::Refused, key!("error.bad_invite")).with("reason", error))?;
    let place = folder(&args.data, Holder::Device)?;
    let name = args.name.clone().unwrap_or_else(|| "device".to_owned());
    let language = output.messages().language();
    let options = replica_options(&args.data)?;
    let replica = runtime()?
        .block_on(Replica::enrol(&place, &invite, &name, options))
        .map_err(|error| client_error(error, language))?;
    let author = replica.author();
    let scopes: Vec<String> =
        replica.read(Reader::scopes).map_err(store_error)?.into_iter().map(|(_, scope)| scope.to_string()).collect();
    replica.close().map_err(|error| client_error(error, language))?;
    output.json(&json!({"folder": place, "author": author.to_string(), "scopes": scopes}))?;
    output.say(key!("device.enrolled"), &[("folder", place.display().to_string()), ("scopes", scopes.join(", "))])?;
    Ok(Exit::Done)
}

/// Runs `work` with the rules for what is typed on this device.
pub(super) fn with_context<T>(work: impl FnOnce(&CheckContext<'_>) -> T) -> T {
    use lastmile_client::Clock as _;
    let today = lastmile_client::clock::civil_date(lastmile_client::SystemClock.now_ms());
    work(&CheckContext::new(today).with_places(Places::changsha()))
}

fn problems(problems: Vec<lastmile_model::Problem>, language: Language) -> CliError {
    client_error(ClientError::Invalid(problems), language)
}

/// Turns what was typed into checked values.
fn entered(record_type: &RecordType, fields: &[FieldEdit], language: Language) -> Result<Vec<Entered>, CliError> {
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    with_context(|context| {
        for field in fields {
            let result = match field {
                FieldEdit::Set { field, value } => input::enter(record_type, field, value, context),
                FieldEdit::Clear { field } => Ok(vec![Entered::Remove { key: field.clone() }]),
                FieldEdit::Add { field, value } => input::add(record_type, field, value, context).map(|one| vec![one]),
                FieldEdit::Remove { field, value } => {
                    input::remove(record_type, field, value, context).map(|one| vec![one])
                }
            };
            match result {
                Ok(more) => all.extend(more),
                Err(problem) => wrong.push(problem),
            }
        }
    });
    if wrong.is_empty() { Ok(all) } else { Err(problems(wrong, language)) }
}

/// Replaces short ids of other records by whole ones, so that people may type the beginning.
fn whole_references(
    reader: &mut Reader,
    record_type: &RecordType,
    fields: &[FieldEdit],
) -> Result<Vec<FieldEdit>, CliError> {
    let mut whole = Vec::with_capacity(fields.len());
    for edit in fields {
        let refers = |name: &str| {
            record_type.field(name).is_some_and(|(_, field)| matches!(field.kind, lastmile_model::FieldKind::Ref(_)))
        };
        let complete = |reader: &mut Reader, value: &str| match value.parse() {
            Ok(short) if value.len() < 32 => find_record(reader, &short, None).map(|found| found.id.to_string()),
            _ => Ok(value.to_owned()),
        };
        whole.push(match edit {
            FieldEdit::Set { field, value } if refers(field) => {
                FieldEdit::Set { field: field.clone(), value: complete(reader, value)? }
            }
            FieldEdit::Add { field, value } if refers(field) => {
                FieldEdit::Add { field: field.clone(), value: complete(reader, value)? }
            }
            other => other.clone(),
        });
    }
    Ok(whole)
}

pub(super) fn known_type<'c>(
    reader: &Reader,
    catalogue: &'c lastmile_model::Catalogue,
    name: &str,
) -> Result<&'c RecordType, CliError> {
    reader.type_no(name).map_err(store_error)?;
    catalogue
        .get(name)
        .map(|(_, known)| known)
        .ok_or_else(|| CliError::new(Exit::NotFound, key!("error.no_type")).with("type", name))
}

fn add(args: &Add, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let replica = replica(&args.data, output)?;
    let catalogue = std::sync::Arc::clone(replica.catalogue());
    let known = replica.read(|reader| known_type(reader, &catalogue, &args.record_type))?;
    let fields = replica.read(|reader| whole_references(reader, known, &args.fields))?;
    let mut values = entered(known, &fields, language)?;
    with_context(|context| input::with_defaults(known, &mut values, context));
    let entry = Entry::from(values);
    if args.record_type == "person" && !args.anyway {
        let similar: Vec<String> = similar_persons(&replica, &entry)?.iter().map(ToString::to_string).collect();
        if !similar.is_empty() {
            return Err(CliError::new(Exit::Undecided, key!("device.similar"))
                .with("ids", similar.join(" "))
                .cure(key!("cure.similar")));
        }
    }
    let mut draft = replica.draft(None);
    let id = draft.create(&args.record_type, entry).map_err(failed)?;
    let usual = (args.record_type == "check_in").then_some("register");
    if let Some(kind) = args.event.as_deref().or(usual) {
        draft.event(&args.record_type, id, kind, &[]).map_err(failed)?;
    }
    for person in &args.with {
        let person = replica.read(|reader| find_record(reader, person, Some("person")))?.id;
        let taken = vec![
            ("activity".to_owned(), lastmile_model::Value::reference(id)),
            ("person".to_owned(), lastmile_model::Value::reference(person)),
            ("source".to_owned(), "list".into()),
            ("attended".to_owned(), true.into()),
        ];
        let entry = Entry { values: taken, ..Entry::default() };
        draft.create("participation", entry).map_err(failed)?;
    }
    let saved = draft.save().map_err(failed)?;
    replica.close().map_err(failed)?;
    output.json(&json!({"type": args.record_type, "id": id.to_string(), "commits": saved.len()}))?;
    output.say(key!("device.saved"), &[("id", id.to_string())])?;
    Ok(Exit::Done)
}

fn edit(args: &Edit, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let replica = replica(&args.data, output)?;
    let catalogue = std::sync::Arc::clone(replica.catalogue());
    let found = replica.read(|reader| find_record(reader, &args.id, None))?;
    let known = replica.read(|reader| known_type(reader, &catalogue, &found.record_type))?;
    let mut draft = replica.draft(None);
    match &args.event {
        Some(kind) => {
            let parts: Vec<(&str, &str)> = args
                .fields
                .iter()
                .filter_map(|edit| match edit {
                    FieldEdit::Set { field, value } => Some((field.as_str(), value.as_str())),
                    _ => None,
                })
                .collect();
            draft.event(&found.record_type, found.id, kind, &parts).map_err(failed)?;
        }
        None => {
            let fields = replica.read(|reader| whole_references(reader, known, &args.fields))?;
            let values = entered(known, &fields, language)?;
            draft.edit(&found.record_type, found.id, Entry::from(values)).map_err(failed)?;
        }
    }
    let saved = draft.save().map_err(failed)?;
    let changed: usize = saved.iter().map(|one| one.changes).sum();
    replica.close().map_err(failed)?;
    output.json(&json!({"type": found.record_type, "id": found.id.to_string(), "changes": changed}))?;
    let word = if changed > 0 { key!("device.saved") } else { key!("device.nothing_new") };
    output.say(word, &[("id", found.id.to_string())])?;
    Ok(Exit::Done)
}

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

fn find(args: &Find, output: &mut Output) -> Result<Exit, CliError> {
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

fn list(args: &List, output: &mut Output) -> Result<Exit, CliError> {
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

fn show(args: &Show, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader(&args.data, Holder::Device)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let found = find_record(&mut reader, &args.id, None)?;
    let known = known_type(&reader, &catalogue, &found.record_type)?;
    let record = reader.record(&found.record_type, found.id, Some(&found.scope)).map_err(store_error)?;
    let language = output.messages().language();
    output.json(&record_json(&record, known))?;
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("device.field"))),
        Column::text(output.messages().plain(key!("device.value"))),
    ]);
    if let Some(state) = &record.state {
        let shown = state_text(known, state, language);
        table.row([output.messages().plain(key!("device.state")).as_str().into(), shown.as_str().into()]);
    }
    for (name, value) in &record.values {
        let field = known.field(name).map(|(_, field)| field);
        table.row([label(known, name, language).into(), value_text(value, field, language).as_str().into()]);
    }
    for (name, elements) in &record.sets {
        let text: Vec<&str> = elements.iter().map(String::as_str).collect();
        table.row([label(known, name, language).into(), text.join(" ").as_str().into()]);
    }
    output.table(&table)?;
    for conflict in record.conflicts.iter().filter(|conflict| conflict.kind.is_held()) {
        let field = known.field(&conflict.field).map(|(_, field)| field);
        let sides: Vec<String> = conflict
            .sides
            .iter()
            .map(|side| side.value.as_ref().map_or_else(String::new, |value| value_text(value, field, language)))
            .collect();
        let name = label(known, &conflict.field, language).to_owned();
        output.say(key!("device.conflict"), &[("field", name), ("sides", sides.join(" | "))])?;
    }
    Ok(Exit::Done)
}

fn history(args: &History, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader(&args.data, Holder::Device)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let found = find_record(&mut reader, &args.id, None)?;
    let known = known_type(&reader, &catalogue, &found.record_type)?;
    let items = reader.history(&found.record_type, found.id).map_err(store_error)?;
    let language = output.messages().language();
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("device.when"))),
        Column::text(output.messages().plain(key!("device.author"))),
        Column::text(output.messages().plain(key!("device.state"))),
        Column::text(output.messages().plain(key!("device.field"))),
        Column::text(output.messages().plain(key!("device.value"))),
    ]);
    let mut objects = Vec::new();
    for item in &items {
        let wanted = |name: &str| args.field.as_ref().is_none_or(|field| name.split('/').next() == Some(field));
        let mut edits = serde_json::Map::new();
        for (name, value) in item.edits.iter().filter(|(name, _)| wanted(name)) {
            let field = known.field(name).map(|(_, field)| field);
            edits
                .insert(name.clone(), value.as_ref().map_or(serde_json::Value::Null, |value| value_json(value, field)));
            table.row([
                instant(item.origin.wall_ms).as_str().into(),
                item.origin.author.to_string().get(..8).unwrap_or_default().into(),
                item.state.word().into(),
                label(known, name, language).into(),
                value.as_ref().map_or_else(String::new, |value| value_text(value, field, language)).as_str().into(),
            ]);
        }
        objects.push(json!({
            "origin": origin_json(&item.origin), "state": item.state.word(), "reason": item.reason, "edits": edits,
        }));
    }
    output.json(&json!({"type": found.record_type, "id": found.id.to_string(), "changes": objects}))?;
    output.table(&table)?;
    Ok(Exit::Done)
}

fn status(args: &Status, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let replica = replica(&args.data, output)?;
    let status = replica.status().map_err(|error| client_error(error, language))?;
    let counts = replica.read(|reader| reader.counts(None)).map_err(store_error)?;
    let scopes = replica.read(Reader::scopes).map_err(store_error)?;
    let scopes: Vec<String> = scopes.into_iter().map(|(_, scope)| scope.to_string()).collect();
    output.json(&json!({
        "author": replica.author().to_string(),
        "relay": replica.relay(),
        "scopes": scopes,
        "last_exchange": status.last_success_ms.map(instant),
        "revoked": status.revoked,
        "unsent": {"commits": status.unsent_commits, "changes": status.unsent_changes},
        "held": {
            "applied": counts.applied, "waiting": counts.waiting, "quarantined": counts.quarantined,
            "opaque": counts.opaque, "erased": counts.erased, "pending": counts.pending,
        },
    }))?;
    if status.revoked {
        output.say::<&str>(key!("device.revoked"), &[])?;
    }
    let word = if status.unsent_commits == 0 { key!("device.all_sent") } else { key!("device.unsent") };
    output.say(word, &[("count", status.unsent_commits.to_string()), ("relay", replica.relay().to_owned())])?;
    match status.last_success_ms {
        Some(ms) => output.say(key!("device.last_exchange"), &[("when", instant(ms))])?,
        None => output.say::<&str>(key!("device.no_exchange"), &[])?,
    }
    let held = [
        ("applied", counts.applied.to_string()),
        ("waiting", counts.waiting.to_string()),
        ("quarantined", counts.quarantined.to_string()),
        ("opaque", counts.opaque.to_string()),
    ];
    output.say(key!("device.held"), &held)?;
    replica.close().map_err(|error| client_error(error, language))?;
    Ok(Exit::Done)
}

/// Makes one exchange; a bar shows how many bytes have gone and come.
async fn sync_with_bar(replica: &Replica, output: &Output) -> Result<SyncReport, ClientError> {
    let bar = output.progress::<&str>(None, key!("device.syncing"), &[]);
    let mut heard = replica.progress();
    let mut exchange = std::pin::pin!(replica.sync());
    loop {
        tokio::select! {
            done = &mut exchange => return done,
            Ok(()) = heard.changed() => {
                let now = *heard.borrow_and_update();
                bar.reach(now.sent.saturating_add(now.received));
            }
        }
    }
}

fn sync(args: &Sync, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let place = folder(&args.data, Holder::Device)?;
    let options = ReplicaOptions { timeout: Duration::from_secs(args.timeout), ..replica_options(&args.data)? };
    let replica = Replica::open(&place, options).map_err(failed)?;
    let (mut exit, mut not_taken) = (Exit::Done, 0);
    if let Some(file) = &args.to {
        let report = replica.export_bundle(file).map_err(failed)?;
        output.json(&json!({"file": file, "bundle": report}))?;
        output.say(key!("device.bundle_written"), &[("file", file.display().to_string())])?;
    } else if let Some(file) = &args.from {
        let report = replica.import_bundle(file).map_err(failed)?;
        output.json(&json!({"file": file, "bundle": report}))?;
        output.say(key!("device.bundle_read"), &[("count", report.appended.to_string())])?;
        if !report.whole {
            output.say::<&str>(key!("device.bundle_cut"), &[])?;
        }
        exit = if report.whole { Exit::Done } else { Exit::Partial };
        not_taken = report.not_taken;
    } else {
        let report = runtime()?.block_on(sync_with_bar(&replica, output)).map_err(failed)?;
        output.json(&report)?;
        let counts = [
            ("sent", report.sent_batches.to_string()),
            ("received", report.received_batches.to_string()),
            ("receipts", report.receipts.to_string()),
        ];
        output.say(key!("device.synced"), &counts)?;
        exit = say_what_is_left(&report, output)?;
        not_taken = report.not_taken;
    }
    if not_taken > 0 {
        output.say(key!("device.not_taken"), &[("count", not_taken.to_string())])?;
    }
    replica.close().map_err(failed)?;
    Ok(if exit == Exit::Done && not_taken > 0 { Exit::Partial } else { exit })
}
