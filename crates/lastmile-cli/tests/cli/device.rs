//! Recording and looking up on a device, as a worker does.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write as _;
use std::process::Stdio;

use crate::lastmile::{COMMUNITY, Place, command, enrolled, json, run, text};

fn added(device: &str, fields: &[&str]) -> String {
    let saved = json(0, &[&["device", "add"][..], fields, &["--dir", device]].concat());
    saved["id"].as_str().unwrap().to_owned()
}

fn ids(document: &serde_json::Value) -> Vec<&str> {
    document["records"].as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap()).collect()
}

const PERSON: [&str; 5] = ["person", "name=王五一", "phone+=13800138000", "party_status=中共党员", "kind+=member"];

#[test]
fn a_similar_person_is_hinted_at_before_anything_is_saved() {
    let place = Place::new();
    let (_serving, _, device) = enrolled(&place);
    let first = added(&device, &PERSON);
    let again = [&["device", "add"][..], &PERSON, &["--dir", &device]].concat();
    for (language, word) in [("en", "--anyway"), ("zh-CN", "--anyway")] {
        let output = run(8, &[&again[..], &["--lang", language]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&first) && said.contains(word), "{said}");
        assert!(!said.contains("王五一") && !said.contains("13800138000"), "{said}");
    }
    assert_eq!(json(0, &["device", "status", "--dir", &device])["unsent"]["commits"], 1);
    // Another phone, another person; or the worker knows better.
    run(
        0,
        &[
            "device",
            "add",
            "person",
            "name=王五一",
            "phone+=13900139111",
            "party_status=01",
            "kind+=member",
            "--dir",
            &device,
        ],
    );
    run(0, &[&again[..], &["--anyway"]].concat());
    assert_eq!(json(0, &["device", "list", "person", "--dir", &device])["count"], 3);
}

#[test]
fn what_the_office_linked_is_found_and_listed_once() {
    let place = Place::new();
    let (_serving, relay, device) = enrolled(&place);
    let one = added(&device, &PERSON);
    let other = added(&device, &[&PERSON[..], &["job=保安", "--anyway"]].concat());
    run(0, &["device", "sync", "--dir", &device]);
    run(0, &["office", "link", &one, &other, "--why", "同一人", "--dir", &relay]);
    run(0, &["device", "sync", "--dir", &device]);
    for words in ["王五一", "wwy", "8000"] {
        assert_eq!(ids(&json(0, &["device", "find", words, "--dir", &device])), [one.as_str()], "{words}");
    }
    let listed = json(0, &["device", "list", "person", "--dir", &device]);
    assert_eq!((ids(&listed), listed["left_out"].as_u64()), (vec![one.as_str()], Some(1)));
    assert_eq!(ids(&json(0, &["device", "list", "person", "--all", "--dir", &device])).len(), 2);
    let note = run(0, &["device", "list", "person", "--dir", &device]);
    assert!(String::from_utf8(note.stderr).unwrap().contains("--all"));
    // Apart again.
    run(0, &["office", "unlink", &one, &other, "--why", "父子同名", "--dir", &relay]);
    run(0, &["device", "sync", "--dir", &device]);
    assert_eq!(ids(&json(0, &["device", "find", "王五一", "--dir", &device])).len(), 2);
}

