//! What a seed is to do, what it came to, and what it broke.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// What kind of world a seed makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// One community and devices that all hold it, with everything that can go wrong with machines and logs.
    #[default]
    Community,
    /// Two communities and an office that says who works where: devices join, move, are revoked and replaced.
    City,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The kind of world.
    pub kind: Kind,
    /// The seed.
    pub seed: u64,
    /// How many steps it takes before everything heals.
    pub steps: u32,
    /// The only steps to take; all if none is named.
    pub only: Option<BTreeSet<u32>>,
}

impl Plan {
    /// The plan of a seed for a community.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self::of_kind(Kind::Community, seed)
    }

    /// The plan of a seed for a world of this kind.
    #[must_use]
    pub fn of_kind(kind: Kind, seed: u64) -> Self {
        Self { kind, seed, steps: ChaCha8Rng::seed_from_u64(seed ^ 0x57e9).random_range(12..34), only: None }
    }

    /// Whether a step is taken.
    #[must_use]
    pub fn takes(&self, step: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&step))
    }
}

/// How often each thing came to pass.
pub type Met = BTreeMap<&'static str, u64>;

/// What a seed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of all that happened: the same for the same plan, always.
    pub hash: [u8; 32],
    /// What came to pass in it.
    pub met: Met,
}

/// What a seed broke.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The plan that shows it.
    pub plan: Plan,
    /// The step at which it showed; the number of steps when everything had healed.
    pub step: u32,
    /// What is wrong.
    pub what: String,
    /// What happened before.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {} at step {} of {}: {}", self.plan.seed, self.step, self.plan.steps, self.what)?;
        let only = self.plan.only.as_ref().map(|only| {
            let steps: Vec<String> = only.iter().map(u32::to_string).collect();
            format!("LASTMILE_STEPS={} ", steps.join(","))
        });
        let kind = if self.plan.kind == Kind::City { "LASTMILE_WORLD=city " } else { "" };
        write!(
            f,
            "replay: {kind}LASTMILE_SEED={} {}cargo test -p lastmile-tests --test proof -- simulator::one_seed --ignored --nocapture",
            self.plan.seed,
            only.unwrap_or_default()
        )
    }
}
