//! From a change to bytes, as Automerge's transactions write them.

use lastmile_model::{AuthorId, Value};

use super::column::{length, put_runs, put_signed, put_unsigned, signed_len, unsigned_len};
use super::decode::has_duplicate_key;
use super::{ACTION_DELETE, ACTION_SET, CHANGE_CHUNK, MAGIC, SALT_MARK, hash_chunk, spec};
use crate::change::{
    Action, ChangeParts, EncodedChange, MAX_BYTES, MAX_COUNTER, MAX_OPS, MAX_PREDS, MAX_TIME, Op, last_counter,
};

/// Why a change cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// No operation at all.
    #[error("a change needs at least one operation")]
    Empty,
    /// More than [`MAX_OPS`] operations.
    #[error("a change holds at most 256 operations")]
    TooManyOps,
    /// More than [`MAX_BYTES`].
    #[error("a change has at most 64 KiB")]
    TooLarge,
    /// Two operations on one key.
    #[error("a change has at most one operation on a key")]
    DuplicateKey,
    /// Dependencies that are not strictly ascending.
    #[error("the dependencies are not sorted")]
    DepsUnsorted,
    /// Predecessors that are not strictly ascending or not older than their operation.
    #[error("the predecessors are out of order")]
    BadPredecessor,
    /// More than [`MAX_PREDS`] predecessors.
    #[error("a change names at most 8192 predecessors")]
    TooManyPredecessors,
    /// A deletion without predecessors.
    #[error("a deletion names what it deletes")]
    EmptyDelete,
    /// Seq, start op or time is out of bounds.
    #[error("a counter or time is out of bounds")]
    OutOfBounds,
    /// An unknown value with a type code that is not 10 to 15.
    #[error("an unknown value's type code is 10 to 15")]
    BadValue,
}

/// Encodes a change as a standard uncompressed Automerge chunk, byte for byte as Automerge's own transaction would.
///
/// # Errors
/// [`EncodeError`] for anything that [`decode`](super::decode()) would not accept.
pub fn encode(change: &ChangeParts<'_>) -> Result<EncodedChange, EncodeError> {
    check(change)?;
    let encoded = write_chunk(change, &change.actor.0, |out| write_operations(out, change.actor, change.ops));
    if encoded.bytes.len() > MAX_BYTES { Err(EncodeError::TooLarge) } else { Ok(encoded) }
}

/// Encodes a change for an export: its actor and those of its predecessors may have any length, and no limit holds.
///
/// `preds` has the predecessors of each operation, sorted; those in the operations themselves do not count.
pub(crate) fn encode_export(change: &ChangeParts<'_>, actor: &[u8], preds: &[Vec<(u64, Vec<u8>)>]) -> EncodedChange {
    let flat: Vec<(u64, &[u8])> = preds.iter().flatten().map(|(counter, actor)| (*counter, actor.as_slice())).collect();
    let count = |index: usize| preds.get(index).map_or(0, |preds| preds.len() as u64);
    write_chunk(change, actor, |out| write_columns(out, actor, change.ops, count, &flat))
}

fn write_chunk(change: &ChangeParts<'_>, actor: &[u8], operations: impl Fn(&mut Vec<u8>)) -> EncodedChange {
    // The chunk header takes 10 bytes or a few more: write the body behind room for it, then close the gap.
    const ROOM: usize = 16;
    let mut bytes = Vec::with_capacity(ROOM + estimate(change));
    bytes.extend_from_slice(&[0; ROOM]);
    put_unsigned(&mut bytes, change.deps.len() as u64);
    change.deps.iter().for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
    put_bytes(&mut bytes, actor);
    put_unsigned(&mut bytes, change.seq);
    put_unsigned(&mut bytes, change.start_op);
    put_signed(&mut bytes, change.time);
    put_bytes(&mut bytes, change.message.unwrap_or_default().as_bytes());
    operations(&mut bytes);
    if let Some(salt) = change.salt {
        bytes.push(SALT_MARK);
        bytes.extend_from_slice(&salt);
    }
    let body = (bytes.len() - ROOM) as u64;
    let mut head = Vec::with_capacity(ROOM);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&[0; 4]);
    head.push(CHANGE_CHUNK);
    put_unsigned(&mut head, body);
    bytes.drain(..ROOM.saturating_sub(head.len()));
    if let Some(place) = bytes.get_mut(..head.len()) {
        place.copy_from_slice(&head);
    }
    let hash = hash_chunk(&bytes);
    if let (Some(place), Some(sum)) = (bytes.get_mut(4..8), hash.0.get(..4)) {
        place.copy_from_slice(sum);
    }
    EncodedChange { hash, bytes }
}

