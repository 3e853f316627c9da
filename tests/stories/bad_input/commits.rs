//! Commits as no honest program makes them, or as a later one does.

use lastmile_client::Replica;
use lastmile_crdt::Edit;
use lastmile_log::{Segment, unpack};
use lastmile_store::Counts;

use super::hand::{Hand, chunk, head, id};
use crate::field::{Field, add_activity, digest, scope, set, settle};

/// No operation, and an actor that nothing uses: 21 bytes.
fn poison() -> Vec<u8> {
    chunk(&[0, 1, 1, 1, 1, 0, 0, 1, 1, 2, 0])
}

fn counts(replica: &Replica) -> Counts {
    replica.read(|reader| reader.counts(None)).unwrap()
}

/// Why changes of the community do not show.
fn reasons(replica: &Replica) -> Vec<String> {
    replica.read(|reader| reader.odd(Some(&scope()))).unwrap().into_iter().map(|(odd, _)| odd.reason).collect()
}

fn title(replica: &Replica, record: lastmile_model::RecordId) -> lastmile_model::Value {
    replica.record("activity", record).unwrap().values["title"].clone()
}

/// Every body that a replica would send of an author's log.
fn bodies(replica: &Replica, of: lastmile_model::AuthorId) -> Vec<Vec<u8>> {
    let (batches, whole) =
        replica.with_store(|store| store.path_batches(&scope(), &Segment::trunk(of), 0, u64::MAX)).unwrap();
    assert!(whole);
    let unpacked = batches.iter().map(|batch| unpack(&batch.packed, lastmile_log::MAX_RAW).unwrap());
    unpacked
        .flat_map(|batch| {
            (0..batch.commits.len()).flat_map(|place| batch.to_commit(place).unwrap().bodies).collect::<Vec<_>>()
        })
        .flatten()
        .collect()
}

/// Restarts and rebuilds a replica: it shows the same afterwards.
fn restarted(field: &Field, name: &str, replica: Replica) -> Replica {
    let (before, held) = (digest(&replica), counts(&replica));
    replica.close().unwrap();
    let replica = field.open(name);
    let rebuilt = replica.with_store(|store| store.rebuild(&mut |_, _| {})).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!((digest(&replica), counts(&replica)), (before, held));
    replica
}

#[tokio::test]
async fn a_change_that_panics_automerge_is_kept_opaque_and_stops_nothing() {
    let poison = poison();
    assert_eq!(poison.len(), 21);
    let loaded = std::panic::catch_unwind(|| automerge::AutoCommit::load(&poison).is_ok());
    assert!(loaded.is_err(), "this version of automerge bears it: find another fixture");

    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let before = add_activity(&one, "之前", 1);
    let hand = Hand::of(&one);
    hand.write(&one, 1, vec![hand.raw_change(id(1), &poison)]);
    let after = add_activity(&one, "之后", 2);
    settle(&one).await;
    settle(&two).await;
    set(&two, after, "note", "照常工作");
    settle(&two).await;
    settle(&one).await;
    assert!(bodies(&two, one.author()).contains(&poison), "it is passed on byte for byte");
    let (one, two) = (restarted(&field, "one", one), restarted(&field, "two", two));
    for replica in [&one, &two] {
        assert_eq!((title(replica, before), title(replica, after)), ("之前".into(), "之后".into()));
        assert_eq!(replica.record("activity", after).unwrap().values["note"], "照常工作".into());
        assert_eq!(counts(replica).opaque, 1);
        assert_eq!(reasons(replica), ["malformed"]);
        assert_eq!(digest(replica), field.digest().await);
        assert_eq!(replica.status().unwrap().unsent_commits, 0);
    }
}

