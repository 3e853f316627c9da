//! The gate refuses every class of change that harms Automerge, and everything that is not written the one way.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use lastmile_crdt::{
    Action, Base, Change, ChangeHeader, ChangeParts, Edit, EncodeError, HeaderInRecord, Known, MAX_TIME, Malformed, Op,
    OpId, Refused, admit, decode, decode_hashed, encode, make_change, read_header,
};
use lastmile_model::{ChangeHash, RecordId, Value};

use crate::support::build::author;
use crate::support::raw::{Raw, chunk, number, run};

fn refused(raw: &Raw) -> Malformed {
    let bytes = raw.chunk();
    decode(&bytes).expect_err("the gate lets it through")
}

#[test]
fn the_hand_made_change_is_valid() {
    let bytes = Raw::valid().chunk();
    let change = decode(&bytes).unwrap();
    assert_eq!(change.ops[0].action, Action::Set(Value::Int(1)));
    assert_eq!(encode(&change.parts()).unwrap().bytes, bytes);
    assert_eq!(decode_hashed(&bytes, change.hash).unwrap(), change);
    assert_eq!(read_header(&bytes).unwrap(), change.header());
}

#[test]
fn the_21_byte_change_that_panics_automerge_is_refused() {
    // No operation, and an actor that nothing uses.
    let raw = Raw { actor: vec![1], others: vec![vec![2]], columns: Vec::new(), ..Raw::valid() };
    assert_eq!(raw.chunk().len(), 21);
    assert_eq!(refused(&raw), Malformed::BadActor);
    let raw = Raw { others: vec![vec![2; 16]], columns: Vec::new(), ..Raw::valid() };
    assert_eq!(refused(&raw), Malformed::Empty);
    assert_eq!(read_header(&raw.chunk()), Err(Malformed::Empty));
    let raw = Raw { others: vec![vec![2; 16]], ..Raw::valid() };
    assert_eq!(refused(&raw), Malformed::NotCanonical);
}

#[test]
fn a_bomb_of_two_million_operations_in_about_111_bytes_is_refused_at_once() {
    const COUNT: i64 = 2_000_000;
    let rows = |value: &[u8]| run(COUNT, value);
    let bomb = Raw::valid()
        .with(0x15, &rows(&[1, b'a']))
        .with(0x34, &number(COUNT as u64))
        .with(0x42, &rows(&[1]))
        .with(0x56, &rows(&[0]))
        .with(0x57, &[])
        .with(0x70, &rows(&[0]));
    let bytes = bomb.chunk();
    assert!(bytes.len() < 111, "{}", bytes.len());
    let start = Instant::now();
    assert_eq!(decode(&bytes), Err(Malformed::TooManyOps));
    assert_eq!(read_header(&bytes), Err(Malformed::TooManyOps));
    assert!(start.elapsed().as_millis() < 50);
    // The same claim in any one column alone.
    for (column, bytes) in
        [(0x15, rows(&[1, b'a'])), (0x34, number(COUNT as u64)), (0x56, rows(&[0])), (0x70, rows(&[0]))]
    {
        let raw = Raw::valid().with(column, &bytes);
        assert!(matches!(refused(&raw), Malformed::BadColumns | Malformed::BadValue | Malformed::DuplicateKey));
    }
    // 257 operations are one too many, written out or as runs.
    let ops: Vec<Op> =
        (0..257).map(|n| Op { key: n.to_string(), action: Action::Set(Value::Null), pred: vec![] }).collect();
    let parts = ChangeParts { ops: &ops, ..PARTS };
    assert_eq!(encode(&parts), Err(EncodeError::TooManyOps));
    assert!(encode(&ChangeParts { ops: &ops[..256], ..PARTS }).is_ok());
}

const PARTS: ChangeParts<'static> = ChangeParts {
    deps: &[],
    actor: lastmile_model::AuthorId([7; 16]),
    seq: 1,
    start_op: 1,
    time: 0,
    message: None,
    salt: None,
    ops: &[],
};

