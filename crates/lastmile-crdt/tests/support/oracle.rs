//! Automerge itself, as the oracle for everything that no hidden change, fork or merge letter touches.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ObjId, ROOT, ReadDoc, ScalarValue};
use lastmile_crdt::{Edit, OpId};
use lastmile_model::{AuthorId, Value};

/// An empty document of this author.
pub fn document(actor: AuthorId) -> Automerge {
    Automerge::new().with_actor(ActorId::from(actor.0))
}

pub fn to_scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(flag) => ScalarValue::Boolean(*flag),
        Value::Int(number) => ScalarValue::Int(*number),
        Value::Uint(number) => ScalarValue::Uint(*number),
        Value::F64(bits) => ScalarValue::F64(f64::from_bits(*bits)),
        Value::Str(text) => ScalarValue::Str(text.as_str().into()),
        Value::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
        Value::Timestamp(number) => ScalarValue::Timestamp(*number),
        Value::Counter(number) => ScalarValue::Counter((*number).into()),
        Value::Unknown { code, bytes } => ScalarValue::Unknown { type_code: *code, bytes: bytes.clone() },
    }
}

pub fn from_scalar(scalar: &ScalarValue) -> Value {
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

/// Makes the edits in a transaction of Automerge's own and returns the bytes of the change.
pub fn commit(document: &mut Automerge, time: i64, edits: &[Edit]) -> Vec<u8> {
    let mut transaction = document.transaction();
    for edit in edits {
        match edit {
            Edit::Set { key, value } => transaction.put(ROOT, key.as_str(), to_scalar(value)).unwrap(),
            Edit::Remove { key } => transaction.delete(ROOT, key.as_str()).unwrap(),
        }
    }
    transaction.commit_with(CommitOptions::default().with_time(time));
    document.get_last_local_change().unwrap().raw_bytes().to_vec()
}

/// Applies changes from their bytes.
pub fn apply<'b>(document: &mut Automerge, changes: impl IntoIterator<Item = &'b [u8]>) {
    let changes: Vec<automerge::Change> =
        changes.into_iter().map(|bytes| automerge::Change::try_from(bytes).unwrap()).collect();
    document.apply_changes(changes).unwrap();
}

/// Every value that stands on a key, lowest operation first, with the actor's bytes.
pub fn standing_raw(document: &Automerge, key: &str) -> Vec<(Value, u64, Vec<u8>)> {
    let mut all: Vec<(Value, u64, Vec<u8>)> = document
        .get_all(ROOT, key)
        .unwrap()
        .into_iter()
        .map(|(value, id)| {
            let ObjId::Id(counter, actor, _) = id else { panic!("an operation has an id") };
            (from_scalar(value.as_scalar().unwrap()), counter, actor.to_bytes().to_vec())
        })
        .collect();
    all.sort_by(|one, other| (one.1, &one.2).cmp(&(other.1, &other.2)));
    all
}

/// Every value that stands on a key, lowest operation first.
pub fn standing(document: &Automerge, key: &str) -> Vec<(Value, OpId)> {
    let id = |counter, actor: Vec<u8>| OpId { counter, actor: AuthorId::from_slice(&actor).unwrap() };
    standing_raw(document, key).into_iter().map(|(value, counter, actor)| (value, id(counter, actor))).collect()
}

pub fn keys(document: &Automerge) -> Vec<String> {
    document.keys(ROOT).collect()
}
