//! The figures: what each is called, what is to be reached, and what was measured.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::messages::{Key, key};

/// What a figure is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Goal {
    /// The sign before the number.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast(_) => ">=",
            Self::AtMost(_) => "<=",
        }
    }

    /// The number.
    #[must_use]
    pub const fn target(self) -> f64 {
        match self {
            Self::AtLeast(target) | Self::AtMost(target) => target,
        }
    }

    /// Whether a value reaches it.
    #[must_use]
    pub fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(target) => value >= target,
            Self::AtMost(target) => value <= target,
        }
    }
}

/// What a figure is.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name for people.
    pub title: Key,
    /// The unit of its value.
    pub unit: &'static str,
    /// What is to be reached.
    pub goal: Goal,
}

macro_rules! specs {
    ($($name:ident = $key:literal, $title:expr, $unit:literal, $goal:expr;)*) => {
        $(
            #[doc = concat!("The figure `", $key, "`.")]
            pub const $name: Spec = Spec { key: $key, title: $title, unit: $unit, goal: $goal };
        )*
        /// Every figure, in the order of the table.
        pub const SPECS: &[Spec] = &[$($name),*];
    };
}

specs! {
    RELAY_INGEST = "relay_ingest", key!("bench.relay_ingest"), "records/s", Goal::AtLeast(100_000.0);
    RELAY_VIEWS = "relay_views", key!("bench.relay_views"), "ratio", Goal::AtLeast(0.6);
    DOCUMENTS = "documents", key!("bench.documents"), "ratio", Goal::AtLeast(5.0);
    SAVE_CPU = "save_cpu", key!("bench.save_cpu"), "ratio", Goal::AtMost(2.0);
    SAVE_FSYNCS = "save_fsyncs", key!("bench.save_fsyncs"), "ratio", Goal::AtMost(1.0);
    MERGE = "merge", key!("bench.merge"), "s", Goal::AtMost(2.0);
    IDLE_ROUNDS = "idle_sync_round_trips", key!("bench.idle_rounds"), "round trips", Goal::AtMost(1.0);
    IDLE_BYTES = "idle_sync_bytes", key!("bench.idle_bytes"), "bytes", Goal::AtMost(400.0);
    UPLOAD_RATE = "upload_rate", key!("bench.upload_rate"), "records/s", Goal::AtLeast(30_000.0);
    UPLOAD_BYTES = "upload_bytes", key!("bench.upload_bytes"), "bytes/record", Goal::AtMost(100.0);
    DOWNLOAD_BYTES = "first_download_bytes", key!("bench.download_bytes"), "bytes/record", Goal::AtMost(80.0);
    DOWNLOAD_TIME = "first_download_time", key!("bench.download_time"), "ms", Goal::AtMost(150.0);
    CHANGE_TIME = "one_change_time", key!("bench.change_time"), "ms", Goal::AtMost(50.0);
    CHANGE_BYTES = "one_change_bytes", key!("bench.change_bytes"), "bytes", Goal::AtMost(600.0);
    DISK_RELAY = "disk_relay", key!("bench.disk_relay"), "bytes/record", Goal::AtMost(350.0);
    DISK_DEVICE = "disk_device", key!("bench.disk_device"), "bytes/record", Goal::AtMost(550.0);
    DEMO_TIME = "city_demo_time", key!("bench.demo_time"), "s", Goal::AtMost(120.0);
    DEMO_MEMORY = "city_demo_memory", key!("bench.demo_memory"), "MiB", Goal::AtMost(512.0);
    REPORTS = "reports", key!("bench.reports"), "ms", Goal::AtMost(300.0);
    LIVE_PUSH = "live_push", key!("bench.live_push"), "ms", Goal::AtMost(100.0);
    LIVE_MEMORY = "live_memory", key!("bench.live_memory"), "MiB", Goal::AtMost(400.0);
    RELAY_SYNC = "relay_sync", key!("bench.relay_sync"), "ms", Goal::AtMost(250.0);
    RELAY_PUSH = "relay_push", key!("bench.relay_push"), "ms", Goal::AtMost(100.0);
    RELAY_MEMORY = "relay_memory", key!("bench.relay_memory"), "ratio", Goal::AtMost(1.05);
    RELAY_STORM = "relay_storm", key!("bench.relay_storm"), "s", Goal::AtMost(120.0);
    RELAY_ATTACK = "relay_attack", key!("bench.relay_attack"), "ratio", Goal::AtMost(2.0);
    RELAY_SERVED = "relay_served", key!("bench.relay_served"), "%", Goal::AtLeast(100.0);
    GROWTH_INGEST = "growth_ingest", key!("bench.growth_ingest"), "ratio", Goal::AtLeast(0.7);
    GROWTH_SYNC = "growth_sync", key!("bench.growth_sync"), "ratio", Goal::AtMost(1.5);
}

