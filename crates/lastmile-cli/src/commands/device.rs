//! `device`: recording and looking up on one device.

use std::io::Read as _;
use std::path::Path;

use lastmile_client::{ClientError, Replica};
use lastmile_log::Invite;
use lastmile_model::check::CheckContext;
use lastmile_model::input::{Entered, Entry};
use lastmile_model::{Places, RecordType, input};
use lastmile_store::Reader;
use serde_json::json;

use super::listed;
use super::opened::{client_error, find_record, folder, reader, replica, replica_options, runtime, store_error};
use super::shown::{instant, label, origin_json, record_json, state_text, value_json, value_text};
use super::similar::similar_persons;
use crate::args::device::{Add, Device, Edit, History, Init, Show, Status};
use crate::args::values::FieldEdit;
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
        Device::Find(args) => listed::find(args, output),
        Device::List(args) => listed::list(args, output),
        Device::Show(args) => show(args, output),
        Device::History(args) => history(args, output),
        Device::Status(args) => status(args, output),
        Device::Sync(args) => super::sync::run(args, output),
        Device::Watch(args) => super::watch::run(args, output),
        Device::Attach(args) => super::attachments::attach(args, output),
        Device::Attachments(args) => super::attachments::list(args, output),
        Device::FetchAttachment(args) => super::attachments::fetch(args, output),
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
