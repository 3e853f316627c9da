//! The words a record is found by, and the phrases people type.

/// Says whether a character stands as a word of its own: Chinese, Japanese and Korean are written without spaces.
fn stands_alone(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Splits a text into search words: each Chinese character alone, other letters and digits in runs, lower case.
#[must_use]
pub fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    let mut in_run = false;
    for character in text.chars() {
        if !character.is_alphanumeric() {
            in_run = false;
        } else if !stands_alone(character) {
            if !in_run && !out.is_empty() {
                out.push(' ');
            }
            out.extend(character.to_lowercase());
            in_run = true;
        } else {
            in_run = false;
            if !out.is_empty() {
                out.push(' ');
            }
            out.push(character);
        }
    }
    out
}

/// What a person typed to find a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPhrase {
    words: Vec<String>,
}

impl SearchPhrase {
    /// Reads a phrase.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { words: words(text).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect() }
    }

    /// The words in order.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Writes the phrase as an FTS5 match: the words in a row, the last as a prefix, or one word as pinyin initials.
    pub(crate) fn match_expression(&self) -> Option<String> {
        let (last, rest) = self.words.split_last()?;
        // Words hold letters and digits only, so the quotes cannot be closed from within.
        let mut phrase = String::from("words : (\"");
        for word in rest {
            phrase.push_str(word);
            phrase.push(' ');
        }
        phrase.push_str(last);
        phrase.push_str("\"*)");
        if rest.is_empty() && last.is_ascii() {
            phrase.push_str(&format!(" OR initials : (\"{last}\"*)"));
        }
        Some(phrase)
    }

    /// Tells whether a record with these words and initials is found, as the index would.
    #[must_use]
    pub fn finds(&self, words: &str, initials: &str) -> bool {
        let Some((last, rest)) = self.words.split_last() else { return false };
        let held: Vec<&str> = words.split(' ').collect();
        let in_words = held.windows(self.words.len()).any(|window| {
            window.split_last().is_some_and(|(end, start)| start == rest && end.starts_with(last.as_str()))
        });
        in_words
            || (rest.is_empty() && last.is_ascii() && initials.split(' ').any(|word| word.starts_with(last.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_chinese_and_keeps_runs() {
        assert_eq!(words("张伟 Zhang 138-0013"), "张 伟 zhang 138 0013");
        assert_eq!(words("张\u{3000}伟。"), "张 伟");
        assert_eq!(words(""), "");
    }

    #[test]
    fn finds_by_characters_initials_and_tail() {
        let held = words("张伟 5678");
        assert!(SearchPhrase::new("张伟").finds(&held, "zw"));
        assert!(SearchPhrase::new("伟").finds(&held, "zw"));
        assert!(SearchPhrase::new("zw").finds(&held, "zw"));
        assert!(SearchPhrase::new("56").finds(&held, "zw"));
        assert!(!SearchPhrase::new("伟张").finds(&held, "zw"));
        assert!(!SearchPhrase::new("").finds(&held, "zw"));
    }
}
