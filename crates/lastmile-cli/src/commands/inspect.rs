//! `inspect`: what a replica or a file holds, or why it is malformed.

use std::path::Path;

use lastmile_log::{Invite, MAX_RAW, UnpackedBatch, unpack};
use lastmile_model::{Catalogue, FieldKind, Merge};
use lastmile_protocol::bundle::START;
use lastmile_protocol::frame::FrameReader;
use lastmile_protocol::limits::MAX_FRAME;
use lastmile_protocol::{BadFrame, Frame};
use lastmile_store::Reader;
use serde_json::{Value as Json, json};

use super::opened::{file_of, find_record, key_for, reader, reader_of, store_error};
use super::shown::{instant, label, origin_json, value_json, value_text};
use crate::args::data::Inspect;
use crate::args::values::RecordRef;
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Column, Output, Table};

/// The largest file that is looked into.
const MOST: u64 = 1 << 30;
const SQLITE: &[u8] = b"SQLite format 3\0";
const AUTOMERGE: &[u8] = &[0x85, 0x6f, 0x4a, 0x83];
/// Where an Automerge chunk says what it is: after magic and checksum. 0 is a document.
const CHUNK_KIND: usize = 8;

/// Looks into what was named.
pub(super) fn run(args: &Inspect, output: &mut Output) -> Result<Exit, CliError> {
    if let Some(file) = &args.file {
        // An encrypted replica looks like noise; whoever names its key means it.
        return match key_for(&args.data, file)? {
            Some(key) => of_replica(file, Some(key), output),
            None => of_file(file, output),
        };
    }
    if let Some(id) = &args.record {
        return of_record(&mut reader(&args.data, Holder::Device)?, id, output);
    }
    if let Some(name) = &args.fields {
        return of_fields(name, output);
    }
    if args.authors {
        return of_authors(&mut reader(&args.data, Holder::Device)?, output);
    }
    let file = file_of(&args.data, Holder::Device)?;
    of_replica(&file, key_for(&args.data, &file)?, output)
}

fn malformed(file: &Path, reason: impl std::fmt::Display) -> CliError {
    CliError::new(Exit::Damage, key!("inspect.malformed")).with("file", file.display()).with("reason", reason)
}

fn of_file(file: &Path, output: &mut Output) -> Result<Exit, CliError> {
    let reading = |error| CliError::reading(file, error);
    let mut open = std::fs::File::open(file).map_err(reading)?;
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut open, 16), &mut start).map_err(reading)?;
    if start.starts_with(SQLITE) {
        return of_replica(file, None, output);
    }
    let mut bytes = start;
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut open, MOST), &mut bytes).map_err(reading)?;
    if let Some(frames) = bytes.strip_prefix(START.as_slice()) {
        // Some writers put the start twice, and their readers take both.
        let frames = frames.strip_prefix(START.as_slice()).unwrap_or(frames);
        return of_frames(file, frames, true, output);
    }
    if bytes.starts_with(AUTOMERGE) {
        return of_change(file, &bytes, output);
    }
    if let Ok(text) = std::str::from_utf8(&bytes)
        && let Ok(invite) = Invite::from_text(text.trim())
    {
        let scopes: Vec<String> = invite.scopes.iter().map(ToString::to_string).collect();
        output.json(&json!({"kind": "invite", "relay": invite.relay, "scopes": scopes}))?;
        output.say(key!("inspect.invite"), &[("relay", invite.relay.clone()), ("scopes", scopes.join(", "))])?;
        return Ok(Exit::Done);
    }
    let not_a_batch = match unpack(&bytes, MAX_RAW) {
        Ok(batch) => return of_batch(&batch, output),
        Err(error) => error,
    };
    match first_frame(&bytes) {
        Ok(()) => of_frames(file, &bytes, false, output),
        Err(not_a_frame) => Err(CliError::new(Exit::Damage, key!("inspect.unknown"))
            .with("file", file.display())
            .with("reason", format!("{not_a_batch}; {not_a_frame}"))),
    }
}

