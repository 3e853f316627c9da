//! Exports open in the official JavaScript Automerge, show the same there, and come back with every byte.
//!
//! Runs with `LASTMILE_NODE_TESTS=1`, after `npm ci` in `tests/js`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use automerge::Automerge;
use lastmile_crdt::{Base, Edit, Exported, Known, export_document, make_change};
use lastmile_model::Value;
use serde_json::{Map, json};

use crate::support::build::author;
use crate::support::oracle;
use crate::support::story::Story;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as the script writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("bool {flag}"),
        Value::Int(number) => format!("number {number}"),
        Value::Uint(number) => format!("number {number}"),
        Value::F64(bits) => format!("number {}", f64::from_bits(*bits)),
        Value::Str(text) => format!("text {text}"),
        Value::Bytes(bytes) => format!("bytes {}", hex(bytes)),
        Value::Timestamp(number) => format!("time {number}"),
        Value::Counter(number) => format!("counter {number}"),
        Value::Unknown { code, bytes } => format!("unknown {code} {bytes:?}"),
    }
}

/// Writes a document and what is expected of it.
fn write(folder: &Path, name: &str, exported: &Exported, bytes: &[Vec<u8>]) {
    let document = Automerge::load(&exported.bytes).unwrap();
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut conflicts: BTreeMap<String, Map<String, serde_json::Value>> = BTreeMap::new();
    for key in oracle::keys(&document) {
        let standing = oracle::standing_raw(&document, &key);
        values.insert(key.clone(), plain(&standing.last().unwrap().0));
        if standing.len() > 1 {
            let sides: BTreeMap<String, String> = standing
                .iter()
                .map(|(value, counter, actor)| (format!("{counter}@{}", hex(actor)), plain(value)))
                .collect();
            conflicts.insert(key, sides.into_iter().map(|(id, value)| (id, json!(value))).collect());
        }
    }
    let changes = document.get_changes(&[]);
    let mut expected = json!({ "values": values, "conflicts": conflicts, "changes": changes.len() });
    if exported.original {
        assert_eq!(changes.len(), bytes.len());
        let mut hashes: Vec<String> = changes.iter().map(|change| hex(&change.hash().0)).collect();
        hashes.sort();
        expected["hashes"] = json!(hashes);
        expected["heads"] = json!(document.get_heads().iter().map(|hash| hex(&hash.0)).collect::<Vec<_>>());
    }
    fs::write(folder.join(format!("{name}.automerge")), &exported.bytes).unwrap();
    fs::write(folder.join(format!("{name}.json")), expected.to_string()).unwrap();
}

/// Every type of value, salted; text with characters outside the basic plane.
fn every_value(folder: &Path) {
    let edits = [
        Edit::set("null", Value::Null),
        Edit::set("yes", true),
        Edit::set("int", -300),
        Edit::set("uint", Value::Uint(300)),
        Edit::set("float", Value::F64(1.5_f64.to_bits())),
        Edit::set("text", "最后一公里 \u{1f600} 𠮷"),
        Edit::set("empty", ""),
        Edit::set("bytes", Value::Bytes((0..=255).collect())),
        Edit::set("time", Value::Timestamp(1_764_000_000_123)),
        Edit::set("counter", Value::Counter(7)),
        Edit::set("tags/\u{1f600}", true),
        Edit::set("tags/\u{ff5e}", true),
    ];
    let made = make_change(&Base::EMPTY, author(1), 1_764_000_000, Some([0xee; 16]), &edits).unwrap();
    let exported = export_document(&[(&made.encoded.bytes, Known::visible(&made.change))]).unwrap();
    write(folder, "every-value", &exported, &[made.encoded.bytes]);
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js/check.mjs")
}

#[test]
fn javascript_automerge_opens_the_exports() {
    if std::env::var_os("LASTMILE_NODE_TESTS").is_none_or(|value| value != "1") {
        eprintln!("SKIPPED: the JavaScript check of exports. Run `npm ci` in crates/lastmile-crdt/tests/js and set");
        eprintln!("SKIPPED: LASTMILE_NODE_TESTS=1 to run it.");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exports");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    every_value(&folder);
    let mut originals: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for seed in 0..200 {
        let story = Story::tell(seed);
        let changes: Vec<(&[u8], Known<'_>)> = story.bytes.iter().map(Vec::as_slice).zip(story.known()).collect();
        let Ok(exported) = export_document(&changes) else { continue };
        let name = format!("story-{seed:03}");
        write(&folder, &name, &exported, &story.bytes);
        if exported.original {
            originals.push((name, story.bytes.clone()));
        }
    }
    let output = Command::new("node").arg(script()).arg(&folder).output().expect("node is installed");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What JavaScript saved again still holds the original changes, salts and all.
    for (name, mut bytes) in originals {
        let resaved = fs::read(folder.join(format!("{name}.resaved"))).unwrap();
        let document = Automerge::load(&resaved).unwrap();
        let mut theirs: Vec<Vec<u8>> = document.get_changes(&[]).iter().map(|c| c.raw_bytes().to_vec()).collect();
        theirs.sort();
        bytes.sort();
        assert_eq!(theirs, bytes, "{name}");
    }
}
