//! Cells as files hold them, and the text that is meant.

/// What a file holds, row by row; rows without content are left out.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub rows: Vec<GridRow>,
    /// Whether the file knows text from numbers; a CSV file does not, so that a text may be a number that Excel wrote.
    pub typed: bool,
}

#[derive(Debug)]
pub(super) struct GridRow {
    /// As the file's own program shows it, from 1.
    pub number: u64,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub content: Content,
    /// Whether the content was repeated from the first row of merged cells.
    pub continued: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Content {
    #[default]
    Empty,
    Text(String),
    Number(f64),
    Date {
        year: u16,
        month: u8,
        day: u8,
    },
    /// `#REF!` and the like.
    Fault,
}

impl Content {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => tidy(text).is_empty(),
            _ => false,
        }
    }

    /// Returns the text as a person sees it, for headings and notes.
    pub fn shown(&self) -> String {
        match self {
            Self::Empty | Self::Fault => String::new(),
            Self::Text(text) => tidy(text),
            Self::Number(number) => number_text(*number).unwrap_or_default(),
            Self::Date { year, month, day } => format!("{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl GridRow {
    pub fn cell(&self, column: usize) -> Option<&Cell> {
        self.cells.get(column)
    }

    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.content.is_empty())
    }
}

/// Excel keeps 15 digits of a number; of a longer one the rest is gone.
const EXACT: f64 = 1e15;

/// Returns a number as Excel shows it where the column is wide enough; `None` if digits are lost.
pub(super) fn number_text(number: f64) -> Option<String> {
    (number.is_finite() && number.abs() < EXACT).then(|| format!("{number}"))
}

/// Takes away what nobody meant to type: an apostrophe that told Excel "this is text", `="..."`, invisible marks,
/// spaces around and runs of them. Full-width letters and digits become ordinary ones.
pub(super) fn tidy(text: &str) -> String {
    let text = text.trim_matches(is_space);
    let text = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let text = text.strip_prefix(['\'', '\u{2018}', '\u{2019}', '`']).unwrap_or(text);
    let mut tidied = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if is_space(c) {
            space = !tidied.is_empty();
            continue;
        }
        if space {
            tidied.push(' ');
            space = false;
        }
        tidied.push(half_width(c));
    }
    tidied
}

/// Returns the ordinary form of a full-width letter or digit; punctuation stays, it may belong to a name.
fn half_width(c: char) -> char {
    match c {
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => ascii_of(c),
        c => c,
    }
}

fn ascii_of(c: char) -> char {
    u32::from(c).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(c)
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{3000}'
}

/// Marks without a shape; phone numbers copied from a telephone's contacts are full of them.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}')
}

/// Returns a text that is a code: no spaces, ordinary punctuation, capital letters.
pub(super) fn code(text: &str) -> String {
    let half = |c: char| if ('！'..='～').contains(&c) { ascii_of(c) } else { c };
    text.chars().filter(|c| !is_space(*c)).map(half).map(|c| c.to_ascii_uppercase()).collect()
}

/// Returns a name without the spaces that stretch short names: `张　三` is `张三`, `Ann Lee` stays.
pub(super) fn name(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut joined = String::with_capacity(text.len());
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| chars.get(index));
        let after = chars.get(index + 1);
        let between_han = before.is_some_and(|c| is_han(*c)) && after.is_some_and(|c| is_han(*c));
        if *c != ' ' || !between_han {
            joined.push(*c);
        }
    }
    joined
}

pub(super) const fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

/// Returns whether a text is a number in the notation that Excel falls back to: `4.30103E+17`.
pub(super) fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole) && digits(fraction) && exponent.strip_prefix('+').is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_away_what_nobody_meant() {
        assert_eq!(tidy("　张 三\u{a0} "), "张 三");
        assert_eq!(tidy("'430103198001011234"), "430103198001011234");
        assert_eq!(tidy("=\"0010\""), "0010");
        assert_eq!(tidy("\u{202d}13800138000\u{202c}"), "13800138000");
        assert_eq!(tidy("１３８ａＢ（岳麓）"), "138aB（岳麓）");
        assert_eq!(tidy("a\r\n\tb"), "a b");
        assert_eq!(tidy(" \u{feff} "), "");
    }

    #[test]
    fn makes_codes_and_names() {
        assert_eq!(code("4301 0319 8001 0112 3x"), "43010319800101123X");
        assert_eq!(code("0731－8888（9999）"), "0731-8888(9999)");
        assert_eq!(name("张 三"), "张三");
        assert_eq!(name("Ann Lee"), "Ann Lee");
        assert_eq!(name("阿卜杜拉·买 买提"), "阿卜杜拉·买买提");
    }

    #[test]
    fn knows_lost_digits() {
        for lost in ["4.30103E+17", "4E+17", "1.38e+10"] {
            assert!(is_scientific(lost), "{lost}");
        }
        for fine in ["13800138000", "E+17", "4.3E17", "4.3.1E+17", "Eve", "4.E+1"] {
            assert!(!is_scientific(fine), "{fine}");
        }
        assert_eq!(number_text(13_800_138_000.0).as_deref(), Some("13800138000"));
        assert_eq!(number_text(1980.05).as_deref(), Some("1980.05"));
        assert_eq!(number_text(4.301_031_980_010_1e17), None);
        assert_eq!(number_text(f64::NAN), None);
    }
}
