//! Histories at random: replicas that create, edit, exchange, quarantine, erase and clone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automerge::Automerge;
use lastmile_crdt::{
    Action, Base, Change, ChangeHeader, Edit, HeaderInRecord, Known, Made, OpId, Refused, admit, decode, encode,
    make_change, read_header,
};
use lastmile_model::{AuthorId, ChangeHash, RecordId, Value};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;

use super::build::{author, event_key};
use super::model::Snapshot;
use super::oracle;

/// What may happen in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plot {
    /// Nothing that Automerge does not know: it is the oracle.
    Plain,
    /// Changes are hidden, some shown again.
    Hidden,
    /// An author is cloned and goes on in two places.
    Forked,
    /// All of that, and some changes name predecessors that they should not, or leave some out.
    Careless,
}

impl Plot {
    fn hides(self) -> bool {
        matches!(self, Self::Hidden | Self::Careless)
    }

    fn clones(self) -> bool {
        matches!(self, Self::Forked | Self::Careless)
    }
}

/// One place where the record is kept.
struct Replica {
    actor: AuthorId,
    knows: BTreeSet<usize>,
    own_last: Option<ChangeHash>,
    document: Option<Automerge>,
}

/// A history that came about.
pub struct Story {
    pub seed: u64,
    pub plot: Plot,
    pub changes: Vec<Change>,
    pub bytes: Vec<Vec<u8>>,
    pub hidden: BTreeSet<usize>,
    documents: Vec<(Automerge, BTreeSet<usize>)>,
}

const RECORD: RecordId = RecordId(uuid::Uuid::from_bytes([9; 16]));

impl Story {
    /// Tells the story of a seed.
    pub fn tell(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plot = match seed % 24 {
            0..12 => Plot::Plain,
            12..17 => Plot::Hidden,
            17..20 => Plot::Forked,
            _ => Plot::Careless,
        };
        let mut teller = Teller::new(seed, plot, &mut rng);
        let steps = rng.random_range(2..40);
        for _ in 0..steps {
            teller.step(&mut rng);
        }
        teller.finish()
    }

