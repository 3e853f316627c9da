//! Pending, waiting, applied.

use lastmile_model::Value;
use lastmile_store::{Counts, Erasure, Fate, Store, ViewMode};

use super::{Case, NONE, cells};
use crate::log::{batch, commits, take};
use crate::sites::Sites;
use crate::support::{OFFICE, activity, edit, id, outgoing, save, seal, send};

cells!(
    pending,
    pending_then_sealed,
    pending_beyond_a_seal,
    pending_beside_what_is_held,
    pending_on_two_branches,
    waiting,
    waiting_then_applied,
    waiting_for_an_erased_change,
    waiting_for_a_stub,
    waiting_without_the_order,
    applied,
    applied_on_both_sides,
);

/// A worker's log of three commits: one activity, edited twice.
fn three_commits(sites: &mut Sites) -> Vec<lastmile_log::Commit> {
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(6))])]);
    save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(7))])]);
    commits(&mut worker, 2)
}

/// A worker's activity, and a colleague who has edited it.
fn two_authors(sites: &mut Sites) -> (Store, Store) {
    let (mut worker, mut colleague) = (sites.open("worker"), sites.open("colleague"));
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    seal(&mut worker, 2);
    send(&mut worker, &mut colleague, ViewMode::Now);
    save(&mut colleague, 3, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(20))])]);
    seal(&mut colleague, 3);
    (worker, colleague)
}

/// Gives `here` the log of author 3 alone.
fn later_first(colleague: &mut Store, here: &mut Store) {
    let later = commits(colleague, 3);
    assert_eq!(take(here, batch(3, &later, &[1])), Fate::Appended { commits: 1, changes: 1 });
}

fn pending() -> Case {
    Case {
        make: |sites| {
            let log = three_commits(sites);
            let mut here = sites.open("here");
            assert_eq!(take(&mut here, batch(2, &log, &[])), Fate::Pending);
            assert_eq!(here.pending_heads(&crate::support::scope()).unwrap()[0].seq, 3, "listed as a range");
            here
        },
        counts: Counts { pending: 3, ..NONE },
        reasons: &[],
        rows: &[],
        sealed: [0, 0],
    }
}

fn pending_then_sealed() -> Case {
    Case {
        make: |sites| {
            let log = three_commits(sites);
            let mut here = sites.open("here");
            assert_eq!(take(&mut here, batch(2, &log, &[])), Fate::Pending);
            assert_eq!(take(&mut here, batch(2, &log, &[3])), Fate::Appended { commits: 3, changes: 3 });
            here
        },
        counts: Counts { applied: 3, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 7)],
        sealed: [3, 0],
    }
}

fn pending_beyond_a_seal() -> Case {
    Case {
        make: |sites| {
            let log = three_commits(sites);
            let mut here = sites.open("here");
            assert_eq!(take(&mut here, batch(2, &log, &[2])), Fate::Appended { commits: 2, changes: 2 });
            here
        },
        counts: Counts { applied: 2, pending: 1, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 6)],
        sealed: [2, 0],
    }
}

/// Batches without a seal that begin with what is held, or with what another such batch holds.
fn pending_beside_what_is_held() -> Case {
    Case {
        make: |sites| {
            let log = three_commits(sites);
            let mut here = sites.open("here");
            assert_eq!(take(&mut here, batch(2, &log[..1], &[1])), Fate::Appended { commits: 1, changes: 1 });
            for (from, to) in [(0, 2), (1, 3), (0, 3), (1, 2)] {
                assert_eq!(take(&mut here, batch(2, &log[from..to], &[])), Fate::Pending);
            }
            here
        },
        counts: Counts { applied: 1, pending: 2, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 5)],
        sealed: [1, 0],
    }
}

