//! The whole path, checked against the generator's own ledger.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what failed by stopping")]

use std::collections::BTreeSet;
use std::io::sink;
use std::path::Path;
use std::sync::Arc;

use lastmile_cli::demo::{self, Plan, Summary};
use lastmile_cli::messages::Language;
use lastmile_cli::output::Output;
use lastmile_log::{ChangeEntry, UnpackedBatch};
use lastmile_model::Catalogue;
use lastmile_store::sqlite::{self, OpenOptions, SqliteStorage};
use lastmile_store::storage::Strand;
use lastmile_store::{Durability, Reader, Store};
use lastmile_testkit::acceptance::{Ledger, Scale};

fn run(scale: Scale, seed: u64, folder: &Path, without: Option<usize>) -> (Summary, Ledger) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let plan = Plan { scale, seed, folder: folder.to_owned(), listen, without };
    let mut output = Output::to(Box::new(sink()), Box::new(sink()), Language::English, false);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(demo::run(&plan, &mut output)).unwrap()
}

#[test]
fn three_seeds_of_a_community_give_exactly_the_ledgers_figures_and_a_deleted_blob_shows() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let (summary, ledger) = run(Scale::Community, seed, folder.path(), None);
        let city = &ledger.city;
        assert_eq!((summary.members, summary.sessions, summary.served), (120, 107, 780), "seed {seed}");
        assert_eq!(summary.participations, i64::from(city.r5.verified), "seed {seed}");
        assert_eq!((summary.pairings, summary.pairings_of, summary.teams), (3, 3, 2), "seed {seed}");
        assert_eq!((summary.lost, summary.differing, summary.quarantined), (0, Some(0), 0), "seed {seed}");
        assert_eq!(summary.duplicates, ledger.duplicates.len(), "seed {seed}");
        let gone = delete_a_blob(&folder.path().join("relay/relay.db"));
        let mut reader = relay_reader(&folder.path().join("relay/relay.db"));
        let lost = demo::lost(&mut reader, &ledger).unwrap();
        assert!((1..=gone).contains(&lost), "seed {seed}: {gone} changes are gone, {lost} records are named as lost");
    }
}

fn relay_reader(database: &Path) -> Reader {
    let storage = SqliteStorage::open_reader(database, &OpenOptions::default(), Catalogue::builtin()).unwrap();
    Reader::new(storage, Arc::new(Catalogue::builtin().clone())).unwrap()
}

/// Deletes the blob that makes most activities, with what followed it in its log and cannot stand without it, as if they had never come,
/// and builds the views anew. Returns how many changes went.
fn delete_a_blob(database: &Path) -> usize {
    let catalogue = Catalogue::builtin();
    let mut storage = sqlite::open(database, &OpenOptions::default(), catalogue).unwrap();
    let mut blobs: Vec<(usize, Strand, UnpackedBatch)> = Vec::new();
    for strand in storage.strands().unwrap() {
        for (first, _, _) in storage.blob_list(strand.no).unwrap() {
            let blob = storage.blob_with(strand.no, first).unwrap().unwrap();
            let batch = lastmile_log::unpack(&blob.packed, 1 << 24).unwrap();
            let entries = batch.commits.iter().flat_map(|commit| &commit.header.changes);
            let is_new = |entry: &&ChangeEntry| entry.record_type == "activity" && entry.header.deps.is_empty();
            blobs.push((entries.filter(is_new).count(), strand.clone(), batch));
        }
    }
    let (_, strand, batch) = blobs.iter().max_by_key(|(made, ..)| *made).unwrap();
    let gone: Vec<&UnpackedBatch> = blobs
        .iter()
        .filter(|(_, of, one)| of.no == strand.no && one.first >= batch.first)
        .map(|(.., one)| one)
        .collect();
    let changes: usize = gone.iter().flat_map(|batch| &batch.commits).map(|commit| commit.header.changes.len()).sum();
    storage.begin(Durability::Full).unwrap();
    for one in &gone {
        storage.remove_blob(strand.no, one.first).unwrap();
    }
    let (head, chain) = (batch.first - 1, batch.prev);
    let kept = Strand {
        head,
        chain,
        sealed: head,
        sealed_chain: chain,
        viewed: head,
        changes: strand.changes - u64::try_from(changes).unwrap(),
        ..strand.clone()
    };
    storage.put_strand(&kept).unwrap();
    storage.commit().unwrap();
    let mut store = Store::new(storage, Arc::new(catalogue.clone())).unwrap();
    store.rebuild(&mut |_, _| {}).unwrap();
    changes
}

/// The records that only this device began.
fn only_there(ledger: &Ledger, number: usize) -> usize {
    let records = |number: &usize| ledger.devices[*number].records.values().flatten();
    let others: Vec<usize> = (0..ledger.devices.len()).filter(|other| *other != number).collect();
    let elsewhere: BTreeSet<_> = others.iter().flat_map(records).collect();
    records(&number).filter(|record| !elsewhere.contains(record)).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_lost_device_takes_exactly_its_own_work_with_it() {
    for (seed, number) in [(1, 3), (2, 7), (3, 11)] {
        let folder = tempfile::tempdir().unwrap();
        let (summary, ledger) = run(Scale::Street, seed, folder.path(), Some(number));
        let (city, gone) = (&ledger.city, &ledger.devices[number].contribution);
        let signed = |number: u64| i64::try_from(number).unwrap();
        let less = |all: u32, gone: u32| i64::from(all) - i64::from(gone);
        assert!(gone.sessions.verified > 0 && gone.members.verified > 0 && gone.participations.verified > 0);
        assert_eq!(summary.sessions, less(city.r4.verified, gone.sessions.verified), "seed {seed}");
        assert_eq!(summary.served, signed(city.r7.verified) - signed(gone.served.verified), "seed {seed}");
        assert_eq!(summary.members, less(city.r2.verified, gone.members.verified), "seed {seed}");
        assert_eq!(summary.participations, less(city.r5.verified, gone.participations.verified), "seed {seed}");
        // Pairings and teams are in the shared lists, which the city office's device alone records.
        assert!(!ledger.devices[number].records.contains_key("pairing"), "seed {seed}");
        assert!(!ledger.devices[number].records.contains_key("team"), "seed {seed}");
        assert_eq!(summary.pairings, i64::from(city.r10.organisations.covered), "seed {seed}");
        assert_eq!(summary.pairings_of, i64::from(city.r10.organisations.of), "seed {seed}");
        assert_eq!(summary.teams, i64::from(city.r12.registered), "seed {seed}");
        assert_eq!(summary.lost, only_there(&ledger, number), "seed {seed}: all that only it began is named as lost");
    }
}

#[test]
fn without_the_office_s_device_the_pairings_and_teams_are_missing_and_nothing_else() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let (summary, ledger) = run(Scale::Community, seed, folder.path(), Some(0));
        let city = &ledger.city;
        assert!(city.r10.organisations.covered > 0 && city.r12.registered > 0, "seed {seed}");
        assert_eq!((summary.pairings, summary.pairings_of, summary.teams), (0, 0, 0), "seed {seed}");
        let counted = (summary.sessions, summary.members, summary.participations);
        let [r4, r2, r5] = [city.r4.verified, city.r2.verified, city.r5.verified].map(i64::from);
        assert_eq!(counted, (r4, r2, r5), "seed {seed}");
        assert_eq!(summary.served, i64::try_from(city.r7.verified).unwrap(), "seed {seed}");
        assert_eq!(summary.lost, only_there(&ledger, 0), "seed {seed}");
    }
}
