//! The simulator: one relay and several devices with the real session, store and merge code on real SQLite, in virtual time, with
//! everything that goes wrong in the field; deterministic from a seed.
//!
//! A [`Plan`] says how many steps a seed takes. Each step draws what it does from a generator of its own, so that leaving some out
//! changes nothing about the others: that is how a failing seed [shrinks](shrink). After every step the checkers of `checks` look
//! at each replica; at the end all faults heal, and everybody must come to hold and show the same, which the
//! [reference model](crate::reference) computes anew from the logs.

mod checks;
mod city;
mod device;
mod hub;
mod ledger;
mod machine;
mod model;
mod net;
mod path;
mod plan;
mod raw;
mod recovery;
mod saves;
mod shrink;
mod steps;
mod template;
mod trace;
mod world;

pub use plan::{Failure, Kind, Outcome, Plan};
pub use shrink::shrink;
pub use world::run;

/// The community whose work is simulated.
pub(crate) const COMMUNITY: &str = "430103005010";

/// The community beside it, in a city.
pub(crate) const NEIGHBOUR: &str = "430103005009";
