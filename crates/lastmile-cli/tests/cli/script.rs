//! `device script`: what a save of several records takes and refuses.
#![expect(clippy::unwrap_used, reason = "a test says what failed by stopping")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use lastmile_model::{Scope, derive};
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions};
use lastmile_web::Limits;
use serde_json::{Value, json};

const COMMUNITY: &str = "430103005010";
const PERSON: &str = "0194244f-d800-7b04-b0a7-076055393148";
const ACTIVITY: &str = "0194244f-d800-7fcc-a80e-ec5c8506d14d";

fn lastmile(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    for variable in ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LASTMILE_LOG", "LASTMILE_DIR"] {
        command.env_remove(variable);
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// An enrolled device in a folder.
fn enrolled(folder: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let relay = RelayFolder::open_or_create(folder.join("relay"), &RelayOptions::default()).unwrap();
    let relay = runtime.block_on(Relay::start(relay, "127.0.0.1:0".parse().unwrap(), Limits::default())).unwrap();
    let order = InviteOrder::new(vec![Scope::community(COMMUNITY).unwrap()], relay.url());
    let invite = runtime.block_on(relay.invite(order)).unwrap().to_text();
    let device = folder.join("device").to_str().unwrap().to_owned();
    assert_eq!(lastmile(&["device", "init", &invite, "--dir", &device], "").0, Some(0));
    runtime.block_on(relay.stop()).unwrap();
    device
}

fn play(device: &str, steps: &[Value]) -> Vec<Value> {
    let input: String = steps.iter().map(|step| format!("{step}\n")).collect();
    let (_, out) = lastmile(&["device", "script", "-", "--keep-going", "--dir", device, "--lang", "en"], &input);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn activity() -> Value {
    json!({"type": "activity", "id": ACTIVITY, "new": true, "set": {
        "title": "清洁日", "category": "environment", "kind": "service", "date": "2025-03-05", "beneficiaries": 20, "tags/环保": true,
    }})
}

fn participation(id: &str) -> Value {
    json!({"type": "participation", "id": id, "new": true, "set": {
        "activity": {"id": ACTIVITY}, "person": {"id": PERSON}, "source": "list", "attended": true, "minutes": 60,
    }})
}

fn derived() -> String {
    derive::participation(ACTIVITY.parse().unwrap(), PERSON.parse().unwrap()).to_string()
}

#[test]
fn a_save_is_one_commit_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let device = enrolled(folder.path());
    let status = json!({"do": "status"});
    let mut far = activity();
    far["set"]["date"] = json!("2199-01-01");
    let one_is_wrong = json!({"do": "save", "records": [activity(), participation(PERSON)]});
    let all_right = json!({"do": "save", "acting": PERSON, "at_ms": 1_741_150_800_000_i64, "records": [activity(), participation(&derived())]});
    let edit = json!({"do": "save", "records": [{"type": "activity", "id": ACTIVITY, "set": {"beneficiaries": 21}, "remove": ["tags/环保"]}]});
    let show = json!({"do": "show", "type": "activity", "id": ACTIVITY});
    let answers = play(&device, &[one_is_wrong, status.clone(), all_right, edit, status, show]);
    assert_eq!(answers[0]["error"]["key"], "error.invalid", "{}", answers[0]);
    assert_eq!(answers[1]["ok"]["unsent_commits"], 0, "nothing of it was saved");
    assert_eq!(answers[2]["ok"]["changes"], 2, "{}", answers[2]);
    assert_eq!(answers[3]["ok"]["changes"], 1, "{}", answers[3]);
    assert_eq!((&answers[4]["ok"]["unsent_commits"], &answers[4]["ok"]["unsent_changes"]), (&json!(2), &json!(3)));
    assert!(answers[5].to_string().contains("21") && !answers[5].to_string().contains("环保"), "{}", answers[5]);
}

#[test]
fn a_save_names_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let device = enrolled(folder.path());
    let with = |key: &str, value: Value| {
        let mut record = activity();
        record["set"][key] = value;
        json!({"do": "save", "records": [record]})
    };
    let person = json!({"type": "person", "id": PERSON, "new": true, "set": {
        "name": "张三", "party_status": "01", "status": "active", "kind/member": true, "id_no": "990103198001010000",
    }});
    let unknown = json!({"type": "activity", "id": PERSON, "set": {"note": "x"}});
    let cases = [
        (with("colour", json!("red")), "error.invalid"),
        (with("date", json!("2199-01-01")), "error.invalid"),
        (with("beneficiaries", json!("many")), "error.invalid"),
        (with("title", json!([1])), "error.invalid"),
        (with("place_code", json!("430104008008")), "error.invalid"),
        (json!({"do": "save", "records": [person]}), "error.invalid"),
        (json!({"do": "save", "records": [unknown]}), "error.no_record"),
        (json!({"do": "save", "records": [], "acting": "me"}), "error.whole_id"),
        (json!({"do": "save", "record": []}), "error.script_line"),
    ];
    let steps: Vec<Value> = cases.iter().map(|(step, _)| step.clone()).collect();
    for (answer, (step, key)) in play(&device, &steps).iter().zip(&cases) {
        assert_eq!(answer["error"]["key"], *key, "{step}: {answer}");
        assert!(!answer.to_string().contains("990103"), "nothing personal: {answer}");
    }
}

