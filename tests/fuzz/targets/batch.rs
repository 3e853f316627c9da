//! A packed batch of commits.
//!
//! Laws: what unpacks has the chain and hashes that it says, packs again as itself, and every commit can be copied out.

use lastmile_log::{MAX_RAW, body_hash, chain_hash, pack, raw_size, unpack};

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
    if inflate(&again) == inflate(data) {
        tally::note("as pack writes it");
    }
}

/// Honest logs, long ones among them.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = commits::AUTHORS.iter().map(|by| packed(&log(*by)).unwrap()).collect();
    let mut many = log(2);
    for _ in 0..40 {
        let last = many.last().unwrap().clone();
        many.push(commits::commit(last.header.author, Some(&last), vec![(last.header.changes[0].clone(), last.bodies[0].clone())]));
    }
    seeds.push(packed(&many).unwrap());
    seeds
}

/// Mutates commits, raw bytes or the frame.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    commits::mutate_packed(data, rng)
}
