//! Histories at random: whatever the order, the pieces and the interruptions, replicas that hold the same logs are the same.
//!
//! `LASTMILE_HISTORIES=100000` tells more stories than the default, `LASTMILE_FROM=5000` others; `LASTMILE_SEED=7` tells one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use lastmile_log::{Commit, Seal, chain_hash, pack};
use lastmile_model::{Catalogue, ChainHash};
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::{Counts, Durability, Fate, Incoming, Store, ViewMode};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kept::{Kept, Plant};
use crate::model::{self, Rows};
use crate::story::{self, Story, is_erased};
use crate::support::{self, author, deployment, key, scope, send};

/// Every so manieth history has a replica on disk.
const ON_DISK: u64 = 40;

/// Where a replica lives, to be closed and opened again.
enum Home {
    Memory(Kept),
    File(tempfile::TempDir),
}

struct Replica {
    home: Home,
    store: Store,
    /// Erasures that it has not heard of yet, by place.
    unheard: Vec<usize>,
}

impl Replica {
    fn new(on_disk: bool, plant: Option<Plant>, erasures: usize) -> Self {
        let unheard = (0..erasures).collect();
        if on_disk {
            let folder = tempfile::tempdir().unwrap();
            let file = open(&folder.path().join("replica.db"), &OpenOptions::default(), Catalogue::builtin()).unwrap();
            Self { home: Home::File(folder), store: support::store(file), unheard }
        } else {
            let kept = story::empty().bent(plant);
            Self { store: story::open(&kept), home: Home::Memory(kept), unheard }
        }
    }

    fn again(&mut self) {
        match &self.home {
            Home::Memory(kept) => self.store = story::open(kept),
            Home::File(folder) => {
                // There is one writer of a file: the old one goes first.
                self.store = story::open(&story::empty());
                let path = folder.path().join("replica.db");
                let file = open(&path, &OpenOptions::default(), Catalogue::builtin()).unwrap();
                self.store = Store::new(file, story::catalogue()).unwrap();
            }
        }
    }

    fn hear(&mut self, story: &Story, place: usize) -> Result<(), String> {
        self.unheard.retain(|unheard| *unheard != place);
        self.store.erase(&scope(), &story.erasures[place..=place]).map_err(|error| error.to_string()).map(drop)
    }
}

/// A piece of an author's log as a carrier may bring it.
#[derive(Debug, Clone)]
struct Piece {
    chains: Vec<ChainHash>,
    /// Up to which of them a seal vouches, as a count; none for 0.
    sealed: usize,
    stripped: bool,
}

/// Cuts the held part of the logs into pieces that overlap, so that seals vouch for all of it; some come without a seal before.
fn pieces(story: &Story, held: &BTreeSet<ChainHash>, rng: &mut ChaCha8Rng) -> Vec<Piece> {
    let mut next: BTreeMap<ChainHash, Vec<ChainHash>> = BTreeMap::new();
    for chain in held {
        next.entry(story.commits[chain].header.prev).or_default().push(*chain);
    }
    let mut left: Vec<ChainHash> = held.iter().copied().collect();
    left.shuffle(rng);
    let mut covered = BTreeSet::new();
    let mut pieces = Vec::new();
    let longest = *[1, 3, 30].choose(rng).unwrap();
    while let Some(chain) = left.pop() {
        if covered.contains(&chain) {
            continue;
        }
        let mut chains = vec![chain];
        for _ in 0..rng.random_range(0..3) {
            let prev = story.commits[&chains[0]].header.prev;
            if prev != ChainHash::ZERO {
                chains.insert(0, prev);
            }
        }
        while chains.len() < longest && rng.random_bool(0.8) {
            let of_author =
                |next: &&ChainHash| story.commits[*next].header.author == story.commits[&chain].header.author;
            let after: Vec<&ChainHash> =
                next.get(&chains[chains.len() - 1]).into_iter().flatten().filter(of_author).collect();
            let Some(after) = after.choose(rng) else { break };
            chains.push(**after);
        }
        let place = chains.iter().position(|one| *one == chain).unwrap();
        let sealed = rng.random_range(place + 1..=chains.len());
        covered.extend(chains[..sealed].iter().copied());
        let stripped = rng.random_bool(0.3);
        if rng.random_bool(0.15) {
            pieces.push(Piece { chains: chains.clone(), sealed: 0, stripped });
        }
        if rng.random_bool(0.15) {
            pieces.push(Piece { chains: chains.clone(), sealed, stripped: !stripped });
        }
        pieces.push(Piece { chains, sealed, stripped });
    }
    pieces.shuffle(rng);
    pieces
}

