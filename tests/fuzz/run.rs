//! The ordinary run of a target: its corpus, then inputs from seeds, each a pure function of the target and its number.
//!
//! `LASTMILE_FUZZ=n` sets the number of inputs of each target, `LASTMILE_FROM=n` the first seed, `LASTMILE_SEED=target:seed`
//! runs one input alone. CPU time is held to ten times what an input may take, or to the limit itself with `LASTMILE_FUZZ` in
//! a release build.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};

use crate::mutate::{self, Random};
use crate::{cost, tally};

/// The largest input.
pub const MAX_INPUT: usize = 64 << 10;

/// The most CPU time of one input of at most 64 KiB.
const MAX_CPU: Duration = Duration::from_millis(50);

/// What the runner knows of a target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and its folder in the corpus.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]),
    /// Valid inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Changes an input into another.
    pub mutate: fn(&[u8], &mut Random) -> Vec<u8>,
    /// How many inputs the ordinary run makes.
    pub inputs: u64,
}

/// What a run found.
pub struct Summary {
    /// How many inputs were made, without the corpus.
    pub inputs: u64,
    /// How many inputs reached each stage, the corpus included.
    pub reached: BTreeMap<&'static str, u64>,
}

/// The folder of a target's corpus.
pub fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

/// The files of a folder in order; none where there is no folder.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Makes the input of a seed.
fn input(target: &Target, pool: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let name = target.name.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = Random::seed_from_u64(seed ^ name << 40);
    if pool.is_empty() || rng.random_ratio(1, 100) {
        return mutate::noise(&mut rng);
    }
    let mut data = pool[rng.random_range(0..pool.len())].clone();
    let rounds = if rng.random_bool(0.6) { 1 } else { rng.random_range(2..6) };
    for _ in 0..rounds {
        data = (target.mutate)(&data, &mut rng);
    }
    data.truncate(MAX_INPUT);
    data
}

struct Worst {
    bytes: (usize, String),
    cpu: (Duration, String),
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does work whose panics are meant to happen, without a word about them.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    install();
    QUIET.set(true);
    let done = work();
    QUIET.set(false);
    done
}

/// Says nothing of panics that are meant to happen, nor of those in the reader of workbooks, whose caller takes them for a
/// damaged file.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() && !panic.location().is_some_and(|place| place.file().contains("calamine")) {
                hook(panic);
            }
        }));
    });
}

/// Runs a target over its corpus and its inputs, and panics with a command that replays the first failure.
pub fn run(target: &Target) -> Summary {
    install();
    let files = files(&corpus(target.name));
    let mut pool: Vec<Vec<u8>> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    pool.extend((target.seeds)());
    let mut worst = Worst { bytes: (0, String::new()), cpu: (Duration::ZERO, String::new()) };
    cost::take();
    tally::take();
    let alone = std::env::var("LASTMILE_SEED").ok();
    if let Some((name, seed)) = alone.as_deref().and_then(|text| text.split_once(':')) {
        if name == target.name {
            let seed = seed.parse().expect("LASTMILE_SEED is target:seed");
            one(target, &input(target, &pool, seed), &format!("seed {seed}"), &mut worst);
        }
        return Summary { inputs: 0, reached: tally::take() };
    }
    let start = Instant::now();
    for (number, bytes) in (target.seeds)().iter().enumerate() {
        one(target, bytes, &format!("seed input {number}"), &mut worst);
    }
    for (path, bytes) in &files {
        one(target, bytes, &path.file_name().unwrap().to_string_lossy(), &mut worst);
    }
    let count = environment("LASTMILE_FUZZ").unwrap_or(target.inputs);
    let from = environment("LASTMILE_FROM").unwrap_or(0);
    let mut harvest = std::env::var_os("LASTMILE_CORPUS").map(|_| Harvest::default());
    for seed in from..from + count {
        let data = input(target, &pool, seed);
        let before = harvest.as_ref().map(|_| tally::snapshot());
        one(target, &data, &format!("seed {seed}"), &mut worst);
        if let (Some(harvest), Some(before)) = (&mut harvest, before) {
            harvest.look(&data, &before);
        }
    }
    if let Some(harvest) = harvest {
        harvest.write(target.name);
    }
    let reached = tally::take();
    let mut stages = String::new();
    for (stage, times) in &reached {
        write!(stages, ", {stage} {times}").unwrap();
    }
    println!(
        "{}: {} corpus files and {count} inputs in {:.1} s{stages}; most memory {} kB ({}), most CPU {:.1} ms ({})",
        target.name,
        files.len(),
        start.elapsed().as_secs_f64(),
        worst.bytes.0 >> 10,
        worst.bytes.1,
        worst.cpu.0.as_secs_f64() * 1_000.0,
        worst.cpu.1,
    );
    Summary { inputs: count, reached }
}

/// Gathers, for each way that inputs went, the shortest one: with `LASTMILE_CORPUS` a run writes these into the corpus.
#[derive(Default)]
struct Harvest(BTreeMap<String, Vec<u8>>);

impl Harvest {
    /// The most files of a target.
    const MOST: usize = 24;

    fn look(&mut self, data: &[u8], before: &[(&'static str, u64)]) {
        let mut way = String::new();
        for (stage, times) in tally::snapshot() {
            let earlier = before.iter().find(|(known, _)| *known == stage).map_or(0, |(_, times)| *times);
            if times > earlier {
                way.push_str(&format!("{}-{}.", stage.replace(' ', "-"), (times - earlier).min(3)));
            }
        }
        if way.is_empty() || data.len() > 3_000 || (self.0.len() >= Self::MOST && !self.0.contains_key(&way)) {
            return;
        }
        let known = self.0.entry(way).or_insert_with(|| data.to_vec());
        if data.len() < known.len() {
            *known = data.to_vec();
        }
    }

    fn write(self, name: &str) {
        let folder = corpus(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (_, bytes) in self.0 {
            let hash = lastmile_log::sha256(&bytes);
            let hex: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
            std::fs::write(folder.join(format!("{hex}.bin")), bytes).unwrap();
        }
    }
}

/// The CPU time that one input may take; a build with little optimisation takes its time.
pub fn cpu_limit() -> Duration {
    if std::env::var_os("LASTMILE_OPTIMISED").is_some() { MAX_CPU } else { MAX_CPU * 10 }
}

fn one(target: &Target, data: &[u8], name: &str, worst: &mut Worst) {
    let limit = cpu_limit();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        (target.run)(data);
        let cost = cost::take();
        assert!(cost.cpu <= limit, "it took {:?} of CPU time", cost.cpu);
        cost
    }));
    match ran {
        Ok(cost) => {
            if cost.bytes > worst.bytes.0 {
                worst.bytes = (cost.bytes, name.to_owned());
            }
            if cost.cpu > worst.cpu.0 {
                worst.cpu = (cost.cpu, name.to_owned());
            }
        }
        Err(_) => {
            let shown = if data.len() <= 2_000 {
                data.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                })
            } else {
                let path = std::env::temp_dir().join(format!("lastmile-fuzz-{}-{}", target.name, std::process::id()));
                std::fs::write(&path, data).unwrap();
                path.display().to_string()
            };
            let replay = name
                .strip_prefix("seed ")
                .filter(|seed| !seed.starts_with('i'))
                .map_or_else(String::new, |seed| format!("LASTMILE_SEED={}:{seed} ", target.name));
            panic!(
                "target {}, {name}: a law broke with these {} bytes: {shown}\nreplay with: {replay}cargo test --locked -p lastmile-tests --test fuzz -- {} --nocapture",
                target.name,
                data.len(),
                target.name,
            );
        }
    }
}
