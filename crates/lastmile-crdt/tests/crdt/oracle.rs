//! The codec against Automerge: the same bytes, the same hashes, the same meaning.

use lastmile_crdt::{Action, Base, ChangeParts, Edit, Known, Op, OpId, decode, encode, make_change};
use lastmile_model::{ChangeHash, Value};
use proptest::prelude::*;

use crate::support::build::author;
use crate::support::oracle;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200_i64..200).prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<f64>().prop_map(|number| Value::F64(number.to_bits())),
        ".{0,40}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bytes),
        any::<i64>().prop_map(Value::Timestamp),
        any::<i64>().prop_map(Value::Counter),
        (10_u8..16, proptest::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(code, bytes)| Value::Unknown { code, bytes }),
    ]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::btree_map("[a-z/\u{4e00}-\u{4e20}]{1,12}", value(), 1..40).prop_shuffle_values()
}

/// Shuffles the entries of a map into edits.
trait ShuffleValues {
    fn prop_shuffle_values(self) -> BoxedStrategy<Vec<Edit>>;
}

impl<S: Strategy<Value = std::collections::BTreeMap<String, Value>> + 'static> ShuffleValues for S {
    fn prop_shuffle_values(self) -> BoxedStrategy<Vec<Edit>> {
        self.prop_map(|map| map.into_iter().map(|(key, value)| Edit::set(key, value)).collect::<Vec<_>>())
            .prop_shuffle()
            .boxed()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_first_change_has_the_bytes_of_automerge(edits in edits(), time in -(1_i64 << 53)..=1 << 53) {
        let mut document = oracle::document(author(1));
        let theirs = oracle::commit(&mut document, time, &edits);
        let made = make_change(&Base::EMPTY, author(1), time, None, &edits).unwrap();
        prop_assert_eq!(&made.encoded.bytes, &theirs);
        prop_assert_eq!(made.encoded.hash.0, document.get_heads()[0].0);
        prop_assert_eq!(decode(&theirs).unwrap(), made.change);
    }

    #[test]
    fn salted_changes_have_the_bytes_of_automerge(edits in edits(), salt: [u8; 16], message in "[a-z长]{0,9}") {
        let made = make_change(&Base::EMPTY, author(1), 5, Some(salt), &edits).unwrap();
        let message = Some(message.as_str()).filter(|message| !message.is_empty());
        let ours = encode(&ChangeParts { message, ..made.change.parts() }).unwrap();
        let parsed = automerge::Change::try_from(&ours.bytes[..]).unwrap();
        prop_assert_eq!(&parsed.extra_bytes()[1..], &salt);
        prop_assert_eq!(parsed.author(), None);
        prop_assert_eq!(parsed.message(), message);
        // Decoded into Automerge's own form and encoded again by it.
        let again = automerge::Change::from(parsed.decode());
        prop_assert_eq!(again.raw_bytes(), &ours.bytes[..]);
        prop_assert_eq!(again.hash().0, ours.hash.0);
        let mut document = oracle::document(author(2));
        oracle::apply(&mut document, [&ours.bytes[..]]);
        let loaded = automerge::Automerge::load(&document.save()).unwrap();
        prop_assert_eq!(loaded.get_heads()[0].0, ours.hash.0);
    }

    #[test]
    fn what_is_encoded_decodes_to_itself(
        edits in edits(),
        deps in proptest::collection::btree_set(any::<[u8; 32]>(), 0..4),
        seq in 1_u64..=u64::from(u32::MAX),
        start_op in 300_u64..1 << 31,
        preds in proptest::collection::vec(proptest::collection::btree_set((1_u64..300, 0_u8..5), 0..6), 40),
    ) {
        let deps: Vec<ChangeHash> = deps.into_iter().map(ChangeHash).collect();
        let ops: Vec<Op> = edits.iter().zip(preds).map(|(edit, preds)| {
            let Edit::Set { key, value } = edit else { unreachable!() };
            let pred: Vec<OpId> = preds.into_iter().map(|(counter, actor)| OpId { counter, actor: author(actor) }).collect();
            let action = if pred.len() > 4 { Action::Delete } else { Action::Set(value.clone()) };
            Op { key: key.clone(), action, pred }
        }).collect();
        let parts = ChangeParts { deps: &deps, actor: author(3), seq, start_op, time: -1, message: None, salt: None, ops: &ops };
        let encoded = encode(&parts).unwrap();
        let decoded = decode(&encoded.bytes).unwrap();
        prop_assert_eq!(decoded.parts(), parts);
        prop_assert_eq!(decoded.hash, encoded.hash);
        // Automerge reads the same and writes the same.
        let parsed = automerge::Change::try_from(&encoded.bytes[..]).unwrap();
        prop_assert_eq!(parsed.len(), ops.len());
        let again = automerge::Change::from(parsed.decode());
        prop_assert_eq!(again.raw_bytes(), &encoded.bytes[..]);
    }
}

