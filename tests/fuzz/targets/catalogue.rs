//! Record files of a deployment and tables of places.
//!
//! Laws: nothing panics; a catalogue that reads extends the built-in one or says why not, and reads the same twice; the
//! places of a table are found by their codes.

use lastmile_model::{Catalogue, Places};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::mutate::{self, Random};
use crate::{cost, tally};

/// Reads a record file, or a table of places where the bytes begin as one.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.starts_with("code,") {
        let Ok(places) = cost::of(|| Places::parse(&text)) else { return };
        tally::note("places");
        for place in places.all() {
            assert_eq!(places.get(&place.code).map(|found| &found.code), Some(&place.code));
            let _ = (places.path(&place.code), places.beneath(&place.code).len());
        }
        return;
    }
    let parsed = cost::of(|| Catalogue::parse(&[("fuzz.toml", &text)]));
    if let Ok(catalogue) = &parsed {
        tally::note("a catalogue");
        assert_eq!(Catalogue::parse(&[("fuzz.toml", &text)]).unwrap().types(), catalogue.types());
        let _ = lastmile_store::columns::views(catalogue);
    }
    if let Ok(extended) = cost::of(|| Catalogue::builtin().extended("fuzz.toml", &text)) {
        tally::note("an extension");
        let before = Catalogue::builtin().types();
        assert!(extended.types().iter().zip(before).all(|(one, other)| one.name == other.name));
        for (one, other) in extended.types().iter().zip(before) {
            for (field, was) in one.fields.iter().zip(&other.fields) {
                assert_eq!((&field.name, field.merge, &field.level), (&was.name, was.merge, &was.level));
            }
        }
    }
}

/// The record files and the head of the table of places.
pub fn seeds() -> Vec<Vec<u8>> {
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|path| path.join("schema/records").is_dir());
    let Some(root) = root else { return Vec::new() };
    let mut seeds: Vec<Vec<u8>> =
        crate::run::files(&root.join("schema/records")).into_iter().map(|(_, bytes)| bytes).collect();
    seeds.retain(|bytes| bytes.len() < 6_000);
    let table = std::fs::read_to_string(root.join("schema/places/changsha.csv")).unwrap();
    seeds.push(table.lines().take(30).collect::<Vec<_>>().join("\n").into_bytes());
    seeds.push(
        br#"name = "drill"
zh = "x"
en = "Drill"
scope = "community"
salted = true
fields = [
  { name = "note", kind = "text", max = 200, merge = "R", level = 1, zh = "n", en = "Note" },
  { name = "served", kind = "int", max = 1000, merge = "Q", level = 0, zh = "s", en = "Served" },
]
"#
        .to_vec(),
    );
    seeds.push(br#"name = "activity"
zh = "a"
en = "Activity"
fields = [ { name = "weather", kind = "enum", merge = "R", level = 0, zh = "w", en = "Weather", choices = [ { code = "sun", zh = "s", en = "Sun" } ] } ]
"#.to_vec());
    seeds
}

/// Mutates lines and words.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(data);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() || rng.random_bool(0.1) {
        let mut bytes = data.to_vec();
        mutate::bytes(&mut bytes, rng);
        return bytes;
    }
    let at = rng.random_range(0..lines.len());
    let other = rng.random_range(0..lines.len());
    const WORDS: [(&str, &str); 14] = [
        ("\"R\"", "\"I\""),
        ("\"I\"", "\"S\""),
        ("\"Q\"", "\"C\""),
        ("\"S\"", "\"V\""),
        ("text", "enum"),
        ("int", "ref"),
        ("level = 1", "level = 9"),
        ("level", "max"),
        ("true", "false"),
        ("community", "office"),
        ("max = 200", "max = -1"),
        ("name = \"", "name = \"ev/"),
        ("4301", "43019"),
        (",", ",,"),
    ];
    match rng.random_range(0..7) {
        0 => lines.insert(other, lines[at].clone()),
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, other),
        3 => lines[at].push_str(&mutate::text(rng)),
        4 => {
            let (from, to) = WORDS.choose(rng).unwrap();
            lines[at] = lines[at].replacen(from, to, 1);
        }
        5 => {
            let (from, to) = WORDS.choose(rng).unwrap();
            return text.replacen(from, to, 1).into_bytes();
        }
        _ => {
            let mut bytes = std::mem::take(&mut lines[at]).into_bytes();
            mutate::bytes(&mut bytes, rng);
            lines[at] = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    lines.join("\n").into_bytes()
}
