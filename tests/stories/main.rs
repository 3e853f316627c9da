//! Cross-crate stories, in one test binary.

mod field;
mod layers;
mod sync;