    pub fn known(&self) -> Vec<Known<'_>> {
        (0..self.changes.len()).map(|place| known(&self.changes, &self.hidden, place)).collect()
    }

    /// Compares a subject's evaluation with Automerge's, at every replica and for the whole.
    pub fn check_oracle(&self, subject: impl Fn(&[Known<'_>]) -> Snapshot) -> Result<(), String> {
        for (document, knows) in &self.documents {
            let known: Vec<Known<'_>> = knows.iter().map(|place| Known::visible(&self.changes[*place])).collect();
            let snapshot = subject(&known);
            self.check_document(document, &snapshot)?;
        }
        if self.plot == Plot::Plain {
            let mut whole = oracle::document(author(200));
            oracle::apply(&mut whole, self.bytes.iter().rev().map(Vec::as_slice));
            self.check_document(&whole, &subject(&self.known()))?;
        }
        Ok(())
    }

    fn check_document(&self, document: &Automerge, snapshot: &Snapshot) -> Result<(), String> {
        let seed = self.seed;
        let heads: Vec<ChangeHash> = document.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
        if heads != snapshot.heads {
            return Err(format!("seed {seed}: heads differ"));
        }
        let verified = snapshot.events.iter().any(|(_, parts, _)| {
            parts.get("kind").and_then(Value::as_str).is_some_and(|kind| matches!(kind, "verify" | "accept"))
        });
        for key in oracle::keys(document) {
            let standing = oracle::standing(document, &key);
            let of = |(value, id): &(Value, OpId)| (value.clone(), (id.counter, id.actor));
            let expected = match key.as_str() {
                "note" | "venue" | "later" | "id_no" => standing.last().map(of),
                "served" | "held_on" if !verified => standing.first().map(of),
                _ => {
                    if let Some((set, element)) = key.split_once('/').filter(|(set, _)| *set == "tags") {
                        let shown = snapshot.sets.get(set).is_some_and(|elements| elements.contains(element));
                        if shown != standing.iter().any(|(value, _)| *value == Value::Bool(true)) {
                            return Err(format!("seed {seed}: element {key}"));
                        }
                    }
                    continue;
                }
            };
            let shown = snapshot.values.get(&key).map(|(value, rank)| (value.clone(), (rank.0, rank.1)));
            if shown != expected {
                return Err(format!("seed {seed}: {key} shows {shown:?}, Automerge {expected:?}"));
            }
            let differ = standing.iter().any(|(value, _)| *value != standing[0].0);
            let listed = snapshot.conflicts.iter().find(|conflict| conflict.0 == key).map(|conflict| {
                let sides = conflict.2.iter().filter_map(|(value, rank)| Some((value.clone()?, (rank.0, rank.1))));
                sides.collect::<Vec<_>>()
            });
            let standing: Vec<_> = standing.iter().map(of).collect();
            if (differ || listed.is_some()) && listed.as_ref() != Some(&standing) {
                return Err(format!("seed {seed}: {key} lists {listed:?}, Automerge {standing:?}"));
            }
        }
        // Nothing shows that Automerge does not have.
        let keys: BTreeSet<String> = oracle::keys(document).into_iter().collect();
        let registers = ["note", "venue", "later", "id_no", "served", "held_on"];
        let mut extra = snapshot.values.keys().filter(|key| registers.contains(&key.as_str()) && !keys.contains(*key));
        match extra.find(|key| !verified || !matches!(key.as_str(), "served" | "held_on")) {
            Some(key) => Err(format!("seed {seed}: {key} shows although nothing stands")),
            None => Ok(()),
        }
    }

    /// What this story adds to the coverage.
    pub fn traits(&self) -> Traits {
        let place: HashMap<ChangeHash, usize> =
            self.changes.iter().enumerate().map(|(place, change)| (change.hash, place)).collect();
        let mut past: Vec<BTreeSet<usize>> = Vec::new();
        let mut depth: Vec<usize> = Vec::new();
        for change in &self.changes {
            let deps: Vec<usize> = change.deps.iter().map(|dep| place[dep]).collect();
            depth.push(1 + deps.iter().map(|dep| depth[*dep]).max().unwrap_or(0));
            let mut mine: BTreeSet<usize> = deps.iter().copied().collect();
            deps.iter().for_each(|dep| mine.extend(past[*dep].iter().copied()));
            past.push(mine);
        }
        let mut on_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, change) in self.changes.iter().enumerate().filter(|(_, change)| !change.deps.is_empty()) {
            change.ops.iter().for_each(|op| on_key.entry(&op.key).or_default().push(place));
        }
        let concurrent =
            |places: &Vec<usize>| places.iter().any(|a| places.iter().any(|b| a < b && !past[*b].contains(a)));
        let mut seqs = BTreeSet::new();
        Traits {
            same_field: on_key.values().any(concurrent),
            created_twice: self.changes.iter().filter(|change| change.deps.is_empty()).count() > 1,
            deletes: self.changes.iter().flat_map(|change| &change.ops).any(|op| op.action == Action::Delete),
            deep: depth.iter().any(|depth| *depth >= 5),
            forked: !self.changes.iter().all(|change| seqs.insert((change.actor, change.seq))),
            hidden: !self.hidden.is_empty(),
            verified: self.changes.iter().flat_map(|change| &change.ops).any(|op| {
                matches!(&op.action, Action::Set(value) if op.key.ends_with("/kind") && *value == Value::from("verify"))
            }),
        }
    }
}

/// What a story has, for the coverage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traits {
    pub same_field: bool,
    pub created_twice: bool,
    pub deletes: bool,
    pub deep: bool,
    pub forked: bool,
    pub hidden: bool,
    pub verified: bool,
}

fn known<'a>(changes: &'a [Change], hidden: &BTreeSet<usize>, place: usize) -> Known<'a> {
    let known = Known::visible(&changes[place]);
    if hidden.contains(&place) { known.hide() } else { known }
}

struct Teller {
    story: Story,
    replicas: Vec<Replica>,
    headers: HashMap<ChangeHash, ChangeHeader>,
    events: u8,
    time: i64,
}

