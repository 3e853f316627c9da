//! A device's replica on a disk that fails, and scripts of what people and peers do to it.

use std::sync::{Arc, LazyLock};

use lastmile_log::{Receipt, Segment};
use lastmile_model::{Catalogue, RecordId};
use lastmile_store::memory::MemoryStorage;
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::{Counts, Durability, Erasure, Incoming, RecordEdit, Store, StoreError, ViewMode};
use lastmile_testkit::Disk;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::support::{
    OFFICE, activity, author, certificates, commit, deployment, edit, id, key, outgoing, save, scope, seal, store,
};

/// The device's own author.
pub const OWN: u8 = 2;

const FILE: &str = "replica.db";

/// How a script's work is mixed.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    /// The most characters of a note.
    pub note: usize,
    /// Of a hundred steps, how many close the replica and open it again.
    pub reopen: u32,
    /// Of a hundred steps, how many fold the log into the file from another connection.
    pub fold: u32,
    /// Of a hundred steps, how many erase a record, which empties the log.
    pub erase: u32,
}

pub const PROFILES: [Profile; 3] = [
    // The log grows and is hardly ever folded.
    Profile { name: "long log", note: 60, reopen: 2, fold: 0, erase: 0 },
    // The log is short: folded, emptied and begun again all the time.
    Profile { name: "short log", note: 200, reopen: 12, fold: 20, erase: 6 },
    // Commits of many pages, after which the store folds by itself.
    Profile { name: "large commits", note: 2000, reopen: 4, fold: 6, erase: 3 },
];

/// One thing that is done to a replica.
#[derive(Debug, Clone)]
pub enum Step {
    Save(Vec<RecordEdit>),
    Seal,
    Receive(Incoming, ViewMode),
    Follow,
    Erase(RecordId),
    Receipt,
    Setting(Vec<u8>),
    Fold,
    Reopen,
}

/// What colleagues made, as they would send it: their batches in order, and those of two authors mixed.
static RECEIVED: LazyLock<Vec<Incoming>> = LazyLock::new(|| {
    let catalogue = Arc::new(Catalogue::builtin().clone());
    let mut empty = Store::new(Box::new(MemoryStorage::new(Catalogue::builtin())), catalogue).unwrap();
    let mut logs = [3, 4].map(|by: u8| {
        let mut colleague = store(Box::new(MemoryStorage::new(Catalogue::builtin())));
        for number in 0..24u32 {
            let record = 10_000 * u32::from(by) + number;
            let mut edits = vec![activity(record, "清洁日", i64::from(number))];
            if number > 3 {
                edits.push(edit("activity", id(record - 2), &[("beneficiaries", 7.into())]));
            }
            save(&mut colleague, by, edits);
            if number % 2 == 1 {
                seal(&mut colleague, by);
            }
        }
        outgoing(&mut colleague, &mut empty).into_iter()
    });
    let mut batches = Vec::new();
    loop {
        let before = batches.len();
        batches.extend(logs.iter_mut().filter_map(Iterator::next));
        if batches.len() == before {
            break;
        }
    }
    batches.into_iter().map(|batch| Incoming { packed: batch.packed, seals: batch.seals }).collect()
});

fn words(rng: &mut ChaCha8Rng, at_most: usize) -> String {
    let characters = rng.random_range(1..=at_most);
    (0..characters).map(|_| char::from_u32(rng.random_range(0x4e00..0x9f00)).unwrap_or('字')).collect()
}

/// A script of about this many steps.
pub fn script(rng: &mut ChaCha8Rng, profile: &Profile, length: usize) -> Vec<Step> {
    let mut steps = Vec::with_capacity(length);
    let mut made: Vec<u32> = Vec::new();
    let mut received = RECEIVED.iter();
    let mut next = 1;
    while steps.len() < length {
        let chance = rng.random_range(0..100);
        let (reopen, fold) = (profile.reopen, profile.reopen + profile.fold);
        let erase = fold + profile.erase;
        let step = match chance {
            _ if chance < reopen => Step::Reopen,
            _ if chance < fold => Step::Fold,
            _ if chance < erase && made.len() > 4 => {
                let which = rng.random_range(0..made.len());
                Step::Erase(id(made.swap_remove(which)))
            }
            90.. => match received.next() {
                Some(batch) => {
                    let mode = if rng.random() { ViewMode::Now } else { ViewMode::Later };
                    Step::Receive(batch.clone(), mode)
                }
                None => Step::Setting(words(rng, 20).into_bytes()),
            },
            87.. => Step::Follow,
            80.. => Step::Seal,
            77.. => Step::Receipt,
            75.. => Step::Setting(words(rng, 20).into_bytes()),
            _ => {
                let mut edits = Vec::new();
                for _ in 0..rng.random_range(1..=3u32) {
                    if made.len() > 3 && rng.random_ratio(1, 3) {
                        let record = id(made[rng.random_range(0..made.len())]);
                        let note = words(rng, profile.note);
                        edits.push(edit("activity", record, &[("note", note.as_str().into())]));
                    } else {
                        let mut new = activity(next, &words(rng, 12), i64::from(next));
                        let note = words(rng, profile.note);
                        new.edits.push(lastmile_crdt::Edit::set("note", note.as_str()));
                        edits.push(new);
                        made.push(next);
                        next += 1;
                    }
                }
                Step::Save(edits)
            }
        };
        steps.push(step);
    }
    steps
}

