//! Records, typed ids, validation, duty and duplicate rules: no I/O, no clock, no CRDT.
//!
//! Everything above this crate speaks in its words: [`RecordId`], [`AuthorId`], [`Scope`], [`Value`] and the
//! [`Catalogue`] of record types read from `schema/records/*.toml`. The flow of one entry: [`input`] turns what a person
//! typed into values, [`check`] judges them against the catalogue, and what comes out are the keys and values of one
//! change. Reading goes the other way: [`states`] folds a record's events, [`duties`] and [`duplicates`] judge sets of
//! records.

pub mod catalogue;
pub mod check;
pub mod civil;
pub mod derive;
pub mod duplicates;
pub mod duties;
pub mod idnumber;
pub mod ids;
pub mod input;
pub mod keys;
pub mod names;
pub mod permissions;
pub mod phone;
pub mod places;
#[cfg(feature = "planted")]
pub mod planted;
pub mod problem;
pub mod roles;
pub mod scope;
pub mod states;
pub mod uscc;
pub mod value;

pub use catalogue::{
    Catalogue, CatalogueError, Choice, EventKind, EventPart, Field, FieldKind, IdRule, Level, Merge, RecordType,
    SCHEMA_VERSION,
};
pub use ids::{AuthorId, ChainHash, ChangeHash, RecordId};
pub use keys::Key;
pub use places::Places;
pub use problem::{Fault, Problem};
pub use scope::{Scope, ScopeKind};
pub use value::Value;

/// Whether a deliberate fault is switched on, which only the proofs can do; `false` in every other build.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_planted($name)
    };
}

/// Whether a deliberate fault is switched on, which only the proofs can do; `false` in every other build.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}
