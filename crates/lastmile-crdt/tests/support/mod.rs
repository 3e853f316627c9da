//! What the tests of this crate share: a record type with every merge letter, hand-made changes, histories at random, a
//! slow reference model and Automerge as the oracle.

pub mod build;
pub mod model;
pub mod oracle;
pub mod raw;
pub mod story;
