//! Taking in the logs of a city at the relay: the log alone, log and views, and what they are compared with.

use std::time::Duration;

use lastmile_crdt::baseline;
use lastmile_log::{Receipt, unpack};
use lastmile_model::Catalogue;
use lastmile_store::baseline::{PlainRow, PlainTables, plain_rows};
use lastmile_store::sqlite::OpenOptions;
use lastmile_store::{Durability, Fate, Store, ViewMode};
use lastmile_testkit::mix::mix_in;

use super::figure::{DISK_RELAY, DOCUMENTS, Measured, RELAY_INGEST, RELAY_VIEWS, Side, Spec, divided, median, rounded};
use super::usage::{Spent, spend};
use super::world::{Author, Log, World, community, fresh_file, size_of_folder, sqlite};
use super::{Bench, BenchError};

/// The records of the source article's city, and the communities they are shared among.
const RECORDS: u32 = 939_000;
const COMMUNITIES: u32 = 843;

/// How many devices upload at a time.
const UPLOADS: usize = 50;

/// How many changes one step of the views follows, as the relay's writer does.
const STEP: u64 = 20_000;

/// How many communities are the sample that goes through documents.
const SAMPLE: usize = 20;

/// The logs of a city's devices.
#[derive(Debug)]
pub struct City {
    world: World,
    authors: Vec<Author>,
    logs: Vec<Log>,
}

impl City {
    fn store(&self, storage: Box<dyn lastmile_store::storage::Storage>) -> Result<Store, BenchError> {
        let first = self.authors.first().ok_or(BenchError::Unexpected("no device"))?;
        let certificates: Vec<_> = first
            .chain
            .iter()
            .chain(self.authors.iter().skip(1).filter_map(|author| author.chain.last()))
            .cloned()
            .collect();
        first.store(storage, &certificates)
    }

    fn changes(&self) -> u64 {
        self.logs.iter().map(|log| log.changes).sum()
    }
}

/// Everything was new, or the measurement is worth nothing.
fn appended(outcomes: &[lastmile_store::Outcome]) -> Result<u64, BenchError> {
    let mut all = 0;
    for outcome in outcomes {
        match outcome.fate {
            Fate::Appended { changes, .. } => all += changes,
            _ => return Err(BenchError::Unexpected("a batch was not appended")),
        }
    }
    Ok(all)
}

fn ingest(store: &mut Store, logs: &[Log]) -> Result<(), BenchError> {
    let incoming = logs.iter().flat_map(Log::incoming).collect();
    appended(&store.ingest(incoming, ViewMode::Later, Durability::Full)?).map(drop)
}

/// Signs a receipt for the head of each log.
fn receipts_of(city: &City, store: &Store, logs: &[Log]) -> Vec<Receipt> {
    let (key, deployment) = (&city.world.office, &city.world.deployment);
    let heads =
        logs.iter().flat_map(|log| store.sealed_heads(&log.scope, log.author).into_iter().map(move |head| (log, head)));
    heads.map(|(log, (seq, chain))| Receipt::sign(key, deployment, &log.scope, log.author, seq, chain)).collect()
}

fn follow(store: &mut Store) -> Result<(), BenchError> {
    // As the relay's writer does.
    while store.follow_views(STEP)? {
        std::hint::black_box(store.take_touched());
    }
    Ok(())
}

/// Writes rows as the views are written: in transactions of the same size, no surer.
fn write_rows(plain: &mut PlainTables, rows: &[(u32, PlainRow)]) -> Result<(), BenchError> {
    for chunk in rows.chunks(usize::try_from(STEP).unwrap_or(usize::MAX)) {
        plain.insert(chunk.iter().map(|(scope, row)| (*scope, row)), Durability::Refetchable)?;
    }
    Ok(())
}

/// Receives each change through a document of its own.
fn receive(bodies: &[&[u8]]) -> Result<(), BenchError> {
    for body in bodies {
        std::hint::black_box(baseline::receive(body)?);
    }
    Ok(())
}

/// The rows of logs, each with the number that its scope has in a store which takes the logs in this order.
fn rows_of(logs: &[Log], first: usize) -> Result<Vec<(u32, PlainRow)>, BenchError> {
    let mut rows = Vec::new();
    for (place, log) in (first..).zip(logs) {
        let scope = u32::try_from(place + 1).unwrap_or(u32::MAX);
        for batch in &log.batches {
            rows.extend(plain_rows(&batch.packed, Catalogue::builtin())?.into_iter().map(|row| (scope, row)));
        }
    }
    Ok(rows)
}

fn per_second(changes: u64, time: Duration) -> f64 {
    divided(changes as f64, time.as_secs_f64())
}

/// What a city took that went into log and views.
#[derive(Debug, Clone, Copy)]
struct Taken {
    log: Spent,
    views: Spent,
    /// Bytes on disk after.
    size: u64,
}

