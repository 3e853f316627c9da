//! Reading settings from the file, the environment and the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::PREFIX;
use super::keys::{KEYS, KeySpec, Kind};
use crate::messages::{Messages, key};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file, from 1 on.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Option(name) => f.write_str(name),
        }
    }
}

/// A value as it was written: one text, or several where the key takes several.
pub type Value = Vec<String>;

/// A value in force, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The value; empty where nothing is set.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is wrong with a configuration, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// The file is no TOML.
    Syntax {
        /// The place.
        origin: Origin,
        /// What the reader says.
        reason: String,
    },
    /// There is no such key.
    UnknownKey {
        /// The place.
        origin: Origin,
        /// The key.
        key: String,
        /// The key that was probably meant.
        meant: Option<&'static str>,
    },
    /// The key takes other values.
    BadValue {
        /// The place.
        origin: Origin,
        /// The key.
        spec: &'static KeySpec,
        /// What was written.
        value: String,
    },
    /// A word of `--set` is no `KEY=VALUE`.
    NotAnAssignment {
        /// The word.
        word: String,
    },
}

impl Mistake {
    /// The line of the file where it stands.
    const fn line(&self) -> usize {
        match self {
            Self::Syntax { origin: Origin::File(_, line), .. }
            | Self::UnknownKey { origin: Origin::File(_, line), .. }
            | Self::BadValue { origin: Origin::File(_, line), .. } => *line,
            _ => 0,
        }
    }

    /// Says what is wrong, where, and what to write instead.
    #[must_use]
    pub fn say(&self, messages: &Messages) -> String {
        match self {
            Self::Syntax { origin, reason } => {
                let args = [("place", origin.to_string()), ("reason", reason.clone())];
                messages.text(key!("config.syntax"), &args)
            }
            Self::UnknownKey { origin, key, meant: Some(meant) } => {
                let args = [("place", origin.to_string()), ("key", key.clone()), ("meant", (*meant).to_owned())];
                messages.text(key!("config.unknown_meant"), &args)
            }
            Self::UnknownKey { origin, key, meant: None } => {
                messages.text(key!("config.unknown"), &[("place", origin.to_string()), ("key", key.clone())])
            }
            Self::BadValue { origin, spec, value } => {
                let expected = messages.text(spec.expected(), &spec.bounds());
                let args = [
                    ("place", origin.to_string()),
                    ("key", spec.name.to_owned()),
                    ("value", value.clone()),
                    ("expected", expected),
                ];
                messages.text(key!("config.bad_value"), &args)
            }
            Self::NotAnAssignment { word } => messages.text(key!("config.no_assignment"), &[("word", word)]),
        }
    }
}

/// Whether a place is no folder.
fn is_bucket(value: &Value) -> bool {
    value.iter().any(|one| one.contains("://"))
}

/// Every key with the value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    set: BTreeMap<&'static str, Set>,
    /// What was wrong on the way; nothing of it is in force.
    pub mistakes: Vec<Mistake>,
}

impl Default for Settings {
    fn default() -> Self {
        let set = KEYS.iter().map(|spec| {
            let value = if spec.default.is_empty() { Vec::new() } else { vec![spec.default.to_owned()] };
            (spec.name, Set { value, origin: Origin::Default })
        });
        Self { set: set.collect(), mistakes: Vec::new() }
    }
}

impl Settings {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> &[String] {
        self.set.get(name).map_or(&[], |set| &set.value)
    }

