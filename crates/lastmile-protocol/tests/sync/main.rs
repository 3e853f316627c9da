//! Whole exchanges between replicas in memory, over every carrier.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod drive;
mod files;
mod forks;
mod golden;
mod hostile;
mod live;
mod one_shot;
mod random;
mod streams;
mod toy;
