//! Pinyin of names, for search by typed initials.

use pinyin::{Pinyin, ToPinyin, ToPinyinMulti};

use super::normal;

/// Returns the pinyin initials of a name, once for each reading of its first character: 曾 is both c and z.
///
/// Letters and digits stand for themselves; the common reading comes first.
#[must_use]
pub fn initials(name: &str) -> Vec<String> {
    let name = normal(name);
    let mut characters = name.chars();
    let Some(first) = characters.next() else { return Vec::new() };
    let rest: String = characters.filter_map(|character| syllable(character).chars().next()).collect();
    distinct(readings(first).iter().filter_map(|reading| reading.chars().next()).map(|head| format!("{head}{rest}")))
}

/// Returns what a name is found by: its initials, then its full spellings without tones.
#[must_use]
pub fn search_keys(name: &str) -> Vec<String> {
    let normal = normal(name);
    let mut characters = normal.chars();
    let Some(first) = characters.next() else { return Vec::new() };
    let rest: String = characters.map(syllable).collect();
    let full = readings(first).into_iter().map(|reading| format!("{reading}{rest}"));
    distinct(initials(name).into_iter().chain(full))
}

/// Returns the text of a name's search column: its search keys, separated by spaces.
#[must_use]
pub fn search_text(name: &str) -> String {
    search_keys(name).join(" ")
}

fn distinct(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(4);
    for key in keys {
        if !kept.contains(&key) {
            kept.push(key);
        }
    }
    kept
}

/// The common reading; letters and digits as they are, anything else nothing.
fn syllable(character: char) -> String {
    match character.to_pinyin() {
        Some(reading) => plain(reading),
        None if character.is_alphanumeric() => character.to_string(),
        None => String::new(),
    }
}

/// Every reading, the common one first.
fn readings(character: char) -> Vec<String> {
    match character.to_pinyin_multi() {
        Some(all) => distinct(all.into_iter().map(plain)),
        None => vec![syllable(character)],
    }
}

/// The syllable as typed on a keyboard: without tones, v for ü.
fn plain(reading: Pinyin) -> String {
    reading.plain().replace('ü', "v")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surnames_are_found_by_their_own_reading() {
        for (name, typed) in [
            ("曾国", "zg"),
            ("单明", "sm"),
            ("仇英", "qy"),
            ("查明", "zm"),
            ("解放", "xf"),
            ("区明", "om"),
            ("任明", "rm"),
        ] {
            assert!(initials(name).contains(&typed.to_owned()), "{name}: {:?}", initials(name));
        }
        assert_eq!(initials("吕布").first().map(String::as_str), Some("lb"));
        assert!(search_keys("吕布").contains(&"lvbu".to_owned()));
    }

    #[test]
    fn keys_are_initials_then_spellings() {
        assert_eq!(search_keys("曹雨菲"), ["cyf", "caoyufei"]);
        assert_eq!(search_text("張偉"), "zw zhangwei");
        assert_eq!(search_keys("Anna"), ["anna"]);
        assert!(search_keys("").is_empty() && initials("·").is_empty());
    }
}
