//! The rules of the evaluation, one test each.

mod edits;
mod events;
mod hidden;
mod others;
mod questions;
mod registers;

use lastmile_crdt::Edit;
use lastmile_model::Value;

use crate::support::build::Draft;

pub fn some(value: impl Into<Value>) -> Option<Value> {
    Some(value.into())
}

/// A draft that begins with one change by author 5.
pub fn begun(edits: &[Edit]) -> Draft {
    let mut draft = Draft::new();
    draft.change(5, &[], edits);
    draft
}

pub fn with(mut edits: Vec<Edit>, more: &[Edit]) -> Vec<Edit> {
    edits.extend_from_slice(more);
    edits
}
