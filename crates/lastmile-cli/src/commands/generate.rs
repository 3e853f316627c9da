//! `generate`: the acceptance data set as files, the same bytes for the same scale and seed.

mod ledger;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use lastmile_testkit::acceptance::{Dataset, LedgerBuilder, Scale, generate};
use lastmile_testkit::{Action, DeviceWork, EditKind};
use serde_json::{Map, Value as Json, json};

use crate::args::trial::Generate;
use crate::error::{CliError, Exit};
use crate::given;
use crate::messages::key;
use crate::output::{Column, Output, Table};

/// What was written.
#[derive(Debug, Default)]
struct Written {
    devices: Vec<Json>,
    saves: usize,
    changes: usize,
    files: usize,
    bytes: u64,
}

/// Writes the data set into a new or empty folder.
pub(super) fn run(args: &Generate, output: &mut Output) -> Result<Exit, CliError> {
    let folder = &args.out;
    prepare(folder)?;
    let scale = Scale::from(args.scale);
    let dataset = generate(scale, args.seed);
    let mut written = Written::default();
    let mut builder = LedgerBuilder::new(&dataset);
    written.device(folder, &dataset.city())?;
    let communities = dataset.plan().communities.len() as u64;
    let bar = output.progress::<&str>(Some(communities), key!("generate.making"), &[]);
    for work in dataset.communities() {
        for device in &work.devices {
            written.device(folder, device)?;
        }
        builder.add(&work);
        bar.add(1);
    }
    drop(bar);
    let ledger = builder.finish();
    let records: usize = ledger.record_types().into_iter().map(|name| ledger.records(name).len()).sum();
    written.file(&folder.join("ledger.json"), &ledger::json(&ledger, dataset.plan())?)?;
    let about = about(&dataset, std::mem::take(&mut written.devices));
    written.file(&folder.join("dataset.json"), &about)?;

    output.json(&json!({
        "folder": folder, "scale": scale.word(), "seed": args.seed, "devices": dataset.plan().devices(), "saves": written.saves,
        "changes": written.changes, "records": records, "files": written.files, "bytes": written.bytes,
    }))?;
    let said =
        [("folder", folder.display().to_string()), ("scale", scale.word().to_owned()), ("seed", args.seed.to_string())];
    output.say(key!("generate.done"), &said)?;
    let messages = output.messages();
    let heads = [key!("generate.devices"), key!("generate.saves"), key!("generate.changes"), key!("generate.records")];
    let heads = heads.into_iter().chain([key!("generate.files"), key!("generate.bytes")]);
    let mut table = Table::new(heads.map(|head| Column::number(messages.plain(head))).collect());
    let counts = [dataset.plan().devices(), written.saves, written.changes, records, written.files];
    let cells = counts.iter().map(ToString::to_string).chain([written.bytes.to_string()]);
    table.row(cells.map(Into::into));
    output.table(&table)?;
    Ok(Exit::Done)
}

/// Makes the folder, or sees that it is empty: nothing that is there is ever written over.
fn prepare(folder: &Path) -> Result<(), CliError> {
    let failed = |error| writing(folder, error);
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(CliError::new(Exit::Refused, key!("generate.not_empty"))
            .with("folder", folder.display())
            .cure(key!("generate.not_empty_cure")));
    }
    fs::create_dir_all(folder.join("devices")).map_err(failed)
}

fn writing(path: &Path, error: std::io::Error) -> CliError {
    CliError::new(Exit::Storage, key!("error.write_file"))
        .with("file", path.display())
        .with("reason", error.kind())
        .because(error)
}

/// What the data set is, and the order in which it is applied.
fn about(dataset: &Dataset, devices: Vec<Json>) -> Json {
    let plan = dataset.plan();
    let totals = &plan.totals;
    json!({
        "format": 1,
        "scale": plan.settings.scale.word(),
        "seed": plan.settings.seed,
        "year": plan.year(),
        "city": plan.city.code(),
        "period_end": plan.period_end(),
        "today": plan.today(),
        "now_ms": plan.now_ms(),
        "members": totals.members,
        "sessions": totals.sessions,
        "served": totals.served,
        "order": [
            "the city office's device, the first of the list",
            "`script` of every device, no device having met another of its community",
            "the devices of a community meet, or all sync; then their `script_after_meeting`, again without meeting",
            "everything reaches the relay, in any order; devices with `silent_days` last",
            "the office does what `office` in ledger.json lists",
        ],
        "devices": devices,
    })
}

impl Written {
    fn file(&mut self, path: &Path, document: &Json) -> Result<(), CliError> {
        let failed = |error| writing(path, error);
        let mut file = BufWriter::new(fs::File::create(path).map_err(failed)?);
        serde_json::to_writer_pretty(&mut file, document).map_err(|error| failed(error.into()))?;
        file.write_all(b"\n").and_then(|()| file.flush()).map_err(failed)?;
        self.closed(file, path)
    }

    fn closed(&mut self, file: BufWriter<fs::File>, path: &Path) -> Result<(), CliError> {
        let file = file.into_inner().map_err(|error| writing(path, error.into_error()))?;
        self.bytes += file.metadata().map_err(|error| writing(path, error))?.len();
        self.files += 1;
        Ok(())
    }

    /// Writes what a device records: one script for each wave that it has.
    fn device(&mut self, folder: &Path, work: &DeviceWork) -> Result<(), CliError> {
        let users = work
            .users
            .iter()
            .map(|user| json!({"person": user.person.to_string(), "name": user.name, "role": user.role.code()}));
        let mut about = json!({
            "label": work.label, "scope": work.scope.to_string(), "users": users.collect::<Vec<_>>(), "clock_ahead_ms": work.skew_ms,
            "silent_days": work.silent_days,
        });
        for (wave, name, suffix) in [(0, "script", ""), (1, "script_after_meeting", ".after-meeting")] {
            let actions: Vec<&Action> = work.actions.iter().filter(|action| action.wave == wave).collect();
            if actions.is_empty() {
                continue;
            }
            let place = format!("devices/{}{suffix}.jsonl", work.label);
            self.script(&folder.join(&place), &actions)?;
            if let Some(object) = about.as_object_mut() {
                object.insert(name.to_owned(), place.into());
            }
        }
        self.devices.push(about);
        Ok(())
    }

    fn script(&mut self, path: &PathBuf, actions: &[&Action]) -> Result<(), CliError> {
        let failed = |error| writing(path, error);
        let mut file = BufWriter::new(fs::File::create(path).map_err(failed)?);
        for action in actions {
            let line = step(action)?;
            writeln!(file, "{line}").map_err(failed)?;
            self.saves += 1;
            self.changes += action.edits.len();
        }
        file.flush().map_err(failed)?;
        self.closed(file, path)
    }
}

/// One save as a step of `device script`.
fn step(action: &Action) -> Result<Json, CliError> {
    let mut records = Vec::with_capacity(action.edits.len());
    for edit in &action.edits {
        let mut set = Map::new();
        for (name, value) in &edit.values {
            let value = given::to_json(value).ok_or_else(|| CliError::unavailable("generate"))?;
            set.insert(name.clone(), value);
        }
        let new = edit.kind == EditKind::Create;
        records.push(json!({"type": edit.record_type, "id": edit.record.to_string(), "new": new, "set": set}));
    }
    Ok(json!({"do": "save", "at_ms": action.at_ms, "acting": action.by.to_string(), "records": records}))
}
