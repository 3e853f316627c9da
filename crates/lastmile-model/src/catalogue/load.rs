//! Reading record files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Catalogue, Choice, EventKind, EventPart, Field, FieldKind, IdRule, Level, Merge, RecordType};
use crate::ScopeKind;

/// Says why record files are no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file is not the TOML that a record file is.
    #[error("cannot read the record file {file}")]
    Toml {
        /// The file's name.
        file: String,
        /// What the TOML reader says.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file breaks a rule that every record type keeps.
    #[error("record file {file}, `{at}`: {rule}")]
    Rule {
        /// The file's name.
        file: String,
        /// The field, event or type that breaks it.
        at: String,
        /// The rule.
        rule: BrokenRule,
    },
}

/// A rule that every record file keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRule {
    /// A name is no lower-case SQL identifier, or is a word of SQL.
    #[error("a name is a lower-case letter, then letters, digits and underscores, at most 32, and no word of SQL")]
    BadName,
    /// The name stands twice, or is one of the common fields.
    #[error("this name is already taken")]
    Taken,
    /// A word stands where one of a fixed list is expected.
    #[error("expected one of: {0}")]
    Expected(&'static str),
    /// An attribute that this kind needs is missing.
    #[error("the attribute `{0}` is missing")]
    Missing(&'static str),
    /// A name leads nowhere.
    #[error("there is no `{0}`")]
    Unknown(String),
    /// The type holds personal fields but its changes are not salted.
    #[error("a type with a field of level 2 or 3 must be salted")]
    NotSalted,
    /// A field enters the id but is not immutable and required, or is neither a reference, bytes, text nor a number.
    #[error("a field that enters the id is immutable, required, and bytes, text or a whole number")]
    BadIdField,
    /// The merge letter does not fit the kind.
    #[error("this merge letter does not fit this kind")]
    LetterAgainstKind,
    /// The state machine and the event field name different events.
    #[error("the state machine and the events of this type differ")]
    StatesDiffer,
    /// There are more fields than a type may have.
    #[error("a record type has at most {0} fields")]
    TooMany(usize),
    /// An extension names a field of the type it extends.
    #[error("an extension adds fields and choices; it does not change what is there")]
    NotAnAddition,
}

/// One record file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawType {
    pub(super) name: String,
    pub(super) zh: String,
    pub(super) en: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    salted: bool,
    #[serde(default)]
    office_only: bool,
    /// The fields that enter a derived id; empty: a random one.
    #[serde(default)]
    id: Vec<String>,
    states: Option<String>,
    #[serde(default)]
    kept_on_erasure: Vec<String>,
    #[serde(default)]
    pub(super) fields: Vec<RawField>,
    #[serde(default)]
    pub(super) choices: BTreeMap<String, Vec<RawChoice>>,
    #[serde(default)]
    pub(super) events: Vec<RawEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawField {
    pub(super) name: String,
    kind: String,
    merge: String,
    level: Option<u8>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    search: bool,
    #[serde(default)]
    indexed: bool,
    zh: String,
    en: String,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    to: Vec<String>,
    choices: Option<String>,
    #[serde(default)]
    not_future: bool,
    future_with: Option<String>,
    after: Option<String>,
    #[serde(default)]
    of_scope: bool,
    #[serde(default)]
    office_only: bool,
    tail: Option<String>,
    default: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChoice {
    code: String,
    zh: String,
    en: String,
    #[serde(default)]
    also: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvent {
    pub(super) field: String,
    kind: String,
    zh: String,
    en: String,
    #[serde(default)]
    ahead: bool,
    /// `name`, `name!` (required), `name:kind`, `name:kind!`.
    #[serde(default)]
    parts: Vec<String>,
}

impl From<RawChoice> for Choice {
    fn from(raw: RawChoice) -> Self {
        Self { code: raw.code, zh: raw.zh, en: raw.en, also: raw.also }
    }
}

/// What the reader of one file needs to know of all.
pub(super) struct Context<'a> {
    pub(super) file: &'a str,
    /// Choices of every file, by `type.list`.
    pub(super) lists: &'a BTreeMap<String, Vec<Choice>>,
}

impl Context<'_> {
    pub(super) fn broken(&self, at: &str, rule: BrokenRule) -> CatalogueError {
        CatalogueError::Rule { file: self.file.to_owned(), at: at.to_owned(), rule }
    }

    /// Builds the field that a record file describes.
    pub(super) fn field(&self, of: &str, raw: RawField, events: &[RawEvent]) -> Result<Field, CatalogueError> {
        let broken = |rule| self.broken(&raw.name, rule);
        let mine: Vec<&RawEvent> = events.iter().filter(|event| event.field == raw.name).collect();
        let merge = merge_letter(&raw.merge).ok_or_else(|| broken(BrokenRule::Expected("I R Q S E C V")))?;
        let events = mine.iter().map(|event| self.event(event)).collect::<Result<Vec<_>, _>>()?;
        let mut choices = match &raw.choices {
            None => Vec::new(),
            Some(list) => {
                let key = if list.contains('.') { list.clone() } else { format!("{of}.{list}") };
                self.lists.get(&key).cloned().ok_or_else(|| broken(BrokenRule::Unknown(key)))?
            }
        };
        choices.extend(mine.iter().map(|event| Choice {
            code: event.kind.clone(),
            zh: event.zh.clone(),
            en: event.en.clone(),
            also: Vec::new(),
        }));
        let codes = choices.iter().map(|choice| choice.code.clone()).collect::<Vec<_>>();
        let kind = kind(&raw, codes).map_err(broken)?;
        if let Some(default) = &raw.default
            && matches!(kind, FieldKind::Enum(_))
            && !choices.iter().any(|choice| choice.code == *default)
        {
            return Err(broken(BrokenRule::Unknown(default.clone())));
        }
        Ok(Field {
            kind,
            merge,
            level: level(raw.level),
            required: raw.required,
            search: raw.search,
            indexed: raw.indexed,
            label_zh: raw.zh,
            label_en: raw.en,
            common: false,
            choices,
            events,
            not_future: raw.not_future,
            future_with: raw.future_with,
            after: raw.after,
            of_scope: raw.of_scope,
            office_only: raw.office_only,
            tail: raw.tail,
            default: raw.default,
            name: raw.name,
        })
    }

    fn event(&self, raw: &RawEvent) -> Result<EventKind, CatalogueError> {
        let mut parts = usual_parts();
        for spec in &raw.parts {
            let part = event_part(spec).ok_or_else(|| {
                self.broken(&raw.kind, BrokenRule::Expected("text date month place ref, after `name:`"))
            })?;
            match parts.iter_mut().find(|known| known.name == part.name) {
                Some(known) => known.required = part.required,
                None => parts.push(part),
            }
        }
        Ok(EventKind { kind: raw.kind.clone(), zh: raw.zh.clone(), en: raw.en.clone(), ahead: raw.ahead, parts })
    }
}

impl Catalogue {
    /// Reads a catalogue from record files, given as (file name, text); types are numbered in the order given.
    ///
    /// # Errors
    /// [`CatalogueError`] names the file, the field and the rule.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let catalogue = Self::parse_types(files)?;
        catalogue.keep_rules(&files.iter().map(|(file, _)| *file).collect::<Vec<_>>())?;
        Ok(catalogue)
    }

    /// Reads types without judging them: their references may lead to types of another catalogue.
    pub(super) fn parse_types(files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let mut raw_types = Vec::with_capacity(files.len());
        let mut lists = BTreeMap::new();
        for (file, text) in files {
            let raw = read(file, text)?;
            for (list, choices) in &raw.choices {
                let choices = choices.iter().cloned().map(Choice::from).collect::<Vec<_>>();
                lists.insert(format!("{}.{list}", raw.name), choices);
            }
            raw_types.push((*file, raw));
        }
        let mut types = Vec::with_capacity(raw_types.len());
        for (file, raw) in raw_types {
            types.push(record_type(&Context { file, lists: &lists }, raw)?);
        }
        Ok(Self { types })
    }
}

