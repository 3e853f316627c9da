//! Making a failing plan short.

use std::collections::BTreeSet;

use super::plan::{Failure, Plan};
use super::world::run;

/// Leaves out steps of a failing plan for as long as it still fails in the same way; at most so many runs.
#[must_use]
pub fn shrink(failure: Box<Failure>, at_most: usize) -> Box<Failure> {
    let kind = |failure: &Failure| failure.what.chars().take_while(|letter| *letter != ':').collect::<String>();
    let wanted = kind(&failure);
    let mut best = failure;
    let mut runs = 0;
    let mut steps: Vec<u32> =
        (0..best.plan.steps).filter(|step| best.plan.takes(*step) && *step <= best.step).collect();
    let mut piece = steps.len().div_ceil(2);
    while piece > 0 && runs < at_most {
        let mut at = 0;
        let mut shorter = false;
        while at < steps.len() && runs < at_most {
            let (left, right) = (steps.iter().take(at), steps.iter().skip(at + piece));
            let only: BTreeSet<u32> = left.chain(right).copied().collect();
            runs += 1;
            match run(&Plan { only: Some(only.clone()), ..best.plan.clone() }) {
                Err(smaller) if kind(&smaller) == wanted => {
                    (best, shorter) = (smaller, true);
                    steps = only.into_iter().collect();
                }
                _ => at += piece,
            }
        }
        if !shorter || piece > 1 {
            piece /= 2;
        }
    }
    best
}
