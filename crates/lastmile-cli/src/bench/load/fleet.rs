//! Devices that are enrolled once and then come again and again.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lastmile_crdt::{Base, Edit, make_change};
use lastmile_log::{ChangeEntry, Commit, CommitHeader, Seal, chain_hash, pack};
use lastmile_model::catalogue::SCHEMA_VERSION;
use lastmile_model::{Catalogue, ChainHash, Scope, Value};
use lastmile_store::{NewCommit, Outgoing, RecordEdit};
use lastmile_testkit::mix::mix_in;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;

use super::super::BenchError;
use super::super::crowd::{Failed, Member};
use super::super::live::Relay;
use super::super::world::{Author, Log, commits};
use super::SAVES;

/// How many devices come from one address.
const PER_ADDRESS: usize = 200;

/// How many enrol at a time.
const AT_A_TIME: usize = 8;

/// Records of a save: an activity and a participation.
const RECORDS: usize = 2;

/// How many records a mix has of which a device takes its saves: enough activities for the longest.
const MIX: u32 = 200;

/// The longest that a device tries before its exchange counts as failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of exchanges.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    put_off: AtomicU64,
    records: AtomicU64,
    /// Milliseconds of each that was done, waits that the relay asked for included.
    taken: Mutex<Vec<f64>>,
    first_failure: Mutex<String>,
}

impl Tally {
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How often the relay asked a device to come later.
    pub fn put_off(&self) -> u64 {
        self.put_off.load(Ordering::Relaxed)
    }

    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub fn taken(&self) -> Vec<f64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn first_failure(&self) -> String {
        self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds the counts of another; its times stay its own.
    pub fn add(&self, other: &Self) {
        self.done.fetch_add(other.done(), Ordering::Relaxed);
        self.failed.fetch_add(other.failed(), Ordering::Relaxed);
        self.put_off.fetch_add(other.put_off(), Ordering::Relaxed);
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_empty() {
            *first = other.first_failure();
        }
    }

    fn note(&self, outcome: Result<u64, BenchError>, took: Duration) {
        match outcome {
            Ok(records) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                self.records.fetch_add(records, Ordering::Relaxed);
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(took.as_secs_f64() * 1e3);
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                if first.is_empty() {
                    *first = error.to_string();
                }
            }
        }
    }
}

/// One device, with where its log ends.
#[derive(Debug)]
struct Device {
    member: Member,
    from: IpAddr,
    seq: u64,
    chain: ChainHash,
    hlc: u64,
}

/// Devices that come again and again.
#[derive(Debug)]
pub(super) struct Fleet {
    devices: Vec<AsyncMutex<Device>>,
    next: AtomicUsize,
    /// Each save takes its records from a mix of its own.
    seeds: AtomicU64,
}

impl Fleet {
    /// Enrols so many devices, spread over these communities; `each` is called with every one.
    pub fn enlist(relay: &Relay, count: usize, scopes: &[Scope], each: &(dyn Fn() + Sync)) -> Result<Self, BenchError> {
        let (number, made) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
        let work = || -> Result<(), BenchError> {
            let mut office = relay.office()?;
            loop {
                let number = number.fetch_add(1, Ordering::Relaxed);
                let Some(scope) = scopes.get(number % scopes.len().max(1)).filter(|_| number < count) else {
                    return Ok(());
                };
                let invite = relay.invite(&mut office, scope)?;
                let member = Member::enrol(relay.addr, &invite)?;
                let from = IpAddr::from([127, 0, 1, u8::try_from(1 + number / PER_ADDRESS).unwrap_or(254)]);
                let device = Device { member, from, seq: 0, chain: ChainHash::ZERO, hlc: 0 };
                made.lock().unwrap_or_else(PoisonError::into_inner).push(AsyncMutex::new(device));
                each();
            }
        };
        std::thread::scope(|threads| {
            let running: Vec<_> = (0..AT_A_TIME).map(|_| threads.spawn(work)).collect();
            let stopped = |_| BenchError::Unexpected("an enrolment that stopped");
            running.into_iter().try_for_each(|thread| thread.join().map_err(stopped)?)
        })?;
        let devices = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { devices, next: AtomicUsize::new(0), seeds: AtomicU64::new(1) })
    }

    pub fn size(&self) -> usize {
        self.devices.len()
    }

    /// Some devices of the fleet, to be spoken for by others.
    pub fn some(&self, count: usize) -> Vec<Member> {
        self.devices.iter().filter_map(|device| Some(device.try_lock().ok()?.member.clone())).take(count).collect()
    }

    /// Begins so many exchanges a second, each of the next device, until it is over; then waits for those under way.
    pub async fn keep_busy(
        self: Arc<Self>,
        relay: SocketAddr,
        a_second: u32,
        tally: Arc<Tally>,
        over: Arc<AtomicBool>,
    ) -> Result<(), BenchError> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / a_second);
        let mut running = JoinSet::new();
        while !over.load(Ordering::Relaxed) {
            ticks.tick().await;
            let (fleet, tally) = (Arc::clone(&self), Arc::clone(&tally));
            let number = self.next.fetch_add(1, Ordering::Relaxed) % self.size().max(1);
            running.spawn(async move { fleet.come(number, relay, SAVES, &tally).await });
            while let Some(ended) = running.try_join_next() {
                ended.map_err(|_| BenchError::Unexpected("a device that stopped"))??;
            }
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|_| BenchError::Unexpected("a device that stopped"))??;
        }
        Ok(())
    }

    /// Lets so many devices write first and then come all at once; the seconds until all have their receipts.
    pub async fn storm(
        self: &Arc<Self>,
        relay: SocketAddr,
        devices: usize,
        saves: usize,
        tally: &Arc<Tally>,
    ) -> Result<f64, BenchError> {
        for device in self.devices.iter().take(devices) {
            device.lock().await.write(saves, &self.seeds)?;
        }
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for number in 0..devices.min(self.size()) {
            let (fleet, tally) = (Arc::clone(self), Arc::clone(tally));
            running.spawn(async move { fleet.come(number, relay, 0, &tally).await });
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|_| BenchError::Unexpected("a device that stopped"))??;
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// One device saves and syncs; where the relay asks it to come later it does.
    async fn come(&self, number: usize, relay: SocketAddr, saves: usize, tally: &Tally) -> Result<(), BenchError> {
        let Some(device) = self.devices.get(number) else { return Ok(()) };
        let mut device = device.lock().await;
        if saves > 0 {
            device.write(saves, &self.seeds)?;
        }
        let (begun, from) = (Instant::now(), device.from);
        let records = device.member.changes();
        let outcome = loop {
            match device.member.exchange_on(from, relay).await {
                Ok(()) => break Ok(records),
                Err(Failed::Later(wait)) if begun.elapsed() < PATIENCE => {
                    tally.put_off.fetch_add(1, Ordering::Relaxed);
                    let scatter = crate::actions::random::<2>().map_or(0, u16::from_be_bytes);
                    tokio::time::sleep(
                        wait.max(Duration::from_millis(100)) + wait.mul_f64(f64::from(scatter) / 262_144.0),
                    )
                    .await;
                }
                Err(Failed::Later(_)) => {
                    break Err(BenchError::Unexpected("a device that was put off again and again"));
                }
                Err(Failed::Broken(error)) => break Err(error),
            }
        };
        tally.note(outcome, begun.elapsed());
        Ok(())
    }
}

