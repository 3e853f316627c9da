//! Saving, exchanging, forking, quarantine, rebuilding: over SQLite.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what failed by stopping")]

#[path = "replica/authoring.rs"]
mod authoring;
#[path = "replica/baseline.rs"]
mod baseline;
mod support;

use lastmile_model::{Catalogue, Value};
use lastmile_store::query::Query;
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::{Counts, Fate, Store, StoreError, ViewMode};
use support::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn store(&self, name: &str) -> Store {
        store(open(&self.0.path().join(name), &OpenOptions::default(), Catalogue::builtin()).unwrap())
    }

    fn copy(&self, from: &str, to: &str) {
        for suffix in ["", "-wal", "-shm"] {
            let source = self.0.path().join(format!("{from}{suffix}"));
            if source.exists() {
                std::fs::copy(source, self.0.path().join(format!("{to}{suffix}"))).unwrap();
            }
        }
    }
}

fn titles(store: &Store) -> Vec<String> {
    let reader = store.reader().unwrap();
    let query = Query::new(reader.type_no("activity").unwrap(), &["title"]).order_by("title", false);
    reader.rows(&query).unwrap().iter().map(|row| row.cells[0].text().unwrap().to_owned()).collect()
}

fn beneficiaries(store: &Store) -> Option<i64> {
    let reader = store.reader().unwrap();
    let query = Query::new(reader.type_no("activity").unwrap(), &["beneficiaries"]);
    reader.rows(&query).unwrap()[0].cells[0].int()
}

#[test]
fn a_save_shows_at_once_and_travels_sealed() {
    let folder = Folder::new();
    let (mut one, mut relay, mut two) = (folder.store("one"), folder.store("relay"), folder.store("two"));
    save(&mut one, 2, vec![activity(1, "清洁日", 20), activity(2, "义诊", 30)]);
    assert_eq!(titles(&one), ["义诊", "清洁日"]);
    assert!(one.vector(&scope()).is_empty(), "nothing is offered before a seal");
    seal(&mut one, 2);
    assert_eq!(send(&mut one, &mut relay, ViewMode::Later), [Fate::Appended { commits: 1, changes: 2 }]);
    assert!(titles(&relay).is_empty(), "views follow later");
    assert_eq!(relay.reader().unwrap().counts(None).unwrap(), Counts { unviewed: 2, ..Counts::default() });
    assert!(!relay.follow_views(1000).unwrap());
    send(&mut relay, &mut two, ViewMode::Now);
    assert_eq!(digest(&one), digest(&relay));
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(send(&mut relay, &mut two, ViewMode::Now), []);
    assert_eq!(two.reader().unwrap().counts(None).unwrap(), Counts { applied: 2, ..Counts::default() });
    let rebuilt = two.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!(two.check(&mut |_, _| {}).unwrap(), []);
}

#[test]
fn edits_of_one_field_on_two_devices_wait_for_a_person() {
    let folder = Folder::new();
    let (mut one, mut two) = (folder.store("one"), folder.store("two"));
    save(&mut one, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut one, 2);
    send(&mut one, &mut two, ViewMode::Now);
    save(&mut one, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(20))])]);
    save(&mut two, 3, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(35)), ("note", "很好".into())])]);
    seal(&mut one, 2);
    seal(&mut two, 3);
    send(&mut one, &mut two, ViewMode::Now);
    send(&mut two, &mut one, ViewMode::Now);
    assert_eq!(digest(&one), digest(&two));
    let shown = beneficiaries(&one).unwrap();
    assert!(shown == 20 || shown == 35);
    let mut reader = one.reader().unwrap();
    let record = reader.record("activity", id(1), None).unwrap();
    assert_eq!(record.conflicts.len(), 1);
    assert_eq!(record.conflicts[0].sides.len(), 2);
    assert_eq!(record.values["note"], "很好".into());
    assert_eq!(reader.history("activity", id(1)).unwrap().len(), 3);
    // A person decides: one edit that has both sides among its ancestors.
    save(&mut one, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(shown))])]);
    assert_eq!(one.reader().unwrap().record("activity", id(1), None).unwrap().conflicts, []);
}

