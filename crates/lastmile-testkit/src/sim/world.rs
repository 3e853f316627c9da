//! The world of one seed: its machines, the path between them, and its time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use lastmile_client::{ClientError, SyncReport};
use lastmile_model::{RecordId, Scope};
use lastmile_store::Erasure;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::COMMUNITY;
use super::device::Device;
use super::hub::{Active, Hub};
use super::ledger::Ledger;
use super::machine::{Machine, Time};
use super::net::{Posted, Slot, unreachable};
use super::template::{BEGIN_MS, DEVICES, scratch, template};
use super::trace::Trace;
use crate::disk::Disk;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many steps it takes before everything heals.
    pub steps: u32,
    /// The only steps to take; all if none is named.
    pub only: Option<BTreeSet<u32>>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, steps: ChaCha8Rng::seed_from_u64(seed ^ 0x57e9).random_range(12..34), only: None }
    }

    /// Whether a step is taken.
    #[must_use]
    pub fn takes(&self, step: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&step))
    }
}

/// How often each thing came to pass.
pub type Met = BTreeMap<&'static str, u64>;

/// What a seed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of all that happened: the same for the same plan, always.
    pub hash: [u8; 32],
    /// What came to pass in it.
    pub met: Met,
}

/// What a seed broke.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The plan that shows it.
    pub plan: Plan,
    /// The step at which it showed; the number of steps when everything had healed.
    pub step: u32,
    /// What is wrong.
    pub what: String,
    /// What happened before.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {} at step {} of {}: {}", self.plan.seed, self.step, self.plan.steps, self.what)?;
        let only = self.plan.only.as_ref().map(|only| {
            let steps: Vec<String> = only.iter().map(u32::to_string).collect();
            format!("LASTMILE_STEPS={} ", steps.join(","))
        });
        write!(
            f,
            "replay: LASTMILE_SEED={} {}cargo test -p lastmile-tests --test proof -- simulator::one_seed --ignored --nocapture",
            self.plan.seed,
            only.unwrap_or_default()
        )
    }
}

/// What went wrong, in words for whoever mends it.
pub type Check = Result<(), String>;

/// How the path between devices and relay is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub lost: f64,
    pub half_open: f64,
    pub portal: f64,
    pub cut: f64,
    pub repeated: f64,
    pub tampered: f64,
    pub slowest_ms: i64,
}

/// What becomes of an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Whole,
    Cut(f64),
    Lost,
    Tampered(f64),
}

/// A request that was posted.
struct Request {
    device: usize,
    /// Where its answer arrives; none for one that the path repeated.
    slot: Option<Slot>,
    path: String,
    body: Vec<u8>,
    fate: Fate,
}

/// What is to happen at a time.
enum Event {
    Arrive { request: usize },
    Fill { request: usize, result: Result<Bytes, ClientError> },
    Tick,
}

/// Everything there is.
pub struct World {
    pub folder: tempfile::TempDir,
    pub time: Time,
    pub hub: Hub,
    pub devices: Vec<Device>,
    pub ledger: Ledger,
    pub erasures: Vec<Erasure>,
    pub activities: Vec<RecordId>,
    pub bundles: Vec<PathBuf>,
    pub weather: Weather,
    pub trace: Trace,
    pub met: Met,
    /// The chance of the path, and of what machines do by themselves.
    pub rng: ChaCha8Rng,
    pub step: u32,
    /// Whether everything has healed.
    pub healed: bool,
    requests: Vec<Request>,
    events: BTreeMap<(i64, u64), Event>,
    order: u64,
    pub seed: u64,
}

/// Runs a plan to its end.
///
/// # Errors
/// What it broke.
pub fn run(plan: &Plan) -> Result<Outcome, Box<Failure>> {
    let mut world = World::new(plan);
    let ended = catch_unwind(AssertUnwindSafe(|| world.live(plan)));
    let what = match ended {
        Ok(Ok(())) => None,
        Ok(Err(what)) => Some(what),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("a panic: {}", text.unwrap_or_default()))
        }
    };
    // Closing folds each log and flushes it, which nobody looks at any more.
    world.hub.disk.cut_now();
    world.devices.iter().for_each(|device| device.disk.cut_now());
    let (step, met) = (world.step, std::mem::take(&mut world.met));
    let (hash, trace) = std::mem::take(&mut world.trace).finish();
    match what {
        None => Ok(Outcome { hash, met }),
        Some(what) => Err(Box::new(Failure { plan: plan.clone(), step, what, trace })),
    }
}

