//! Measures the figures that Lastmile promises, on this machine, with the real parts.
//!
//! Each figure is measured several times and its median counts; the two sides of a ratio are measured in turn within one run, on the
//! same tables and indexes. `docs/bench.md` says of each figure what is inside the clock and what is not.

mod city;
mod crowd;
mod device;
pub mod figure;
mod growth;
mod live;
mod load;
mod relay;
mod sync;
mod usage;
mod world;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Output, Progress};

pub use figure::Measured;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Figure {
    /// Relay: uploads of 50 devices verified, appended, flushed and receipted
    RelayIngest,
    /// Relay: log and views against plain rows, 939,000 records (expensive: minutes, 1 GB of disk)
    RelayViews,
    /// Relay: log and views against ingest through Automerge documents, on a sample
    Documents,
    /// Device: one save against one plain row, processor time and flushes
    Save,
    /// Device: 100,000 changes of colleagues merged
    Merge,
    /// Sync with nothing new, 10,000 records
    IdleSync,
    /// Upload of 9,390 records to an empty relay
    Upload,
    /// First download of a community of 1,900 records
    FirstDownload,
    /// One changed field until a second device shows it, 10,000 records
    OneChange,
    /// Disk per record on relay and device (expensive on its own: a relay of 939,000 records)
    Disk,
    /// The demonstration at the scale of a city, its time and memory (expensive: minutes)
    CityDemo,
    /// Every report at the scale of a city (expensive: needs the city demonstration's relay)
    Reports,
    /// A commit until another live device shows it while the relay is busy, and 10,000 idle connections (expensive: minutes)
    Live,
    /// A relay under load: 10,000 devices, a storm of 5,000, half-open and hostile peers (expensive: see --minutes)
    Relay,
    /// Ingest and sync at 1,000,000 records against 10,000 (expensive: minutes)
    Growth,
}

impl Figure {
    /// Whether it takes minutes.
    #[must_use]
    pub const fn is_expensive(self) -> bool {
        use Figure::{CityDemo, Disk, Growth, Live, Relay, RelayViews, Reports};
        matches!(self, RelayViews | Disk | CityDemo | Reports | Live | Relay | Growth)
    }
}

/// What to measure and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The figures, in any order.
    pub figures: Vec<Figure>,
    /// How often each is measured.
    pub runs: u32,
    /// How often the demonstration runs.
    pub demo_runs: u32,
    /// For how many minutes the relay is kept under steady load.
    pub minutes: u32,
    /// The part of the data, 1/n, to try things out with; the figures then say nothing.
    pub shrink: u32,
    /// Where files are made; the disk under it is measured too.
    pub folder: PathBuf,
    /// This program, to run the demonstration as a process of its own.
    pub program: PathBuf,
}

/// Says why a figure could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A device failed.
    #[error("device: {0}")]
    Client(#[from] lastmile_client::ClientError),
    /// The relay failed.
    #[error("relay: {0}")]
    Relay(#[from] lastmile_relay::RelayError),
    /// A store failed.
    #[error("store: {0}")]
    Store(#[from] lastmile_store::StoreError),
    /// A report failed.
    #[error("report: {0}")]
    Report(#[from] lastmile_report::ReportError),
    /// The side that goes through documents failed.
    #[error("documents: {0}")]
    Documents(#[from] lastmile_crdt::baseline::BaselineError),
    /// The machine gives no randomness.
    #[error("randomness: {0}")]
    Random(getrandom::Error),
    /// A folder or file could not be made or read.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Threads could not be started.
    #[error("threads: {0}")]
    Threads(std::io::Error),
    /// The demonstration did not end well.
    #[error("the demonstration failed: {0}")]
    Demo(String),
    /// Something did not happen as measured things must; a figure of it would be wrong.
    #[error("{0}; nothing was measured")]
    Unexpected(&'static str),
}

impl From<getrandom::Error> for BenchError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Store(error) => crate::commands::store_error(error),
            error => Self::new(Exit::Failed, key!("bench.failed")).with("reason", &error).because(error),
        }
    }
}

/// A bench under way.
pub struct Bench<'o> {
    plan: Plan,
    output: &'o mut Output,
    measured: Vec<Measured>,
    /// The logs of a city's devices, made as far as figures need them.
    city: Option<relay::City>,
    /// What 939,000 records take on a relay's disk, where that was seen.
    relay_disk: Option<f64>,
}

impl std::fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Measures everything in the plan; results come in the order of the table.
///
/// # Errors
/// [`BenchError`] when something fails that is measured; a goal not reached is no error.
pub fn run(plan: Plan, output: &mut Output) -> Result<Vec<Measured>, BenchError> {
    let mut figures = plan.figures.clone();
    figures.sort_unstable();
    figures.dedup();
    std::fs::create_dir_all(&plan.folder).map_err(|source| BenchError::Folder { path: plan.folder.clone(), source })?;
    let mut bench = Bench { plan, output, measured: Vec::new(), city: None, relay_disk: None };
    for figure in &figures {
        let name = figure.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        bench.output.note(key!("bench.measuring"), &[("figure", name)]);
        match figure {
            Figure::RelayIngest => bench.relay_ingest()?,
            Figure::RelayViews => bench.relay_views()?,
            Figure::Documents => bench.documents()?,
            Figure::Save => bench.save()?,
            Figure::Merge => bench.merge()?,
            Figure::IdleSync => bench.idle_sync()?,
            Figure::Upload => bench.upload()?,
            Figure::FirstDownload => bench.first_download()?,
            Figure::OneChange => bench.one_change()?,
            Figure::Disk => {
                bench.disk()?;
                // The city's logs are not needed any more, and the next figures are about a small program.
                bench.city = None;
            }
            Figure::CityDemo => bench.city_demo(figures.contains(&Figure::Reports))?,
            Figure::Reports => bench.reports(figures.contains(&Figure::CityDemo))?,
            Figure::Live => bench.live()?,
            Figure::Relay => bench.load()?,
            Figure::Growth => bench.growth()?,
        }
    }
    Ok(bench.measured)
}

impl Bench<'_> {
    /// A part of a number of records, not less than `least`.
    fn part(&self, full: u32, least: u32) -> u32 {
        (full / self.plan.shrink.max(1)).max(least)
    }

    fn runs(&self) -> u32 {
        self.plan.runs.max(1)
    }

    /// Shows how far the runs of a figure are.
    fn progress(&self, total: u32) -> Progress {
        self.output.progress::<&str>(Some(u64::from(total)), key!("bench.runs"), &[])
    }

    fn keep(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Empties a folder of files that were measured; what cannot be removed lies in a folder that the user named or the system clears.
    fn remove(&self, name: &str) {
        let _ = std::fs::remove_dir_all(self.plan.folder.join(name));
    }

    fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(BenchError::Threads)
    }
}
