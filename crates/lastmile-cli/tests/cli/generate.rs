//! The data set as files: the same bytes every time, and what comes out when devices replay them.
#![expect(clippy::unwrap_used, reason = "a test says what failed by stopping")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lastmile_model::Scope;
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions};
use lastmile_report::{ReportId, ReportRequest};
use lastmile_store::query::Query;
use lastmile_web::Limits;
use serde_json::Value;

fn lastmile(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn done(arguments: &[&str]) -> Output {
    let output = lastmile(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{out}\n{err}");
    output
}

fn generate(scale: &str, seed: &str, out: &Path) -> Output {
    done(&["generate", "--scale", scale, "--seed", seed, "--out", out.to_str().unwrap(), "--json"])
}

/// Every file beneath a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["", "devices"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = format!("{part}/{}", entry.file_name().to_str().unwrap());
                found.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let first: Value = serde_json::from_slice(&generate("street", "7", &place("one")).stdout).unwrap();
    generate("street", "7", &place("two"));
    generate("street", "8", &place("three"));
    let one = files(&place("one"));
    assert!(one == files(&place("two")), "two runs differ");
    assert!(one != files(&place("three")), "the seed changes nothing");
    let bytes: usize = one.values().map(Vec::len).sum();
    assert_eq!((first["files"].as_u64(), first["bytes"].as_u64()), (Some(one.len() as u64), Some(bytes as u64)));
    let lines = one.iter().filter(|(name, _)| name.ends_with(".jsonl"));
    let lines: usize = lines.map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count()).sum();
    assert_eq!(first["saves"].as_u64(), Some(lines as u64));
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "x").unwrap();
    let refused = lastmile(&["generate", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Each device's work, played with `device script`, comes together at a relay as the ledger says.
#[test]
fn devices_that_replay_a_community_give_what_the_ledger_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    generate("community", "3", &data);
    let (dataset, ledger) = (read(&data.join("dataset.json")), read(&data.join("ledger.json")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let relay = RelayFolder::open_or_create(folder.path().join("relay"), &RelayOptions::default()).unwrap();
    let relay = runtime.block_on(Relay::start(relay, "127.0.0.1:0".parse().unwrap(), Limits::default())).unwrap();
    let devices = dataset["devices"].as_array().unwrap();
    let place = |device: &Value| folder.path().join(device["label"].as_str().unwrap()).to_str().unwrap().to_owned();
    for device in devices {
        let scope: Scope = device["scope"].as_str().unwrap().parse().unwrap();
        let users = device["users"].as_array().unwrap().iter();
        let roles = users.map(|user| user["role"].as_str().unwrap().parse().unwrap()).collect();
        let order = InviteOrder { roles, ..InviteOrder::new(vec![scope], relay.url()) };
        let invite = runtime.block_on(relay.invite(order)).unwrap();
        done(&["device", "init", &invite.to_text(), "--dir", &place(device)]);
    }
    let mut saved = 0;
    for wave in ["script", "script_after_meeting"] {
        for device in devices.iter().filter(|device| device[wave].is_string()) {
            let script = data.join(device[wave].as_str().unwrap());
            let played = done(&["device", "script", script.to_str().unwrap(), "--dir", &place(device)]);
            let answers = String::from_utf8(played.stdout).unwrap();
            assert!(answers.lines().all(|answer| answer.contains("\"ok\"")), "{answers}");
            saved += answers.lines().count() as u64;
        }
        // Two rounds, so that what the last one brought reaches the first one too.
        for device in devices.iter().chain(devices) {
            done(&["device", "sync", "--dir", &place(device)]);
        }
    }
    let saves: u64 = ledger["devices"].as_array().unwrap().iter().map(|one| one["saves"].as_u64().unwrap()).sum();
    assert_eq!(saved, saves);

    runtime.block_on(relay.settle()).unwrap();
    let mut reader = runtime.block_on(relay.reader()).unwrap();
    for (name, ids) in ledger["records"].as_object().unwrap() {
        let mut shown: BTreeSet<String> = BTreeSet::new();
        let query = Query::new(reader.type_no(name).unwrap(), &[]);
        reader
            .query(&query, &mut |row| {
                shown.insert(row.id.to_string());
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        let lost = ids.as_array().unwrap().iter().filter(|id| !shown.contains(id.as_str().unwrap())).count();
        assert_eq!((lost, shown.len()), (0, ids.as_array().unwrap().len()), "{name}");
    }
    let held = ledger["conflicts"].as_array().unwrap().iter().filter(|one| one["kind"] != "listed").count();
    let open: usize = ["person", "check_in", "activity", "participation"]
        .map(|name| {
            let query = Query::new(reader.type_no(name).unwrap(), &["open"]);
            reader.rows(&query).unwrap().iter().filter_map(|row| row.cells.first()?.int()).sum::<i64>()
        })
        .iter()
        .map(|open| usize::try_from(*open).unwrap())
        .sum();
    assert_eq!(open, held, "the questions that wait for a person");
    // Members before a person has linked anybody: only the duplicates that the relay links by itself are one already.
    let waiting = ledger["duplicates"].as_array().unwrap().iter();
    let waiting = waiting.filter(|one| one["confirmed_twice"] == true && one["linked_by_relay"] == false).count();
    let year = i32::try_from(dataset["year"].as_i64().unwrap()).unwrap();
    let day = |month, day| chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let now_ms = dataset["now_ms"].as_i64().unwrap();
    let request = ReportRequest::new(ReportId::R2, "4301", day(1, 1), day(12, 31), now_ms);
    let report = lastmile_report::run(&mut reader, &request).unwrap();
    let members = ledger["city"]["r2"]["verified"].as_i64().unwrap() + i64::try_from(waiting).unwrap();
    assert_eq!(report.figure("ever").unwrap().verified.count(), members);
    runtime.block_on(relay.stop()).unwrap();
}
