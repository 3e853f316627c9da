//! `rebuild` and `check`: the replica of a device or of a relay that nobody has open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastmile_model::Catalogue;
use lastmile_relay::{RelayFolder, RelayOptions, audit_setting, check_audit, check_files, file_folder};
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::{Rebuilt, Store, StoreError};
use serde_json::json;

use super::opened::{file_of, key_for, store_error};
use super::refused::relay_error;
use super::written::writing;
use crate::args::data::{Check, Rebuild};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::{Key, Language, key};
use crate::output::{Column, Output, Table};

/// How many changes the views follow in one transaction.
const AT_ONCE: u64 = 50_000;

fn open(file: &Path, key: Option<[u8; 32]>) -> Result<Store, StoreError> {
    let catalogue = Catalogue::builtin();
    let storage = sqlite::open(file, &OpenOptions { key, ..OpenOptions::default() }, catalogue)?;
    Store::new(storage, Arc::new(catalogue.clone()))
}

/// Builds the views anew, with a bar.
fn rebuilt(store: &mut Store, word: Key, output: &Output) -> Result<Rebuilt, StoreError> {
    let total = store.reader()?.counts(None)?.held();
    let bar = output.progress::<&str>(Some(total), word, &[]);
    store.rebuild(&mut |done, _| bar.reach(done))
}

/// Builds the views anew, or beside the present ones.
pub(super) fn rebuild(args: &Rebuild, output: &mut Output) -> Result<Exit, CliError> {
    let file = file_of(&args.data, Holder::Relay)?;
    let key = key_for(&args.data, &file)?;
    let language = output.messages().language();
    if let Some(place) = relay_folder(&file) {
        // What arrived is held against permissions before a view shows it.
        drop(
            RelayFolder::open_or_create(place, &RelayOptions::default())
                .map_err(|error| relay_error(error, language))?,
        );
    }
    let mut store = open(&file, key).map_err(store_error)?;
    if args.compare {
        let result = compared(&file, key, output)?;
        output.json(&document(&result))?;
        let changes = [("changes", result.changes.to_string())];
        let same = result.before == result.after;
        output.say(if same { key!("data.same") } else { key!("data.differs") }, &changes)?;
        return Ok(if same { Exit::Done } else { Exit::Damage });
    }
    // Logs that wait to be shown are no difference. Where following fails, building anew is the cure.
    while store.follow_views(AT_ONCE).unwrap_or(false) {}
    let result = rebuilt(&mut store, key!("data.rebuilding"), output).map_err(store_error)?;
    output.json(&document(&result))?;
    let same = result.before == result.after;
    let word = if same { key!("data.rebuilt") } else { key!("data.rebuilt_other") };
    output.say(word, &[("changes", result.changes.to_string())])?;
    Ok(Exit::Done)
}

/// The folder of a relay's database; none for a device's.
fn relay_folder(file: &Path) -> Option<&Path> {
    if file.file_name().is_some_and(|name| name == "relay.db") { file.parent() } else { None }
}

fn document(result: &Rebuilt) -> serde_json::Value {
    let hex = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "changes": result.changes, "before": hex(&result.before), "after": hex(&result.after),
        "same": result.before == result.after,
    })
}

/// A folder that goes away with what is in it.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // What cannot be removed is named so that nobody takes it for data.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies the file, whose writer's lock the caller holds, and builds the copy's views anew.
fn compared(file: &Path, key: Option<[u8; 32]>, output: &Output) -> Result<Rebuilt, CliError> {
    let aside = Aside(file.with_file_name(format!("compare-{}.tmp", std::process::id())));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&aside.0).map_err(|error| writing(&aside.0, error))?;
    for ending in ["", "-wal"] {
        let with_ending = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (from, to) = (with_ending(file), with_ending(&aside.0.join("copy.db")));
        if from.exists() {
            std::fs::copy(&from, &to).map_err(|error| writing(&to, error))?;
        }
    }
    let mut copy = open(&aside.0.join("copy.db"), key).map_err(store_error)?;
    while copy.follow_views(AT_ONCE).map_err(store_error)? {}
    rebuilt(&mut copy, key!("data.comparing"), output).map_err(store_error)
}

/// What is wrong with the files of attachments; those in a bucket are not looked at.
fn files_of(place: &Path, store: &Store, language: Language) -> Result<Vec<String>, CliError> {
    let found = file_folder(place, store).and_then(|folder| match folder {
        Some(folder) => check_files(&folder, store),
        None => Ok(Vec::new()),
    });
    found.map_err(|error| relay_error(error, language))
}

/// Checks everything that is held.
pub(super) fn check(args: &Check, output: &mut Output) -> Result<Exit, CliError> {
    let file = file_of(&args.data, Holder::Relay)?;
    let mut findings: Vec<(String, String)> = Vec::new();
    let mut compared_with = None;
    let key = key_for(&args.data, &file)?;
    match open(&file, key).and_then(|mut store| {
        let total = store.reader()?.counts(None)?.held();
        let bar = output.progress::<&str>(Some(total), key!("data.checking"), &[]);
        let found = store.check(&mut |done, _| bar.reach(done))?;
        Ok((store, found))
    }) {
        Ok((store, found)) => {
            findings.extend(found.into_iter().map(|finding| (finding.kind.to_owned(), finding.text)));
            if args.full && findings.is_empty() {
                let result = compared(&file, key, output)?;
                if result.before != result.after {
                    findings.push(("views".to_owned(), "the views do not show what the logs say".to_owned()));
                }
                compared_with = Some(result.changes);
            }
            if let Some(place) = relay_folder(&file) {
                let remembered = store.setting(audit_setting()).map_err(store_error)?;
                let audit = check_audit(place, remembered.as_deref());
                let language = output.messages().language();
                let found = audit.map_err(|error| relay_error(error, language))?;
                findings.extend(found.map(|text| ("audit".to_owned(), text)));
                findings.extend(files_of(place, &store, language)?.into_iter().map(|text| ("files".to_owned(), text)));
            }
            drop(store);
        }
        // The file is there: that it cannot be read as a replica is what the check was to find.
        Err(error @ (StoreError::Damaged { .. } | StoreError::BadBatch(_))) => {
            findings.push(("store".to_owned(), error.to_string()));
        }
        Err(error @ (StoreError::WrongKey { .. } | StoreError::NotAReplica { .. })) => {
            findings.push(("file".to_owned(), error.to_string()));
        }
        Err(error) => return Err(store_error(error)),
    }
    let objects: Vec<_> = findings.iter().map(|(kind, text)| json!({"kind": kind, "text": text})).collect();
    output.json(&json!({"file": file, "findings": objects, "views_compared": compared_with}))?;
    if findings.is_empty() {
        output.say::<&str>(key!("data.sound"), &[])?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("data.kind"))),
        Column::text(output.messages().plain(key!("data.what"))),
    ]);
    for (kind, text) in &findings {
        table.row([kind.as_str().into(), text.as_str().into()]);
    }
    output.table(&table)?;
    output.say(key!("data.found"), &[("count", findings.len().to_string())])?;
    Ok(Exit::Damage)
}
