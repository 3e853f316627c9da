//! Text that is safe to show on a terminal.

use std::borrow::Cow;

/// Replaces what would command a terminal or turn the direction of text: a name typed by somebody else must not move
/// the cursor, clear the screen or make one file name look like another.
///
/// Line breaks and tabs become spaces, the rest U+FFFD.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let replaced = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if is_hostile(c) => '\u{FFFD}',
        c => c,
    };
    Cow::Owned(text.chars().map(replaced).collect())
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
            | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_ordinary_text_alone() {
        assert!(matches!(printable("张三 (Zhang Sān) ·—“”"), Cow::Borrowed(_)));
    }

    #[test]
    fn takes_the_power_from_control_sequences() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202E}d\u{9b}"), "a\u{FFFD}[2Jb c\u{FFFD}d\u{FFFD}");
    }
}
