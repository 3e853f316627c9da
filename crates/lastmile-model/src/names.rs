//! Names of people and organisations: normal form, search keys, masking.
//!
//! Two names are the same name if their [`normal`] forms are equal: simplified characters, NFKC, lower case, without
//! spaces, middle dots and bracketed pinyin.
//!
//! ```
//! use lastmile_model::names;
//!
//! assert_eq!(names::normal("曹雨菲"), "曹雨菲");
//! assert_eq!(names::normal("張 偉（Zhāng Wěi）"), "张伟");
//! assert_eq!(names::initials("单小明"), ["dxm", "cxm", "sxm"]);
//! assert_eq!(names::mask("曹雨菲"), "曹*菲");
//! ```

mod script;
mod spelling;

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

pub use script::simplified;
pub use spelling::{initials, search_keys, search_text};

/// How often the steps are repeated until nothing changes; no text is known to need three.
const ROUNDS: usize = 8;

/// Returns the normal form of a name; a plain name of simplified characters is returned as it is.
#[must_use]
pub fn normal(name: &str) -> Cow<'_, str> {
    if name.chars().all(script::is_plain) {
        return Cow::Borrowed(name);
    }
    let mut text = round(name);
    for _ in 1..ROUNDS {
        let next = round(&text);
        if next == text {
            break;
        }
        text = next;
    }
    Cow::Owned(text)
}

fn round(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.nfkc() {
        if !is_dropped(character) {
            text.extend(script::simple(character).to_lowercase());
        }
    }
    let bare = without_pinyin(&text);
    if bare.is_empty() { text } else { bare.into_owned() }
}

/// Whether a character says nothing in a name: spaces, middle dots, full stops, controls and invisible marks.
fn is_dropped(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '.' | '·' | '•' | '‧' | '∙' | '⋅' | '・' | '。' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
        )
}

/// Removes bracketed pinyin: `曹雨菲（cáo yǔ fēi）` -> `曹雨菲`. Brackets around anything else stay.
#[must_use]
pub fn without_pinyin(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_opening) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_opening) {
        let (before, bracket) = rest.split_at(at);
        kept.push_str(before);
        let inside = bracket.trim_start_matches(is_opening);
        // Of several opening brackets the last one begins what the next closing one ends.
        let opening = bracket.len() - inside.len();
        let last = bracket.get(..opening).and_then(|run| run.chars().next_back()).map_or(0, char::len_utf8);
        kept.push_str(bracket.get(..opening - last).unwrap_or_default());
        match inside.find(is_closing).map(|end| inside.split_at(end)) {
            Some((spelling, closing)) if is_pinyin(spelling) => {
                let width = closing.chars().next().map_or(0, char::len_utf8);
                rest = closing.get(width..).unwrap_or_default();
            }
            _ => {
                kept.push_str(bracket.get(opening - last..opening).unwrap_or_default());
                rest = inside;
            }
        }
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

const fn is_opening(character: char) -> bool {
    matches!(character, '(' | '（' | '[' | '［' | '【' | '〔' | '〈' | '<' | '〖')
}

const fn is_closing(character: char) -> bool {
    matches!(character, ')' | '）' | ']' | '］' | '】' | '〕' | '〉' | '>' | '〗')
}

/// Whether a text is nothing but Latin letters with tone marks or numbers, with at least one letter.
fn is_pinyin(text: &str) -> bool {
    let part = |c: char| {
        c.is_whitespace()
            || matches!(c, '0'..='5' | '\'' | '’' | '-' | '·' | '\u{300}'..='\u{36f}' | '\u{2c9}'..='\u{2cb}')
            || is_latin(c)
    };
    text.chars().all(part) && text.chars().any(is_latin)
}

fn is_latin(character: char) -> bool {
    character.is_alphabetic() && (character <= '\u{24f}' || ('\u{1e00}'..='\u{1eff}').contains(&character))
}

/// Masks a name: 曹*菲, 曹*, 欧**娜; a single character becomes `*`.
#[must_use]
pub fn mask(name: &str) -> String {
    let characters: Vec<char> = name.trim().chars().collect();
    match characters.as_slice() {
        [] => String::new(),
        [_] => "*".to_owned(),
        [first, _] => format!("{first}*"),
        [first, middle @ .., last] => {
            let stars = "*".repeat(middle.len());
            format!("{first}{stars}{last}")
        }
    }
}

/// Masks a phone number: 138****5678, 0731****1234; a short one becomes stars.
#[must_use]
pub fn mask_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let head = if digits.first() == Some(&'0') { 4 } else { 3 };
    match (digits.get(..head), digits.len().checked_sub(4).and_then(|from| digits.get(from..))) {
        (Some(first), Some(last)) if digits.len() >= head + 7 => {
            format!("{}****{}", first.iter().collect::<String>(), last.iter().collect::<String>())
        }
        _ => "*".repeat(digits.len().max(1)),
    }
}