impl Teller {
    fn new(seed: u64, plot: Plot, rng: &mut ChaCha8Rng) -> Self {
        let count = *[1, 2, 2, 3, 3, 4, 5].choose(rng).unwrap();
        let replicas = (0..count).map(|number| {
            // Numbers in no order, so that ties between actors fall either way.
            let actor = author((number * 97 + rng.random_range(0..13) * 7 + 1) as u8);
            let document = (plot == Plot::Plain).then(|| oracle::document(actor));
            Replica { actor, knows: BTreeSet::new(), own_last: None, document }
        });
        let mut replicas: Vec<Replica> = replicas.collect();
        let mut seen = BTreeSet::new();
        replicas.retain(|replica| seen.insert(replica.actor));
        if plot.clones() {
            replicas.truncate(3);
        }
        let story = Story {
            seed,
            plot,
            changes: Vec::new(),
            bytes: Vec::new(),
            hidden: BTreeSet::new(),
            documents: Vec::new(),
        };
        let mut teller = Self { story, replicas, headers: HashMap::new(), events: 0, time: 1_764_000_000 };
        teller.create(0, rng);
        if teller.replicas.len() > 1 && rng.random_bool(0.3) {
            teller.create(1, rng);
        }
        teller
    }

    fn create(&mut self, replica: usize, rng: &mut ChaCha8Rng) {
        let device = self.replicas[replica].actor;
        let mut edits = vec![
            Edit::set("person", *["p1", "p1", "p1", "p2"].choose(rng).unwrap()),
            Edit::set("created_at", Value::Timestamp(rng.random_range(0..1 << 40))),
            Edit::set("device", Value::Bytes(device.0.to_vec())),
        ];
        for edit in self.edits(rng) {
            if matches!(edit, Edit::Set { .. }) && edits.iter().all(|earlier| earlier.key() != edit.key()) {
                edits.push(edit);
            }
        }
        self.edit(replica, edits, rng);
    }

    fn step(&mut self, rng: &mut ChaCha8Rng) {
        let replica = rng.random_range(0..self.replicas.len());
        match rng.random_range(0..100) {
            0..55 if !self.replicas[replica].knows.is_empty() => {
                let edits = self.edits(rng);
                self.edit(replica, edits, rng);
            }
            55..62 if self.story.plot.hides() => {
                let place = rng.random_range(0..self.story.changes.len());
                if !self.story.hidden.remove(&place) {
                    self.story.hidden.insert(place);
                }
            }
            55..70 if self.story.plot.clones() && self.replicas.len() < 7 => {
                let of = &self.replicas[replica];
                let clone = Replica { actor: of.actor, knows: of.knows.clone(), own_last: of.own_last, document: None };
                self.replicas.push(clone);
            }
            _ => {
                let from = rng.random_range(0..self.replicas.len());
                self.exchange(from, replica);
            }
        }
    }

    fn exchange(&mut self, from: usize, to: usize) {
        let missing: Vec<usize> = self.replicas[from].knows.difference(&self.replicas[to].knows).copied().collect();
        if let Some(document) = &mut self.replicas[to].document {
            oracle::apply(document, missing.iter().map(|place| self.story.bytes[*place].as_slice()));
        }
        self.replicas[to].knows.extend(missing);
    }

    fn edits(&mut self, rng: &mut ChaCha8Rng) -> Vec<Edit> {
        let mut edits: Vec<Edit> = Vec::new();
        for _ in 0..*[1, 1, 1, 2, 2, 3].choose(rng).unwrap() {
            let text = *["a", "b", "c", "长一些的文字"].choose(rng).unwrap();
            let tag = format!("tags/{}", ["x", "y", "环保"].choose(rng).unwrap());
            let more = match rng.random_range(0..40) {
                0..6 => vec![Edit::set("note", text)],
                6..9 => vec![Edit::set("venue", text)],
                9..16 => vec![Edit::set("served", *[10_i64, 20, 35].choose(rng).unwrap())],
                16..20 => vec![Edit::set("held_on", *["2026-11-22", "2026-11-23"].choose(rng).unwrap())],
                20..24 => vec![Edit::set(tag, true)],
                24..27 => vec![Edit::remove(tag)],
                27..30 => vec![Edit::remove(*["note", "served", "held_on", "later"].choose(rng).unwrap())],
                30 => vec![Edit::set("person", *["p1", "p2"].choose(rng).unwrap())],
                31 => vec![Edit::set("id_no", Value::Bytes(vec![rng.random_range(0..4); 40]))],
                32 => vec![Edit::set("later", Value::Uint(rng.random_range(0..3)))],
                33 if self.events > 0 => {
                    let number = rng.random_range(0..self.events);
                    vec![Edit::set(event_key(number, ["kind", "why"].choose(rng).unwrap()), "verify")]
                }
                _ => {
                    self.events += 1;
                    let kind = *["submit", "verify", "verify", "accept", "reject", "return"].choose(rng).unwrap();
                    let number = self.events - 1;
                    vec![Edit::set(event_key(number, "kind"), kind), Edit::set(event_key(number, "on"), "2026-11-23")]
                }
            };
            for edit in more {
                if edits.iter().all(|earlier| earlier.key() != edit.key()) {
                    edits.push(edit);
                }
            }
        }
        edits.shuffle(rng);
        edits
    }

