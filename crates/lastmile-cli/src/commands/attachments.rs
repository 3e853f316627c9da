//! `device attach`, `device attachments`, `device fetch-attachment`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use lastmile_client::{
    Attachment, ClientError, FileBudget, FileReport, FileStanding, Replica, ReplicaOptions, SyncReport,
};
use lastmile_media::Refused;
use lastmile_model::ChangeHash;
use lastmile_store::Naming;
use serde_json::{Value, json};

use super::opened::{client_error, find_record, folder, replica, replica_options, runtime};
use super::written::writing;
use crate::args::attachments::{Attach, Attachments, FetchAttachment};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::{Key, key};
use crate::output::{Column, Output, Table};

/// The longest file that is read: one byte more than is looked at, so that a longer one is named as such.
const MOST: u64 = lastmile_media::MAX_TAKEN as u64 + 1;

/// The fewest digits by which a file is named.
const FEWEST_DIGITS: usize = 8;

fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| CliError::reading(path, error))?;
    file.take(MOST).read_to_end(&mut bytes).map_err(|error| CliError::reading(path, error))?;
    Ok(bytes)
}

fn hex(hash: &[u8; 32]) -> String {
    ChangeHash(*hash).to_string()
}

/// Attaches a file to a record.
pub(super) fn attach(args: &Attach, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let bytes = read_file(&args.file)?;
    let replica = replica(&args.data, output)?;
    let found = replica.read(|reader| find_record(reader, &args.id, None))?;
    let of_file = || args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = args.name.clone().unwrap_or_else(of_file);
    let attached = replica.attach(None, (&found.record_type, found.id), &name, &bytes).map_err(failed)?;
    replica.close().map_err(failed)?;
    output.json(&json!({
        "id": attached.record.to_string(), "of": found.id.to_string(), "hash": hex(&attached.hash),
        "form": attached.form.code(), "size": attached.size, "thumbnail": attached.thumbnail.as_ref().map(hex),
    }))?;
    let args = [("id", attached.record.to_string()), ("bytes", attached.size.to_string())];
    output.say(key!("attachment.saved"), &args)?;
    Ok(Exit::Done)
}

/// Says why a file is not taken.
pub(super) fn not_taken(refused: Refused) -> CliError {
    let new = |key| CliError::new(Exit::Refused, key);
    let megabytes = |bytes: usize| (bytes >> 20).to_string();
    match refused {
        Refused::Kind => new(key!("attachment.no.kind")).cure(key!("attachment.cure.kind")),
        Refused::Damaged => new(key!("attachment.no.damaged")),
        Refused::TooLong { limit, .. } => new(key!("attachment.no.too_long")).with("limit", megabytes(limit)),
        Refused::TooLarge { pixels, limit } => new(key!("attachment.no.too_large"))
            .with("pixels", pixels)
            .with("limit", limit)
            .cure(key!("attachment.cure.too_large")),
        Refused::Moving => new(key!("attachment.no.moving")),
        Refused::Place => new(key!("attachment.no.place")).cure(key!("attachment.cure.place")),
    }
}

fn standing_word(standing: FileStanding) -> (&'static str, Key) {
    match standing {
        FileStanding::Away => ("away", key!("attachment.away")),
        FileStanding::Arriving(_) => ("arriving", key!("attachment.arriving")),
        FileStanding::Waiting => ("waiting", key!("attachment.waiting")),
        FileStanding::Uploaded => ("uploaded", key!("attachment.uploaded")),
        FileStanding::Refused => ("refused", key!("attachment.refused")),
    }
}

/// Lists attachments.
pub(super) fn list(args: &Attachments, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let replica = replica(&args.data, output)?;
    let of = match &args.id {
        Some(id) => Some(replica.read(|reader| find_record(reader, id, None))?.id),
        None => None,
    };
    let all = replica.attachments(of).map_err(failed)?;
    replica.close().map_err(failed)?;
    let mut table = Table::new(vec![
        Column::text("id"),
        Column::text(output.messages().plain(key!("attachment.hash"))),
        Column::text(output.messages().plain(key!("attachment.kind"))),
        Column::number(output.messages().plain(key!("attachment.bytes"))),
        Column::text(output.messages().plain(key!("attachment.standing"))),
        Column::text(output.messages().plain(key!("attachment.name"))),
    ]);
    let mut objects = Vec::new();
    for Attachment { named, standing } in &all {
        let (word, shown) = standing_word(*standing);
        let small = named.naming == Naming::Thumbnail;
        let form = if small { output.messages().plain(key!("attachment.thumbnail")) } else { named.form.clone() };
        let name = named.name.clone().filter(|_| !small).unwrap_or_default();
        table.row([
            named.record.to_string().as_str().into(),
            hex(&named.hash).get(..16).unwrap_or_default().into(),
            form.as_str().into(),
            named.size.to_string().as_str().into(),
            output.messages().plain(shown).as_str().into(),
            name.as_str().into(),
        ]);
        let held = match standing {
            FileStanding::Arriving(held) => *held,
            FileStanding::Away => 0,
            _ => named.size,
        };
        objects.push(json!({
            "id": named.record.to_string(), "of": named.of.map(|of| of.to_string()), "hash": hex(&named.hash),
            "thumbnail": small, "form": named.form, "size": named.size, "held": held, "standing": word,
            "name": named.name,
        }));
    }
    output.json(&json!({"count": objects.len(), "attachments": objects}))?;
    if all.is_empty() {
        output.say::<&str>(key!("attachment.none"), &[])?;
    } else {
        output.table(&table)?;
    }
    Ok(Exit::Done)
}

