//! Cross-crate stories live in `stories/`.
