//! The paths that the field has.

use std::time::Duration;

use super::path::{Break, Weather};

/// What comes and goes on a path.
#[derive(Debug, Clone, Copy)]
pub enum Course {
    Steady,
    /// So long a path, so long none, from this place in the cycle.
    Comes {
        on: Duration,
        off: Duration,
    },
    /// This for so long, then a clear path.
    First(Weather, Duration),
}

#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    pub kilobits: f64,
    pub round_trip_ms: u64,
    pub jitter_ms: u64,
    pub course: Course,
    pub broken: Break,
    /// How many times faster than life it runs, path and patience alike, outside of runs on demand and in them.
    pub faster: (u32, u32),
}

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn steady(name: &'static str, kilobits: f64, round_trip_ms: u64, jitter_ms: u64, faster: u32) -> Profile {
    Profile {
        name,
        kilobits,
        round_trip_ms,
        jitter_ms,
        course: Course::Steady,
        broken: Break::Never,
        faster: (faster, 1),
    }
}

const fn edge(name: &'static str, course: Course, broken: Break) -> Profile {
    Profile { course, broken, faster: (30, 10), ..steady(name, 128.0, 400, 50, 1) }
}

pub const SECOND_GENERATION: Profile = steady("2G", 40.0, 700, 300, 1);
pub const STAIRWELL: Profile = Profile {
    course: Course::Comes { on: seconds(20), off: seconds(100) },
    faster: (20, 10),
    ..steady("stairwell", 20.0, 700, 300, 1)
};
pub const PORTAL: Profile = edge("captive portal", Course::First(Weather::Portal, seconds(90)), Break::Never);

/// Long enough that waits between tries have grown as far as they do.
const OUTAGE: Profile =
    edge("half an hour without answers", Course::First(Weather::HalfOpen, seconds(1_800)), Break::Never);

pub const PROFILES: [Profile; 10] = [
    SECOND_GENERATION,
    steady("EDGE", 128.0, 400, 50, 4),
    steady("3G", 1_000.0, 150, 20, 1),
    STAIRWELL,
    PORTAL,
    Profile { faster: (60, 30), ..OUTAGE },
    edge("half-open", Course::First(Weather::HalfOpen, seconds(90)), Break::Never),
    edge("one-way loss", Course::First(Weather::NoAnswers, seconds(90)), Break::Never),
    edge("address change", Course::Steady, Break::Moves(9_000)),
    edge("resets", Course::Steady, Break::Later(4_000)),
];
