//! The record types as data, for forms that are made from them.

use lastmile_model::{Catalogue, Field, FieldKind, Merge, RecordType};

/// One code of a choice with its words.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ChoiceInfo {
    /// What a record holds.
    pub code: String,
    /// The word in Chinese.
    pub zh: String,
    /// The word in English.
    pub en: String,
}

/// One field of a record type.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// The label in Chinese.
    pub label_zh: String,
    /// The label in English.
    pub label_en: String,
    /// What it holds, as record files say it: `text`, `enum`, `date`, `ref` and others.
    pub kind: String,
    /// Whether it holds several values.
    pub set: bool,
    /// Whether a new record needs it.
    pub required: bool,
    /// Whether it can be changed later.
    pub changeable: bool,
    /// Of texts: the most characters. Of numbers: the highest.
    pub max: Option<i64>,
    /// Of numbers: the lowest.
    pub min: Option<i64>,
    /// Of references: the types; empty for any.
    pub refers_to: Vec<String>,
    /// Of choices: the codes with their words.
    pub choices: Vec<ChoiceInfo>,
    /// What is assumed where nothing is said.
    pub default: Option<String>,
}

/// One kind of event of a record type.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EventInfo {
    /// The kind.
    pub kind: String,
    /// The word in Chinese.
    pub zh: String,
    /// The word in English.
    pub en: String,
    /// The parts that it needs.
    pub required: Vec<String>,
    /// The parts that it may have.
    pub optional: Vec<String>,
}

/// One record type.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RecordTypeInfo {
    /// Its name.
    pub name: String,
    /// The label in Chinese.
    pub label_zh: String,
    /// The label in English.
    pub label_en: String,
    /// The fields that people fill in.
    pub fields: Vec<FieldInfo>,
    /// The kinds of events.
    pub events: Vec<EventInfo>,
}

fn bounds(kind: &FieldKind) -> (Option<i64>, Option<i64>) {
    match kind {
        FieldKind::Int { min, max } => (Some(*min), Some(*max)),
        FieldKind::Text { max } => (None, i64::try_from(*max).ok()),
        _ => (None, None),
    }
}

fn field_info(field: &Field) -> FieldInfo {
    let (min, max) = bounds(&field.kind);
    let choice = |choice: &lastmile_model::Choice| ChoiceInfo {
        code: choice.code.clone(),
        zh: choice.zh.clone(),
        en: choice.en.clone(),
    };
    FieldInfo {
        name: field.name.clone(),
        label_zh: field.label_zh.clone(),
        label_en: field.label_en.clone(),
        kind: field.kind.word().to_owned(),
        set: field.merge == Merge::Set,
        required: field.required,
        changeable: field.merge != Merge::Immutable,
        max,
        min,
        refers_to: if let FieldKind::Ref(types) = &field.kind { types.clone() } else { Vec::new() },
        choices: field.choices.iter().map(choice).collect(),
        default: field.default.clone(),
    }
}

fn type_info(known: &RecordType) -> RecordTypeInfo {
    let filled_in =
        |field: &&Field| !field.common && !field.office_only && !matches!(field.merge, Merge::Computed | Merge::Event);
    let event = |event: &lastmile_model::catalogue::EventKind| {
        let parts = |required: bool| {
            let wanted = event.parts.iter().filter(move |part| part.required == required && part.name != "kind");
            wanted.map(|part| part.name.clone()).collect()
        };
        EventInfo {
            kind: event.kind.clone(),
            zh: event.zh.clone(),
            en: event.en.clone(),
            required: parts(true),
            optional: parts(false),
        }
    };
    RecordTypeInfo {
        name: known.name.clone(),
        label_zh: known.label_zh.clone(),
        label_en: known.label_en.clone(),
        fields: known.fields.iter().filter(filled_in).map(field_info).collect(),
        events: known.fields.iter().flat_map(|field| &field.events).map(event).collect(),
    }
}

/// The record types that people fill in.
#[uniffi::export]
#[must_use]
pub fn record_types() -> Vec<RecordTypeInfo> {
    Catalogue::builtin().types().iter().filter(|known| !known.office_only).map(type_info).collect()
}