fn first_frame(bytes: &[u8]) -> Result<(), BadFrame> {
    let mut reader = FrameReader::new(MAX_FRAME);
    reader.push(bytes);
    let raw = reader.next_frame()?.ok_or(BadFrame::Truncated)?;
    Frame::open(&raw, MAX_FRAME).map(|_| ())
}

/// What one frame says, in a few words without personal data.
fn frame_words(frame: &Frame) -> String {
    match frame {
        Frame::Hello(hello) => {
            let scopes: Vec<String> = hello.scopes.iter().map(|one| one.scope.to_string()).collect();
            format!("{} {} [{}]", hello.author, hello.app, scopes.join(" "))
        }
        Frame::Vector(vector) => format!("{} +{}", vector.scope, vector.pending.len()),
        Frame::Batch(batch) => match unpack(&batch.packed, MAX_RAW) {
            Ok(unpacked) => {
                let (first, last, seals) = (unpacked.first, unpacked.last(), batch.seals.len());
                format!("{} {} {first}-{last}, seals {seals}", batch.scope, batch.author)
            }
            Err(error) => format!("{} {}: {error}", batch.scope, batch.author),
        },
        Frame::Receipts(receipts) => receipts.len().to_string(),
        Frame::Certificates(list) | Frame::Enrolled(list) => {
            list.iter().map(|one| one.device.as_str()).collect::<Vec<_>>().join(", ")
        }
        Frame::Seals(seals) => format!("{} {} {}", seals.scope, seals.author, seals.positions.len()),
        Frame::Want(want) => format!("{} {}-", want.scope, want.after),
        Frame::Credit(bytes) => bytes.to_string(),
        Frame::Error(error) => format!("{:?} {}", error.code, error.arguments.join(" ")),
        Frame::End(end) => format!("equal {}, more {}, handled {}", end.equal, end.more, end.handled),
        Frame::Auth(auth) => instant(auth.time_ms),
        Frame::Enrol(enrol) => enrol.device.clone(),
        Frame::Files(files) => format!("{} {}", files.scope, files.hashes.len()),
        Frame::Held(held) => format!("{} {}", held.scope, held.files.len()),
        Frame::Piece(piece) => format!("{} {}+{} of {}", piece.scope, piece.offset, piece.bytes.len(), piece.size),
        Frame::Fetch(fetch) => format!("{} {}-", fetch.scope, fetch.offset),
    }
}

/// Whether a frame's batch can be read.
fn is_sound(frame: &Frame) -> bool {
    match frame {
        Frame::Batch(batch) => unpack(&batch.packed, MAX_RAW).is_ok(),
        _ => true,
    }
}

