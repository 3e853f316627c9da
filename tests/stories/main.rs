//! Cross-crate stories, in one test binary.

mod layers;