fn incoming(story: &Story, piece: &Piece, seals: &mut BTreeMap<ChainHash, Seal>) -> Incoming {
    let whole = |chain: &ChainHash| {
        let mut commit = story.commits[chain].clone();
        for place in 0..commit.bodies.len() {
            if piece.stripped && is_erased(&story.erasures, &commit, place) {
                commit.bodies[place] = None;
            }
        }
        commit
    };
    let commits: Vec<Commit> = piece.chains.iter().map(whole).collect();
    let seal = piece.sealed.checked_sub(1).map(|last| {
        let header = &commits[last].header;
        let by = (1..10).find(|by| author(*by) == header.author).unwrap();
        let chain = chain_hash(header);
        let sign = || Seal::sign(&key(by), &deployment(), &scope(), header.seq, chain);
        seals.entry(chain).or_insert_with(sign).clone()
    });
    Incoming { packed: pack(&commits.iter().collect::<Vec<_>>()).unwrap(), seals: seal.into_iter().collect() }
}

/// Brings pieces to a replica in their order; what has a gap before it is asked for again.
fn deliver(
    replica: &mut Replica,
    story: &Story,
    pieces: Vec<Piece>,
    seals: &mut BTreeMap<ChainHash, Seal>,
    rng: &mut ChaCha8Rng,
) -> Result<(), String> {
    let fail = |error: lastmile_store::StoreError| error.to_string();
    let mut queue = pieces;
    while !queue.is_empty() {
        let mut again = Vec::new();
        let before = queue.len();
        let mut moved = false;
        while !queue.is_empty() {
            let taken: Vec<Piece> = queue.drain(..rng.random_range(1..=queue.len().min(4))).collect();
            let batches = taken.iter().map(|piece| incoming(story, piece, seals)).collect();
            let mode = if rng.random_bool(0.6) { ViewMode::Now } else { ViewMode::Later };
            let durability = if rng.random_bool(0.2) { Durability::Full } else { Durability::Refetchable };
            let outcomes = replica.store.ingest(batches, mode, durability).map_err(fail)?;
            for (outcome, piece) in outcomes.into_iter().zip(taken) {
                match outcome.fate {
                    Fate::Appended { .. } => moved = true,
                    Fate::Held | Fate::Pending => {}
                    Fate::Gap { .. } | Fate::OtherPast => again.push(piece),
                    // The orders come before the stubs that they make.
                    Fate::Withheld if piece.stripped => {
                        moved |= !replica.unheard.is_empty();
                        for place in std::mem::take(&mut replica.unheard) {
                            replica.hear(story, place)?;
                        }
                        again.push(piece);
                    }
                    other => return Err(format!("a batch is refused: {other:?}")),
                }
            }
            match rng.random_range(0..20) {
                0..4 => drop(replica.store.follow_views(rng.random_range(1..4)).map_err(fail)?),
                4..6 => replica.again(),
                6 => {
                    replica.store.rebuild(&mut |_, _| {}).map_err(fail)?;
                }
                7..11 => {
                    if let Some(place) = replica.unheard.choose(rng).copied() {
                        replica.hear(story, place)?;
                    }
                }
                _ => {}
            }
        }
        if !moved && again.len() == before {
            return Err("pieces are refused whose past is held".to_owned());
        }
        queue = again;
    }
    Ok(())
}

/// Everything that is compared.
#[derive(Debug, PartialEq)]
struct Seen {
    counts: Counts,
    rows: Rows,
    digest: [u8; 32],
}

/// What a replica shows when its views have followed, and that making them anew changes nothing.
fn seen(replica: &mut Replica, story: &Story) -> Result<Seen, String> {
    let fail = |error: lastmile_store::StoreError| error.to_string();
    while let Some(place) = replica.unheard.first().copied() {
        replica.hear(story, place)?;
    }
    while replica.store.follow_views(3).map_err(fail)? {}
    let mut reader = replica.store.reader().map_err(fail)?;
    let mut look = || -> Result<Seen, String> {
        let (counts, digest) = (reader.counts(None).map_err(fail)?, reader.digest(None).map_err(fail)?);
        Ok(Seen { counts, rows: model::shown(&reader), digest })
    };
    let found = look()?;
    replica.store.rebuild(&mut |_, _| {}).map_err(fail)?;
    if look()? != found {
        return Err("views made anew are others".to_owned());
    }
    Ok(found)
}

