//! Of each branch the highest receipt says everything.

use std::ops::ControlFlow;

use lastmile_log::{Receipt, Segment, chain_hash};
use lastmile_store::{Durability, Store, Unsent, ViewMode};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::log::{batch, commits, take};
use crate::sites::Sites;
use crate::support::{OFFICE, activity, author, commit, deployment, edit, id, key, save, scope, seal, send};

fn receipt(seq: u64, chain: lastmile_model::ChainHash) -> Receipt {
    Receipt::sign(&key(OFFICE), &deployment(), &scope(), author(2), seq, chain)
}

fn kept(store: &Store) -> Vec<u64> {
    store.receipts_of(&scope(), author(2)).unwrap().iter().map(|receipt| receipt.seq).collect()
}

#[test]
fn lower_receipts_of_a_log_go() {
    let mut sites = Sites::files();
    let mut worker = sites.open("worker");
    worker.set_epoch(author(OFFICE)).unwrap();
    for number in 1..6 {
        save(&mut worker, 2, vec![activity(number, "清洁日", 5)]);
        seal(&mut worker, 2);
    }
    let log = commits(&mut worker, 2);
    let of = |seq: usize| receipt(seq as u64, chain_hash(&log[seq - 1].header));
    for (seq, expected) in [(1, [1]), (3, [3]), (2, [3]), (5, [5]), (5, [5]), (4, [5])] {
        assert_eq!(worker.add_receipts(&[of(seq)]).unwrap(), 1);
        assert_eq!(kept(&worker), expected, "after that of commit {seq}");
    }
    assert_eq!(worker.receipted(&scope()).unwrap().get(&Segment::trunk(author(2))).unwrap().0, 5);
    assert_eq!(worker.unsent(author(2)).unwrap(), Unsent::default());
    let mut late = sites.open("late");
    late.set_epoch(author(OFFICE)).unwrap();
    assert_eq!(late.add_receipts(&[of(1), of(5), of(2)]).unwrap(), 3);
    assert_eq!(kept(&late), [1, 2, 5], "of commits that are not held nothing is known");
    send(&mut worker, &mut late, ViewMode::Now);
    assert_eq!(late.add_receipts(&[of(5)]).unwrap(), 1);
    assert_eq!(kept(&late), [5]);
}

#[test]
fn each_branch_keeps_its_own() {
    let mut sites = Sites::files();
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut worker, 2);
    drop(worker);
    sites.copy("worker", "copy");
    let mut here = sites.open("here");
    here.set_epoch(author(OFFICE)).unwrap();
    let mut receipts = Vec::new();
    for (name, length) in [("worker", 2), ("copy", 3)] {
        let mut store = sites.again(name);
        for number in 2..=length {
            save(&mut store, 2, vec![activity(number, name, 5)]);
        }
        let log = commits(&mut store, 2);
        take(&mut here, batch(2, &log, &[u64::from(length)]));
        receipts.extend(log.iter().map(|commit| receipt(commit.header.seq, chain_hash(&commit.header))));
    }
    assert_eq!(here.add_receipts(&receipts).unwrap(), 5);
    assert_eq!(kept(&here), [2, 3]);
    assert_eq!(here.receipted(&scope()).unwrap(), here.vector(&scope()), "trunk and both branches");
}

/// What is unsent is added up from one time to the next, and is what stands in the log however it was counted before.
#[test]
fn what_is_unsent_is_counted_as_it_stands() {
    for seed in 0..12 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut sites = Sites::files();
        let mut worker = sites.open("worker");
        worker.set_epoch(author(OFFICE)).unwrap();
        let (mut sizes, mut done, mut number) = (Vec::<u64>::new(), 0, 0);
        for step in 0..30 {
            match random.random_range(0..10) {
                0 if !sizes.is_empty() => {
                    let seq = random.random_range(1..=sizes.len());
                    let log = commits(&mut worker, 2);
                    worker.add_receipts(&[receipt(seq as u64, chain_hash(&log[seq - 1].header))]).unwrap();
                    done = done.max(seq);
                }
                1 => {
                    let nobody = commit(vec![edit("activity", id(99_999), &[("note", "无".into())])], 1);
                    assert!(worker.save(&key(2), &[nobody], Durability::Full).is_err());
                }
                2 => {
                    drop(worker);
                    worker = sites.again("worker");
                }
                _ => {
                    let size = random.random_range(1..4);
                    let edits = (0..size).map(|_| {
                        number += 1;
                        activity(number, "清洁日", 5)
                    });
                    save(&mut worker, 2, edits.collect());
                    sizes.push(size);
                }
            }
            if random.random_ratio(1, 2) {
                continue;
            }
            let open = sizes.get(done..).unwrap_or(&[]);
            let expected = Unsent { commits: open.len() as u64, changes: open.iter().sum() };
            assert_eq!(worker.unsent(author(2)).unwrap(), expected, "seed {seed}, step {step}");
            let mut seen = Unsent::default();
            let visited = worker.visit_unsent(&scope(), author(2), &mut |header| {
                seen.commits += 1;
                seen.changes += header.changes.len() as u64;
                ControlFlow::Continue(())
            });
            visited.unwrap();
            assert_eq!(seen, expected, "seed {seed}, step {step}");
        }
    }
}

#[test]
fn a_scope_that_comes_again_is_counted_anew() {
    let mut sites = Sites::files();
    let mut worker = sites.open("worker");
    save(&mut worker, 2, (1..4).map(|number| activity(number, "清洁日", 5)).collect());
    assert_eq!(worker.unsent(author(2)).unwrap(), Unsent { commits: 1, changes: 3 });
    worker.forget_scope(&scope()).unwrap();
    worker.hold_scope(&scope()).unwrap();
    save(&mut worker, 2, vec![activity(4, "清洁日", 5)]);
    save(&mut worker, 2, vec![activity(5, "清洁日", 5)]);
    assert_eq!(
        worker.unsent(author(2)).unwrap(),
        Unsent { commits: 2, changes: 2 },
        "its log has the old one's number"
    );
}
