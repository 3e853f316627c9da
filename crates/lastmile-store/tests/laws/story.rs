//! Histories at random: devices that record, exchange, are copied and closed, an office that hides, releases and erases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use lastmile_crdt::{Action, Change, Edit, decode};
use lastmile_log::{Commit, body_hash, unpack};
use lastmile_model::{Catalogue, ChainHash, ChangeHash, RecordId, Value, derive};
use lastmile_store::storage::{Storage, Strand};
use lastmile_store::{Durability, Erasure, RecordEdit, Store, StoreError, ViewMode};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kept::Kept;
use crate::raw::{Raw, bend, encoded, first, identity, inject};
use crate::states;
use crate::support::{self, COMMUNITY, OFFICE, activity, author, commit, create, edit, event, id, scope, send};

/// The persons whose check-ins are recorded.
const PERSONS: [u32; 2] = [70, 71];

/// A place where the logs are kept and written.
struct Site {
    by: u8,
    kept: Kept,
    store: Store,
    /// How many of the erasures it has heard of.
    erasures: usize,
}

/// A history that came about.
pub struct Story {
    pub seed: u64,
    /// Every commit with every byte, by chain hash.
    pub commits: BTreeMap<ChainHash, Commit>,
    pub erasures: Vec<Erasure>,
    /// Changes that nothing accepts, by hash.
    pub opaque: BTreeSet<ChangeHash>,
    /// The replicas on which it happened, with how many erasures each has heard of.
    pub sites: Vec<(Kept, Store, usize)>,
}

/// A replica with nothing in it but the deployment, certificates and the scope.
pub fn empty() -> Kept {
    static EMPTY: OnceLock<Kept> = OnceLock::new();
    EMPTY
        .get_or_init(|| {
            let kept = Kept::new();
            let mut store = Store::new(Box::new(kept.clone()), catalogue()).unwrap();
            store.set_deployment(&support::deployment()).unwrap();
            store.add_certificates(&support::certificates()[..6]).unwrap();
            store.hold_scope(&scope()).unwrap();
            kept
        })
        .copied()
}

pub fn catalogue() -> Arc<Catalogue> {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    Arc::clone(CATALOGUE.get_or_init(|| Arc::new(Catalogue::builtin().clone())))
}

pub fn open(kept: &Kept) -> Store {
    Store::new(Box::new(kept.clone()), catalogue()).unwrap()
}

impl Story {
    /// Tells the story of a seed.
    pub fn tell(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let devices = *[2, 2, 3, 3, 4, 5].choose(&mut rng).unwrap();
        let site = |by| {
            let kept = empty();
            Site { by, store: open(&kept), kept, erasures: 0 }
        };
        let story =
            Self { seed, commits: BTreeMap::new(), erasures: Vec::new(), opaque: BTreeSet::new(), sites: Vec::new() };
        let mut teller = Teller { story, sites: (1..=devices + 1).map(site).collect(), records: 0, events: 0 };
        teller.record(1, &mut rng);
        teller.record(1, &mut rng);
        for to in 2..teller.sites.len() {
            teller.give(1, to, ViewMode::Now);
        }
        for _ in 0..rng.random_range(6..60) {
            let at = rng.random_range(1..teller.sites.len());
            teller.step(at, &mut rng);
        }
        teller.finish()
    }

    /// Every change with its commit, in no order that means anything.
    pub fn changes(&self) -> impl Iterator<Item = (&Commit, usize)> {
        self.commits.values().flat_map(|commit| (0..commit.bodies.len()).map(move |place| (commit, place)))
    }