#[tokio::test]
async fn a_commit_of_a_newer_schema_passes_through_an_older_app_unharmed() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let hand = Hand::of(&one);
    let known = hand.first_change(
        "activity",
        id(2),
        &[
            Edit::set("title", "新版的活动"),
            Edit::set("category", "environment"),
            Edit::set("date", "2025-03-05"),
            Edit::set("mood", "很好"),
        ],
    );
    let unknown = hand.first_change("greenhouse", id(3), &[Edit::set("panes", 12)]);
    // A form of change that this version cannot read: what follows the columns is no salt.
    let mut later = vec![0, 16];
    later.extend(one.author().0);
    later.extend([1, 1, 0, 0, 0, 6, 0x15, 3, 0x34, 1, 0x42, 2, 0x56, 2, 0x57, 1, 0x70, 2]);
    later.extend([0x7f, 1, b'a', 1, 0x7f, 1, 0x7f, 0x14, 1, 0x7f, 0, 0x77]);
    let later = hand.raw_change(id(4), &chunk(&later));
    let written: Vec<Vec<u8>> = [&known, &unknown, &later].map(|(_, body)| body.clone()).into();
    hand.write(&one, 99, vec![known, unknown, later]);
    settle(&one).await;
    settle(&two).await;
    assert_eq!(bodies(&two, one.author()), written);
    // The older app goes on with the record; what it does not know stays.
    set(&two, id(2), "note", "旧版加的备注");
    settle(&two).await;
    settle(&one).await;
    let (one, two) = (restarted(&field, "one", one), restarted(&field, "two", two));
    for replica in [&one, &two] {
        let record = replica.record("activity", id(2)).unwrap();
        assert_eq!(record.values["title"], "新版的活动".into());
        assert_eq!(record.values["note"], "旧版加的备注".into());
        assert_eq!(record.values["mood"], "很好".into());
        // The type and the form of change that are not known here.
        assert_eq!(reasons(replica), ["newer_version", "newer_version"]);
        assert_eq!(counts(replica).opaque, 2);
        assert_eq!(digest(replica), field.digest().await);
    }
}

#[tokio::test]
async fn a_log_with_a_gap_is_named_and_taken_once_it_is_whole() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    settle(&two).await;
    let hand = Hand::of(&one);
    let first = hand.commit(head(&one, hand.key()), 1, vec![hand.raw_change(id(5), b"first")]);
    let at = (first.header.seq, lastmile_log::chain_hash(&first.header));
    let second = hand.commit(at, 1, vec![hand.raw_change(id(6), b"second")]);
    let before = (digest(&two), counts(&two));
    let file = field.path("gap.lastmile");
    std::fs::write(&file, hand.bundle(vec![hand.sealed(&[&second])])).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert_eq!((report.batches, report.appended, report.not_taken), (1, 0, 1), "{report:?}");
    assert_eq!((digest(&two), counts(&two)), before);
    std::fs::write(&file, hand.bundle(vec![hand.sealed(&[&first]), hand.sealed(&[&second])])).unwrap();
    let report = two.import_bundle(&file).unwrap();
    assert_eq!((report.appended, report.not_taken), (2, 0), "{report:?}");
    assert_eq!(counts(&two).opaque, 2);
    settle(&two).await;
    assert_eq!(digest(&two), field.digest().await);
}

#[tokio::test]
async fn a_wrong_seal_is_named_and_the_right_one_is_taken_afterwards() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    add_activity(&one, "共同的", 1);
    settle(&one).await;
    settle(&two).await;
    let hand = Hand::of(&one);
    let commit = hand.commit(head(&one, hand.key()), 1, vec![hand.raw_change(id(5), b"sealed")]);
    let (packed, seal) = hand.sealed(&[&commit]);
    let before = (digest(&two), counts(&two));
    let file = field.path("seal.lastmile");
    let mut forged = seal.clone();
    forged.signature[20] ^= 1;
    let by_another = hand_seal(&Hand::of(&two), &commit);
    let strangers = lastmile_log::Seal { author: one.author(), ..by_another };
    for wrong in [forged, strangers] {
        std::fs::write(&file, hand.bundle(vec![(packed.clone(), wrong)])).unwrap();
        let report = two.import_bundle(&file).unwrap();
        assert_eq!((report.appended, report.not_taken), (0, 1), "{report:?}");
        assert_eq!((digest(&two), counts(&two)), before);
    }
    std::fs::write(&file, hand.bundle(vec![(packed, seal)])).unwrap();
    assert_eq!(two.import_bundle(&file).unwrap().appended, 1);
    settle(&two).await;
    settle(&one).await;
    assert_eq!(counts(&one), counts(&two));
}

/// The seal that another device would put under a commit.
fn hand_seal(other: &Hand, commit: &lastmile_log::Commit) -> lastmile_log::Seal {
    other.sealed(&[commit]).1
}
