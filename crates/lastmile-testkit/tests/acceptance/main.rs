//! The acceptance data set, judged from outside: by its saves alone, and by the rules of the model.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod golden;
mod model;
mod replay;
mod totals;
