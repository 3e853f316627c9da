//! Cross-crate stories, in one test binary.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]

mod attachments;
mod bad_input;
mod field;
mod fixtures;
mod layers;
mod live;
mod poor_path;
mod refused;
mod restored;
mod rights;
mod sync;
mod tls;
mod unattended;
mod worked_cases;
mod worklist;
