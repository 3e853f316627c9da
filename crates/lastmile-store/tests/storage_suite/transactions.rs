//! Transactions, readers and what they see of each other.

use std::ops::ControlFlow;

use lastmile_store::StoreError;
use lastmile_store::query::Query;
use lastmile_store::storage::{
    ChangeState, Cut, Durability, Odd, Pending, Position, Storage, StoredReceipt, StoredSeal,
};

use crate::engines::{add_scopes, author, chain, ids, insert, record, scope, strand, type_no, write};

over_every_engine!(
    a_rollback_leaves_nothing,
    a_writer_sees_its_own_work,
    a_reader_sees_committed_work_only,
    a_stable_view_does_not_move,
    a_stable_view_begins_at_once,
    the_data_version_tells_of_others,
    transactions_do_not_nest,
    a_commit_needs_a_transaction,
    a_reader_writes_nothing,
    readers_outlive_the_writer_and_open_readers,
    durability_can_change_at_every_transaction,
    a_write_alone_commits_itself,
    a_visitor_may_read_meanwhile,
    a_reader_works_in_another_thread,
);

fn persons() -> Query {
    Query::new(type_no("person"), &[])
}

/// Writes something to every table.
fn write_everything(storage: &mut dyn Storage) -> Result<(), StoreError> {
    let signature = [1; 64];
    storage.put_meta("key", b"value")?;
    let no = storage.add_scope(&scope(9))?;
    storage.put_strand(&strand(1, no, 1))?;
    storage.put_cut(&Cut { strand: 1, seq: 2, before: chain(1), at: chain(2) })?;
    storage.put_blob(1, 1, 1, b"packed")?;
    storage.put_seal(&StoredSeal { strand: 1, seq: 1, chain: chain(1), signature })?;
    storage.put_receipt(&StoredReceipt {
        scope: no,
        author: author(1),
        epoch: author(2),
        seq: 1,
        chain: chain(1),
        signature,
    })?;
    storage.put_pending(&Pending {
        scope: no,
        author: author(1),
        first: 1,
        last: 1,
        chain: chain(1),
        changes: 1,
        packed: b"packed".to_vec(),
    })?;
    storage.put_certificate(author(1), b"certificate")?;
    storage.put_odd(&Odd {
        scope: no,
        position: Position(1),
        state: ChangeState::Waiting,
        reason: "deps".to_owned(),
        record_type: "person".to_owned(),
        record: record(1),
    })?;
    storage.put_extra(no, record(1), Position(1))?;
    assert!(insert(storage, no, "person", 1, &[]));
    Ok(())
}

/// How much stands in each table.
fn counts(storage: &dyn Storage) -> [usize; 12] {
    [
        storage.meta("key").unwrap().iter().len(),
        storage.scopes().unwrap().len(),
        storage.strands().unwrap().len(),
        storage.cuts().unwrap().len(),
        storage.blob_list(1).unwrap().len(),
        storage.seals(1).unwrap().len(),
        storage.receipts(None).unwrap().len(),
        storage.pending_heads(None).unwrap().len(),
        storage.certificates().unwrap().len(),
        storage.odds(None).unwrap().len(),
        storage.extras(1, record(1)).unwrap().len(),
        ids(storage, &persons()).len(),
    ]
}

fn a_rollback_leaves_nothing(storage: &mut dyn Storage) {
    storage.begin(Durability::Full).unwrap();
    write_everything(storage).unwrap();
    storage.rollback();
    assert_eq!(counts(storage), [0; 12]);
    storage.rollback();
    write(storage, write_everything);
    assert_eq!(counts(storage), [1; 12], "numbers given in the lost transaction are given again");
    storage.begin(Durability::Full).unwrap();
    storage.clear_views().unwrap();
    storage.remove_blob(1, 1).unwrap();
    storage.remove_pending(1, author(1)).unwrap();
    storage.rollback();
    assert_eq!(counts(storage), [1; 12]);
}

fn a_writer_sees_its_own_work(storage: &mut dyn Storage) {
    storage.begin(Durability::Full).unwrap();
    write_everything(storage).unwrap();
    assert_eq!(counts(storage), [1; 12]);
    storage.commit().unwrap();
    assert_eq!(counts(storage), [1; 12]);
}

fn a_reader_sees_committed_work_only(storage: &mut dyn Storage) {
    let reader = storage.reader().unwrap();
    storage.begin(Durability::Full).unwrap();
    write_everything(storage).unwrap();
    assert_eq!(counts(&*reader), [0; 12]);
    assert_eq!(counts(&*storage.reader().unwrap()), [0; 12]);
    storage.commit().unwrap();
    assert_eq!(counts(&*reader), [1; 12]);
}

fn a_stable_view_does_not_move(storage: &mut dyn Storage) {
    let mut reader = storage.reader().unwrap();
    reader.begin_read().unwrap();
    assert_eq!(counts(&*reader), [0; 12]);
    write(storage, write_everything);
    assert_eq!(counts(&*reader), [0; 12]);
    reader.end_read();
    assert_eq!(counts(&*reader), [1; 12]);
    reader.begin_read().unwrap();
    write(storage, |storage| storage.clear_views());
    assert_eq!(counts(&*reader), [1; 12]);
    reader.end_read();
    reader.end_read();
    assert_eq!(counts(&*reader)[9..], [0; 3]);
    // The writer has stable views too.
    storage.begin_read().unwrap();
    assert_eq!(counts(storage)[0], 1);
    storage.end_read();
    write(storage, |storage| storage.put_meta("other", b""));
}

fn a_stable_view_begins_at_once(storage: &mut dyn Storage) {
    let mut reader = storage.reader().unwrap();
    reader.begin_read().unwrap();
    write(storage, write_everything);
    assert_eq!(counts(&*reader), [0; 12], "the first read comes after the commit, the view before");
    reader.end_read();
}

