//! The merge letters, read from the record files by a few lines of our own.

use std::collections::BTreeMap;

/// What the model needs to know of the record types.
#[derive(Debug, Clone, Default)]
pub struct Letters {
    types: BTreeMap<String, RecordType>,
}

#[derive(Debug, Clone, Default)]
struct RecordType {
    office_only: bool,
    derived: bool,
    letters: BTreeMap<String, char>,
    needed: Vec<String>,
}

impl Letters {
    /// Reads the texts of record files (`schema/records/*.toml`).
    #[must_use]
    pub fn read<'a>(files: impl IntoIterator<Item = &'a str>) -> Self {
        let mut types = BTreeMap::new();
        for file in files {
            let mut name = String::new();
            let mut found = RecordType::default();
            // Common to all types; `created_by` may be missing.
            for common in ["id", "type", "schema_v", "place_code", "created_at", "created_by", "device"] {
                found.letters.insert(common.to_owned(), 'I');
                if common != "created_by" {
                    found.needed.push(common.to_owned());
                }
            }
            for line in file.lines().map(str::trim).take_while(|line| *line != "[choices]" && *line != "[[events]]") {
                if let Some(field) = line.strip_prefix("{ ") {
                    let (Some(field_name), Some(letter)) = (quoted(field, "name"), quoted(field, "merge")) else {
                        continue;
                    };
                    found.letters.insert(field_name.to_owned(), letter.chars().next().unwrap_or('R'));
                    if letter == "I" && field.contains("required = true") {
                        found.needed.push(field_name.to_owned());
                    }
                } else if let Some(own) = quoted(line, "name").filter(|_| line.starts_with("name")) {
                    own.clone_into(&mut name);
                }
                found.office_only |= line == "office_only = true";
                found.derived |= line.starts_with("id = [");
            }
            types.insert(name, found);
        }
        Self { types }
    }

    /// The merge letter of a key: `E` for `ev/<32 digits>/<part>`, the field's for `field/element`, `R` for what is not
    /// known here.
    #[must_use]
    pub fn letter(&self, record_type: &str, key: &str) -> char {
        let digits = |id: &str| id.len() == 32 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        match key.split_once('/') {
            Some(("ev", rest)) if rest.split_once('/').is_some_and(|(id, part)| digits(id) && !part.is_empty()) => 'E',
            Some((field, _)) if self.field(record_type, field) == Some('S') => 'S',
            _ => self.field(record_type, key).filter(|letter| !matches!(letter, 'S' | 'E')).unwrap_or('R'),
        }
    }

    fn field(&self, record_type: &str, field: &str) -> Option<char> {
        self.types.get(record_type)?.letters.get(field).copied()
    }

    /// Whether records of this type count only from an office author.
    #[must_use]
    pub fn office_only(&self, record_type: &str) -> bool {
        self.types.get(record_type).is_some_and(|found| found.office_only)
    }

    /// Whether the id follows from fields, so that a record may begin several times.
    #[must_use]
    pub fn derived(&self, record_type: &str) -> bool {
        self.types.get(record_type).is_some_and(|found| found.derived)
    }

    /// The required I fields, without which a record is no row; `None` for a type that is not known here.
    #[must_use]
    pub fn needed(&self, record_type: &str) -> Option<&[String]> {
        self.types.get(record_type).map(|found| found.needed.as_slice())
    }
}

/// The text behind `key = "` in a line of a record file.
fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{key} = \""))?;
    rest.split_once('"').map(|(text, _)| text)
}
