//! Automerge as the judge of what the gate accepts: it takes it, saves it, loads it again and shows what we show.

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ROOT, ReadDoc, ScalarValue};
use lastmile_crdt::{Change, ConflictKind, ExportError, Known, evaluate, export_document};
use lastmile_model::{AuthorId, Value};

use crate::{cost, tally};

fn from_scalar(scalar: &ScalarValue) -> Value {
    match scalar {
        ScalarValue::Null => Value::Null,
        ScalarValue::Boolean(flag) => Value::Bool(*flag),
        ScalarValue::Int(number) => Value::Int(*number),
        ScalarValue::Uint(number) => Value::Uint(*number),
        ScalarValue::F64(number) => Value::F64(number.to_bits()),
        ScalarValue::Str(text) => Value::from(text.as_str()),
        ScalarValue::Bytes(bytes) => Value::Bytes(bytes.clone()),
        ScalarValue::Timestamp(number) => Value::Timestamp(*number),
        ScalarValue::Counter(counter) => Value::Counter(counter.into()),
        ScalarValue::Unknown { type_code, bytes } => Value::Unknown { code: *type_code, bytes: bytes.clone() },
    }
}

/// Each key with the value that shows, and all that stand where they differ.
type View = BTreeMap<String, (Value, Vec<Value>)>;

fn of_document(document: &Automerge) -> View {
    let mut view = View::new();
    for key in document.keys(ROOT).filter(|key| !key.starts_with("ev/")) {
        let mut standing: Vec<(u64, Vec<u8>, Value)> = document
            .get_all(ROOT, key.as_str())
            .unwrap()
            .into_iter()
            .map(|(value, id)| {
                let ObjId::Id(counter, actor, _) = id else { panic!("an operation has an id") };
                (counter, actor.to_bytes().to_vec(), from_scalar(value.as_scalar().unwrap()))
            })
            .collect();
        standing.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let values: Vec<Value> = standing.into_iter().map(|(.., value)| value).collect();
        let shown = values.last().cloned().unwrap();
        let differ = values.iter().any(|value| *value != values[0]);
        view.insert(key, (shown, if differ { values } else { Vec::new() }));
    }
    view
}

fn of_evaluation(known: &[Known<'_>]) -> View {
    let record = evaluate(None, known);
    // Events read as they show there; keys that only begin as an event's are left out on both sides.
    let view = record.values.iter().filter(|(key, _)| !key.starts_with("ev/")).map(|(key, shown)| {
        let conflict = record.conflicts.iter().find(|conflict| conflict.field == *key);
        let sides = conflict
            .filter(|conflict| conflict.kind == ConflictKind::Listed)
            .map(|conflict| conflict.candidates.iter().filter_map(|side| side.value.cloned()).collect::<Vec<_>>());
        let standing = sides.filter(|sides| sides.iter().any(|value| *value != sides[0])).unwrap_or_default();
        ((*key).to_owned(), (shown.value.clone(), standing))
    });
    view.collect()
}

/// Exports changes that the gate accepted, `true` where one shows, and holds Automerge to the result.
pub fn check(changes: &[(&[u8], &Change, bool)]) {
    let known: Vec<(&[u8], Known<'_>)> = changes
        .iter()
        .map(|(bytes, change, shows)| {
            let known = Known::visible(change);
            (*bytes, if *shows { known } else { known.hide() })
        })
        .collect();
    let exported = match cost::of(|| export_document(&known)) {
        Ok(exported) => exported,
        Err(ExportError::Empty) => {
            assert!(changes.iter().all(|(.., shows)| !shows), "something shows and nothing is exported");
            return;
        }
        Err(error) => panic!("what the gate accepted does not export: {error:?}"),
    };
    let document = Automerge::load(&exported.bytes).unwrap();
    let again = Automerge::load(&document.save()).unwrap();
    assert_eq!(document.get_heads(), again.get_heads(), "what was saved loads as something else");
    if exported.original {
        tally::note("original in Automerge");
        for (_, change, _) in changes {
            let there = document.get_change_by_hash(&automerge::ChangeHash(change.hash.0)).is_some();
            assert!(there, "an original change is missing from the export");
        }
    } else {
        tally::note("re-encoded for Automerge");
    }
    let all: Vec<Known<'_>> = known.iter().map(|(_, known)| *known).collect();
    let ours = of_evaluation(&all);
    let theirs = of_document(&document);
    // Automerge knows the named predecessors alone: what is only causally earlier stands there and not here.
    if !exported.original || names_all(changes) {
        assert_eq!(theirs, ours, "Automerge shows something else");
        tally::note("Automerge shows the same");
    }
}

/// Whether every operation names all that stands on its key in its past.
fn names_all(changes: &[(&[u8], &Change, bool)]) -> bool {
    let find = |hash| changes.iter().position(|(_, change, _)| change.hash == hash);
    changes.iter().all(|(_, change, _)| {
        let mut open: Vec<usize> = change.deps.iter().filter_map(|hash| find(*hash)).collect();
        let mut past: Vec<usize> = Vec::new();
        while let Some(place) = open.pop() {
            if !past.contains(&place) {
                past.push(place);
                open.extend(changes[place].1.deps.iter().filter_map(|hash| find(*hash)));
            }
        }
        change.ops.iter().all(|op| {
            let earlier = past.iter().flat_map(|place| {
                let of = changes[*place].1;
                of.ops.iter().enumerate().filter(|(_, other)| other.key == op.key).map(|(at, _)| of.op_id(at))
            });
            let replaced: Vec<_> = past
                .iter()
                .flat_map(|place| &changes[*place].1.ops)
                .filter(|other| other.key == op.key)
                .flat_map(|other| &other.pred)
                .collect();
            earlier.into_iter().all(|id| op.pred.contains(&id) || replaced.contains(&&id))
        })
    })
}

/// An author with a number.
pub const fn author(number: u8) -> AuthorId {
    AuthorId([number; 16])
}
