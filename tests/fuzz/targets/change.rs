//! One change: the strict decoder and the gate, then Automerge with what they accepted.
//!
//! Laws: nothing panics; what decodes encodes to the same bytes and has the same header by every way of reading it; what
//! is admitted exports, and Automerge shows of it what we show.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use lastmile_crdt::{
    Change, ChangeHeader, HeaderInRecord, Known, Refused, admit, decode, decode_hashed, encode, evaluate, read_header,
    read_header_hashed,
};
use lastmile_log::{body_hash, change_hash};
use lastmile_model::{Catalogue, ChangeHash, RecordId};

use crate::mutate::Random;
use crate::targets::history;
use crate::{change_form, cost, oracle, tally};

/// The record that every change belongs to.
pub const RECORD: RecordId = RecordId(uuid::Uuid::from_bytes([9; 16]));

/// A history that a change may build on.
struct Past {
    bytes: Vec<Vec<u8>>,
    changes: Vec<Change>,
    headers: HashMap<ChangeHash, ChangeHeader>,
}

/// A change that nobody can read and whose header claims counters that nothing has earned.
const LOFTY: ChangeHash = ChangeHash([0xee; 32]);

fn lofty() -> ChangeHeader {
    ChangeHeader { hash: LOFTY, deps: Vec::new(), actor: oracle::author(5), seq: 1, start_op: 1 << 30, op_count: 1 }
}

static PAST: LazyLock<Past> = LazyLock::new(|| {
    let bytes: Vec<Vec<u8>> = (0..4).flat_map(history::story).collect();
    let changes: Vec<Change> = bytes.iter().map(|bytes| decode(bytes).unwrap()).collect();
    let mut headers: HashMap<ChangeHash, ChangeHeader> =
        changes.iter().map(|change| (change.hash, change.header())).collect();
    headers.insert(LOFTY, lofty());
    Past { bytes, changes, headers }
});

/// Feeds the gate.
pub fn run(data: &[u8]) {
    if data.get(4..8) == change_hash(data).0.get(..4) {
        tally::note("passes the hash");
    }
    let (header, decoded) = cost::of(|| (read_header(data), decode(data)));
    let Ok(change) = decoded else {
        if let Ok(header) = header {
            assert_eq!(header.hash, body_hash(data));
            tally::note("header alone");
        }
        return;
    };
    tally::note("decoded");
    assert_eq!(header.as_ref(), Ok(&change.header()));
    assert_eq!(decode_hashed(data, change.hash).as_ref(), Ok(&change));
    assert_eq!(read_header_hashed(data, change.hash).as_ref(), Ok(&change.header()));
    assert_eq!(body_hash(data), change.hash);
    assert_eq!(encode(&change.parts()).unwrap().bytes, data, "accepted, but not canonical");
    let lookup = |hash: &ChangeHash| {
        PAST.headers.get(hash).map(|header| HeaderInRecord { record: RECORD, header: Cow::Borrowed(header) })
    };
    if let Err(refused) = cost::of(|| admit(&change.header(), &change.preds(), RECORD, &lookup)) {
        let unknown = change.deps.iter().any(|hash| !PAST.headers.contains_key(hash));
        assert!(!refused.is_waiting() || unknown, "it waits for nothing");
        if matches!(refused, Refused::UnfoundedCounter { .. }) {
            tally::note("unfounded counter");
        }
        return;
    }
    tally::note("admitted");
    let (_, person) = Catalogue::builtin().get("person").unwrap();
    let _ = cost::of(|| evaluate(Some(person), &[Known::visible(&change)]));
    let mut all: Vec<(&[u8], &Change, bool)> = Vec::new();
    let mut open = change.deps.clone();
    while let Some(hash) = open.pop() {
        let place = PAST.changes.iter().position(|change| change.hash == hash).unwrap();
        let ancestor = &PAST.changes[place];
        if all.iter().all(|(_, known, _)| known.hash != hash) {
            all.push((&PAST.bytes[place], ancestor, true));
            open.extend(&ancestor.deps);
        }
    }
    all.push((data, &change, true));
    oracle::check(&all);
}

/// Valid changes.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut on_lofty = PAST.changes[0].clone();
    (on_lofty.deps, on_lofty.start_op) = (vec![LOFTY], (1 << 30) + 1);
    let mut seeds = PAST.bytes.clone();
    seeds.push(encode(&on_lofty.parts()).unwrap().bytes);
    seeds
}

/// Mutates a change, its hash right nine times of ten.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    change_form::mutate(data, rng)
}