/// Two sides that were measured in turn.
#[derive(Debug, Default)]
struct Duel {
    over: Vec<Spent>,
    under: Vec<Spent>,
}

impl Duel {
    /// The ratio of the rates by the clock, with that by processor time beside it.
    fn rates(&self, spec: Spec, names: [&'static str; 2], changes: u64) -> Measured {
        let rates = |spent: &[Spent], of: fn(&Spent) -> Duration| -> Vec<f64> {
            spent.iter().map(|spent| per_second(changes, of(spent))).collect()
        };
        let cpu = |spent: &[Spent]| median(&rates(spent, |spent| spent.cpu));
        let side = |name, spent: &[Spent]| Side::new(name, "records/s", rates(spent, |spent| spent.wall));
        let [over, under] = names;
        Measured::ratio(spec, side(over, &self.over), side(under, &self.under))
            .with("records", changes)
            .with("ratio_of_processor_time", rounded(divided(cpu(&self.over), cpu(&self.under))))
    }
}

impl Bench<'_> {
    /// How many communities a city has in this bench.
    fn communities(&self) -> usize {
        usize::try_from(self.part(COMMUNITIES, 3)).unwrap_or(usize::MAX)
    }

    /// Makes the logs of at least this many communities of the city, and no more than it has.
    fn city(&mut self, wanted: usize) -> Result<&City, BenchError> {
        let wanted = wanted.min(self.communities());
        if self.city.is_none() {
            self.city = Some(City { world: World::new()?, authors: Vec::new(), logs: Vec::new() });
        }
        let bar = self.output.progress::<&str>(Some(wanted as u64), crate::messages::key!("bench.preparing"), &[]);
        let city = self.city.as_mut().ok_or(BenchError::Unexpected("no city"))?;
        for number in city.logs.len()..wanted {
            let scope = community(number)?;
            let author = city.world.author(&scope)?;
            let more = u32::from(number < (RECORDS % COMMUNITIES) as usize);
            let mix = mix_in(scope.clone(), RECORDS / COMMUNITIES + more, number as u64);
            city.logs.push(author.log(mix, &scope)?);
            city.authors.push(author);
            bar.reach(number as u64 + 1);
        }
        Ok(city)
    }

    /// Uploads of 50 devices in one transaction, flushed, with a receipt for each.
    pub(super) fn relay_ingest(&mut self) -> Result<(), BenchError> {
        self.city(UPLOADS)?;
        let bar = self.progress(self.runs());
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        let city = self.city.as_ref().ok_or(BenchError::Unexpected("no city"))?;
        let logs = city.logs.get(..UPLOADS.min(city.logs.len())).unwrap_or_default();
        let mut changes = 0;
        for _ in 0..self.runs() {
            let mut store = city.store(sqlite(&fresh_file(&self.plan.folder, "ingest")?, false)?)?;
            let incoming = logs.iter().flat_map(Log::incoming).collect();
            let ((outcomes, receipts), spent) = spend(|| {
                let outcomes = store.ingest(incoming, ViewMode::Later, Durability::Full)?;
                Ok::<_, BenchError>((outcomes, receipts_of(city, &store, logs)))
            })?;
            changes = appended(&outcomes)?;
            if receipts.len() != logs.len() {
                return Err(BenchError::Unexpected("a device without a receipt"));
            }
            rates.push(per_second(changes, spent.wall));
            cpu.push(per_second(changes, spent.cpu));
            bar.add(1);
        }
        let devices = logs.len();
        let measured = Measured::new(RELAY_INGEST, rates).with("records", changes).with("devices", devices);
        self.keep(measured.with("records_per_second_of_processor", rounded(median(&cpu))));
        self.remove("ingest");
        Ok(())
    }

    /// The whole city into log and views, and its rows alone into the same tables.
    pub(super) fn relay_views(&mut self) -> Result<(), BenchError> {
        self.city(usize::MAX)?;
        let bar = self.progress(2 * self.runs());
        let city = self.city.as_ref().ok_or(BenchError::Unexpected("no city"))?;
        let changes = city.changes();
        let (mut duel, mut parts) = (Duel::default(), [const { Vec::new() }; 4]);
        for _ in 0..self.runs() {
            let taken = self.city_into_views(city)?;
            self.relay_disk = Some(divided(taken.size as f64, changes as f64));
            let micros = |time: Duration| divided(time.as_secs_f64() * 1e6, changes as f64);
            for (of, time) in parts.iter_mut().zip([taken.log.wall, taken.views.wall, taken.log.cpu, taken.views.cpu]) {
                of.push(micros(time));
            }
            let mut both = taken.log;
            both += taken.views;
            duel.over.push(both);
            bar.add(1);
            duel.under.push(self.city_into_rows(city)?);
            bar.add(1);
        }
        let mut measured = duel.rates(RELAY_VIEWS, ["log_and_views", "plain_rows"], changes);
        let names = [
            "microseconds_of_log",
            "microseconds_of_views",
            "processor_microseconds_of_log",
            "processor_microseconds_of_views",
        ];
        for (name, part) in names.into_iter().zip(&parts) {
            measured = measured.with(name, rounded(median(part)));
        }
        self.keep(measured);
        Ok(())
    }

