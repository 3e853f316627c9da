//! The bounds of what arrives, and logs that go beyond what one batch holds.

use lastmile_crdt::Edit;
use lastmile_log::{BadBatch, Commit, MAX_RAW, Segment, chain_hash, raw_size};
use lastmile_model::ChangeHash;
use lastmile_store::{Counts, Durability, Erasure, Fate, Incoming, MAX_PENDING_BYTES, Store, ViewMode};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::log::{batch, commits, seal, take};
use crate::raw::{Raw, first, log_of};
use crate::sites::{Sites, counts};
use crate::support::{activity, author, forged_seal, id, key, save, scope, send};

/// A log of as many commits of one activity each.
fn worker_log(sites: &mut Sites, length: u32) -> Vec<Commit> {
    let mut worker = sites.open("worker");
    for number in 1..=length {
        save(&mut worker, 2, vec![activity(number, "清洁日", 5)]);
    }
    commits(&mut worker, 2)
}

#[test]
fn a_batch_that_could_not_be_packed_again_is_not_taken() {
    let mut here = Sites::memory().open("here");
    // A zstd frame in one segment that states five mebibytes.
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    packed.extend_from_slice(&(5u32 << 20).to_le_bytes());
    assert_eq!(raw_size(&packed), Some(5 << 20));
    let fate = take(&mut here, Incoming { packed, seals: Vec::new() });
    assert_eq!(fate, Fate::Malformed(BadBatch::TooLarge { limit: MAX_RAW }));
}

/// As many changes of one record as a batch just holds; each is shorter than its stub.
fn short_changes() -> Vec<Commit> {
    let mut change = first(2, "activity", id(1), b"x");
    change.entry.header.deps = (0..15).map(|dep| ChangeHash([dep; 32])).collect();
    let changes = vec![change; 256];
    log_of(2, &vec![changes; 32])
}

#[test]
fn stubs_that_are_longer_than_what_they_stand_for_take_a_second_run() {
    let erasure = [Erasure { record: id(1), changes: Vec::new() }];
    let log = short_changes();
    let mut sites = Sites::files();
    let (mut after, mut before) = (sites.open("after"), sites.open("before"));
    before.erase(&scope(), &erasure).unwrap();
    for store in [&mut after, &mut before] {
        let incoming = batch(2, &log, &[32]);
        let outcome = store.ingest(vec![incoming], ViewMode::Later, Durability::Full).unwrap().remove(0);
        assert_eq!(outcome.fate, Fate::Appended { commits: 32, changes: 8_192 });
    }
    assert_eq!(after.erase(&scope(), &erasure).unwrap().changes, 8_192);
    let trunk = Segment::trunk(author(2));
    for store in [&mut after, &mut before] {
        let (batches, whole) = store.path_batches(&scope(), &trunk, 0, u64::MAX).unwrap();
        let ends: Vec<_> = batches.iter().map(|batch| (batch.last, batch.seals.len())).collect();
        assert!(whole && ends.len() == 2 && ends[0].1 == 0 && ends[1] == (32, 1), "{ends:?}");
        assert_eq!(store.check(&mut |_, _| {}).unwrap(), []);
    }
    // Whoever takes it gets one log out of both.
    let mut there = sites.open("there");
    there.erase(&scope(), &erasure).unwrap();
    let fates = send(&mut after, &mut there, ViewMode::Later);
    assert!(matches!(fates[..], [Fate::Pending, Fate::Appended { commits: 32, changes: 8_192 }]), "{fates:?}");
    assert_eq!(there.vector(&scope()), after.vector(&scope()));
    assert_eq!(there.check(&mut |_, _| {}).unwrap(), []);
    assert_eq!(counts(&there), Counts { unviewed: 8_192, ..Counts::default() });
}

/// What is saved in small runs is joined when it is sealed; texts that repeat pack to almost nothing.
#[test]
fn a_seal_joins_no_more_than_a_batch_holds() {
    let mut sites = Sites::files();
    let mut worker = sites.open("worker");
    let note = "楼道清扫。".repeat(4_000);
    for number in 1..=100 {
        let mut new = activity(number, "清洁日", 5);
        new.edits.push(Edit::set("note", note.as_str()));
        save(&mut worker, 2, vec![new]);
    }
    assert!(worker.seal(&key(2), &scope()).unwrap());
    let mut there = sites.open("there");
    let fates = send(&mut worker, &mut there, ViewMode::Now);
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Appended { .. })), "{fates:?}");
    assert_eq!(there.vector(&scope()), worker.vector(&scope()));
}