/// Masks an id number of which only the last four characters are known.
#[must_use]
pub fn mask_id(last4: &str) -> String {
    format!("**************{last4}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_one_name() {
        for name in [
            "张伟",
            "張偉",
            "张 伟",
            "张\u{3000}伟",
            "张伟(zhāng wěi)",
            "张伟（Zhang1 Wei3）",
            "张\u{200b}伟",
            "張伟 [zhang wei]",
        ] {
            assert_eq!(normal(name), "张伟", "{name}");
        }
        for name in ["买买提·艾力", "买买提•艾力", "买买提・艾力", "买买提.艾力", "买买提．艾力", "買買提 · 艾力"]
        {
            assert_eq!(normal(name), "买买提艾力", "{name}");
        }
        assert_eq!(normal("Anna Ｌee"), "annalee");
        assert_eq!(normal("鍾馗"), normal("钟馗"));
        assert_eq!(normal("\u{f9b5}"), normal("\u{4f8b}"), "compatibility ideographs");
    }

    #[test]
    fn brackets_that_tell_people_apart_stay() {
        assert_eq!(normal("张伟（大）"), "张伟(大)");
        assert_eq!(normal("张伟(2)"), "张伟(2)");
        assert_eq!(normal("(anna)"), "(anna)");
        assert_eq!(without_pinyin("曹雨菲（cáo yǔ fēi）说（真的）"), "曹雨菲说（真的）");
        assert_eq!(without_pinyin("没有"), "没有");
        assert_eq!(without_pinyin("((ba)"), "(");
    }

    #[test]
    fn a_plain_name_costs_nothing() {
        assert!(matches!(normal("曹雨菲"), Cow::Borrowed(_)));
        assert!(matches!(normal("張偉"), Cow::Owned(_)));
    }

    #[test]
    fn masks() {
        assert_eq!(
            [mask("曹雨菲"), mask("曹菲"), mask("欧阳娜娜"), mask("曹"), mask("")],
            ["曹*菲", "曹*", "欧**娜", "*", ""]
        );
        assert_eq!(mask_phone("13812345678"), "138****5678");
        assert_eq!(mask_phone("0731-84441234"), "0731****1234");
        assert_eq!((mask_phone("123"), mask_phone("")), ("***".to_owned(), "*".to_owned()));
        assert_eq!(mask_id("002X"), "**************002X");
    }

    proptest! {
        #[test]
        fn normal_is_idempotent(name in "\\PC{0,12}") {
            let once = normal(&name).into_owned();
            prop_assert_eq!(normal(&once).into_owned(), once);
        }

        #[test]
        fn normal_is_idempotent_on_chinese(name in "[\u{3400}-\u{9fff}\u{f900}-\u{faff}(（)）a-z· ]{0,10}") {
            let once = normal(&name).into_owned();
            prop_assert_eq!(normal(&once).into_owned(), once);
        }

        #[test]
        fn masks_hide(name in "[\u{4e00}-\u{9fa5}]{2,6}") {
            let masked = mask(&name);
            prop_assert_eq!(masked.chars().count(), name.chars().count());
            prop_assert!(masked.contains('*'));
        }
    }
}