#[test]
fn a_bomb_of_predecessors_is_refused_at_once() {
    // A billion predecessors of one operation, in canonical form: counters 1, 2, 3 ...
    const COUNT: i64 = 1_000_000_000;
    let bomb = Raw { start_op: 1 << 31, ..Raw::valid() }
        .with(0x70, &[&[0x7f][..], &number(COUNT as u64)].concat())
        .with(0x71, &run(COUNT, &[0]))
        .with(0x73, &run(COUNT, &[1]));
    let start = Instant::now();
    assert_eq!(refused(&bomb), Malformed::TooManyPredecessors);
    assert!(start.elapsed().as_millis() < 50);
    let preds: Vec<OpId> = (1..=8193).map(|counter| OpId { counter, actor: author(7) }).collect();
    let with = |pred: &[OpId]| [Op { key: "a".into(), action: Action::Delete, pred: pred.to_vec() }];
    let parts = |ops: &[Op]| encode(&ChangeParts { start_op: 10_000, ops, ..PARTS });
    assert_eq!(parts(&with(&preds)), Err(EncodeError::TooManyPredecessors));
    let largest = parts(&with(&preds[..8192])).unwrap();
    assert!(largest.bytes.len() < 200);
    assert_eq!(decode(&largest.bytes).unwrap().ops[0].pred.len(), 8192);
}

#[test]
fn compressed_and_foreign_chunks_are_refused() {
    let body = Raw::valid().body();
    assert_eq!(decode(&chunk(2, &body)), Err(Malformed::Compressed));
    for kind in [0, 3, 4, 255] {
        assert_eq!(decode(&chunk(kind, &body)), Err(Malformed::NotAChange));
        assert_eq!(read_header(&chunk(kind, &body)), Err(Malformed::NotAChange));
    }
    for column in [0x15, 0x34, 0x42, 0x56, 0x57, 0x70] {
        let mut raw = Raw::valid();
        raw.columns.iter_mut().filter(|(other, _)| *other == column).for_each(|(column, _)| *column |= 8);
        assert_eq!(refused(&raw), Malformed::Compressed);
    }
    let mut bytes = Raw::valid().chunk();
    bytes[0] ^= 1;
    assert_eq!(decode(&bytes), Err(Malformed::NotAChange));
    assert_eq!(decode(&[]), Err(Malformed::Truncated));
}

#[test]
fn bad_extra_bytes_are_refused() {
    let salt = [&[0x53][..], &[9; 16]].concat();
    assert!(decode(&Raw { extra: salt.clone(), ..Raw::valid() }.chunk()).unwrap().salt.is_some());
    // An author footer of automerge 0.12, short and long salts, anything else.
    let author_footer = vec![1, 3, b'a', b'b', b'c'];
    let endless_footer = [&[1][..], &[0xff; 9], &[0x01]].concat();
    for extra in [author_footer, endless_footer, salt[..16].to_vec(), [salt, vec![0]].concat(), vec![0], vec![0x54; 17]]
    {
        let refused = refused(&Raw { extra, ..Raw::valid() });
        assert_eq!(refused, Malformed::BadExtra);
        assert!(refused.needs_newer_version());
    }
}

#[test]
fn what_is_not_a_flat_map_needs_a_newer_version() {
    let other_object = Raw::valid().with(0x01, &[0x7f, 0]).with(0x02, &[0x7f, 1]);
    let list_element = Raw::valid().with(0x15, &[]).with(0x11, &[0x7f, 0]).with(0x13, &[0x7f, 1]);
    let null_key = Raw::valid().with(0x15, &[0, 1]);
    let no_key = Raw::valid().with(0x15, &[]);
    let insert = Raw::valid().with(0x34, &[0, 1]);
    let mark = Raw::valid().with(0x94, &[0, 1]).with(0xa5, &[0x7f, 1, b'm']);
    let unknown_column = Raw::valid().with(0xf2, &[0x7f, 1]);
    let actions = [0, 2, 4, 5, 6, 7, 8].map(|action| Raw::valid().with(0x42, &[0x7f, action]));
    let all = [other_object, list_element, null_key, no_key, insert, mark, unknown_column];
    for raw in all.iter().chain(&actions) {
        let refused = refused(raw);
        assert_eq!(refused, Malformed::NotFlat, "{raw:?}");
        assert!(refused.needs_newer_version());
        // Its header can be read all the same.
        assert_eq!(read_header(&raw.chunk()).unwrap().op_count, 1);
    }
}

