//! What is typed wrong.

use std::io::Write as _;
use std::process::Stdio;

use super::{complaint, error, offline, save, titles, unsent};
use crate::lastmile::{COMMUNITY, Place, command, json, run};

/// A checked line, the field that is wrong, words of the cure in English and Chinese, and the value that nobody may repeat.
struct Wrong {
    arguments: &'static [&'static str],
    field: [&'static str; 2],
    cure: [&'static str; 2],
    secret: &'static str,
}

const PERSON: &str = "00000000-0000-7000-8000-000000000001";

const WRONG: &[Wrong] = &[
    Wrong {
        arguments: &["check_in", "person=00000000-0000-7000-8000-000000000001", "community=430103999999"],
        field: ["Community", "社区"],
        cure: ["place", "区划"],
        secret: "430103999999",
    },
    Wrong {
        arguments: &["person", "name=王五一", "party_status=01", "kind+=member", "id_no=990101198001010012"],
        field: ["Id number", "身份证号"],
        cure: ["check", "校验"],
        secret: "990101198001010012",
    },
    Wrong {
        arguments: &["person", "name=王五一", "party_status=01", "kind+=member", "id_no=9901011980010100"],
        field: ["Id number", "身份证号"],
        cure: ["18", "18"],
        secret: "9901011980010100",
    },
    Wrong {
        arguments: &["activity", "title=清洁日", "category=环保清洁", "date=2025-02-30"],
        field: ["Date", "日期"],
        cure: ["2026-03-05", "2026-03-05"],
        secret: "2025-02-30",
    },
    Wrong {
        arguments: &["activity", "title=清洁日", "category=环保清洁", "date=2999-01-01"],
        field: ["Date", "日期"],
        cure: ["today", "今天"],
        secret: "2999-01-01",
    },
    Wrong {
        arguments: &["person", "name=  ", "party_status=01", "kind+=member", "phone+=13800138000"],
        field: ["Name", "姓名"],
        cure: ["required", "请填写"],
        secret: "13800138000",
    },
    Wrong {
        arguments: &["person", "name=", "party_status=01", "kind+=member", "phone+=13800138000"],
        field: ["Name", "姓名"],
        cure: ["required", "请填写"],
        secret: "13800138000",
    },
    Wrong {
        arguments: &["person", "name=王五一", "party_status=01", "kind+=member", "phone+=1380013800"],
        field: ["Phone", "电话"],
        cure: ["11", "11"],
        secret: "1380013800",
    },
];

#[test]
fn what_is_typed_wrong_is_named_by_field_with_a_cure_and_never_repeated() {
    let place = Place::new();
    let device = offline(&place);
    save(&device, "之前");
    let before = unsent(&device);
    for wrong in WRONG {
        let line = [&["device", "add"][..], wrong.arguments, &["--dir", &device]].concat();
        for (said, (field, cure)) in complaint(3, &line).iter().zip(wrong.field.iter().zip(wrong.cure)) {
            assert!(
                said.to_lowercase().contains(&field.to_lowercase()),
                "{:?}: {field} is not named\n{said}",
                wrong.arguments
            );
            assert!(said.contains(cure), "{:?}: no cure `{cure}`\n{said}", wrong.arguments);
            assert!(!said.contains(wrong.secret) && !said.contains("王五一"), "repeats what was typed\n{said}");
        }
        let (code, message) = error(3, &line);
        assert_eq!(code, "refused");
        assert!(!message.contains(wrong.secret), "{message}");
    }
    assert_eq!((unsent(&device), titles(&device)), (before, vec!["之前".to_owned()]), "nothing was saved");
    // Put right, it is saved.
    save(&device, "之后");
    let line =
        ["device", "add", "person", "name=王五一", "party_status=01", "kind+=member", "id_no=990101198001010014"];
    let saved = json(0, &[&line[..], &["--dir", &device]].concat());
    let person = format!("person={}", saved["id"].as_str().unwrap());
    run(0, &["device", "add", "check_in", &person, &format!("community={COMMUNITY}"), "--dir", &device]);
    assert_eq!(unsent(&device), before + 3);
}

#[test]
fn every_fault_of_a_line_is_told_at_once() {
    let place = Place::new();
    let device = offline(&place);
    let line = ["device", "add", "activity", "title=清洁日", "category=园艺", "date=2025-13-01", "beneficiaries=many"];
    let [said, _] = complaint(3, &[&line[..], &["--dir", &device]].concat());
    for field in ["category", "date", "persons served"] {
        let line = said.lines().find(|line| line.contains(&format!("Activity, {field}")));
        assert!(line.is_some(), "{field}\n{said}");
    }
}

/// Runs a script; its answers, one JSON document a line.
fn script(code: i32, device: &str, lines: &[String]) -> Vec<serde_json::Value> {
    let arguments = ["device", "script", "-", "--keep-going", "--dir", device];
    let mut child = command(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n");
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn activity(title: &str, note: &str) -> String {
    serde_json::json!({
        "do": "add",
        "type": "activity",
        "fields": {"title": title, "category": "environment", "date": "2025-03-05", "note": note},
    })
    .to_string()
}

#[test]
fn a_note_of_ten_megabytes_is_refused_with_the_limit_and_the_next_line_is_saved() {
    let place = Place::new();
    let device = offline(&place);
    let note = "很".repeat(10 << 20 >> 1); // 15 MB of UTF-8
    let secret = note.clone() + "秘密";
    let answers = script(10, &device, &[activity("长", &secret), activity("短", "很好"), "不是步骤".to_owned()]);
    assert_eq!(answers.len(), 3);
    let message = answers[0]["error"]["message"].as_str().unwrap();
    assert_eq!(answers[0]["error"]["code"], "refused");
    assert!(message.contains("note") && message.contains("2000"), "{}", message.get(..300).unwrap_or(message));
    assert!(message.len() < 300, "the note is not repeated");
    assert!(answers[1]["ok"]["id"].is_string(), "{}", answers[1]);
    assert_eq!(answers[2]["error"]["code"], "refused");
    assert_eq!(titles(&device), ["短"]);
    // On a command line the system allows about 128 kB a word.
    let note = format!("note={}", "很".repeat(40_000));
    let line =
        ["device", "add", "activity", "title=长", "category=环保清洁", "date=2025-03-05", &note, "--dir", &device];
    for said in complaint(3, &line) {
        assert!(said.contains("2000") && said.len() < 400, "{}", said.get(..400).unwrap_or(&said));
    }
    assert_eq!((titles(&device), unsent(&device)), (vec!["短".to_owned()], 1));
}

#[test]
fn a_script_names_its_faults_as_the_form_does() {
    let place = Place::new();
    let device = offline(&place);
    let lines: Vec<String> = [
        serde_json::json!({"do": "add", "type": "check_in", "fields": {"person": PERSON, "community": "430103999999"}}),
        serde_json::json!({"do": "add", "type": "person",
            "fields": {"name": "王五一", "party_status": "01", "kind": ["member"], "id_no": "990101198001010012"}}),
        serde_json::json!({"do": "add", "type": "activity",
            "fields": {"title": "清洁日", "category": "environment", "date": "2025-02-30"}}),
        serde_json::json!({"do": "add", "type": "activity",
            "fields": {"title": "清洁日", "category": "environment", "date": "2999-01-01"}}),
        serde_json::json!({"do": "add", "type": "person", "fields": {"name": " ", "party_status": "01", "kind": ["member"]}}),
        serde_json::json!({"do": "add", "type": "nothing", "fields": {}}),
        serde_json::json!({"do": "show", "type": "person", "id": PERSON}),
        serde_json::json!({"do": "edit", "type": "person", "id": "王五一", "fields": {"name": "王五"}}),
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    let answers = script(10, &device, &lines);
    let told: Vec<(&str, &str)> = answers
        .iter()
        .map(|answer| (answer["error"]["code"].as_str().unwrap(), answer["error"]["message"].as_str().unwrap()))
        .collect();
    let expected = [
        ("refused", "Community"),
        ("refused", "Id number"),
        ("refused", "Date"),
        ("refused", "Date"),
        ("refused", "Name"),
        ("not_found", "nothing"),
        ("not_found", PERSON),
        ("refused", "id"),
    ];
    for ((code, message), (expected, word)) in told.iter().zip(expected) {
        assert_eq!(*code, expected, "{message}");
        assert!(message.to_lowercase().contains(&word.to_lowercase()), "{message}");
        for secret in ["990101198001010012", "2025-02-30", "王五一"] {
            assert!(!message.contains(secret), "{message}");
        }
    }
    assert_eq!(unsent(&device), 0);
}
