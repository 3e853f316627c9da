//! The rules that every catalogue keeps, whoever wrote it.

use super::{BrokenRule, Catalogue, CatalogueError, Field, FieldKind, IdRule, Level, Merge, RecordType};
use crate::states::Machine;

/// The most fields of one type: presence is kept in 128 bits while a record is checked.
const MAX_FIELDS: usize = 128;

/// The longest name of a type or field.
const MAX_NAME: usize = 32;

/// Words that SQL engines keep for themselves: a view's columns carry the field names as they are.
const SQL_WORDS: &[&str] = &[
    "abort",
    "add",
    "all",
    "alter",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "commit",
    "constraint",
    "create",
    "cross",
    "current",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "database",
    "default",
    "deferrable",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "each",
    "else",
    "end",
    "escape",
    "except",
    "exists",
    "explain",
    "false",
    "fetch",
    "filter",
    "for",
    "foreign",
    "from",
    "full",
    "glob",
    "grant",
    "group",
    "having",
    "if",
    "in",
    "index",
    "initially",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "leading",
    "left",
    "like",
    "limit",
    "match",
    "natural",
    "no",
    "not",
    "nothing",
    "notnull",
    "null",
    "of",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "placing",
    "pragma",
    "primary",
    "raise",
    "recursive",
    "references",
    "regexp",
    "release",
    "replace",
    "returning",
    "right",
    "rollback",
    "row",
    "rowid",
    "rows",
    "savepoint",
    "select",
    "session_user",
    "set",
    "similar",
    "some",
    "symmetric",
    "table",
    "temp",
    "then",
    "to",
    "trailing",
    "transaction",
    "trigger",
    "true",
    "union",
    "unique",
    "update",
    "user",
    "using",
    "vacuum",
    "values",
    "variadic",
    "view",
    "virtual",
    "when",
    "where",
    "window",
    "with",
    "without",
];

/// Whether a text may name a field: lower-case letters, digits and underscores, a letter first, no word of SQL.
pub(super) fn is_field_name(name: &str) -> bool {
    is_type_name(name) && SQL_WORDS.binary_search(&name).is_err() && name != "ev"
}