#[test]
fn counters_times_and_actors_are_bounded() {
    for raw in [
        Raw { seq: 0, ..Raw::valid() },
        Raw { seq: 1 << 32, ..Raw::valid() },
        Raw { start_op: 0, ..Raw::valid() },
        Raw { start_op: 1 << 32, ..Raw::valid() },
        Raw { start_op: u64::MAX, ..Raw::valid() },
        // Automerge stores differences between times: two extremes overflow when it saves.
        Raw { time: i64::MAX, ..Raw::valid() },
        Raw { time: i64::MIN, ..Raw::valid() },
        Raw { time: MAX_TIME + 1, ..Raw::valid() },
    ] {
        assert_eq!(refused(&raw), Malformed::OutOfBounds, "{raw:?}");
    }
    assert!(decode(&Raw { time: -MAX_TIME, start_op: (1 << 32) - 1, ..Raw::valid() }.chunk()).is_ok());
    assert!(read_header(&Raw { start_op: (1 << 40) - 1, ..Raw::valid() }.chunk()).is_ok());
    assert!(read_header(&Raw { start_op: 1 << 40, ..Raw::valid() }.chunk()).is_err());
    for actor in [vec![], vec![1; 15], vec![1; 17], vec![1; 32]] {
        assert_eq!(refused(&Raw { actor, ..Raw::valid() }), Malformed::BadActor);
    }
    let ops = [Op { key: "a".into(), action: Action::Set(Value::Null), pred: vec![] }];
    for parts in [
        ChangeParts { seq: 0, ..PARTS },
        ChangeParts { start_op: 0, ..PARTS },
        ChangeParts { start_op: u64::MAX, ..PARTS },
        ChangeParts { time: MAX_TIME + 1, ..PARTS },
    ] {
        assert_eq!(encode(&ChangeParts { ops: &ops, ..parts }), Err(EncodeError::OutOfBounds));
    }
}