#[test]
fn a_seal_vouches_for_what_waits_before_it() {
    let mut sites = Sites::memory();
    let log = worker_log(&mut sites, 5);
    let vouched = || vec![seal(2, 5, chain_hash(&log[4].header))];
    let mut here = sites.open("here");
    // The seal of a later commit comes along, as it does where a log is sent in pieces.
    let piece = Incoming { packed: batch(2, &log[..2], &[]).packed, seals: vouched() };
    assert_eq!(take(&mut here, piece), Fate::Pending);
    assert_eq!(take(&mut here, batch(2, &log[2..4], &[])), Fate::Pending);
    assert_eq!(counts(&here), Counts { pending: 4, ..Counts::default() });
    assert_eq!(take(&mut here, batch(2, &log[3..], &[5])), Fate::Gap { have: 0 }, "nothing that waits leads there");
    let last = Incoming { packed: batch(2, &log[4..], &[]).packed, seals: vouched() };
    assert_eq!(take(&mut here, last), Fate::Appended { commits: 5, changes: 5 });
    assert_eq!(counts(&here), Counts { applied: 5, ..Counts::default() });
    assert_eq!(here.check(&mut |_, _| {}).unwrap(), []);
    let mut there = sites.open("there");
    send(&mut here, &mut there, ViewMode::Now);
    assert_eq!(there.vector(&scope()), here.vector(&scope()));
}

#[test]
fn a_wrong_seal_drops_what_waits() {
    let mut sites = Sites::memory();
    let log = worker_log(&mut sites, 3);
    let mut here = sites.open("here");
    assert_eq!(take(&mut here, batch(2, &log[..1], &[1])), Fate::Appended { commits: 1, changes: 1 });
    assert_eq!(take(&mut here, batch(2, &log[1..], &[])), Fate::Pending);
    let forged = lastmile_log::Seal { author: author(2), ..forged_seal(3, 3, chain_hash(&log[2].header)) };
    let packed = batch(2, &log[1..], &[]).packed;
    assert_eq!(take(&mut here, Incoming { packed, seals: vec![forged] }), Fate::BadSeal);
    assert_eq!(counts(&here), Counts { applied: 1, ..Counts::default() });
    assert_eq!(take(&mut here, batch(2, &log, &[3])), Fate::Appended { commits: 2, changes: 2 });
}

/// A log whose commits hold so many bytes each.
fn bulky(by: u8, length: usize, fill: impl Fn(&mut [u8])) -> Vec<Commit> {
    let commit = |number: usize| -> Vec<Raw> {
        let change = |part: usize| {
            let mut body = vec![0; 50_000];
            fill(&mut body);
            body[..2].copy_from_slice(&[u8::try_from(number).unwrap(), u8::try_from(part).unwrap()]);
            first(by, "household_visit", id(7), &body)
        };
        (0..10).map(change).collect()
    };
    log_of(by, &(0..length).map(commit).collect::<Vec<_>>())
}

#[test]
fn what_waits_is_bound_by_what_it_inflates_to() {
    let mut here = Sites::memory().open("here");
    let log = bulky(2, 10, |_| {});
    let half = batch(2, &log[..5], &[]);
    assert!((half.packed.len() as u64) * 4 < MAX_PENDING_BYTES);
    assert_eq!(take(&mut here, half), Fate::Pending);
    assert_eq!(take(&mut here, batch(2, &log[5..], &[])), Fate::BadSeal);
    assert_eq!(counts(&here).held(), 0, "it is asked for again from the sealed head");
}

fn waits(here: &mut Store, by: u8) -> Fate {
    let rng = std::cell::RefCell::new(ChaCha8Rng::seed_from_u64(u64::from(by)));
    take(here, batch(by, &bulky(by, 4, |body| rng.borrow_mut().fill_bytes(body)), &[]))
}

#[test]
fn what_waits_in_a_scope_is_bound_whoever_wrote_it() {
    let mut here = Sites::memory().open("here");
    for by in 2..6 {
        assert_eq!(waits(&mut here, by), Fate::Pending);
    }
    assert_eq!(waits(&mut here, 6), Fate::BadSeal);
    let heads = here.pending_heads(&scope()).unwrap();
    assert_eq!(heads.len(), 4, "the others wait on: {heads:?}");
}

#[test]
fn what_waits_is_not_appended_for_a_batch_that_is_refused() {
    let mut sites = Sites::memory();
    let log = worker_log(&mut sites, 5);
    let mut here = sites.open("here");
    assert_eq!(take(&mut here, batch(2, &log[..2], &[])), Fate::Pending);
    let mut cut = log[2..].to_vec();
    cut[0].bodies[0] = None;
    assert_eq!(take(&mut here, batch(2, &cut, &[5])), Fate::Withheld);
    // Nothing is offered to others that no seal vouches for.
    assert!(here.vector(&scope()).is_empty());
    assert_eq!(counts(&here), Counts { pending: 2, ..Counts::default() });
    assert_eq!(take(&mut here, batch(2, &log[2..], &[5])), Fate::Appended { commits: 5, changes: 5 });
    let (batches, whole) = here.path_batches(&scope(), &Segment::trunk(author(2)), 0, u64::MAX).unwrap();
    assert!(whole && batches.last().is_some_and(|batch| batch.last == 5 && batch.seals.len() == 1));
}
