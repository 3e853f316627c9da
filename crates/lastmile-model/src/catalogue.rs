//! The catalogue: every record type, read from `schema/records/*.toml`.
//!
//! A catalogue is data. [`Catalogue::builtin`] is the one compiled in; [`Catalogue::parse`] reads any other, so that a
//! deployment can keep records of its own kind with the same program, and [`Catalogue::extended`] adds fields, choices
//! and words to one.
//!
//! ```
//! use lastmile_model::{Catalogue, Merge};
//!
//! let (_, activity) = Catalogue::builtin().get("activity").expect("built in");
//! let (_, served) = activity.field("beneficiaries").expect("a field of activities");
//! assert_eq!(served.merge, Merge::Question);
//! ```

mod extend;
mod load;
mod rules;

use std::sync::{Arc, LazyLock};

pub use load::{BrokenRule, CatalogueError};

use crate::{RecordId, ScopeKind, Value, derive};

/// The schema version that this program writes into `schema_v` and into commits.
pub const SCHEMA_VERSION: u32 = 1;

/// How concurrent values of a field merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Merge {
    /// `I`: immutable; the lowest operation shows, differing values are listed.
    Immutable,
    /// `R`: register; the highest operation shows, losers stay in history.
    Register,
    /// `Q`: register whose concurrent differing values go to a person; until then the last verified, else the lowest shows.
    Question,
    /// `S`: add-wins set; each element is a key `field/element` of its own.
    Set,
    /// `E`: append-only events under `ev/<uuid>/...`.
    Event,
    /// `C`: computed from other data; never in a change.
    Computed,
    /// `V`: ciphertext sealed to the office key; merges as a register.
    Sealed,
}

/// How private a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// L0: public.
    Public,
    /// L1: internal.
    Internal,
    /// L2: personal.
    Personal,
    /// L3: sensitive. A field of unknown level counts as this.
    Sensitive,
}

/// What a field holds; says which [`Value`] it takes and how it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Free text of at most `max` characters.
    Text {
        /// The longest text, in characters.
        max: usize,
    },
    /// A person's or organisation's name: normalised for search.
    Name,
    /// A whole number within bounds.
    Int {
        /// Lowest value.
        min: i64,
        /// Highest value.
        max: i64,
    },
    /// A truth value.
    Bool,
    /// A civil date, `YYYY-MM-DD`, in Asia/Shanghai.
    Date,
    /// A month, `YYYY-MM`.
    Month,
    /// A time of day, `HH:MM`.
    Time,
    /// An instant in milliseconds.
    Instant,
    /// A reference to a record of one of these types; of any type if the list is empty.
    Ref(Vec<String>),
    /// A place code of 4 to 15 digits.
    Place,
    /// A decimal number as text, at most 3 places.
    Decimal,
    /// One of these codes. For an event field: the kinds of its events.
    Enum(Vec<String>),
    /// A citizen id number (GB 11643), always sealed.
    IdNumber,
    /// A phone number.
    Phone,
    /// A unified social credit code (GB 32100).
    Uscc,
    /// Raw bytes of at most `max`.
    Bytes {
        /// The most bytes.
        max: usize,
    },
}

impl FieldKind {
    /// Returns the word used for this kind in record files and texts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Name => "name",
            Self::Int { .. } => "int",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Month => "month",
            Self::Time => "time",
            Self::Instant => "instant",
            Self::Ref(_) => "ref",
            Self::Place => "place",
            Self::Decimal => "decimal",
            Self::Enum(_) => "enum",
            Self::IdNumber => "id_number",
            Self::Phone => "phone",
            Self::Uscc => "uscc",
            Self::Bytes { .. } => "bytes",
        }
    }
}

/// One code of an enumeration with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What a record holds.
    pub code: String,
    /// The word in zh-CN.
    pub zh: String,
    /// The word in English.
    pub en: String,
    /// Other words that people type for it.
    pub also: Vec<String>,
}

/// One kind of event that an event field folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventKind {
    /// The value of the event's `kind` part.
    pub kind: String,
    /// The word in zh-CN.
    pub zh: String,
    /// The word in English.
    pub en: String,
    /// Whether its date may lie in the future, as a plan's may.
    pub ahead: bool,
    /// The parts it may have, the usual ones (`kind`, `on`, `at`, `by`, `why`) first.
    pub parts: Vec<EventPart>,
}

/// One part of an event: the key `ev/<uuid>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPart {
    /// The last piece of the key.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether the event needs it.
    pub required: bool,
}

/// One field of a record type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key in the document, and the column's name.
    pub name: String,
    /// What it holds; for a set, what each element is.
    pub kind: FieldKind,
    /// How it merges.
    pub merge: Merge,
    /// How private it is.
    pub level: Level,
    /// Whether a record needs it. Of an event field: whether data entry asks for one of its events at once.
    pub required: bool,
    /// Whether the field feeds the search columns.
    pub search: bool,
    /// Whether the views index it.
    pub indexed: bool,
    /// The label in zh-CN.
    pub label_zh: String,
    /// The label in English.
    pub label_en: String,
    /// Whether it is one of the fields that every type has.
    pub common: bool,
    /// The codes of an enumeration with their words; empty for other kinds.
    pub choices: Vec<Choice>,
    /// The kinds of events of an event field; empty for others.
    pub events: Vec<EventKind>,
    /// Whether a date, month or time in it may not lie after today.
    pub not_future: bool,
    /// The event kind beside which a future date is accepted after all, e.g. `plan`.
    pub future_with: Option<String>,
    /// The field that this one may not precede, e.g. `start_time` for `end_time`.
    pub after: Option<String>,
    /// Whether its value is the code of the scope that holds the record.
    pub of_scope: bool,
    /// Whether only the office author writes it.
    pub office_only: bool,
    /// The field that takes the last four characters of a sealed one.
    pub tail: Option<String>,
    /// The text that data entry assumes when nothing is said.
    pub default: Option<String>,
}