#[test]
fn a_save_that_runs_again_makes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let device = enrolled(folder.path());
    let status = json!({"do": "status"});
    let person = json!({"type": "person", "id": PERSON, "new": true, "set": {
        "name": "张三", "party_status": "01", "status": "active", "kind/member": true, "id_no": "990101198001010014",
    }});
    let save = json!({"do": "save", "records": [activity(), participation(&derived()), person]});
    let edit = json!({"do": "save", "records": [{"type": "activity", "id": ACTIVITY, "set": {"beneficiaries": 21}}]});
    let answers = play(&device, &[save.clone(), edit.clone(), status.clone(), save, edit, status]);
    assert_eq!((&answers[0]["ok"]["changes"], &answers[1]["ok"]["changes"]), (&json!(3), &json!(1)), "{answers:?}");
    assert_eq!((&answers[3]["ok"]["changes"], &answers[4]["ok"]["changes"]), (&json!(0), &json!(0)), "{answers:?}");
    assert_eq!(answers[2]["ok"]["unsent_changes"], answers[5]["ok"]["unsent_changes"]);
    // Another record under the id of one that is here is refused, with all that was to be saved with it.
    let mut other = activity();
    other["set"]["title"] = json!("大扫除");
    let fresh = json!({"type": "activity", "id": "0194244f-d800-7fcc-a80e-ec5c8506d14e", "new": true, "set": activity()["set"]});
    let refused = json!({"do": "save", "records": [fresh, other]});
    let answers = play(&device, &[refused, json!({"do": "status"})]);
    assert_eq!(answers[0]["error"]["key"], "error.script_exists", "{}", answers[0]);
    assert_eq!(answers[1]["ok"]["unsent_changes"], 4);
}

#[test]
fn a_line_that_is_no_step_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let device = enrolled(folder.path());
    let lines = [
        r#"{"do":"曹雨菲13800138000"}"#,
        r#"{"do":"add","type":"person","曹雨菲13800138000":1}"#,
        r#"{"do":"find","type":"person","text":"x","limit":"曹雨菲13800138000"}"#,
        r#""曹雨菲13800138000""#,
        r#"{"do":"find" 曹雨菲13800138000"#,
        r#"{"do":"add","type":"person","fields":{"name":"曹雨菲13800138000"#,
    ];
    for language in ["en", "zh-CN"] {
        let line = ["device", "script", "-", "--keep-going", "--dir", &device, "--lang", language];
        let (code, out) = lastmile(&line, &lines.join("\n"));
        assert_eq!((code, out.lines().count()), (Some(10), lines.len()), "{out}");
        assert!(!out.contains("曹雨菲") && !out.contains("13800138000"), "{out}");
        for (number, answer) in (1..).zip(out.lines()) {
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!((&answer["line"], &answer["error"]["key"]), (&json!(number), &json!("error.script_line")));
        }
    }
}
