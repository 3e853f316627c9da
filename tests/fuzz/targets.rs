//! The targets: each has `run`, which panics when a law breaks, `seeds` and `mutate`.

pub mod change;
pub mod history;