    /// Makes a change at a replica, once by our codec and, in a plain story, once by Automerge; they must be equal.
    fn edit(&mut self, replica: usize, mut edits: Vec<Edit>, rng: &mut ChaCha8Rng) {
        let Self { story, replicas, headers, time, .. } = self;
        let replica = &mut replicas[replica];
        *time += rng.random_range(0..100_000);
        if let Some(document) = &replica.document {
            // Automerge writes nothing, or a deletion of the losers, where the value that shows is put again.
            edits.retain(|edit| match edit {
                Edit::Set { key, value } => {
                    oracle::standing(document, key).last().map(|(shown, _)| shown) != Some(value)
                }
                Edit::Remove { key } => !oracle::standing(document, key).is_empty(),
            });
        }
        let base: Vec<Known<'_>> =
            replica.knows.iter().map(|place| known(&story.changes, &story.hidden, *place)).collect();
        let salt = (story.plot != Plot::Plain && rng.random_bool(0.5)).then(|| rng.random());
        let base = Base { changes: &base, own_last: replica.own_last };
        let Ok(mut made) = make_change(&base, replica.actor, *time, salt, &edits) else { return };
        if story.plot == Plot::Careless && rng.random_bool(0.3) {
            made = careless(made, &story.changes, &replica.knows, rng);
        }
        if let Some(document) = &mut replica.document {
            assert_eq!(oracle::commit(document, *time, &edits), made.encoded.bytes, "seed {}", story.seed);
        }
        assert_eq!(decode(&made.encoded.bytes).as_ref(), Ok(&made.change), "seed {}", story.seed);
        assert_eq!(read_header(&made.encoded.bytes), Ok(made.change.header()), "seed {}", story.seed);
        let lookup = |hash: &ChangeHash| {
            headers.get(hash).map(|header| HeaderInRecord { record: RECORD, header: Cow::Borrowed(header) })
        };
        let admitted = admit(&made.change.header(), &made.change.preds(), RECORD, &lookup);
        if story.plot == Plot::Careless && matches!(admitted, Err(Refused::UnknownPredecessor(_))) {
            return;
        }
        admitted.unwrap();
        headers.insert(made.change.hash, made.change.header());
        replica.own_last = Some(made.change.hash);
        if story.changes.iter().any(|change| change.hash == made.change.hash) {
            // Two branches of a fork may write the very same change: it is one.
            let place = story.changes.iter().position(|change| change.hash == made.change.hash).unwrap();
            replica.knows.insert(place);
            return;
        }
        replica.knows.insert(story.changes.len());
        story.bytes.push(made.encoded.bytes);
        story.changes.push(made.change);
    }

    fn finish(self) -> Story {
        let mut story = self.story;
        let documents = self.replicas.into_iter();
        story.documents = documents.filter_map(|replica| Some((replica.document?, replica.knows))).collect();
        story
    }
}

/// Leaves out predecessors, or names operations of other keys and of what is superseded already.
fn careless(made: Made, changes: &[Change], knows: &BTreeSet<usize>, rng: &mut ChaCha8Rng) -> Made {
    let mut change = made.change.clone();
    for op in &mut change.ops {
        op.pred.retain(|_| rng.random_bool(0.6));
        let places: Vec<usize> = knows.iter().copied().collect();
        let strayed = rng.random_bool(0.4);
        if let Some(place) = places.choose(rng).filter(|_| strayed) {
            let other = &changes[*place];
            op.pred.push(other.op_id(rng.random_range(0..other.ops.len())));
        }
        op.pred.sort_unstable();
        op.pred.dedup();
    }
    match encode(&change.parts()) {
        Ok(encoded) => {
            change.hash = encoded.hash;
            Made { encoded, change }
        }
        Err(_) => made,
    }
}