#[test]
fn a_verdict_hides_and_releases_whatever_the_order() {
    let folder = Folder::new();
    let (mut one, mut office, mut late) = (folder.store("one"), folder.store("office"), folder.store("late"));
    save(&mut one, 2, vec![activity(1, "清洁日", 5)]);
    let bad = save(&mut one, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(999))])]);
    seal(&mut one, 2);
    send(&mut one, &mut office, ViewMode::Now);
    assert_eq!(beneficiaries(&office), Some(999));
    let fields = |action: &str| {
        vec![
            ("author", Value::Bytes(author(2).0.to_vec())),
            ("from_seq", Value::Int(2)),
            ("to_seq", Value::Int(2)),
            ("chain", Value::Bytes(bad.chain.0.to_vec())),
            ("action", action.into()),
            ("reason", "不可信".into()),
        ]
    };
    let verdict = {
        let fields = fields("quarantine");
        let entering: Vec<&Value> = fields[..4].iter().map(|(_, value)| value).collect();
        lastmile_model::derive::record_id("verdict", &entering).unwrap()
    };
    save(&mut office, OFFICE, vec![create("verdict", verdict, &fields("quarantine"))]);
    assert_eq!(beneficiaries(&office), Some(5));
    let counts = office.reader().unwrap().counts(None).unwrap();
    assert_eq!(counts, Counts { applied: 2, quarantined: 1, ..Counts::default() });
    seal(&mut office, OFFICE);
    // The one who wrote it hears of it; another hears the verdict first.
    send(&mut office, &mut one, ViewMode::Now);
    send(&mut office, &mut late, ViewMode::Now);
    assert_eq!(digest(&one), digest(&office));
    assert_eq!(digest(&late), digest(&office));
    assert_eq!(one.rebuild(&mut |_, _| {}).unwrap().after, digest(&office));
    save(&mut office, OFFICE, vec![edit("verdict", verdict, &[("action", "release".into())])]);
    assert_eq!(beneficiaries(&office), Some(999));
    // A device's own verdict is kept and does nothing.
    save(&mut one, 2, vec![edit("verdict", verdict, &[("action", "release".into())])]);
    assert_eq!(beneficiaries(&one), Some(5));
    assert_eq!(one.reader().unwrap().counts(None).unwrap().opaque, 1);
}

#[test]
fn copies_of_a_device_that_both_go_on_keep_everything() {
    let folder = Folder::new();
    let mut one = folder.store("one");
    save(&mut one, 2, vec![activity(1, "甲", 1)]);
    save(&mut one, 2, vec![activity(2, "乙", 1)]);
    seal(&mut one, 2);
    drop(one);
    folder.copy("one", "copy");
    folder.copy("one", "third");
    let mut replicas: Vec<Store> = ["one", "copy", "third"].iter().map(|name| folder.store(name)).collect();
    for (number, store) in (10u32..).zip(&mut replicas) {
        save(store, 2, vec![activity(number, &format!("副本{number}"), 1)]);
        save(store, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(i64::from(number)))])]);
        seal(store, 2);
    }
    // Every order of arrival, and device to device first.
    let (mut relay, mut other) = (folder.store("relay"), folder.store("other"));
    for store in &mut replicas {
        for fate in send(store, &mut relay, ViewMode::Now) {
            assert!(matches!(fate, Fate::Appended { .. } | Fate::Held), "{fate:?}");
        }
    }
    for store in replicas.iter_mut().rev() {
        send(store, &mut other, ViewMode::Now);
    }
    assert_eq!(relay.vector(&scope()), other.vector(&scope()));
    assert_eq!(relay.vector(&scope()).len(), 4, "a trunk and three branches");
    assert_eq!(titles(&relay), ["乙", "副本10", "副本11", "副本12", "甲"]);
    assert_eq!(digest(&relay), digest(&other));
    for store in &mut replicas {
        for _ in 0..2 {
            send(&mut relay, store, ViewMode::Now);
        }
        assert_eq!(store.vector(&scope()), relay.vector(&scope()));
        assert_eq!(digest(store), digest(&relay));
        let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
        assert_eq!(rebuilt.before, rebuilt.after);
        assert_eq!(store.check(&mut |_, _| {}).unwrap(), []);
    }
}

