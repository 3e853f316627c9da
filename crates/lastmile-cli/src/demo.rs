//! The whole path in one process: devices record offline, sync, the office merges, the figures stand.
//!
//! The relay and every device are the real ones, on loopback and on disk. The data comes from the acceptance generator, whose ledger says
//! what must come out; nothing shown here is taken from the ledger but the list of record ids that must not be lost.

mod devices;
mod figures;
mod office;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_relay::{Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_testkit::acceptance::{Dataset, Ledger, LedgerBuilder, Scale, Settings};
use lastmile_web::Limits;
use serde::Serialize;

use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

pub use devices::Devices;
pub use figures::{Figures, lost};

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How much data.
    pub scale: Scale,
    /// Its seed.
    pub seed: u64,
    /// Where relay and devices keep themselves.
    pub folder: PathBuf,
    /// Where the relay listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Leaves out the device with this number, counted over all devices, as if it had been lost before it synced.
    pub without: Option<usize>,
}

/// What came out, read from the relay's views.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Members ever checked in (R2).
    pub members: i64,
    /// Sessions (R4).
    pub sessions: i64,
    /// Times somebody was served (R7).
    pub served: i64,
    /// Times somebody took part (R5).
    pub participations: i64,
    /// Organisations with an active pairing (R10).
    pub pairings: i64,
    /// Organisations that are to have one.
    pub pairings_of: i64,
    /// Service teams (R12).
    pub teams: i64,
    /// Device replicas that recorded.
    pub devices: usize,
    /// Pairs of persons linked as one.
    pub duplicates: usize,
    /// Conflicts that a person decided.
    pub conflicts: usize,
    /// Changes that a verdict keeps out of sight.
    pub quarantined: u64,
    /// Records of the ledger that the relay's views do not hold.
    pub lost: usize,
    /// Replicas whose rows are not the relay's; nothing where none were compared, as at the scale of a city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing: Option<usize>,
    /// How long everything took.
    pub seconds: f64,
}

/// Says what went wrong in a run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A device failed.
    #[error("device: {0}")]
    Client(#[from] lastmile_client::ClientError),
    /// The relay failed.
    #[error("relay: {0}")]
    Relay(#[from] lastmile_relay::RelayError),
    /// The office's command was refused.
    #[error("office: {0}")]
    Office(#[from] lastmile_relay::OfficeError),
    /// A store failed.
    #[error("store: {0}")]
    Store(#[from] lastmile_store::StoreError),
    /// A report failed.
    #[error("report: {0}")]
    Report(#[from] lastmile_report::ReportError),
    /// The machine gave no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
    /// A folder could not be made.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A task stopped.
    #[error("a task stopped early")]
    Task,
    /// Devices did not come to rest in time.
    #[error("after {seconds} s {waiting} devices still had something to send")]
    Unsettled {
        /// How long was waited.
        seconds: u64,
        /// How many devices were left.
        waiting: usize,
    },
}

impl From<getrandom::Error> for DemoError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        Self::new(Exit::Failed, key!("demo.failed")).with("reason", &error).because(error)
    }
}

async fn start_relay(folder: &Path, listen: SocketAddr) -> Result<RunningRelay, DemoError> {
    let folder = RelayFolder::open_or_create(folder, &RelayOptions::default())?;
    let limits = Limits { connections_per_address: 4096, ..Limits::default() };
    Ok(Relay::start(folder, listen, limits).await?)
}

/// Runs everything and tells the story on the way.
///
/// # Errors
/// [`DemoError`] when a step fails; the folder then shows how far it came.
pub async fn run(plan: &Plan, output: &mut Output) -> Result<(Summary, Ledger), DemoError> {
    let began = Instant::now();
    let city = plan.scale == Scale::City;
    // A colleague who met a device carries its work, so only a device that met nobody takes something with it.
    let shared = !city && plan.without.is_none();
    let dataset = Arc::new(Dataset::new(Settings { shared, ..Settings::new(plan.scale, plan.seed) }));
    std::fs::create_dir_all(&plan.folder).map_err(|source| DemoError::Folder { path: plan.folder.clone(), source })?;
    let relay_folder = plan.folder.join("relay");

    let relay = start_relay(&relay_folder, plan.listen).await?;
    let address = relay.addr();
    let mut devices = Devices::enrol(&dataset, &plan.folder, &relay, output).await?;
    relay.stop().await?;
    let enrolled = [("devices", devices.len().to_string()), ("seconds", seconds(began))];
    tell(output, key!("demo.enrolled"), &enrolled);

    let mut ledger = LedgerBuilder::new(&dataset);
    let saves = devices.record(&dataset, &mut ledger, output).await?;
    let ledger = ledger.finish();
    tell(output, key!("demo.recorded"), &[("saves", saves.to_string()), ("seconds", seconds(began))]);

    devices.lose(plan.without);
    let auto = if city { None } else { Some(devices.start_syncing(Duration::from_millis(200))?) };
    let relay = start_relay(&relay_folder, address).await?;
    match auto {
        Some(syncing) => devices.wait_until_sent(syncing, Duration::from_secs(120)).await?,
        None => devices.upload_shuffled(plan.seed, output).await?,
    }
    relay.settle().await?;
    tell(output, key!("demo.synced"), &[("seconds", seconds(began))]);

    let done = office::work(&relay, &ledger, plan, output).await?;
    relay.settle().await?;
    let merged = [
        ("links", done.links.to_string()),
        ("conflicts", done.resolved.to_string()),
        ("moves", done.moves.to_string()),
        ("seconds", seconds(began)),
    ];
    tell(output, key!("demo.merged"), &merged);

    let mut reader = relay.reader().await?;
    let figures = Figures::read(&mut reader, &dataset)?;
    let missing = lost(&mut reader, &ledger)?;
    let duplicates = figures::links(&mut reader)?;
    let quarantined = reader.counts(None)?.quarantined;
    let differing = if city { None } else { Some(devices.compare(&mut reader, output).await?) };
    let devices = devices.recorded();
    relay.stop().await?;
    let summary = Summary {
        members: figures.members,
        sessions: figures.sessions,
        served: figures.served,
        participations: figures.participations,
        pairings: figures.pairings,
        pairings_of: figures.pairings_of,
        teams: figures.teams,
        devices,
        duplicates,
        conflicts: done.resolved,
        quarantined,
        lost: missing,
        differing,
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
    };
    Ok((summary, ledger))
}

/// Tells a step of the story at once: the next one may take a while.
fn tell(output: &mut Output, key: crate::messages::Key, args: &[(&str, String)]) {
    // Where nobody listens the figures still count.
    let _ = output.say(key, args).and_then(|()| output.flush());
}

fn seconds(began: Instant) -> String {
    format!("{:.1}", began.elapsed().as_secs_f64())
}
