//! Erased.

use lastmile_model::Value;
use lastmile_store::{Counts, Erasure, Store, ViewMode};

use super::{Case, NONE, cells};
use crate::raw::{encoded, identity, inject};
use crate::sites::Sites;
use crate::support::{OFFICE, activity, create, edit, id, save, scope, seal, send};

cells!(
    erased,
    erased_before_it_came,
    erased_carried_as_a_stub,
    erased_before_what_it_builds_on_came,
    erased_of_an_unknown_type,
    erased_while_pending,
    change_to_an_erased_record,
    second_creation_of_an_erased_record,
    erased_and_restated,
);

pub(super) fn record(number: u32) -> Vec<Erasure> {
    vec![Erasure { record: id(number), changes: Vec::new() }]
}

/// A worker's two activities in one commit and an edit of the first.
fn two_activities(sites: &mut Sites) -> Store {
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "张三家", 1), activity(2, "义诊", 30)]);
    save(&mut worker, 2, vec![edit("activity", id(1), &[("note", "李四".into())])]);
    seal(&mut worker, 2);
    worker
}

const ERASED: Case = Case {
    make: |sites| {
        let mut worker = two_activities(sites);
        let mut here = sites.open("here");
        send(&mut worker, &mut here, ViewMode::Now);
        let scrubbed = here.erase(&scope(), &record(1)).unwrap();
        assert_eq!((scrubbed.changes, scrubbed.clean), (2, true));
        assert_eq!(here.erase(&scope(), &record(1)).unwrap().changes, 0, "repeating it is harmless");
        here
    },
    counts: Counts { applied: 1, erased: 2, ..NONE },
    reasons: &["erased", "erased"],
    rows: &[("义诊", 30)],
    sealed: [2, 0],
};

fn erased() -> Case {
    ERASED
}

fn erased_before_it_came() -> Case {
    Case {
        make: |sites| {
            let mut worker = two_activities(sites);
            let mut here = sites.open("here");
            assert_eq!(here.erase(&scope(), &record(1)).unwrap().changes, 0);
            drop(here);
            let mut here = sites.again("here");
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        ..ERASED
    }
}

fn erased_carried_as_a_stub() -> Case {
    Case {
        make: |sites| {
            let mut worker = two_activities(sites);
            worker.erase(&scope(), &record(1)).unwrap();
            let mut here = sites.open("here");
            here.erase(&scope(), &record(1)).unwrap();
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        ..ERASED
    }
}

/// It will never be more than a stub, so it does not wait.
fn erased_before_what_it_builds_on_came() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = (two_activities(sites), sites.open("colleague"));
            send(&mut worker, &mut colleague, ViewMode::Now);
            save(&mut colleague, 3, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(2))])]);
            let theirs = crate::log::commits(&mut colleague, 3);
            let mut here = sites.open("here");
            here.erase(&scope(), &record(1)).unwrap();
            crate::log::take(&mut here, crate::log::batch(3, &theirs, &[1]));
            here
        },
        counts: Counts { erased: 1, ..NONE },
        reasons: &["erased"],
        rows: &[],
        sealed: [0, 1],
    }
}

fn erased_of_an_unknown_type() -> Case {
    Case {
        make: |sites| {
            let mut here = sites.open("here");
            save(&mut here, 2, vec![activity(2, "义诊", 30)]);
            let raw = |number, kind| encoded(2, kind, id(number), &[], 1, &identity(kind, id(number)));
            inject(&mut here, 2, &[raw(1, "household_visit"), raw(3, "household_visit")]);
            here.erase(&scope(), &record(1)).unwrap();
            here
        },
        counts: Counts { applied: 1, erased: 1, opaque: 1, ..NONE },
        reasons: &["erased", "newer_version"],
        ..ERASED
    }
}

/// Without a seal it is kept aside, without its bytes; the seal then makes it a stub.
fn erased_while_pending() -> Case {
    Case {
        make: |sites| {
            let mut worker = two_activities(sites);
            let log = crate::log::commits(&mut worker, 2);
            let mut here = sites.open("here");
            crate::log::take(&mut here, crate::log::batch(2, &log, &[]));
            here.erase(&scope(), &record(1)).unwrap();
            crate::log::take(&mut here, crate::log::batch(2, &log, &[2]));
            here
        },
        ..ERASED
    }
}

/// A colleague who has not heard of the erasure edits the record in a commit with something else.
fn change_to_an_erased_record() -> Case {
    Case {
        make: |sites| {
            let mut worker = two_activities(sites);
            let (mut colleague, mut here) = (sites.open("colleague"), sites.open("here"));
            send(&mut worker, &mut colleague, ViewMode::Now);
            send(&mut worker, &mut here, ViewMode::Now);
            here.erase(&scope(), &record(1)).unwrap();
            let served = |number| edit("activity", id(number), &[("beneficiaries", Value::Int(31))]);
            save(&mut colleague, 3, vec![served(1), served(2)]);
            seal(&mut colleague, 3);
            send(&mut colleague, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, erased: 3, ..NONE },
        reasons: &["erased", "erased", "erased"],
        rows: &[("义诊", 31)],
        sealed: [2, 1],
    }
}

fn second_creation_of_an_erased_record() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = (two_activities(sites), sites.open("colleague"));
            save(&mut colleague, 3, vec![activity(1, "张三家", 2)]);
            seal(&mut colleague, 3);
            let mut here = sites.open("here");
            send(&mut worker, &mut here, ViewMode::Now);
            here.erase(&scope(), &record(1)).unwrap();
            send(&mut colleague, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 1, erased: 3, ..NONE },
        reasons: &["erased", "erased", "erased"],
        sealed: [2, 1],
        ..ERASED
    }
}

/// The office restates what may stay, in a first change of its own.
fn erased_and_restated() -> Case {
    Case {
        make: |sites| {
            let mut worker = two_activities(sites);
            let (mut office, mut here) = (sites.open("office"), sites.open("here"));
            send(&mut worker, &mut office, ViewMode::Now);
            send(&mut worker, &mut here, ViewMode::Now);
            here.erase(&scope(), &record(1)).unwrap();
            office.erase(&scope(), &record(1)).unwrap();
            let kept = [("date", "2025-03-05".into()), ("category", "01".into()), ("beneficiaries", 1.into())];
            save(&mut office, OFFICE, vec![create("activity", id(1), &kept)]);
            seal(&mut office, OFFICE);
            send(&mut office, &mut here, ViewMode::Now);
            let refused = save_refused(&mut here);
            assert!(matches!(refused, lastmile_store::StoreError::Erased { .. }), "{refused}");
            here
        },
        counts: Counts { applied: 2, erased: 2, ..NONE },
        rows: &[("", 1), ("义诊", 30)],
        ..ERASED
    }
}

/// A device that knows of the erasure does not write about the record any more.
fn save_refused(here: &mut Store) -> lastmile_store::StoreError {
    let new = crate::support::commit(vec![edit("activity", id(1), &[("note", "x".into())])], 1);
    here.save(&crate::support::key(4), &[new], lastmile_store::Durability::Full).unwrap_err()
}
