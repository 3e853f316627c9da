//! `device script`: JSON lines in, JSON lines out, so that any language can drive a replica.
//!
//! Each line is one object with `do`: `add`, `edit`, `event`, `save`, `show`, `find`, `list`, `status` or `sync`. Its answer is one line with `ok`
//! and the result, or with `error`, written once the result is on disk.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;

use lastmile_client::Replica;
use lastmile_model::input::Entry;
use lastmile_model::problem::{Fault, Problem};
use lastmile_model::{FieldKind, RecordId, RecordType, Value, input};
use lastmile_store::StoreError;
use lastmile_store::query::Query;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::device::with_context;
use super::opened::{client_error, replica, runtime, store_error};
use super::shown::{cell_json, record_json};
use crate::args::device::Script;
use crate::error::{CliError, Exit};
use crate::given;
use crate::messages::{Language, key};
use crate::output::Output;

/// One line of a script.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    /// Makes a record.
    Add {
        #[serde(rename = "type")]
        record_type: String,
        fields: Map<String, Json>,
        #[serde(default)]
        acting: Option<String>,
        #[serde(default)]
        events: Vec<Happening>,
    },
    /// Edits a record.
    Edit {
        #[serde(rename = "type")]
        record_type: String,
        id: String,
        fields: Map<String, Json>,
        #[serde(default)]
        acting: Option<String>,
    },
    /// Adds an event to a record.
    Event {
        #[serde(rename = "type")]
        record_type: String,
        id: String,
        kind: String,
        #[serde(default)]
        parts: Map<String, Json>,
        #[serde(default)]
        acting: Option<String>,
    },
    /// Saves several records as one commit, whole or not at all, by their document keys.
    Save {
        records: Vec<GivenRecord>,
        #[serde(default)]
        acting: Option<String>,
        #[serde(default)]
        at_ms: Option<i64>,
    },
    /// Shows a record.
    Show {
        #[serde(rename = "type")]
        record_type: String,
        id: String,
    },
    /// Finds records by words.
    Find {
        #[serde(rename = "type")]
        record_type: String,
        text: String,
        #[serde(default = "few")]
        limit: usize,
    },
    /// Lists records.
    List {
        #[serde(rename = "type")]
        record_type: String,
        columns: Vec<String>,
        #[serde(default = "many")]
        limit: usize,
    },
    /// Tells what is unsent.
    Status {},
    /// Makes one exchange with the relay.
    Sync {},
}

/// An event of a record that is being made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    kind: String,
    #[serde(default)]
    parts: Map<String, Json>,
}

/// A record of a `save`: keys with values as [`given`] reads them, keys to remove.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenRecord {
    #[serde(rename = "type")]
    record_type: String,
    id: String,
    #[serde(default)]
    new: bool,
    #[serde(default)]
    set: Map<String, Json>,
    #[serde(default)]
    remove: Vec<String>,
}

const fn few() -> usize {
    8
}

const fn many() -> usize {
    100
}

/// Runs a script line by line.
pub(super) fn run(args: &Script, output: &mut Output) -> Result<Exit, CliError> {
    let replica = replica(&args.data, output)?;
    let language = output.messages().language();
    let reading = |error| CliError::reading(&args.file, error);
    let input: Box<dyn std::io::BufRead> = if args.file == Path::new("-") {
        Box::new(std::io::BufReader::new(std::io::stdin()))
    } else {
        Box::new(std::io::BufReader::new(std::fs::File::open(&args.file).map_err(reading)?))
    };
    let runtime = runtime()?;
    let mut failures = 0u64;
    let mut out = std::io::stdout();
    for (number, line) in (1u64..).zip(input.lines()) {
        let line = line.map_err(reading)?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Step>(&line) {
            Ok(step) => step_of(&replica, &runtime, step, language),
            Err(error) => Err(no_step(number, &error, output)),
        };
        let document = match answer {
            Ok(result) => json!({"line": number, "ok": result}),
            Err(error) => {
                failures += 1;
                let text = error.message(output.messages());
                json!({"line": number, "error": {"code": error.exit().name(), "key": error.key().name(), "message": text}})
            }
        };
        writeln!(out, "{document}").and_then(|()| out.flush()).map_err(CliError::output)?;
        if failures > 0 && !args.keep_going {
            break;
        }
    }
    replica.close().map_err(|error| client_error(error, language))?;
    Ok(if failures == 0 { Exit::Done } else { Exit::Partial })
}

