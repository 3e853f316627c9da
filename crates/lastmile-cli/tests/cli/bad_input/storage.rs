//! Disks that are full, folders that cannot be written, files of a later version.

use std::path::Path;
use std::process::Output;

use super::{complaint, error, offline, save, shell, titles, unsent};
use crate::lastmile::{COMMUNITY, Place, Serving, enrolled, json, run};

/// Where SQLite keeps the number of the format.
const FORMAT: std::ops::Range<usize> = 60..64;

fn set_format(file: &Path, format: [u8; 4]) -> [u8; 4] {
    let mut bytes = std::fs::read(file).unwrap();
    let before = bytes[FORMAT].try_into().unwrap();
    bytes[FORMAT].copy_from_slice(&format);
    std::fs::write(file, bytes).unwrap();
    before
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);
    save(&device, "之前");
    run(0, &["device", "sync", "--dir", &device]);
    assert_eq!(serving.stop(), Some(0));
    for (folder, name) in [(&device, "replica.db"), (&relay, "relay.db")] {
        let file = Path::new(folder).join(name);
        let format = set_format(&file, [0, 0, 0, 99]);
        let newer = std::fs::read(&file).unwrap();
        let mut lines: Vec<Vec<&str>> = vec![
            vec!["check", "--dir", folder],
            vec!["rebuild", "--dir", folder],
            vec!["inspect", "--dir", folder],
            vec!["report", "R4", "--scope", COMMUNITY, "--dir", folder],
        ];
        if name == "replica.db" {
            for more in [&["add", "person", "name=王五"][..], &["list", "person"], &["status"], &["sync"]] {
                lines.push([&["device"][..], more, &["--dir", folder]].concat());
            }
        } else {
            lines.push(vec!["relay", "serve", "--listen", "127.0.0.1:0", "--dir", folder]);
            lines.push(vec!["office", "conflicts", "--dir", folder]);
            lines.push(vec!["relay", "invite", "--scope", COMMUNITY, "--dir", folder]);
        }
        for line in &lines {
            for (said, word) in complaint(6, line).iter().zip(["Update the program", "升级"]) {
                assert!(said.contains(word) && said.contains(name), "{line:?}\n{said}");
            }
            assert!(std::fs::read(&file).unwrap() == newer, "{line:?} wrote into it");
        }
        set_format(&file, format);
        assert_eq!(titles(folder), ["之前"]);
    }
    save(&device, "之后");
    let _serving = Serving::start(&place);
    assert_eq!(unsent(&device), 1);
}

/// Whether this user may make a mount namespace with a file system of its own; says so where not.
fn can_mount() -> bool {
    let tried = shell("unshare -m sh -c 'mount -t tmpfs tmpfs /mnt' 2>&1", &[]).output();
    let can = tried.as_ref().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("SKIPPED: no mount namespace can be made here ({tried:?})");
    }
    can
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_stays_as_it_is() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);
    save(&device, "之前");
    assert_eq!(serving.stop(), Some(0));
    let add = "device add activity title=之后 category=环保清洁 date=2025-03-05";
    for (folder, line) in [
        (&device, add),
        (&device, "device sync"),
        (&device, "device edit 00000000 note=x"),
        (&device, "rebuild"),
        (&relay, "relay serve --listen 127.0.0.1:0"),
        (&relay, "relay invite --scope 430103005010"),
        (&relay, "office conflicts"),
    ] {
        for (language, word) in [("en", "cannot be written"), ("zh-CN", "无法写入")] {
            let script = format!(
                "unshare -m sh -c 'mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && \
                 exec \"$0\" {line} --dir \"$1\" --lang {language}' \"$0\" \"$1\""
            );
            let output = shell(&script, &[folder]).output().unwrap();
            assert_eq!(output.status.code(), Some(6), "{line}\n{}", words(&output));
            assert!(words(&output).contains(word), "{line}\n{}", words(&output));
            assert!(words(&output).contains(folder.as_str()), "{line}\n{}", words(&output));
        }
    }
    assert_eq!(titles(&device), ["之前"]);
    save(&device, "之后");
    assert_eq!((titles(&device).len(), unsent(&device)), (2, 2));
    run(0, &["check", "--full", "--dir", &device]);
    // A new folder where none can be made.
    let made = shell(
        "unshare -m sh -c 'mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && \
         exec \"$0\" relay serve --listen 127.0.0.1:0 --dir \"$1/new\"' \"$0\" \"$1\"",
        &[&relay],
    );
    let output = { made }.output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", words(&output));
    let address = std::fs::read_to_string(place.path("address")).unwrap();
    let _serving = Serving::start_at(&place, address.trim());
    run(0, &["device", "sync", "--dir", &device]);
}

/// Saves until the disk is full; prints how often that went well, then the code and the words of the refusal.
const FILL: &str = r#"
saved=0
while [ $saved -lt 2000 ]; do
    code=0
    "$0" device add activity "title=第$saved" category=环保清洁 date=2025-03-05 "note=$2" --dir "$1" >"$3/out" 2>"$3/err" || code=$?
    if [ $code -ne 0 ]; then break; fi
    saved=$((saved+1))
