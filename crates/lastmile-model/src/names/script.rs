//! Traditional to simplified characters.

use std::borrow::Cow;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

/// The unified ideographs of the basic plane, with extension A.
const FIRST: u32 = 0x3400;
const LAST: u32 = 0x9fff;

/// The converter; it loads in some milliseconds, so only texts that need it load it.
static CONVERTER: LazyLock<Option<OpenCC>> = LazyLock::new(|| OpenCC::from_config(BuiltinConfig::T2s).ok());

/// For each ideograph of the basic plane the simplified one, zero where that is itself.
static SIMPLE: LazyLock<Vec<u16>> = LazyLock::new(table);

/// Builds the table character by character, so that no phrase decides: a name is the same name in any company.
fn table() -> Vec<u16> {
    let all: Vec<char> = (FIRST..=LAST).filter_map(char::from_u32).collect();
    let Some(converter) = CONVERTER.as_ref() else { return vec![0; all.len()] };
    let mut listed = String::with_capacity(all.len() * 4);
    for character in &all {
        listed.push(*character);
        listed.push('\n');
    }
    let converted = converter.convert(&listed);
    let direct: Vec<char> = all
        .iter()
        .zip(converted.lines())
        .map(|(character, line)| {
            let mut line = line.chars();
            match (line.next(), line.next()) {
                (Some(simple), None) => simple,
                _ => *character,
            }
        })
        .collect();
    // A character may lead to one that leads on: follow to the end, so that the table maps into its own fixed points.
    let look = |character: char| {
        let at = u32::from(character).checked_sub(FIRST).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| direct.get(at)).copied().unwrap_or(character)
    };
    all.iter()
        .map(|character| {
            let end = (0..4).fold(*character, |at, _| look(at));
            if end == *character { 0 } else { u16::try_from(u32::from(end)).unwrap_or(0) }
        })
        .collect()
}

fn place(character: char) -> Option<usize> {
    let code = u32::from(character);
    if (FIRST..=LAST).contains(&code) { usize::try_from(code - FIRST).ok() } else { None }
}

/// Whether a character is an ideograph that stays as it is.
pub(super) fn is_plain(character: char) -> bool {
    place(character).and_then(|at| SIMPLE.get(at)).is_some_and(|simple| *simple == 0)
}

/// Returns the simplified form of one character.
pub(super) fn simple(character: char) -> char {
    place(character)
        .and_then(|at| SIMPLE.get(at))
        .and_then(|simple| char::from_u32(u32::from(*simple)))
        .filter(|simple| *simple != '\0')
        .unwrap_or(character)
}

/// Converts a text to simplified characters, by phrases where phrases decide; for imported texts and search.
#[must_use]
pub fn simplified(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| place(character).is_none() || is_plain(character)) {
        return Cow::Borrowed(text);
    }
    CONVERTER.as_ref().map_or(Cow::Borrowed(text), |converter| Cow::Owned(converter.convert(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_maps_into_its_fixed_points() {
        let changed = SIMPLE.iter().filter(|simple| **simple != 0).count();
        assert!(changed > 2900, "{changed}");
        for code in FIRST..=LAST {
            let character = char::from_u32(code).unwrap();
            assert_eq!(simple(simple(character)), simple(character));
        }
        assert_eq!((simple('張'), simple('张'), simple('a')), ('张', '张', 'a'));
    }

    #[test]
    fn phrases_decide_in_texts() {
        assert_eq!(simplified("志願服務隊"), "志愿服务队");
        assert!(matches!(simplified("志愿服务队 12"), Cow::Borrowed(_)));
    }
}
