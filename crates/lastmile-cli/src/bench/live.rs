//! Devices that stay connected: what a commit takes from one to another while the relay is busy, and what idle connections cost it.
//!
//! The relay is a process of its own. The crowd that keeps it busy is made of keys and sessions without files, in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, Replica, ReplicaOptions};
use lastmile_log::Invite;
use lastmile_model::{RecordId, Scope};
use lastmile_relay::{Office, OfficeAnswer, OfficeCommand, RelayOptions};
use lastmile_testkit::mix::mix_in;
use tokio::task::JoinSet;

use super::crowd::Member;
use super::figure::{LIVE_MEMORY, LIVE_PUSH, Measured, rounded};
use super::usage::resident_memory;
use super::world::community;
use super::{Bench, BenchError};

/// Devices enrolled and connected, and the communities that they share.
const DEVICES: u32 = 10_000;
const COMMUNITIES: u32 = 843;

/// What the relay is busy with meanwhile: exchanges in a second, what each brings (saves of two records), and for how long.
const SYNCS: u32 = 133;
const SAVES: usize = 2;
const SECONDS: u32 = 60;

/// Pairs of devices between which commits are watched, and the time between two saves of one.
const PAIRS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(250);

/// How many devices enrol or sign in at a time.
const AT_A_TIME: usize = 16;

/// Connections from one address of the loopback network.
const PER_ADDRESS: usize = 2_000;

/// How long the relay is left alone before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// A relay in a process of its own, ended when it is dropped.
pub(super) struct Relay {
    child: Child,
    folder: PathBuf,
    pub addr: SocketAddr,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // What it holds is of no more use; a child that has ended already cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    /// Starts it for so many connections, so many of one address.
    pub fn start(program: &Path, folder: &Path, connections: usize, of_address: usize) -> Result<Self, BenchError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| BenchError::Folder { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let (place, address) = (folder.join("relay"), folder.join("address"));
        let child = Command::new(program)
            .args(["relay", "serve", "--quiet", "--listen", "127.0.0.1:0"])
            .args(["--max-connections", &connections.to_string()])
            .args(["--max-per-address", &of_address.to_string()])
            .arg("--dir")
            .arg(&place)
            .arg("--address-file")
            .arg(&address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed(program))?;
        let mut relay = Self { child, folder: place, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if let Some(addr) = std::fs::read_to_string(&address).ok().and_then(|text| text.trim().parse().ok()) {
                relay.addr = addr;
                return Ok(relay);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(BenchError::Unexpected("a relay that does not begin to serve"))
    }

    /// The memory it holds now, in bytes.
    pub fn memory(&self) -> u64 {
        resident_memory(self.child.id()).unwrap_or_default()
    }

    pub fn office(&self) -> Result<Office, BenchError> {
        Ok(Office::open(&self.folder, &RelayOptions::default())?)
    }

    pub fn invite(&self, office: &mut Office, scope: &Scope) -> Result<Invite, BenchError> {
        let command = OfficeCommand::Invite {
            scopes: vec![scope.to_string()],
            roles: vec!["worker".to_owned()],
            persons: Vec::new(),
            device: String::new(),
            until_ms: None,
            valid_hours: 24,
            relay: Some(format!("http://{}", self.addr)),
            replaces: None,
        };
        match office.run(command) {
            Ok(OfficeAnswer::Invite { text, .. }) => {
                Invite::from_text(&text).map_err(|_| BenchError::Unexpected("an invite that cannot be read"))
            }
            _ => Err(BenchError::Unexpected("no invite")),
        }
    }
}

/// A real device in the foreground.
pub(super) struct Watched {
    replica: Arc<Replica>,
    _auto: AutoSync,
}

impl Watched {
    pub async fn start(folder: PathBuf, invite: &Invite) -> Result<Self, BenchError> {
        let replica = Arc::new(Replica::enrol(&folder, invite, "bench", ReplicaOptions::default()).await?);
        let pace = Pace { poll: Duration::from_secs(3_600), ..Pace::default() };
        let auto = AutoSync::start(Arc::clone(&replica), pace);
        auto.set_foreground(true);
        Ok(Self { replica, _auto: auto })
    }

    fn save(&self, number: u32) -> Result<RecordId, BenchError> {
        let fields = [("title", format!("活动{number}")), ("category", "environment".to_owned())];
        let more = [("kind", "service".to_owned()), ("date", "2026-03-05".to_owned())];
        let values = fields.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value.into())).collect();
        let mut draft = self.replica.draft(None);
        let entry = lastmile_model::input::Entry { values, ..Default::default() };
        let id = draft.create("activity", entry)?;
        draft.save()?;
        Ok(id)
    }

