//! One suite of behaviours over every storage engine, and the two engines held against each other.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

/// Makes a test of each behaviour for each engine.
macro_rules! over_every_engine {
    ($($behaviour:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $behaviour() { super::$behaviour(&mut *crate::engines::sqlite().storage); })*
        }
        #[cfg(feature = "encryption")]
        mod encrypted {
            $(#[test] fn $behaviour() { super::$behaviour(&mut *crate::engines::encrypted().storage); })*
        }
        mod memory {
            $(#[test] fn $behaviour() { super::$behaviour(&mut *crate::engines::memory().storage); })*
        }
    };
}

mod differential;
mod engines;
mod logs;
mod operations;
mod queries;
mod search;
mod sqlite_file;
mod transactions;
mod views;
