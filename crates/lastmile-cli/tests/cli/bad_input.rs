//! Bad input and bad circumstances, as a user meets them: a clear error, nothing lost, and the work goes on after the cure.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod bundles;
mod entries;
mod network;
mod storage;

use crate::lastmile::{Place, command, enrolled, json, run};

/// Saves an activity; returns its id.
fn save(device: &str, title: &str) -> String {
    let title = format!("title={title}");
    let fields = ["category=环保清洁", "date=2025-03-05", "beneficiaries=20"];
    let saved = json(0, &[&["device", "add", "activity", "--dir", device, &title][..], &fields].concat());
    saved["id"].as_str().unwrap().to_owned()
}

/// The titles of the activities on a device.
fn titles(device: &str) -> Vec<String> {
    let selection = ["--columns", "title", "--sort", "title", "--limit", "0"];
    let listed = json(0, &[&["device", "list", "activity", "--dir", device][..], &selection].concat());
    let records = listed["records"].as_array().unwrap();
    records.iter().map(|record| record["title"].as_str().unwrap().to_owned()).collect()
}

/// How many saves wait for upload.
fn unsent(device: &str) -> u64 {
    json(0, &["device", "status", "--dir", device])["unsent"]["commits"].as_u64().unwrap()
}

/// What a line that must end with this code says on standard error, in both languages.
fn complaint(code: i32, arguments: &[&str]) -> [String; 2] {
    ["en", "zh-CN"].map(|language| {
        let output = run(code, &[arguments, &["--lang", language]].concat());
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    })
}

/// The name and the message of the error that a line ends with, as programs read them.
fn error(code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(code, &[arguments, &["--json"]].concat());
    let document: serde_json::Value = serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}", String::from_utf8_lossy(&output.stderr)));
    let text = |name: &str| document["error"][name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

/// A device that is enrolled with a relay which no longer runs.
fn offline(place: &Place) -> String {
    let (serving, _, device) = enrolled(place);
    drop(serving);
    device
}

/// A shell line with the program's path as `$0` and further words as `$1` ...
fn shell(line: &str, words: &[&str]) -> std::process::Command {
    let program = command(&[]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line]).arg(program.get_program()).args(words).stdin(std::process::Stdio::null());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        shell.env_remove(variable);
    }
    shell
}
