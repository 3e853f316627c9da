//! The acceptance data set: one year of a community, a street or a whole city.
//!
//! [`generate`] lays out a small global [`Plan`]; [`Dataset::community`] then makes the saves of one community at a time,
//! so that a city of 843 communities never has to be in memory at once. Everything follows from the seed.
//!
//! The order in which a user of the data set applies it:
//! 1. [`Dataset::city`]: what the city office records before anything else (organisations, pairings, teams).
//! 2. Wave 0 of every device of every community, no device having met another of its community.
//! 3. The devices of the communities that have several meet; then their wave 1, again without meeting.
//! 4. Everything reaches the relay, in any order.
//! 5. The office does what [`Ledger::office`] lists.
//!
//! The figures of the [`Ledger`] are those after step 5, for the calendar year.

mod city;
mod community;
mod contribution;
mod expected;
mod facts;
mod figures;
mod ledger;
mod people;
mod persons;
mod plan;
mod saves;
mod session;
mod sessions;
mod shared;

use std::fmt;
use std::str::FromStr;

pub use community::CommunityWork;
pub use contribution::Contribution;
pub use expected::{ActivityDuplicate, ConflictKind, Duplicate, ExpectedConflict, OfficeAction, TwoPlaces};
pub use figures::{Columns, Coverage, Figures, PairingFigures, Rate, TeamFigures};
pub use ledger::{DeviceLedger, DeviceRef, Ledger, LedgerBuilder};
pub use persons::Likeness;
pub use plan::{CommunityPlan, Host, MovePlan, OrganisationPlan, PairingPlan, Plan, Quota, TeamPlan, Totals};

use crate::action::DeviceWork;

/// How large a data set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// One community with two devices: 120 members, 107 sessions, 780 served, 3 organisations, 2 teams. Nobody moves,
    /// nobody is confirmed at two places, no clock is sick.
    Community,
    /// One street: 11 communities, 1,320 members, 1,177 sessions, 8,580 served, 11 organisations, 5 teams.
    Street,
    /// The city of the source article: 843 communities, 100,000 members, 89,000 sessions, 650,000 served, 500
    /// organisations paired, 194 teams.
    City,
}

impl Scale {
    /// Every scale, the smallest first.
    pub const ALL: [Self; 3] = [Self::Community, Self::Street, Self::City];

    /// Returns the word used on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Street => "street",
            Self::City => "city",
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scale {
    type Err = UnknownScale;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scale| scale.word() == text).ok_or_else(|| UnknownScale { text: text.to_owned() })
    }
}

/// Says that a word names no scale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a scale; write community, street or city")]
pub struct UnknownScale {
    /// The word as given.
    pub text: String,
}

/// What a data set is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How large it is.
    pub scale: Scale,
    /// The seed.
    pub seed: u64,
    /// The year that it speaks of.
    pub year: i32,
    /// Whether some communities work on two or three devices. Without, every community has one, and nothing is edited
    /// concurrently.
    pub shared: bool,
}

impl Settings {
    /// The usual settings: the year 2025, shared communities.
    #[must_use]
    pub const fn new(scale: Scale, seed: u64) -> Self {
        Self { scale, seed, year: 2025, shared: true }
    }
}

/// A data set, made piece by piece.
#[derive(Debug, Clone)]
pub struct Dataset {
    plan: Plan,
}

/// Lays out the data set of a scale and seed, with the usual settings.
#[must_use]
pub fn generate(scale: Scale, seed: u64) -> Dataset {
    Dataset::new(Settings::new(scale, seed))
}

impl Dataset {
    /// Lays out a data set.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { plan: Plan::new(settings) }
    }

    /// Returns the global plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Makes what the city office records before anything else.
    #[must_use]
    pub fn city(&self) -> DeviceWork {
        city::work(&self.plan)
    }

    /// Makes what the community at this place of the plan records; `None` beyond the last one.
    #[must_use]
    pub fn community(&self, index: usize) -> Option<CommunityWork> {
        community::work(&self.plan, index)
    }

    /// Makes the communities one after the other.
    pub fn communities(&self) -> impl Iterator<Item = CommunityWork> + '_ {
        (0..self.plan.communities.len()).filter_map(|index| self.community(index))
    }

    /// Makes the whole data set once and returns what is to be expected of it.
    ///
    /// Who makes the communities anyway saves this pass with a [`LedgerBuilder`].
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut builder = LedgerBuilder::new(self);
        for work in self.communities() {
            builder.add(&work);
        }
        builder.finish()
    }
}
