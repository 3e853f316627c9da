//! What a relay tells of itself in numbers: Prometheus text, written by hand. No label names a person, a device or a place.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The endpoints that are told apart.
pub(crate) const PATHS: [&str; 7] = ["sync", "enrol", "live", "office", "health", "files", "other"];
/// How a request can end: done, refused by the relay, or failed at it.
pub(crate) const OUTCOMES: [&str; 3] = ["ok", "refused", "failed"];
/// Upper bounds of the histogram, in milliseconds.
const BOUNDS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// What was answered, how and how fast.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_path: [OfPath; PATHS.len()],
}

#[derive(Debug, Default)]
struct OfPath {
    outcomes: [AtomicU64; OUTCOMES.len()],
    buckets: [AtomicU64; BOUNDS_MS.len()],
    micros: AtomicU64,
}

impl Requests {
    /// Counts an answer; `path` and `outcome` are indices into the lists above.
    pub fn note(&self, path: usize, outcome: usize, took: Duration) {
        let Some(of_path) = self.by_path.get(path) else { return };
        if let Some(count) = of_path.outcomes.get(outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = BOUNDS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        if let Some(count) = bucket.and_then(|at| of_path.buckets.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        of_path.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Writes the counters and histograms.
    pub fn write(&self, page: &mut Page) {
        page.begin("lastmile_requests_total", "counter", "Requests answered, by endpoint and outcome.");
        for (of_path, path) in self.by_path.iter().zip(PATHS) {
            for (count, outcome) in of_path.outcomes.iter().zip(OUTCOMES) {
                page.labelled("", &format!("path=\"{path}\",outcome=\"{outcome}\""), count.load(Ordering::Relaxed));
            }
        }
        page.begin("lastmile_request_seconds", "histogram", "Seconds from a request's head to its answer.");
        for (of_path, path) in self.by_path.iter().zip(PATHS) {
            let mut below = 0;
            for (count, bound) in of_path.buckets.iter().zip(BOUNDS_MS) {
                below += count.load(Ordering::Relaxed);
                let labels = format!("path=\"{path}\",le=\"{}\"", Millis(bound));
                page.labelled("_bucket", &labels, below);
            }
            let all: u64 = of_path.outcomes.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            // A request that is counted in between must not make the whole smaller than a part.
            let all = all.max(below);
            page.labelled("_bucket", &format!("path=\"{path}\",le=\"+Inf\""), all);
            let micros = of_path.micros.load(Ordering::Relaxed);
            page.labelled("_sum", &format!("path=\"{path}\""), Micros(micros));
            page.labelled("_count", &format!("path=\"{path}\""), all);
        }
    }
}

/// Milliseconds shown as seconds.
struct Millis(u64);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 1000, self.0 % 1000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:03}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Microseconds shown as seconds.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A page of metrics in the text format 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    /// Begins a metric.
    pub fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing to a string does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Writes a value of the metric begun last.
    pub fn labelled(&mut self, suffix: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{}{suffix}{{{labels}}} {value}", self.name);
    }

    /// Writes a metric of one value; nothing where it is not known.
    pub fn one(&mut self, name: &'static str, kind: &str, help: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.begin(name, kind, help);
            let _ = writeln!(self.text, "{name} {value}");
        }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_adds_up() {
        let requests = Requests::default();
        for (ms, outcome) in [(3, 0), (7, 0), (7, 1), (400, 0), (60_000, 2)] {
            requests.note(0, outcome, Duration::from_millis(ms));
        }
        let mut page = Page::default();
        requests.write(&mut page);
        let text = page.finish();
        for line in [
            "lastmile_requests_total{path=\"sync\",outcome=\"ok\"} 3",
            "lastmile_requests_total{path=\"sync\",outcome=\"failed\"} 1",
            "lastmile_request_seconds_bucket{path=\"sync\",le=\"0.005\"} 1",
            "lastmile_request_seconds_bucket{path=\"sync\",le=\"0.01\"} 3",
            "lastmile_request_seconds_bucket{path=\"sync\",le=\"2.5\"} 4",
            "lastmile_request_seconds_bucket{path=\"sync\",le=\"30\"} 4",
            "lastmile_request_seconds_bucket{path=\"sync\",le=\"+Inf\"} 5",
            "lastmile_request_seconds_sum{path=\"sync\"} 60.417000",
            "lastmile_request_seconds_count{path=\"sync\"} 5",
            "lastmile_requests_total{path=\"other\",outcome=\"ok\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
