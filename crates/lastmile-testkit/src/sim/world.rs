//! The world of one seed: its machines, the path between them, and its time.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use lastmile_client::ClientError;
use lastmile_model::{RecordId, Scope};
use lastmile_store::Erasure;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::city::City;
use super::device::Device;
use super::hub::Hub;
use super::ledger::Ledger;
use super::machine::{Machine, Time};
use super::path::{Request, Weather};
use super::plan::{Failure, Kind, Met, Outcome, Plan};
use super::template::{BEGIN_MS, DEVICES, scratch, template};
use super::trace::Trace;
use super::{COMMUNITY, NEIGHBOUR};
use crate::disk::Disk;

/// What went wrong, in words for whoever mends it.
pub type Check = Result<(), String>;

/// What is to happen at a time.
pub enum Event {
    Arrive { request: usize },
    Fill { request: usize, result: Result<Bytes, ClientError> },
    Tick,
}

/// Everything there is.
pub struct World {
    /// The scopes there are, for devices.
    pub scopes: Vec<Scope>,
    /// What the office has said, in a city.
    pub city: Option<City>,
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
    pub requests: Vec<Request>,
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
        let template = template(plan.kind);
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
        let (city, chosen) = match plan.kind {
            Kind::Community => (None, (0..count).collect()),
            Kind::City => City::new(&mut rng),
        };
        let mut devices = Vec::new();
        for (no, image) in chosen.iter().filter_map(|of| template.devices.get(*of)).enumerate() {
            let device =
                Device::new(no, folder.path(), Machine::new(&time, plan.seed.wrapping_mul(31) + 1 + no as u64));
            image.put(&device.dir, &device.disk, true);
            devices.push(device);
        }
        // In a city the office counts on clocks that are about right.
        if rng.random_bool(0.3) && city.is_none() {
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
        let neighbour = city.iter().map(|_| neighbour());
        Self {
            scopes: [community()].into_iter().chain(neighbour).chain([self::city()]).collect(),
            city,
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
                if self.city.is_some() { self.take_city_step(&mut rng)? } else { self.take_step(&mut rng)? }
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

    pub fn at(&mut self, after_ms: i64, event: Event) {
        self.order += 1;
        self.events.insert((self.now().saturating_add(after_ms.max(0)), self.order), event);
    }

    pub fn latency(&mut self) -> i64 {
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
}

/// The community's scope.
pub fn community() -> Scope {
    Scope::community(COMMUNITY).expect("a community of the place list")
}

/// The scope of the community beside it.
pub fn neighbour() -> Scope {
    Scope::community(NEIGHBOUR).expect("a community of the place list")
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