#[test]
fn later_edits_and_deletions_have_the_bytes_of_automerge() {
    let actor = author(4);
    let mut document = oracle::document(actor);
    let mut changes = Vec::new();
    let steps = [
        vec![Edit::set("title", "清洁日"), Edit::set("tags/a", true), Edit::set("tags/b", true), Edit::set("n", 1)],
        vec![Edit::set("title", "清洁日二")],
        vec![Edit::remove("tags/a"), Edit::set("n", 2), Edit::remove("tags/b")],
        vec![Edit::set("tags/a", true)],
        vec![Edit::remove("title"), Edit::set("new", Value::Null), Edit::set("n", 300)],
    ];
    for (time, edits) in (0..).zip(steps) {
        let known: Vec<Known<'_>> = changes.iter().map(Known::visible).collect();
        let base = Base { changes: &known, own_last: None };
        let made = make_change(&base, actor, time, None, &edits).unwrap();
        assert_eq!(made.encoded.bytes, oracle::commit(&mut document, time, &edits));
        changes.push(made.change);
    }
}

#[test]
fn a_derived_id_created_twice_is_one_document() {
    let edits = |minutes: i64| vec![Edit::set("person", "p"), Edit::set("minutes", minutes)];
    let made: Vec<_> = [(1, 60), (2, 90)]
        .map(|(number, minutes)| {
            let mut document = oracle::document(author(number));
            let theirs = oracle::commit(&mut document, 7, &edits(minutes));
            let made = make_change(&Base::EMPTY, author(number), 7, None, &edits(minutes)).unwrap();
            assert_eq!(made.encoded.bytes, theirs);
            made
        })
        .into();
    let mut both = oracle::document(author(3));
    oracle::apply(&mut both, made.iter().map(|made| made.encoded.bytes.as_slice()));
    assert_eq!(oracle::standing(&both, "minutes").len(), 2);
    // A third author settles it; the change names both as predecessors.
    let known: Vec<Known<'_>> = made.iter().map(|made| Known::visible(&made.change)).collect();
    let settle = [Edit::set("minutes", 75)];
    let theirs = oracle::commit(&mut both, 8, &settle);
    let ours = make_change(&Base { changes: &known, own_last: None }, author(3), 8, None, &settle).unwrap();
    assert_eq!(ours.encoded.bytes, theirs);
    assert_eq!(ours.change.ops[0].pred.len(), 2);
}

#[test]
fn the_largest_change_has_the_bytes_of_automerge() {
    let edits: Vec<Edit> = (0..256).map(|number| Edit::set(format!("key{number}"), "x".repeat(200))).collect();
    let mut document = oracle::document(author(1));
    let theirs = oracle::commit(&mut document, 0, &edits);
    let made = make_change(&Base::EMPTY, author(1), 0, None, &edits).unwrap();
    assert_eq!(made.encoded.bytes, theirs);
    assert!(made.encoded.bytes.len() < 65_536);
    assert!(decode(&theirs).is_ok());
}