#[test]
fn every_second_way_to_write_a_change_is_refused() {
    let two = |column: u64, bytes: &[u8]| {
        Raw::valid()
            .with(0x15, &[0x7e, 1, b'a', 1, b'b'])
            .with(0x34, &[2])
            .with(0x42, &[2, 1])
            .with(0x56, &[2, 0x14])
            .with(0x57, &[1, 1])
            .with(0x70, &[2, 0])
            .with(column, bytes)
    };
    assert!(decode(&two(0x34, &[2]).chunk()).is_ok());
    for raw in [
        // Literals where a run belongs, runs of one, split literals, a run cut in two.
        two(0x42, &[0x7e, 1, 1]),
        two(0x42, &[1, 1, 1, 1]),
        two(0x15, &[0x7f, 1, b'a', 0x7f, 1, b'b']),
        two(0x15, &[1, 1, b'a', 1, 1, b'b']),
        two(0x56, &[0x7f, 0x14, 0x7f, 0x14]),
        Raw::valid().with(0x70, &[1, 0]),
    ] {
        assert_eq!(refused(&raw), Malformed::NotCanonical, "{raw:?}");
    }
    // Overlong numbers.
    assert_eq!(refused(&two(0x34, &[0x82, 0])), Malformed::BadNumber);
    assert_eq!(refused(&two(0x42, &[0x82, 0, 1])), Malformed::BadNumber);
    assert_eq!(refused(&Raw::valid().with(0x56, &[0x7f, 0x24]).with(0x57, &[0x81, 0])), Malformed::BadNumber);
    // Values with bytes they do not have.
    assert_eq!(refused(&Raw::valid().with(0x56, &[0x7f, 0x10])), Malformed::BadValue);
    assert_eq!(refused(&Raw::valid().with(0x56, &[0x7f, 0x24]).with(0x57, &[1, 1])), Malformed::BadValue);
    assert_eq!(refused(&Raw::valid().with(0x56, &[0x7f, 0x15])), Malformed::BadValue);
    assert_eq!(refused(&Raw::valid().with(0x56, &[0x7f, 0x16]).with(0x57, &[0xff])), Malformed::BadUtf8);
    // Columns out of order, twice, empty, or longer than the others.
    let mut raw = Raw::valid();
    raw.columns.swap(0, 1);
    assert_eq!(refused(&raw), Malformed::BadColumns);
    let mut raw = Raw::valid();
    raw.columns.insert(1, raw.columns[0].clone());
    assert_eq!(refused(&raw), Malformed::BadColumns);
    let mut raw = Raw::valid();
    raw.columns.push((0x71, Vec::new()));
    assert_eq!(refused(&raw), Malformed::NotCanonical);
    assert_eq!(refused(&two(0x15, &[0x7d, 1, b'a', 1, b'b', 1, b'c'])), Malformed::BadColumns);
    assert_eq!(refused(&two(0x57, &[1, 1, 1])), Malformed::BadColumns);
    // One key twice, as a run or written out.
    assert_eq!(refused(&two(0x15, &[2, 1, b'a'])), Malformed::DuplicateKey);
    assert_eq!(refused(&two(0x15, &[0x7e, 1, b'a', 1, b'a'])), Malformed::DuplicateKey);
    // Dependencies unsorted or twice.
    for deps in [vec![[2; 32], [1; 32]], vec![[1; 32], [1; 32]]] {
        assert_eq!(refused(&Raw { deps, ..Raw::valid() }), Malformed::DepsUnsorted);
    }
    // Bytes after the chunk.
    let mut bytes = Raw::valid().chunk();
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(Malformed::TrailingBytes));
    let mut bytes = Raw::valid().chunk();
    bytes[4] ^= 1;
    assert_eq!(decode(&bytes), Err(Malformed::BadChecksum));
    assert_eq!(decode(&vec![0; 65_537]), Err(Malformed::TooLarge));
}

#[test]
fn predecessors_are_sorted_older_and_of_listed_actors() {
    let with = |actors: &[u8], counters: &[u8], count: u8| {
        Raw { start_op: 9, others: vec![vec![3; 16], vec![5; 16]], ..Raw::valid() }
            .with(0x70, &[0x7f, count])
            .with(0x71, actors)
            .with(0x73, counters)
    };
    // (1, actor 3), (1, actor 5), (2, actor 3): sorted by counter, then actor.
    assert!(decode(&with(&[0x7d, 1, 2, 1], &[0x7d, 1, 0, 1], 3).chunk()).is_ok());
    assert_eq!(refused(&with(&[0x7d, 2, 1, 1], &[0x7d, 1, 0, 1], 3)), Malformed::BadPredecessor);
    assert_eq!(refused(&with(&[2, 1, 0x7f, 2], &[0x7d, 1, 0, 1], 3)), Malformed::BadPredecessor);
    assert_eq!(refused(&with(&[0x7d, 1, 2, 3], &[0x7d, 1, 0, 1], 3)), Malformed::BadActor);
    assert_eq!(refused(&with(&[0x7d, 1, 2, 1], &[0x7d, 1, 0, 8], 3)), Malformed::BadPredecessor);
    assert_eq!(refused(&with(&[0x7e, 1, 2], &[2, 0], 2)), Malformed::BadPredecessor);
    assert_eq!(refused(&with(&[0x7e, 1, 2], &[0x7e, 0x7f, 5], 2)), Malformed::BadPredecessor);
    // A listed actor that no predecessor names, the author among the others, others unsorted.
    assert_eq!(refused(&with(&[2, 1], &[2, 1], 2)), Malformed::NotCanonical);
    for others in [vec![vec![7; 16], vec![9; 16]], vec![vec![5; 16], vec![3; 16]], vec![vec![3; 16], vec![3; 16]]] {
        let raw = Raw { others, ..with(&[0x7e, 1, 2], &[2, 1], 2) };
        assert_eq!(refused(&raw), Malformed::NotCanonical);
    }
}