fn of_frames(file: &Path, bytes: &[u8], bundle: bool, output: &mut Output) -> Result<Exit, CliError> {
    let mut table = Table::new(vec![
        Column::number(output.messages().plain(key!("inspect.number"))),
        Column::text(output.messages().plain(key!("inspect.frame"))),
        Column::number(output.messages().plain(key!("inspect.bytes"))),
        Column::text(output.messages().plain(key!("inspect.holds"))),
    ]);
    let mut objects: Vec<Json> = Vec::new();
    let mut reader = FrameReader::new(MAX_FRAME);
    let (mut rest, mut taken, mut bad, mut sound) = (bytes, 0usize, None, true);
    loop {
        let pushed = reader.push(rest);
        rest = rest.get(pushed..).unwrap_or_default();
        let raw = match reader.next_frame() {
            Ok(Some(raw)) => raw,
            Ok(None) if pushed > 0 && !rest.is_empty() => continue,
            Ok(None) => break,
            Err(error) => {
                bad = Some(error);
                break;
            }
        };
        taken = taken.saturating_add(raw.wire().len());
        let (name, words) = match Frame::open(&raw, MAX_FRAME) {
            Ok(Some(frame)) => {
                sound = sound && is_sound(&frame);
                (frame.name(), frame_words(&frame))
            }
            Ok(None) => ("?", format!("{:#04x}", raw.kind())),
            Err(error) => {
                bad = Some(error);
                break;
            }
        };
        let number = objects.len().saturating_add(1);
        table.row([number.to_string().into(), name.into(), raw.wire().len().to_string().into(), words.as_str().into()]);
        objects.push(json!({"frame": name, "bytes": raw.wire().len(), "holds": words}));
    }
    let left = bytes.len().saturating_sub(taken);
    let count = objects.len();
    output.json(&json!({
        "kind": if bundle { "bundle" } else { "frames" }, "frames": objects, "left_over": left,
        "problem": bad.as_ref().map(ToString::to_string),
    }))?;
    let word = if bundle { key!("inspect.bundle") } else { key!("inspect.frames") };
    output.say(word, &[("count", count.to_string())])?;
    if count > 0 {
        output.table(&table)?;
    }
    if let Some(error) = bad {
        return Err(malformed(file, error));
    }
    if left > 0 {
        output.say(key!("inspect.broken_off"), &[("count", count.to_string()), ("bytes", left.to_string())])?;
    }
    Ok(if left == 0 && sound { Exit::Done } else { Exit::Damage })
}

fn of_batch(batch: &UnpackedBatch, output: &mut Output) -> Result<Exit, CliError> {
    let changes: usize = batch.commits.iter().map(|commit| commit.header.changes.len()).sum();
    let objects: Vec<Json> = batch
        .commits
        .iter()
        .map(|commit| {
            let header = &commit.header;
            let changes: Vec<Json> = header
                .changes
                .iter()
                .map(|entry| {
                    json!({
                        "type": entry.record_type, "record": entry.record.to_string(),
                        "hash": entry.header.hash.to_string(), "operations": entry.header.op_count,
                    })
                })
                .collect();
            json!({
                "seq": header.seq, "chain": commit.chain.to_string(), "at": instant(header.wall_ms),
                "app": header.app, "acting": header.acting.map(|person| person.to_string()), "changes": changes,
            })
        })
        .collect();
    output.json(&json!({
        "kind": "batch", "scope": batch.scope.to_string(), "author": batch.author.to_string(),
        "first": batch.first, "last": batch.last(), "head": batch.head().to_string(), "commits": objects,
    }))?;
    let said = [
        ("author", batch.author.to_string()),
        ("scope", batch.scope.to_string()),
        ("first", batch.first.to_string()),
        ("last", batch.last().to_string()),
        ("changes", changes.to_string()),
        ("head", batch.head().to_string()),
    ];
    output.say(key!("inspect.batch"), &said)?;
    Ok(Exit::Done)
}

fn of_change(file: &Path, bytes: &[u8], output: &mut Output) -> Result<Exit, CliError> {
    if bytes.get(CHUNK_KIND) == Some(&0) {
        output.json(&json!({"kind": "document", "bytes": bytes.len()}))?;
        output.say(key!("inspect.document"), &[("bytes", bytes.len().to_string())])?;
        return Ok(Exit::Done);
    }
    let change = lastmile_crdt::decode(bytes).map_err(|error| malformed(file, error))?;
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("inspect.key"))),
        Column::text(output.messages().plain(key!("device.value"))),
    ]);
    let mut objects = Vec::new();
    for op in &change.ops {
        let value = match &op.action {
            lastmile_crdt::Action::Set(value) => value_json(value, None),
            lastmile_crdt::Action::Delete => Json::Null,
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.row([op.key.as_str().into(), text.into()]);
        objects.push(json!({"key": op.key, "value": value, "replaces": op.pred.len()}));
    }
    output.json(&json!({
        "kind": "change", "hash": change.hash.to_string(), "actor": change.actor.to_string(), "seq": change.seq,
        "start_op": change.start_op, "deps": change.deps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "time": change.time, "operations": objects,
    }))?;
    let said = [
        ("hash", change.hash.to_string()),
        ("actor", change.actor.to_string()),
        ("seq", change.seq.to_string()),
        ("first", change.start_op.to_string()),
        ("last", change.max_op().to_string()),
        ("deps", change.deps.len().to_string()),
    ];
    output.say(key!("inspect.change"), &said)?;
    output.table(&table)?;
    Ok(Exit::Done)
}