done
echo "$saved $code"
cat "$3/err"
"#;

#[test]
fn a_full_disk_is_named_and_everything_saved_before_is_there() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let device = offline(&place);
    let full = std::fs::metadata(Path::new(&device).join("replica.db")).unwrap().len();
    let note = "很".repeat(1900);
    // A small file system holds the device's folder; it is filled, looked at, given room, and copied out again.
    let script = format!(
        r#"unshare -m sh -c 'set -e
mkdir "$3/small" && mount -t tmpfs -o size={}k tmpfs "$3/small"
cp -a "$1/." "$3/small/"
set -- "$3/small" "$2" "$3" "$1"
{FILL}
"$0" device list activity --limit 0 --columns title --json --dir "$1" >"$3/listed"
"$0" check --dir "$1"
mount -o remount,size=64m "$1"
"$0" device add activity title=之后 category=环保清洁 date=2025-03-05 --dir "$1"
"$0" check --full --dir "$1"
rm -r "$4" && cp -a "$1" "$4"' "$0" "$1" "$2" "$3""#,
        full / 1024 + 512,
    );
    let out = place.text("");
    let output = shell(&script, &[&device, &note, &out]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let said = words(&output);
    let (saved, code) = said.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(code, "6", "{said}");
    assert!(said.contains("The disk is full"), "{said}");
    let saved: usize = saved.parse().unwrap();
    assert!(saved > 3, "{said}");
    let listed: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("listed")).unwrap()).unwrap();
    assert_eq!(listed["count"], saved, "while it was full");
    let there = json(0, &["device", "list", "activity", "--limit", "0", "--columns", "title", "--dir", &device]);
    assert_eq!(there["count"], saved + 1);
    assert_eq!(unsent(&device), saved as u64 + 1);
}

#[test]
fn a_file_that_may_not_grow_is_named_and_everything_saved_before_is_there() {
    let place = Place::new();
    let device = offline(&place);
    save(&device, "之前");
    let note = "很".repeat(1900);
    // A limit on the length of files needs no rights; a write beyond it fails as one on a full disk does.
    let limit = std::fs::metadata(Path::new(&device).join("replica.db")).unwrap().len() / 512 + 128;
    let out = place.text("");
    let script = format!("trap '' XFSZ; ulimit -f {limit}; {FILL}");
    let output = shell(&script, &[&device, &note, &out]).output().unwrap();
    let said = words(&output);
    let (saved, code) = said.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(code, "6", "{said}");
    assert!(said.contains("no room"), "{said}");
    let saved: usize = saved.parse().unwrap();
    assert_eq!(titles(&device).len(), saved + 1, "{said}");
    run(0, &["check", "--full", "--dir", &device]);
    save(&device, "之后");
    assert_eq!(unsent(&device), saved as u64 + 2);
    let (code, _) = error(4, &["device", "show", "00000000", "--dir", &device]);
    assert_eq!(code, "not_found");
}

#[test]
fn a_relay_with_a_full_disk_acknowledges_nothing_and_takes_it_later() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let (serving, relay, device) = enrolled(&place);
    save(&device, "之前");
    run(0, &["device", "sync", "--dir", &device]);
    assert_eq!(serving.stop(), Some(0));
    for number in 0..120 {
        let (title, note) = (format!("title=第{number}"), format!("note={number}{}", noise(number)));
        run(0, &["device", "add", "activity", "category=环保清洁", "date=2025-03-05", &title, &note, "--dir", &device]);
    }
    let waiting = unsent(&device);
    let used = std::fs::metadata(Path::new(&relay).join("relay.db")).unwrap().len();
    let script = format!(
        r#"unshare -m sh -c 'set -e
mkdir "$3/small" && mount -t tmpfs -o size={}k tmpfs "$3/small"
cp -a "$1/." "$3/small/"
"$0" relay serve --dir "$3/small" --listen "$4" --address-file "$3/full" --quiet & relay=$!
while [ ! -s "$3/full" ]; do sleep 0.1; done
code=0; "$0" device sync --dir "$2" || code=$?
echo "code $code"
mount -o remount,size=64m "$3/small"
"$0" device sync --dir "$2"
kill -TERM $relay; wait $relay
rm -r "$1" && cp -a "$3/small" "$1"' "$0" "$1" "$2" "$3" "$4""#,
        used / 1024 + 160,
    );
    let (out, address) = (place.text(""), std::fs::read_to_string(place.path("address")).unwrap());
    let output = shell(&script, &[&relay, &device, &out, address.trim()]).output().unwrap();
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("code 5"), "{said}");
    assert!(said.contains("try again") || said.contains("later"), "{said}");
    assert_eq!((waiting, unsent(&device)), (120, 0));
    let _serving = Serving::start(&place);
    let there = json(0, &["device", "list", "activity", "--limit", "0", "--columns", "title", "--dir", &relay]);
    assert_eq!(there["count"], 121);
}

/// Text that does not compress to nothing.
fn noise(seed: u32) -> String {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(99);
    let mut text = String::new();
    for _ in 0..1_900 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(char::from_u32(0x4e00 + (state >> 16) % 20_000).unwrap());
    }
    text
}