fn the_data_version_tells_of_others(storage: &mut dyn Storage) {
    let mut reader = storage.reader().unwrap();
    let (own, start) = (storage.data_version().unwrap(), reader.data_version().unwrap());
    storage.begin(Durability::Full).unwrap();
    storage.put_meta("key", b"1").unwrap();
    assert_eq!(reader.data_version().unwrap(), start, "not committed");
    storage.rollback();
    assert_eq!(reader.data_version().unwrap(), start, "rolled back");
    write(storage, |_| Ok(()));
    assert_eq!(reader.data_version().unwrap(), start, "nothing written");
    let mut seen = vec![start];
    for n in 0..5 {
        write(storage, |storage| storage.put_meta("key", &[n]));
        seen.push(reader.data_version().unwrap());
        assert_eq!(reader.data_version().unwrap(), seen[seen.len() - 1], "stands still between commits");
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "every commit shows: {seen:?}");
    assert_eq!(storage.data_version().unwrap(), own, "one's own commits do not");
    reader.begin_read().unwrap();
    write(storage, |storage| storage.put_meta("key", b"last"));
    assert_eq!(reader.data_version().unwrap(), seen[5], "goes with what the stable view shows");
    reader.end_read();
    assert_ne!(reader.data_version().unwrap(), seen[5]);
}

fn transactions_do_not_nest(storage: &mut dyn Storage) {
    storage.begin(Durability::Full).unwrap();
    write_everything(storage).unwrap();
    assert!(matches!(storage.begin(Durability::Full), Err(StoreError::Engine { .. })));
    assert!(matches!(storage.begin_read(), Err(StoreError::Engine { .. })));
    storage.commit().unwrap();
    assert_eq!(counts(storage), [1; 12], "the refusal left the transaction open");
    storage.begin_read().unwrap();
    assert!(matches!(storage.begin_read(), Err(StoreError::Engine { .. })));
    assert!(matches!(storage.begin(Durability::Full), Err(StoreError::Engine { .. })));
    storage.end_read();
    storage.begin(Durability::Full).unwrap();
    storage.rollback();
}

fn a_commit_needs_a_transaction(storage: &mut dyn Storage) {
    assert!(matches!(storage.commit(), Err(StoreError::Engine { .. })));
    write(storage, write_everything);
    assert!(matches!(storage.commit(), Err(StoreError::Engine { .. })));
}

fn a_reader_writes_nothing(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    let mut reader = storage.reader().unwrap();
    assert!(matches!(reader.begin(Durability::Full), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.begin(Durability::Refetchable), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.put_meta("key", b""), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.add_scope(&scope(1)), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.put_strand(&strand(1, 1, 1)), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.remove_blob(1, 1), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.view_delete(1, type_no("person")), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.clear_views(), Err(StoreError::ReadOnly { .. })));
    write(storage, write_everything);
}

fn readers_outlive_the_writer_and_open_readers(storage: &mut dyn Storage) {
    let reader = storage.reader().unwrap();
    let second = reader.reader().unwrap();
    drop(reader);
    write(storage, write_everything);
    assert_eq!(counts(&*second)[0], 1);
}

fn durability_can_change_at_every_transaction(storage: &mut dyn Storage) {
    use Durability::{Full, Refetchable};
    for (n, durability) in (0_u8..).zip([Full, Refetchable, Refetchable, Full, Full, Refetchable, Full]) {
        storage.begin(durability).unwrap();
        storage.put_certificate(author(n), &[n]).unwrap();
        if n == 4 { storage.rollback() } else { storage.commit().unwrap() }
    }
    let expected: Vec<Vec<u8>> = [0, 1, 2, 3, 5, 6].map(|n| vec![n]).into();
    assert_eq!(storage.certificates().unwrap(), expected);
    assert_eq!(storage.reader().unwrap().certificates().unwrap(), expected);
}

fn a_write_alone_commits_itself(storage: &mut dyn Storage) {
    let reader = storage.reader().unwrap();
    let (own, start) = (storage.data_version().unwrap(), reader.data_version().unwrap());
    write_everything(storage).unwrap();
    assert_eq!(counts(&*reader), [1; 12]);
    assert_eq!(storage.data_version().unwrap(), own);
    assert_ne!(reader.data_version().unwrap(), start);
}

fn a_visitor_may_read_meanwhile(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    write(storage, |storage| {
        assert!(insert(storage, 1, "person", 1, &[]) && insert(storage, 1, "person", 2, &[]));
        Ok(())
    });
    let reader = storage.reader().unwrap();
    let mut seen = 0;
    storage
        .visit(&persons(), &mut |row| {
            assert!(storage.view_head(row.scope, type_no("person"), row.id)?.is_some());
            assert_eq!(ids(storage, &persons()), [1, 2]);
            assert_eq!(ids(&*reader, &persons()), [1, 2]);
            seen += 1;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(seen, 2);
}

fn a_reader_works_in_another_thread(storage: &mut dyn Storage) {
    let mut reader = storage.reader().unwrap();
    let watching = std::thread::spawn(move || {
        let mut last = 0;
        while last < 50 {
            reader.begin_read().unwrap();
            let [one, two] = ["one", "two"].map(|key| reader.meta(key).unwrap());
            reader.end_read();
            assert_eq!(one, two, "both are written in one transaction");
            let now = one.map_or(0, |value| value[0]);
            assert!(now >= last, "never goes back");
            last = now;
        }
    });
    for n in 1..=50 {
        write(storage, |storage| {
            storage.put_meta("one", &[n])?;
            storage.put_meta("two", &[n])
        });
    }
    watching.join().unwrap();
}
