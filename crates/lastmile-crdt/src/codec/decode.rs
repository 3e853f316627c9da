//! From bytes to a change, strictly.

use lastmile_model::{AuthorId, ChangeHash, Value};

use super::column::{Deltas, Keys, Numbers};
use super::header::{Front, check_sum, open_chunk};
use super::reader::Reader;
use super::{ACTION_DELETE, ACTION_SET, Malformed, SALT_MARK, hash_chunk};
use crate::change::{Action, Change, MAX_COUNTER, MAX_OPS, MAX_PREDS, MAX_TIME, Op, OpId, last_counter};

/// Decodes a change: everything of the gate that the bytes alone decide.
///
/// Accepts exactly what [`encode`](super::encode()) can write, so encoding the result again gives the same bytes. Never
/// panics, and allocates in proportion to the bytes given, never to a count they claim.
///
/// # Errors
/// [`Malformed`] says why; [`Malformed::needs_newer_version`] tells what may be readable later from what never is.
pub fn decode(bytes: &[u8]) -> Result<Change, Malformed> {
    let body = open_chunk(bytes)?;
    let hash = hash_chunk(bytes);
    check_sum(bytes, &hash)?;
    decode_body(body, hash)
}

/// Decodes a change whose hash was computed before, by [`read_header`](super::read_header) on the same bytes.
///
/// It does not hash again: with a hash that is not that of the bytes the result is wrong.
///
/// # Errors
/// [`Malformed`], like [`decode`].
pub fn decode_hashed(bytes: &[u8], hash: ChangeHash) -> Result<Change, Malformed> {
    let body = open_chunk(bytes)?;
    check_sum(bytes, &hash)?;
    decode_body(body, hash)
}

fn decode_body(body: &[u8], hash: ChangeHash) -> Result<Change, Malformed> {
    let front = Front::read(body)?;
    if front.columns.others {
        return Err(Malformed::NotFlat);
    }
    if front.seq > MAX_COUNTER || !(-MAX_TIME..=MAX_TIME).contains(&front.time) {
        return Err(Malformed::OutOfBounds);
    }
    let salt = match front.extra {
        [] => None,
        [SALT_MARK, salt @ ..] => Some(salt.try_into().map_err(|_| Malformed::BadExtra)?),
        _ => return Err(Malformed::BadExtra),
    };
    let ops = read_ops(&front)?;
    if has_duplicate_key(&ops) {
        return Err(Malformed::DuplicateKey);
    }
    let message = (!front.message.is_empty()).then(|| front.message.to_owned());
    Ok(Change {
        hash,
        deps: front.deps.to_vec(),
        actor: front.actor,
        seq: front.seq,
        start_op: front.start_op,
        time: front.time,
        message,
        salt,
        ops,
    })
}

/// Reads the operations row by row, all columns side by side.
fn read_ops(front: &Front<'_>) -> Result<Vec<Op>, Malformed> {
    let columns = &front.columns;
    let action = columns.action.ok_or(Malformed::Empty)?;
    let count = Numbers::count_rows(action, MAX_OPS as u64)?;
    if count == 0 {
        return Err(Malformed::Empty);
    }
    if last_counter(front.start_op, count) > MAX_COUNTER {
        return Err(Malformed::OutOfBounds);
    }
    // One run of `false` as long as the change, else something is inserted into a list.
    let mut insert = Reader::new(columns.insert.ok_or(Malformed::BadColumns)?);
    if insert.unsigned()? != count || !insert.is_empty() {
        return Err(if insert.is_empty() { Malformed::BadColumns } else { Malformed::NotFlat });
    }
    let mut rows = Rows {
        key: Keys::new(columns.key.ok_or(Malformed::NotFlat)?, count)?,
        action: Numbers::new(action),
        value_meta: Numbers::new(columns.value_meta.ok_or(Malformed::BadColumns)?),
        value: Reader::new(columns.value.unwrap_or_default()),
        preds: Preds {
            count: Numbers::new(columns.pred_count.ok_or(Malformed::BadColumns)?),
            actor: Numbers::new(columns.pred_actor.unwrap_or_default()),
            counter: Deltas::new(columns.pred_counter.unwrap_or_default()),
            actors: Actors::new(front.actor, front.others)?,
            left: MAX_PREDS as u64,
        },
    };
    let mut ops = Vec::with_capacity(usize::try_from(count).unwrap_or(MAX_OPS));
    for index in 0..count {
        ops.push(rows.next(front.start_op.saturating_add(index))?);
    }
    if !rows.is_done() {
        return Err(Malformed::BadColumns);
    }
    if rows.preds.actors.all_named() { Ok(ops) } else { Err(Malformed::NotCanonical) }
}

/// The columns of the operations, read side by side.
struct Rows<'a> {
    key: Keys<'a>,
    action: Numbers<'a>,
    value_meta: Numbers<'a>,
    value: Reader<'a>,
    preds: Preds<'a>,
}

impl Rows<'_> {
    fn next(&mut self, counter: u64) -> Result<Op, Malformed> {
        let key = self.key.next()?.to_owned();
        let action = self.action.next()?;
        let meta = self.value_meta.next()?;
        let len = usize::try_from(meta >> 4).map_err(|_| Malformed::BadValue)?;
        let bytes = self.value.take(len)?;
        let pred = self.preds.next(counter)?;
        let action = match action {
            ACTION_SET => Action::Set(read_value(meta, bytes)?),
            ACTION_DELETE if meta != 0 => return Err(Malformed::BadValue),
            ACTION_DELETE if pred.is_empty() => return Err(Malformed::EmptyDelete),
            ACTION_DELETE => Action::Delete,
            _ => return Err(Malformed::NotFlat),
        };
        Ok(Op { key, action, pred })
    }

    const fn is_done(&self) -> bool {
        self.key.is_done()
            && self.action.is_done()
            && self.value_meta.is_done()
            && self.value.is_empty()
            && self.preds.is_done()
    }
}