#[test]
fn a_deletion_of_nothing_is_refused() {
    // Automerge takes it, saves it, and cannot load what it saved.
    let raw = Raw::valid().with(0x42, &[0x7f, 3]).with(0x56, &[0x7f, 0]).with(0x57, &[]);
    assert_eq!(refused(&raw), Malformed::EmptyDelete);
    let ops = [Op { key: "a".into(), action: Action::Delete, pred: vec![] }];
    assert_eq!(encode(&ChangeParts { ops: &ops, ..PARTS }), Err(EncodeError::EmptyDelete));
    let valued = raw.with(0x56, &[0x7f, 0x14]).with(0x57, &[1]);
    assert_eq!(refused(&valued), Malformed::BadValue);
}

#[test]
fn every_truncation_is_refused() {
    let edits = [Edit::set("title", "清洁日"), Edit::set("n", 300), Edit::set("tags/a", true)];
    let made = make_change(&Base::EMPTY, author(1), 1_764_000_000, Some([3; 16]), &edits).unwrap();
    for len in 0..made.encoded.bytes.len() {
        assert!(decode(&made.encoded.bytes[..len]).is_err());
        assert!(read_header(&made.encoded.bytes[..len]).is_err());
    }
    // Truncated bodies with everything around them repaired.
    let body = &made.encoded.bytes[10..];
    for len in 0..body.len() - 17 {
        assert!(decode(&chunk(1, &body[..len])).is_err(), "{len}");
    }
}

/// A record of three changes and the lookup of their headers.
struct Fixture {
    changes: Vec<Change>,
    records: HashMap<ChangeHash, (RecordId, ChangeHeader)>,
}

const RECORD: RecordId = RecordId(uuid::Uuid::from_bytes([1; 16]));
const OTHER: RecordId = RecordId(uuid::Uuid::from_bytes([2; 16]));

impl Fixture {
    /// Author 1 creates, authors 1 and 2 edit beside each other.
    fn new() -> Self {
        let mut fixture = Self { changes: Vec::new(), records: HashMap::new() };
        fixture.add(1, &[], &[Edit::set("a", 1), Edit::set("b", 1)]);
        fixture.add(1, &[0], &[Edit::set("a", 2)]);
        fixture.add(2, &[0], &[Edit::set("a", 3), Edit::set("c", 1), Edit::set("d", 1)]);
        fixture
    }

    fn add(&mut self, number: u8, seen: &[usize], edits: &[Edit]) {
        let known: Vec<Known<'_>> = seen.iter().map(|place| Known::visible(&self.changes[*place])).collect();
        let made = make_change(&Base { changes: &known, own_last: None }, author(number), 0, None, edits).unwrap();
        self.records.insert(made.change.hash, (RECORD, made.change.header()));
        self.changes.push(made.change);
    }

    /// A change on top of both heads, to be spoilt.
    fn next(&self) -> (ChangeHeader, Vec<OpId>) {
        let known: Vec<Known<'_>> = self.changes.iter().map(Known::visible).collect();
        let base = Base { changes: &known, own_last: None };
        let made = make_change(&base, author(2), 0, None, &[Edit::set("a", 4)]).unwrap();
        (made.change.header(), made.change.preds())
    }

    fn admit(&self, header: &ChangeHeader, preds: &[OpId]) -> Result<(), Refused> {
        let known = |hash: &ChangeHash| {
            let (record, header) = self.records.get(hash)?;
            Some(HeaderInRecord { record: *record, header: Cow::Borrowed(header) })
        };
        admit(header, preds, RECORD, &known)
    }
}

#[test]
fn a_change_that_fits_its_ancestors_is_admitted() {
    let fixture = Fixture::new();
    for change in &fixture.changes {
        fixture.admit(&change.header(), &change.preds()).unwrap();
    }
    let (header, preds) = fixture.next();
    assert_eq!((header.start_op, header.seq, preds.len()), (6, 2, 2));
    fixture.admit(&header, &preds).unwrap();
}