#[test]
fn bad_envelopes_are_named_and_nothing_is_kept() {
    let folder = Folder::new();
    let (mut one, mut relay) = (folder.store("one"), folder.store("relay"));
    save(&mut one, 2, vec![activity(1, "甲", 1)]);
    seal(&mut one, 2);
    save(&mut one, 2, vec![activity(2, "乙", 1)]);
    seal(&mut one, 2);
    let trunk = lastmile_log::Segment::trunk(author(2));
    let (batches, _) = one.path_batches(&scope(), &trunk, 0, u64::MAX).unwrap();
    let mut take = |packed: Vec<u8>, seals: Vec<lastmile_log::Seal>| {
        let incoming = lastmile_store::Incoming { packed, seals };
        relay.ingest(vec![incoming], ViewMode::Now, lastmile_store::Durability::Full).unwrap().remove(0).fate
    };
    let first = &batches[0];
    let last = batches.last().unwrap();
    assert_eq!(take(last.packed.clone(), last.seals.clone()), Fate::Gap { have: 0 });
    let forged = forged_seal(3, first.seals[0].seq, first.seals[0].chain);
    assert_eq!(take(first.packed.clone(), vec![lastmile_log::Seal { author: author(2), ..forged }]), Fate::BadSeal);
    let mut bent = first.packed.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    assert!(matches!(take(bent, first.seals.clone()), Fate::Malformed(_) | Fate::BadSeal));
    assert_eq!(take(first.packed.clone(), Vec::new()), Fate::Pending);
    assert_eq!(take(first.packed.clone(), first.seals.clone()), Fate::Appended { commits: 1, changes: 1 });
    assert_eq!(take(first.packed.clone(), first.seals.clone()), Fate::Held);
    assert_eq!(relay.reader().unwrap().counts(None).unwrap(), Counts { applied: 1, ..Counts::default() });
}

#[test]
fn a_second_writer_is_refused_and_an_unknown_record_named() {
    let folder = Folder::new();
    let mut one = folder.store("one");
    let path = folder.0.path().join("one");
    assert!(matches!(open(&path, &OpenOptions::default(), Catalogue::builtin()), Err(StoreError::InUse { .. })));
    let new = commit(vec![edit("activity", id(9), &[("note", "x".into())])], 1);
    let refused = one.save(&key(2), &[new], lastmile_store::Durability::Full);
    assert!(matches!(refused, Err(StoreError::NoRecord { .. })));
    assert_eq!(one.unsent(author(2)).unwrap().commits, 0);
}

#[test]
fn an_edit_beside_a_verification_waits_as_a_correction() {
    let folder = Folder::new();
    let (mut worker, mut secretary) = (folder.store("worker"), folder.store("secretary"));
    save(&mut worker, 2, vec![activity(1, "清洁日", 20)]);
    save(&mut worker, 2, vec![event("activity", id(1), 1, "submit", "2025-03-05")]);
    seal(&mut worker, 2);
    send(&mut worker, &mut secretary, ViewMode::Now);
    save(&mut secretary, 3, vec![event("activity", id(1), 2, "verify", "2025-03-06")]);
    save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(200)), ("note", "补记".into())])]);
    seal(&mut worker, 2);
    seal(&mut secretary, 3);
    send(&mut worker, &mut secretary, ViewMode::Now);
    send(&mut secretary, &mut worker, ViewMode::Now);
    assert_eq!(digest(&worker), digest(&secretary));
    assert_eq!(beneficiaries(&worker), Some(20), "the verified figure stands");
    let record = worker.reader().unwrap().record("activity", id(1), None).unwrap();
    assert_eq!(record.state.as_deref(), Some("verified"));
    assert_eq!(record.values["note"], "补记".into(), "a note is no figure");
    let held: Vec<&str> =
        record.conflicts.iter().filter(|one| one.kind.is_held()).map(|one| one.field.as_str()).collect();
    assert_eq!(held, ["beneficiaries"]);
}
