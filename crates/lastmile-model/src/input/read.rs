//! Reading one value as people write it.

use unicode_normalization::{UnicodeNormalization, is_nfc};
use uuid::Uuid;

use super::dates;
use crate::catalogue::{Choice, Field, FieldKind};
use crate::check::{self, CheckContext};
use crate::problem::Fault;
use crate::{RecordId, Value, civil, keys, phone};

/// Texts that may be this long keep their line breaks.
const MULTILINE: usize = 200;

/// Reads the value of a field from text.
///
/// # Errors
/// What is wrong with it; sealed kinds are [`Fault::NotSealed`], since a value of theirs is ciphertext.
pub fn read_value(field: &Field, text: &str, ctx: &CheckContext<'_>) -> Result<Value, Fault> {
    let value = read_kind(&field.kind, &field.choices, text, ctx)?;
    check::check_value(field, &value, ctx)?;
    Ok(value)
}

/// Reads an element of a set from text, in the form that keys hold.
///
/// # Errors
/// What is wrong with it.
pub fn read_element(field: &Field, text: &str, ctx: &CheckContext<'_>) -> Result<String, Fault> {
    let value = read_value(field, text, ctx)?;
    match (&field.kind, value) {
        (FieldKind::Ref(_), value) => value.as_record().map(keys::reference_element).ok_or(Fault::BadReference),
        (_, Value::Bytes(bytes)) => Ok(keys::bytes_element(&bytes)),
        (_, Value::Str(text)) => Ok(text),
        (kind, _) => Err(Fault::WrongType { expected: kind.word() }),
    }
}

/// Reads a value of a kind from text; bounds are left to validation.
pub(super) fn read_kind(
    kind: &FieldKind,
    choices: &[Choice],
    text: &str,
    ctx: &CheckContext<'_>,
) -> Result<Value, Fault> {
    Ok(match kind {
        FieldKind::Text { max } => Value::Str(words(text, *max >= MULTILINE)),
        FieldKind::Name => Value::Str(name(text)),
        FieldKind::Int { .. } => Value::Int(number(text).ok_or(Fault::BadInt)?),
        FieldKind::Bool => Value::Bool(truth(text).ok_or(Fault::BadBool)?),
        FieldKind::Date => Value::Str(civil::date_text(dates::read_date(text, ctx.today).ok_or(Fault::BadDate)?)),
        FieldKind::Month => Value::Str(dates::read_month(text, ctx.today).ok_or(Fault::BadMonth)?.text()),
        FieldKind::Time => Value::Str(civil::time_text(dates::read_time(text).ok_or(Fault::BadTime)?)),
        FieldKind::Instant => Value::Timestamp(dates::read_instant(text, ctx.today).ok_or(Fault::BadDate)?),
        FieldKind::Ref(_) => Value::reference(reference(text).ok_or(Fault::BadReference)?),
        FieldKind::Place => Value::Str(compact(text)),
        FieldKind::Decimal => Value::Str(decimal(text)),
        FieldKind::Enum(_) => {
            Value::Str(choice(choices, text).ok_or_else(|| Fault::NotAChoice { choices: choices.to_vec() })?)
        }
        FieldKind::IdNumber => return Err(Fault::NotSealed),
        FieldKind::Phone => Value::Str(phone::normal(text.trim()).ok_or(Fault::BadPhone)?),
        FieldKind::Uscc => Value::Str(compact(text).replace('-', "").to_ascii_uppercase()),
        FieldKind::Bytes { max } => Value::Bytes(hex(&compact(text)).ok_or(Fault::BadBytes { max: *max })?),
    })
}

/// Turns full-width letters, digits and signs into plain ones.
#[must_use]
pub fn half_width(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
            '\u{3000}' => ' ',
            other => other,
        })
        .collect()
}

/// Half-width, without any spaces.
fn compact(text: &str) -> String {
    let mut text = half_width(text);
    text.retain(|character| !character.is_whitespace());
    text
}

/// A text in NFC, without what is drawn as nothing; what turns its direction stays, for validation to refuse.
fn words(text: &str, multiline: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\t' if !multiline => clean.push(' '),
            '\r' => clean.push('\n'),
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {}
            other => clean.push(other),
        }
    }
    let trimmed = clean.trim();
    if is_nfc(trimmed) { trimmed.to_owned() } else { trimmed.nfc().collect() }
}