    /// Waits until a record shows here.
    async fn until_shown(&self, id: RecordId) -> Result<(), BenchError> {
        let mut changes = self.replica.observe();
        let begun = Instant::now();
        while self.replica.record("activity", id).is_err() {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(BenchError::Unexpected("a commit that is not pushed"));
            }
            // Whoever falls behind looks as well.
            let _ = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await;
        }
        Ok(())
    }
}

/// Saves on one device after the other and measures until the other shows it, in milliseconds.
pub(super) async fn watch(one: Watched, two: Watched, saves: u32) -> Result<Vec<f64>, BenchError> {
    let mut taken = Vec::new();
    for number in 0..saves {
        let (from, to) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let begun = Instant::now();
        let id = from.save(number)?;
        to.until_shown(id).await?;
        let shown = begun.elapsed();
        // The first ones find the connections still being made.
        if number >= 4 || saves <= 4 {
            taken.push(shown.as_secs_f64() * 1e3);
        }
        tokio::time::sleep(BETWEEN.saturating_sub(shown)).await;
    }
    Ok(taken)
}

/// The value below which this part of the samples lies.
pub(super) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the samples")]
    let place = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// What came of the crowd's exchanges.
#[derive(Debug, Default)]
struct Load {
    exchanges: AtomicU64,
    failed: AtomicU64,
    records: AtomicU64,
}