    /// Every key in force, in the order of the list of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&'static KeySpec, &Set)> {
        KEYS.iter().filter_map(|spec| Some((spec, self.set.get(spec.name)?)))
    }

    /// Sets a key if it is one and takes the value; notes the mistake otherwise. An empty value takes a list or an optional key back.
    pub fn set(&mut self, name: &str, value: Value, origin: Origin) {
        let Some(spec) = KeySpec::find(name) else {
            let meant = nearest(name);
            self.mistakes.push(Mistake::UnknownKey { origin, key: name.to_owned(), meant });
            return;
        };
        let optional = spec.is_list() || spec.default.is_empty();
        let fits = if value.is_empty() { optional } else { spec.is_list() || value.len() == 1 };
        match value.iter().find(|one| !spec.takes(one)) {
            None if fits => {
                self.set.insert(spec.name, Set { value, origin });
            }
            bad => {
                let value = bad.map_or_else(|| value.join(", "), Clone::clone);
                self.mistakes.push(Mistake::BadValue { origin, spec, value });
            }
        }
    }

    /// Takes what a configuration file says.
    pub fn read_file(&mut self, path: &Path, text: &str) {
        let at = |offset: usize| {
            let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
            Origin::File(path.to_owned(), 1 + before.iter().filter(|byte| **byte == b'\n').count())
        };
        let before = self.mistakes.len();
        match DeTable::parse(text) {
            Ok(table) => self.read_table(table.get_ref(), "", path, &at),
            Err(error) => {
                let origin = at(error.span().map_or(0, |span| span.start));
                let reason = error.message().lines().next().unwrap_or_default().to_owned();
                self.mistakes.push(Mistake::Syntax { origin, reason });
            }
        }
        // The reader gives keys by their names; a person goes by the lines.
        if let Some(new) = self.mistakes.get_mut(before..) {
            new.sort_by_key(Mistake::line);
        }
    }

    fn read_table(&mut self, table: &DeTable<'_>, prefix: &str, path: &Path, at: &impl Fn(usize) -> Origin) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let origin = at(key.span().start);
            if let DeValue::Table(inner) = value.get_ref()
                && KeySpec::find(&name).is_none()
            {
                if KEYS.iter().any(|spec| spec.name.starts_with(&format!("{name}."))) {
                    self.read_table(inner, &format!("{name}."), path, at);
                } else {
                    self.mistakes.push(Mistake::UnknownKey { origin, meant: nearest(&name), key: name });
                }
                continue;
            }
            let Some(spec) = KeySpec::find(&name) else {
                self.mistakes.push(Mistake::UnknownKey { origin, meant: nearest(&name), key: name });
                continue;
            };
            match written(value.get_ref()) {
                Some(value) if spec.kind == Kind::File || (spec.kind == Kind::Store && !is_bucket(&value)) => {
                    // A file lies where the configuration lies, unless it says where.
                    let folder = path.parent().unwrap_or(Path::new(""));
                    let value = value.iter().map(|file| folder.join(file).display().to_string()).collect();
                    self.set(&name, value, origin);
                }
                Some(value) => self.set(&name, value, origin),
                None => {
                    let value = "…".to_owned();
                    self.mistakes.push(Mistake::BadValue { origin, spec, value });
                }
            }
        }
    }

    /// Takes what the environment says; variables of the program's prefix that are no key are mistakes.
    pub fn read_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let mut found: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        found.sort();
        for (variable, value) in found {
            let origin = Origin::Environment(variable.clone());
            match KEYS.iter().find(|spec| spec.variable() == variable) {
                Some(spec) => self.set(spec.name, split(spec, &value), origin),
                None => self.mistakes.push(Mistake::UnknownKey { origin, key: variable, meant: None }),
            }
        }
    }

    /// Takes the `KEY=VALUE` words of `--set`.
    pub fn read_words(&mut self, words: &[String]) {
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => {
                    let value = KeySpec::find(name).map_or_else(|| vec![value.to_owned()], |spec| split(spec, value));
                    self.set(name, value, Origin::Option("--set"));
                }
                None => self.mistakes.push(Mistake::NotAnAssignment { word: word.clone() }),
            }
        }
    }
}