fn is_type_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Catalogue {
    /// Checks every rule; `files` names the file of each type.
    pub(super) fn keep_rules(&self, files: &[&str]) -> Result<(), CatalogueError> {
        for (number, record_type) in self.types.iter().enumerate() {
            let file = files.get(number).copied().unwrap_or_default();
            self.keep_type_rules(number, record_type).map_err(|(at, rule)| CatalogueError::Rule {
                file: file.to_owned(),
                at,
                rule,
            })?;
        }
        Ok(())
    }

    fn keep_type_rules(&self, number: usize, record_type: &RecordType) -> Result<(), (String, BrokenRule)> {
        let broken = |at: &str, rule| Err((at.to_owned(), rule));
        // Type names are table names behind a prefix, so a word of SQL is fine there.
        if !is_type_name(&record_type.name) {
            return broken(&record_type.name, BrokenRule::BadName);
        }
        if self.types.iter().take(number).any(|earlier| earlier.name == record_type.name) {
            return broken(&record_type.name, BrokenRule::Taken);
        }
        if record_type.fields.len() > MAX_FIELDS {
            return broken(&record_type.name, BrokenRule::TooMany(MAX_FIELDS));
        }
        for (place, field) in record_type.fields.iter().enumerate() {
            let earlier = record_type.fields.iter().take(place);
            if !is_field_name(&field.name) {
                return broken(&field.name, BrokenRule::BadName);
            }
            if earlier.clone().any(|other| other.name == field.name) {
                return broken(&field.name, BrokenRule::Taken);
            }
            self.keep_field_rules(record_type, field).map_err(|rule| (field.name.clone(), rule))?;
        }
        if !record_type.salted && record_type.fields.iter().any(|field| field.level >= Level::Personal) {
            return broken(&record_type.name, BrokenRule::NotSalted);
        }
        if let Some(lost) = record_type.kept_on_erasure.iter().find(|name| record_type.field(name).is_none()) {
            return broken("kept_on_erasure", BrokenRule::Unknown(lost.clone()));
        }
        keep_id_rule(record_type)?;
        keep_states_rule(record_type)
    }

    fn keep_field_rules(&self, record_type: &RecordType, field: &Field) -> Result<(), BrokenRule> {
        let mut names = field.after.iter().chain(&field.tail);
        if let Some(lost) = names.find(|name| record_type.field(name).is_none()) {
            return Err(BrokenRule::Unknown(lost.clone()));
        }
        if let Some(lost) = field.future_with.iter().find(|kind| record_type.event(kind).is_none()) {
            return Err(BrokenRule::Unknown(lost.clone()));
        }
        if let FieldKind::Ref(targets) = &field.kind
            && !field.common
            && let Some(lost) = targets.iter().find(|target| self.get(target).is_none())
        {
            return Err(BrokenRule::Unknown(lost.clone()));
        }
        if let FieldKind::Enum(codes) = &field.kind
            && codes
                .iter()
                .enumerate()
                .any(|(place, code)| code.is_empty() || codes.iter().take(place).any(|c| c == code))
        {
            return Err(BrokenRule::Taken);
        }
        let event_kinds = field.events.iter().map(|event| event.kind.as_str());
        let elsewhere = |kind: &str| record_type.event(kind).is_none_or(|(owner, _)| owner.name != field.name);
        if event_kinds.clone().any(elsewhere) {
            return Err(BrokenRule::Taken);
        }
        let fits = match field.merge {
            Merge::Sealed => field.kind == FieldKind::IdNumber,
            Merge::Event => !field.events.is_empty(),
            Merge::Set => !matches!(
                field.kind,
                FieldKind::IdNumber | FieldKind::Bool | FieldKind::Int { .. } | FieldKind::Instant | FieldKind::Decimal
            ),
            _ => field.kind != FieldKind::IdNumber,
        };
        let no_stray_events = field.merge == Merge::Event || field.events.is_empty();
        if fits && no_stray_events { Ok(()) } else { Err(BrokenRule::LetterAgainstKind) }
    }
}

fn keep_id_rule(record_type: &RecordType) -> Result<(), (String, BrokenRule)> {
    let IdRule::Derived { fields } = &record_type.id_rule else { return Ok(()) };
    for name in fields {
        let Some((_, field)) = record_type.field(name) else {
            return Err((name.clone(), BrokenRule::Unknown(name.clone())));
        };
        let unfit = matches!(field.kind, FieldKind::Bool | FieldKind::Instant | FieldKind::IdNumber);
        if field.common || unfit || field.merge != Merge::Immutable || !field.required {
            return Err((name.clone(), BrokenRule::BadIdField));
        }
    }
    Ok(())
}

/// The event field `state` has exactly the events of the machine.
fn keep_states_rule(record_type: &RecordType) -> Result<(), (String, BrokenRule)> {
    let Some(name) = &record_type.states else { return Ok(()) };
    let lost = |what: &str| (name.clone(), BrokenRule::Unknown(what.to_owned()));
    let machine = Machine::named(name).ok_or_else(|| lost(name))?;
    let (_, field) = record_type.field("state").ok_or_else(|| lost("state"))?;
    let same = field.events.iter().all(|event| machine.knows(&event.kind))
        && machine.events().all(|kind| field.event(kind).is_some());
    if same { Ok(()) } else { Err((name.clone(), BrokenRule::StatesDiffer)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_words_are_sorted_and_refused() {
        assert!(SQL_WORDS.windows(2).all(|pair| pair[0] < pair[1]));
        for word in ["end", "from", "to", "order", "group", "ev", "", "1a", "Name", "a-b", "_a"] {
            assert!(!is_field_name(word), "{word}");
        }
        assert!(is_field_name("id_last4"));
        assert!(!is_field_name(&"a".repeat(33)));
    }
}
