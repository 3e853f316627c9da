//! Files that were cut, bent or are something else.

use super::{complaint, error, save, titles};
use crate::lastmile::{COMMUNITY, Place, Serving, enrolled, json, run};

/// A second device of the same community.
fn colleague(place: &Place, relay: &str) -> String {
    let (device, invite) = (place.text("colleague"), place.text("second.txt"));
    run(0, &["relay", "invite", "--dir", relay, "--scope", COMMUNITY, "--out", &invite]);
    run(0, &["device", "init", "--invite-file", &invite, "--dir", &device]);
    device
}

/// Two devices that know each other's certificates, and a file by which the first brings the second something new.
fn carried(place: &Place) -> (Serving, String, String, Vec<u8>) {
    let (serving, relay, device) = enrolled(place);
    let colleague = colleague(place, &relay);
    save(&device, "共同的");
    for one in [&device, &colleague] {
        run(0, &["device", "sync", "--dir", one]);
    }
    save(&device, "新的");
    let file = place.text("day.lastmile");
    run(0, &["device", "sync", "--to", &file, "--dir", &device]);
    let bytes = std::fs::read(&file).unwrap();
    (serving, device, colleague, bytes)
}

#[test]
fn a_file_that_was_cut_or_bent_says_so_and_the_whole_one_is_taken() {
    let place = Place::new();
    let (_serving, _, colleague, whole) = carried(&place);
    let file = place.text("usb.lastmile");
    let line = ["device", "sync", "--from", &file, "--dir", &colleague];
    let before = titles(&colleague);
    assert_eq!(before, ["共同的"]);

    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let cut = json(10, &line);
    assert_eq!(cut["bundle"]["whole"], false, "{cut}");
    for (said, word) in ["en", "zh-CN"].iter().zip(["breaks off", "不完整"]) {
        let output = run(10, &[&line[..], &["--lang", said]].concat());
        assert!(String::from_utf8(output.stdout).unwrap().contains(word), "{said}");
    }
    assert_eq!(titles(&colleague), before);

    // A frame of a kind that nobody knows.
    let mut bent = whole.clone();
    bent[14] = 0x63;
    std::fs::write(&file, &bent).unwrap();
    assert_eq!(error(7, &line).0, "damage");
    for (said, word) in complaint(7, &line).iter().zip(["damaged", "损坏"]) {
        assert!(said.contains(word) && said.contains("usb.lastmile"), "{said}");
    }
    assert_eq!(titles(&colleague), before);

    for foreign in [&b"<html>login</html>"[..], b"", b"\x89LAST"] {
        std::fs::write(&file, foreign).unwrap();
        assert_eq!(error(3, &line).0, "refused");
        for said in complaint(3, &line) {
            assert!(said.contains("usb.lastmile"), "{said}");
        }
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(error(4, &line).0, "not_found");
    assert_eq!(titles(&colleague), before);

    std::fs::write(&file, &whole).unwrap();
    assert_eq!(json(0, &line)["bundle"]["whole"], true);
    assert_eq!(titles(&colleague), ["共同的", "新的"]);
}

#[test]
fn no_flipped_bit_of_a_file_ends_otherwise_than_in_words() {
    let place = Place::new();
    let (_serving, _, colleague, whole) = carried(&place);
    let file = place.text("usb.lastmile");
    for place in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bent = whole.clone();
        bent[place] ^= 0x10;
        std::fs::write(&file, &bent).unwrap();
        let output = super::command(&["device", "sync", "--from", &file, "--dir", &colleague]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3 | 7 | 10)), "{place}: {:?}\n{said}", output.status);
        assert!(!said.contains("panicked"), "{said}");
    }
    std::fs::write(&file, &whole).unwrap();
    run(0, &["device", "sync", "--from", &file, "--dir", &colleague]);
    assert_eq!(titles(&colleague), ["共同的", "新的"]);
    run(0, &["check", "--full", "--dir", &colleague]);
}
