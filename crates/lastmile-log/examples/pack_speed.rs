//! Measures packing, unpacking and size on logs as devices write them.
//!
//! `cargo run --release -p lastmile-log --example pack_speed`
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_precision_loss, reason = "a measurement")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use lastmile_log::{Commit, MAX_RAW, body_hash, chain_hash, pack, unpack};

#[path = "../tests/support/corpus.rs"]
mod corpus;

/// The shortest of several runs, in nanoseconds per record.
fn per_record(records: usize, mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..(200_000 / records).clamp(5, 2_000) {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e9 / records as f64
}

fn main() {
    println!("commits records  raw B/rec packed B/rec    pack/s  unpack/s  verify ns/rec");
    for count in [1, 2, 10, 100, 1000, 5000] {
        let log = corpus::Corpus::new(9).take(count);
        let commits: Vec<&Commit> = log.iter().collect();
        let records: usize = log.iter().map(|commit| commit.header.changes.len()).sum();
        let raw: usize = log.iter().flat_map(|commit| commit.bodies.iter().flatten()).map(Vec::len).sum();
        let limit = MAX_RAW.max(2 * raw);
        let Ok(packed) = pack(&commits) else {
            println!("{count:7} {records:7}  over a limit");
            continue;
        };
        let packing = per_record(records, || drop(black_box(pack(&commits))));
        let unpacking = per_record(records, || drop(black_box(unpack(&packed, limit))));
        let verifying = per_record(records, || {
            for commit in &log {
                for body in commit.bodies.iter().flatten() {
                    black_box(body_hash(body));
                }
                black_box(chain_hash(&commit.header));
            }
        });
        println!(
            "{count:7} {records:7} {:10.1} {:12.1} {:9.0} {:9.0} {verifying:14.0}",
            raw as f64 / records as f64,
            packed.len() as f64 / records as f64,
            1e9 / packing,
            1e9 / unpacking,
        );
    }
}
