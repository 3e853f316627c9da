//! A packed batch of commits.
//!
//! Laws: what unpacks has the chain and hashes that it says, packs again as itself, and every commit can be copied out.

use std::collections::BTreeSet;

use lastmile_crdt::ChangeHeader;
use lastmile_log::{ChangeEntry, MAX_BATCH_COMMITS, MAX_RAW, body_hash, chain_hash, pack, raw_size, sha256, unpack};
use lastmile_model::ChangeHash;

use crate::commits::{self, log, packed};
use crate::mutate::Random;
use crate::{cost, tally};

/// Unpacks a batch.
pub fn run(data: &[u8]) {
    let Ok(batch) = cost::of(|| unpack(data, MAX_RAW)) else { return };
    tally::note("unpacked");
    let mut prev = batch.prev;
    let mut all = Vec::new();
    for place in 0..batch.commits.len() {
        let commit = batch.to_commit(place).unwrap();
        commit.header.check().unwrap();
        assert_eq!((commit.header.prev, chain_hash(&commit.header)), (prev, batch.commits[place].chain));
        prev = batch.commits[place].chain;
        assert_eq!(commit.header.seq, batch.first + place as u64);
        for (entry, body) in commit.header.changes.iter().zip(&commit.bodies) {
            if let Some(body) = body {
                assert_eq!(entry.header.hash, body_hash(body));
            }
        }
        all.push(commit);
    }
    assert_eq!(batch.head(), prev);
    let again = pack(&all.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(unpack(&again, MAX_RAW).unwrap(), batch, "a batch packs as another");
    assert_eq!(batch.repack(batch.first, batch.last()).unwrap(), again);
    let inflate = |bytes: &[u8]| zstd::bulk::decompress(bytes, raw_size(bytes).unwrap().try_into().unwrap()).unwrap();
    assert!(inflate(&again) == inflate(data), "a batch has two forms");
}

/// Honest logs, long ones among them.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = commits::AUTHORS.iter().map(|by| packed(&log(*by)).unwrap()).collect();
    let mut many = log(2);
    for _ in 0..40 {
        let last = many.last().unwrap().clone();
        many.push(commits::commit(
            last.header.author,
            Some(&last),
            vec![(last.header.changes[0].clone(), last.bodies[0].clone())],
        ));
    }
    seeds.push(packed(&many).unwrap());
    seeds
}

/// Batches of a few kilobytes that hold as much as the format allows: bytes, commits, changes, dependencies.
pub fn bombs() -> Vec<Vec<u8>> {
    let by = crate::support::author(2);
    let opaque = |body: Vec<u8>, deps: usize| {
        let deps = (0..deps).map(|number| ChangeHash(sha256(&number.to_be_bytes()))).collect::<BTreeSet<_>>();
        let header = ChangeHeader {
            hash: body_hash(&body),
            deps: deps.into_iter().collect(),
            actor: by,
            seq: 1,
            start_op: 1,
            op_count: 1,
        };
        (ChangeEntry { record_type: "x".repeat(32), record: crate::support::id(1), header }, Some(body))
    };
    let log = |count: usize, changes: Vec<(ChangeEntry, Option<Vec<u8>>)>| {
        let mut list = vec![commits::commit(by, None, changes.clone())];
        while list.len() < count {
            list.push(commits::commit(by, list.last(), changes.clone()));
        }
        packed(&list).unwrap()
    };
    vec![
        log(4, vec![opaque(vec![0; 1_048_000 - 400], 0)]),
        log(3, vec![opaque(vec![0; 1_000_000], 256)]),
        log(MAX_BATCH_COMMITS, vec![opaque(vec![0; 900], 0)]),
        log(MAX_BATCH_COMMITS, vec![opaque(vec![0; 450], 0); 2]),
        log(32, vec![opaque(Vec::new(), 0); 256]),
        log(32, vec![opaque(vec![7; 450], 0); 256]),
        log(3, vec![opaque(Vec::new(), 256); 126]),
        log(4, vec![opaque(vec![0; 24_600], 256); 31]),
    ]
}

/// Mutates commits, raw bytes or the frame.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    commits::mutate_packed(data, rng)
}
