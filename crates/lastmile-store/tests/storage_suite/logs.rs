//! The tables of the logs.

use lastmile_store::storage::{
    Blob, ChangeState, Cut, Erased, FileState, Odd, Pending, Position, Storage, StoredFile, StoredReceipt, StoredSeal,
    Strand,
};

use crate::engines::{NONE, add_scopes, author, chain, record, scope, strand, write};

over_every_engine!(
    settings_are_replaced,
    scopes_are_numbered_from_one,
    a_strand_keeps_where_it_began,
    a_cut_is_added_once,
    a_blob_is_found_by_each_of_its_commits,
    blobs_of_strands_do_not_mix,
    seals_are_replaced_and_sorted,
    receipts_differ_by_chain_and_epoch,
    pending_batches_keep_their_order,
    certificates_are_kept_once,
    odd_changes_are_replaced_and_sorted,
    extras_are_sorted_and_kept_once,
    what_refers_to_nothing_is_refused,
    clearing_the_views_keeps_the_logs,
    a_file_keeps_its_bytes_in_order,
    a_removed_scope_leaves_nothing_behind_and_the_others_alone,
    a_sound_storage_says_so,
);

fn settings_are_replaced(storage: &mut dyn Storage) {
    assert_eq!(storage.meta("device").unwrap(), None);
    write(storage, |storage| storage.put_meta("device", b"one"));
    write(storage, |storage| storage.put_meta("device", b"two"));
    write(storage, |storage| storage.put_meta("Device", b""));
    assert_eq!(storage.meta("device").unwrap().as_deref(), Some(b"two".as_slice()));
    assert_eq!(storage.meta("Device").unwrap().as_deref(), Some(b"".as_slice()));
    for key in ["list/b", "list/a", "list0", "lis"] {
        write(storage, |storage| storage.put_meta(key, b"x"));
    }
    let listed: Vec<String> = storage.metas("list/").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(listed, ["list/a", "list/b"]);
}

fn scopes_are_numbered_from_one(storage: &mut dyn Storage) {
    assert_eq!(storage.scopes().unwrap(), []);
    add_scopes(storage, 2);
    assert_eq!(write(storage, |storage| storage.add_scope(&scope(1))), 1, "a known scope keeps its number");
    let city: lastmile_model::Scope = "city:430103005001".parse().unwrap();
    assert_eq!(write(storage, |storage| storage.add_scope(&city)), 3, "the kind tells scopes apart");
    assert_eq!(storage.scopes().unwrap(), [(1, scope(1)), (2, scope(2)), (3, city)]);
}

fn a_strand_keeps_where_it_began(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    write(storage, |storage| {
        storage.put_strand(&strand(2, 2, 7))?;
        storage.put_strand(&strand(1, 1, 7))
    });
    assert_eq!(storage.strands().unwrap(), [strand(1, 1, 7), strand(2, 2, 7)]);
    let grown = Strand {
        head: 9,
        chain: chain(9),
        sealed: 8,
        sealed_chain: chain(8),
        viewed: 7,
        changes: 30,
        ..strand(1, 1, 7)
    };
    let moved = Strand { scope: 99, author: author(8), first: 5, prev: chain(5), parent: Some(99), ..grown.clone() };
    write(storage, |storage| storage.put_strand(&moved));
    assert_eq!(storage.strands().unwrap(), [grown, strand(2, 2, 7)]);
}

fn a_cut_is_added_once(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    let cut = |strand, seq, n| Cut { strand, seq, before: chain(n), at: chain(n + 1) };
    write(storage, |storage| {
        storage.put_strand(&strand(1, 1, 1))?;
        storage.put_strand(&Strand { parent: Some(1), ..strand(2, 1, 1) })?;
        storage.put_cut(&cut(2, 4, 1))?;
        storage.put_cut(&cut(1, 9, 2))?;
        storage.put_cut(&cut(1, 3, 3))?;
        storage.put_cut(&cut(1, 9, 4))
    });
    assert_eq!(storage.cuts().unwrap(), [cut(1, 3, 3), cut(1, 9, 2), cut(2, 4, 1)]);
}