/// Says where a line stops being a step and of which kind the fault is. The parser's own words repeat what was typed, which may be personal.
fn no_step(line: u64, error: &serde_json::Error, output: &Output) -> CliError {
    let column = [("column", error.column().to_string())];
    let kind = match error.classify() {
        Category::Syntax | Category::Io => output.messages().text(key!("error.script_syntax"), &column),
        Category::Eof => output.messages().text(key!("error.script_cut"), &column),
        // The parser knows of these only once the line was read, and names no place.
        Category::Data => output.messages().plain(key!("error.script_fields")),
    };
    CliError::new(Exit::Refused, key!("error.script_line")).with("line", line).with("kind", kind)
}

/// Reads an id; what was written instead of one may be a name, so it is not repeated.
fn id_of(text: &str) -> Result<RecordId, CliError> {
    text.parse().map_err(|_| CliError::new(Exit::Refused, key!("error.script_id")))
}

/// The acting person. One that is no id is an error: nobody would find out later who acted.
fn acting(text: Option<&str>) -> Result<Option<Uuid>, CliError> {
    let not_whole = || CliError::new(Exit::Refused, key!("error.whole_id")).with("field", "acting");
    text.map(|text| text.parse().map_err(|_| not_whole())).transpose()
}

/// Parts of an event as the texts they are typed as.
fn parts(parts: &Map<String, Json>) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    parts.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn borrowed(parts: &[(String, String)]) -> Vec<(&str, &str)> {
    parts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The keys and values of a record of a `save`. An id number stands as plain text and is sealed to the office.
fn entry_of(kind: &RecordType, record: &GivenRecord) -> Result<Entry, Vec<Problem>> {
    let mut entry = Entry { removed: record.remove.clone(), ..Entry::default() };
    let mut problems = Vec::new();
    for (name, json) in &record.set {
        let sealed = kind.field(name).is_some_and(|(_, field)| field.kind == FieldKind::IdNumber);
        match (given::from_json(json), json.as_str()) {
            (_, Some(plain)) if sealed => match with_context(|context| input::enter(kind, name, plain, context)) {
                Ok(entered) => entry.sealed.extend(Entry::from(entered).sealed),
                Err(problem) => problems.push(problem),
            },
            (Some(value), _) => entry.values.push((name.clone(), value)),
            (None, _) => problems.push(Problem::of_name(kind, name, Fault::WrongType { expected: "JSON value" })),
        }
    }
    if problems.is_empty() { Ok(entry) } else { Err(problems) }
}

/// Whether a record that is to be made is here already, as a script that runs again after a crash finds it. Another one of that id is an
/// error: two beginnings of one record would have to be sorted out by the office.
fn is_there(replica: &Replica, kind: &RecordType, id: RecordId, entry: &Entry) -> Result<bool, CliError> {
    let history = match replica.read(|reader| reader.history(&kind.name, id)) {
        Ok(history) => history,
        Err(StoreError::NoRecord { .. }) => return Ok(false),
        Err(error) => return Err(store_error(error)),
    };
    // What is sealed is sealed anew each time; the end of the number stands beside it.
    let own = |name: &str| kind.field(name).is_none_or(|(_, field)| !field.common && field.kind != FieldKind::IdNumber);
    let wanted: BTreeMap<&str, &Value> =
        entry.values.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| own(name)).collect();
    let same = history.iter().any(|change| {
        let set = change.edits.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?)));
        set.filter(|(name, _)| own(name)).collect::<BTreeMap<_, _>>() == wanted
    });
    if same {
        return Ok(true);
    }
    Err(CliError::new(Exit::Refused, key!("error.script_exists")).with("type", &kind.name).with("id", id))
}

