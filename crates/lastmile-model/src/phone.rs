//! Phone numbers of the mainland in one normal form.
//!
//! A mobile number is its 11 digits, a landline its area code, a hyphen and 7 or 8 digits (`0731-84441234`). Sets of
//! phones merge by their text, so records hold the normal form alone.

/// Brings a phone number as typed to its normal form; `None` if it is none.
///
/// Accepts full-width digits, spaces, hyphens, dots, brackets around the area code, and +86, 0086 or 86 in front.
#[must_use]
pub fn normal(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(16);
    let mut plus = false;
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '０'..='９' => digits.push(char::from(b'0' + u8::try_from(u32::from(character) - 0xFF10).ok()?)),
            '+' | '＋' if digits.is_empty() && !plus => plus = true,
            ' ' | '\u{3000}' | '\t' | '-' | '－' | '—' | '–' | '‐' | '.' | '(' | ')' | '（' | '）' => {}
            _ => return None,
        }
    }
    let abroad = |rest: &str| rest.strip_prefix("86").map(str::to_owned);
    if plus {
        digits = abroad(&digits)?;
        // From abroad the area code is dialled without its zero.
        if !digits.starts_with('0') && mobile(&digits).is_none() {
            digits.insert(0, '0');
        }
    } else if let Some(rest) = digits.strip_prefix("00") {
        return normal(&format!("+{rest}"));
    } else if digits.len() == 13 && digits.starts_with("86") {
        digits = abroad(&digits)?;
    }
    mobile(&digits).or_else(|| landline(&digits))
}

/// Whether a text is a phone number in its normal form.
#[must_use]
pub fn is_normal(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() == 11 && bytes.iter().all(u8::is_ascii_digit) {
        return mobile_prefix(bytes);
    }
    text.contains('-') && normal(text).as_deref() == Some(text)
}

/// Returns the last four digits of a phone number in its normal form.
#[must_use]
pub fn last4(phone: &str) -> Option<&str> {
    phone.get(phone.len().checked_sub(4)?..)
}

fn mobile(digits: &str) -> Option<String> {
    (digits.len() == 11 && mobile_prefix(digits.as_bytes())).then(|| digits.to_owned())
}

const fn mobile_prefix(digits: &[u8]) -> bool {
    matches!(digits, [b'1', b'3'..=b'9', ..])
}

fn landline(digits: &str) -> Option<String> {
    let area = match digits.as_bytes() {
        [b'0', b'1' | b'2', ..] => 3,
        [b'0', b'3'..=b'9', ..] => 4,
        _ => return None,
    };
    let (area, rest) = digits.split_at_checked(area)?;
    let local = matches!(rest.len(), 7 | 8) && rest.starts_with(|first: char| ('2'..='9').contains(&first));
    local.then(|| format!("{area}-{rest}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_people_type() {
        for text in [
            "13812345678",
            "138 1234 5678",
            "+86 138-1234-5678",
            "008613812345678",
            "8613812345678",
            "１３８１２３４５６７８",
        ] {
            assert_eq!(normal(text).as_deref(), Some("13812345678"), "{text}");
        }
        for text in
            ["0731-84441234", "(0731)84441234", "073184441234", "+86 731 84441234", "０７３１－８４４４１２３４"]
        {
            assert_eq!(normal(text).as_deref(), Some("0731-84441234"), "{text}");
        }
        assert_eq!(normal("010-65123456").as_deref(), Some("010-65123456"));
        assert_eq!(last4("13812345678"), Some("5678"));
    }

    #[test]
    fn what_is_no_phone() {
        for text in [
            "",
            "1381234567",
            "138123456789",
            "12812345678",
            "0731-1234567",
            "84441234",
            "1381234567a",
            "+1 2025550100",
            "0731",
        ] {
            assert_eq!(normal(text), None, "{text}");
            assert!(!is_normal(text));
        }
        assert!(!is_normal("138 1234 5678") && !is_normal("073184441234"));
    }

    proptest! {
        #[test]
        fn normal_is_a_fixed_point(text in "[+0-9０-９ ()-]{0,18}") {
            if let Some(phone) = normal(&text) {
                prop_assert!(is_normal(&phone));
                prop_assert_eq!(normal(&phone), Some(phone.clone()));
            }
        }
    }
}
