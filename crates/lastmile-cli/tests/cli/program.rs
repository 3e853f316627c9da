//! The program as a user runs it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn lastmile(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        command.env_remove(variable);
    }
    command
}

fn roster() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roster/excel-utf8.csv")
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn help_goes_to_standard_output_and_mistakes_to_standard_error() {
    let help = lastmile(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("Exit codes:") && out(&help).contains("最后一公里"));
    let mistake = lastmile(&["device", "add", "person"]);
    assert_eq!(mistake.status.code(), Some(2));
    assert!(out(&mistake).is_empty() && err(&mistake).contains("FIELD=VALUE"));
}

#[test]
fn checks_a_roster_in_the_users_language() {
    let file = roster();
    let arguments = ["import", "roster", file.to_str().unwrap(), "--dry-run"];
    let english = lastmile(&arguments);
    assert_eq!(english.status.code(), Some(10), "{}", err(&english));
    assert!(out(&english).contains("Rows that can be taken: 3; rows that cannot: 4."), "{}", out(&english));
    assert!(!out(&english).contains('\u{1b}'), "no colour without a terminal");
    assert!(!out(&english).contains("王五一") && !out(&english).contains("990103"), "nothing personal");
    let chinese = command(&arguments).env("LC_ALL", "zh_CN.UTF-8").output().unwrap();
    assert!(out(&chinese).contains("可采用 3 行，不可采用 4 行。"), "{}", out(&chinese));
    let chosen = command(&arguments).env("LC_ALL", "zh_CN.UTF-8").args(["--lang", "en"]).output().unwrap();
    assert_eq!(out(&chosen), out(&english));
}

#[test]
fn gives_json_for_machines() {
    let file = roster();
    let checked = lastmile(&["import", "roster", file.to_str().unwrap(), "--dry-run", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((document["good_rows"].as_u64(), document["bad_rows"].as_u64()), (Some(3), Some(4)));
    assert_eq!(document["bad"][0]["reason"], "digits_lost");
    let missing = lastmile(&["import", "roster", "none.csv", "--dry-run", "--json"]);
    assert_eq!(missing.status.code(), Some(4));
    let document: serde_json::Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!(document["error"]["code"], "not_found");
    assert!(missing.stdout.is_empty());
}

#[test]
fn a_key_that_is_none_or_not_for_the_relay_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "張三").unwrap();
    let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
    let output = lastmile(&["device", "status", "--dir", folder, "--key-file", file]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        err(&output).contains("holds no key") && err(&output).contains("64 hexadecimal digits"),
        "{}",
        err(&output)
    );
    let output = lastmile(&["office", "duplicates", "--dir", folder, "--key-file", file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("belongs to devices"), "{}", err(&output));
}

#[test]
fn colours_where_it_is_asked_to() {
    let file = roster();
    let file = file.to_str().unwrap();
    let always = lastmile(&["import", "roster", file, "--dry-run", "--color", "always"]);
    assert!(out(&always).contains('\u{1b}'));
}
