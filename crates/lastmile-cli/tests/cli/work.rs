//! Relay, device, office, reports and files, as a user runs them.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use crate::lastmile::{COMMUNITY, Place, Serving, command, enrolled, json, run, text};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roster").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_roster_goes_through_device_relay_and_office_into_the_figures() {
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);

    let imported = json(10, &["import", "roster", &fixture("plain.csv"), "--dir", &device]);
    assert_eq!((imported["saved"].as_u64(), imported["bad_rows"].as_u64()), (Some(3), Some(2)), "{imported:#}");
    let bad: Vec<(u64, &str)> = imported["bad"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bad| (bad["row"].as_u64().unwrap(), bad["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(bad, [(4, "invalid"), (5, "other_community")]);
    assert_eq!(imported["duplicates"][0]["row"], 6, "the same name and month of birth");
    assert_eq!(imported["no_employer"], serde_json::json!([2]));

    let before = json(0, &["report", "R1", "--dir", &device]);
    assert_eq!(before["figures"][0]["verified"], 0, "{before:#}");
    assert_eq!(before["figures"][0]["with_pending"], 3);

    run(0, &["device", "sync", "--dir", &device]);
    let listed = json(0, &["device", "list", "check_in", "--dir", &device]);
    let ids: Vec<&str> = listed["records"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);

    // Through the running relay, the first by the beginning of its id where that is clear.
    let confirmed = json(0, &["office", "confirm", ids[0], ids[1], "--dir", &relay]);
    assert_eq!(confirmed["done"], 2, "{confirmed:#}");
    let again = run(3, &["office", "confirm", ids[0], "--dir", &relay]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("confirmed"));
    let pairs = json(0, &["office", "duplicates", "--dir", &relay]);
    assert_eq!(pairs["found"], 1, "{pairs:#}");
    let (one, other) =
        (pairs["persons"][0]["one"]["id"].as_str().unwrap(), pairs["persons"][0]["other"]["id"].as_str().unwrap());
    assert!(!pairs.to_string().contains("王五一"), "names stand masked");
    assert_eq!(serving.stop(), Some(0), "a word to stop is obeyed");

    // On the folder, now that no relay has it open.
    run(0, &["office", "link", one, other, "--why", "同一人", "--dir", &relay]);
    assert!(text(&run(0, &["office", "conflicts", "--dir", &relay])).contains("Fields to decide: 0"));
    run(4, &["office", "resolve", one, "name", "--take", "1", "--why", "x", "--dir", &relay]);

    let report = json(0, &["report", "R1", "--scope", COMMUNITY, "--dir", &relay]);
    assert_eq!(report["figures"][0]["with_pending"], 2, "{report:#}");
    let csv = place.text("R1.csv");
    let shown = run(0, &["report", "R1", "--scope", COMMUNITY, "--list", "--csv", &csv, "--dir", &relay]);
    assert!(text(&shown).contains("Verified") && text(&shown).contains("With pending"), "{}", text(&shown));
    let bytes = std::fs::read(&csv).unwrap();
    assert!(bytes.starts_with(b"\xEF\xBB\xBF") && bytes.ends_with(b"\r\n"));
    run(4, &["report", "R3", "--dir", &relay]);
    assert_eq!(json(0, &["report"]).as_array().unwrap().len(), 11);

    for folder in [&relay, &device] {
        assert!(text(&run(0, &["check", "--full", "--dir", folder])).contains("No damage"), "{folder}");
        assert_eq!(json(0, &["rebuild", "--compare", "--dir", folder])["same"], true);
        assert_eq!(json(0, &["rebuild", "--dir", folder])["same"], true);
    }
    assert!(json(0, &["inspect", "--dir", &relay])["logs"].as_array().unwrap().len() >= 2);
    assert!(json(0, &["inspect", "--authors", "--dir", &relay])["authors"].as_array().unwrap().len() >= 2);
    assert!(text(&run(0, &["inspect", "--record", one, "--dir", &relay])).contains("name ="));
    assert!(text(&run(0, &["inspect", "--fields", "person"])).contains("party_status"));

    // Again, with a relay that stands on the same folder.
    let serving = Serving::start(&place);
    run(6, &["check", "--dir", &relay]);
    assert_eq!(json(0, &["office", "duplicates", "--dir", &relay])["found"], 0);
    drop(serving);
}

#[test]
fn a_mended_roster_is_read_again_without_registering_anybody_twice() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    drop(serving);
    let roster = place.text("名册.csv");
    let read = |code: i32, rows: &[&str], more: &[&str]| {
        let text = format!("姓名,手机,出生年月,身份证号,政治面貌\n{}\n", rows.join("\n"));
        std::fs::write(&roster, text).unwrap();
        json(code, &[&["import", "roster", &roster, "--dir", &device][..], more].concat())
    };
    let rows_of = |answer: &serde_json::Value, key: &str| {
        answer[key].as_array().unwrap().iter().map(|one| one["row"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let count = || json(0, &["device", "list", "check_in", "--dir", &device])["count"].as_u64().unwrap();
    let good = ["王五一,13800138000,1980-05,,01", "李四四,,1981-06,,01", "曹雨菲,,,990101198001010014,01"];
    let bad = "赵六六,138001,1981-06,,01";
    let first = read(10, &[good[0], bad, good[1], good[2]], &[]);
    assert_eq!((first["saved"].as_u64(), rows_of(&first, "present"), count()), (Some(3), vec![], 3), "{first:#}");
    // The bad row is mended, one stands twice, and one has a second phone now.
    let mended = "赵六六,13800138001,1981-06,,01";
    let again = read(0, &["王 五一,13800138000;13900139000,1980-05,,01", mended, good[1], good[2], mended], &[]);
    assert_eq!((again["saved"].as_u64(), count()), (Some(1), 4), "{again:#}");
    assert_eq!(rows_of(&again, "present"), [2, 4, 5, 6]);
    assert_eq!(again["present"][0]["person"], first["people"][0]["person"]);
    assert_eq!(again["present"][3]["person"], again["people"][0]["person"]);
    assert_eq!(again["bad_rows"], 0);
    let all = read(0, &good, &[]);
    assert_eq!((all["saved"].as_u64(), rows_of(&all, "present"), count()), (Some(0), vec![2, 3, 4], 4));
    // Somebody else: another id number, another phone, or only the name in common.
    let others = ["曹雨菲,,,990101198001010022,01", "王五一,13700137000,1980-05,,01", "李四四,,1985-01,,01"];
    let others = read(0, &others, &[]);
    assert_eq!((others["saved"].as_u64(), rows_of(&others, "present"), count()), (Some(3), vec![], 7), "{others:#}");
    assert_eq!(read(0, &good[..1], &["--anyway"])["saved"], 1);
    assert_eq!(count(), 8);
    for (language, word) in [("en", "is left out"), ("zh-CN", "未保存")] {
        let said = text(&run(0, &["import", "roster", &roster, "--dir", &device, "--lang", language]));
        assert!(said.contains(word) && !said.contains("13800138000"), "{said}");
    }
}

#[test]
fn exports_what_other_programs_read() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    drop(serving);
    run(10, &["import", "roster", &fixture("plain.csv"), "--dir", &device]);
    let csv = place.text("people.csv");
    run(0, &["export", "table", "person", "--columns", "name,phone", "--out", &csv, "--dir", &device]);
    let masked = std::fs::read_to_string(&csv).unwrap();
    assert!(masked.starts_with('\u{feff}') && masked.contains("\r\n"), "{masked}");
    assert!(!masked.contains("王五一") && !masked.contains("13800138000"), "{masked}");
    run(
        0,
        &[
            "export",
            "table",
            "person",
            "--columns",
            "name,phone",
            "--out",
            &csv,
            "--unmasked",
            "核对",
            "--dir",
            &device,
        ],
    );
    let whole = std::fs::read_to_string(&csv).unwrap();
    assert!(whole.contains("王五一") && whole.contains("13800138000"), "{whole}");
    assert!(std::fs::read_to_string(place.path("device/exports.log")).unwrap().contains("核对"));
    run(2, &["export", "table", "person", "--out", &place.text("people.doc"), "--dir", &device]);

    let listed = json(0, &["device", "list", "person", "--dir", &device]);
    let id = listed["records"][0]["id"].as_str().unwrap();
    let document = place.text("one.automerge");
    let exported = json(0, &["export", "record", id, "--out", &document, "--dir", &device]);
    assert_eq!(exported["original"], true);
    assert_eq!(json(0, &["inspect", &document])["kind"], "document");
    run(0, &["export", "record", id, "--out", &place.text("one.json"), "--dir", &device]);

    let bundle = place.text("usb.lastmile");
    run(0, &["device", "sync", "--to", &bundle, "--dir", &device]);
    let inspected = json(0, &["inspect", &bundle]);
    assert_eq!(inspected["kind"], "bundle");
    assert!(inspected["frames"].to_string().contains("community:430103005010"), "{inspected:#}");
    // Damage anywhere is named, and ends no other way than damage does.
    let whole = std::fs::read(&bundle).unwrap();
    let broken = place.path("broken");
    for cut in [0, 5, 12, 13, 40, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&broken, &whole[..cut]).unwrap();
        let code = command(&["inspect", broken.to_str().unwrap()]).output().unwrap().status.code();
        // A bundle with nothing in it yet is whole.
        assert_eq!(code, Some(if cut == 12 { 0 } else { 7 }), "{cut}");
    }
    for place in (12..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        std::fs::write(&broken, &bytes).unwrap();
        let code = command(&["inspect", broken.to_str().unwrap()]).output().unwrap().status.code();
        assert!(matches!(code, Some(0 | 7)), "{place}: {code:?}");
    }
}

#[test]
fn a_check_finds_damage() {
    let place = Place::new();
    let (serving, _, device) = enrolled(&place);
    drop(serving);
    run(10, &["import", "roster", &fixture("plain.csv"), "--dir", &device]);
    let file = place.path("device/replica.db");
    let whole = std::fs::read(&file).unwrap();
    let mut torn = whole.clone();
    for byte in &mut torn[4096..] {
        *byte ^= 0xA5;
    }
    std::fs::write(&file, &torn).unwrap();
    run(7, &["check", "--dir", &device]);
    std::fs::write(&file, b"not a database, whatever its name says, and long enough to be looked at").unwrap();
    run(7, &["check", "--dir", &device]);
    run(4, &["check", "--dir", &place.text("nowhere")]);
}

#[test]
fn a_relay_without_tls_stays_on_its_computer() {
    let place = Place::new();
    let output =
        run(2, &["relay", "serve", "--dir", &place.text("relay"), "--listen", "0.0.0.0:0", "--set", "tls.mode=off"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--proxy"));
    assert!(!place.path("relay").exists());
    run(4, &["relay", "invite", "--dir", &place.text("relay"), "--scope", COMMUNITY]);
    run(4, &["office", "conflicts", "--dir", &place.text("relay")]);
}

#[test]
fn a_device_whose_time_is_over_is_told_so() {
    let place = Place::new();
    let (_serving, relay, device) = enrolled(&place);
    run(0, &["device", "sync", "--dir", &device]);
    let (late, invite) = (place.text("late"), place.text("late.txt"));
    let order = ["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--until", "2020-01-01", "--out", &invite];
    run(0, &order);
    run(0, &["device", "init", "--invite-file", &invite, "--dir", &late]);
    let report = json(9, &["device", "sync", "--dir", &late]);
    let refused: Vec<_> = report["refused"].as_array().unwrap().iter().collect();
    assert_eq!(refused.len(), 2, "{report}");
    for one in &refused {
        assert_eq!((&one["word"], &one["code"]), (&"upload_only".into(), &101.into()));
    }
    assert!(refused.iter().any(|one| one["scope"] == format!("community:{COMMUNITY}")));
    for (language, word) in [("en", "time of this device is over"), ("zh-CN", "使用期已过")] {
        let said = text(&run(9, &["device", "sync", "--dir", &late, "--lang", language]));
        assert!(said.contains(word) && said.contains(COMMUNITY), "{said}");
    }
}