    /// What this story adds to the coverage.
    pub fn traits(&self) -> Traits {
        let mut records: BTreeMap<RecordId, BTreeMap<ChangeHash, Change>> = BTreeMap::new();
        let (mut stubs, mut copied) = (false, false);
        for (commit, place) in self.changes() {
            let entry = &commit.header.changes[place];
            stubs |= is_erased(&self.erasures, commit, place);
            if let Some(change) = commit.bodies[place].as_deref().and_then(|body| decode(body).ok()) {
                copied |= change.actor != commit.header.author;
                records.entry(entry.record).or_default().insert(change.hash, change);
            }
        }
        let mut forks = BTreeSet::new();
        let mut traits = Traits {
            stubs,
            forked: !self.commits.values().all(|commit| forks.insert((commit.header.author, commit.header.seq))),
            several_records: self.commits.values().any(|commit| commit.bodies.len() > 1),
            opaque: !self.opaque.is_empty(),
            copied,
            ..Traits::default()
        };
        for changes in records.values() {
            let mut past: BTreeMap<ChangeHash, BTreeSet<ChangeHash>> = BTreeMap::new();
            let depth = changes.keys().map(|hash| ancestors(*hash, changes, &mut past)).max().unwrap_or(0);
            traits.deep |= depth >= 5;
            traits.created_twice |= changes.values().filter(|change| change.deps.is_empty()).count() > 1;
            let mut on_key: BTreeMap<&str, Vec<ChangeHash>> = BTreeMap::new();
            for change in changes.values().filter(|change| !change.deps.is_empty()) {
                traits.deletes |= change.ops.iter().any(|op| op.action == Action::Delete);
                change.ops.iter().for_each(|op| on_key.entry(&op.key).or_default().push(change.hash));
            }
            let beside = |a: &ChangeHash, b: &ChangeHash| a != b && !past[a].contains(b) && !past[b].contains(a);
            traits.same_field |= on_key.values().any(|all| all.iter().any(|a| all.iter().any(|b| beside(a, b))));
            traits.quarantined |= changes.values().any(|change| change.ops.iter().any(|op| op.key == "to_seq"));
        }
        traits
    }
}

/// Fills in the ancestors of a change and returns how many changes deep it stands.
fn ancestors(
    hash: ChangeHash,
    changes: &BTreeMap<ChangeHash, Change>,
    past: &mut BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
) -> usize {
    let deps: Vec<ChangeHash> = changes[&hash].deps.iter().filter(|dep| changes.contains_key(dep)).copied().collect();
    let depth = deps.iter().map(|dep| ancestors(*dep, changes, past)).max().unwrap_or(0);
    if !past.contains_key(&hash) {
        let mut all: BTreeSet<ChangeHash> = deps.iter().copied().collect();
        deps.iter().for_each(|dep| all.extend(past[dep].iter().copied()));
        past.insert(hash, all);
    }
    depth + 1
}

/// What a story has, for the coverage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traits {
    pub same_field: bool,
    pub created_twice: bool,
    pub forked: bool,
    pub stubs: bool,
    pub deletes: bool,
    pub deep: bool,
    pub several_records: bool,
    pub quarantined: bool,
    pub opaque: bool,
    pub copied: bool,
}

/// Whether the erasures leave a stub of this change.
pub fn is_erased(erasures: &[Erasure], commit: &Commit, place: usize) -> bool {
    let entry = &commit.header.changes[place];
    let office = commit.header.author == author(OFFICE);
    erasures.iter().any(|one| one.changes.contains(&entry.header.hash) || (one.record == entry.record && !office))
}

struct Teller {
    story: Story,
    /// The office first.
    sites: Vec<Site>,
    records: u32,
    events: u8,
}

impl Teller {
    fn step(&mut self, at: usize, rng: &mut ChaCha8Rng) {
        match rng.random_range(0..100) {
            0..7 => self.record(at, rng),
            7..45 => self.edit(at, rng),
            45..70 => self.exchange(rng),
            70..74 => self.copy(at, rng),
            74..80 => self.verdict(rng),
            80..83 => self.erase(rng),
            83..87 => self.hear(at),
            87..90 => self.opaque(at, rng),
            90..94 => self.again(at),
            94..96 => drop(self.sites[at].store.rebuild(&mut |_, _| {}).unwrap()),
            _ => drop(self.sites[at].store.follow_views(rng.random_range(1..6)).unwrap()),
        }
    }