fn a_blob_is_found_by_each_of_its_commits(storage: &mut dyn Storage) {
    write(storage, |storage| {
        storage.put_blob(1, 1, 3, b"first")?;
        storage.put_blob(1, 6, 6, b"single")?;
        storage.put_blob(1, 7, 20, b"last")
    });
    let first = |seq| storage.blob_with(1, seq).unwrap().map(|blob| blob.first);
    let found: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7, 20, 21, u64::from(u32::MAX)].map(first).into();
    let expected = [None, Some(1), Some(1), Some(1), None, None, Some(6), Some(7), Some(7), None, None];
    assert_eq!(found, expected);
    let blob = Blob { strand: 1, first: 7, last: 20, packed: b"last".to_vec() };
    assert_eq!(storage.blob_with(1, 9).unwrap(), Some(blob));
    assert_eq!(storage.blob_list(1).unwrap(), [(1, 3, 5), (6, 6, 6), (7, 20, 4)]);

    write(storage, |storage| {
        storage.put_blob(1, 1, 5, b"longer")?;
        storage.remove_blob(1, 7)?;
        storage.remove_blob(1, 2)
    });
    assert_eq!(storage.blob_list(1).unwrap(), [(1, 5, 6), (6, 6, 6)], "a blob is named by its first commit alone");
    assert_eq!(storage.blob_with(1, 7).unwrap(), None);
    assert_eq!(storage.blob_with(1, 5).unwrap().unwrap().packed, b"longer");
    write(storage, |storage| storage.put_blob(1, 3, 3, b"inner"));
    assert_eq!(storage.blob_with(1, 4).unwrap(), None, "the nearest blob before decides");
}

fn blobs_of_strands_do_not_mix(storage: &mut dyn Storage) {
    let last_strand = (1 << 23) - 1;
    write(storage, |storage| {
        storage.put_blob(1, 1, 50, b"one")?;
        storage.put_blob(3, 2, 50, b"three")?;
        storage.put_blob(last_strand, 0, u64::from(u32::MAX), b"")
    });
    assert_eq!(storage.blob_with(2, 10).unwrap(), None);
    assert_eq!(storage.blob_with(3, 1).unwrap(), None);
    assert_eq!(storage.blob_list(2).unwrap(), []);
    assert_eq!(storage.blob_list(3).unwrap(), [(2, 50, 5)]);
    assert_eq!(storage.blob_list(last_strand).unwrap(), [(0, u64::from(u32::MAX), 0)]);
    assert_eq!(storage.blob_with(last_strand, u64::from(u32::MAX)).unwrap().unwrap().first, 0);
}

fn seals_are_replaced_and_sorted(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    let seal = |strand, seq, n: u8| StoredSeal { strand, seq, chain: chain(n), signature: [n; 64] };
    write(storage, |storage| {
        storage.put_strand(&strand(1, 1, 1))?;
        storage.put_strand(&strand(2, 1, 2))?;
        storage.put_seal(&seal(1, 20, 1))?;
        storage.put_seal(&seal(1, 3, 2))?;
        storage.put_seal(&seal(2, 5, 3))?;
        storage.put_seal(&seal(1, 20, 4))
    });
    assert_eq!(storage.seals(1).unwrap(), [seal(1, 3, 2), seal(1, 20, 4)]);
    assert_eq!(storage.seals(2).unwrap(), [seal(2, 5, 3)]);
    assert_eq!(storage.seals(3).unwrap(), []);
}

fn receipts_differ_by_chain_and_epoch(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    let receipt = |scope, of: u8, epoch: u8, seq, chained: u8, signature: u8| StoredReceipt {
        scope,
        author: author(of),
        epoch: author(epoch),
        seq,
        chain: chain(chained),
        signature: [signature; 64],
    };
    let sorted = [
        receipt(1, 1, 1, 5, 1, 1),
        receipt(1, 1, 1, 5, 2, 1),
        receipt(1, 1, 1, 6, 1, 1),
        receipt(1, 1, 2, 1, 1, 1),
        receipt(1, 2, 1, 1, 1, 1),
        receipt(2, 1, 1, 1, 1, 1),
    ];
    write(storage, |storage| sorted.iter().rev().try_for_each(|receipt| storage.put_receipt(receipt)));
    assert_eq!(storage.receipts(None).unwrap(), sorted);
    write(storage, |storage| storage.put_receipt(&receipt(1, 1, 1, 5, 2, 9)));
    let mut replaced = sorted;
    replaced[1].signature = [9; 64];
    assert_eq!(storage.receipts(None).unwrap(), replaced);
    assert_eq!(storage.receipts(Some(2)).unwrap(), replaced[5..]);
    assert_eq!(storage.receipts(Some(3)).unwrap(), []);
    write(storage, |storage| {
        storage.remove_receipt(&receipt(1, 1, 1, 5, 2, 0))?;
        storage.remove_receipt(&receipt(1, 1, 2, 2, 1, 1))
    });
    assert_eq!(storage.receipts(None).unwrap(), [&replaced[..1], &replaced[2..]].concat());
}