/// A value written in one text: a list has commas.
fn split(spec: &KeySpec, text: &str) -> Value {
    if text.is_empty() {
        Vec::new()
    } else if spec.is_list() {
        text.split(',').map(|one| one.trim().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    }
}

/// A value of the file as texts; `None` for kinds that no key takes.
fn written(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Integer(number) if number.radix() == 10 => Some(vec![number.as_str().to_owned()]),
        DeValue::Array(several) => {
            let each = several.iter().map(|one| match one.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            each.collect()
        }
        _ => None,
    }
}

/// The key that was probably meant: one that ends alike, or differs in at most two letters.
fn nearest(name: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let names = || KEYS.iter().map(|spec| spec.name);
    let alike = names().find(|known| last(known) == last(name));
    alike.or_else(|| {
        names().map(|known| (distance(known, name), known)).min().filter(|(far, _)| *far <= 2).map(|(_, known)| known)
    })
}

/// In how many letters two names differ (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut next = vec![at + 1];
        for (place, (candidate, above)) in other.iter().zip(row.windows(2)).enumerate() {
            let [left_above, above] = above else { continue };
            let left = next.get(place).copied().unwrap_or(usize::MAX);
            next.push((left_above + usize::from(letter != *candidate)).min(above + 1).min(left.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Language;

    fn file(text: &str) -> Settings {
        let mut settings = Settings::default();
        settings.read_file(Path::new("/etc/lastmile/relay.toml"), text);
        settings
    }

    fn said(settings: &Settings) -> Vec<String> {
        settings.mistakes.iter().map(|mistake| mistake.say(Messages::of(Language::English))).collect()
    }

    #[test]
    fn each_source_stands_above_the_one_before() {
        let mut settings = file("listen = \"10.0.0.5:8440\"\n[limits]\nconnections = 7\nidle_seconds = 9\n");
        settings.read_environment(
            [("LASTMILE_RELAY_LIMITS_CONNECTIONS".to_owned(), "8".to_owned()), ("HOME".to_owned(), "x".to_owned())]
                .into_iter(),
        );
        settings.read_words(&["limits.idle_seconds=10".to_owned()]);
        assert_eq!(settings.mistakes, []);
        let from = |name: &str| settings.iter().find(|(spec, _)| spec.name == name).unwrap().1.clone();
        assert_eq!(from("listen").origin.to_string(), "/etc/lastmile/relay.toml:1");
        assert_eq!(
            (from("limits.connections").value, settings.get("limits.idle_seconds")),
            (vec!["8".to_owned()], &["10".to_owned()][..])
        );
        assert_eq!(from("limits.connections").origin.to_string(), "LASTMILE_RELAY_LIMITS_CONNECTIONS");
        assert_eq!(from("limits.idle_seconds").origin.to_string(), "--set");
        assert_eq!(from("log.level").origin.to_string(), "default");
    }

    #[test]
    fn lists_and_files_are_read_as_such() {
        let mut settings =
            file("proxies = [\"10.0.0.4\", \"::1\"]\ntls.certificate = \"chain.pem\"\ntls.key = \"/k.pem\"\n");
        assert_eq!(settings.get("proxies"), ["10.0.0.4", "::1"]);
        assert_eq!(settings.get("tls.certificate"), ["/etc/lastmile/chain.pem"]);
        assert_eq!(settings.get("tls.key"), ["/k.pem"]);
        let value = "a.example, 10.0.0.5".to_owned();
        settings.read_environment(std::iter::once(("LASTMILE_RELAY_TLS_NAMES".to_owned(), value)));
        assert_eq!(settings.get("tls.names"), ["a.example", "10.0.0.5"]);
        settings.read_words(&["proxies=".to_owned()]);
        assert_eq!((settings.get("proxies"), settings.mistakes.len()), (&[][..], 0));
    }

    #[test]
    fn mistakes_name_file_line_and_key_and_what_to_write() {
        let settings = file(
            "listen = \"8440\"\nlissten = \"127.0.0.1:1\"\n\n[limits]\nconnections = 0\nidle_seconds = true\n[tsl]\nmode = \"off\"\n[color]\nred = 1\n",
        );
        let said = said(&settings);
        assert_eq!(said.len(), 6, "{said:#?}");
        for (line, at, words) in [
            (0, 1, ["`listen`", "8440"]),
            (1, 2, ["`lissten`", "`listen`"]),
            (2, 5, ["`limits.connections`", "1 to 1000000"]),
            (3, 6, ["`limits.idle_seconds`", "1 to 3600"]),
            (4, 7, ["`tsl`", "relay.toml"]),
            (5, 9, ["`color`", "relay.toml"]),
        ] {
            assert!(said[line].contains(&format!("relay.toml:{at}")), "{}", said[line]);
            assert!(words.iter().all(|word| said[line].contains(word)), "{}", said[line]);
        }
        assert_eq!(settings.get("limits.connections"), ["4096"], "a mistake is not in force");
    }

    #[test]
    fn broken_toml_and_unknown_variables_are_mistakes() {
        let mut settings = file("listen = \"127.0.0.1:1\"\n\nproxies = [\n");
        assert!(said(&settings)[0].contains("relay.toml:"), "{:?}", said(&settings));
        settings.mistakes.clear();
        settings.read_environment(std::iter::once(("LASTMILE_RELAY_LISTNE".to_owned(), "x".to_owned())));
        settings.read_words(&["listen".to_owned(), "listen=".to_owned(), "tls.mode=off,on".to_owned()]);
        assert_eq!(settings.mistakes.len(), 4, "{:#?}", said(&settings));
    }
}
