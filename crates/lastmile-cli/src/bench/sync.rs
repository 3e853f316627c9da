//! Devices and a relay over loopback HTTP: everything between `sync` and the rows that show.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lastmile_client::{Replica, ReplicaOptions};
use lastmile_crdt::Edit;
use lastmile_model::{RecordId, Scope, Value};
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_store::{NewCommit, RecordEdit};
use lastmile_testkit::Action;
use lastmile_testkit::mix::mix_in;
use lastmile_web::Limits;

use super::figure::{
    CHANGE_BYTES, CHANGE_TIME, DOWNLOAD_BYTES, DOWNLOAD_TIME, IDLE_BYTES, IDLE_ROUNDS, Measured, UPLOAD_BYTES,
    UPLOAD_RATE, divided,
};
use super::world::{community, unique};
use super::{Bench, BenchError};
use crate::actions::{commit, random};

/// The records of the figures.
const IDLE_RECORDS: u32 = 10_000;
const UPLOADED_RECORDS: u32 = 9_390;
const DOWNLOADED_RECORDS: u32 = 1_900;

/// A relay on loopback, with a folder for the devices that meet it.
pub(super) struct Site {
    pub relay: RunningRelay,
    pub folder: PathBuf,
    pub scope: Scope,
}

/// What exchanges cost until both sides were equal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exchanged {
    pub rounds: u32,
    pub bytes: u64,
    pub sent: u64,
    pub received: u64,
}

impl Site {
    /// Starts the relay of a folder, new or not.
    pub async fn start(folder: &Path, scope: Scope) -> Result<Self, BenchError> {
        let relay = RelayFolder::open_or_create(folder.join("relay"), &RelayOptions::default())?;
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let relay = Relay::start(relay, listen, Limits::default()).await?;
        Ok(Self { relay, folder: folder.to_owned(), scope })
    }

    /// Enrols a new device.
    pub async fn device(&self) -> Result<Replica, BenchError> {
        let invite = self.relay.invite(InviteOrder::new(vec![self.scope.clone()], self.relay.url())).await?;
        let folder = self.folder.join("devices").join(unique()?);
        Ok(Replica::enrol(&folder, &invite, "bench", ReplicaOptions::default()).await?)
    }
}

/// Exchanges until both sides hold the same.
pub(super) async fn exchange(replica: &Replica) -> Result<Exchanged, BenchError> {
    let mut all = Exchanged::default();
    loop {
        let report = replica.sync().await?;
        all.rounds += report.rounds;
        all.sent += report.sent_bytes;
        all.received += report.received_bytes;
        all.bytes = all.sent + all.received;
        if report.equal {
            return Ok(all);
        }
    }
}

/// The commits of a mix, as this device would save them.
pub(super) fn commits_of(
    replica: &Replica,
    scope: &Scope,
    actions: impl IntoIterator<Item = Action>,
) -> Result<Vec<NewCommit>, BenchError> {
    let seal = |plain: &[u8]| replica.seal_value(plain).map_err(BenchError::from);
    actions.into_iter().map(|action| commit(&action, scope, "lastmile", seal)).collect()
}

/// One field of one record changed.
pub(super) fn one_edit(
    scope: &Scope,
    record_type: &str,
    record: RecordId,
    key: &str,
    value: &str,
) -> Result<NewCommit, BenchError> {
    Ok(NewCommit {
        scope: scope.clone(),
        acting: None,
        hlc: 0,
        wall_ms: lastmile_client::Clock::now_ms(&lastmile_client::SystemClock),
        app: "lastmile".to_owned(),
        extension: Vec::new(),
        edits: vec![RecordEdit {
            record_type: record_type.to_owned(),
            record,
            create: false,
            salt: random()?,
            edits: vec![Edit::set(key, value)],
        }],
    })
}

/// The first activity among these saves.
pub(super) fn an_activity(commits: &[NewCommit]) -> Result<RecordId, BenchError> {
    let edits = commits.iter().flat_map(|commit| &commit.edits);
    let found = edits.filter(|edit| edit.record_type == "activity").map(|edit| edit.record).next();
    found.ok_or(BenchError::Unexpected("no activity to edit"))
}