fn pending_batches_keep_their_order(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    let pending = |scope, of: u8, first, n: u8| Pending {
        scope,
        author: author(of),
        first,
        last: first + u64::from(n),
        chain: chain(n),
        changes: u64::from(n),
        packed: vec![n; usize::from(n)],
    };
    let come = [
        pending(2, 1, 1, 1),
        pending(1, 2, 1, 2),
        pending(1, 1, 9, 3),
        pending(1, 1, 1, 5),
        pending(1, 1, 1, 4),
        pending(1, 1, 1, 4),
    ];
    write(storage, |storage| come.iter().try_for_each(|pending| storage.put_pending(pending)));
    let sorted = [3, 4, 5, 2, 1, 0].map(|place: usize| come[place].clone());
    assert_eq!(storage.pending_heads(None).unwrap(), sorted.each_ref().map(Pending::head));
    assert_eq!(storage.pending_heads(Some(1)).unwrap(), sorted[..5].iter().map(Pending::head).collect::<Vec<_>>());
    assert_eq!(storage.pending_heads(Some(3)).unwrap(), []);
    assert_eq!(sorted[0].head().bytes, 5, "as many as there are, packed");
    assert_eq!(storage.pendings_of(1, author(1)).unwrap(), sorted[..4]);
    assert_eq!(storage.pendings_of(1, author(3)).unwrap(), []);
    write(storage, |storage| {
        storage.remove_pending(1, author(1))?;
        storage.remove_pending(2, author(2))
    });
    assert_eq!(storage.pending_heads(None).unwrap(), [come[1].head(), come[0].head()]);
    assert_eq!(storage.pendings_of(1, author(2)).unwrap(), come[1..2]);
}

fn certificates_are_kept_once(storage: &mut dyn Storage) {
    write(storage, |storage| {
        storage.put_certificate(author(2), b"a")?;
        storage.put_certificate(author(1), b"bb")?;
        storage.put_certificate(author(1), b"b")?;
        storage.put_certificate(author(1), b"bb")?;
        storage.put_certificate(author(1), b"\xff")
    });
    assert_eq!(storage.certificates().unwrap(), [b"b".as_slice(), b"bb", b"\xff", b"a"]);
}

fn odd_changes_are_replaced_and_sorted(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    let odd = |scope, position, state, reason: &str| Odd {
        scope,
        position: Position(position),
        state,
        reason: reason.to_owned(),
        record_type: "person".to_owned(),
        record: record(1),
    };
    write(storage, |storage| {
        storage.put_odd(&odd(2, 1, ChangeState::Opaque, "newer"))?;
        storage.put_odd(&odd(1, 9, ChangeState::Waiting, "deps"))?;
        storage.put_odd(&odd(1, 4, ChangeState::Erased, ""))?;
        storage.put_odd(&odd(1, 9, ChangeState::Quarantined, "verdict"))
    });
    let of_one = [odd(1, 4, ChangeState::Erased, ""), odd(1, 9, ChangeState::Quarantined, "verdict")];
    let of_two = [odd(2, 1, ChangeState::Opaque, "newer")];
    assert_eq!(storage.odds(Some(1)).unwrap(), of_one);
    assert_eq!(storage.odds(Some(2)).unwrap(), of_two);
    assert_eq!(storage.odds(Some(3)).unwrap(), []);
    assert_eq!(storage.odds(None).unwrap(), [of_one.as_slice(), &of_two].concat());
    write(storage, |storage| {
        storage.remove_odd(1, Position(4))?;
        storage.remove_odd(2, Position(9))
    });
    assert_eq!(storage.odds(None).unwrap(), [of_one[1].clone(), of_two[0].clone()]);
}

fn extras_are_sorted_and_kept_once(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    assert!(!storage.has_extras(1).unwrap());
    write(storage, |storage| {
        storage.put_extra(1, record(1), Position(70))?;
        storage.put_extra(1, record(1), Position(7))?;
        storage.put_extra(1, record(1), Position(70))?;
        storage.put_extra(1, record(0xff), Position(8))
    });
    assert_eq!(storage.extras(1, record(1)).unwrap(), [Position(7), Position(70)]);
    assert_eq!(storage.extras(1, record(0xff)).unwrap(), [Position(8)]);
    assert_eq!(storage.extras(1, record(2)).unwrap(), []);
    assert_eq!(storage.extras(2, record(1)).unwrap(), []);
    assert!(storage.has_extras(1).unwrap());
    assert!(!storage.has_extras(2).unwrap());
    write(storage, |storage| storage.put_extra(2, record(0), Position(1)));
    assert!(storage.has_extras(2).unwrap());
}

