//! Typed records for every language, from `schema/records`.
//!
//! Per record type: a class for a new record, one for changes of it, one that reads a stored one, an enumeration per choice, and a function
//! per kind of event. They only name what the generic form takes as text, so that a form can still be made from the catalogue alone.

mod kotlin;
mod python;
mod swift;

use lastmile_model::{Catalogue, Field, FieldKind, Merge, RecordType};

/// Every generated file with its path below `mobile-bindings`.
#[must_use]
pub fn outputs() -> Vec<(&'static str, String)> {
    let types = types(Catalogue::builtin());
    vec![
        ("kotlin/library/src/main/kotlin/lastmile/Records.kt", kotlin::file(&types)),
        ("python/lastmile/records.py", python::file(&types)),
        ("swift/Sources/Lastmile/Records.swift", swift::file(&types)),
    ]
}

/// What a field is in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Date,
    Month,
    Time,
    Reference,
    Bytes,
    /// The name of its enumeration.
    Choice(String),
    /// Goes to the office and is never read back.
    Sealed,
}

/// A field that people fill in.
struct Attribute {
    name: String,
    kind: Kind,
    is_set: bool,
    /// Whether a new record has to say it.
    needed: bool,
    changeable: bool,
    zh: String,
    en: String,
}

/// One code of an enumeration.
struct Code {
    /// Its name, in words of capitals.
    name: String,
    code: String,
    zh: String,
    en: String,
}

struct Enumeration {
    name: String,
    zh: String,
    en: String,
    codes: Vec<Code>,
}

/// A kind of event.
struct Step {
    kind: String,
    en: String,
    zh: String,
    needed: Vec<String>,
    optional: Vec<String>,
}

/// A record type as the languages see it.
struct Typed {
    /// As record files name it.
    name: String,
    zh: String,
    en: String,
    attributes: Vec<Attribute>,
    enumerations: Vec<Enumeration>,
    steps: Vec<Step>,
    has_state: bool,
    derived_id: bool,
}

impl Typed {
    /// The name of its classes.
    fn class(&self) -> String {
        pascal(&self.name)
    }
}

/// `check_in` as `CheckIn`.
fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('_').map(capital).collect()
}

/// `check_in` as `checkIn`.
fn camel(name: &str) -> String {
    let whole = pascal(name);
    let mut letters = whole.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A name for a code: its own where it begins with a letter, else the English word's.
fn code_name(code: &str, en: &str) -> String {
    let from = if code.starts_with(|first: char| first.is_ascii_alphabetic()) { code } else { en };
    let plain = from.replace('\'', "");
    let words = plain.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_uppercase).collect::<Vec<_>>().join("_")
}

fn kind_of(record_type: &RecordType, field: &Field) -> Kind {
    match &field.kind {
        FieldKind::Int { .. } => Kind::Number,
        FieldKind::Bool => Kind::Flag,
        FieldKind::Date => Kind::Date,
        FieldKind::Month => Kind::Month,
        FieldKind::Time => Kind::Time,
        FieldKind::Ref(_) => Kind::Reference,
        FieldKind::Bytes { .. } => Kind::Bytes,
        FieldKind::Enum(_) => Kind::Choice(pascal(&record_type.name) + &pascal(&field.name)),
        FieldKind::IdNumber => Kind::Sealed,
        FieldKind::Text { .. }
        | FieldKind::Name
        | FieldKind::Instant
        | FieldKind::Place
        | FieldKind::Decimal
        | FieldKind::Phone
        | FieldKind::Uscc => Kind::Text,
    }
}

fn typed(record_type: &RecordType) -> Typed {
    let filled_in =
        |field: &&Field| !field.common && !field.office_only && !matches!(field.merge, Merge::Computed | Merge::Event);
    let fields: Vec<&Field> = record_type.fields.iter().filter(filled_in).collect();
    let attribute = |field: &&Field| Attribute {
        name: field.name.clone(),
        kind: kind_of(record_type, field),
        is_set: field.merge == Merge::Set,
        needed: field.required && field.default.is_none(),
        changeable: field.merge != Merge::Immutable,
        zh: field.label_zh.clone(),
        en: field.label_en.clone(),
    };
    let code = |choice: &lastmile_model::Choice| Code {
        name: code_name(&choice.code, &choice.en),
        code: choice.code.clone(),
        zh: choice.zh.clone(),
        en: choice.en.clone(),
    };
    let enumeration = |field: &&Field| Enumeration {
        name: pascal(&record_type.name) + &pascal(&field.name),
        zh: field.label_zh.clone(),
        en: field.label_en.clone(),
        codes: field.choices.iter().map(code).collect(),
    };
    let step = |event: &lastmile_model::catalogue::EventKind| {
        // `at` and `by` follow from the save.
        let parts = |required: bool| {
            let names = event.parts.iter().filter(|part| part.required == required).map(|part| part.name.clone());
            names.filter(|name| !matches!(name.as_str(), "kind" | "at" | "by")).collect()
        };
        Step {
            kind: event.kind.clone(),
            en: event.en.clone(),
            zh: event.zh.clone(),
            needed: parts(true),
            optional: parts(false),
        }
    };
    // What has to be said comes first, as the languages want it.
    let mut attributes: Vec<Attribute> = fields.iter().map(attribute).collect();
    attributes.sort_by_key(|attribute| !attribute.needed);
    Typed {
        name: record_type.name.clone(),
        zh: record_type.label_zh.clone(),
        en: record_type.label_en.clone(),
        attributes,
        enumerations: fields.iter().filter(|field| !field.choices.is_empty()).map(enumeration).collect(),
        steps: record_type.fields.iter().flat_map(|field| &field.events).map(step).collect(),
        has_state: record_type.states.is_some(),
        derived_id: record_type.has_derived_id(),
    }
}

/// The types that people make records of. An attachment comes with its file, and what only the office writes comes from there.
fn types(catalogue: &Catalogue) -> Vec<Typed> {
    catalogue.types().iter().filter(|known| !known.office_only && known.name != "attachment").map(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_languages() {
        assert_eq!((pascal("check_in").as_str(), camel("check_in").as_str()), ("CheckIn", "checkIn"));
        assert_eq!(code_name("01", "Party member"), "PARTY_MEMBER");
        assert_eq!(code_name("08", "Peasants' and Workers' Democratic Party"), "PEASANTS_AND_WORKERS_DEMOCRATIC_PARTY");
        assert_eq!(code_name("state_enterprise", "State enterprise"), "STATE_ENTERPRISE");
    }

    #[test]
    fn no_two_codes_of_a_choice_have_one_name() {
        for enumeration in types(Catalogue::builtin()).iter().flat_map(|known| &known.enumerations) {
            let names: std::collections::BTreeSet<&str> =
                enumeration.codes.iter().map(|code| code.name.as_str()).collect();
            assert_eq!(names.len(), enumeration.codes.len(), "{}", enumeration.name);
        }
    }
}