/// All that can be told of a replica's state from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    digest: [u8; 32],
    counts: Counts,
    /// Of each log: its author's first byte, last commit, changes.
    logs: Vec<(u8, u64, u64)>,
    sealed: Vec<(u8, u64)>,
    receipts: Vec<u64>,
    unsent: u64,
    setting: Option<Vec<u8>>,
}

impl State {
    /// Whether the logs and what the views show of them are the same.
    pub fn shows(&self, other: &Self) -> bool {
        (&self.digest, &self.counts, &self.logs, &self.sealed)
            == (&other.digest, &other.counts, &other.logs, &other.sealed)
    }

    /// How many of its own commits it takes for not received by the relay.
    pub const fn unsent(&self) -> u64 {
        self.unsent
    }

    /// How many commits of its own it holds.
    pub fn own(&self) -> u64 {
        self.logs.iter().filter(|log| log.0 == author(OWN).0[0]).map(|log| log.1).sum()
    }
}

/// A replica on a disk of its own.
pub struct Device {
    pub disk: Disk,
    folder: tempfile::TempDir,
    store: Option<Store>,
}

impl Device {
    /// An empty disk.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { disk: Disk::at(folder.path()), folder, store: None }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(FILE)
    }

    pub fn open(&mut self) -> Result<&mut Store, StoreError> {
        self.store = None;
        let catalogue = Catalogue::builtin();
        let storage = open(&self.path(), &OpenOptions::default(), catalogue)?;
        Ok(self.store.insert(Store::new(storage, Arc::new(catalogue.clone()))?))
    }

    /// Opens the replica and makes it ready where it is not yet.
    pub fn open_ready(&mut self) -> Result<(), StoreError> {
        let store = self.open()?;
        if store.deployment()?.is_some() && store.epoch()?.is_some() {
            return Ok(());
        }
        let certificates = certificates();
        store.set_up(&lastmile_store::SetUp {
            deployment: &deployment(),
            // Of the office, of this device and of the colleagues: each one is verified whenever the replica is opened.
            certificates: &certificates[..4],
            scopes: &[scope()],
            epoch: Some(author(OFFICE)),
            settings: &[],
        })
    }

    /// Forgets the store; what it has open it closes, if it still can.
    pub fn close(&mut self) {
        self.store = None;
    }

    pub fn store(&mut self) -> Result<&mut Store, StoreError> {
        match self.store {
            Some(ref mut store) => Ok(store),
            None => self.open(),
        }
    }

    /// Does one thing; returns whether the store has promised that it, and so all before it, survives.
    pub fn run(&mut self, step: &Step) -> Result<bool, StoreError> {
        match step {
            Step::Reopen => return self.open().map(|_| false),
            Step::Fold => {
                // As another process would that only reads: what fails in it is not the store's failure.
                let path = self.path();
                let fold = rusqlite::Connection::open(path);
                let _ = fold.and_then(|other| other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
                return Ok(false);
            }
            _ => {}
        }
        let store = self.store()?;
        match step {
            Step::Save(edits) => {
                store.save(&key(OWN), &[commit(edits.clone(), 1_740_000_000_000)], Durability::Full)?;
            }
            // A log that is sealed already is left as it is.
            Step::Seal => return store.seal(&key(OWN), &scope()),
            Step::Receive(incoming, mode) => {
                store.ingest(vec![incoming.clone()], *mode, Durability::Refetchable)?;
                return Ok(false);
            }
            Step::Follow => return store.follow_views(1).map(|_| false),
            Step::Erase(record) => {
                store.erase(&scope(), &[Erasure { record: *record, changes: Vec::new() }])?;
            }
            Step::Receipt => {
                let vector = store.vector(&scope());
                let head = vector.get(&Segment::trunk(author(OWN)));
                let Some((seq, chain)) = head else { return Ok(false) };
                let receipt = Receipt::sign(&key(OFFICE), &deployment(), &scope(), author(OWN), seq, chain);
                return Ok(store.add_receipts(&[receipt])? == 1);
            }
            Step::Setting(value) => store.set_setting("proof", value)?,
            Step::Fold | Step::Reopen => {}
        }
        Ok(true)
    }

    pub fn state(&mut self) -> Result<State, StoreError> {
        let store = self.store()?;
        let mut reader = store.reader()?;
        let logs = reader.logs()?.into_iter().map(|log| (log.author.0[0], log.head, log.changes)).collect();
        Ok(State {
            digest: reader.digest(None)?,
            counts: reader.counts(None)?,
            logs,
            sealed: store.vector(&scope()).entries().map(|entry| (entry.segment.author.0[0], entry.seq)).collect(),
            receipts: store.receipts_of(&scope(), author(OWN))?.iter().map(|receipt| receipt.seq).collect(),
            unsent: store.unsent(author(OWN))?.commits,
            setting: store.setting("proof")?,
        })
    }

    /// Looks at everything: what the store's own check says, and that the views made anew are the same.
    pub fn examine(&mut self) -> Result<Vec<String>, StoreError> {
        let store = self.store()?;
        let mut found: Vec<String> = store.check(&mut |_, _| {})?.iter().map(|one| one.text.clone()).collect();
        // What came with `ViewMode::Later` the views show after a rebuild.
        while store.follow_views(u64::MAX)? {}
        let rebuilt = store.rebuild(&mut |_, _| {})?;
        if rebuilt.before != rebuilt.after {
            found.push("the views were not what the logs say".to_owned());
        }
        Ok(found)
    }
}
