//! What one cell says for one field.

use super::cells::{Content, code, is_scientific, name, number_text};
use super::dates::{self, Moment};
use super::{BadReason, MAX_CELL};

/// Fields that hold several values.
const SETS: &[&str] = &["phone", "skills", "available", "intents"];
/// Fields of digits that Excel likes to take for numbers.
const DIGITS: &[&str] = &["id_no", "phone", "volunteer_no", "community", "grid"];
/// What people put into a cell that has nothing to say.
const NOTHING: &[&str] = &["无", "/", "-", "--", "—", "——", "N/A", "NULL", "暂无"];
/// What stands between several values in one cell.
const SEPARATORS: [char; 8] = ['、', '，', ',', ';', '；', '/', '|', '或'];
/// Digits of a phone number at least.
const PHONE_DIGITS: usize = 7;

/// What a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Nothing,
    Text(String),
    /// January or October of this year.
    Unclear(u16),
    Bad(BadReason),
}

pub(super) fn is_set(field: &str) -> bool {
    SETS.contains(&field)
}

/// Reads a cell for a field; `typed` says that the file knows text from numbers.
pub(super) fn read(field: &str, content: &Content, typed: bool) -> Value {
    let text = match content {
        Content::Empty => return Value::Nothing,
        Content::Fault => return Value::Bad(BadReason::CellError),
        Content::Number(number) => match number_text(*number) {
            Some(text) => text,
            None => return Value::Bad(BadReason::DigitsLost),
        },
        shown => shown.shown(),
    };
    if text.is_empty() || (field != "name" && NOTHING.contains(&text.as_str())) {
        return Value::Nothing;
    }
    if text.chars().count() > MAX_CELL {
        return Value::Bad(BadReason::TooLong);
    }
    if DIGITS.contains(&field) && is_scientific(&code(&text)) {
        return Value::Bad(BadReason::DigitsLost);
    }
    match field {
        "name" => Value::Text(name(&text)),
        "id_no" if ends_in_lost_digits(&code(&text)) => Value::Bad(BadReason::DigitsLost),
        "id_no" => Value::Text(code(&text)),
        "birth_ym" | "member_since" => moment(field, content, typed),
        "phone" => list(text.split(SEPARATORS).flat_map(phones)),
        field if is_set(field) => list(text.split(SEPARATORS).map(|part| part.trim().to_owned())),
        _ => Value::Text(text),
    }
}

fn moment(field: &str, content: &Content, typed: bool) -> Value {
    match dates::read(content, typed) {
        Moment::Unclear { year } => Value::Unclear(year),
        moment if field == "birth_ym" => Value::Text(moment.month_text()),
        moment => Value::Text(moment.day_text()),
    }
}

fn list(parts: impl Iterator<Item = String>) -> Value {
    let mut joined = String::new();
    for part in parts {
        add_to_list(&mut joined, &part);
    }
    if joined.is_empty() { Value::Nothing } else { Value::Text(joined) }
}

/// Adds a value to a list that `;` separates, unless it is there.
pub(super) fn add_to_list(list: &mut String, part: &str) {
    if part.is_empty() || list.split(';').any(|there| there == part) {
        return;
    }
    if !list.is_empty() {
        list.push(';');
    }
    list.push_str(part);
}

/// Returns the numbers in a text: spaces may group the digits of one number or stand between two.
fn phones(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(' ').filter(|part| !part.is_empty()).collect();
    let digits = |part: &&str| part.bytes().filter(u8::is_ascii_digit).count();
    if parts.iter().all(|part| digits(part) >= PHONE_DIGITS) {
        parts.into_iter().map(code).collect()
    } else {
        vec![code(text)]
    }
}

/// Returns whether an id number lost its last three digits to Excel, which then writes zeros: its check digit is wrong.
fn ends_in_lost_digits(id: &str) -> bool {
    id.len() == 18 && id.ends_with("000") && id.bytes().all(|byte| byte.is_ascii_digit()) && !check_digit_fits(id)
}

/// GB 11643: the remainder of the weighted sum picks the check character.
fn check_digit_fits(id: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECK: [u8; 11] = *b"10X98765432";
    let sum: u32 = id.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.saturating_sub(b'0')) * weight).sum();
    let expected = usize::try_from(sum % 11).ok().and_then(|index| CHECK.get(index));
    expected.copied() == id.bytes().last()
}

/// Returns the month that an id number gives for a birth in January or October of `year`.
pub(super) fn month_of(id: &str, year: u16) -> Option<String> {
    let born = id.get(6..12).filter(|_| id.len() == 18)?;
    let month = born.strip_prefix(&year.to_string())?;
    matches!(month, "01" | "10").then(|| format!("{year}-{month}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(field: &str, text: &str) -> Value {
        read(field, &Content::Text(text.into()), true)
    }

    fn is(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn knows_id_numbers_that_lost_digits() {
        assert_eq!(read("id_no", &Content::Number(9.901_031_980_010_112e17), true), Value::Bad(BadReason::DigitsLost));
        assert_eq!(text("id_no", "9.90103E+17"), Value::Bad(BadReason::DigitsLost));
        assert_eq!(text("id_no", "990103198001011000"), Value::Bad(BadReason::DigitsLost));
        assert_eq!(text("id_no", "'99010319800101123x"), is("99010319800101123X"));
        // One in about a thousand real numbers ends so, with a fitting check digit.
        let honest = (0..10).flat_map(|a| (0..10).map(move |b| (a, b))).map(|(a, b)| format!("99010319800{a}0{b}1000"));
        let fitting = honest.filter(|id| check_digit_fits(id)).collect::<Vec<_>>();
        assert!(!fitting.is_empty());
        assert_eq!(text("id_no", &fitting[0]), is(&fitting[0]));
    }

    #[test]
    fn reads_phones() {
        assert_eq!(read("phone", &Content::Number(13_800_138_000.0), true), is("13800138000"));
        assert_eq!(text("phone", "138 0013 8000"), is("13800138000"));
        assert_eq!(text("phone", "13800138000 13900139000"), is("13800138000;13900139000"));
        assert_eq!(text("phone", "13800138000、0731－88889999"), is("13800138000;0731-88889999"));
        assert_eq!(text("phone", "+86 13800138000/13800138000"), is("+8613800138000;13800138000"));
        assert_eq!(text("phone", "1.38E+10"), Value::Bad(BadReason::DigitsLost));
        assert_eq!(text("phone", "无"), Value::Nothing);
    }

    #[test]
    fn reads_the_rest() {
        assert_eq!(text("name", "　张　三 "), is("张三"));
        assert_eq!(text("skills", "唱歌、电工，电工"), is("唱歌;电工"));
        assert_eq!(text("employer", "长沙（岳麓）公司"), is("长沙（岳麓）公司"));
        assert_eq!(text("birth_ym", "1980年5月"), is("1980-05"));
        assert_eq!(text("member_since", "2001.07.01"), is("2001-07-01"));
        assert_eq!(text("job", &"长".repeat(3000)), Value::Bad(BadReason::TooLong));
        assert_eq!(read("job", &Content::Fault, true), Value::Bad(BadReason::CellError));
    }

    #[test]
    fn an_id_number_settles_the_month() {
        assert_eq!(month_of("990103198010011234", 1980).as_deref(), Some("1980-10"));
        assert_eq!(month_of("990103198001011234", 1980).as_deref(), Some("1980-01"));
        assert_eq!(month_of("990103198005011234", 1980), None);
        assert_eq!(month_of("990103198110011234", 1980), None);
    }
}
