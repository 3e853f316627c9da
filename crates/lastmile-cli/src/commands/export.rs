//! `export`: one record with its history, or many as a table.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use lastmile_model::catalogue::Level;
use lastmile_model::{Field, FieldKind, Merge, names};
use lastmile_store::storage::Cell;
use serde_json::{Map, Value as Json, json};

use super::device::known_type;
use super::listed::query_of;
use super::opened::{find_record, folder, reader, store_error};
use super::shown::{cell_json, cell_text, instant, label, record_json};
use super::written::{Sheet, write_whole, writing};
use crate::args::data::{Export, ExportRecord, ExportTable};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Keeps why personal fields were written in full, in the replica's folder.
const LOG: &str = "exports.log";

/// Runs an export.
pub(super) fn run(command: &Export, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        Export::Record(args) => record(args, output),
        Export::Table(args) => table(args, output),
    }
}

fn ending(path: &Path) -> String {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase()
}

fn bad_ending(known: &str) -> CliError {
    CliError::new(Exit::Usage, key!("data.bad_ending")).with("known", known)
}

fn record(args: &ExportRecord, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader(&args.data, Holder::Device)?;
    let found = find_record(&mut reader, &args.id, None)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let (bytes, original, word) = match ending(&args.out).as_str() {
        "json" => {
            let known = known_type(&reader, &catalogue, &found.record_type)?;
            let record = reader.record(&found.record_type, found.id, Some(&found.scope)).map_err(store_error)?;
            let text = serde_json::to_vec_pretty(&record_json(&record, known))
                .map_err(|error| CliError::output(error.into()))?;
            (text, None, key!("data.exported_values"))
        }
        "automerge" => {
            let exported = reader.export(&found.record_type, found.id).map_err(store_error)?;
            let word = if exported.original { key!("data.exported") } else { key!("data.exported_rewritten") };
            (exported.bytes, Some(exported.original), word)
        }
        _ => return Err(bad_ending(".automerge, .json")),
    };
    write_whole(&args.out, &bytes)?;
    output.json(&json!({
        "file": args.out, "type": found.record_type, "id": found.id.to_string(), "bytes": bytes.len(),
        "original": original,
    }))?;
    output.say(word, &[("file", args.out.display().to_string())])?;
    Ok(Exit::Done)
}

/// A cell with what is personal in it made unreadable.
fn masked(field: Option<&Field>, name: &str, json: Json) -> Json {
    let hidden = |level: Level| level >= Level::Sensitive;
    match field {
        // Computed from a name, and as telling.
        _ if name == "name_py" => Json::Null,
        Some(field) if field.kind == FieldKind::Phone && field.level >= Level::Personal => {
            each(json, names::mask_phone)
        }
        Some(field) if field.kind == FieldKind::Name && field.level >= Level::Personal => each(json, names::mask),
        Some(field) if name == "id_last4" || hidden(field.level) => match json {
            Json::Null => Json::Null,
            _ => json!("***"),
        },
        _ => json,
    }
}

fn each(json: Json, mask: impl Fn(&str) -> String) -> Json {
    match json {
        Json::String(text) => json!(mask(&text)),
        Json::Array(list) => {
            list.into_iter().map(|one| one.as_str().map_or(Json::Null, |text| json!(mask(text)))).collect()
        }
        other => other,
    }
}

fn plain_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Array(list) => list.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn table(args: &ExportTable, output: &mut Output) -> Result<Exit, CliError> {
    let form = ending(&args.out);
    if !matches!(form.as_str(), "csv" | "jsonl") {
        return Err(bad_ending(".csv, .jsonl"));
    }
    let reader = reader(&args.data, Holder::Device)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let known = known_type(&reader, &catalogue, &args.record_type)?;
    let (query, columns) = query_of(&reader, known, &args.selection)?;
    let language = output.messages().language();
    let log = match &args.unmasked {
        Some(why) => Some(logged(args, why)?),
        None => None,
    };
    let mut sheet = Sheet::new();
    let mut lines = Vec::new();
    let heads = columns.iter().map(|name| label(known, name, language));
    sheet.line(std::iter::once("id").chain(heads))?;
    let mut count = 0u64;
    let mut failed = None;
    reader
        .query(&query, &mut |row| {
            let id = row.id.to_string();
            let mut object = Map::new();
            object.insert("id".to_owned(), json!(id));
            let mut texts = vec![id];
            for (name, cell) in columns.iter().zip(row.cells) {
                let field = known.field(name).map(|(_, field)| field);
                let value = cell_json(cell, field);
                let (value, text) = if log.is_some() {
                    (value, cell_text(cell, field, language))
                } else {
                    let shown = masked(field, name, value.clone());
                    let text = if shown == value { cell_text(cell, field, language) } else { plain_text(&shown) };
                    (shown, text)
                };
                texts.push(choices(cell, field, text, language));
                object.insert(name.clone(), value);
            }
            count = count.saturating_add(1);
            let written = if form == "csv" {
                sheet.line(texts.iter().map(String::as_str))
            } else {
                serde_json::to_writer(&mut lines, &object).map_err(|error| CliError::output(error.into())).map(|()| {
                    lines.push(b'\n');
                })
            };
            match written {
                Ok(()) => Ok(ControlFlow::Continue(())),
                Err(error) => {
                    failed = Some(error);
                    Ok(ControlFlow::Break(()))
                }
            }
        })
        .map_err(store_error)?;
    if let Some(error) = failed {
        return Err(error);
    }
    write_whole(&args.out, &if form == "csv" { sheet.finish() } else { lines })?;
    output.json(&json!({
        "file": args.out, "type": args.record_type, "count": count, "masked": log.is_none(),
    }))?;
    output.say(key!("data.table"), &[("file", args.out.display().to_string()), ("count", count.to_string())])?;
    match log {
        None => output.note::<&str>(key!("data.masked"), &[]),
        Some(log) => output.note(key!("data.unmasked"), &[("log", log)]),
    }
    Ok(Exit::Done)
}

/// The words of a set's choices, where there are any.
fn choices(cell: &Cell<'_>, field: Option<&Field>, text: String, language: crate::messages::Language) -> String {
    match (field, cell) {
        (Some(field), Cell::Text(_)) if field.merge == Merge::Set && !field.choices.is_empty() => text
            .split(' ')
            .map(|code| match field.choice(code) {
                Some(choice) if language == crate::messages::Language::Chinese => choice.zh.as_str(),
                Some(choice) => choice.en.as_str(),
                None => code,
            })
            .collect::<Vec<_>>()
            .join(" "),
        _ => text,
    }
}

/// Notes why personal fields are written in full, before they are.
fn logged(args: &ExportTable, why: &str) -> Result<String, CliError> {
    use lastmile_client::Clock as _;
    let file = folder(&args.data, Holder::Device)?.join(LOG);
    let entry = json!({
        "at": instant(lastmile_client::SystemClock.now_ms()),
        "type": args.record_type,
        "why": why,
        "file": args.out,
    });
    let mut open =
        std::fs::OpenOptions::new().append(true).create(true).open(&file).map_err(|error| writing(&file, error))?;
    writeln!(open, "{entry}").and_then(|()| open.sync_all()).map_err(|error| writing(&file, error))?;
    Ok(file.display().to_string())
}