fn records(commits: &[NewCommit]) -> f64 {
    commits.iter().map(|commit| commit.edits.len()).sum::<usize>() as f64
}

impl Bench<'_> {
    fn folder(&self, name: &str) -> Result<PathBuf, BenchError> {
        Ok(self.plan.folder.join(name).join(unique()?))
    }

    /// A device with 10,000 records asks whether there is news, and there is none.
    pub(super) fn idle_sync(&mut self) -> Result<(), BenchError> {
        let records = self.part(IDLE_RECORDS, 100);
        let folder = self.folder("idle")?;
        let runs = self.runs();
        let bar = self.progress(runs);
        let exchanged = Self::runtime()?.block_on(async {
            let site = Site::start(&folder, community(0)?).await?;
            let device = site.device().await?;
            device.save(commits_of(&device, &site.scope, mix_in(site.scope.clone(), records, 1))?)?;
            exchange(&device).await?;
            site.relay.settle().await?;
            exchange(&device).await?;
            let mut all = Vec::new();
            for _ in 0..runs {
                all.push(exchange(&device).await?);
                bar.add(1);
            }
            device.close()?;
            site.relay.stop().await?;
            Ok::<_, BenchError>(all)
        })?;
        let rounds = exchanged.iter().map(|one| f64::from(one.rounds)).collect();
        self.keep(Measured::new(IDLE_ROUNDS, rounds).with("records", records));
        let bytes = exchanged.iter().map(|one| one.bytes as f64).collect();
        let last = exchanged.last().copied().unwrap_or_default();
        let measured = Measured::new(IDLE_BYTES, bytes).with("sent", last.sent).with("received", last.received);
        self.keep(measured.with("records", records));
        self.remove("idle");
        Ok(())
    }

    /// A fresh device that recorded 9,390 records offline meets an empty relay.
    pub(super) fn upload(&mut self) -> Result<(), BenchError> {
        let wanted = self.part(UPLOADED_RECORDS, 100);
        let bar = self.progress(self.runs());
        let (mut rates, mut bytes, mut rounds, mut saves) = (Vec::new(), Vec::new(), 0, 0);
        for run in 0..self.runs() {
            let folder = self.folder("upload")?;
            let (took, exchanged, count, records) = Self::runtime()?.block_on(async {
                let site = Site::start(&folder, community(0)?).await?;
                let device = site.device().await?;
                let new = commits_of(&device, &site.scope, mix_in(site.scope.clone(), wanted, u64::from(run)))?;
                let (count, records) = (new.len(), records(&new));
                for one in new {
                    device.save(vec![one])?;
                }
                site.relay.settle().await?;
                let began = Instant::now();
                let exchanged = exchange(&device).await?;
                let took = began.elapsed();
                if device.status()?.unsent_commits > 0 {
                    return Err(BenchError::Unexpected("the upload was not receipted"));
                }
                device.close()?;
                site.relay.stop().await?;
                Ok((took, exchanged, count, records))
            })?;
            rates.push(divided(records, took.as_secs_f64()));
            bytes.push(divided(exchanged.bytes as f64, records));
            (rounds, saves) = (exchanged.rounds, count);
            self.remove("upload");
            bar.add(1);
        }
        self.keep(
            Measured::new(UPLOAD_RATE, rates).with("records", wanted).with("saves", saves).with("round_trips", rounds),
        );
        self.keep(Measured::new(UPLOAD_BYTES, bytes).with("records", wanted));
        Ok(())
    }

    /// A new device takes what a community has.
    pub(super) fn first_download(&mut self) -> Result<(), BenchError> {
        let wanted = self.part(DOWNLOADED_RECORDS, 100);
        let folder = self.folder("download")?;
        let runs = self.runs();
        let bar = self.progress(runs);
        let measured = Self::runtime()?.block_on(async {
            let site = Site::start(&folder, community(0)?).await?;
            let first = site.device().await?;
            let new = commits_of(&first, &site.scope, mix_in(site.scope.clone(), wanted, 1))?;
            let records = records(&new);
            for one in new {
                first.save(vec![one])?;
            }
            exchange(&first).await?;
            let mut all = Vec::new();
            for _ in 0..runs {
                let device = site.device().await?;
                site.relay.settle().await?;
                let began = Instant::now();
                let exchanged = exchange(&device).await?;
                let took = began.elapsed().as_secs_f64() * 1e3;
                let held = device.read(|reader| reader.counts(Some(&site.scope)))?.applied;
                if (held as f64) < records {
                    return Err(BenchError::Unexpected("the new device does not show every record"));
                }
                device.close()?;
                all.push((divided(exchanged.bytes as f64, records), took, exchanged.rounds));
                bar.add(1);
            }
            first.close()?;
            site.relay.stop().await?;
            Ok(all)
        })?;
        let rounds = measured.last().map_or(0, |(.., rounds)| *rounds);
        let bytes = measured.iter().map(|(bytes, ..)| *bytes).collect();
        self.keep(Measured::new(DOWNLOAD_BYTES, bytes).with("records", wanted).with("round_trips", rounds));
        let times = measured.iter().map(|(_, time, _)| *time).collect();
        self.keep(Measured::new(DOWNLOAD_TIME, times).with("records", wanted));
        self.remove("download");
        Ok(())
    }

    /// One device changes one field; from before the save until the other one's row shows it.
    pub(super) fn one_change(&mut self) -> Result<(), BenchError> {
        let wanted = self.part(IDLE_RECORDS, 100);
        let folder = self.folder("change")?;
        let runs = self.runs();
        let bar = self.progress(runs);
        let measured = Self::runtime()?.block_on(async {
            let site = Site::start(&folder, community(0)?).await?;
            let (one, other) = (site.device().await?, site.device().await?);
            let new = commits_of(&one, &site.scope, mix_in(site.scope.clone(), wanted, 1))?;
            let activity = an_activity(&new)?;
            one.save(new)?;
            exchange(&one).await?;
            exchange(&other).await?;
            exchange(&one).await?;
            site.relay.settle().await?;
            let mut all = Vec::new();
            for run in 0..runs {
                let venue = format!("社区广场{run}");
                let edit = one_edit(&site.scope, "activity", activity, "venue", &venue)?;
                let began = Instant::now();
                one.save(vec![edit])?;
                let sent = one.sync().await?;
                let taken = other.sync().await?;
                let shown = other.record("activity", activity)?.values.get("venue").cloned();
                let took = began.elapsed().as_secs_f64() * 1e3;
                if shown != Some(Value::from(venue)) {
                    return Err(BenchError::Unexpected("the second device does not show the change"));
                }
                let bytes = sent.sent_bytes + sent.received_bytes + taken.sent_bytes + taken.received_bytes;
                all.push((
                    took,
                    bytes as f64,
                    [sent.sent_bytes, sent.received_bytes, taken.sent_bytes, taken.received_bytes],
                ));
                // What is left to say, e.g. the receipts, is not part of the next change.
                exchange(&one).await?;
                exchange(&other).await?;
                bar.add(1);
            }
            one.close()?;
            other.close()?;
            site.relay.stop().await?;
            Ok(all)
        })?;
        let times = measured.iter().map(|(time, ..)| *time).collect();
        self.keep(Measured::new(CHANGE_TIME, times).with("records", wanted));
        let bytes = measured.iter().map(|(_, bytes, _)| *bytes).collect();
        let mut bytes = Measured::new(CHANGE_BYTES, bytes).with("records", wanted);
        if let Some((.., parts)) = measured.last() {
            for (name, part) in ["writer_sent", "writer_received", "reader_sent", "reader_received"].iter().zip(parts) {
                bytes = bytes.with(name, *part);
            }
        }
        self.keep(bytes);
        self.remove("change");
        Ok(())
    }
}