    /// Makes a record or two: an activity of its own, or a check-in that others may make as well.
    fn record(&mut self, at: usize, rng: &mut ChaCha8Rng) {
        let mut edits = Vec::new();
        for _ in 0..*[1, 1, 2].choose(rng).unwrap() {
            if rng.random_bool(0.5) && self.records < 4 {
                self.records += 1;
                edits.push(activity(self.records, "清洁日", rng.random_range(1..4)));
            } else {
                let made = check_in(*PERSONS.choose(rng).unwrap(), rng);
                if edits.iter().all(|edit: &RecordEdit| edit.record != made.record) {
                    edits.push(made);
                }
            }
        }
        self.save(at, edits, rng);
    }

    /// Edits records that the site shows.
    fn edit(&mut self, at: usize, rng: &mut ChaCha8Rng) {
        let mut shown: Vec<(&str, RecordId)> = Vec::new();
        let reader = self.sites[at].store.reader().unwrap();
        for (kind, ids) in [("activity", (1..=self.records).map(id).collect::<Vec<_>>()), ("check_in", check_ins())] {
            let type_no = reader.type_no(kind).unwrap();
            shown.extend(
                ids.into_iter().filter(|id| !reader.heads(type_no, *id).unwrap().is_empty()).map(|id| (kind, id)),
            );
        }
        shown.shuffle(rng);
        let several = *[1, 1, 1, 2].choose(rng).unwrap();
        let edits = shown.into_iter().take(several).map(|(kind, id)| self.edit_of(kind, id, rng)).collect();
        self.save(at, edits, rng);
    }

    fn edit_of(&mut self, kind: &str, id: RecordId, rng: &mut ChaCha8Rng) -> RecordEdit {
        let text = *["甲", "乙", "丙"].choose(rng).unwrap();
        let set = |field: &str, value: Value| edit(kind, id, &[(field, value)]);
        let remove = |field: &str| RecordEdit { edits: vec![Edit::remove(field)], ..edit(kind, id, &[]) };
        if rng.random_bool(0.2) {
            self.events = self.events.wrapping_add(1);
            let kinds: &[&str] = match kind {
                "activity" => &["submit", "verify", "return", "cancel"],
                _ => &["register", "confirm", "end"],
            };
            return event(kind, id, self.events, kinds.choose(rng).unwrap(), "2025-03-06");
        }
        match (kind, rng.random_range(0..11)) {
            ("activity", 0..5) => set("beneficiaries", rng.random_range(1..4).into()),
            ("activity", 5) => set("title", text.into()),
            ("activity", 6) => set("note", text.into()),
            ("activity", 7) => set(&format!("tags/{text}"), Value::Bool(true)),
            ("activity", 8) => remove(&format!("tags/{text}")),
            ("activity", _) => remove(["beneficiaries", "note"].choose(rng).unwrap()),
            (_, 0..5) => set("basis", (*["residence", "pairing"].choose(rng).unwrap()).into()),
            (_, 5..8) => set("address_building", text.into()),
            _ => remove(["basis", "address_building"].choose(rng).unwrap()),
        }
    }

    /// Saves, and seals now or later.
    fn save(&mut self, at: usize, edits: Vec<RecordEdit>, rng: &mut ChaCha8Rng) {
        if edits.is_empty() {
            return;
        }
        let site = &mut self.sites[at];
        let mut new = commit(edits, 1_740_000_000_000 + rng.random_range(0..3) * 1000);
        new.edits.iter_mut().for_each(|edit| edit.salt = rng.random());
        match site.store.save(&support::key(site.by), &[new], Durability::Full) {
            Ok(_) => self.keep(at),
            Err(StoreError::Erased { .. } | StoreError::Edit(_)) => {}
            Err(error) => panic!("seed {}: {error}", self.story.seed),
        }
        if rng.random_bool(0.6) {
            let site = &mut self.sites[at];
            site.store.seal(&support::key(site.by), &scope()).unwrap();
        }
    }

