//! The targets: each has `run`, which panics when a law breaks, `seeds` and `mutate`.

pub mod batch;
pub mod catalogue;
pub mod change;
pub mod entry;
pub mod export;
pub mod frame;
pub mod history;
pub mod invite;
pub mod picture;
pub mod relay;
pub mod request;
pub mod roster;
pub mod session;
pub mod statement;
pub mod store;
pub mod word;