fn of_replica(file: &Path, key: Option<[u8; 32]>, output: &mut Output) -> Result<Exit, CliError> {
    let mut reader = reader_of(file, key).map_err(store_error)?;
    let counts = reader.counts(None).map_err(store_error)?;
    let logs = reader.logs().map_err(store_error)?;
    let bytes = std::fs::metadata(file).map_err(|error| CliError::reading(file, error))?.len();
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("inspect.scope"))),
        Column::text(output.messages().plain(key!("device.author"))),
        Column::number(output.messages().plain(key!("inspect.head"))),
        Column::number(output.messages().plain(key!("inspect.changes"))),
        Column::text(output.messages().plain(key!("inspect.last"))),
        Column::text(output.messages().plain(key!("inspect.branch"))),
    ]);
    let mut objects = Vec::new();
    for log in &logs {
        table.row([
            log.scope.to_string().into(),
            log.author.to_string().into(),
            log.head.to_string().into(),
            log.changes.to_string().into(),
            instant(log.last_wall_ms).into(),
            if log.branch { "*" } else { "" }.into(),
        ]);
        objects.push(json!({
            "scope": log.scope.to_string(), "author": log.author.to_string(), "head": log.head,
            "changes": log.changes, "last": instant(log.last_wall_ms), "branch": log.branch,
        }));
    }
    output.json(&json!({
        "kind": "replica", "file": file, "bytes": bytes, "logs": objects,
        "held": {
            "applied": counts.applied, "waiting": counts.waiting, "quarantined": counts.quarantined,
            "opaque": counts.opaque, "erased": counts.erased, "pending": counts.pending,
        },
    }))?;
    let said = [
        ("bytes", bytes),
        ("applied", counts.applied),
        ("waiting", counts.waiting),
        ("quarantined", counts.quarantined),
        ("opaque", counts.opaque),
        ("erased", counts.erased),
        ("pending", counts.pending),
    ];
    output.say(key!("inspect.replica"), &said.map(|(name, number)| (name, number.to_string())))?;
    if !table.is_empty() {
        output.table(&table)?;
    }
    Ok(Exit::Done)
}

fn of_record(reader: &mut Reader, id: &RecordRef, output: &mut Output) -> Result<Exit, CliError> {
    let found = find_record(reader, id, None)?;
    let catalogue = std::sync::Arc::clone(reader.catalogue());
    let known = catalogue.get(&found.record_type).map(|(_, known)| known);
    let language = output.messages().language();
    let mut objects = Vec::new();
    for item in reader.history(&found.record_type, found.id).map_err(store_error)? {
        let origin = &item.origin;
        let head = format!("{} {}:{} {}", instant(origin.wall_ms), origin.author, origin.seq, item.state.word());
        output.line(&head)?;
        output.line(&format!("  {} {}", origin.hash, item.reason))?;
        let mut edits = serde_json::Map::new();
        for (name, value) in &item.edits {
            let field = known.and_then(|known| known.field(name)).map(|(_, field)| field);
            let text = value.as_ref().map_or_else(|| "—".to_owned(), |value| value_text(value, field, language));
            output.line(&format!("  {name} = {text}"))?;
            edits.insert(name.clone(), value.as_ref().map_or(Json::Null, |value| value_json(value, field)));
        }
        objects.push(json!({
            "origin": origin_json(origin), "state": item.state.word(), "reason": item.reason, "edits": edits,
        }));
    }
    output
        .json(&json!({"kind": "record", "type": found.record_type, "id": found.id.to_string(), "changes": objects}))?;
    Ok(Exit::Done)
}

