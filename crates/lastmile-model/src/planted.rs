//! Deliberate faults, so that the proofs can be shown to notice them.
//!
//! They are compiled in by the feature `planted`, which only tests set and which no release build takes. Without it
//! `planted!` is `false` and nothing of this is in the program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, PoisonError, RwLock};

/// The environment variable that switches a fault on in a process of its own.
pub const VARIABLE: &str = "LASTMILE_PLANTED";

/// How often the switched-on fault was asked for.
static ASKED: AtomicUsize = AtomicUsize::new(0);
static ON: RwLock<String> = RwLock::new(String::new());
/// Whether any is on, which is all that the usual case looks at.
static ANY: AtomicUsize = AtomicUsize::new(0);
static FIRST: Once = Once::new();

/// Switches a fault on for the whole process, or all off.
pub fn plant(name: Option<&str>) {
    FIRST.call_once(|| {});
    name.unwrap_or_default().clone_into(&mut ON.write().unwrap_or_else(PoisonError::into_inner));
    ASKED.store(0, Ordering::SeqCst);
    ANY.store(usize::from(name.is_some()), Ordering::SeqCst);
}

/// Whether this fault is on.
#[must_use]
pub fn is_planted(name: &str) -> bool {
    FIRST.call_once(|| {
        if let Ok(name) = std::env::var(VARIABLE) {
            name.clone_into(&mut ON.write().unwrap_or_else(PoisonError::into_inner));
            ANY.store(1, Ordering::SeqCst);
        }
    });
    let on = ANY.load(Ordering::Relaxed) > 0 && *ON.read().unwrap_or_else(PoisonError::into_inner) == name;
    ASKED.fetch_add(usize::from(on), Ordering::Relaxed);
    on
}

/// How often the fault that is on came to bear: one that never does proves nothing.
#[must_use]
pub fn times_met() -> usize {
    ASKED.load(Ordering::Relaxed)
}

#[cfg(not(debug_assertions))]
compile_error!("the feature `planted` holds deliberate faults: it is for tests, never for a release");
