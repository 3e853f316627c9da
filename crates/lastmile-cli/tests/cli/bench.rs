//! The bench measures every figure; whether a goal is reached depends on the machine and is never asserted.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use lastmile_cli::bench::figure::SPECS;
use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    // What was there before stays, whatever its name.
    std::fs::create_dir(folder.path().join("rows")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    command.arg("bench").args(arguments).arg("--dir").arg(folder.path()).stdin(Stdio::null());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["rows"]);
    output
}

#[test]
fn every_figure_is_measured_and_stands_under_its_key() {
    let output = bench(&["--shrink", "400", "--runs", "1", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: BTreeSet<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = SPECS.iter().map(|spec| spec.key).chain(["bench"]).collect();
    assert_eq!(keys, expected);
    for spec in SPECS {
        let figure = &document[spec.key];
        assert!(figure["value"].as_f64().unwrap() > 0.0, "{}: {figure}", spec.key);
        assert_eq!(figure["unit"], spec.unit);
        assert_eq!(figure["target"].as_f64(), Some(spec.goal.target()));
        assert!(figure["reached"].is_boolean() && figure["goal"].is_string(), "{}: {figure}", spec.key);
        assert_eq!(figure["samples"].as_array().unwrap().len(), 1, "{}", spec.key);
        assert_eq!(figure["runs"], 1, "{}", spec.key);
        let sides = figure["sides"].as_array().map_or(0, Vec::len);
        assert_eq!(sides, if spec.unit == "ratio" { 2 } else { 0 }, "{}: {figure}", spec.key);
    }
    // What does not depend on the machine.
    assert_eq!(document["save_fsyncs"]["sides"][0]["median"], 1.0);
    assert_eq!(document["idle_sync_round_trips"]["value"], 1.0);
    assert_eq!(document["city_demo_time"]["summary"]["lost"], 0);
    assert_eq!(document["bench"]["shrink"], 400);
}

#[test]
fn figures_can_be_picked_and_are_shown_as_a_table() {
    let output = bench(&["one-change", "save", "--shrink", "100", "--runs", "3", "--lang", "zh-CN"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for shown in ["一次保存对比一行写入", "改一个字段到对方可见", "一行写入", "次落盘", "1/100"]
    {
        assert!(out.contains(shown), "{shown}: {out}");
    }
    assert!(!out.contains("首次下载"), "only what was asked for: {out}");
    assert!(err.contains("正在测量 save") && err.contains("正在测量 one-change"), "{err}");
    let wrong = bench(&["speed"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("relay-ingest"), "the figures are named");
}
