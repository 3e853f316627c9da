//! The shape of one value: what a field of each kind may hold.

use super::CheckContext;
use crate::catalogue::{Field, FieldKind};
use crate::civil::{self, Month};
use crate::problem::Fault;
use crate::{Value, keys, phone, places, uscc};

/// The longest name of a person or organisation, in characters.
pub const MAX_NAME: usize = 60;

/// The length of a sealed value: suite, key id and sealed box, 57 bytes around the number, with room for later suites. A number in clear
/// is shorter.
const SEALED: std::ops::RangeInclusive<usize> = 58..=1024;

/// Checks that a field may hold this value, leaving aside the other fields of the record.
///
/// # Errors
/// What is wrong with it.
pub fn check_value(field: &Field, value: &Value, ctx: &CheckContext<'_>) -> Result<(), Fault> {
    check_kind(&field.kind, value, ctx).map_err(|fault| match fault {
        Fault::NotAChoice { .. } => Fault::NotAChoice { choices: field.choices.clone() },
        other => other,
    })
}

/// Checks that a value is of a kind; a choice that is none is reported without the choices.
pub(super) fn check_kind(kind: &FieldKind, value: &Value, ctx: &CheckContext<'_>) -> Result<(), Fault> {
    match (kind, value) {
        (FieldKind::Int { min, max }, Value::Int(number)) => {
            ok(min <= number && number <= max, Fault::OutOfRange { min: *min, max: *max })
        }
        (FieldKind::Bool, Value::Bool(_)) | (FieldKind::Instant, Value::Timestamp(_)) => Ok(()),
        (FieldKind::Ref(_), Value::Bytes(bytes)) => ok(bytes.len() == 16, Fault::BadReference),
        (FieldKind::Bytes { max }, Value::Bytes(bytes)) => {
            ok(!bytes.is_empty() && bytes.len() <= *max, Fault::BadBytes { max: *max })
        }
        (FieldKind::IdNumber, Value::Bytes(bytes)) => ok(SEALED.contains(&bytes.len()), Fault::NotSealed),
        (FieldKind::IdNumber, _) => Err(Fault::NotSealed),
        (FieldKind::Ref(_), _) => Err(Fault::BadReference),
        (FieldKind::Int { .. } | FieldKind::Bool | FieldKind::Instant | FieldKind::Bytes { .. }, _) => {
            Err(Fault::WrongType { expected: kind.word() })
        }
        (_, Value::Str(text)) => check_text(kind, text, ctx),
        _ => Err(Fault::WrongType { expected: kind.word() }),
    }
}

/// Checks an element of a set, in the text form that keys hold.
pub(super) fn check_element(field: &Field, element: &str, ctx: &CheckContext<'_>) -> Result<(), Fault> {
    match &field.kind {
        FieldKind::Ref(_) => ok(keys::element_reference(element).is_some(), Fault::BadReference),
        FieldKind::Bytes { max } => {
            let hex = element.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            let fits = hex && !element.is_empty() && element.len().is_multiple_of(2) && element.len() / 2 <= *max;
            ok(fits, Fault::BadBytes { max: *max })
        }
        kind => check_text(kind, element, ctx).map_err(|fault| match fault {
            Fault::NotAChoice { .. } => Fault::NotAChoice { choices: field.choices.clone() },
            other => other,
        }),
    }
}

fn check_text(kind: &FieldKind, text: &str, ctx: &CheckContext<'_>) -> Result<(), Fault> {
    match kind {
        FieldKind::Text { max } => check_words(text, *max),
        FieldKind::Name => {
            check_words(text, MAX_NAME)?;
            ok(text.chars().any(char::is_alphabetic), Fault::NoName)
        }
        FieldKind::Date => ok(civil::parse_date(text).is_some(), Fault::BadDate),
        FieldKind::Month => ok(Month::parse(text).is_some(), Fault::BadMonth),
        FieldKind::Time => ok(civil::parse_time(text).is_some(), Fault::BadTime),
        FieldKind::Place => {
            ok(places::is_code(text), Fault::BadPlace)?;
            ok(ctx.places.is_none_or(|places| places.can_be(text)), Fault::UnknownPlace)
        }
        FieldKind::Decimal => ok(is_decimal(text), Fault::BadDecimal),
        FieldKind::Enum(codes) => ok(codes.iter().any(|code| code == text), Fault::NotAChoice { choices: Vec::new() }),
        FieldKind::Phone => ok(phone::is_normal(text), Fault::BadPhone),
        FieldKind::Uscc => uscc::check(text).map_err(Fault::BadUscc),
        _ => Err(Fault::WrongType { expected: kind.word() }),
    }
}

/// Checks a text: not blank, not too long, nothing in it that hides or turns what stands there.
fn check_words(text: &str, max: usize) -> Result<(), Fault> {
    // As many bytes as characters allowed cannot be too many; more than four each must be.
    if text.len() > max && (text.len() > max.saturating_mul(4) || text.chars().count() > max) {
        return Err(Fault::TooLong { max });
    }
    ok(!text.trim().is_empty(), Fault::Empty)?;
    ok(!text.chars().any(is_forbidden), Fault::ControlCharacters)
}

/// Controls but for line feed and tab, marks that turn the direction, and what is drawn as nothing.
pub(crate) const fn is_forbidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Digits, then at most a point and three digits; at most 15 digits before it.
fn is_decimal(text: &str) -> bool {
    let (whole, places) = text.split_once('.').map_or((text, None), |(whole, places)| (whole, Some(places)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let sound = (1..=15).contains(&whole.len()) && digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
    sound && places.is_none_or(|places| (1..=3).contains(&places.len()) && digits(places))
}

fn ok(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}
