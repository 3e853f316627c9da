//! What was erased is nowhere in the file.

use std::path::Path;

use lastmile_log::{Segment, unpack};
use lastmile_model::Value;
use lastmile_store::query::Query;
use lastmile_store::{Erasure, Fate, RecordEdit, Store, ViewMode};

use crate::log::{batch, commits, take};
use crate::sites::{Sites, reader};
use crate::support::{activity, author, create, digest, edit, id, save, scope, seal, send};

/// Words that stand in one person's record only: in its row, its search words, its commits.
const MARKS: [&str; 4] = ["qxzvname", "13977665544", "qxzvjob", "qxzvskill"];

fn person(number: u32, [name, phone, job, skill]: [&str; 4]) -> RecordEdit {
    let fields = [
        ("name", name.into()),
        (&*format!("phone/{phone}"), Value::Bool(true)),
        ("job", job.into()),
        (&*format!("skills/{skill}"), Value::Bool(true)),
        ("party_status", "01".into()),
        ("status", "active".into()),
        ("kind/member", Value::Bool(true)),
    ];
    create("person", id(number), &fields)
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// The files of a replica that hold these bytes.
fn found(path: &Path, mark: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let of_replica = name.starts_with(path.file_name().unwrap().to_str().unwrap());
        if of_replica && holds(&std::fs::read(file.path()).unwrap(), mark) {
            found.push(name);
        }
    }
    found
}

/// The marks that a replica still passes on.
fn passed_on(store: &mut Store) -> Vec<&'static str> {
    let mut raw = Vec::new();
    for entry in store.vector(&scope()).entries().collect::<Vec<_>>() {
        for outgoing in store.path_batches(&scope(), &entry.segment, 0, u64::MAX).unwrap().0 {
            let batch = unpack(&outgoing.packed, lastmile_log::MAX_RAW).unwrap();
            for (place, commit) in batch.commits.iter().enumerate() {
                (0..commit.header.changes.len())
                    .for_each(|change| raw.extend_from_slice(batch.body(place, change).unwrap_or_default()));
            }
        }
    }
    MARKS.into_iter().filter(|mark| holds(&raw, mark.as_bytes())).collect()
}

/// A device with a few hundred records, many of them edited, so that rows have moved between pages.
fn busy(store: &mut Store) {
    for round in 0..12u32 {
        let mut edits = Vec::new();
        for number in 0..30u32 {
            let number = 100 + round * 30 + number;
            let name = format!("某人{number}");
            edits.push(person(
                number,
                [&name, &format!("1380013{number:04}"), &"岗位".repeat(number as usize % 13), "电工"],
            ));
        }
        save(store, 2, edits);
        if round == 6 {
            save(store, 2, vec![person(1, MARKS), activity(2, "清洁日", 5)]);
        }
        if round > 6 {
            let longer = |number: u32| {
                edit("person", id(number), &[("job", "更长的岗位名称".repeat(round as usize % 5).into())])
            };
            save(store, 2, (100..100 + round * 20).step_by(7).map(longer).collect());
        }
        if round == 9 {
            save(store, 2, vec![edit("person", id(1), &[("job", "qxzvjob qxzvjob".into())])]);
            seal(store, 2);
        }
    }
    seal(store, 2);
}

#[test]
fn nothing_of_an_erased_record_is_left_in_the_file() {
    let mut sites = Sites::files();
    let mut here = sites.open("here");
    busy(&mut here);
    let path = sites.path("here");
    let whole = here.path_batches(&scope(), &Segment::trunk(author(2)), 0, u64::MAX).unwrap().0;
    assert_eq!(passed_on(&mut here), MARKS);
    for mark in &MARKS[..2] {
        assert_ne!(found(&path, mark.as_bytes()), [] as [String; 0], "{mark} stands in the views");
    }
    let others = {
        let reader = reader(&here);
        reader.count(&Query::new(reader.type_no("person").unwrap(), &[])).unwrap() - 1
    };

    let scrubbed = here.erase(&scope(), &[Erasure { record: id(1), changes: Vec::new() }]).unwrap();
    assert_eq!((scrubbed.changes, scrubbed.clean), (2, true));

    assert_eq!(passed_on(&mut here), [] as [&str; 0]);
    for mark in MARKS {
        assert_eq!(found(&path, mark.as_bytes()), [] as [String; 0], "{mark}");
    }
    // Nor the packed bytes from which it could be unpacked again: those that are not what they were.
    let now = here.path_batches(&scope(), &Segment::trunk(author(2)), 0, u64::MAX).unwrap().0;
    let mut replaced = 0;
    for (before, after) in whole.iter().zip(&now).filter(|(before, after)| before.packed != after.packed) {
        assert_eq!(before.last, after.last);
        replaced += 1;
        for window in before.packed.windows(48).skip(64).step_by(48).filter(|window| !holds(&after.packed, window)) {
            assert_eq!(found(&path, window), [] as [String; 0], "packed bytes are left");
        }
    }
    assert!(replaced > 0);

    let reader = reader(&here);
    let person = reader.type_no("person").unwrap();
    assert_eq!(reader.count(&Query::new(person, &[])).unwrap(), others);
    for mark in MARKS {
        let mut query = Query::new(person, &[]);
        query.find = Some(mark.to_owned());
        assert_eq!(reader.count(&query).unwrap(), 0, "{mark}");
    }
    let mut query = Query::new(person, &[]);
    query.find = Some("某人123".to_owned());
    assert_eq!(reader.count(&query).unwrap(), 1, "others are still found");
    drop(reader);
    assert_eq!(here.check(&mut |_, _| {}).unwrap(), []);
    let rebuilt = here.rebuild(&mut |_, _| {}).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    drop(here);
    for mark in MARKS {
        assert_eq!(found(&path, mark.as_bytes()), [] as [String; 0], "{mark} after closing");
    }
}