/// A copy of the worker's device went on; both sides come without a seal.
fn pending_on_two_branches() -> Case {
    Case {
        make: |sites| {
            let mut worker = sites.open("worker");
            save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
            seal(&mut worker, 2);
            drop(worker);
            sites.copy("worker", "copy");
            let mut here = sites.open("here");
            for (name, served) in [("worker", 6), ("copy", 7)] {
                let mut store = sites.again(name);
                save(&mut store, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(served))])]);
                let log = commits(&mut store, 2);
                let held = take(&mut here, batch(2, &log[..1], &[1]));
                assert!(matches!(held, Fate::Appended { .. } | Fate::Held));
                assert_eq!(take(&mut here, batch(2, &log, &[])), Fate::Pending);
            }
            here
        },
        counts: Counts { applied: 1, pending: 2, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 5)],
        sealed: [1, 0],
    }
}

fn waiting() -> Case {
    Case {
        make: |sites| {
            let (_, mut colleague) = two_authors(sites);
            let mut here = sites.open("here");
            later_first(&mut colleague, &mut here);
            here
        },
        counts: Counts { waiting: 1, ..NONE },
        reasons: &["dependency_unknown"],
        rows: &[],
        sealed: [0, 1],
    }
}

fn waiting_then_applied() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = two_authors(sites);
            let mut here = sites.open("here");
            later_first(&mut colleague, &mut here);
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 20)],
        sealed: [1, 1],
    }
}

/// The record is erased while its second change waits for the first: both come to nothing.
fn waiting_for_an_erased_change() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = two_authors(sites);
            let mut here = sites.open("here");
            later_first(&mut colleague, &mut here);
            let erasure = Erasure { record: id(1), changes: Vec::new() };
            here.erase(&crate::support::scope(), &[erasure]).unwrap();
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { erased: 2, ..NONE },
        reasons: &["erased", "erased"],
        rows: &[],
        sealed: [1, 1],
    }
}

/// What the office's edit waits for comes as a stub.
fn waiting_for_a_stub() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut office) = (sites.open("worker"), sites.open("office"));
            save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
            seal(&mut worker, 2);
            send(&mut worker, &mut office, ViewMode::Now);
            save(&mut office, OFFICE, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(20))])]);
            let mut here = sites.open("here");
            let later = commits(&mut office, OFFICE);
            assert_eq!(take(&mut here, batch(OFFICE, &later, &[1])), Fate::Appended { commits: 1, changes: 1 });
            assert_eq!(crate::sites::counts(&here).waiting, 1);
            let erasure = [Erasure { record: id(1), changes: Vec::new() }];
            worker.erase(&crate::support::scope(), &erasure).unwrap();
            here.erase(&crate::support::scope(), &erasure).unwrap();
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 1, erased: 1, ..NONE },
        reasons: &["erased"],
        rows: &[],
        sealed: [1, 0],
    }
}

/// What it waits for comes as a stub, from one who knows of an erasure that has not reached here: it is not taken.
fn waiting_without_the_order() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = two_authors(sites);
            let mut here = sites.open("here");
            later_first(&mut colleague, &mut here);
            let erasure = Erasure { record: id(1), changes: Vec::new() };
            worker.erase(&crate::support::scope(), &[erasure]).unwrap();
            assert_eq!(outgoing(&mut worker, &mut here).len(), 1);
            assert_eq!(send(&mut worker, &mut here, ViewMode::Now), [Fate::Withheld]);
            here
        },
        counts: Counts { waiting: 1, ..NONE },
        reasons: &["dependency_unknown"],
        rows: &[],
        sealed: [0, 1],
    }
}

fn applied() -> Case {
    Case {
        make: |sites| {
            let mut here = sites.open("here");
            save(&mut here, 2, vec![activity(1, "清洁日", 5), activity(2, "义诊", 30)]);
            seal(&mut here, 2);
            here
        },
        counts: Counts { applied: 2, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 5), ("义诊", 30)],
        sealed: [1, 0],
    }
}

/// Two authors edit one field beside each other.
fn applied_on_both_sides() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = two_authors(sites);
            let mut here = sites.open("here");
            save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(9))])]);
            seal(&mut worker, 2);
            send(&mut worker, &mut here, ViewMode::Now);
            send(&mut colleague, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 3, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 9)],
        sealed: [2, 1],
    }
}
