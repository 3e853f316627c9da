//! Changes that Automerge does not survive, and that the gate keeps out.
//!
//! `corpus/automerge-killers` holds them by what they do: `panic-*`, `poison-*` (taken, and what is saved does not load) and
//! `amplify-*` (memory without bound). `LASTMILE_KILLERS=n` looks for more among n mutated changes and writes the shortest of
//! each kind into the folder.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use automerge::Automerge;
use lastmile_crdt::{admit, decode};
use rand::{Rng, SeedableRng};

use crate::mutate::Random;
use crate::targets::change::{self, RECORD};
use crate::{change_form, cost, run};

/// The most memory that Automerge may take for a change of less than 64 KiB before it counts as amplified.
const AMPLIFIED: usize = 256 << 20;

/// Where the last panic was.
static PLACE: Mutex<String> = Mutex::new(String::new());

/// Feeds Automerge directly in each way that a program would, and says whether what it saved loads again.
fn feed(bytes: &[u8]) -> bool {
    let _ = Automerge::load(bytes);
    let Ok(change) = automerge::Change::try_from(bytes) else { return true };
    let mut document = Automerge::new();
    if document.apply_changes([change]).is_err() {
        return true;
    }
    let heads = document.get_heads();
    Automerge::load(&document.save()).is_ok_and(|again| again.get_heads() == heads)
}

/// Keeps out every killer, within a millisecond each; and each of them is one.
pub fn are_kept_out() {
    let files = run::files(&run::corpus("automerge-killers"));
    let count = |kind: &str| {
        let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind));
        files.iter().filter(|(path, _)| named(path)).count()
    };
    assert!(count("panic-") >= 4 && count("poison-") >= 1 && count("amplify-") >= 1, "too few kinds of killers");
    let mut worst = Duration::ZERO;
    for (path, bytes) in &files {
        let (refused, cost) = cost::measure(|| match decode(bytes) {
            Err(malformed) => malformed.to_string(),
            Ok(change) => admit(&change.header(), &change.preds(), RECORD, &|_| None)
                .map_or_else(|refused| refused.to_string(), |()| String::new()),
        });
        assert!(!refused.is_empty(), "{}: the gate accepts a change that kills Automerge", path.display());
        println!(
            "{}: {} bytes, {refused}, {:?}, {} bytes of memory",
            path.file_name().unwrap().display(),
            bytes.len(),
            cost.cpu,
            cost.bytes
        );
        worst = worst.max(cost.cpu);
    }
    assert!(worst <= Duration::from_millis(1), "a killer took {worst:?} to refuse");
    for (path, bytes) in &files {
        let (fed, cost) = cost::measure(|| run::quietly(|| catch_unwind(AssertUnwindSafe(|| feed(bytes)))));
        let name = path.file_name().unwrap().to_string_lossy();
        let harm = match fed {
            Err(_) => "panic-",
            Ok(false) => "poison-",
            Ok(true) if cost.bytes > cost::MAX_BYTES => "amplify-",
            Ok(true) => "none",
        };
        assert!(name.starts_with(harm), "{name}: Automerge bears it by now ({harm}): find another fixture");
        if harm == "amplify-" {
            println!("{name}: Automerge takes {} MB and {:?} for {} bytes", cost.bytes >> 20, cost.cpu, bytes.len());
        }
    }
}

/// Looks for killers among so many mutated changes, and keeps the shortest of each kind.
pub fn hunt(count: u64) {
    let pool = change::seeds();
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| {
            let path = Path::new(place.file());
            let names: Vec<_> =
                path.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
            format!("{}-{}-{}", names.get(1).map_or("", |name| name), names[0].trim_end_matches(".rs"), place.line())
        });
        *PLACE.lock().unwrap() = place;
    }));
    let mut note = |kind: String, bytes: &[u8]| {
        let known = found.entry(kind).or_insert_with(|| bytes.to_vec());
        if bytes.len() < known.len() {
            *known = bytes.to_vec();
        }
    };
    let from = std::env::var("LASTMILE_FROM").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in from..from + count {
        let mut rng = Random::seed_from_u64(seed ^ 0x6b69_6c6c << 20);
        let mut bytes = pool[rng.random_range(0..pool.len())].clone();
        for _ in 0..rng.random_range(1..5) {
            bytes = change_form::mutate(&bytes, &mut rng);
        }
        if claims(&bytes) > 100_000_000 {
            continue;
        }
        let accepted =
            decode(&bytes).is_ok_and(|change| admit(&change.header(), &change.preds(), RECORD, &|_| None).is_ok());
        let (fed, cost) = cost::measure(|| catch_unwind(AssertUnwindSafe(|| feed(&bytes))));
        if cost.bytes > AMPLIFIED {
            note(format!("amplify-{}-mib", cost.bytes >> 28 << 8), &bytes);
        }
        let kind = match fed {
            Err(_) => format!("panic-{}", PLACE.lock().unwrap()),
            Ok(false) => "poison-saved".to_owned(),
            Ok(true) => continue,
        };
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(!accepted, "the gate accepts what kills Automerge: {kind} {}", hex());
        note(kind, &bytes);
    }
    std::panic::set_hook(hook);
    let folder = run::corpus("automerge-killers");
    std::fs::create_dir_all(&folder).unwrap();
    for (kind, bytes) in found {
        println!("{kind}: {} bytes", bytes.len());
        let path = folder.join(format!("{kind}.bin"));
        if std::fs::read(&path).map_or(true, |known| bytes.len() < known.len()) {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// The largest count that a column claims, so that looking does not take all memory there is.
fn claims(bytes: &[u8]) -> u64 {
    let Some(raw) = change_form::Raw::parse(bytes) else { return 0 };
    raw.columns.iter().map(|(_, column)| change_form::largest_run(column)).max().unwrap_or(0)
}