impl World {
    fn new(plan: &Plan) -> Self {
        let template = template();
        let folder = scratch();
        let time: Time = Arc::new(AtomicI64::new(BEGIN_MS));
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let dir = folder.path().join("relay");
        let disk = Disk::at(&dir);
        template.relay.put(&dir, &disk, true);
        let hub = Hub {
            dir,
            disk,
            machine: Machine::new(&time, plan.seed.wrapping_mul(31)),
            relay: None,
            reader: None,
            active: Vec::new(),
            receipted: BTreeSet::new(),
            backup: None,
            heard: 0,
            epochs: 0,
            full: false,
        };
        let count = *[2, 2, 2, 3, 3, 4, 5, DEVICES].get(rng.random_range(0..8)).unwrap_or(&2);
        let mut devices = Vec::new();
        for (no, image) in template.devices.iter().enumerate().take(count) {
            let device =
                Device::new(no, folder.path(), Machine::new(&time, plan.seed.wrapping_mul(31) + 1 + no as u64));
            image.put(&device.dir, &device.disk, true);
            devices.push(device);
        }
        if rng.random_bool(0.3) {
            devices.iter().for_each(|device: &Device| device.machine.set_skew(any_skew(&mut rng)));
        }
        let mut some = |of: f64| if rng.random_bool(0.5) { of } else { 0.0 };
        let weather = Weather {
            lost: some(0.2),
            half_open: some(0.1),
            portal: some(0.05),
            cut: some(0.3),
            repeated: some(0.2),
            tampered: some(0.1),
            slowest_ms: 0,
        };
        let slowest_ms = *[80, 2_000, 20_000].get(rng.random_range(0..3)).unwrap_or(&80);
        Self {
            folder,
            time,
            hub,
            devices,
            ledger: Ledger::default(),
            erasures: Vec::new(),
            activities: Vec::new(),
            bundles: Vec::new(),
            weather: Weather { slowest_ms, ..weather },
            trace: Trace::default(),
            met: Met::new(),
            rng,
            step: 0,
            healed: false,
            requests: Vec::new(),
            events: BTreeMap::new(),
            order: 0,
            seed: plan.seed,
        }
    }