/// Makes rounds of the lane for files until nothing is left to do, or it cannot be done now.
pub(super) async fn sync_files(replica: &Replica, output: &mut Output) -> FileReport {
    let mut all = FileReport::default();
    loop {
        match replica.sync_files(&FileBudget::default()).await {
            Ok(report) => {
                let moved = report.sent_bytes.saturating_add(report.fetched_bytes) > 0;
                all.sent_bytes = all.sent_bytes.saturating_add(report.sent_bytes);
                all.sent_files = all.sent_files.saturating_add(report.sent_files);
                all.fetched_bytes = all.fetched_bytes.saturating_add(report.fetched_bytes);
                all.fetched_files = all.fetched_files.saturating_add(report.fetched_files);
                all.refused.extend(report.refused);
                all.more = report.more;
                if !report.more || !moved {
                    return all;
                }
            }
            Err(error) => {
                all.more = true;
                output.note(key!("attachment.later"), &[("reason", error.to_string())]);
                return all;
            }
        }
    }
}

/// The report of an exchange with what became of files.
pub(super) fn with_files(report: &SyncReport, files: &FileReport) -> Value {
    let mut whole = serde_json::to_value(report).unwrap_or_default();
    let refused: Vec<Value> = files.refused.iter().map(|(hash, why)| json!({"hash": hex(hash), "why": why})).collect();
    if let Some(object) = whole.as_object_mut() {
        object.insert(
            "files".to_owned(),
            json!({
                "sent": files.sent_files, "sent_bytes": files.sent_bytes, "fetched": files.fetched_files,
                "fetched_bytes": files.fetched_bytes, "refused": refused, "more": files.more,
            }),
        );
    }
    whole
}

/// Finds the one file whose hash begins so.
fn named(replica: &Replica, digits: &str) -> Result<Option<[u8; 32]>, ClientError> {
    let digits = digits.to_ascii_lowercase();
    let mut found: Vec<[u8; 32]> = replica.attachments(None)?.into_iter().map(|one| one.named.hash).collect();
    found.retain(|hash| digits.len() >= FEWEST_DIGITS && hex(hash).starts_with(&digits));
    found.dedup();
    Ok(if let [only] = found.as_slice() { Some(*only) } else { None })
}

/// Fetches a file and writes it out.
pub(super) fn fetch(args: &FetchAttachment, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let place = folder(&args.data, Holder::Device)?;
    let options = ReplicaOptions { timeout: Duration::from_secs(args.timeout), ..replica_options(&args.data)? };
    let replica = Replica::open(&place, options).map_err(failed)?;
    let unknown = || CliError::new(Exit::NotFound, key!("attachment.unknown")).with("hash", &args.hash);
    let hash = named(&replica, &args.hash).map_err(failed)?.ok_or_else(unknown)?;
    let mut bytes = replica.file(&hash).map_err(failed)?;
    if bytes.is_none() {
        replica.want_file(&hash).map_err(failed)?;
        let runtime = runtime()?;
        let budget = FileBudget { send: 0, ..FileBudget::default() };
        while bytes.is_none() {
            let report = runtime.block_on(replica.sync_files(&budget)).map_err(failed)?;
            bytes = replica.file(&hash).map_err(failed)?;
            if report.fetched_bytes == 0 {
                break;
            }
        }
    }
    replica.close().map_err(failed)?;
    let Some(bytes) = bytes else {
        return Err(CliError::new(Exit::NotFound, key!("attachment.not_there"))
            .with("hash", &args.hash)
            .cure(key!("attachment.cure.not_there")));
    };
    let written = std::fs::File::create_new(&args.to).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(|error| writing(&args.to, error))?;
    output.json(&json!({"hash": hex(&hash), "file": args.to, "bytes": bytes.len()}))?;
    let said = [("file", args.to.display().to_string()), ("bytes", bytes.len().to_string())];
    output.say(key!("attachment.written"), &said)?;
    Ok(Exit::Done)
}