/// A part of the logs that a replica may hold: of each author and branch the first so many.
fn part(story: &Story, rng: &mut ChaCha8Rng) -> BTreeSet<ChainHash> {
    let mut order: Vec<&Commit> = story.commits.values().collect();
    order.sort_by_key(|commit| (commit.header.seq, commit.header.author));
    let mut held = BTreeSet::new();
    let ends = rng.random_bool(0.7);
    // A log of which nothing has come leaves waiting what others built on it.
    let missing = rng.random_bool(0.5).then(|| author(*[2, 2, 3, 4].choose(rng).unwrap()));
    for commit in order {
        let prev = commit.header.prev;
        let cut = (ends && rng.random_bool(0.1)) || Some(commit.header.author) == missing;
        if !cut && (prev == ChainHash::ZERO || held.contains(&prev)) {
            held.insert(chain_hash(&commit.header));
        }
    }
    held
}

/// Commits beyond the part held whose past is held, and which come without a seal, with how many changes they hold.
fn unsealed(story: &Story, held: &BTreeSet<ChainHash>, rng: &mut ChaCha8Rng) -> (Vec<Piece>, u64) {
    let mut pieces = Vec::new();
    let mut changes = 0;
    for (chain, commit) in &story.commits {
        let prev = commit.header.prev;
        // A first commit that was never sealed has no other beside it that could part from it.
        if held.contains(chain) || !held.contains(&prev) || rng.random_bool(0.5) {
            continue;
        }
        changes += commit.bodies.len() as u64;
        let mut chains = vec![prev, *chain];
        let overlap = rng.random_bool(0.5);
        pieces.push(Piece { chains: chains.clone(), sealed: 0, stripped: rng.random_bool(0.3) });
        if overlap {
            chains.remove(0);
            pieces.push(Piece { chains, sealed: 0, stripped: false });
        }
    }
    (pieces, changes)
}

/// What a story showed besides.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    waiting: bool,
    pending: bool,
}

/// Everything that must hold for one story.
fn check(story: &mut Story, plant: Option<Plant>) -> Result<Met, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(story.seed ^ 0x5eed);
    let rng = &mut rng;
    let mut seals = BTreeMap::new();
    let part = part(story, rng);
    let (pending, changes) = unsealed(story, &part, rng);
    let (counts, rows) = model::expected(story, &part);
    let counts = Counts { pending: changes, ..counts };
    let made: u64 = part.iter().map(|chain| story.commits[chain].bodies.len() as u64).sum();
    if counts.held() != made + changes {
        return Err("the model's own counts do not add up".to_owned());
    }

    // A part of the logs: the same on both, as the model says.
    let mut replicas: Vec<Replica> = (0..2)
        .map(|number| {
            let on_disk = number == 1 && plant.is_none() && story.seed.is_multiple_of(ON_DISK);
            Replica::new(on_disk, plant, story.erasures.len())
        })
        .collect();
    let mut first: Option<Seen> = None;
    for replica in &mut replicas {
        let mut some = pieces(story, &part, rng);
        some.extend(pending.iter().cloned());
        some.shuffle(rng);
        deliver(replica, story, some, &mut seals, rng)?;
        let seen = seen(replica, story)?;
        same(&seen, &counts, &rows)?;
        if first.as_ref().is_some_and(|first| first.digest != seen.digest) {
            return Err("digests of a part differ".to_owned());
        }
        first = Some(seen);
    }

    // All of it: the same on those two, and on the replicas on which it happened.
    let all: BTreeSet<ChainHash> = story.commits.keys().copied().collect();
    let met = Met { waiting: counts.waiting > 0, pending: counts.pending > 0 };
    let (counts, rows) = model::expected(story, &all);
    let mut digest = None;
    for replica in &mut replicas {
        let rest = pieces(story, &all, rng);
        deliver(replica, story, rest, &mut seals, rng)?;
        let seen = seen(replica, story)?;
        same(&seen, &counts, &rows)?;
        if digest.is_some_and(|digest| digest != seen.digest) {
            return Err("digests differ".to_owned());
        }
        digest = Some(seen.digest);
    }
    let sites = std::mem::take(&mut story.sites);
    let erasures = story.erasures.len();
    for (place, (kept, store, heard)) in sites.into_iter().enumerate() {
        let mut site = Replica { home: Home::Memory(kept), store, unheard: (heard..erasures).collect() };
        if place % 2 == 0 {
            for place in heard..erasures {
                site.hear(story, place)?;
            }
            for _ in 0..2 {
                send(&mut replicas[0].store, &mut site.store, ViewMode::Now);
            }
        } else {
            let rest = pieces(story, &all, rng);
            deliver(&mut site, story, rest, &mut seals, rng)?;
        }
        let seen = seen(&mut site, story)?;
        same(&seen, &counts, &rows).map_err(|error| format!("site {place}: {error}"))?;
        if digest != Some(seen.digest) {
            return Err(format!("site {place} has another digest"));
        }
        if site.store.vector(&scope()) != replicas[0].store.vector(&scope()) {
            return Err(format!("site {place} names its logs otherwise"));
        }
    }
    if story.seed.is_multiple_of(16) {
        let findings = replicas[0].store.check(&mut |_, _| {}).map_err(|error| error.to_string())?;
        if !findings.is_empty() {
            return Err(format!("{findings:?}"));
        }
    }
    Ok(met)
}