/// A name on one line; between ideographs spaces say nothing.
fn name(text: &str) -> String {
    let clean = words(text, false);
    if clean.chars().any(|character| character.is_ascii_alphabetic()) {
        return clean.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    clean.split_whitespace().collect()
}

/// Digits, perhaps with separators of thousands and a sign.
fn number(text: &str) -> Option<i64> {
    let text = compact(text);
    let (head, groups) = text.split_once(',').map_or((text.as_str(), None), |(head, rest)| (head, Some(rest)));
    let grouped = groups.is_none_or(|rest| {
        let digits = head.trim_start_matches(['-', '+']).len();
        (1..=3).contains(&digits) && rest.split(',').all(|group| group.len() == 3)
    });
    if grouped { text.replace(',', "").parse().ok() } else { None }
}

fn truth(text: &str) -> Option<bool> {
    match compact(text).to_lowercase().as_str() {
        "是" | "有" | "对" | "√" | "✓" | "true" | "yes" | "y" | "1" => Some(true),
        "否" | "无" | "不" | "没有" | "×" | "false" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal number without needless zeros, so that equal numbers are equal texts.
fn decimal(text: &str) -> String {
    let text = compact(text).replace(',', "");
    let text = text.strip_prefix('+').unwrap_or(&text);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let trimmed = digits.trim_start_matches('0');
    let whole = if digits.is_empty() || (!trimmed.is_empty() && !trimmed.starts_with('.')) { "" } else { "0" };
    let sign = if trimmed.is_empty() { "" } else { sign };
    format!("{sign}{whole}{trimmed}")
}

fn reference(text: &str) -> Option<RecordId> {
    Uuid::try_parse(&compact(text)).ok().map(RecordId)
}

/// The code of a choice, given by code, label or another word for it.
fn choice(choices: &[Choice], text: &str) -> Option<String> {
    let typed = half_width(text).trim().to_lowercase();
    let is = |word: &String| word.to_lowercase() == typed;
    let numeric = |code: &str| {
        let bare = |number: &str| number.trim_start_matches('0').to_owned();
        !typed.is_empty()
            && code.len() > 1
            && [code, &typed].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            && bare(code) == bare(&typed)
    };
    choices
        .iter()
        .find(|choice| is(&choice.code))
        .or_else(|| choices.iter().find(|choice| is(&choice.zh) || is(&choice.en)))
        .or_else(|| choices.iter().find(|choice| choice.also.iter().any(is)))
        .or_else(|| choices.iter().find(|choice| numeric(&choice.code)))
        .map(|choice| choice.code.clone())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_as_typed() {
        for (text, value) in [("２０", 20), ("1,200", 1200), (" 7 ", 7), ("-3", -3), ("１，２００", 1200)] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", "20人", "1,20", "12,,000", "1.5", "9223372036854775808"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_have_one_form() {
        for (text, form) in [
            ("12.50", "12.5"),
            ("012", "12"),
            ("0.50", "0.5"),
            (".5", "0.5"),
            ("-0", "0"),
            ("1,000.0", "1000"),
            ("100", "100"),
            ("+3", "3"),
        ] {
            assert_eq!(decimal(text), form, "{text}");
        }
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(words(" a\r\nb\u{200b}\tc ", true), "a\nb\tc");
        assert_eq!(words("a\r\nb", false), "a b");
        assert_eq!(words("e\u{301}", false), "é");
        assert_eq!((name("张 伟").as_str(), name(" Anna  Lee ").as_str()), ("张伟", "Anna Lee"));
    }

    proptest! {
        #[test]
        fn a_decimal_is_a_fixed_point(text in "-?[0-9]{1,6}(\\.[0-9]{1,3})?") {
            let once = decimal(&text);
            prop_assert_eq!(decimal(&once), once.clone());
            prop_assert_eq!(text.parse::<f64>().unwrap(), once.parse::<f64>().unwrap());
        }

        #[test]
        fn reading_never_fails_badly(text in "\\PC{0,20}") {
            let _ = (number(&text), truth(&text), decimal(&text), hex(&text), words(&text, true), name(&text));
        }
    }
}
