//! Stored bytes that rot: what they do not touch goes on.

use lastmile_store::storage::Storage;
use lastmile_store::{Counts, Store, ViewMode};

use crate::sites::{Sites, counts, reader};
use crate::support::{activity, author, digest, save, scope, seal, send};

/// Replaces a byte in the middle of the only run of a strand.
fn rot(storage: &mut dyn Storage, strand: u32) {
    let mut blob = storage.blob_with(strand, 1).unwrap().unwrap();
    let middle = blob.packed.len() / 2;
    blob.packed[middle] ^= 1;
    storage.put_blob(strand, blob.first, blob.last, &blob.packed).unwrap();
}

#[test]
fn a_log_that_cannot_be_read_stays_behind_alone() {
    let mut sites = Sites::memory();
    let mut here = sites.open("here");
    let mut logs: Vec<Store> = Vec::new();
    for by in [2, 3, 4] {
        let mut worker = sites.open(&format!("worker {by}"));
        save(&mut worker, by, vec![activity(u32::from(by), "清洁日", 5), activity(u32::from(by) + 10, "义诊", 3)]);
        seal(&mut worker, by);
        send(&mut worker, &mut here, ViewMode::Later);
        logs.push(worker);
    }
    drop(here);
    let Sites::Memory(kept) = &mut sites else { unreachable!() };
    rot(kept.get_mut("here").unwrap(), 1);
    let mut here = sites.again("here");
    while here.follow_views(1).unwrap() {}
    let skipped: Vec<_> = here.skipped().map(|log| (log.scope, log.author)).collect();
    assert_eq!(skipped, [(scope(), author(2))]);
    assert_eq!((here.take_skipped().len(), here.take_skipped().len()), (1, 0));
    assert_eq!(counts(&here), Counts { applied: 4, unviewed: 2, ..Counts::default() });
    let listed = reader(&here).logs().unwrap();
    assert_eq!(
        listed.iter().map(|log| (log.changes, log.last_wall_ms > 0)).collect::<Vec<_>>(),
        [(2, false), (2, true), (2, true)]
    );
    let findings = here.check(&mut |_, _| {}).unwrap();
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&"run") && findings[0].text.contains(&author(2).to_string()), "{findings:?}");
    // What comes later is followed as well.
    save(&mut logs[1], 3, vec![activity(33, "讲座", 1)]);
    seal(&mut logs[1], 3);
    send(&mut logs[1], &mut here, ViewMode::Later);
    assert!(!here.follow_views(u64::MAX).unwrap());
    assert_eq!(counts(&here), Counts { applied: 5, unviewed: 2, ..Counts::default() });
    let mut whole = sites.open("whole");
    for log in &mut logs[1..] {
        send(log, &mut whole, ViewMode::Now);
    }
    assert_eq!(digest(&here), digest(&whole));
}