impl Bench<'_> {
    /// Both figures, since one is the ground of the other.
    pub(super) fn live(&mut self) -> Result<(), BenchError> {
        let count = self.part(DEVICES, 24) as usize;
        let communities = self.part(COMMUNITIES, 4) as usize;
        let folder = self.plan.folder.join("live");
        let relay = Relay::start(&self.plan.program, &folder, count + 500, PER_ADDRESS + 500)?;
        let members = self.enrol(&relay, count, communities)?;
        let runtime = Self::runtime()?;
        std::thread::sleep(REST.min(Duration::from_millis(200) * self.runs()));
        let before = relay.memory();
        let mut sockets = runtime.block_on(self.connect(&relay, &members))?;
        std::thread::sleep(if self.plan.shrink > 1 { Duration::from_millis(200) } else { REST });
        let idle = relay.memory();
        let measured = Measured::new(LIVE_MEMORY, vec![mebibytes(idle)])
            .with("connections", count)
            .with("mebibytes_without_connections", rounded(mebibytes(before)))
            .with("kibibytes_a_connection", rounded(idle.saturating_sub(before) as f64 / 1024.0 / count as f64));
        let push = runtime.block_on(self.push(&relay, &members, communities))?;
        let broken = runtime.block_on(async {
            sockets.abort_all();
            let mut broken = 0;
            while let Some(ended) = sockets.join_next().await {
                broken += usize::from(ended.is_ok());
            }
            broken
        });
        if broken > 0 {
            return Err(BenchError::Unexpected("a connection that did not last"));
        }
        self.keep(push);
        self.keep(measured.with("mebibytes_after_the_load", rounded(mebibytes(relay.memory()))));
        drop(relay);
        self.remove("live");
        Ok(())
    }

    fn enrol(&self, relay: &Relay, count: usize, communities: usize) -> Result<Vec<Arc<Member>>, BenchError> {
        let bar = self.output.progress::<&str>(Some(count as u64), crate::messages::key!("bench.preparing"), &[]);
        let mut office = relay.office()?;
        let mut members = Vec::with_capacity(count);
        for number in 0..count {
            let invite = relay.invite(&mut office, &community(number % communities)?)?;
            members.push(Arc::new(Member::enrol(relay.addr, &invite)?));
            bar.add(1);
        }
        Ok(members)
    }

    /// Signs every member in on a connection that stays.
    async fn connect(&self, relay: &Relay, members: &[Arc<Member>]) -> Result<JoinSet<()>, BenchError> {
        let bar = self.progress(u32::try_from(members.len()).unwrap_or(u32::MAX));
        let mut sockets = JoinSet::new();
        for (group, chunk) in members.chunks(AT_A_TIME).enumerate() {
            let mut signing = JoinSet::new();
            for (place, member) in chunk.iter().enumerate() {
                let last = u8::try_from(2 + (group * AT_A_TIME + place) / PER_ADDRESS).unwrap_or(254);
                let (member, from, to) = (Arc::clone(member), [127, 0, 0, last], relay.addr);
                signing.spawn(async move { member.stay(from.into(), to).await });
            }
            while let Some(signed) = signing.join_next().await {
                let line = signed.map_err(|_| BenchError::Unexpected("a device that stopped"))??;
                sockets.spawn(line.idle());
                bar.add(1);
            }
        }
        Ok(sockets)
    }

    /// Keeps the relay busy, and watches commits go from device to device.
    async fn push(&self, relay: &Relay, members: &[Arc<Member>], communities: usize) -> Result<Measured, BenchError> {
        let seconds = self.part(SECONDS, 3);
        let mut office = relay.office()?;
        let mut pairs = JoinSet::new();
        for pair in 0..self.part(PAIRS, 1) {
            let scope = community(pair as usize % communities)?;
            let mut both = Vec::new();
            for side in ["one", "two"] {
                let invite = relay.invite(&mut office, &scope)?;
                let folder = self.plan.folder.join("live").join(format!("{pair}-{side}"));
                both.push(Watched::start(folder, &invite).await?);
            }
            if let (Some(two), Some(one)) = (both.pop(), both.pop()) {
                pairs.spawn(watch(one, two, seconds * 4));
            }
        }
        let load = Arc::new(Load::default());
        let ready = self.prepare(members, seconds * SYNCS)?;
        let begun = Instant::now();
        let busy = tokio::spawn(keep_busy(relay.addr, ready, Arc::clone(&load)));
        let mut taken = Vec::new();
        while let Some(pair) = pairs.join_next().await {
            taken.extend(pair.map_err(|_| BenchError::Unexpected("a device that stopped"))??);
        }
        let elapsed = begun.elapsed().as_secs_f64().min(f64::from(seconds));
        busy.abort();
        if load.failed.load(Ordering::Relaxed) > 0 {
            return Err(BenchError::Unexpected("an exchange that failed"));
        }
        let per_second = |count: &AtomicU64| rounded(count.load(Ordering::Relaxed) as f64 / elapsed);
        Ok(Measured::new(LIVE_PUSH, vec![quantile(&taken, 0.95)])
            .with("commits", taken.len())
            .with("milliseconds_in_the_middle", rounded(quantile(&taken, 0.5)))
            .with("milliseconds_at_most", rounded(quantile(&taken, 1.0)))
            .with("idle_connections", members.len())
            .with("exchanges_a_second", per_second(&load.exchanges))
            .with("records_a_second", per_second(&load.records)))
    }

    /// Gives members something to bring, for so many exchanges.
    fn prepare(&self, members: &[Arc<Member>], exchanges: u32) -> Result<Vec<Member>, BenchError> {
        let bar = self.progress(exchanges);
        let mut ready = Vec::new();
        for (number, member) in members.iter().enumerate().take(exchanges as usize) {
            // The first saves of a mix are registrations, a person and a check-in each.
            let saves = mix_in(member.scope().clone(), 100, number as u64).take(SAVES);
            ready.push(member.with_log(saves)?);
            bar.add(1);
        }
        Ok(ready)
    }
}

/// Makes so many exchanges a second, each by another member, until all have brought what they had.
async fn keep_busy(relay: SocketAddr, members: Vec<Member>, load: Arc<Load>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / SYNCS);
    let mut running = JoinSet::new();
    for member in members {
        ticks.tick().await;
        let load = Arc::clone(&load);
        running.spawn(async move {
            let records = member.changes();
            match member.exchange(relay).await {
                Ok(()) => {
                    load.exchanges.fetch_add(1, Ordering::Relaxed);
                    load.records.fetch_add(records, Ordering::Relaxed);
                }
                Err(_) => {
                    load.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