    fn live(&mut self, plan: &Plan) -> Check {
        self.hub.open().map_err(|error| format!("the relay does not open: {error}"))?;
        for device in &mut self.devices {
            device.open().map_err(|error| format!("device {} does not open: {error}", device.no))?;
        }
        for step in 0..plan.steps {
            self.step = step;
            if plan.takes(step) {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed.rotate_left(20) ^ u64::from(step));
                self.take_step(&mut rng)?;
            }
        }
        self.step = plan.steps;
        self.heal()?;
        self.come_to_rest()?;
        self.check_the_end()
    }

    pub fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    pub fn note(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    pub fn say(&mut self, text: &str) {
        let line = format!("{:>3} {:>10} {text}", self.step, self.now() - BEGIN_MS);
        self.trace.line(line);
    }

    fn at(&mut self, after_ms: i64, event: Event) {
        self.order += 1;
        self.events.insert((self.now().saturating_add(after_ms.max(0)), self.order), event);
    }

    fn latency(&mut self) -> i64 {
        self.rng.random_range(20..=self.weather.slowest_ms.max(40))
    }

    /// Lets time pass, with all that happens in it.
    pub fn advance(&mut self, by_ms: i64) -> Check {
        let until = self.now().saturating_add(by_ms);
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.time.store(at.max(self.now()), Ordering::SeqCst);
            self.happen(event)?;
        }
        self.time.store(until, Ordering::SeqCst);
        Ok(())
    }

    /// Lets everything under way come to its end.
    pub fn drain(&mut self) -> Check {
        while let Some((at, _)) = self.events.first_key_value().map(|(key, _)| *key) {
            self.advance((at - self.now()).max(0))?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Check {
        match event {
            Event::Arrive { request } => self.arrive(request),
            Event::Fill { request, result } => self.fill(request, result),
            Event::Tick => self.tick(),
        }
    }

    // The path.

    /// Begins an exchange of a device with the relay.
    pub fn sync(&mut self, device: usize) -> Check {
        if let Some(one) = self.devices.get_mut(device) {
            one.begin_sync();
        }
        self.go_on(device)
    }

    /// Lets a device's exchange go as far as it can, and puts on the path what it posts.
    fn go_on(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let ended = one.poll_sync();
        let posted = one.line.take();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        for posted in posted {
            self.route(device, posted);
        }
        match ended {
            Some(result) => self.synced(device, &result),
            None => Ok(()),
        }
    }

    /// Puts a request on the path, and decides what becomes of it.
    fn route(&mut self, device: usize, posted: Posted) {
        let Posted { path, mut body, slot } = posted;
        let length = body.len() as u64;
        let weather = self.weather;
        let (roll, place) = (self.rng.random::<f64>(), self.rng.random::<f64>());
        let request = self.requests.len();
        let mut edge = weather.lost;
        let broken = if roll < edge {
            Some((10_000, unreachable(0, "nobody answers")))
        } else if roll < {
            edge += weather.half_open;
            edge
        } {
            Some((60_000, unreachable(length, "nothing moved for 60 s")))
        } else if roll < {
            edge += weather.portal;
            edge
        } {
            Some((
                50,
                ClientError::NotARelay { relay: "simulated".to_owned(), found: "HTTP 200, text/html".to_owned() },
            ))
        } else if roll < {
            edge += weather.cut / 2.0;
            edge
        } {
            Some((500, unreachable(share(length, place), "reset")))
        } else {
            None
        };
        let fate = match self.rng.random::<f64>() {
            roll if roll < weather.cut => Fate::Cut(self.rng.random()),
            roll if roll < weather.cut + weather.lost => Fate::Lost,
            roll if roll < weather.cut + weather.lost + weather.tampered => Fate::Tampered(self.rng.random()),
            _ => Fate::Whole,
        };
        let tampered = self.rng.random_bool(weather.tampered);
        if tampered && !body.is_empty() {
            self.note("tampered request");
            flip(&mut body, place);
        }
        let again = self.rng.random_bool(weather.repeated);
        self.say(&format!(
            "device {device} posts {length} bytes: {fate:?}{}",
            if broken.is_some() { ", broken" } else { "" }
        ));
        self.requests.push(Request { device, slot: Some(slot), path: path.clone(), body: body.clone(), fate });
        if let Some((after, error)) = broken {
            self.note("broken path");
            return self.at(after, Event::Fill { request, result: Err(error) });
        }
        let latency = self.latency();
        self.at(latency, Event::Arrive { request });
        if again {
            self.note("repeated request");
            self.requests.push(Request { device, slot: None, path, body, fate: Fate::Lost });
            let later = latency + self.latency();
            self.at(later, Event::Arrive { request: request + 1 });
        }
    }

    fn arrive(&mut self, number: usize) -> Check {
        let Some(request) = self.requests.get_mut(number) else { return Ok(()) };
        let body = std::mem::take(&mut request.body);
        match &self.hub.relay {
            Some(relay) => {
                let answer = relay.request(&request.path, body);
                self.hub.active.push(Active { answer, request: number });
                let pause = self.rng.random_range(0..40);
                self.at(pause, Event::Tick);
            }
            None => self.at(20, Event::Fill { request: number, result: Err(unreachable(0, "refused")) }),
        }
        Ok(())
    }

    fn fill(&mut self, number: usize, result: Result<Bytes, ClientError>) -> Check {
        let Some(request) = self.requests.get_mut(number) else { return Ok(()) };
        let (Some(slot), device) = (request.slot.take(), request.device) else { return Ok(()) };
        *slot.lock().map_err(|_| "a slot is poisoned")? = Some(result);
        self.go_on(device)
    }

    /// Lets the relay work on what it has.
    fn tick(&mut self) -> Check {
        if self.hub.relay.is_none() {
            return Ok(());
        }
        loop {
            let ready = self.hub.poll();
            let some = !ready.is_empty();
            self.deliver(ready);
            let turned = self.hub.turn();
            if self.hub.disk.is_off() {
                // What left before the power went has left.
                let ready = self.hub.poll();
                self.deliver(ready);
                return self.recover_relay(true);
            }
            if !turned && !some {
                break;
            }
            if !self.healed && self.rng.random_bool(0.1) {
                self.at(15, Event::Tick);
                return self.check_relay();
            }
        }
        if !self.hub.active.is_empty() {
            return Err("a request waits, and the relay has nothing to do".to_owned());
        }
        self.check_relay()
    }

    fn deliver(&mut self, ready: Vec<(usize, Vec<u8>)>) {
        for (number, mut bytes) in ready {
            let Some(fate) = self.requests.get(number).map(|request| request.fate) else { continue };
            let after = self.latency();
            let length = bytes.len() as u64;
            let result = match fate {
                Fate::Whole => Ok(bytes.into()),
                Fate::Lost => Err(unreachable(1, "nothing moved for 60 s")),
                Fate::Cut(place) => match usize::try_from(share(length, place)).unwrap_or(0) {
                    0 => Err(unreachable(1, "reset")),
                    some => {
                        bytes.truncate(some);
                        Ok(bytes.into())
                    }
                },
                Fate::Tampered(place) => {
                    flip(&mut bytes, place);
                    Ok(bytes.into())
                }
            };
            self.say(&format!("the relay answers {length} bytes"));
            self.at(after, Event::Fill { request: number, result });
        }
    }

    fn synced(&mut self, device: usize, result: &Result<SyncReport, ClientError>) -> Check {
        let text = match result {
            Ok(report) => format!(
                "equal {} sent {} received {} receipts {} refused {}",
                report.equal,
                report.sent_batches,
                report.received_batches,
                report.receipts,
                report.refused.len()
            ),
            Err(error) => {
                self.allow(error, device)?;
                kind_of(error)
            }
        };
        if let Some(one) = self.devices.get_mut(device) {
            one.equal = result.as_ref().is_ok_and(|report| report.equal);
        }
        self.say(&format!("device {device} synced: {text}"));
        self.note(if result.is_ok() { "exchange" } else { "failed exchange" });
        self.note_receipts(device)?;
        self.check_uploaded(device)?;
        self.check_device(device)?;
        let reopen = self.devices.get(device).is_some_and(|one| one.replica().needs_reopening());
        if reopen && (self.healed || self.rng.random_bool(0.7)) {
            self.note("own log ahead");
            return self.reopen(device);
        }
        Ok(())
    }

    /// Whether an error may happen here: trouble of the disk only when the disk was troubled.
    pub fn allow(&self, error: &ClientError, device: usize) -> Check {
        let troubled = self.devices.get(device).is_some_and(|one| one.is_troubled());
        match error {
            ClientError::Store(source) if !troubled => Err(format!("device {device}: {error}: {source:?}")),
            _ => Ok(()),
        }
    }

    /// Requests that the relay will not answer any more.
    pub fn give_up(&mut self, requests: Vec<usize>) {
        for request in requests {
            self.at(100, Event::Fill { request, result: Err(unreachable(1, "reset")) });
        }
    }

    // Machines.

    /// The relay is gone: with its power, or as a process alone. It comes back at once.
    pub fn recover_relay(&mut self, power: bool) -> Check {
        let lost = self.hub.stop();
        self.hub.heal();
        self.give_up(lost);
        self.note(if power { "relay power cut" } else { "relay killed" });
        self.say(if power { "the relay's power went" } else { "the relay was killed" });
        let mut again = power && self.rng.random_bool(0.2);
        loop {
            if self.hub.disk.is_off() {
                self.hub.disk.power_on(self.rng.random());
            }
            if std::mem::take(&mut again) {
                self.hub.disk.cut_at(self.hub.disk.operations() + self.rng.random_range(1..40));
            } else {
                self.hub.disk.do_not_cut();
            }
            match self.hub.open() {
                Ok(()) if self.hub.disk.is_off() => {}
                Ok(()) => break,
                Err(_) if self.hub.disk.is_off() => {}
                Err(error) => return Err(format!("the relay does not open again: {error:?}")),
            }
            self.hub.stop();
        }
        self.hub.disk.do_not_cut();
        self.hear_relay()?;
        self.after_loss()?;
        self.check_receipted()?;
        self.check_relay()
    }

    /// A device is gone: with its power, or as a process alone. It comes back at once.
    pub fn recover_device(&mut self, device: usize, power: bool) -> Check {
        self.note(if power { "power cut" } else { "killed" });
        self.say(&format!("device {device} {}", if power { "lost its power" } else { "was killed" }));
        let mut again = power && self.rng.random_bool(0.2);
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        if power {
            one.held.clear();
        }
        one.heal();
        loop {
            one.stop();
            if one.disk.is_off() {
                one.disk.power_on(self.rng.random());
            }
            if std::mem::take(&mut again) {
                one.disk.cut_at(one.disk.operations() + self.rng.random_range(1..40));
            } else {
                one.disk.do_not_cut();
            }
            match one.open() {
                Ok(()) if one.disk.is_off() => {}
                Ok(()) => break,
                Err(_) if one.disk.is_off() => {}
                Err(error) => return Err(format!("device {device} does not open again: {error:?}")),
            }
        }
        one.disk.do_not_cut();
        self.hear(device)?;
        self.after_loss()?;
        self.check_device(device)
    }

    /// Closes a device's app and opens it again.
    pub fn reopen(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        one.heal();
        let closed = one.close();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        closed.map_err(|error| format!("device {device} does not close: {error:?}"))?;
        let opened = one.open();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        opened.map_err(|error| format!("device {device} does not open: {error:?}"))?;
        self.hear(device)?;
        self.check_device(device)
    }

    /// Tells a device of the erasures it has not heard of.
    pub fn hear(&mut self, device: usize) -> Check {
        let scope = community();
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let Some(erasures) = self.erasures.get(one.heard..).filter(|some| !some.is_empty()) else { return Ok(()) };
        let heard = one.replica().with_store(|store| store.erase(&scope, erasures));
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        heard.map_err(|error| format!("device {device} cannot erase: {error:?}"))?;
        one.heard = self.erasures.len();
        Ok(())
    }

    /// Tells the relay of the erasures it has not heard of.
    pub fn hear_relay(&mut self) -> Check {
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let Some(erasures) = self.erasures.get(self.hub.heard..).filter(|some| !some.is_empty()) else { return Ok(()) };
        let heard = relay.with_store(|store| store.erase(&community(), erasures));
        if self.hub.disk.is_off() {
            return self.recover_relay(true);
        }
        heard.map_err(|error| format!("the relay cannot erase: {error:?}"))?;
        self.hub.heard = self.erasures.len();
        Ok(())
    }
}

/// The community's scope.
pub fn community() -> Scope {
    Scope::community(COMMUNITY).expect("a community of the place list")
}

/// The scope of the city's shared lists.
pub fn city() -> Scope {
    Scope::new(lastmile_model::ScopeKind::City, "4301").expect("a city of the place list")
}

/// Ten years in milliseconds.
const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// How far a clock may be ahead.
pub fn any_skew(rng: &mut ChaCha8Rng) -> i64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(-TEN_YEARS_MS..TEN_YEARS_MS),
        1 => rng.random_range(-600_000..600_000),
        2 => rng.random_range(-4 * 3_600_000..4 * 3_600_000),
        _ => 0,
    }
}

/// A part of a length.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within a small length")]
fn share(length: u64, place: f64) -> u64 {
    (length as f64 * place) as u64
}

/// Flips a bit somewhere.
fn flip(bytes: &mut [u8], place: f64) {
    let at = usize::try_from(share(bytes.len() as u64, place)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (at % 8);
    }
}

/// An error in a word that two runs share: no paths, no sizes of buffers.
pub fn kind_of(error: &ClientError) -> String {
    match error {
        ClientError::Refused { code, .. } => format!("refused: {code}"),
        ClientError::Unreachable { reason, .. } => format!("unreachable: {reason}"),
        ClientError::NotARelay { .. } => "no relay".to_owned(),
        ClientError::BrokenOff { .. } => "broken off".to_owned(),
        ClientError::Session(error) => format!("session: {error}"),
        ClientError::Store(_) => "store".to_owned(),
        _ => "other".to_owned(),
    }
}