fn step_of(
    replica: &Replica,
    runtime: &tokio::runtime::Runtime,
    step: Step,
    language: Language,
) -> Result<Json, CliError> {
    let failed = |error| client_error(error, language);
    let invalid = |problems| client_error(lastmile_client::ClientError::Invalid(problems), language);
    let known = |name: &str| {
        let found = replica.catalogue().get(name).map(|(no, known)| (no, known.clone()));
        found.ok_or_else(|| CliError::new(Exit::NotFound, key!("error.no_type")).with("type", name))
    };
    match step {
        Step::Add { record_type, fields, acting: person, events } => {
            let (_, kind) = known(&record_type)?;
            let entered = with_context(|context| {
                let mut entered = input::enter_json(&kind, &fields, context)?;
                input::with_defaults(&kind, &mut entered, context);
                Ok(entered)
            })
            .map_err(invalid)?;
            let mut draft = replica.draft(acting(person.as_deref())?);
            let id = draft.create(&record_type, Entry::from(entered)).map_err(failed)?;
            for event in &events {
                draft.event(&record_type, id, &event.kind, &borrowed(&parts(&event.parts))).map_err(failed)?;
            }
            draft.save().map_err(failed)?;
            Ok(json!({"type": record_type, "id": id.to_string()}))
        }
        Step::Edit { record_type, id, fields, acting: person } => {
            let (_, kind) = known(&record_type)?;
            let entered = with_context(|context| input::enter_json(&kind, &fields, context)).map_err(invalid)?;
            let mut draft = replica.draft(acting(person.as_deref())?);
            draft.edit(&record_type, id_of(&id)?, Entry::from(entered)).map_err(failed)?;
            let saved = draft.save().map_err(failed)?;
            Ok(json!({"changes": saved.iter().map(|one| one.changes).sum::<usize>()}))
        }
        Step::Event { record_type, id, kind, parts: given, acting: person } => {
            let mut draft = replica.draft(acting(person.as_deref())?);
            draft.event(&record_type, id_of(&id)?, &kind, &borrowed(&parts(&given))).map_err(failed)?;
            let saved = draft.save().map_err(failed)?;
            Ok(json!({"changes": saved.iter().map(|one| one.changes).sum::<usize>()}))
        }
        Step::Save { records, acting: person, at_ms } => {
            let mut draft = replica.draft(acting(person.as_deref())?);
            if let Some(at_ms) = at_ms {
                draft = draft.at(at_ms);
            }
            for record in records {
                let (_, kind) = known(&record.record_type)?;
                let entry = entry_of(&kind, &record).map_err(invalid)?;
                if record.new && !kind.has_derived_id() && is_there(replica, &kind, id_of(&record.id)?, &entry)? {
                    continue;
                }
                draft.put(&record.record_type, id_of(&record.id)?, record.new, entry).map_err(failed)?;
            }
            let saved = draft.save().map_err(failed)?;
            Ok(json!({"changes": saved.iter().map(|one| one.changes).sum::<usize>()}))
        }
        Step::Show { record_type, id } => {
            let (_, kind) = known(&record_type)?;
            Ok(record_json(&replica.record(&record_type, id_of(&id)?).map_err(failed)?, &kind))
        }
        Step::Find { record_type, text, limit } => {
            let (type_no, _) = known(&record_type)?;
            let mut query = Query::new(type_no, &[]);
            query.find = Some(text);
            query.limit = Some(limit);
            let rows = replica.read(|reader| reader.rows(&query)).map_err(store_error)?;
            Ok(json!(rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>()))
        }
        Step::List { record_type, columns, limit } => {
            let (type_no, kind) = known(&record_type)?;
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let mut query = Query::new(type_no, &names);
            query.limit = Some(limit);
            let rows = replica.read(|reader| reader.rows(&query)).map_err(store_error)?;
            let objects: Vec<Json> = rows
                .iter()
                .map(|row| {
                    let mut object = Map::new();
                    object.insert("id".to_owned(), json!(row.id.to_string()));
                    for (name, cell) in columns.iter().zip(&row.cells) {
                        object.insert(name.clone(), cell_json(cell, kind.field(name).map(|(_, field)| field)));
                    }
                    Json::Object(object)
                })
                .collect();
            Ok(json!(objects))
        }
        Step::Status {} => Ok(json!(replica.status().map_err(failed)?)),
        Step::Sync {} => Ok(json!(runtime.block_on(replica.sync()).map_err(failed)?)),
    }
}
