//! What the program says, in zh-CN and English.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A language the program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Simplified Chinese, `zh-CN`.
    Chinese,
    /// English, `en`.
    English,
}

impl Language {
    /// Chooses the language of the environment: `LC_ALL`, `LC_MESSAGES`, `LANG` or what the system says.
    #[must_use]
    pub fn of_environment() -> Self {
        sys_locale::get_locale().map_or(Self::English, |locale| Self::of_locale(&locale))
    }

    /// Chooses the language of a locale: Chinese for every `zh`, else English.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let language = locale.split(['-', '_', '.', '@']).next().unwrap_or(locale);
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }

    /// Returns the BCP 47 tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text.to_ascii_lowercase().as_str() {
            "zh" | "zh-cn" | "zh-hans" | "zh_cn" => Ok(Self::Chinese),
            "en" => Ok(Self::English),
            _ => Err(UnknownLanguage),
        }
    }
}

/// A language that the program does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the languages are zh-CN and en")]
pub struct UnknownLanguage;

/// The name of a message; made by `key!`, so that a test finds every one in the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(crate) &'static str);

impl Key {
    /// Returns the name as it stands in the message files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Names a message.
macro_rules! key {
    ($name:literal) => {
        $crate::messages::Key($name)
    };
}
pub(crate) use key;

/// The messages of one language.
#[derive(Debug)]
pub struct Messages {
    language: Language,
    texts: BTreeMap<String, String>,
}

static CHINESE: LazyLock<Messages> =
    LazyLock::new(|| Messages::load(Language::Chinese, include_str!("../messages/zh-CN.toml")));
static ENGLISH: LazyLock<Messages> =
    LazyLock::new(|| Messages::load(Language::English, include_str!("../messages/en.toml")));

impl Messages {
    /// Returns the messages of a language.
    #[must_use]
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::Chinese => &CHINESE,
            Language::English => &ENGLISH,
        }
    }

    fn load(language: Language, file: &str) -> Self {
        let mut texts = BTreeMap::new();
        // The files are part of the program and a test reads them: an unreadable one leaves the keys to be shown.
        if let Ok(table) = file.parse::<toml::Table>() {
            flatten("", &table, &mut texts);
        }
        Self { language, texts }
    }

    /// Returns the language.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Returns the text of `key` with its `{placeholders}` filled in; an unknown key is its own text.
    #[must_use]
    pub fn text<V: AsRef<str>>(&self, key: Key, args: &[(&str, V)]) -> String {
        self.texts.get(key.0).map_or_else(|| key.0.to_owned(), |text| fill(text, args))
    }

    /// Returns the text of `key`, which has no placeholders.
    #[must_use]
    pub fn plain(&self, key: Key) -> String {
        self.text::<&str>(key, &[])
    }

    /// Returns the keys and texts as they stand in the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }
}

fn flatten(prefix: &str, table: &toml::Table, texts: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, texts),
            toml::Value::String(text) => {
                texts.insert(key, text.clone());
            }
            other => {
                texts.insert(key, other.to_string());
            }
        }
    }
}

/// Fills in placeholders in one pass: a value that looks like a placeholder stays as it is.
fn fill<V: AsRef<str>>(text: &str, args: &[(&str, V)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let found = after.split_once('}').and_then(|(name, after)| {
            args.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| (value, after))
        });
        match found {
            Some((value, after)) => {
                filled.push_str(value.as_ref());
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// Returns the names of the placeholders in a text, sorted.
#[must_use]
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_language_of_a_locale() {
        for locale in ["zh-CN", "zh_CN.UTF-8", "zh", "zh-Hans-CN", "ZH_tw"] {
            assert_eq!(Language::of_locale(locale), Language::Chinese, "{locale}");
        }
        for locale in ["en-US", "C", "POSIX", "C.UTF-8", "de-DE", "zhx", ""] {
            assert_eq!(Language::of_locale(locale), Language::English, "{locale}");
        }
        assert_eq!("zh-CN".parse(), Ok(Language::Chinese));
        assert_eq!("EN".parse(), Ok(Language::English));
        assert_eq!("fr".parse::<Language>(), Err(UnknownLanguage));
    }

    #[test]
    fn fills_placeholders_once() {
        let args = [("a", "{b}"), ("b", "2")];
        assert_eq!(fill("{a}, {b}, {c}, {", &args), "{b}, 2, {c}, {");
        assert_eq!(fill("没有", &args), "没有");
        assert_eq!(placeholders("{b} {a} {b}"), ["a", "b"]);
    }

    #[test]
    fn shows_an_unknown_key() {
        assert_eq!(Messages::of(Language::English).plain(Key("no.such.key")), "no.such.key");
    }
}