fn what_refers_to_nothing_is_refused(storage: &mut dyn Storage) {
    use lastmile_store::storage::Durability;
    add_scopes(storage, 1);
    storage.begin(Durability::Refetchable).unwrap();
    storage.put_strand(&strand(1, 1, 1)).unwrap();
    let signature = [0; 64];
    let receipt = StoredReceipt { scope: 2, author: author(1), epoch: author(1), seq: 1, chain: chain(1), signature };
    let pending =
        Pending { scope: 2, author: author(1), first: 1, last: 1, chain: chain(1), changes: 1, packed: vec![] };
    let odd = Odd {
        scope: 2,
        position: Position(1),
        state: ChangeState::Waiting,
        reason: String::new(),
        record_type: String::new(),
        record: record(1),
    };
    assert!(storage.put_strand(&strand(2, 2, 1)).is_err());
    assert!(storage.put_strand(&Strand { parent: Some(3), ..strand(2, 1, 1) }).is_err());
    assert!(storage.put_cut(&Cut { strand: 2, seq: 1, before: chain(1), at: chain(2) }).is_err());
    assert!(storage.put_seal(&StoredSeal { strand: 2, seq: 1, chain: chain(1), signature }).is_err());
    assert!(storage.put_receipt(&receipt).is_err());
    assert!(storage.put_pending(&pending).is_err());
    assert!(storage.put_odd(&odd).is_err());
    assert!(storage.put_extra(2, record(1), Position(1)).is_err());
    // What was refused left nothing behind, and what was written before it is still there.
    storage.commit().unwrap();
    assert_eq!(storage.strands().unwrap(), [strand(1, 1, 1)]);
    assert!(storage.cuts().unwrap().is_empty() && storage.seals(2).unwrap().is_empty());
    assert!(storage.receipts(None).unwrap().is_empty() && storage.pending_heads(None).unwrap().is_empty());
    assert!(storage.odds(None).unwrap().is_empty() && !storage.has_extras(2).unwrap());
}

fn clearing_the_views_keeps_the_logs(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    let later = Strand { first: 5, head: 9, viewed: 8, ..strand(2, 1, 2) };
    write(storage, |storage| {
        storage.put_strand(&Strand { viewed: 1, ..strand(1, 1, 1) })?;
        storage.put_strand(&later)?;
        storage.put_blob(1, 1, 1, b"packed")?;
        storage.put_extra(1, record(1), Position(1))?;
        storage.put_odd(&Odd {
            scope: 1,
            position: Position(2),
            state: ChangeState::Waiting,
            reason: String::new(),
            record_type: "person".to_owned(),
            record: record(1),
        })?;
        crate::engines::insert_found(storage, 1, "person", 1, &[], Some(("wei", "w")));
        storage.put_meta("kept", b"yes")
    });
    write(storage, |storage| storage.clear_views());
    assert_eq!(storage.strands().unwrap(), [strand(1, 1, 1), Strand { viewed: 4, ..later }]);
    assert_eq!(storage.odds(None).unwrap(), []);
    assert!(!storage.has_extras(1).unwrap());
    assert_eq!(storage.view_head(1, crate::engines::type_no("person"), record(1)).unwrap(), None);
    assert!(storage.blob_with(1, 1).unwrap().is_some());
    assert!(storage.meta("kept").unwrap().is_some());
    // A row that takes the freed number is not found by the words of the one before.
    write(storage, |storage| Ok(crate::engines::insert(storage, 1, "person", 2, &[])));
    let mut query = lastmile_store::query::Query::new(crate::engines::type_no("person"), &[]);
    query.find = Some("wei".to_owned());
    assert_eq!(crate::engines::ids(storage, &query), NONE);
}

