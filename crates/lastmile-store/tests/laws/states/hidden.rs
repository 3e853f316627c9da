//! Quarantined and opaque.

use lastmile_model::Value;
use lastmile_store::{Counts, Store, ViewMode};

use super::{Case, NONE, cells, verdict};
use crate::log::{batch, commits, take};
use crate::raw::{Raw, bend, encoded, first, identity, inject};
use crate::sites::Sites;
use crate::support::{activity, author, create, edit, id, save, seal, send};

cells!(
    quarantined,
    quarantined_before_it_came,
    quarantined_while_it_waits,
    quarantined_in_a_range,
    quarantined_ancestor,
    released,
    released_before_it_came,
    verdict_on_the_office,
    opaque_of_a_newer_version,
    opaque_of_an_unknown_type,
    opaque_garbage,
    opaque_poison,
    opaque_with_another_header,
    opaque_under_another_id,
    opaque_office_record_of_a_device,
    opaque_then_edited_beside,
    opaque_copy_of_a_colleagues_change,
    incomplete_then_edited,
);

/// A worker's activity, then a second commit with a figure that nobody believes.
fn doubtful(sites: &mut Sites) -> (Store, u64, lastmile_model::ChainHash) {
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    let bad = save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(999))])]);
    seal(&mut worker, 2);
    (worker, bad.seq, bad.chain)
}

const QUARANTINED: Case = Case {
    make: |sites| {
        let (mut worker, seq, chain) = doubtful(sites);
        let mut office = sites.open("office");
        send(&mut worker, &mut office, ViewMode::Now);
        verdict(&mut office, 2, (seq, seq), chain, "quarantine");
        let mut here = sites.open("here");
        send(&mut worker, &mut here, ViewMode::Now);
        send(&mut office, &mut here, ViewMode::Now);
        here
    },
    counts: Counts { applied: 2, quarantined: 1, ..NONE },
    reasons: &["verdict"],
    rows: &[("清洁日", 5)],
    sealed: [2, 0],
};

fn quarantined() -> Case {
    QUARANTINED
}

fn quarantined_before_it_came() -> Case {
    Case {
        make: |sites| {
            let (mut worker, seq, chain) = doubtful(sites);
            let mut office = sites.open("office");
            verdict(&mut office, 2, (seq, seq), chain, "quarantine");
            let mut here = sites.open("here");
            send(&mut office, &mut here, ViewMode::Now);
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        ..QUARANTINED
    }
}

/// What is kept out of sight waits first, like anything else.
fn quarantined_while_it_waits() -> Case {
    Case {
        make: |sites| {
            let (mut worker, ..) = doubtful(sites);
            let (mut colleague, mut office) = (sites.open("colleague"), sites.open("office"));
            send(&mut worker, &mut colleague, ViewMode::Now);
            let bad = save(&mut colleague, 3, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(1000))])]);
            verdict(&mut office, 3, (bad.seq, bad.seq), bad.chain, "quarantine");
            let mut here = sites.open("here");
            send(&mut office, &mut here, ViewMode::Now);
            let later = commits(&mut colleague, 3);
            take(&mut here, batch(3, &later, &[1]));
            here
        },
        counts: Counts { applied: 1, waiting: 1, ..NONE },
        reasons: &["dependency_unknown"],
        rows: &[],
        sealed: [0, 1],
    }
}

