//! What breaks the engine on purpose, and shows that nothing is lost.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what failed by stopping")]

mod disk;
mod planted;
mod simulator;
