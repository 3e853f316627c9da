//! One device on its own: saving, merging what colleagues wrote, room on disk.

use lastmile_crdt::Edit;
use lastmile_log::hlc;
use lastmile_model::{Catalogue, RecordId, Scope, keys};
use lastmile_store::baseline::{PlainRow, PlainTables, SyncCounter, plain_rows};
use lastmile_store::sqlite::OpenOptions;
use lastmile_store::{Durability, Incoming, NewCommit, RecordEdit, ViewMode};
use lastmile_testkit::Action;
use lastmile_testkit::mix::mix_in;
use uuid::Uuid;

use super::figure::{DISK_DEVICE, MERGE, Measured, SAVE_CPU, SAVE_FSYNCS, Side, divided, median, rounded};
use super::usage::{processor_time, spend};
use super::world::{Author, World, commits, community, fresh_file, size_of_folder, sqlite};
use super::{Bench, BenchError};
use crate::actions::random;

/// How many records stand on the device before saves are measured, and how many saves a run is.
const STANDING: u32 = 1_900;
const SAVES: u32 = 200;

/// How many colleagues' logs are merged, and about how many records they hold: with the secretary's edits 100,000 changes.
const COLLEAGUES: u32 = 5;
const MERGED_RECORDS: u32 = 83_250;
const MERGED_CHANGES: f64 = 100_000.0;

/// How many bytes of batches one transaction of a merge takes, as one round of an exchange would bring.
const ROUND_BYTES: usize = 1 << 20;

/// How many records the device holds whose disk is looked at.
const DISK_RECORDS: u32 = 10_000;