fn of_authors(reader: &mut Reader, output: &mut Output) -> Result<Exit, CliError> {
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("device.author"))),
        Column::text(output.messages().plain(key!("office.device"))),
        Column::text(output.messages().plain(key!("inspect.roles"))),
        Column::text(output.messages().plain(key!("inspect.scope"))),
        Column::text(output.messages().plain(key!("inspect.until"))),
    ]);
    let mut objects = Vec::new();
    if let Some(trust) = reader.trust().map_err(store_error)? {
        for (author, certificate) in trust.authors() {
            let scopes: Vec<String> = certificate.scopes.iter().map(ToString::to_string).collect();
            let until = certificate.until_ms.map(instant);
            table.row([
                author.to_string().into(),
                certificate.device.as_str().into(),
                certificate.roles.join(" ").into(),
                scopes.join(" ").into(),
                until.clone().unwrap_or_default().into(),
            ]);
            objects.push(json!({
                "author": author.to_string(), "device": certificate.device, "roles": certificate.roles,
                "scopes": scopes, "until": until,
            }));
        }
    }
    output.json(&json!({"kind": "authors", "authors": objects}))?;
    output.table(&table)?;
    Ok(Exit::Done)
}

fn kind_word(kind: &FieldKind) -> String {
    match kind {
        FieldKind::Ref(types) => format!("{} {}", kind.word(), types.join("|")),
        _ => kind.word().to_owned(),
    }
}

const fn letter(merge: Merge) -> &'static str {
    match merge {
        Merge::Immutable => "I",
        Merge::Register => "R",
        Merge::Question => "Q",
        Merge::Set => "S",
        Merge::Event => "E",
        Merge::Computed => "C",
        Merge::Sealed => "V",
    }
}

fn of_fields(name: &str, output: &mut Output) -> Result<Exit, CliError> {
    let catalogue = Catalogue::builtin();
    let types: Vec<_> = catalogue.types().iter().filter(|known| name.is_empty() || known.name == name).collect();
    if types.is_empty() {
        return Err(CliError::new(Exit::NotFound, key!("error.no_type")).with("type", name));
    }
    let language = output.messages().language();
    let mut objects = Vec::new();
    for known in types {
        let mut table = Table::new(vec![
            Column::text(output.messages().plain(key!("inspect.key"))),
            Column::text(output.messages().plain(key!("inspect.merge"))),
            Column::text(output.messages().plain(key!("inspect.field_kind"))),
            Column::text(output.messages().plain(key!("inspect.level"))),
            Column::text(output.messages().plain(key!("inspect.label"))),
            Column::text(output.messages().plain(key!("inspect.choices"))),
        ]);
        let mut fields = Vec::new();
        for field in known.fields.iter().filter(|field| !field.common) {
            let choices: Vec<&str> = if field.events.is_empty() {
                field.choices.iter().map(|choice| choice.code.as_str()).collect()
            } else {
                field.events.iter().map(|event| event.kind.as_str()).collect()
            };
            let level = format!("L{}", field.level as u8);
            table.row([
                field.name.as_str().into(),
                letter(field.merge).into(),
                kind_word(&field.kind).into(),
                level.as_str().into(),
                label(known, &field.name, language).into(),
                choices.join(" ").into(),
            ]);
            fields.push(json!({
                "name": field.name, "merge": letter(field.merge), "kind": kind_word(&field.kind), "level": level,
                "required": field.required, "zh": field.label_zh, "en": field.label_en, "choices": choices,
            }));
        }
        output.line(&known.name)?;
        output.table(&table)?;
        objects.push(json!({"type": known.name, "fields": fields}));
    }
    output.json(&json!({"kind": "fields", "types": objects}))?;
    Ok(Exit::Done)
}
