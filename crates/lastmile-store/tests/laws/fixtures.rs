//! Histories that once went wrong, by name.

use lastmile_crdt::Edit;
use lastmile_log::{Certificate, Issuer};
use lastmile_model::{Catalogue, Value};
use lastmile_store::query::Query;
use lastmile_store::{Counts, Durability, NewCommit, RecordEdit, Store, ViewMode};

use crate::log::{batch, commits, take};
use crate::sites::{Sites, counts, reader};
use crate::states::{NONE, verdict};
use crate::support::{OFFICE, activity, commit, create, deployment, digest, edit, id, key, save, scope, seal, send};

/// The persons served of the only activity.
fn served(store: &Store) -> Option<i64> {
    let reader = reader(store);
    let query = Query::new(reader.type_no("activity").unwrap(), &["beneficiaries"]);
    reader.rows(&query).unwrap().first().and_then(|row| row.cells[0].int())
}

/// Both copies of a device write the very same change, each in a commit of its own; the office hides one of the two commits. Which
/// of them a replica heard of first must not matter.
#[test]
fn one_change_on_two_branches_of_which_one_is_quarantined() {
    let mut sites = Sites::memory();
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut worker, 2);
    drop(worker);
    sites.copy("worker", "copy");
    let mut branches = Vec::new();
    for (name, other) in [("worker", 10), ("copy", 11)] {
        let mut store = sites.again(name);
        let same = edit("activity", id(1), &[("beneficiaries", Value::Int(9))]);
        let saved = save(&mut store, 2, vec![same, activity(other, "另一个", 1)]);
        let log = commits(&mut store, 2);
        assert_eq!(log.len(), 2);
        branches.push((saved, log));
    }
    let hash = |branch: usize| branches[branch].1[1].header.changes[0].header.hash;
    assert_eq!(hash(0), hash(1), "the same change");
    let mut office = sites.open("office");
    verdict(&mut office, 2, (branches[0].0.seq, branches[0].0.seq), branches[0].0.chain, "quarantine");
    let mut seen = Vec::new();
    for (name, order) in [("one", [0, 1]), ("two", [1, 0])] {
        let mut store = sites.open(name);
        for branch in order {
            take(&mut store, batch(2, &branches[branch].1, &[2]));
        }
        send(&mut office, &mut store, ViewMode::Now);
        let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
        assert_eq!(rebuilt.before, rebuilt.after);
        seen.push((digest(&store), counts(&store)));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].1, Counts { applied: 4, quarantined: 2, ..NONE });
}

/// An author whom root certifies as an office author only after its records came.
#[test]
fn an_office_author_that_is_certified_late() {
    let mut sites = Sites::memory();
    let (mut worker, mut late) = (sites.open("worker"), sites.open("late"));
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    let bad = save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(999))])]);
    seal(&mut worker, 2);
    let by_root = certificate_by_root(5);
    late.add_certificates(std::slice::from_ref(&by_root)).unwrap();
    let fields = [
        ("author", Value::Bytes(crate::support::author(2).0.to_vec())),
        ("from_seq", Value::Int(2)),
        ("to_seq", Value::Int(2)),
        ("chain", Value::Bytes(bad.chain.0.to_vec())),
        ("action", "quarantine".into()),
    ];
    let entering: Vec<&Value> = fields[..4].iter().map(|(_, value)| value).collect();
    let id = lastmile_model::derive::record_id("verdict", &entering).unwrap();
    save(&mut late, 5, vec![create("verdict", id, &fields)]);
    seal(&mut late, 5);
    let mut seen = Vec::new();
    for (name, first) in [("before", true), ("after", false)] {
        let mut store = sites.open(name);
        if first {
            store.add_certificates(std::slice::from_ref(&by_root)).unwrap();
        }
        send(&mut worker, &mut store, ViewMode::Now);
        send(&mut late, &mut store, ViewMode::Now);
        if !first {
            assert_eq!(counts(&store), Counts { applied: 2, opaque: 1, ..NONE });
            store.add_certificates(std::slice::from_ref(&by_root)).unwrap();
        }
        assert_eq!(served(&store), Some(5), "{name}");
        assert_eq!(counts(&store), Counts { applied: 2, quarantined: 1, ..NONE });
        let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
        assert_eq!(rebuilt.before, rebuilt.after);
        seen.push(digest(&store));
    }
    assert_eq!(seen[0], seen[1]);
}