/// The predecessor columns.
struct Preds<'a> {
    count: Numbers<'a>,
    actor: Numbers<'a>,
    counter: Deltas<'a>,
    actors: Actors<'a>,
    /// How many more there may be.
    left: u64,
}

impl Preds<'_> {
    /// Reads the predecessors of the operation with this counter.
    fn next(&mut self, counter: u64) -> Result<Vec<OpId>, Malformed> {
        let count = self.count.next()?;
        // A run of predecessors takes a few bytes, however long it is: nothing else bounds what they claim.
        self.left = self.left.checked_sub(count).ok_or(Malformed::TooManyPredecessors)?;
        let mut preds = Vec::new();
        for _ in 0..count {
            let pred = self.next_pred()?;
            if pred.counter >= counter || preds.last() >= Some(&pred) {
                return Err(Malformed::BadPredecessor);
            }
            preds.push(pred);
        }
        Ok(preds)
    }

    fn next_pred(&mut self) -> Result<OpId, Malformed> {
        let actor = self.actors.get(self.actor.next()?)?;
        let counter = u64::try_from(self.counter.next()?).map_err(|_| Malformed::BadPredecessor)?;
        if counter == 0 { Err(Malformed::BadPredecessor) } else { Ok(OpId { counter, actor }) }
    }

    const fn is_done(&self) -> bool {
        self.count.is_done() && self.actor.is_done() && self.counter.is_done()
    }
}

/// The actors that predecessors may name: the author is number 0, the others follow in order.
struct Actors<'a> {
    author: AuthorId,
    others: &'a [[u8; 17]],
    /// Which of the others a predecessor has named: a listed actor that none names is not canonical.
    named: Vec<bool>,
}

impl<'a> Actors<'a> {
    fn new(author: AuthorId, others: &'a [[u8; 17]]) -> Result<Self, Malformed> {
        let sorted = others.is_sorted_by(|earlier, later| earlier < later);
        if !sorted || others.iter().any(|[_, actor @ ..]| *actor == author.0) {
            return Err(Malformed::NotCanonical);
        }
        Ok(Self { author, others, named: vec![false; others.len()] })
    }

    fn get(&mut self, number: u64) -> Result<AuthorId, Malformed> {
        let number = usize::try_from(number).map_err(|_| Malformed::BadActor)?;
        let Some(place) = number.checked_sub(1) else { return Ok(self.author) };
        let [_, actor @ ..] = *self.others.get(place).ok_or(Malformed::BadActor)?;
        if let Some(named) = self.named.get_mut(place) {
            *named = true;
        }
        Ok(AuthorId(actor))
    }

    fn all_named(&self) -> bool {
        self.named.iter().all(|named| *named)
    }
}

/// Reads a value by the type in the low four bits of its meta number.
fn read_value(meta: u64, bytes: &[u8]) -> Result<Value, Malformed> {
    let whole = |number: Result<Value, Malformed>, reader: Reader<'_>| {
        if reader.is_empty() { number } else { Err(Malformed::BadValue) }
    };
    let mut reader = Reader::new(bytes);
    match meta & 0x0f {
        kind @ 0..=2 if bytes.is_empty() => Ok(if kind == 0 { Value::Null } else { Value::Bool(kind == 2) }),
        3 => whole(reader.unsigned().map(Value::Uint), reader),
        4 => whole(reader.signed().map(Value::Int), reader),
        5 => bytes.try_into().map(|bits| Value::F64(u64::from_le_bytes(bits))).map_err(|_| Malformed::BadValue),
        6 => std::str::from_utf8(bytes).map(Value::from).map_err(|_| Malformed::BadUtf8),
        7 => Ok(Value::Bytes(bytes.to_vec())),
        8 => whole(reader.signed().map(Value::Counter), reader),
        9 => whole(reader.signed().map(Value::Timestamp), reader),
        code @ 10..=15 => Ok(Value::Unknown { code: code.to_le_bytes()[0], bytes: bytes.to_vec() }),
        _ => Err(Malformed::BadValue),
    }
}

/// Says whether two operations are on one key.
pub(super) fn has_duplicate_key(ops: &[Op]) -> bool {
    // A hash table of places; 0 is an empty slot. Long chains are at most 256 places long.
    const SLOTS: usize = 2 * MAX_OPS;
    if ops.len() <= 4 {
        return ops.iter().enumerate().any(|(index, op)| ops.iter().take(index).any(|earlier| earlier.key == op.key));
    }
    let mut slots = [0_u16; SLOTS];
    for (index, op) in ops.iter().enumerate() {
        let mut at = slot(&op.key) % SLOTS;
        while let Some(place) = slots.get(at).copied().filter(|place| *place > 0) {
            if ops.get(usize::from(place - 1)).is_some_and(|earlier| earlier.key == op.key) {
                return true;
            }
            at = (at + 1) % SLOTS;
        }
        if let (Some(slot), Ok(place)) = (slots.get_mut(at), u16::try_from(index + 1)) {
            *slot = place;
        }
    }
    false
}

/// A quick hash of a key's length and outer bytes.
fn slot(key: &str) -> usize {
    let bytes = key.as_bytes();
    let byte = |index: usize| bytes.get(index).map_or(0, |byte| usize::from(*byte));
    let len = bytes.len();
    let end = |back: usize| byte(len.wrapping_sub(back));
    let mixed = byte(0) + 31 * byte(1) + 7 * byte(len / 2) + 131 * end(1) + 17 * end(2) + 5 * end(4);
    mixed.wrapping_mul(0x9e3b).wrapping_add(len * 59) >> 3
}