impl Field {
    /// Returns the choice with this code.
    #[must_use]
    pub fn choice(&self, code: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.code == code)
    }

    /// Returns the kind of event with this code.
    #[must_use]
    pub fn event(&self, kind: &str) -> Option<&EventKind> {
        self.events.iter().find(|event| event.kind == kind)
    }

    /// Whether the field lives under its own key as one value: neither a set, nor events, nor computed.
    #[must_use]
    pub const fn is_register(&self) -> bool {
        matches!(self.merge, Merge::Immutable | Merge::Register | Merge::Question | Merge::Sealed)
    }
}

/// How a record type's ids come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdRule {
    /// A UUIDv7 made where the record is made.
    Random,
    /// UUIDv5 over the type's tag and the bytes of these immutable fields.
    Derived {
        /// Names of the fields that enter, in order.
        fields: Vec<String>,
    },
}

/// One record type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordType {
    /// Its name, e.g. `check_in`.
    pub name: String,
    /// The kind of scope its records live in; `None`: any scope (certificates, verdicts, merge links).
    pub scope_kind: Option<ScopeKind>,
    /// Whether every change carries 16 random bytes.
    pub salted: bool,
    /// Whether its records count only from an office author.
    pub office_only: bool,
    /// How ids come about.
    pub id_rule: IdRule,
    /// The fields, common ones first.
    pub fields: Vec<Field>,
    /// The name of its state machine, if it has one (see `states`).
    pub states: Option<String>,
    /// What an erasure restates.
    pub kept_on_erasure: Vec<String>,
    /// The label in zh-CN.
    pub label_zh: String,
    /// The label in English.
    pub label_en: String,
    /// Places in `fields`, sorted by name.
    by_name: Vec<u16>,
}

impl RecordType {
    /// Returns the field with this name and its place in [`fields`](Self::fields).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let at = self
            .by_name
            .binary_search_by(|place| self.fields.get(usize::from(*place)).map_or("", |f| f.name.as_str()).cmp(name))
            .ok()?;
        let place = usize::from(*self.by_name.get(at)?);
        Some((place, self.fields.get(place)?))
    }

    /// Returns the event field to which events of this kind belong, and the kind's description.
    #[must_use]
    pub fn event(&self, kind: &str) -> Option<(&Field, &EventKind)> {
        self.fields.iter().find_map(|field| field.event(kind).map(|event| (field, event)))
    }

    /// Whether ids follow from fields.
    #[must_use]
    pub const fn has_derived_id(&self) -> bool {
        matches!(self.id_rule, IdRule::Derived { .. })
    }

    /// Derives the id that these values give, or `None` if ids are random or a field that enters is missing.
    pub fn derive_id<'a>(&self, value_of: impl Fn(&str) -> Option<&'a Value>) -> Option<RecordId> {
        let IdRule::Derived { fields } = &self.id_rule else { return None };
        let values = fields.iter().map(|name| value_of(name)).collect::<Option<Vec<_>>>()?;
        derive::record_id(&self.name, &values)
    }

    /// Restores the sorted index after the fields changed.
    fn index(&mut self) {
        let mut order: Vec<u16> = (0..self.fields.len()).filter_map(|place| u16::try_from(place).ok()).collect();
        order.sort_by(|a, b| {
            let name = |place: &u16| self.fields.get(usize::from(*place)).map(|field| &field.name);
            name(a).cmp(&name(b))
        });
        self.by_name = order;
    }
}

/// Every record type that this program knows.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    types: Vec<RecordType>,
}

macro_rules! record_files {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../../schema/records/", $name, ".toml")))),*]
    };
}

/// The record files compiled in, in the order of the types' numbers.
const BUILTIN: &[(&str, &str)] = record_files![
    "place",
    "org",
    "person",
    "check_in",
    "activity",
    "participation",
    "pairing",
    "team",
    "merge_link",
    "certificate",
    "grant",
    "verdict",
    "tally",
    "revocation",
    "erasure",
    "attachment",
];

impl Catalogue {
    /// Returns the catalogue compiled into this program.
    #[must_use]
    pub fn builtin() -> &'static Self {
        Self::shared_builtin()
    }

    /// Returns the catalogue compiled into this program, to keep.
    #[must_use]
    pub fn shared_builtin() -> &'static Arc<Self> {
        static CATALOGUE: LazyLock<Arc<Catalogue>> =
            LazyLock::new(|| Arc::new(Catalogue::parse(BUILTIN).expect("a test parses the record files")));
        &CATALOGUE
    }

    /// Returns the types, in the order of their numbers.
    #[must_use]
    pub fn types(&self) -> &[RecordType] {
        &self.types
    }

    /// Returns the type with this name and its number.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(usize, &RecordType)> {
        self.types.iter().enumerate().find(|(_, record_type)| record_type.name == name)
    }
}

#[cfg(test)]
pub(crate) mod tests;