/// The saves of a mix that concern one activity alone, without those who took part.
fn single_activities(scope: &Scope, count: u32, seed: u64) -> Vec<Action> {
    // A mix has 89 activities in 939 records; ten times the records is enough of them, half as much again to be sure.
    let mix = mix_in(scope.clone(), count.saturating_mul(15), seed);
    let activities = mix.filter(|action| action.edits.iter().any(|edit| edit.record_type == "activity"));
    let alone = activities.map(|mut action| {
        action.edits.truncate(1);
        action
    });
    alone.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// Rows of what an author's saves show.
fn rows_of(author: &Author, actions: Vec<Action>, scope: &Scope) -> Result<Vec<PlainRow>, BenchError> {
    let log = author.log(actions, scope)?;
    let mut rows = Vec::new();
    for batch in &log.batches {
        rows.extend(plain_rows(&batch.packed, Catalogue::builtin())?);
    }
    Ok(rows)
}

/// Processor time in microseconds, and flushes, of one call each.
struct Cost {
    micros: f64,
    /// What most calls flush.
    syncs: f64,
    /// The mean over all calls: now and then one moves the write-ahead log into the database and flushes that too.
    mean_syncs: f64,
}

fn cost<T>(
    counter: SyncCounter,
    items: &[T],
    mut call: impl FnMut(&T) -> Result<(), BenchError>,
) -> Result<Cost, BenchError> {
    let mut syncs = Vec::with_capacity(items.len());
    let untold = BenchError::Unexpected("this system does not tell a thread's processor time");
    let before = processor_time().ok_or(untold)?;
    for item in items {
        let count = counter.count();
        call(item)?;
        syncs.push((counter.count() - count) as f64);
    }
    let used = processor_time().unwrap_or(before).saturating_sub(before);
    let calls = items.len() as f64;
    Ok(Cost {
        micros: divided(used.as_secs_f64() * 1e6, calls),
        syncs: median(&syncs),
        mean_syncs: divided(syncs.iter().sum(), calls),
    })
}

impl Bench<'_> {
    /// One activity a save, on a device that holds a community; and its row alone in the same tables.
    pub(super) fn save(&mut self) -> Result<(), BenchError> {
        let counter = SyncCounter::install()?;
        let scope = community(0)?;
        let author = World::new()?.author(&scope)?;
        let (standing, saves) = (self.part(STANDING, 100), self.part(SAVES, 10));
        let mut store = author.store(sqlite(&fresh_file(&self.plan.folder, "save")?, false)?, &author.chain)?;
        let before: Vec<Action> = mix_in(scope.clone(), standing, 1).collect();
        store.save(&author.key, &commits(before.clone(), &scope, &author.office_key)?, Durability::Full)?;
        store.seal(&author.key, &scope)?;
        let file = fresh_file(&self.plan.folder, "rows")?;
        let mut plain = PlainTables::create(&file, &OpenOptions::default(), Catalogue::builtin())?;
        let rows = rows_of(&author, before, &scope)?;
        plain.insert(rows.iter().map(|row| (1, row)), Durability::Full)?;

        let bar = self.progress(self.runs());
        let (mut ours, mut rows_alone) = (Vec::new(), Vec::new());
        for run in 0..self.runs() {
            let actions = single_activities(&scope, saves, u64::from(run) + 2);
            let rows = rows_of(&author, actions.clone(), &scope)?;
            let new = commits(actions, &scope, &author.office_key)?;
            ours.push(cost(counter, &new, |commit| {
                Ok(store.save(&author.key, std::slice::from_ref(commit), Durability::Full).map(drop)?)
            })?);
            rows_alone.push(cost(counter, &rows, |row| Ok(plain.insert([(1, row)], Durability::Full)?))?);
            bar.add(1);
        }
        let side =
            |name, unit, of: fn(&Cost) -> f64, costs: &[Cost]| Side::new(name, unit, costs.iter().map(of).collect());
        let cpu = |cost: &Cost| cost.micros;
        let syncs = |cost: &Cost| cost.syncs;
        let mean = |costs: &[Cost]| rounded(median(&costs.iter().map(|cost| cost.mean_syncs).collect::<Vec<_>>()));
        let (save, row) = (side("save", "us", cpu, &ours), side("plain_row", "us", cpu, &rows_alone));
        self.keep(Measured::ratio(SAVE_CPU, save, row).with("saves", saves).with("records_before", standing));
        let (save, row) = (side("save", "fsyncs", syncs, &ours), side("plain_row", "fsyncs", syncs, &rows_alone));
        let measured = Measured::ratio(SAVE_FSYNCS, save, row).with("mean_with_checkpoints", mean(&ours));
        self.keep(measured.with("mean_with_checkpoints_of_plain_row", mean(&rows_alone)));
        self.remove("save");
        self.remove("rows");
        Ok(())
    }

    /// The logs of five colleagues and of the secretary who confirmed and verified their work, into an empty device.
    pub(super) fn merge(&mut self) -> Result<(), BenchError> {
        let scope = community(0)?;
        let world = World::new()?;
        let secretary = world.author(&scope)?;
        let mut certificates = secretary.chain.clone();
        let mut batches: Vec<Incoming> = Vec::new();
        let mut changes = 0;
        let each = self.part(MERGED_RECORDS / COLLEAGUES, 40);
        let mut store = secretary
            .store(Box::new(lastmile_store::memory::MemoryStorage::new(Catalogue::builtin())), &secretary.chain)?;
        for colleague in 0..COLLEAGUES {
            let worker = world.author(&scope)?;
            certificates.extend(worker.chain.last().cloned());
            store.add_certificates(&worker.chain)?;
            let actions: Vec<Action> = mix_in(scope.clone(), each, u64::from(colleague)).collect();
            let reviews = reviews(&actions, &scope)?;
            for chunk in commits(actions, &scope, &worker.office_key)?.chunks(500) {
                store.save(&worker.key, chunk, Durability::Full)?;
            }
            for chunk in reviews.chunks(500) {
                store.save(&secretary.key, chunk, Durability::Full)?;
            }
            let log = worker.sealed_log(&mut store, &scope)?;
            changes += log.changes;
            batches.extend(log.incoming());
        }
        let log = secretary.sealed_log(&mut store, &scope)?;
        changes += log.changes;
        batches.extend(log.incoming());
        drop(store);

        let bar = self.progress(self.runs());
        let (mut times, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..self.runs() {
            let mut device =
                secretary.store(sqlite(&fresh_file(&self.plan.folder, "merge")?, false)?, &certificates)?;
            let rounds = rounds(&batches);
            let ((), spent) = spend(|| {
                rounds
                    .into_iter()
                    .try_for_each(|round| device.ingest(round, ViewMode::Now, Durability::Refetchable).map(drop))
            })?;
            let counts = device.reader()?.counts(None)?;
            if counts.applied != changes {
                return Err(BenchError::Unexpected("the device does not show every change"));
            }
            times.push(spent.wall.as_secs_f64() * MERGED_CHANGES / changes as f64);
            cpu.push(spent.cpu.as_secs_f64() * MERGED_CHANGES / changes as f64);
            bar.add(1);
        }
        let measured = Measured::new(MERGE, times).with("changes", changes).with("scaled_to_changes", MERGED_CHANGES);
        self.keep(measured.with("authors", COLLEAGUES + 1).with("seconds_of_processor", rounded(median(&cpu))));
        self.remove("merge");
        Ok(())
    }

    /// A device that recorded 10,000 records itself, each save by itself.
    pub(super) fn disk_device(&mut self) -> Result<(), BenchError> {
        let scope = community(0)?;
        let author = World::new()?.author(&scope)?;
        let records = self.part(DISK_RECORDS, 100);
        let file = fresh_file(&self.plan.folder, "disk")?;
        let mut store = author.store(sqlite(&file, true)?, &author.chain)?;
        let new = commits(mix_in(scope.clone(), records, 1), &scope, &author.office_key)?;
        let bar = self.output.progress::<&str>(Some(new.len() as u64), crate::messages::key!("bench.saving"), &[]);
        for commit in &new {
            store.save(&author.key, std::slice::from_ref(commit), Durability::Full)?;
            bar.add(1);
        }
        drop(bar);
        store.seal(&author.key, &scope)?;
        let changes = store.reader()?.counts(None)?.applied;
        drop(store);
        let bytes = divided(size_of_folder(&file)? as f64, changes as f64);
        self.keep(Measured::new(DISK_DEVICE, vec![bytes]).with("records", changes));
        self.remove("disk");
        Ok(())
    }
}

/// Groups batches into the rounds of an exchange.
fn rounds(batches: &[Incoming]) -> Vec<Vec<Incoming>> {
    let mut rounds: Vec<Vec<Incoming>> = vec![Vec::new()];
    let mut bytes = 0;
    for batch in batches {
        if bytes > 0 && bytes + batch.packed.len() > ROUND_BYTES {
            rounds.push(Vec::new());
            bytes = 0;
        }
        bytes += batch.packed.len();
        if let Some(round) = rounds.last_mut() {
            round.push(batch.clone());
        }
    }
    rounds
}

/// What the secretary does about a colleague's work, a day later: confirms each check-in and verifies each activity.
fn reviews(actions: &[Action], scope: &Scope) -> Result<Vec<NewCommit>, BenchError> {
    let by = RecordId(Uuid::from_bytes(random()?));
    let mut commits = Vec::new();
    let mut reading = 0;
    for action in actions {
        let wall_ms = action.at_ms + 86_400_000;
        for edit in &action.edits {
            let kind = match edit.record_type {
                "check_in" => "confirm",
                "activity" => "verify",
                _ => continue,
            };
            let event = Uuid::from_bytes(random()?);
            let values = keys::event_values(event, kind, None, wall_ms, Some(by), &[]);
            let edits = values.into_iter().map(|(key, value)| Edit::Set { key, value }).collect();
            reading = hlc::next(reading, wall_ms);
            commits.push(NewCommit {
                scope: scope.clone(),
                acting: Some(by.0),
                hlc: reading,
                wall_ms,
                app: "lastmile".to_owned(),
                extension: Vec::new(),
                edits: vec![RecordEdit {
                    record_type: edit.record_type.to_owned(),
                    record: edit.record,
                    create: false,
                    salt: random()?,
                    edits,
                }],
            });
        }
    }
    Ok(commits)
}