#[test]
fn a_record_goes_its_course_in_words_of_both_languages() {
    let place = Place::new();
    let (_serving, relay, device) = enrolled(&place);
    let fields = ["activity", "title=清洁日", "category=环保清洁", "date=2025-03-05", "--event", "submit"];
    let id = added(&device, &fields);
    for (language, word) in [("en", "Submitted"), ("zh-CN", "待审核")] {
        for line in [&["device", "list", "activity"][..], &["device", "show", &id]] {
            let shown = text(&run(0, &[line, &["--dir", &device, "--lang", language]].concat()));
            assert!(shown.contains(word), "{shown}");
        }
    }
    assert_eq!(json(0, &["device", "show", &id, "--dir", &device])["state"], "submitted", "codes for programs");
    let refused = run(3, &["device", "edit", &id, "--event", "return", "--dir", &device]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("why"));
    run(3, &["device", "edit", &id, "--event", "plan", "--dir", &device]);
    assert!(text(&run(0, &["device", "status", "--dir", &device])).contains("no exchange"));
    run(0, &["device", "sync", "--dir", &device]);
    assert!(text(&run(0, &["device", "status", "--dir", &device])).contains("last exchange"));
    assert!(json(0, &["device", "status", "--dir", &device])["last_exchange"].is_string());
    run(0, &["office", "verify", &id, "--dir", &relay]);
    run(0, &["device", "sync", "--dir", &device]);
    assert_eq!(json(0, &["device", "show", &id, "--dir", &device])["state"], "verified");
    // A request for a correction changes nothing until it is accepted.
    run(0, &["device", "edit", &id, "date=2025-03-06", "--dir", &device]);
    let shown = json(0, &["device", "show", &id, "--dir", &device]);
    assert_eq!(
        (&shown["values"]["date"], &shown["conflicts"][0]["kind"]),
        (&"2025-03-05".into(), &"correction".into())
    );
}

#[test]
fn a_part_of_a_text_and_one_of_several_values_are_found_by_a_tilde() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    drop(serving);
    let activity = |title: &str| format!("title={title}");
    let mut made = Vec::new();
    for (title, more) in [("清洁日", "tags+=环保"), ("社区大清洁", "tags+=周末"), ("讲座", "beneficiaries=21")]
    {
        let fields = ["activity", &activity(title), "category=环保清洁", "date=2025-03-05", more];
        made.push(added(&device, &fields));
    }
    for (condition, found) in [
        ("title~清洁", vec![1, 0]),
        ("title~讲", vec![2]),
        ("title~%", vec![]),
        ("tags~环保", vec![0]),
        ("tags~环", vec![]),
        ("date~2025-03", vec![2, 1, 0]),
        ("beneficiaries~2", vec![2]),
        ("state~planned", vec![2, 1, 0]),
    ] {
        let listed = json(0, &["device", "list", "activity", "--where", condition, "--dir", &device]);
        let wanted: Vec<&str> = found.into_iter().map(|at: usize| made[at].as_str()).collect();
        assert_eq!(ids(&listed), wanted, "{condition}");
    }
    let table = place.text("found.csv");
    let export = ["export", "table", "activity", "--where", "title~清洁", "--out", &table, "--dir", &device];
    assert_eq!(json(0, &export)["count"], 2);
}

#[test]
fn a_list_shows_the_newest_first_and_goes_on_where_a_page_ended() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    drop(serving);
    let made: Vec<String> = (0..7)
        .map(|number| {
            let (title, date) = (format!("title=第{number}次"), format!("date=2025-03-0{}", 1 + number % 3));
            added(&device, &["activity", &title, "category=环保清洁", &date])
        })
        .collect();
    for sort in [&[][..], &["--sort", "date"], &["--sort", "date:desc"], &["--sort", "title:desc", "--sort", "date"]] {
        let list = |more: &[&str]| {
            let line = [&["device", "list", "activity", "--dir", &device][..], sort, more].concat();
            ids(&json(0, &line)).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let whole = list(&[]);
        assert_eq!(whole.len(), made.len());
        if sort.is_empty() {
            assert!(whole.iter().eq(made.iter().rev()), "{whole:?}");
        }
        let mut paged = list(&["--limit", "2"]);
        while let Some(last) = paged.last().cloned() {
            let page = list(&["--limit", "2", "--after", &last]);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, whole, "{sort:?}");
    }
}