#[test]
fn a_change_on_unknown_or_foreign_dependencies_is_not_admitted() {
    let mut fixture = Fixture::new();
    let (header, preds) = fixture.next();
    let foreign = header.deps[0];
    fixture.records.get_mut(&foreign).unwrap().0 = OTHER;
    assert_eq!(fixture.admit(&header, &preds), Err(Refused::OtherRecord(foreign)));
    fixture.records.remove(&foreign);
    let refused = fixture.admit(&header, &preds).unwrap_err();
    assert_eq!(refused, Refused::UnknownDependency(foreign));
    assert!(refused.is_waiting());
}

#[test]
fn a_change_with_wrong_counters_is_not_admitted() {
    let fixture = Fixture::new();
    let (header, preds) = fixture.next();
    for start_op in [1, 5, 7, 1000] {
        let header = ChangeHeader { start_op, ..header.clone() };
        assert_eq!(fixture.admit(&header, &preds), Err(Refused::WrongStartOp { expected: 6, found: start_op }));
    }
    for seq in [1, 3] {
        let header = ChangeHeader { seq, ..header.clone() };
        assert_eq!(fixture.admit(&header, &preds), Err(Refused::WrongSeq { expected: 2, found: seq }));
    }
    let first = ChangeHeader { deps: Vec::new(), ..header };
    assert!(matches!(fixture.admit(&first, &[]), Err(Refused::WrongStartOp { expected: 1, .. })));
}

#[test]
fn counters_lifted_by_an_unreadable_change_are_not_admitted() {
    // An author claims a high start op for a change that nobody can read, then builds on it.
    let mut fixture = Fixture::new();
    let root = fixture.changes[0].header();
    let opaque = |hash: u8, start_op: u64| ChangeHeader {
        hash: ChangeHash([hash; 32]),
        deps: vec![root.hash],
        actor: author(4),
        seq: 1,
        start_op,
        op_count: 256,
    };
    for (start_op, founded) in [(1 << 23, true), (1 << 25, false), ((1 << 32) - 300, false)] {
        let opaque = opaque(0xaa, start_op);
        fixture.records.insert(opaque.hash, (RECORD, opaque.clone()));
        let next = ChangeHeader {
            hash: ChangeHash([0xbb; 32]),
            deps: vec![opaque.hash],
            seq: 2,
            start_op: opaque.max_op() + 1,
            op_count: 1,
            ..opaque
        };
        let expected = Refused::UnfoundedCounter { held: 258, found: next.start_op };
        assert_eq!(fixture.admit(&next, &[]), if founded { Ok(()) } else { Err(expected) });
    }
}

#[test]
fn a_change_with_predecessors_that_no_ancestor_holds_is_not_admitted() {
    let fixture = Fixture::new();
    let (header, _) = fixture.next();
    // Counters 4 and 5 are author 2's, 3 is both's; author 3 wrote nothing.
    for (counter, number) in [(4, 1), (3, 3), (6, 2), (1, 2)] {
        let pred = OpId { counter, actor: author(number) };
        assert_eq!(fixture.admit(&header, &[pred]), Err(Refused::UnknownPredecessor(pred)));
    }
    // An operation that is there, but not among the ancestors.
    let beside = fixture.changes[1].clone();
    let pred = OpId { counter: 4, actor: author(2) };
    assert_eq!(fixture.admit(&beside.header(), &[pred]), Err(Refused::UnknownPredecessor(pred)));
}

#[test]
fn the_gate_decides_alike_before_and_after_an_erasure() {
    // It looks at headers alone, so a fixture without any operation decides the same: `admit` never sees one.
    let fixture = Fixture::new();
    let (header, preds) = fixture.next();
    let before = fixture.admit(&header, &preds);
    let stubs = Fixture { changes: Vec::new(), records: fixture.records.clone() };
    assert_eq!(before, stubs.admit(&header, &preds));
}
