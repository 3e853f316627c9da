//! The devices of a run: enrolled, recording offline, syncing.

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Replica, ReplicaOptions, SyncPhase};
use lastmile_model::roles::Role;
use lastmile_model::{Scope, ScopeKind};
use lastmile_relay::{InviteOrder, RunningRelay};
use lastmile_store::{NewCommit, Reader};
use lastmile_testkit::DeviceWork;
use lastmile_testkit::acceptance::{CommunityWork, Dataset, LedgerBuilder};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::DemoError;
use crate::actions;
use crate::messages::key;
use crate::output::Output;

/// A community that is being recorded: its work and how many saves it made; nothing for a number that no community has.
type Task = JoinHandle<Result<Option<(CommunityWork, usize)>, DemoError>>;

/// One device and where it keeps itself.
#[derive(Debug)]
struct Device {
    label: String,
    folder: PathBuf,
    scope: Scope,
}

/// The devices of a run.
#[derive(Debug, Default)]
pub struct Devices {
    root: PathBuf,
    devices: Vec<Device>,
    /// The numbers of the devices that were lost before they synced.
    lost: Vec<usize>,
}

fn folder_of(root: &Path, label: &str) -> PathBuf {
    root.join("devices").join(label)
}

/// The commits that actions of one wave are, with id numbers sealed.
fn commits(replica: &Replica, work: &DeviceWork, wave: u8) -> Result<Vec<NewCommit>, DemoError> {
    let of_wave = work.actions.iter().filter(|action| action.wave == wave);
    let seal = |plain: &[u8]| Ok(replica.seal_value(plain)?);
    of_wave.map(|action| actions::commit(action, &work.scope, "lastmile demo", seal)).collect()
}