fn quarantined_in_a_range() -> Case {
    Case {
        make: |sites| {
            let (mut worker, seq, chain) = doubtful(sites);
            let mut office = sites.open("office");
            verdict(&mut office, 2, (1, seq), chain, "quarantine");
            let mut here = sites.open("here");
            send(&mut worker, &mut here, ViewMode::Now);
            send(&mut office, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 1, quarantined: 2, ..NONE },
        reasons: &["verdict", "verdict"],
        rows: &[],
        sealed: [2, 0],
    }
}

/// The first change is kept out of sight; a colleague's edit of it is applied and shows no record.
fn quarantined_ancestor() -> Case {
    Case {
        make: |sites| {
            let (mut worker, mut colleague) = (sites.open("worker"), sites.open("colleague"));
            let made = save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
            seal(&mut worker, 2);
            send(&mut worker, &mut colleague, ViewMode::Now);
            save(&mut colleague, 3, vec![edit("activity", id(1), &[("note", "很好".into())])]);
            seal(&mut colleague, 3);
            let mut office = sites.open("office");
            verdict(&mut office, 2, (made.seq, made.seq), made.chain, "quarantine");
            let mut here = sites.open("here");
            send(&mut colleague, &mut here, ViewMode::Now);
            send(&mut office, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, quarantined: 1, ..NONE },
        reasons: &["verdict"],
        rows: &[],
        sealed: [1, 1],
    }
}

const RELEASED: Case = Case {
    make: |sites| {
        let mut office = sites.open("office");
        let mut here = (QUARANTINED.make)(sites);
        send(&mut here, &mut office, ViewMode::Now);
        let bad = office.sealed_heads(&crate::support::scope(), crate::support::author(2))[0];
        verdict(&mut office, 2, (bad.0, bad.0), bad.1, "release");
        send(&mut office, &mut here, ViewMode::Now);
        here
    },
    counts: Counts { applied: 4, ..NONE },
    reasons: &[],
    rows: &[("清洁日", 999)],
    sealed: [2, 0],
};

fn released() -> Case {
    Case {
        make: |sites| {
            let (mut worker, seq, chain) = doubtful(sites);
            let mut office = sites.open("office");
            let mut here = sites.open("here");
            send(&mut worker, &mut here, ViewMode::Now);
            verdict(&mut office, 2, (seq, seq), chain, "quarantine");
            send(&mut office, &mut here, ViewMode::Now);
            verdict(&mut office, 2, (seq, seq), chain, "release");
            send(&mut office, &mut here, ViewMode::Now);
            here
        },
        ..RELEASED
    }
}

fn released_before_it_came() -> Case {
    Case {
        make: |sites| {
            let (mut worker, seq, chain) = doubtful(sites);
            let mut office = sites.open("office");
            verdict(&mut office, 2, (seq, seq), chain, "quarantine");
            verdict(&mut office, 2, (seq, seq), chain, "release");
            let mut here = sites.open("here");
            send(&mut office, &mut here, ViewMode::Now);
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        ..RELEASED
    }
}

/// A verdict never names a commit of the office: it would hide itself.
fn verdict_on_the_office() -> Case {
    Case {
        make: |sites| {
            let mut office = sites.open("office");
            let made = save(&mut office, 1, vec![activity(1, "清洁日", 5)]);
            verdict(&mut office, 1, (1, made.seq + 1), made.chain, "quarantine");
            let mut here = sites.open("here");
            send(&mut office, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, ..NONE },
        reasons: &[],
        rows: &[("清洁日", 5)],
        sealed: [0, 0],
    }
}

/// A replica that holds one commit of author 2 with these changes, beside a proper record.
fn holding(sites: &mut Sites, changes: &[Raw]) -> Store {
    let mut here = sites.open("here");
    save(&mut here, 2, vec![activity(1, "清洁日", 5)]);
    inject(&mut here, 2, changes);
    here
}

const OPAQUE: Case = Case {
    make: |sites| holding(sites, &[first(2, "activity", id(2), b"nothing that any version wrote")]),
    counts: Counts { applied: 1, opaque: 1, ..NONE },
    reasons: &["malformed"],
    rows: &[("清洁日", 5)],
    sealed: [2, 0],
};

fn opaque_garbage() -> Case {
    OPAQUE
}

/// A salted change whose mark is another: a later version's.
fn opaque_of_a_newer_version() -> Case {
    Case {
        make: |sites| {
            let mut raw = encoded(2, "activity", id(2), &[], 1, &identity("activity", id(2)));
            let body_at = 10;
            assert!(raw.body.len() < 128 + body_at, "the length is one byte");
            raw.body.extend_from_slice(&[0x54; 17]);
            raw.body[9] += 17;
            holding(sites, &[bend(&raw, 17, 0x54)])
        },
        reasons: &["newer_version"],
        ..OPAQUE
    }
}

fn opaque_of_an_unknown_type() -> Case {
    Case {
        make: |sites| {
            let raw = encoded(2, "household_visit", id(2), &[], 1, &identity("household_visit", id(2)));
            holding(sites, &[raw])
        },
        reasons: &["newer_version"],
        ..OPAQUE
    }
}

/// A change that names a predecessor which is no operation of any ancestor: Automerge would save what it cannot load.
fn opaque_poison() -> Case {
    Case {
        make: |sites| {
            let mut fields = identity("activity", id(2));
            fields.push(("title", "毒".into()));
            let raw = encoded(2, "activity", id(2), &[], 7, &fields);
            holding(sites, &[raw])
        },
        reasons: &["not_admitted"],
        ..OPAQUE
    }
}

fn opaque_with_another_header() -> Case {
    Case {
        make: |sites| {
            let mut raw = encoded(2, "activity", id(2), &[], 1, &identity("activity", id(2)));
            raw.entry.header.op_count += 1;
            holding(sites, &[raw])
        },
        reasons: &["header_differs"],
        ..OPAQUE
    }
}

fn opaque_under_another_id() -> Case {
    Case {
        make: |sites| {
            let raw = encoded(2, "activity", id(2), &[], 1, &identity("activity", id(3)));
            holding(sites, &[raw])
        },
        reasons: &["wrong_id"],
        ..OPAQUE
    }
}

fn opaque_office_record_of_a_device() -> Case {
    Case {
        make: |sites| {
            let mut here = sites.open("here");
            save(&mut here, 2, vec![activity(1, "清洁日", 5)]);
            save(&mut here, 2, vec![create("grant", id(2), &[("role", "secretary".into())])]);
            seal(&mut here, 2);
            here
        },
        reasons: &["not_office"],
        ..OPAQUE
    }
}

/// A colleague edits a record beside an opaque change of it; a third cannot tell the order in which they came.
fn opaque_then_edited_beside() -> Case {
    Case {
        make: |sites| {
            let mut worker = sites.open("worker");
            save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
            inject(&mut worker, 2, &[first(2, "activity", id(1), b"from a later version")]);
            let mut colleague = sites.open("colleague");
            send(&mut worker, &mut colleague, ViewMode::Now);
            save(&mut colleague, 3, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(8))])]);
            seal(&mut colleague, 3);
            let mut here = sites.open("here");
            let theirs = commits(&mut colleague, 3);
            take(&mut here, batch(3, &theirs, &[1]));
            send(&mut colleague, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, opaque: 1, ..NONE },
        rows: &[("清洁日", 8)],
        sealed: [2, 1],
        ..OPAQUE
    }
}

/// Somebody commits a colleague's change as its own, with a header that would move it and all that is built on it out of its place.
fn opaque_copy_of_a_colleagues_change() -> Case {
    Case {
        make: |sites| {
            let mut worker = sites.open("worker");
            save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
            for number in [7, 8] {
                save(&mut worker, 2, vec![edit("activity", id(1), &[("beneficiaries", Value::Int(number))])]);
            }
            seal(&mut worker, 2);
            let copied = commits(&mut worker, 2).remove(1);
            let mut raw = Raw { entry: copied.header.changes[0].clone(), body: copied.bodies[0].clone().unwrap() };
            let header = &mut raw.entry.header;
            (header.actor, header.deps, header.start_op) = (author(3), Vec::new(), 1);
            let mut copyist = sites.open("copyist");
            inject(&mut copyist, 3, &[raw]);
            let mut here = sites.open("here");
            send(&mut copyist, &mut here, ViewMode::Now);
            send(&mut worker, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 3, opaque: 1, ..NONE },
        reasons: &["header_differs"],
        rows: &[("清洁日", 8)],
        sealed: [3, 1],
    }
}

/// A first change that lacks what every record states makes no row, and is known all the same when the next one comes.
fn incomplete_then_edited() -> Case {
    Case {
        make: |sites| {
            let (mut foreign, mut colleague) = (sites.open("foreign"), sites.open("colleague"));
            inject(&mut foreign, 3, &[encoded(3, "activity", id(1), &[], 1, &identity("activity", id(1)))]);
            send(&mut foreign, &mut colleague, ViewMode::Now);
            save(&mut colleague, 2, vec![edit("activity", id(1), &[("note", "很好".into())])]);
            seal(&mut colleague, 2);
            let mut here = sites.open("here");
            send(&mut foreign, &mut here, ViewMode::Now);
            send(&mut colleague, &mut here, ViewMode::Now);
            here
        },
        counts: Counts { applied: 2, ..NONE },
        reasons: &[],
        rows: &[],
        sealed: [1, 1],
    }
}