fn check(change: &ChangeParts<'_>) -> Result<(), EncodeError> {
    let ops = change.ops;
    if ops.is_empty() {
        return Err(EncodeError::Empty);
    }
    if ops.len() > MAX_OPS {
        return Err(EncodeError::TooManyOps);
    }
    let counters = 1..=MAX_COUNTER;
    let last = last_counter(change.start_op, ops.len() as u64);
    let in_bounds = counters.contains(&change.seq) && counters.contains(&change.start_op) && counters.contains(&last);
    if !in_bounds || !(-MAX_TIME..=MAX_TIME).contains(&change.time) {
        return Err(EncodeError::OutOfBounds);
    }
    if !change.deps.is_sorted_by(|earlier, later| earlier < later) {
        return Err(EncodeError::DepsUnsorted);
    }
    if has_duplicate_key(ops) {
        return Err(EncodeError::DuplicateKey);
    }
    if ops.iter().map(|op| op.pred.len()).sum::<usize>() > MAX_PREDS {
        return Err(EncodeError::TooManyPredecessors);
    }
    for (op, counter) in ops.iter().zip(change.start_op..) {
        let ascending = op.pred.is_sorted_by(|earlier, later| earlier < later);
        if !ascending || op.pred.iter().any(|pred| pred.counter == 0 || pred.counter >= counter) {
            return Err(EncodeError::BadPredecessor);
        }
        match &op.action {
            Action::Delete if op.pred.is_empty() => return Err(EncodeError::EmptyDelete),
            Action::Set(Value::Unknown { code, .. }) if !(10..=15).contains(code) => return Err(EncodeError::BadValue),
            _ => {}
        }
    }
    Ok(())
}