fn same(seen: &Seen, counts: &Counts, rows: &Rows) -> Result<(), String> {
    if seen.counts != *counts {
        return Err(format!("{:?} instead of {counts:?}", seen.counts));
    }
    if seen.rows != *rows {
        return Err(format!("{:?} instead of {rows:?}", seen.rows));
    }
    Ok(())
}

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

const NAME: &str = "histories::replicas_agree_whatever_the_order";

/// Works through the seeds on every core; the lowest that fails is told.
fn each(seeds: std::ops::Range<u64>, work: impl Fn(u64) -> Result<(), String> + Sync) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(None::<(u64, String)>);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().as_ref().is_some_and(|(first, _)| *first < seed) {
                        break;
                    }
                    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(seed)));
                    let told = told.unwrap_or_else(|_| Err("a panic".to_owned()));
                    if let Err(error) = told {
                        let mut failed = failed.lock().unwrap();
                        if failed.as_ref().is_none_or(|(first, _)| seed < *first) {
                            *failed = Some((seed, error));
                        }
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

#[test]
fn replicas_agree_whatever_the_order() {
    let count = asked("LASTMILE_HISTORIES").unwrap_or(2_000);
    let from = asked("LASTMILE_FROM").unwrap_or(0);
    let seeds = asked("LASTMILE_SEED").map_or(from..from + count, |seed| seed..seed + 1);
    let names = [
        ("same field concurrently", 20),
        ("derived ids created twice", 10),
        ("with a fork", 10),
        ("with stubs", 10),
        ("with deletions", 10),
        ("5 changes deep or more", 10),
        ("commits of several records", 10),
        ("with verdicts", 10),
        ("with opaque changes", 10),
        ("with copies of others' changes", 10),
        ("with waiting changes", 10),
        ("with pending changes", 10),
    ];
    let seen: Vec<AtomicU64> = names.iter().map(|_| AtomicU64::new(0)).collect();
    let changes = AtomicU64::new(0);
    let started = std::time::Instant::now();
    let failed = each(seeds.clone(), |seed| {
        let mut story = Story::tell(seed);
        let traits = story.traits();
        let met = check(&mut story, None)?;
        let has = [
            traits.same_field,
            traits.created_twice,
            traits.forked,
            traits.stubs,
            traits.deletes,
            traits.deep,
            traits.several_records,
            traits.quarantined,
            traits.opaque,
            traits.copied,
            met.waiting,
            met.pending,
        ];
        seen.iter().zip(has).for_each(|(count, has)| {
            count.fetch_add(u64::from(has), Ordering::Relaxed);
        });
        changes.fetch_add(story.changes().count() as u64, Ordering::Relaxed);
        Ok(())
    });
    if let Some((seed, error)) = failed {
        panic!(
            "history {seed}: {error}\nto see it again: LASTMILE_SEED={seed} cargo test --locked -p lastmile-store --test laws -- \
             --exact {NAME} --nocapture"
        );
    }
    let count = seeds.end - seeds.start;
    let (changes, seconds) = (changes.into_inner(), started.elapsed().as_secs_f32());
    println!("{count} histories of {} changes on average, each on 4 replicas or more, {seconds:.1} s", changes / count);
    for ((what, floor), seen) in names.into_iter().zip(seen) {
        let seen = seen.into_inner();
        println!("{:>3} % {what} (at least {floor} %)", seen * 100 / count);
        assert!(count < 100 || seen * 100 >= floor * count, "the histories cover too little: {what}");
    }
}

/// Histories that once went wrong.
#[test]
fn what_went_wrong_once_does_not_again() {
    for seed in [169, 1345, 10_836] {
        check(&mut Story::tell(seed), None).unwrap_or_else(|error| panic!("history {seed}: {error}"));
    }
}

#[test]
fn planted_faults_are_found_within_1000_histories() {
    for plant in Plant::ALL {
        let found = each(0..1_000, |seed| check(&mut Story::tell(seed), Some(plant)).map(drop));
        let (seed, error) = found.unwrap_or_else(|| panic!("{plant:?} goes unnoticed"));
        println!("{plant:?} shows at history {seed}: {}", error.chars().take(90).collect::<String>());
    }
}