fn a_file_keeps_its_bytes_in_order(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    let file = |scope, state| StoredFile { scope, hash: [7; 32], size: 10, held: 0, state, epoch: Some(author(1)) };
    write(storage, |storage| {
        storage.put_file(&file(2, FileState::Whole))?;
        storage.put_file(&file(1, FileState::Arriving))?;
        storage.add_piece(1, &[7; 32], b"0123")?;
        storage.add_piece(1, &[7; 32], b"")?;
        storage.add_piece(1, &[7; 32], b"456789")
    });
    let bytes = |storage: &dyn Storage, offset, limit| storage.file_bytes(1, &[7; 32], offset, limit).unwrap();
    assert_eq!(bytes(storage, 0, u64::MAX), b"0123456789");
    for (offset, limit, expected) in
        [(0, 4, "0123"), (3, 2, "34"), (4, 1, "4"), (4, 99, "456789"), (9, 1, "9"), (10, 1, ""), (2, 0, "")]
    {
        assert_eq!(bytes(storage, offset, limit), expected.as_bytes(), "{offset} {limit}");
    }
    assert_eq!(storage.file_bytes(2, &[7; 32], 0, 9).unwrap(), b"", "of another scope nothing is here");
    assert_eq!(storage.file_totals().unwrap(), (1, 10));
    write(storage, |storage| storage.put_file(&file(1, FileState::Whole)));
    assert_eq!(storage.file(1, &[7; 32]).unwrap(), Some(StoredFile { held: 10, ..file(1, FileState::Whole) }));
    assert_eq!(storage.files(None).unwrap().iter().map(|file| file.scope).collect::<Vec<_>>(), [1, 2]);
    write(storage, |storage| storage.remove_file(1, &[7; 32]));
    assert_eq!((storage.file(1, &[7; 32]).unwrap(), bytes(storage, 0, 9)), (None, Vec::new()));
    write(storage, |storage| storage.put_file(&file(1, FileState::Arriving)));
    assert_eq!(bytes(storage, 0, 9), b"", "nothing comes back");
    assert!(storage.add_piece(1, &[8; 32], b"x").is_err(), "a piece of nothing");
    write(storage, |storage| storage.remove_scope(2));
    assert_eq!(storage.files(None).unwrap().len(), 1);
}

fn a_removed_scope_leaves_nothing_behind_and_the_others_alone(storage: &mut dyn Storage) {
    add_scopes(storage, 2);
    let branch = Strand { first: 2, head: 3, parent: Some(1), ..strand(3, 1, 1) };
    write(storage, |storage| {
        for (no, scope) in [(1, 1), (2, 2)] {
            storage.put_strand(&strand(no, scope, 1))?;
            storage.put_blob(no, 1, 1, b"packed")?;
            storage.put_extra(scope, record(1), Position(i64::from(no)))?;
            storage.put_erased(scope, &Erased::Record(record(9)))?;
            crate::engines::insert_found(storage, scope, "person", 1, &[], Some(("wei", "w")));
        }
        storage.put_strand(&branch)?;
        storage.put_cut(&Cut { strand: 3, seq: 2, before: chain(1), at: chain(2) })?;
        storage.put_meta("kept", b"yes")
    });
    write(storage, |storage| storage.remove_scope(1));
    assert_eq!(storage.scopes().unwrap().iter().map(|(no, _)| *no).collect::<Vec<_>>(), [2]);
    assert_eq!(storage.strands().unwrap(), [strand(2, 2, 1)]);
    assert!(storage.cuts().unwrap().is_empty());
    assert!(storage.blob_with(1, 1).unwrap().is_none() && storage.blob_with(2, 1).unwrap().is_some());
    assert!(!storage.has_extras(1).unwrap() && storage.has_extras(2).unwrap());
    assert_eq!(storage.erased().unwrap(), [(2, Erased::Record(record(9)))]);
    let person = crate::engines::type_no("person");
    assert!(storage.view_head(1, person, record(1)).unwrap().is_none());
    assert!(storage.view_head(2, person, record(1)).unwrap().is_some());
    assert!(storage.meta("kept").unwrap().is_some());
    let mut query = lastmile_store::query::Query::new(person, &[]);
    query.find = Some("wei".to_owned());
    assert_eq!(crate::engines::ids(storage, &query), [1], "of two rows one is found by its words");
}

fn a_sound_storage_says_so(storage: &mut dyn Storage) {
    add_scopes(storage, 1);
    write(storage, |storage| {
        storage.put_strand(&strand(1, 1, 1))?;
        storage.put_blob(1, 1, 1, &[7; 5000])
    });
    assert_eq!(storage.integrity().unwrap(), Vec::<String>::new());
    assert!(storage.size().unwrap() >= 5000);
}