/// About how many bytes the body takes: enough that it is seldom moved.
fn estimate(change: &ChangeParts<'_>) -> usize {
    let ops = change.ops.iter().map(|op| {
        let value = match &op.action {
            Action::Set(Value::Str(text)) => text.len(),
            Action::Set(Value::Bytes(bytes) | Value::Unknown { bytes, .. }) => bytes.len(),
            _ => 10,
        };
        op.key.len() + value + 6 + 4 * op.pred.len()
    });
    128 + 32 * change.deps.len() + change.message.unwrap_or_default().len() + ops.sum::<usize>()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes everything from the list of other actors to the last column.
pub(super) fn write_operations(out: &mut Vec<u8>, author: AuthorId, ops: &[Op]) {
    let preds: Vec<(u64, [u8; 16])> =
        ops.iter().flat_map(|op| &op.pred).map(|pred| (pred.counter, pred.actor.0)).collect();
    let count = |index: usize| ops.get(index).map_or(0, |op| op.pred.len() as u64);
    write_columns(out, author.0, ops, count, &preds);
}

/// Writes the other actors and the columns; `count` gives each operation's number of predecessors, `preds` has them all.
fn write_columns<A: Copy + Ord + AsRef<[u8]>>(
    out: &mut Vec<u8>,
    author: A,
    ops: &[Op],
    count: impl Fn(usize) -> u64,
    preds: &[(u64, A)],
) {
    let mut others: Vec<A> = preds.iter().map(|(_, actor)| *actor).filter(|actor| *actor != author).collect();
    others.sort_unstable();
    others.dedup();
    put_unsigned(out, others.len() as u64);
    others.iter().for_each(|actor| put_bytes(out, actor.as_ref()));
    let actor_number = |actor: A| {
        // The author is number 0, the others follow in order.
        if actor == author { 0 } else { others.binary_search(&actor).map_or(0, |index| index as u64 + 1) }
    };

    let mut columns = Columns::with_capacity(out.capacity().saturating_sub(out.len()));
    columns.add(spec::KEY, |data| {
        put_signed(data, -length(ops.len()));
        ops.iter().for_each(|op| put_bytes(data, op.key.as_bytes()));
    });
    columns.add(spec::INSERT, |data| put_unsigned(data, ops.len() as u64));
    let of_op = |of: fn(&Op) -> u64| move |index: usize| ops.get(index).map_or(0, of);
    columns.add(spec::ACTION, |data| put_runs(data, ops.len(), of_op(action_code), put_unsigned));
    columns.add(spec::VALUE_META, |data| put_runs(data, ops.len(), of_op(value_meta), put_unsigned));
    columns.add(spec::VALUE, |data| ops.iter().for_each(|op| put_value(data, op)));
    columns.add(spec::PRED_COUNT, |data| put_runs(data, ops.len(), &count, put_unsigned));
    columns.add(spec::PRED_ACTOR, |data| {
        let actor = |index: usize| preds.get(index).map_or(0, |(_, actor)| actor_number(*actor));
        put_runs(data, preds.len(), actor, put_unsigned);
    });
    columns.add(spec::PRED_COUNTER, |data| {
        let counter = |index: usize| preds.get(index).map_or(0, |(counter, _)| counter.cast_signed());
        let step = |index: usize| counter(index) - index.checked_sub(1).map_or(0, counter);
        put_runs(data, preds.len(), step, put_signed);
    });
    columns.write(out);
}

/// The columns as they are written: which there are, how long each is, and all their bytes.
struct Columns {
    lengths: Vec<(u64, usize)>,
    data: Vec<u8>,
}

impl Columns {
    fn with_capacity(bytes: usize) -> Self {
        Self { lengths: Vec::with_capacity(8), data: Vec::with_capacity(bytes) }
    }

    /// Adds a column, unless nothing is written to it.
    fn add(&mut self, column: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.data.len();
        write(&mut self.data);
        let len = self.data.len() - start;
        if len > 0 {
            self.lengths.push((column, len));
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_unsigned(out, self.lengths.len() as u64);
        for (column, len) in &self.lengths {
            put_unsigned(out, *column);
            put_unsigned(out, *len as u64);
        }
        out.extend_from_slice(&self.data);
    }
}

const fn action_code(op: &Op) -> u64 {
    match op.action {
        Action::Set(_) => ACTION_SET,
        Action::Delete => ACTION_DELETE,
    }
}

/// The length of the value's bytes, shifted by four, and its type.
fn value_meta(op: &Op) -> u64 {
    let Action::Set(value) = &op.action else { return 0 };
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Uint(number) => unsigned_len(*number) << 4 | 3,
        Value::Int(number) => signed_len(*number) << 4 | 4,
        Value::F64(_) => 8 << 4 | 5,
        Value::Str(text) => (text.len() as u64) << 4 | 6,
        Value::Bytes(bytes) => (bytes.len() as u64) << 4 | 7,
        Value::Counter(number) => signed_len(*number) << 4 | 8,
        Value::Timestamp(number) => signed_len(*number) << 4 | 9,
        Value::Unknown { code, bytes } => (bytes.len() as u64) << 4 | u64::from(*code),
    }
}

fn put_value(out: &mut Vec<u8>, op: &Op) {
    let Action::Set(value) = &op.action else { return };
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Uint(number) => put_unsigned(out, *number),
        Value::Int(number) | Value::Counter(number) | Value::Timestamp(number) => put_signed(out, *number),
        Value::F64(bits) => out.extend_from_slice(&bits.to_le_bytes()),
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) | Value::Unknown { bytes, .. } => out.extend_from_slice(bytes),
    }
}