#[test]
fn lines_that_name_nothing_say_what_is_missing() {
    let place = Place::new();
    let (_serving, relay, device) = enrolled(&place);
    let person = added(&device, &PERSON);
    run(0, &["device", "sync", "--dir", &device]);
    let nowhere = "430103999999";
    for (code, line) in [
        (4, &["device", "find", "x", "--type", "nothing", "--dir", &device][..]),
        (4, &["device", "list", "nothing", "--dir", &device]),
        (4, &["device", "list", "person", "--where", "nothing=1", "--dir", &device]),
        (4, &["device", "list", "person", "--sort", "nothing", "--dir", &device]),
        (4, &["device", "list", "person", "--columns", "nothing", "--dir", &device]),
        (4, &["device", "show", "ffffffff", "--dir", &device]),
        (2, &["device", "show", "ffff", "--dir", &device]),
        (4, &["device", "sync", "--from", "nothing.lastmile", "--dir", &device]),
        (4, &["device", "status", "--dir", &place.text("nothing")]),
        (4, &["device", "script", "nothing.jsonl", "--dir", &device]),
        (3, &["device", "init", "nothing", "--dir", &place.text("new")]),
        (4, &["relay", "invite", "--scope", nowhere, "--dir", &relay]),
        (3, &["office", "move", &person, "--to", nowhere, "--why", "搬家", "--dir", &relay]),
        (3, &["office", "conflicts", "--all", "--dir", &relay]),
        (4, &["office", "conflicts", "--scope", "430999", "--dir", &relay]),
    ] {
        let output = run(code, line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.trim().is_empty() && output.stdout.is_empty(), "{line:?}");
        assert!(!said.contains('\u{1b}'), "no colour without a terminal: {line:?}\n{said}");
    }
    run(0, &["office", "conflicts", "--all", "--scope", COMMUNITY, "--dir", &relay]);
}

#[test]
fn the_log_of_a_relay_is_not_coloured_without_a_terminal() {
    let place = Place::new();
    let (_serving, _, device) = enrolled(&place);
    let output = command(&["device", "sync", "-vv", "--dir", &device]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.is_empty() && !said.contains('\u{1b}'), "{said}");
    let always = command(&["device", "sync", "-vv", "--color", "always", "--dir", &device]).output().unwrap();
    assert!(String::from_utf8(always.stderr).unwrap().contains('\u{1b}'));
}

#[test]
fn a_script_does_what_its_help_says() {
    let place = Place::new();
    let (_serving, _, device) = enrolled(&place);
    let mut child = command(&["device", "script", "-", "--dir", &device])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = [
        r#"{"do":"add","type":"activity","fields":{"title":"清洁日","category":"environment","date":"2025-03-05"},"events":[{"kind":"submit"}]}"#,
        r#"{"do":"find","type":"activity","text":"清洁"}"#,
        r#"{"do":"list","type":"activity","columns":["title","state"]}"#,
        r#"{"do":"status"}"#,
        r#"{"do":"sync"}"#,
        r#"{"do":"status"}"#,
    ];
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let answers: Vec<serde_json::Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len());
    assert_eq!(answers[1]["ok"][0], answers[0]["ok"]["id"]);
    assert_eq!(answers[2]["ok"][0]["state"], "submitted");
    assert_eq!((&answers[3]["ok"]["unsent_commits"], &answers[5]["ok"]["unsent_commits"]), (&1.into(), &0.into()));
    let help = text(&run(0, &["device", "script", "--help"]));
    for word in ["add", "edit", "event", "show", "find", "list", "status", "sync"] {
        assert!(help.contains(word), "{word}\n{help}");
    }
}

#[test]
fn a_copied_device_that_watches_goes_on_under_a_new_author() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    added(&device, &PERSON);
    run(0, &["device", "sync", "--dir", &device]);
    // A backup of the folder, from before more was saved and sent.
    let copy = place.text("copy");
    assert!(std::process::Command::new("cp").args(["-a", &device, &copy]).status().unwrap().success());
    added(&device, &["activity", "title=之后", "category=环保清洁", "date=2025-03-05"]);
    run(0, &["device", "sync", "--dir", &device]);
    let before = json(0, &["device", "status", "--dir", &copy])["author"].clone();
    let watched = run(0, &["device", "watch", "--seconds", "3", "--json", "--dir", &copy]);
    let said = text(&watched);
    assert!(said.contains("\"restored\":true"), "{said}");
    let after = json(0, &["device", "status", "--dir", &copy]);
    assert_ne!(after["author"], before);
    assert_eq!(json(0, &["device", "list", "activity", "--dir", &copy])["count"], 1);
    assert_eq!(serving.stop(), Some(0));
}
