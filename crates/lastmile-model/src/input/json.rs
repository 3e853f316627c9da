//! Entries as JSON objects: one member a field, an array for a set, null to clear.

use serde_json::{Map, Value as Json};

use super::{CheckContext, Entered, enter, merge, set};
use crate::catalogue::{Merge, RecordType};
use crate::problem::{Fault, Problem};

/// Reads the members of a JSON object as fields.
///
/// # Errors
/// Every [`Problem`] found.
pub fn enter_json(
    record_type: &RecordType,
    object: &Map<String, Json>,
    ctx: &CheckContext<'_>,
) -> Result<Vec<Entered>, Vec<Problem>> {
    let mut entered = Vec::new();
    let mut problems = Vec::new();
    for (name, json) in object {
        match member(record_type, name, json, ctx) {
            Ok(more) => merge(record_type, &mut entered, more, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(entered) } else { Err(problems) }
}

fn member(record_type: &RecordType, name: &str, json: &Json, ctx: &CheckContext<'_>) -> Result<Vec<Entered>, Problem> {
    let is_set = record_type.field(name).is_some_and(|(_, field)| field.merge == Merge::Set);
    match json {
        Json::Array(elements) if is_set => {
            let field = set(record_type, name)?;
            let wrong = || Problem::of_field(record_type, field, Fault::WrongType { expected: field.kind.word() });
            elements
                .iter()
                .map(|element| super::add(record_type, name, &scalar(element).ok_or_else(wrong)?, ctx))
                .collect()
        }
        _ => match scalar(json) {
            Some(text) => enter(record_type, name, &text, ctx),
            None => Err(record_type.field(name).map_or_else(
                || Problem::of_name(record_type, name, Fault::UnknownField),
                |(_, field)| Problem::of_field(record_type, field, Fault::WrongType { expected: field.kind.word() }),
            )),
        },
    }
}

/// The text of a scalar; null is nothing typed.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some(String::new()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Array(_) | Json::Object(_) => None,
    }
}