/// One of the two things that a ratio compares.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// What it is.
    pub name: &'static str,
    /// The median of its samples.
    pub median: f64,
    /// The unit.
    pub unit: &'static str,
    /// What each run gave, in their order.
    pub samples: Vec<f64>,
}

impl Side {
    /// Takes the samples of a side.
    #[must_use]
    pub fn new(name: &'static str, unit: &'static str, samples: Vec<f64>) -> Self {
        Self { name, median: median(&samples), unit, samples }
    }
}

/// What was measured of a figure.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The figure.
    pub spec: Spec,
    /// The median, or the ratio of the sides' medians.
    pub value: f64,
    /// How often it was measured.
    pub runs: usize,
    /// What each run gave, in their order.
    pub samples: Vec<f64>,
    /// The sides of a ratio: ours first.
    pub sides: Vec<Side>,
    /// What else is to be known, by name.
    pub detail: Map<String, Json>,
}

impl Measured {
    /// Takes the samples of a figure.
    #[must_use]
    pub fn new(spec: Spec, samples: Vec<f64>) -> Self {
        Self { spec, value: median(&samples), runs: samples.len(), samples, sides: Vec::new(), detail: Map::new() }
    }

    /// Takes the two sides of a ratio, measured in turn: the first one over the second.
    #[must_use]
    pub fn ratio(spec: Spec, over: Side, under: Side) -> Self {
        let pairs = over.samples.iter().zip(&under.samples);
        let samples: Vec<f64> = pairs.map(|(over, under)| divided(*over, *under)).collect();
        let value = divided(over.median, under.median);
        Self { value, sides: vec![over, under], ..Self::new(spec, samples) }
    }

    /// Adds something to know.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Whether the goal is reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.spec.goal.is_reached(self.value)
    }
}

impl Serialize for Measured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'m> {
            value: f64,
            unit: &'static str,
            goal: &'static str,
            target: f64,
            reached: bool,
            runs: usize,
            samples: Vec<f64>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            sides: Vec<Side>,
            #[serde(flatten)]
            detail: &'m Map<String, Json>,
        }
        let rounded = |samples: &[f64]| samples.iter().copied().map(rounded).collect::<Vec<_>>();
        let side =
            |side: &Side| Side { median: self::rounded(side.median), samples: rounded(&side.samples), ..side.clone() };
        Shown {
            value: self::rounded(self.value),
            unit: self.spec.unit,
            goal: self.spec.goal.sign(),
            target: self.spec.goal.target(),
            reached: self.is_reached(),
            runs: self.runs,
            samples: rounded(&self.samples),
            sides: self.sides.iter().map(side).collect(),
            detail: &self.detail,
        }
        .serialize(serializer)
    }
}

/// Four significant digits for people and files; goals are judged by the unrounded value.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// The middle value, or the mean of the two in the middle; 0 of none.
#[must_use]
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) { f64::midpoint(at(middle.saturating_sub(1)), at(middle)) } else { at(middle) }
}

/// A quotient that is 0 where there is nothing to divide by.
#[must_use]
pub fn divided(over: f64, under: f64) -> f64 {
    if under == 0.0 { 0.0 } else { over / under }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_ratio_is_that_of_the_medians() {
        let over = Side::new("one", "s", vec![2.0, 100.0, 3.0]);
        let under = Side::new("other", "s", vec![1.0, 1.5, 2.0]);
        let measured = Measured::ratio(SAVE_CPU, over, under);
        assert_eq!(measured.value, 2.0);
        assert_eq!(measured.samples, [2.0, 100.0 / 1.5, 1.5]);
        assert!(measured.is_reached());
    }

    #[test]
    fn rounds_for_showing_but_not_for_judging() {
        assert_eq!(rounded(123_456.7), 123_500.0);
        assert_eq!(rounded(0.001_234_56), 0.001_235);
        let measured = Measured::new(RELAY_INGEST, vec![99_999.0]);
        assert!(!measured.is_reached());
        let shown = serde_json::to_value(&measured).unwrap();
        assert_eq!((shown["value"].as_f64(), shown["reached"].as_bool()), (Some(100_000.0), Some(false)));
    }

    #[test]
    fn every_key_is_there_once() {
        let mut keys: Vec<&str> = SPECS.iter().map(|spec| spec.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), SPECS.len());
    }
}