    /// Takes the city in, 50 uploads at a time, the views following after each group. Returns the time, and the size on disk after.
    fn city_into_views(&self, city: &City) -> Result<Taken, BenchError> {
        let file = fresh_file(&self.plan.folder, "views")?;
        let mut store = city.store(sqlite(&file, true)?)?;
        let (mut log, mut views) = (Spent::default(), Spent::default());
        for group in city.logs.chunks(UPLOADS) {
            let ((), spent) = spend(|| ingest(&mut store, group))?;
            log += spent;
            let ((), spent) = spend(|| follow(&mut store))?;
            views += spent;
        }
        let counts = store.reader()?.counts(None)?;
        if counts.applied != city.changes() {
            return Err(BenchError::Unexpected("the views do not show every change"));
        }
        drop(store);
        let size = size_of_folder(&file)?;
        self.remove("views");
        Ok(Taken { log, views, size })
    }

    fn city_into_rows(&self, city: &City) -> Result<Spent, BenchError> {
        let file = fresh_file(&self.plan.folder, "rows")?;
        let options = OpenOptions { without_search: true, ..OpenOptions::default() };
        let mut plain = PlainTables::create(&file, &options, Catalogue::builtin())?;
        let mut all = Spent::default();
        for (group, logs) in city.logs.chunks(UPLOADS).enumerate() {
            let rows = rows_of(logs, group * UPLOADS)?;
            let ((), spent) = spend(|| write_rows(&mut plain, &rows))?;
            all += spent;
        }
        drop(plain);
        self.remove("rows");
        Ok(all)
    }

    /// A sample of the city into log and views, and the same through a document for each record.
    pub(super) fn documents(&mut self) -> Result<(), BenchError> {
        self.city(SAMPLE)?;
        let bar = self.progress(2 * self.runs());
        let city = self.city.as_ref().ok_or(BenchError::Unexpected("no city"))?;
        let logs = city.logs.get(..SAMPLE.min(city.logs.len())).unwrap_or_default();
        let mut unpacked = Vec::new();
        for batch in logs.iter().flat_map(|log| &log.batches) {
            let batch = unpack(&batch.packed, lastmile_log::MAX_RAW);
            unpacked.push(batch.map_err(|_| BenchError::Unexpected("a batch that cannot be read"))?);
        }
        let bodies: Vec<&[u8]> = unpacked
            .iter()
            .flat_map(|batch| {
                let places = batch.commits.iter().enumerate();
                places.flat_map(move |(place, commit)| {
                    (0..commit.header.changes.len()).filter_map(move |index| batch.body(place, index))
                })
            })
            .collect();
        baseline::accept(&bodies)?;
        let changes = bodies.len() as u64;
        let rows = rows_of(logs, 0)?;
        let (mut duel, mut parts) = (Duel::default(), Vec::new());
        for _ in 0..self.runs() {
            let mut store = city.store(sqlite(&fresh_file(&self.plan.folder, "views")?, true)?)?;
            let ((), spent) = spend(|| ingest(&mut store, logs).and_then(|()| follow(&mut store)))?;
            duel.over.push(spent);
            drop(store);
            bar.add(1);

            let mut store = city.store(sqlite(&fresh_file(&self.plan.folder, "views")?, true)?)?;
            let options = OpenOptions { without_search: true, ..OpenOptions::default() };
            let file = fresh_file(&self.plan.folder, "rows")?;
            let mut plain = PlainTables::create(&file, &options, Catalogue::builtin())?;
            let ((), mut through) = spend(|| ingest(&mut store, logs))?;
            let ((), documents) = spend(|| receive(&bodies))?;
            let ((), written) = spend(|| write_rows(&mut plain, &rows))?;
            through += documents;
            through += written;
            parts.push(divided(documents.cpu.as_secs_f64() * 1e6, changes as f64));
            duel.under.push(through);
            bar.add(1);
        }
        let measured = duel.rates(DOCUMENTS, ["log_and_views", "log_documents_and_rows"], changes);
        self.keep(measured.with("microseconds_of_a_document", rounded(median(&parts))));
        self.remove("views");
        self.remove("rows");
        Ok(())
    }

    /// What a record takes on the relay's disk and on a device's.
    pub(super) fn disk(&mut self) -> Result<(), BenchError> {
        let relay = match self.relay_disk {
            Some(known) => known,
            None => {
                self.city(usize::MAX)?;
                let city = self.city.as_ref().ok_or(BenchError::Unexpected("no city"))?;
                divided(self.city_into_views(city)?.size as f64, city.changes() as f64)
            }
        };
        self.keep(Measured::new(DISK_RELAY, vec![relay]));
        self.disk_device()
    }
}