fn certificate_by_root(by: u8) -> Certificate {
    let certificate = Certificate {
        public: key(by).public(),
        device: "spare".to_owned(),
        persons: Vec::new(),
        roles: Vec::new(),
        scopes: vec![scope()],
        from_ms: 0,
        until_ms: None,
        issuer: Issuer::Root,
        signature: [0; 64],
        consent: None,
    };
    certificate.signed(&key(0), &deployment())
}

/// A version with more fields makes the views anew; commits that no seal covers yet must show as before, and a save must not skip them.
#[test]
fn unsealed_commits_after_the_views_were_made_anew() {
    let more = Catalogue::builtin().extended("more.toml", MORE).unwrap();
    for saves_first in [false, true] {
        let mut sites = Sites::files();
        let mut store = sites.open("device");
        save(&mut store, 2, vec![activity(1, "清洁日", 5)]);
        seal(&mut store, 2);
        save(&mut store, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(6))])]);
        drop(store);
        let mut store = sites.again_with("device", &more);
        assert_eq!(counts(&store), Counts { unviewed: 2, ..NONE });
        if saves_first {
            save(&mut store, 2, vec![edit("activity", id(1), &[("note", "很好".into())])]);
        }
        while store.follow_views(1).unwrap() {}
        assert_eq!(served(&store), Some(6), "saves first: {saves_first}");
        assert_eq!(counts(&store), Counts { applied: 2 + u64::from(saves_first), ..NONE });
        let rebuilt = store.rebuild(&mut |_, _| {}).unwrap();
        assert_eq!(rebuilt.before, rebuilt.after);
    }
}

const MORE: &str = r#"
name = "activity"
zh = "活动"
en = "Activity"
fields = [
  { name = "weather", kind = "text", max = 20, merge = "R", level = 0, zh = "天气", en = "Weather" },
]
"#;

/// A type that this version learns to know is looked at again.
#[test]
fn an_unknown_type_after_the_program_learned_it() {
    let visit = r#"
name = "household_visit"
zh = "走访"
en = "Visit"
scope = "community"
fields = [
  { name = "note", kind = "text", max = 20, merge = "R", level = 0, zh = "备注", en = "Note" },
]
"#;
    let newer = Catalogue::builtin().extended("visit.toml", visit).unwrap();
    let mut sites = Sites::files();
    let mut newer_device = sites.again_with("newer", &newer);
    newer_device.set_deployment(&deployment()).unwrap();
    newer_device.add_certificates(&crate::support::certificates()).unwrap();
    save(&mut newer_device, 2, vec![create("household_visit", id(1), &[("note", "敲门".into())])]);
    seal(&mut newer_device, 2);
    let mut older = sites.open("older");
    send(&mut newer_device, &mut older, ViewMode::Now);
    assert_eq!(counts(&older), Counts { opaque: 1, ..NONE });
    drop(older);
    let mut updated = sites.again_with("older", &newer);
    while updated.follow_views(1).unwrap() {}
    assert_eq!(counts(&updated), Counts { applied: 1, ..NONE });
    assert_eq!(digest(&updated), digest(&newer_device));
}

/// Two edits of one record in one call build on each other, whatever the views show by then.
#[test]
fn commits_of_one_call_build_on_each_other() {
    let mut sites = Sites::memory();
    let mut store = sites.open("device");
    let new = |edits: Vec<RecordEdit>| -> NewCommit { commit(edits, 1_740_000_000_000) };
    let edits = [
        new(vec![activity(1, "清洁日", 5)]),
        new(vec![edit("activity", id(1), &[("beneficiaries", Value::Int(6))])]),
        new(vec![RecordEdit { edits: vec![Edit::remove("beneficiaries")], ..edit("activity", id(1), &[]) }]),
    ];
    store.save(&key(2), &edits, Durability::Full).unwrap();
    assert_eq!(served(&store), None);
    assert_eq!(counts(&store), Counts { applied: 3, ..NONE });
    assert_ne!(OFFICE, 2);
}