/// Reads the TOML of one file.
pub(super) fn read(file: &str, text: &str) -> Result<RawType, CatalogueError> {
    toml::from_str(text).map_err(|source| CatalogueError::Toml { file: file.to_owned(), source: Box::new(source) })
}

fn record_type(context: &Context<'_>, raw: RawType) -> Result<RecordType, CatalogueError> {
    let scope_kind = match raw.scope.as_str() {
        "any" => None,
        word => Some(
            ScopeKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word)
                .ok_or_else(|| context.broken("scope", BrokenRule::Expected("community city org office any")))?,
        ),
    };
    let mut fields = common_fields();
    for field in raw.fields {
        fields.push(context.field(&raw.name, field, &raw.events)?);
    }
    if let Some(lost) = raw.events.iter().find(|event| !fields.iter().any(|field| field.name == event.field)) {
        return Err(context.broken(&lost.kind, BrokenRule::Unknown(lost.field.clone())));
    }
    let id_rule = if raw.id.is_empty() { IdRule::Random } else { IdRule::Derived { fields: raw.id } };
    let mut record_type = RecordType {
        name: raw.name,
        scope_kind,
        salted: raw.salted,
        office_only: raw.office_only,
        id_rule,
        fields,
        states: raw.states,
        kept_on_erasure: raw.kept_on_erasure,
        label_zh: raw.zh,
        label_en: raw.en,
        by_name: Vec::new(),
    };
    record_type.index();
    Ok(record_type)
}