    /// Writes down the author's own commits that are new, while every byte is there.
    fn keep(&mut self, at: usize) {
        let site = &self.sites[at];
        let own = |strand: &Strand| strand.author == author(site.by) && strand.parent.is_none();
        for strand in site.kept.strands().unwrap().into_iter().filter(own) {
            let mut seq = strand.head;
            while seq >= strand.first {
                let blob = site.kept.blob_with(strand.no, seq).unwrap().unwrap();
                let run = unpack(&blob.packed, lastmile_log::MAX_RAW).unwrap();
                let known = run.commits.iter().all(|commit| self.story.commits.contains_key(&commit.chain));
                for (place, commit) in run.commits.iter().enumerate() {
                    self.story.commits.entry(commit.chain).or_insert_with(|| run.to_commit(place).unwrap());
                }
                if known {
                    break;
                }
                seq = blob.first - 1;
            }
        }
    }

    fn exchange(&mut self, rng: &mut ChaCha8Rng) {
        let from = rng.random_range(0..self.sites.len());
        let to = rng.random_range(0..self.sites.len());
        if from == to {
            return;
        }
        let mode = if rng.random_bool(0.7) { ViewMode::Now } else { ViewMode::Later };
        self.give(from, to, mode);
    }

    fn give(&mut self, from: usize, to: usize, mode: ViewMode) {
        let [from, to] = self.sites.get_disjoint_mut([from, to]).unwrap();
        // The orders come before the stubs that they make.
        if from.erasures > to.erasures {
            to.store.erase(&scope(), &self.story.erasures[to.erasures..from.erasures]).unwrap();
            to.erasures = from.erasures;
        }
        send(&mut from.store, &mut to.store, mode);
    }

    fn copy(&mut self, at: usize, _: &mut ChaCha8Rng) {
        let site = &self.sites[at];
        if self.sites.iter().filter(|other| other.by == site.by).count() < 3 {
            let kept = site.kept.copied();
            let copy = Site { by: site.by, store: open(&kept), kept, erasures: site.erasures };
            self.sites.push(copy);
        }
    }

    /// The office hides or releases a commit that a device has written, whether the office holds it or not.
    fn verdict(&mut self, rng: &mut ChaCha8Rng) {
        let of_devices = self.story.commits.values().filter(|commit| commit.header.author != author(OFFICE));
        let named: Vec<(lastmile_model::AuthorId, u64, ChainHash)> = of_devices
            .map(|commit| (commit.header.author, commit.header.seq, lastmile_log::chain_hash(&commit.header)))
            .collect();
        let Some((whose, seq, chain)) = named.choose(rng).copied() else { return };
        let by = (2..7).find(|by| author(*by) == whose).unwrap();
        let from = if rng.random_bool(0.2) { rng.random_range(1..=seq) } else { seq };
        let action = *["quarantine", "quarantine", "release"].choose(rng).unwrap();
        states::verdict(&mut self.sites[0].store, by, (from, seq), chain, action);
        self.keep(0);
    }

    /// The office erases a record, names what it holds of it, and may restate some of it.
    fn erase(&mut self, rng: &mut ChaCha8Rng) {
        let mut ids: Vec<(&str, RecordId)> = (1..=self.records).map(|number| ("activity", id(number))).collect();
        ids.extend(check_ins().into_iter().map(|id| ("check_in", id)));
        let (kind, record) = *ids.choose(rng).unwrap();
        let history = self.sites[0].store.reader().unwrap().history(kind, record).unwrap_or_default();
        let changes = history.iter().map(|item| item.origin.hash).collect();
        self.story.erasures.push(Erasure { record, changes });
        self.hear(0);
        if kind == "activity" && rng.random_bool(0.5) {
            self.save(
                0,
                vec![create(kind, record, &[("date", "2025-03-05".into()), ("beneficiaries", 1.into())])],
                rng,
            );
        }
    }

    /// A site hears of the erasures so far.
    fn hear(&mut self, at: usize) {
        let site = &mut self.sites[at];
        site.store.erase(&scope(), &self.story.erasures[site.erasures..]).unwrap();
        site.erasures = self.story.erasures.len();
    }

