//! Batches from outside into a replica.
//!
//! An input is a list of batches, each a byte that says how it is sealed and how it comes, then the packed bytes. Laws:
//! nothing panics or fails; chains, seals and counts are sound; rebuilding and opening again give the same; the same batches
//! a second time change nothing; each row exports to Automerge.

use lastmile_log::{Seal, chain_hash};
use lastmile_model::ChainHash;
use lastmile_store::{Durability, Fate, Incoming, Store, ViewMode};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::commits::{self, log, packed, unpacked};
use crate::mutate::{Random, join, shuffle, split};
use crate::support::{author, deployment, key};
use crate::{cost, tally, world};

const MAX_BATCHES: usize = 12;

fn incoming(part: &[u8]) -> Option<(Incoming, ViewMode)> {
    let (how, bytes) = part.split_first()?;
    let mut seals = Vec::new();
    if let Some(last) = unpacked(bytes).as_ref().and_then(|list| list.last()) {
        let (header, chain) = (&last.header, chain_hash(&last.header));
        let by = (1..10).find(|by| author(*by) == header.author).unwrap_or(4);
        let sign = |by: u8, seq, chain| Seal::sign(&key(by), &deployment(), &header.scope, seq, chain);
        match how & 7 {
            0..4 => seals.push(sign(by, header.seq, chain)),
            4 => {}
            5 => seals.push(sign(by, header.seq.saturating_add(5), ChainHash([7; 32]))),
            6 => seals.push(sign(by, header.seq, ChainHash([7; 32]))),
            _ => seals.push(Seal { author: header.author, ..sign(4, header.seq, chain) }),
        }
    }
    let mode = if how & 8 == 0 { ViewMode::Now } else { ViewMode::Later };
    Some((Incoming { packed: bytes.to_vec(), seals }, mode))
}

fn feed(store: &mut Store, parts: &[Vec<u8>]) {
    for (incoming, mode) in parts.iter().filter_map(|part| incoming(part)) {
        let outcomes = cost::beside_what_is_kept(|| store.ingest(vec![incoming], mode, Durability::Full)).unwrap();
        tally::note(match outcomes[0].fate {
            Fate::Appended { .. } => "appended",
            Fate::Held => "held",
            Fate::Pending => "pending",
            Fate::Gap { .. } => "gap",
            Fate::OtherPast => "other past",
            Fate::Malformed(_) => "malformed",
            Fate::Withheld => "withheld",
            _ => "refused",
        });
    }
}

/// Takes the batches twice.
pub fn run(data: &[u8]) {
    let Some((full, list)) = data.split_first() else { return };
    let mut parts = split(list);
    parts.truncate(MAX_BATCHES);
    let (kept, mut store) = world::replica(full & 1 == 1);
    feed(&mut store, &parts);
    while store.follow_views(u64::MAX).unwrap() {}
    let of = |store: &Store| {
        let mut reader = store.reader().unwrap();
        let counts = reader.counts(None).unwrap();
        (reader.digest(None).unwrap(), counts.held() - counts.pending)
    };
    let before = of(&store);
    tally::note("replicas");
    let sealed: Vec<Vec<u8>> = parts.into_iter().filter(|part| part.first().is_some_and(|how| how & 7 < 4)).collect();
    let vector = store.vector(&crate::support::scope());
    feed(&mut store, &sealed);
    while store.follow_views(u64::MAX).unwrap() {}
    if store.vector(&crate::support::scope()) == vector {
        assert_eq!(of(&store), before, "the same batches again changed something");
    } else {
        tally::note("a gap closed the second time");
    }
    for (_, count) in world::export(&store, 2) {
        (0..count).for_each(|_| tally::note("exported"));
    }
    world::check(&kept, store);
}

/// Honest logs in pieces, in and out of order.
pub fn seeds() -> Vec<Vec<u8>> {
    let pieces = |by: u8, cuts: &[usize]| -> Vec<Vec<u8>> {
        let list = log(by);
        let part = |piece: &[lastmile_log::Commit]| [vec![0], packed(piece).unwrap()].concat();
        cuts.windows(2).map(|cut| part(&list[cut[0]..cut[1]])).collect()
    };
    let input = |full: u8, parts: Vec<Vec<u8>>| [vec![full], join(&parts)].concat();
    let mut backwards = pieces(3, &[0, 1, 2, 3]);
    backwards.reverse();
    let whole = commits::AUTHORS.iter().flat_map(|by| pieces(*by, &[0, 3])).collect();
    vec![input(0, pieces(2, &[0, 3])), input(1, pieces(3, &[0, 1, 3])), input(0, backwards), input(1, whole)]
}

/// Bombs as batches that are sealed and taken.
pub fn bombs() -> Vec<Vec<u8>> {
    let input = |bomb: Vec<u8>| [vec![0], join(&[[vec![0], bomb].concat()])].concat();
    super::batch::bombs().into_iter().map(input).collect()
}

/// Mutates commits of a batch, how it is sealed, or the order.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let (full, list) = data.split_first().unwrap_or((&0, &[]));
    let mut full = *full;
    let mut parts = split(list);
    match rng.random_range(0..8) {
        0 => full ^= 1,
        1 => shuffle(&mut parts, rng),
        2 => {
            let mut list = log(*commits::AUTHORS.choose(rng).unwrap());
            commits::mutate_commits(&mut list, rng);
            parts.extend(packed(&list).map(|bytes| [vec![rng.random_range(0..16)], bytes].concat()));
        }
        _ if !parts.is_empty() => {
            let at = rng.random_range(0..parts.len());
            let Some((how, bytes)) = parts[at].split_first() else { return mutate(&[], rng) };
            if rng.random_bool(0.2) {
                parts[at][0] = rng.random_range(0..16);
            } else {
                parts[at] = [vec![*how], commits::mutate_packed(bytes, rng)].concat();
            }
        }
        _ => {}
    }
    parts.truncate(MAX_BATCHES);
    [vec![full], join(&parts)].concat()
}
