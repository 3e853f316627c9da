//! How far inputs get: targets note the stages that an input reached, the runner counts them.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Notes that an input reached a stage.
pub fn note(stage: &'static str) {
    REACHED.with_borrow_mut(|reached| *reached.entry(stage).or_default() += 1);
}

/// Returns how many notes there are of each stage, and forgets them.
pub fn take() -> BTreeMap<&'static str, u64> {
    REACHED.take()
}

/// Returns the stages noted so far with their counts.
pub fn snapshot() -> Vec<(&'static str, u64)> {
    REACHED.with_borrow(|reached| reached.iter().map(|(stage, times)| (*stage, *times)).collect())
}