impl Device {
    /// Saves so often: what it brings with the next exchange, made as a device's store makes it.
    fn write(&mut self, saves: usize, seeds: &AtomicU64) -> Result<(), BenchError> {
        if self.member.changes() > 0 {
            // What an exchange that failed did not bring comes first.
            return Ok(());
        }
        let scope = self.member.scope().clone();
        let author = self.member.author().clone();
        // What is recorded from day to day: activities, each with who led it. The first saves of a mix are registrations, of which a city
        // has a hundred thousand once and not in minutes.
        let mix = mix_in(scope.clone(), MIX, seeds.fetch_add(1, Ordering::Relaxed));
        let registrations = usize::try_from(mix.counts().persons).unwrap_or(usize::MAX);
        let activities = mix.skip(registrations).map(|mut action| {
            action.edits.truncate(RECORDS);
            action
        });
        let saves = activities.take(saves);
        let now_ms = lastmile_client::Clock::now_ms(&lastmile_client::SystemClock);
        let mut made = Vec::new();
        let mut changes = 0;
        for mut new in commits(saves, &scope, &author.office_key)? {
            new.wall_ms = now_ms;
            self.hlc = lastmile_log::hlc::next(self.hlc, now_ms);
            new.hlc = self.hlc;
            let commit = commit(&author, &new, self.seq + 1, self.chain)?;
            self.seq += 1;
            self.chain = chain_hash(&commit.header);
            changes += commit.header.changes.len() as u64;
            made.push(commit);
        }
        let packed =
            pack(&made.iter().collect::<Vec<_>>()).map_err(|_| BenchError::Unexpected("commits that do not pack"))?;
        let seal = Seal::sign(&author.key, &author.deployment, &scope, self.seq, self.chain);
        let batches = vec![Outgoing { last: self.seq, packed, seals: vec![seal] }];
        self.member.bring(Log { scope, author: author.id(), batches, changes });
        Ok(())
    }
}

/// A commit of new records.
fn commit(author: &Author, new: &NewCommit, seq: u64, prev: ChainHash) -> Result<Commit, BenchError> {
    let (mut changes, mut bodies) = (Vec::new(), Vec::new());
    for edit in &new.edits {
        let unknown = BenchError::Unexpected("a record type that there is not");
        let (_, record_type) = Catalogue::builtin().get(&edit.record_type).ok_or(unknown)?;
        let salt = record_type.salted.then_some(edit.salt);
        let edits = [common(edit, new, author), edit.edits.clone()].concat();
        let made = make_change(&Base::EMPTY, author.id(), new.wall_ms.div_euclid(1000), salt, &edits)
            .map_err(|_| BenchError::Unexpected("a change that cannot be made"))?;
        let header = made.change.header();
        changes.push(ChangeEntry { record_type: edit.record_type.clone(), record: edit.record, header });
        bodies.push(Some(made.encoded.bytes));
    }
    let header = CommitHeader {
        version: 1,
        scope: new.scope.clone(),
        author: author.id(),
        seq,
        prev,
        acting: new.acting,
        schema_v: SCHEMA_VERSION,
        hlc: new.hlc,
        wall_ms: new.wall_ms,
        app: new.app.clone(),
        extension: Vec::new(),
        changes,
    };
    Ok(Commit { header, bodies })
}

/// The common fields that a first change states.
fn common(edit: &RecordEdit, new: &NewCommit, author: &Author) -> Vec<Edit> {
    let mut fields = vec![
        Edit::set("id", Value::reference(edit.record)),
        Edit::set("type", edit.record_type.as_str()),
        Edit::set("schema_v", i64::from(SCHEMA_VERSION)),
        Edit::set("place_code", new.scope.code()),
        Edit::set("created_at", Value::Timestamp(new.wall_ms)),
    ];
    if let Some(person) = new.acting {
        fields.push(Edit::set("created_by", Value::Bytes(person.as_bytes().to_vec())));
    }
    fields.push(Edit::set("device", Value::Bytes(author.id().0.to_vec())));
    fields
}