    /// A later, a faulty or a hostile version of the program writes on a device.
    fn opaque(&mut self, at: usize, rng: &mut ChaCha8Rng) {
        let site = &mut self.sites[at];
        let by = site.by;
        let record = if rng.random_bool(0.5) { id(rng.random_range(1..5)) } else { check_ins()[0] };
        let kind = if record == check_ins()[0] { "check_in" } else { "activity" };
        let unique = Value::Int(rng.random());
        if rng.random_bool(0.2) {
            return self.copied(at, rng);
        }
        let mut raw = match rng.random_range(0..5) {
            0 => first(by, kind, record, &rng.random::<[u8; 12]>()),
            1 => encoded(by, "household_visit", id(60), &[], 1, &[("note", unique)]),
            2 => encoded(by, kind, record, &[], 5, &[("note", unique)]),
            3 => encoded(by, "grant", id(61), &[], 1, &[("role", unique)]),
            _ => {
                let proper = encoded(by, kind, record, &[], 1, &identity(kind, record));
                bend(&proper, 1, rng.random())
            }
        };
        if body_hash(&raw.body) != raw.entry.header.hash {
            raw.entry.header.hash = body_hash(&raw.body);
        }
        let Raw { entry, .. } = &raw;
        // By chance it is one that was there before, or that is accepted after all.
        if decode(&raw.body).is_ok_and(|change| change.header() == entry.header)
            && entry.record_type == kind
            && entry.header.start_op == 1
        {
            return;
        }
        if !self.story.opaque.insert(entry.header.hash) {
            return;
        }
        // What a device wrote before it heard of an erasure.
        let own_heads = site.store.sealed_heads(&scope(), author(by));
        if own_heads.len() > 1 {
            self.story.opaque.remove(&raw.entry.header.hash);
            return;
        }
        self.inject(at, raw);
    }

    /// A device commits another one's change as its own, under a header that would move it.
    fn copied(&mut self, at: usize, rng: &mut ChaCha8Rng) {
        let site = &self.sites[at];
        let of_others = |commit: &&Commit| commit.header.author != author(site.by);
        let theirs: Vec<&Commit> = self.story.commits.values().filter(of_others).collect();
        let Some(commit) = theirs.choose(rng) else { return };
        let place = rng.random_range(0..commit.bodies.len());
        let Some(body) = commit.bodies[place].clone() else { return };
        let mut entry = commit.header.changes[place].clone();
        if decode(&body).is_err() || site.store.sealed_heads(&scope(), author(site.by)).len() > 1 {
            return;
        }
        entry.header.actor = author(site.by);
        if rng.random_bool(0.5) {
            (entry.header.deps, entry.header.start_op) = (Vec::new(), rng.random_range(1..4));
        }
        self.inject(at, Raw { entry, body });
    }

    fn inject(&mut self, at: usize, raw: Raw) {
        let site = &mut self.sites[at];
        inject(&mut site.store, site.by, std::slice::from_ref(&raw));
        let chain = site.store.sealed_heads(&scope(), author(site.by))[0].1;
        self.keep(at);
        // Where the record was erased here already, its bytes were taken off at once; the story knows them.
        let kept = self.story.commits.get_mut(&chain).unwrap();
        kept.bodies = vec![Some(raw.body)];
    }

    fn again(&mut self, at: usize) {
        let site = &mut self.sites[at];
        site.store = open(&site.kept);
    }

    fn finish(mut self) -> Story {
        for at in 0..self.sites.len() {
            let site = &mut self.sites[at];
            site.store.seal(&support::key(site.by), &scope()).unwrap();
        }
        self.story.sites = self.sites.into_iter().map(|site| (site.kept, site.store, site.erasures)).collect();
        self.story
    }
}

fn check_ins() -> Vec<RecordId> {
    PERSONS.iter().map(|person| derive::check_in(id(*person), COMMUNITY)).collect()
}

fn check_in(person: u32, rng: &mut ChaCha8Rng) -> RecordEdit {
    let fields = [
        ("person", Value::reference(id(person))),
        ("community", COMMUNITY.into()),
        ("basis", (*["residence", "pairing"].choose(rng).unwrap()).into()),
    ];
    create("check_in", derive::check_in(id(person), COMMUNITY), &fields)
}
