//! Both languages say the same things, and say everything the program asks for.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lastmile_cli::messages::{Language, Messages, placeholders};

fn keys(language: Language) -> BTreeSet<String> {
    Messages::of(language).iter().map(|(key, _)| key.to_owned()).collect()
}

/// Collects what stands in `key!("...")` anywhere in the sources.
fn used(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            used(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let uses = text.split("key!(\"").skip(1).filter_map(|rest| rest.split_once('"'));
            found.extend(uses.map(|(key, _)| key.to_owned()));
        }
    }
}

#[test]
fn both_files_hold_the_same_keys_and_placeholders() {
    let (chinese, english) = (Messages::of(Language::Chinese), Messages::of(Language::English));
    assert_eq!(keys(Language::Chinese), keys(Language::English));
    for ((key, chinese), (_, english)) in chinese.iter().zip(english.iter()) {
        assert_eq!(placeholders(chinese), placeholders(english), "{key}");
        assert!(!chinese.is_empty() && !english.is_empty(), "{key}");
    }
}

#[test]
fn every_key_used_is_there_and_every_key_there_is_used() {
    let mut found = BTreeSet::new();
    used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 20);
    let there = keys(Language::English);
    assert_eq!(found.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "used but not there");
    assert_eq!(there.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "there but not used");
}

#[test]
fn the_english_file_has_chinese_only_in_brackets_and_examples() {
    let han = |c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c);
    for (key, text) in Messages::of(Language::English).iter() {
        let allowed = key.ends_with("no_heading");
        assert!(allowed || !text.chars().any(han), "{key}");
    }
}
