//! Valid changes, mutated and repaired: nothing panics, and what the gate accepts Automerge takes and loads again.

use std::borrow::Cow;
use std::collections::HashMap;

use automerge::{Automerge, ReadDoc};
use lastmile_crdt::{ChangeHeader, HeaderInRecord, Known, admit, decode, encode, export_document, read_header};
use lastmile_model::{ChangeHash, RecordId};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::raw::chunk;
use crate::support::story::{Plot, Story};

const RECORD: RecordId = RecordId(uuid::Uuid::from_bytes([1; 16]));

/// Where the body of a chunk begins.
fn body(bytes: &[u8]) -> &[u8] {
    let length = bytes[9..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    &bytes[9 + length..]
}

fn mutate(body: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = body.to_vec();
    for _ in 0..*[1, 1, 1, 2, 3].choose(rng).unwrap() {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..10) {
            0..3 => bytes[at] ^= 1 << rng.random_range(0..8),
            3 => bytes[at] = rng.random(),
            4 => bytes[at] = bytes[at].wrapping_add(*[1, 255, 2, 128].choose(rng).unwrap()),
            5 => bytes.insert(at, rng.random()),
            6 if bytes.len() > 1 => {
                bytes.remove(at);
            }
            7 => bytes.truncate(at.max(1)),
            8 => {
                let from = rng.random_range(0..other.len());
                let to = rng.random_range(from..other.len().min(from + 20));
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let to = rng.random_range(at..bytes.len().min(at + 8));
                bytes.drain(at..to);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

#[test]
fn mutated_changes_never_panic_and_accepted_ones_are_safe() {
    let count: usize = std::env::var("LASTMILE_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut stories = (0..).map(Story::tell).filter(|story| story.plot != Plot::Hidden && story.changes.len() > 1);
    let (mut decoded, mut admitted, mut exported) = (0, 0, 0);
    let mut done = 0;
    while done < count {
        let story = stories.next().unwrap();
        let headers: HashMap<ChangeHash, ChangeHeader> =
            story.changes.iter().map(|change| (change.hash, change.header())).collect();
        let lookup = |hash: &ChangeHash| {
            headers.get(hash).map(|header| HeaderInRecord { record: RECORD, header: Cow::Borrowed(header) })
        };
        for _ in 0..200 {
            done += 1;
            let place = rng.random_range(0..story.changes.len());
            let other = story.bytes.choose(&mut rng).unwrap();
            let bytes = chunk(1, &mutate(body(&story.bytes[place]), body(other), &mut rng));
            let header = read_header(&bytes);
            let Ok(change) = decode(&bytes) else { continue };
            decoded += 1;
            assert_eq!(header.as_ref(), Ok(&change.header()));
            assert_eq!(encode(&change.parts()).unwrap().bytes, bytes, "accepted, but not canonical");
            if headers.contains_key(&change.hash) || admit(&change.header(), &change.preds(), RECORD, &lookup).is_err()
            {
                continue;
            }
            admitted += 1;
            if admitted % 4 != 0 {
                continue;
            }
            // With everything else in the record, and without what it was mutated from and what builds on that.
            let mut changes: Vec<(&[u8], Known<'_>)> = vec![(&bytes, Known::visible(&change))];
            let all = story.changes.iter().zip(&story.bytes);
            changes.extend(all.map(|(change, bytes)| (bytes.as_slice(), Known::visible(change))));
            let with_all = export_document(&changes).unwrap();
            let ancestors: Vec<(&[u8], Known<'_>)> = ancestors(&story, &change.deps);
            let mut alone = vec![changes[0]];
            alone.extend(ancestors);
            let alone = export_document(&alone).unwrap();
            for document in [with_all, alone] {
                exported += 1;
                let loaded = Automerge::load(&document.bytes).unwrap();
                assert_eq!(Automerge::load(&loaded.save()).unwrap().get_heads(), loaded.get_heads());
                if document.original {
                    assert!(loaded.get_change_by_hash(&automerge::ChangeHash(change.hash.0)).is_some());
                }
            }
        }
    }
    println!("{done} mutations: {decoded} decoded, {admitted} admitted, {exported} exported and loaded");
    assert!(admitted * 100 > done, "too few mutations get through the gate to say anything");
}

fn ancestors<'s>(story: &'s Story, deps: &[ChangeHash]) -> Vec<(&'s [u8], Known<'s>)> {
    let mut open: Vec<ChangeHash> = deps.to_vec();
    let mut found: Vec<usize> = Vec::new();
    while let Some(hash) = open.pop() {
        let place = story.changes.iter().position(|change| change.hash == hash).unwrap();
        if !found.contains(&place) {
            found.push(place);
            open.extend(&story.changes[place].deps);
        }
    }
    found.into_iter().map(|place| (story.bytes[place].as_slice(), Known::visible(&story.changes[place]))).collect()
}

#[test]
fn raw_noise_never_panics() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..50_000 {
        let len = rng.random_range(0..120);
        let noise: Vec<u8> =
            (0..len).map(|_| if rng.random_bool(0.5) { rng.random_range(0..4) } else { rng.random() }).collect();
        assert!(decode(&noise).is_err());
        assert!(decode(&chunk(1, &noise)).is_err());
        assert!(read_header(&noise).is_err());
        let _ = read_header(&chunk(1, &noise));
    }
}
