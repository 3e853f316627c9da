//! The demonstration at the scale of a city, and the reports on what it leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use lastmile_model::Catalogue;
use lastmile_report::{ReportId, ReportRequest};
use lastmile_store::Reader;
use lastmile_store::sqlite::{OpenOptions, SqliteStorage};
use lastmile_testkit::Scale;
use lastmile_testkit::acceptance::{Dataset, Settings};
use serde_json::{Map, Value as Json};

use super::figure::{DEMO_MEMORY, DEMO_TIME, Measured, REPORTS, median, rounded};
use super::usage::peak_memory;
use super::{Bench, BenchError};

/// The seed of the data.
const SEED: u64 = 1;

/// How often the memory of the demonstration is looked at. The system keeps the highest mark itself, so only what is taken within the
/// last moment before the end could be missed.
const LOOK: Duration = Duration::from_millis(20);

/// What one demonstration came to.
struct Demo {
    seconds: f64,
    memory: Option<u64>,
    summary: Json,
}

impl Bench<'_> {
    fn scale(&self) -> Scale {
        if self.plan.shrink > 1 { Scale::Community } else { Scale::City }
    }

    fn demo_folder(&self) -> PathBuf {
        self.plan.folder.join("city")
    }

    /// Runs the demonstration as a process of its own; its folder stays for the reports.
    fn demo(&self) -> Result<Demo, BenchError> {
        let folder = self.demo_folder();
        if folder.exists() {
            self.remove("city");
        }
        let bar = self.output.progress::<&str>(None, crate::messages::key!("bench.demo_runs"), &[]);
        let began = Instant::now();
        let mut child = Command::new(&self.plan.program)
            .args(["demo", "--json", "--quiet", "--seed", &SEED.to_string(), "--scale", self.scale().word(), "--dir"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| BenchError::Folder { path: self.plan.program.clone(), source })?;
        let memory = watch(&mut child);
        let seconds = began.elapsed().as_secs_f64();
        drop(bar);
        let ended = child.wait_with_output().map_err(|error| BenchError::Demo(error.to_string()))?;
        if !ended.status.success() {
            return Err(BenchError::Demo(String::from_utf8_lossy(&ended.stderr).trim().to_owned()));
        }
        let summary = serde_json::from_slice(&ended.stdout).map_err(|error| BenchError::Demo(error.to_string()))?;
        Ok(Demo { seconds, memory, summary })
    }

    /// Measures the demonstration; keeps what it leaves if reports follow.
    pub(super) fn city_demo(&mut self, keep: bool) -> Result<(), BenchError> {
        let mut demos = Vec::new();
        for _ in 0..self.plan.demo_runs.max(1) {
            demos.push(self.demo()?);
        }
        let scale = self.scale().word();
        let summary = demos.last().map_or(Json::Null, |demo| demo.summary.clone());
        let times = demos.iter().map(|demo| demo.seconds).collect();
        self.keep(Measured::new(DEMO_TIME, times).with("scale", scale).with("summary", summary));
        let memory: Vec<f64> =
            demos.iter().filter_map(|demo| demo.memory).map(|bytes| bytes as f64 / 1_048_576.0).collect();
        if memory.is_empty() {
            return Err(BenchError::Unexpected("this system does not tell the memory of a process"));
        }
        self.keep(Measured::new(DEMO_MEMORY, memory).with("scale", scale));
        if !keep {
            self.remove("city");
        }
        Ok(())
    }

    /// Runs each report on the demonstration's relay, warm.
    pub(super) fn reports(&mut self, made: bool) -> Result<(), BenchError> {
        if !made {
            self.demo()?;
        }
        let dataset = Dataset::new(Settings { shared: false, ..Settings::new(self.scale(), SEED) });
        let (year, now_ms) = (dataset.plan().year(), dataset.plan().now_ms());
        let day = |month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
        let mut reader = open(&self.demo_folder().join("relay").join("relay.db"))?;
        let bar = self.progress(u32::try_from(ReportId::ALL.len()).unwrap_or(u32::MAX));
        let mut medians = Vec::new();
        for report in ReportId::ALL {
            let request = ReportRequest::new(report, "4301", day(1, 1), day(12, 31), now_ms);
            lastmile_report::run(&mut reader, &request)?;
            let mut times = Vec::new();
            for _ in 0..self.runs() {
                let began = Instant::now();
                std::hint::black_box(lastmile_report::run(&mut reader, &request)?);
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
            medians.push((report, times));
            bar.add(1);
        }
        drop(reader);
        let slowest = medians.iter().max_by(|one, other| median(&one.1).total_cmp(&median(&other.1)));
        let (slowest, samples) = slowest.cloned().ok_or(BenchError::Unexpected("no report"))?;
        let each: Map<String, Json> =
            medians.iter().map(|(report, times)| (report.code().to_owned(), rounded(median(times)).into())).collect();
        let measured = Measured::new(REPORTS, samples).with("slowest", slowest.code()).with("each", each);
        self.keep(measured.with("scale", self.scale().word()));
        self.remove("city");
        Ok(())
    }
}

/// Waits until the child has ended its work and returns the most memory it was seen with.
fn watch(child: &mut Child) -> Option<u64> {
    let mut most = None;
    // An error to wait is found again, and told, by whoever collects the child.
    while let Ok(None) = child.try_wait() {
        most = peak_memory(child.id()).max(most);
        std::thread::sleep(LOOK);
    }
    most
}

fn open(file: &Path) -> Result<Reader, BenchError> {
    let catalogue = Catalogue::builtin();
    let storage = SqliteStorage::open_reader(file, &OpenOptions::default(), catalogue)?;
    Ok(Reader::new(storage, Arc::new(catalogue.clone()))?)
}