#[test]
fn the_same_bytes_are_stripped_whoever_brings_them_and_however() {
    let mut sites = Sites::files();
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![person(1, MARKS), activity(2, "清洁日", 5)]);
    save(&mut worker, 2, vec![activity(3, "义诊", 30)]);
    let log = commits(&mut worker, 2);
    let mut here = sites.open("here");
    here.erase(&scope(), &[Erasure { record: id(1), changes: Vec::new() }]).unwrap();
    // Without a seal, with one, and as part of what is held.
    for (range, sealed) in [(0..1, vec![]), (0..2, vec![1]), (0..2, vec![2]), (0..2, vec![2])] {
        take(&mut here, batch(2, &log[range], &sealed));
        assert_eq!(passed_on(&mut here), [] as [&str; 0]);
        here.scrub().unwrap();
        for mark in MARKS {
            assert_eq!(found(&sites.path("here"), mark.as_bytes()), [] as [String; 0], "{mark}");
        }
    }
    // Another who takes it from here has stubs as well, and agrees; it has heard of the erasure first.
    let mut there = sites.open("there");
    assert_eq!(send(&mut here, &mut there, ViewMode::Now)[0], Fate::Withheld);
    there.erase(&scope(), &[Erasure { record: id(1), changes: Vec::new() }]).unwrap();
    send(&mut here, &mut there, ViewMode::Now);
    assert_eq!(passed_on(&mut there), [] as [&str; 0]);
    assert_eq!(digest(&there), digest(&here));
}

#[test]
fn a_reader_that_looks_at_an_older_state_is_named_until_it_is_gone() {
    let mut sites = Sites::files();
    let mut here = sites.open("here");
    save(&mut here, 2, vec![person(1, MARKS)]);
    seal(&mut here, 2);
    let mut old = reader(&here);
    let during = old.stable(|reader| -> Result<_, lastmile_store::StoreError> {
        let scrubbed = here.erase(&scope(), &[Erasure { record: id(1), changes: Vec::new() }])?;
        let person = reader.type_no("person")?;
        Ok((scrubbed.clean, reader.count(&Query::new(person, &[]))?))
    });
    assert_eq!(during.unwrap(), (false, 1), "the reader sees what it saw");
    assert!(here.scrub().unwrap());
    for mark in MARKS {
        assert_eq!(found(&sites.path("here"), mark.as_bytes()), [] as [String; 0], "{mark}");
    }
}

/// An order names hashes of the office itself as well; what nobody named of the office stays.
#[test]
fn named_changes_go_whoever_wrote_them() {
    let mut sites = Sites::memory();
    let mut office = sites.open("office");
    save(&mut office, 1, vec![person(1, MARKS)]);
    save(&mut office, 1, vec![edit("person", id(1), &[("job", "还在".into())])]);
    let log = commits(&mut office, 1);
    let named = vec![log[0].header.changes[0].header.hash];
    let scrubbed = office.erase(&scope(), &[Erasure { record: id(1), changes: named }]).unwrap();
    assert_eq!(scrubbed.changes, 1);
    assert_eq!(passed_on(&mut office), [] as [&str; 0]);
    let counts = crate::sites::counts(&office);
    assert_eq!((counts.applied, counts.erased), (1, 1));
}

/// The office restates a record twice in the same words: the second would be the very change that was erased.
#[test]
fn an_erased_change_cannot_be_saved_again() {
    let mut sites = Sites::memory();
    let mut office = sites.open("office");
    let restated = || vec![activity(1, "清洁日", 5)];
    save(&mut office, 1, restated());
    let named = commits(&mut office, 1)[0].header.changes[0].header.hash;
    office.erase(&scope(), &[Erasure { record: id(1), changes: vec![named] }]).unwrap();
    let again = crate::support::commit(restated(), 1_740_000_000_000);
    let refused = office.save(&crate::support::key(1), &[again], lastmile_store::Durability::Full);
    assert!(matches!(refused, Err(lastmile_store::StoreError::Erased { .. })), "{refused:?}");
    assert_eq!(crate::sites::counts(&office).held(), 1, "nothing was saved");
}

/// The chain covers the hashes of changes, so it verifies without their bytes as well.
#[test]
fn bytes_that_a_carrier_withholds_are_waited_for() {
    let mut sites = Sites::memory();
    let mut worker = sites.open("worker");
    save(&mut worker, 2, vec![activity(1, "清洁日", 5)]);
    save(&mut worker, 2, vec![activity(2, "义诊", 30), activity(3, "讲座", 3)]);
    save(&mut worker, 2, vec![activity(4, "清洁日", 5)]);
    let whole = commits(&mut worker, 2);
    let mut cut = whole.clone();
    cut[1].bodies[1] = None;
    let mut here = sites.open("here");
    assert_eq!(take(&mut here, batch(2, &cut, &[3])), Fate::Withheld);
    assert_eq!(take(&mut here, batch(2, &cut, &[])), Fate::Withheld, "nor is it kept aside");
    assert_eq!(crate::sites::counts(&here).held(), 0);
    assert_eq!(here.sealed_heads(&scope(), author(2)), [], "nothing that a receipt could speak of");
    assert_eq!(take(&mut here, batch(2, &whole[..2], &[2])), Fate::Appended { commits: 2, changes: 3 });
    // What is held already keeps its bytes, whatever the carrier has of it.
    assert_eq!(take(&mut here, batch(2, &cut, &[3])), Fate::Appended { commits: 1, changes: 1 });
    assert_eq!(digest(&here), digest(&worker));
    assert_eq!(crate::sites::counts(&here).applied, 4);
}