fn merge_letter(letter: &str) -> Option<Merge> {
    Some(match letter {
        "I" => Merge::Immutable,
        "R" => Merge::Register,
        "Q" => Merge::Question,
        "S" => Merge::Set,
        "E" => Merge::Event,
        "C" => Merge::Computed,
        "V" => Merge::Sealed,
        _ => return None,
    })
}

/// A level that is missing or unknown counts as the highest.
const fn level(number: Option<u8>) -> Level {
    match number {
        Some(0) => Level::Public,
        Some(1) => Level::Internal,
        Some(2) => Level::Personal,
        _ => Level::Sensitive,
    }
}

fn kind(raw: &RawField, codes: Vec<String>) -> Result<FieldKind, BrokenRule> {
    let size = || raw.max.and_then(|max| usize::try_from(max).ok()).ok_or(BrokenRule::Missing("max"));
    Ok(match raw.kind.as_str() {
        "text" => FieldKind::Text { max: size()? },
        "name" => FieldKind::Name,
        "int" => FieldKind::Int { min: raw.min.unwrap_or(0), max: raw.max.ok_or(BrokenRule::Missing("max"))? },
        "bool" => FieldKind::Bool,
        "date" => FieldKind::Date,
        "month" => FieldKind::Month,
        "time" => FieldKind::Time,
        "instant" => FieldKind::Instant,
        "ref" => FieldKind::Ref(raw.to.clone()),
        "place" => FieldKind::Place,
        "decimal" => FieldKind::Decimal,
        "enum" | "event" if codes.is_empty() => return Err(BrokenRule::Missing("choices or events")),
        "enum" | "event" => FieldKind::Enum(codes),
        "id_number" => FieldKind::IdNumber,
        "phone" => FieldKind::Phone,
        "uscc" => FieldKind::Uscc,
        "bytes" => FieldKind::Bytes { max: size()? },
        _ => {
            return Err(BrokenRule::Expected(
                "text name int bool date month time instant ref place decimal enum event id_number phone uscc bytes",
            ));
        }
    })
}

fn event_part(spec: &str) -> Option<EventPart> {
    let (spec, required) = spec.strip_suffix('!').map_or((spec, false), |rest| (rest, true));
    let (name, kind) = spec.split_once(':').unwrap_or((spec, "text"));
    let kind = match kind {
        "text" => FieldKind::Text { max: 200 },
        "date" => FieldKind::Date,
        "month" => FieldKind::Month,
        "place" => FieldKind::Place,
        "ref" => FieldKind::Ref(Vec::new()),
        _ => return None,
    };
    Some(EventPart { name: name.to_owned(), kind, required })
}

/// The parts that every event may have.
fn usual_parts() -> Vec<EventPart> {
    let part = |name: &str, kind, required| EventPart { name: name.to_owned(), kind, required };
    vec![
        part("kind", FieldKind::Text { max: 32 }, true),
        part("on", FieldKind::Date, false),
        part("at", FieldKind::Instant, false),
        part("by", FieldKind::Ref(vec!["person".to_owned()]), false),
        part("why", FieldKind::Text { max: 200 }, false),
    ]
}

/// The fields that every type has, in the order in which every first change writes them.
pub(super) fn common_fields() -> Vec<Field> {
    let field = |name: &str, kind, level, required, zh: &str, en: &str| Field {
        name: name.to_owned(),
        kind,
        merge: Merge::Immutable,
        level,
        required,
        search: false,
        indexed: false,
        label_zh: zh.to_owned(),
        label_en: en.to_owned(),
        common: true,
        choices: Vec::new(),
        events: Vec::new(),
        not_future: false,
        future_with: None,
        after: None,
        of_scope: false,
        office_only: false,
        tail: None,
        default: None,
    };
    let version = FieldKind::Int { min: 1, max: i64::from(u32::MAX) };
    let place_code = Field {
        of_scope: true,
        indexed: true,
        ..field("place_code", FieldKind::Text { max: 36 }, Level::Public, true, "区划代码", "Place code")
    };
    vec![
        field("id", FieldKind::Bytes { max: 16 }, Level::Public, true, "标识", "Id"),
        field("type", FieldKind::Text { max: 32 }, Level::Public, true, "类型", "Type"),
        field("schema_v", version, Level::Public, true, "格式版本", "Schema version"),
        place_code,
        field("created_at", FieldKind::Instant, Level::Public, true, "建立时间", "Created at"),
        field("created_by", FieldKind::Ref(vec!["person".to_owned()]), Level::Internal, false, "建立人", "Created by"),
        field("device", FieldKind::Bytes { max: 16 }, Level::Internal, true, "设备", "Device"),
    ]
}