impl Devices {
    /// Invites and enrols every device of the data set, the city office's first.
    pub(super) async fn enrol(
        dataset: &Dataset,
        root: &Path,
        relay: &RunningRelay,
        output: &Output,
    ) -> Result<Self, DemoError> {
        let mut wanted: Vec<(String, Scope)> = Vec::new();
        let city = dataset.city();
        wanted.push((city.label.clone(), city.scope));
        for community in &dataset.plan().communities {
            for device in 0..community.devices {
                wanted.push((format!("{}-{}", community.code, device + 1), community.scope.clone()));
            }
        }
        let bar = output.progress::<&str>(Some(wanted.len() as u64), key!("demo.enrolling"), &[]);
        let mut devices = Vec::with_capacity(wanted.len());
        let mut tasks: VecDeque<JoinHandle<Result<Device, DemoError>>> = VecDeque::new();
        for (label, scope) in wanted {
            if tasks.len() >= AT_A_TIME {
                devices.push(next_of(&mut tasks).await?);
                bar.add(1);
            }
            // The city's office keeps the shared lists; a community's devices are used by its workers and its secretary.
            let roles = match scope.kind() {
                ScopeKind::City => vec![Role::Central],
                _ => vec![Role::Worker, Role::Secretary],
            };
            let order = InviteOrder { roles, ..InviteOrder::new(vec![scope.clone()], relay.url()) };
            let invite = relay.invite(order).await?;
            let folder = folder_of(root, &label);
            tasks.push_back(apart(async move {
                let replica = Replica::enrol(&folder, &invite, &label, ReplicaOptions::default()).await?;
                replica.close()?;
                Ok(Device { label, folder, scope })
            }));
        }
        while !tasks.is_empty() {
            devices.push(next_of(&mut tasks).await?);
            bar.add(1);
        }
        Ok(Self { root: root.to_owned(), devices, lost: Vec::new() })
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// How many of them recorded for a community and were not lost.
    pub(super) fn recorded(&self) -> usize {
        self.devices.len().saturating_sub(1).saturating_sub(self.lost.len())
    }

    /// Records everything with no relay in reach: each save a commit of its own, one transaction for a device's wave. Devices of one
    /// community meet between the waves, through files. Returns how many saves there were.
    pub(super) async fn record(
        &self,
        dataset: &Arc<Dataset>,
        ledger: &mut LedgerBuilder<'_>,
        output: &Output,
    ) -> Result<usize, DemoError> {
        let mut saves = record_wave(&self.root, &dataset.city(), 0)?;
        let communities = dataset.plan().communities.len();
        let bar = output.progress::<&str>(Some(communities as u64), key!("demo.recording"), &[]);
        let at_a_time = std::thread::available_parallelism().map_or(2, usize::from).min(AT_A_TIME);
        let mut tasks: VecDeque<Task> = VecDeque::new();
        let mut index = 0;
        while index < communities || !tasks.is_empty() {
            if index < communities && tasks.len() <= at_a_time {
                let (dataset, root) = (Arc::clone(dataset), self.root.clone());
                tasks.push_back(tokio::task::spawn_blocking(move || {
                    let Some(work) = dataset.community(index) else { return Ok(None) };
                    let saves = record_community(&root, &work)?;
                    Ok(Some((work, saves)))
                }));
                index += 1;
                continue;
            }
            if let Some((work, saved)) = next_of(&mut tasks).await? {
                ledger.add(&work);
                saves += saved;
            }
            bar.add(1);
        }
        Ok(saves)
    }

    /// Loses a device before it synced; the first one, the office's own, is number 0.
    pub(super) fn lose(&mut self, number: Option<usize>) {
        self.lost.extend(number.filter(|number| *number < self.devices.len()));
    }

    fn kept(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().enumerate().filter(|(number, _)| !self.lost.contains(number)).map(|(_, device)| device)
    }

    /// Opens every device and lets it sync by itself; nobody tells it when the relay appears.
    pub(super) fn start_syncing(&self, poll: Duration) -> Result<Vec<(Arc<Replica>, AutoSync)>, DemoError> {
        let pace = Pace { poll, first_retry: Duration::from_millis(200), longest_retry: Duration::from_secs(2) };
        let mut running = Vec::with_capacity(self.devices.len());
        for device in self.kept() {
            let replica = Arc::new(Replica::open(&device.folder, ReplicaOptions::default())?);
            let auto = AutoSync::start(Arc::clone(&replica), pace.clone());
            running.push((replica, auto));
        }
        Ok(running)
    }

    /// Waits until no device has anything left to send and each holds what the relay holds.
    pub(super) async fn wait_until_sent(
        &self,
        running: Vec<(Arc<Replica>, AutoSync)>,
        limit: Duration,
    ) -> Result<(), DemoError> {
        let began = Instant::now();
        loop {
            let mut waiting = 0;
            for (replica, _) in &running {
                let status = replica.status()?;
                if status.unsent_commits > 0 || status.phase != SyncPhase::UpToDate {
                    waiting += 1;
                }
            }
            if waiting == 0 {
                break;
            }
            if began.elapsed() > limit {
                return Err(DemoError::Unsettled { seconds: limit.as_secs(), waiting });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (replica, auto) in running {
            drop(auto);
            // The task may hold its handle for a moment after it was told to stop.
            let mut replica = replica;
            for _ in 0..100 {
                match Arc::try_unwrap(replica) {
                    Ok(alone) => {
                        alone.close()?;
                        break;
                    }
                    Err(shared) => {
                        replica = shared;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Uploads the devices in a shuffled order, a few at a time.
    pub(super) async fn upload_shuffled(&self, seed: u64, output: &Output) -> Result<(), DemoError> {
        let mut folders: Vec<PathBuf> = self.kept().map(|device| device.folder.clone()).collect();
        // A plain multiplicative shuffle is enough to break every order that the generator has.
        let order = |index: usize| (index as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        let mut keyed: Vec<(u64, PathBuf)> =
            folders.drain(..).enumerate().map(|(index, one)| (order(index), one)).collect();
        keyed.sort();
        let bar = output.progress::<&str>(Some(keyed.len() as u64), key!("demo.uploading"), &[]);
        let mut tasks: VecDeque<JoinHandle<Result<(), DemoError>>> = VecDeque::new();
        for (_, folder) in keyed {
            if tasks.len() >= AT_A_TIME {
                next_of(&mut tasks).await?;
                bar.add(1);
            }
            tasks.push_back(apart(async move {
                let replica = Replica::open(&folder, ReplicaOptions::default())?;
                while !replica.sync().await?.equal {}
                Ok(replica.close()?)
            }));
        }
        while !tasks.is_empty() {
            next_of(&mut tasks).await?;
            bar.add(1);
        }
        Ok(())
    }

    /// Syncs every device once more, so that it hears of the office's work, and compares its rows with the relay's. Returns how many
    /// differ.
    pub(super) async fn compare(&self, relay: &mut Reader, output: &mut Output) -> Result<usize, DemoError> {
        let mut differing = 0;
        for device in self.kept() {
            let replica = Replica::open(&device.folder, ReplicaOptions::default())?;
            while !replica.sync().await?.equal {}
            let here = replica.read(|reader| reader.digest(Some(&device.scope)))?;
            let same = here == relay.digest(Some(&device.scope))?;
            if !same {
                differing += 1;
            }
            let counts = replica.read(|reader| reader.counts(Some(&device.scope)))?;
            let word = if same { key!("demo.device_same") } else { key!("demo.device_differs") };
            let _ = output.say(word, &[("device", device.label.clone()), ("changes", counts.held().to_string())]);
            replica.close()?;
        }
        Ok(differing)
    }
}

/// How many devices enrol, record or upload at a time.
const AT_A_TIME: usize = 8;

/// Runs a device on a thread of its own: its file work must not hold up the relay, which shares this process only here.
fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, DemoError>> + Send + 'static,
) -> JoinHandle<Result<T, DemoError>> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work))
}

/// Waits for the task that was begun first.
async fn next_of<T>(tasks: &mut VecDeque<JoinHandle<Result<T, DemoError>>>) -> Result<T, DemoError> {
    match tasks.pop_front() {
        Some(task) => task.await.map_err(|_| DemoError::Task)?,
        None => Err(DemoError::Task),
    }
}

fn open(root: &Path, label: &str) -> Result<Replica, DemoError> {
    Ok(Replica::open(&folder_of(root, label), ReplicaOptions::default())?)
}

/// Both waves of a community, its devices meeting in between.
fn record_community(root: &Path, work: &CommunityWork) -> Result<usize, DemoError> {
    let mut saves = 0;
    for device in &work.devices {
        saves += record_wave(root, device, 0)?;
    }
    if work.devices.len() > 1 {
        meet(root, &work.devices)?;
    }
    for device in work.devices.iter().filter(|device| device.actions.iter().any(|action| action.wave == 1)) {
        saves += record_wave(root, device, 1)?;
    }
    Ok(saves)
}

fn record_wave(root: &Path, work: &DeviceWork, wave: u8) -> Result<usize, DemoError> {
    let replica = open(root, &work.label)?;
    let commits = commits(&replica, work, wave)?;
    let count = commits.len();
    if count > 0 {
        replica.save(commits)?;
    }
    replica.close()?;
    Ok(count)
}

/// Each device takes what every other recorded, from a file.
fn meet(root: &Path, work: &[DeviceWork]) -> Result<(), DemoError> {
    for giver in work {
        let replica = open(root, &giver.label)?;
        let file = replica.path().join("day.lastmile");
        replica.export_bundle(&file)?;
        replica.close()?;
        for taker in work.iter().filter(|taker| taker.label != giver.label) {
            let replica = open(root, &taker.label)?;
            replica.import_bundle(&file)?;
            replica.close()?;
        }
    }
    Ok(())
}
